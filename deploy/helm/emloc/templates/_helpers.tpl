{{/* Names and labels. */}}
{{- define "emloc.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* Short enough that NAME-coordinator-headless and a pod's suffix stay below 63 characters. */}}
{{- define "emloc.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "emloc.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "emloc.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What never changes about an object of the release. */}}
{{- define "emloc.selectorLabels" -}}
app.kubernetes.io/name: {{ include "emloc.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Of pods: what every upgrade changes is not among them, or each would start all pods anew. */}}
{{- define "emloc.podLabels" -}}
{{ include "emloc.selectorLabels" . }}
app.kubernetes.io/part-of: emloc
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "emloc.labels" -}}
{{ include "emloc.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: emloc
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The metadata of an object: dict "root" $ "name" NAME, and "component", "labels", "annotations" where there are any. */}}
{{- define "emloc.metadata" -}}
name: {{ .name }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "emloc.labels" .root | nindent 2 }}
  {{- with .component }}
  app.kubernetes.io/component: {{ . }}
  {{- end }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- $annotations := merge (dict) (default (dict) .annotations) .root.Values.commonAnnotations }}
{{- with $annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The services in order, with their ports: those that a service has unasked. */}}
{{- define "emloc.ports" -}}
coordinator: 50550
calibration: 50551
compression: 50552
training: 50553
correction: 50554
inference: 50555
{{- end -}}

{{/* What is said of one service, over what is said of all: dict "root" $ "name" NAME. As YAML. */}}
{{- define "emloc.serviceValues" -}}
{{- mergeOverwrite (deepCopy .root.Values.defaults) (deepCopy (index .root.Values.services .name | default dict)) | toYaml -}}
{{- end -}}

{{/* The name under which one service calls another: every ready replica has an address under it. */}}
{{- define "emloc.headlessHost" -}}
{{ include "emloc.fullname" .root }}-{{ .name }}-headless.{{ .root.Release.Namespace }}.svc.{{ .root.Values.clusterDomain }}
{{- end -}}

{{- define "emloc.image" -}}
{{- $image := .root.Values.image -}}
{{- $path := $image.repository -}}
{{- if $image.registry }}{{ $path = printf "%s/%s" $image.registry $path }}{{ end -}}
{{- $digest := ternary $image.gpuDigest $image.digest .gpu -}}
{{- if $digest -}}
{{ $path }}@{{ $digest }}
{{- else -}}
{{ $path }}:{{ default .root.Chart.AppVersion $image.tag }}{{ if .gpu }}{{ $image.gpuTagSuffix }}{{ end }}
{{- end -}}
{{- end -}}

{{- define "emloc.storageClaim" -}}
{{- default (printf "%s-storage" (include "emloc.fullname" .)) .Values.storage.existingClaim -}}
{{- end -}}

{{- define "emloc.tlsSecret" -}}
{{- default (printf "%s-tls" (include "emloc.fullname" .)) .Values.tls.existingSecret -}}
{{- end -}}

{{/* Until the kernel may end the process: hear of it, finish calls, write checkpoints, and a margin. */}}
{{- define "emloc.terminationGracePeriodSeconds" -}}
{{- with .Values.shutdown }}{{ add .preStopSeconds .drainSeconds .checkpointSeconds 15 }}{{ end -}}
{{- end -}}

{{/* Refuses what the schema cannot. */}}
{{- define "emloc.check" -}}
{{- $coordinator := include "emloc.serviceValues" (dict "root" . "name" "coordinator") | fromYaml -}}
{{- if and (not .Values.database.existingSecret) (gt (int $coordinator.replicas) 1) -}}
{{- fail "services.coordinator.replicas: more than one coordinator needs a PostgreSQL: set database.existingSecret" -}}
{{- end -}}
{{- if and .Values.tls.enabled (not .Values.tls.existingSecret) (not .Values.tls.certManager.enabled) -}}
{{- fail "tls: name a Secret (tls.existingSecret) or let cert-manager make one (tls.certManager.enabled)" -}}
{{- end -}}
{{- if and .Values.podMonitor.enabled (ne .Values.telemetry.metricsExporter "prometheus") -}}
{{- fail "podMonitor: there is nothing to scrape: set telemetry.metricsExporter to prometheus" -}}
{{- end -}}
{{- if and (eq .Values.telemetry.metricsExporter "otlp") (not .Values.telemetry.otlpEndpoint) -}}
{{- fail "telemetry.metricsExporter: otlp needs telemetry.otlpEndpoint" -}}
{{- end -}}
{{- $root := . -}}
{{- range $name, $port := include "emloc.ports" . | fromYaml -}}
{{- $service := include "emloc.serviceValues" (dict "root" $root "name" $name) | fromYaml -}}
{{- if and (eq $name "coordinator") (or $service.gpu.enabled (ne $service.autoscaling.kind "none")) -}}
{{- fail "services.coordinator: it never touches a tensor, and its replicas are not scaled: gpu.enabled and autoscaling are not for it" -}}
{{- end -}}
{{- if and (eq $service.autoscaling.kind "keda") (not $root.Values.autoscaling.prometheusAddress) -}}
{{- fail (printf "services.%s.autoscaling.kind: keda needs autoscaling.prometheusAddress" $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "emloc.databaseEgress" -}}
- ports:
    - { port: {{ .Values.networkPolicy.databasePort }}, protocol: TCP }
  {{- with .Values.networkPolicy.database }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* The port of telemetry.otlpEndpoint. */}}
{{- define "emloc.collectorPort" -}}
{{- $host := (urlParse .Values.telemetry.otlpEndpoint).host -}}
{{- if contains ":" $host }}{{ regexFind "[0-9]+$" $host }}{{ else }}{{ ternary 443 80 (hasPrefix "https:" .Values.telemetry.otlpEndpoint) }}{{ end -}}
{{- end -}}

{{/* Waiting operations of a service, as Prometheus has them: each service has operations of its own kinds. */}}
{{- define "emloc.kinds" -}}
calibration: calibrate|stream-grams
compression: compress
training: train
correction: correct|merge
inference: evaluate
{{- end -}}
