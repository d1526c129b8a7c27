/**
 * An OpenTelemetry Collector of just the parts that deploy/observability/collector.yaml names, put together by the
 * project's own builder.
 */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const version = '0.148.0';
/** Of the modules that are stable; published together with the others. */
const stable = '1.54.0';
const core = 'go.opentelemetry.io/collector';
const contrib = 'github.com/open-telemetry/opentelemetry-collector-contrib';

const manifest = `
dist:
  name: otelcol
  version: ${version}
  output_path: ./build
receivers:
  - gomod: ${core}/receiver/otlpreceiver v${version}
processors:
  - gomod: ${core}/processor/batchprocessor v${version}
  - gomod: ${core}/processor/memorylimiterprocessor v${version}
exporters:
  - gomod: ${contrib}/exporter/zipkinexporter v${version}
  - gomod: ${contrib}/exporter/prometheusexporter v${version}
providers:
  - gomod: ${core}/confmap/provider/envprovider v${stable}
  - gomod: ${core}/confmap/provider/fileprovider v${stable}
  - gomod: ${core}/confmap/provider/yamlprovider v${stable}
`;

export default {
  version,
  file: 'otelcol',
  needs: ['go'],
  make: async ({ directory, run }) => {
    writeFileSync(join(directory, 'manifest.yaml'), manifest);
    const env = { GOFLAGS: '-buildvcs=false', GOWORK: 'off', CGO_ENABLED: '0' };
    const builder = `${core}/cmd/builder@v${version}`;
    await run('go', ['run', builder, '--config=manifest.yaml'], { env });
    await run('mv', ['build/otelcol', 'otelcol']);
    for (const name of ['build', 'manifest.yaml']) rmSync(join(directory, name), { recursive: true });
  },
};
