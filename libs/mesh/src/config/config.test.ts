import { expect, test } from 'vitest';
import { EmlocError } from '@emloc/errors';
import { loadConfig } from './config.ts';
import { createLogger } from './logger.ts';

test('an empty environment gives loopback addresses and the user’s data directory', () => {
  const config = loadConfig({ HOME: '/home/ada' });
  expect(config.home).toBe('/home/ada/.local/share/emloc');
  expect(config.stateDir).toBe('/home/ada/.local/share/emloc/state');
  expect(Object.values(config.addresses)).toEqual([0, 1, 2, 3, 4, 5].map((i) => `127.0.0.1:${50550 + i}`));
  expect(config.tls).toBeUndefined();
  expect(Object.isFrozen(config.addresses)).toBe(true);
});

test('variables are read as typed values, and an empty one counts as unset', () => {
  const config = loadConfig({
    XDG_DATA_HOME: '/data',
    EMLOC_STATE_DIR: '/state',
    EMLOC_TRAINING_ADDRESS: 'unix:/run/t.sock',
    EMLOC_INFERENCE_ADDRESS: '[::1]:4000',
    EMLOC_LOG_LEVEL: '',
    EMLOC_LOG_FORMAT: 'json',
    EMLOC_LISTEN_ADDRESS: '0.0.0.0:50553',
    EMLOC_HEALTH_ADDRESS: '0.0.0.0:50563',
    EMLOC_CONNECTION_AGE_MS: '300000',
    EMLOC_DRAIN_MS: '1500',
    EMLOC_STOP_GRACE_MS: '60000',
    EMLOC_TLS_CA: 'ca.pem',
    EMLOC_TLS_MUTUAL: '1',
    EMLOC_LIMIT_MESSAGE_BYTES: '8388608',
  });
  expect(config).toMatchObject({
    home: '/data/emloc',
    stateDir: '/state',
    addresses: { training: 'unix:/run/t.sock', inference: '[::1]:4000' },
    log: { level: 'info', format: 'json' },
    listenAddress: '0.0.0.0:50553',
    healthAddress: '0.0.0.0:50563',
    connectionAgeMs: 300_000,
    drainMs: 1500,
    stopGraceMs: 60_000,
    tls: { ca: 'ca.pem', requireClientCertificate: true },
    limits: { maxMessageBytes: 8388608 },
  });
});

test('a bad value names its variable, its value and the mend', () => {
  const bad: Record<string, string>[] = [
    { EMLOC_TRAINING_ADDRESS: 'localhost' },
    { EMLOC_TRAINING_ADDRESS: '127.0.0.1:70000' },
    { EMLOC_LISTEN_ADDRESS: '0.0.0.0' },
    { EMLOC_LOG_LEVEL: 'loud' },
    { EMLOC_DRAIN_MS: 'soon' },
  ];
  for (const env of bad) {
    const [[field, value]] = Object.entries(env) as [[string, string]];
    const load = () => loadConfig(env);
    expect(load).toThrow(EmlocError);
    expect(load).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', reason: 'BAD_ENVIRONMENT', field, value }),
    );
  }
  expect(() => loadConfig({ EMLOC_TLS_CERT: 'c.pem' })).toThrow(/needs its key/);
});

test('logs are one JSON object a line, or lines for people', () => {
  const lines: string[] = [];
  const destination = { write: (line: string) => void lines.push(line) };
  createLogger({ name: 'training', format: 'json', destination }).info({ step: 3 }, 'a step');
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({
    level: 'info',
    name: 'training',
    msg: 'a step',
    step: 3,
  });
  createLogger({ name: 'training', format: 'pretty', destination }).warn({ step: 3, at: 'here' }, 'slow');
  expect(lines[1]).toMatch(/^\d\d:\d\d:\d\d (\S*)WARN(\S*) training: slow step=3 at=here\n$/);
  createLogger({ name: 'training', format: 'json', level: 'error', destination }).info('not said');
  expect(lines).toHaveLength(2);
});
