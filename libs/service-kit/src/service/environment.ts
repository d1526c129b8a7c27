/** What the services read from the environment besides the mesh's own configuration (libs/mesh), parsed once. */
import { delimiter, join, resolve } from 'node:path';
import { EmlocError } from '@emloc/errors';
import { loadConfig, type MeshConfig } from '@emloc/mesh';

type Environment = Readonly<Record<string, string | undefined>>;

export interface ServiceConfig extends MeshConfig {
  /** EMLOC_STORE_DIR: the store of artifacts; default `<home>/store`. All services of a mesh share it. */
  readonly storeDir: string;
  /** EMLOC_MODEL_ROOTS: directories in which the paths of requests may lie; default none. */
  readonly modelRoots: readonly string[];
  /** EMLOC_MAX_OPERATIONS: operations that a service runs at once; default 1. */
  readonly maxOperations: number;
  /** EMLOC_OPERATION_MEMORY_BYTES: memory of its own beyond which an operation's process is ended; default none. */
  readonly operationMemoryBytes: number | undefined;
  /** EMLOC_READY_FILE: where a service writes its ready line besides printing it. */
  readonly readyFile: string | undefined;
}

export function loadServiceConfig(env: Environment = process.env): ServiceConfig {
  const config = loadConfig(env);
  return Object.freeze({
    ...config,
    storeDir: resolve(env['EMLOC_STORE_DIR'] || join(config.home, 'store')),
    modelRoots: (env['EMLOC_MODEL_ROOTS'] ?? '').split(delimiter).filter((part) => part !== ''),
    maxOperations: count(env, 'EMLOC_MAX_OPERATIONS', 1),
    operationMemoryBytes: count(env, 'EMLOC_OPERATION_MEMORY_BYTES', undefined),
    readyFile: env['EMLOC_READY_FILE'] || undefined,
  });
}

export function count<T extends number | undefined>(
  env: Environment,
  name: string,
  otherwise: T,
): number | T {
  const text = env[name];
  if (text === undefined || text === '') return otherwise;
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw new EmlocError('INVALID_ARGUMENT', 'BAD_ENVIRONMENT', `${name} is not a whole number of 1 or more`, {
    field: name,
    value: text,
    mend: 'correct or unset the variable',
  });
}
