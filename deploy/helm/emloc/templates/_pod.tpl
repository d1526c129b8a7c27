{{/* A container that may do nothing but its work. */}}
{{- define "emloc.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
privileged: false
capabilities:
  drop: [ALL]
{{- end -}}

{{/* Where things lie, in every container: dict "root" $ "name" NAME. */}}
{{- define "emloc.env" -}}
{{- $root := .root -}}
- name: HOME
  value: /tmp
- name: TMPDIR
  value: /tmp
- name: EMLOC_HOME
  value: /var/lib/emloc
- name: EMLOC_STORE_DIR
  value: /var/lib/emloc/store
- name: EMLOC_STATE_DIR
  value: {{ if and (eq .name "coordinator") (not $root.Values.database.existingSecret) }}/var/lib/emloc-database{{ else }}/var/lib/emloc/state{{ end }}
- name: EMLOC_MODEL_ROOTS
  value: {{ concat (list "/var/lib/emloc/models" "/var/lib/emloc/data") (include "emloc.modelMounts" $root | fromJsonArray) | join ":" }}
- name: EMLOC_LOG_LEVEL
  value: {{ $root.Values.log.level }}
- name: EMLOC_LOG_FORMAT
  value: {{ $root.Values.log.format }}
{{- if $root.Values.tls.enabled }}
- name: EMLOC_TLS_CA
  value: /etc/emloc/tls/ca.crt
- name: EMLOC_TLS_CERT
  value: /etc/emloc/tls/tls.crt
- name: EMLOC_TLS_KEY
  value: /etc/emloc/tls/tls.key
{{- if $root.Values.tls.mutual }}
- name: EMLOC_TLS_MUTUAL
  value: "1"
{{- end }}
{{- end }}
{{- end -}}

{{- define "emloc.modelMounts" -}}
{{- $paths := list -}}
{{- range .Values.modelVolumes }}{{ $paths = append $paths .mountPath }}{{ end -}}
{{- $paths | toJson -}}
{{- end -}}

{{/* Where each service is called. */}}
{{- define "emloc.addresses" -}}
{{- $root := . -}}
{{- range $name, $port := include "emloc.ports" . | fromYaml }}
- name: EMLOC_{{ upper $name }}_ADDRESS
  value: dns:///{{ include "emloc.headlessHost" (dict "root" $root "name" $name) }}:{{ $port }}
{{- end }}
{{- end -}}

{{- define "emloc.databaseEnv" -}}
{{- with .Values.database.existingSecret }}
- name: EMLOC_DATABASE_URL
  valueFrom:
    secretKeyRef:
      name: {{ . }}
      key: {{ $.Values.database.key }}
{{- end }}
{{- end -}}

{{- define "emloc.telemetryEnv" -}}
{{- with .Values.telemetry }}
{{- if .otlpEndpoint }}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ .otlpEndpoint | quote }}
- name: OTEL_EXPORTER_OTLP_PROTOCOL
  value: {{ .otlpProtocol }}
- name: OTEL_TRACES_SAMPLER
  value: {{ .sampler }}
{{- with .samplerArgument }}
- name: OTEL_TRACES_SAMPLER_ARG
  value: {{ . | quote }}
{{- end }}
{{- end }}
- name: OTEL_METRICS_EXPORTER
  value: {{ .metricsExporter }}
{{- if eq .metricsExporter "prometheus" }}
- name: OTEL_EXPORTER_PROMETHEUS_HOST
  value: 0.0.0.0
- name: OTEL_EXPORTER_PROMETHEUS_PORT
  value: {{ .metricsPort | quote }}
{{- end }}
{{- end }}
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: OTEL_RESOURCE_ATTRIBUTES
  value: k8s.namespace.name={{ .Release.Namespace }},k8s.pod.name=$(POD_NAME)
{{- end -}}

{{- define "emloc.volumeMounts" -}}
- name: storage
  mountPath: /var/lib/emloc
- name: tmp
  mountPath: /tmp
{{- range .root.Values.modelVolumes }}
- name: {{ .name }}
  mountPath: {{ .mountPath }}
  readOnly: {{ .readOnly }}
{{- end }}
{{- if .root.Values.tls.enabled }}
- name: tls
  mountPath: /etc/emloc/tls
  readOnly: true
{{- end }}
{{- if and (eq .name "coordinator") (not .root.Values.database.existingSecret) }}
- name: database
  mountPath: /var/lib/emloc-database
{{- end }}
{{- end -}}

{{- define "emloc.volumes" -}}
- name: storage
  persistentVolumeClaim:
    claimName: {{ include "emloc.storageClaim" .root }}
- name: tmp
  emptyDir:
    sizeLimit: {{ .root.Values.storage.temporarySize }}
{{- range .root.Values.modelVolumes }}
- name: {{ .name }}
  persistentVolumeClaim:
    claimName: {{ .claimName }}
    readOnly: {{ .readOnly }}
{{- end }}
{{- if .root.Values.tls.enabled }}
- name: tls
  secret:
    secretName: {{ include "emloc.tlsSecret" .root }}
    defaultMode: 0440
{{- end }}
{{- if and (eq .name "coordinator") (not .root.Values.database.existingSecret) }}
- name: database
  persistentVolumeClaim:
    claimName: {{ default (printf "%s-database" (include "emloc.fullname" .root)) .root.Values.database.embedded.existingClaim }}
{{- end }}
{{- end -}}

{{/* A probe by grpc.health.v1: dict "root" $ "port" PORT "service" NAME-OF-HEALTH. */}}
{{- define "emloc.probe" -}}
grpc:
  port: {{ .port }}
  service: {{ .service | quote }}
