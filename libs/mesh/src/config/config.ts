/** The environment, read in one place and turned into typed, frozen values; a bad one names its variable. */
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { EmlocError } from '@emloc/errors';
import { z } from 'zod';
import { defaultDrainMs, defaultStopGraceMs, limits, type Limits } from '../limits.ts';
import type { TlsFiles } from '../tls/credentials.ts';
import { defaultPorts, serviceNames, type ServiceName } from './services.mjs';

export { serviceNames };
export type { ServiceName };

/** What each is there for, in the package `emloc.NAME.v1`; it serves others, too. */
export const serviceContracts = {
  coordinator: 'FineTuneJobService',
  calibration: 'CalibrationService',
  compression: 'CompressionService',
  training: 'TrainingService',
  correction: 'CorrectionService',
  inference: 'InferenceService',
} as const satisfies Readonly<Record<ServiceName, string>>;

export interface LogConfig {
  readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent';
  /** `pretty` for people, one JSON object a line for machines. */
  readonly format: 'json' | 'pretty';
}

export interface MeshConfig {
  readonly home: string;
  readonly stateDir: string;
  /** Where each service is called. */
  readonly addresses: Readonly<Record<ServiceName, string>>;
  /** Where this process listens, if not where it is called: in a container, every interface of its own. */
  readonly listenAddress: string | undefined;
  /** Where health is told without TLS, for probes. */
  readonly healthAddress: string | undefined;
  /** After so long clients make their connections anew; undefined: never. */
  readonly connectionAgeMs: number | undefined;
  readonly tls: TlsFiles | undefined;
  readonly log: LogConfig;
  readonly drainMs: number;
  /** After the drain: how long operations may take to write their checkpoints. */
  readonly stopGraceMs: number;
  readonly limits: Limits;
}

const bytes = z.coerce.number().int().min(1024);
const flag = z.enum(['0', '1', 'false', 'true']).transform((text) => text === '1' || text === 'true');
const addressPattern = /^(unix:.+|(dns:(\/\/\/)?)?(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):\d{1,5})$/;

export const addressSchema = z
  .string()
  .regex(addressPattern, 'must be HOST:PORT or unix:PATH')
  .refine((text) => text.startsWith('unix:') || Number(text.slice(text.lastIndexOf(':') + 1)) <= 65535, {
    message: 'the port must be at most 65535',
  });

const environment = z.object({
  EMLOC_HOME: z.string().optional(),
  EMLOC_STATE_DIR: z.string().optional(),
  EMLOC_COORDINATOR_ADDRESS: addressSchema.optional(),
  EMLOC_CALIBRATION_ADDRESS: addressSchema.optional(),
  EMLOC_COMPRESSION_ADDRESS: addressSchema.optional(),
  EMLOC_TRAINING_ADDRESS: addressSchema.optional(),
  EMLOC_CORRECTION_ADDRESS: addressSchema.optional(),
  EMLOC_INFERENCE_ADDRESS: addressSchema.optional(),
  EMLOC_LISTEN_ADDRESS: addressSchema.optional(),
  EMLOC_HEALTH_ADDRESS: addressSchema.optional(),
  EMLOC_CONNECTION_AGE_MS: z.coerce.number().int().min(1000).optional(),
  EMLOC_TLS_CA: z.string().optional(),
  EMLOC_TLS_CERT: z.string().optional(),
  EMLOC_TLS_KEY: z.string().optional(),
  EMLOC_TLS_MUTUAL: flag.default(false),
  EMLOC_TLS_SERVER_NAME: z.string().optional(),
  EMLOC_LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
  EMLOC_LOG_FORMAT: z.enum(['json', 'pretty']).optional(),
  EMLOC_DRAIN_MS: z.coerce.number().int().min(0).default(defaultDrainMs),
  EMLOC_STOP_GRACE_MS: z.coerce.number().int().min(0).default(defaultStopGraceMs),
  EMLOC_LIMIT_MESSAGE_BYTES: bytes.default(limits.maxMessageBytes),
  EMLOC_LIMIT_HEADER_BYTES: bytes.default(limits.maxHeaderBytes),
  EMLOC_LIMIT_CONCURRENT_CALLS: z.coerce
    .number()
    .int()
    .min(1)
    .default(limits.maxConcurrentCallsPerConnection),
});

