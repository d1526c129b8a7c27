/** Where an operation's files lie, and which ids may name a directory. */
import { join } from 'node:path';
import { EmlocError } from '@emloc/errors';

const idPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

export interface Layout {
  readonly id: string;
  readonly directory: string;
  readonly request: string;
  readonly events: string;
  readonly stop: string;
  readonly result: string;
  readonly error: string;
  readonly usage: string;
  readonly deaths: string;
  readonly log: string;
  readonly reserve: string;
  readonly checkpoint: string;
  readonly output: string;
}

export const operationsDirectory = (stateDir: string): string => join(stateDir, 'operations');

export function layoutAt(directory: string, id: string): Layout {
  return {
    id,
    directory,
    request: join(directory, 'request.json'),
    events: join(directory, 'events.jsonl'),
    stop: join(directory, 'stop.json'),
    result: join(directory, 'result.json'),
    error: join(directory, 'error.json'),
    usage: join(directory, 'usage.json'),
    deaths: join(directory, 'deaths.json'),
    log: join(directory, 'log.txt'),
    reserve: join(directory, 'reserve'),
    checkpoint: join(directory, 'checkpoint'),
    output: join(directory, 'output'),
  };
}

export function layoutOf(stateDir: string, id: string): Layout {
  if (!idPattern.test(id)) {
    throw new EmlocError('INVALID_ARGUMENT', 'OPERATION_ID_INVALID', 'not usable as the id of an operation', {
      field: 'id',
      value: id.slice(0, 200),
      mend: 'use 1 to 128 letters, digits, dots, dashes and underscores, the first a letter or digit',
    });
  }
  return layoutAt(join(operationsDirectory(stateDir), id), id);
}

export const notFound = (id: string): EmlocError =>
  new EmlocError('NOT_FOUND', 'OPERATION_NOT_FOUND', `there is no operation ${id}`, {
    field: 'id',
    value: id,
    mend: 'list the operations to see their ids',
  });