periodSeconds: {{ .root.Values.probes.periodSeconds }}
timeoutSeconds: 5
{{- end -}}

{{/* The pod of a service: dict "root" $ "name" NAME "service" its values. */}}
{{- define "emloc.pod" -}}
{{- $root := .root -}}
{{- $service := .service -}}
{{- $port := index (include "emloc.ports" $root | fromYaml) .name | int -}}
{{- $probe := dict "root" $root "port" (ternary (add $port 10) $port $root.Values.tls.enabled) -}}
metadata:
  labels:
    {{- include "emloc.podLabels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .name }}
    {{- with $service.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with merge (dict) $service.podAnnotations $root.Values.commonAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ include "emloc.fullname" $root }}-{{ .name }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ include "emloc.terminationGracePeriodSeconds" $root }}
  securityContext:
    {{- toYaml $root.Values.podSecurityContext | nindent 4 }}
  {{- with $root.Values.image.pullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $service.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- if and $service.gpu.enabled $service.gpu.runtimeClassName }}
  runtimeClassName: {{ $service.gpu.runtimeClassName }}
  {{- end }}
  {{- with merge (dict) (ternary $service.gpu.nodeSelector (dict) $service.gpu.enabled) $service.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with concat (ternary $service.gpu.tolerations (list) $service.gpu.enabled) $service.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $service.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if $service.topologySpread.enabled }}
  topologySpreadConstraints:
    {{- $name := .name }}
    {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
    - maxSkew: {{ $service.topologySpread.maxSkew }}
      topologyKey: {{ . }}
      whenUnsatisfiable: {{ $service.topologySpread.whenUnsatisfiable }}
      labelSelector:
        matchLabels:
          {{- include "emloc.selectorLabels" $root | nindent 10 }}
          app.kubernetes.io/component: {{ $name }}
    {{- end }}
  {{- end }}
  containers:
    - name: {{ .name }}
      image: {{ include "emloc.image" (dict "root" $root "gpu" $service.gpu.enabled) }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      args: [{{ .name }}]
      env:
        {{- include "emloc.env" (dict "root" $root "name" .name) | nindent 8 }}
        - name: EMLOC_LISTEN_ADDRESS
          value: 0.0.0.0:{{ $port }}
        {{- include "emloc.addresses" $root | trim | nindent 8 }}
        {{- if $root.Values.tls.enabled }}
        # Probes of Kubernetes do not speak TLS.
        - name: EMLOC_HEALTH_ADDRESS
          value: 0.0.0.0:{{ add $port 10 }}
        {{- end }}
        - name: EMLOC_CONNECTION_AGE_MS
          value: {{ mul $root.Values.connectionAgeSeconds 1000 | quote }}
        - name: EMLOC_MAX_OPERATIONS
          value: {{ $service.maxOperations | quote }}
        - name: EMLOC_DEVICE
          value: {{ ternary "gpu" "cpu" $service.gpu.enabled }}
        - name: EMLOC_DRAIN_MS
          value: {{ mul $root.Values.shutdown.drainSeconds 1000 | quote }}
        - name: EMLOC_STOP_GRACE_MS
          value: {{ mul $root.Values.shutdown.checkpointSeconds 1000 | quote }}
        {{- if eq .name "coordinator" }}
        - name: EMLOC_COORDINATOR_ID
          valueFrom:
            fieldRef:
              fieldPath: metadata.name
        - name: EMLOC_CONCURRENT_JOBS
          value: {{ $root.Values.coordinator.concurrentJobs | quote }}
        {{- include "emloc.databaseEnv" $root | trim | nindent 8 }}
        {{- end }}
        {{- include "emloc.telemetryEnv" $root | trim | nindent 8 }}
        {{- with $service.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      ports:
        - name: grpc
          containerPort: {{ $port }}
          protocol: TCP
        {{- if $root.Values.tls.enabled }}
        - name: health
          containerPort: {{ add $port 10 }}
          protocol: TCP
        {{- end }}
        {{- if eq $root.Values.telemetry.metricsExporter "prometheus" }}
        - name: metrics
          containerPort: {{ $root.Values.telemetry.metricsPort }}
          protocol: TCP
        {{- end }}
      startupProbe:
        {{- include "emloc.probe" (merge (dict "service" "liveness") $probe) | nindent 8 }}
        failureThreshold: {{ max 1 (div $root.Values.probes.startupSeconds $root.Values.probes.periodSeconds) }}
      readinessProbe:
        {{- include "emloc.probe" (merge (dict "service" "") $probe) | nindent 8 }}
        failureThreshold: 2
      livenessProbe:
        {{- include "emloc.probe" (merge (dict "service" "liveness") $probe) | nindent 8 }}
        failureThreshold: 6
      lifecycle:
        preStop:
          sleep:
            seconds: {{ $root.Values.shutdown.preStopSeconds }}
      resources:
        {{- $resources := deepCopy $service.resources }}
        {{- if $service.gpu.enabled }}
        {{- $device := dict $service.gpu.resource $service.gpu.count }}
        {{- $resources = mergeOverwrite $resources (dict "limits" (mergeOverwrite (default (dict) $resources.limits) $device)) }}
        {{- end }}
        {{- toYaml $resources | nindent 8 }}
      securityContext:
        {{- include "emloc.securityContext" $root | nindent 8 }}
      volumeMounts:
        {{- include "emloc.volumeMounts" . | nindent 8 }}
  volumes:
    {{- include "emloc.volumes" . | nindent 4 }}
{{- end -}}