export function loadConfig(env: Readonly<Record<string, string | undefined>> = process.env): MeshConfig {
  const e = parse(env);
  const home = resolve(e.EMLOC_HOME ?? join(dataDirectory(env), 'emloc'));
  return deepFreeze({
    home,
    stateDir: resolve(e.EMLOC_STATE_DIR ?? join(home, 'state')),
    addresses: {
      coordinator: e.EMLOC_COORDINATOR_ADDRESS ?? defaultAddress('coordinator'),
      calibration: e.EMLOC_CALIBRATION_ADDRESS ?? defaultAddress('calibration'),
      compression: e.EMLOC_COMPRESSION_ADDRESS ?? defaultAddress('compression'),
      training: e.EMLOC_TRAINING_ADDRESS ?? defaultAddress('training'),
      correction: e.EMLOC_CORRECTION_ADDRESS ?? defaultAddress('correction'),
      inference: e.EMLOC_INFERENCE_ADDRESS ?? defaultAddress('inference'),
    },
    listenAddress: e.EMLOC_LISTEN_ADDRESS,
    healthAddress: e.EMLOC_HEALTH_ADDRESS,
    connectionAgeMs: e.EMLOC_CONNECTION_AGE_MS,
    tls: tlsOf(e),
    log: {
      level: e.EMLOC_LOG_LEVEL,
      format: e.EMLOC_LOG_FORMAT ?? (process.stderr.isTTY ? 'pretty' : 'json'),
    },
    drainMs: e.EMLOC_DRAIN_MS,
    stopGraceMs: e.EMLOC_STOP_GRACE_MS,
    limits: {
      ...limits,
      maxMessageBytes: e.EMLOC_LIMIT_MESSAGE_BYTES,
      maxHeaderBytes: e.EMLOC_LIMIT_HEADER_BYTES,
      maxConcurrentCallsPerConnection: e.EMLOC_LIMIT_CONCURRENT_CALLS,
    },
  });
}

const defaultAddress = (name: ServiceName): string => `127.0.0.1:${defaultPorts[name]}`;

function parse(env: Readonly<Record<string, string | undefined>>): z.infer<typeof environment> {
  // An empty variable is an unset one, as in the shells and manifests that cannot unset.
  const set = Object.fromEntries(
    Object.entries(env).filter(([, value]) => value !== undefined && value !== ''),
  );
  const parsed = environment.safeParse(set);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const name = String(issue?.path[0] ?? 'environment');
  throw new EmlocError('INVALID_ARGUMENT', 'BAD_ENVIRONMENT', issue?.message ?? 'not understood', {
    field: name,
    value: set[name],
    mend: 'correct or unset the variable',
  });
}

function tlsOf(e: z.infer<typeof environment>): TlsFiles | undefined {
  const { EMLOC_TLS_CA: ca, EMLOC_TLS_CERT: cert, EMLOC_TLS_KEY: key } = e;
  if ((cert === undefined) !== (key === undefined)) {
    throw new EmlocError(
      'INVALID_ARGUMENT',
      'BAD_ENVIRONMENT',
      'a certificate needs its key and a key its certificate',
      {
        field: cert === undefined ? 'EMLOC_TLS_CERT' : 'EMLOC_TLS_KEY',
        mend: 'set both or none',
      },
    );
  }
  if (ca === undefined && cert === undefined) return undefined;
  return { ca, cert, key, requireClientCertificate: e.EMLOC_TLS_MUTUAL, serverName: e.EMLOC_TLS_SERVER_NAME };
}

const dataDirectory = (env: Readonly<Record<string, string | undefined>>): string =>
  env['XDG_DATA_HOME'] || join(env['HOME'] || homedir(), '.local', 'share');

function deepFreeze<T extends object>(object: T): T {
  for (const value of Object.values(object))
    if (typeof value === 'object' && value !== null) deepFreeze(value as object);
  return Object.freeze(object);
}
