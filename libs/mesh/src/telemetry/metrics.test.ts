import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { all, callEcho } from '../testing/echo.ts';

const file = fileURLToPath(new URL('../testing/traced.ts', import.meta.url));

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function run(role: string, env: Record<string, string>) {
  const child = spawn(process.execPath, ['--import', 'tsx', file, role], {
    env: {
      ...process.env,
      OTEL_METRICS_EXPORTER: 'prometheus',
      OTEL_EXPORTER_PROMETHEUS_HOST: '127.0.0.1',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

test('Prometheus reads calls by method and status, in seconds, with the name of the service', async () => {
  const port = await freePort();
  const child = run('serve', { OTEL_EXPORTER_PROMETHEUS_PORT: String(port) });
  const [address] = (await once(createInterface(child.stdout), 'line')) as [string];
  const echo = callEcho(address);
  onTestFinished(() => echo.close());
  await echo.call.echo({ text: 'x' });
  await echo.call.echo({ text: 'y' });
  await all(echo.call.count({ count: 1 }));

  const page = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  expect(page).toContain('# TYPE rpc_server_call_duration_seconds histogram');
  const line = page.split('\n').find((each) => each.startsWith('rpc_server_call_duration_seconds_count'));
  expect(line).toMatch(/rpc_method="emloc\.test\.v1\.EchoService\/Echo"/);
  expect(line).toMatch(/rpc_status_code="OK"/);
  expect(line).toMatch(/service_name="last"/);
  expect(line).toMatch(/ 2$/);
});

test('the process of an operation opens no page and loads no SDK where only metrics are wanted', async () => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void taken.close());
  const { port } = taken.address() as { port: number };
  const child = run('work', { OTEL_EXPORTER_PROMETHEUS_PORT: String(port) });
  const [code] = (await once(child, 'close')) as [number];
  expect(code).toBe(0);
});

test('a port that is taken is refused by the name of its variable', async () => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void taken.close());
  const { port } = taken.address() as { port: number };
  const child = run('serve', { OTEL_EXPORTER_PROMETHEUS_PORT: String(port) });
  let said = '';
  child.stderr.on('data', (chunk) => (said += String(chunk)));
  const [code] = (await once(child, 'close')) as [number];
  expect(code).not.toBe(0);
  expect(said).toContain('METRICS_PORT_NOT_OPENED');
  expect(said).toContain('OTEL_EXPORTER_PROMETHEUS_PORT');
});
