/**
 * `--model ORG/NAME`: a name that is no directory here is one of the Hugging Face hub. What its cache holds is used as it
 * is, so that the commands of one piece of work all see the same weights; `emloc models pull` looks for newer ones.
 */
import { existsSync } from 'node:fs';
import { parseHubReference, type HubReference } from '@emloc/downloads';
import { EmlocError } from '@emloc/errors';
import { pullFromHub, type HubKind } from '@emloc/models';
import { underOption } from '../checks/under-option.ts';
import type { CommandContext } from '../context.ts';
import { UsageError } from '../usage-error.ts';
import { showFetching } from './show-fetching.ts';

export interface TypedSources {
  readonly model?: string;
  readonly adapter?: string;
  readonly adapterInit?: string;
  readonly server?: string;
}

/** The options with directories in place of names of the hub. */
export async function fromHub<T extends TypedSources>(context: CommandContext, options: T): Promise<T> {
  const { model, adapter, adapterInit, server } = options;
  const found: { -readonly [K in keyof TypedSources]?: string } = {};
  if (model !== undefined) {
    if (server === undefined) found.model = await localDirectory(context, '--model', model, 'model');
    else assertPath(model);
  }
  if (adapter !== undefined) found.adapter = await localDirectory(context, '--adapter', adapter, 'adapter');
  if (adapterInit !== undefined)
    found.adapterInit = await localDirectory(context, '--adapter-init', adapterInit, 'adapter');
  return { ...options, ...found };
}

async function localDirectory(
  context: CommandContext,
  option: string,
  typed: string,
  kind: HubKind,
): Promise<string> {
  const reference = existsSync(typed) ? undefined : parseHubReference(typed);
  if (reference === undefined) return typed;
  return underOption({ option, value: typed, name: 'repository' }, () =>
    fetchFromHub(context, reference, kind, true).catch((thrown: unknown) => {
      throw perhapsAPath(typed, EmlocError.from(thrown));
    }),
  );
}

/** The snapshot's directory, with progress. */
export async function fetchFromHub(
  { output, signal, environment }: CommandContext,
  reference: HubReference,
  kind: HubKind,
  preferCache: boolean,
): Promise<string> {
  const directory = await pullFromHub(reference, {
    kind,
    preferCache,
    signal,
    env: environment,
    onProgress: showFetching(output),
    onUnreachable: (error) => output.warn(`${error.message}; what the cache holds is used`),
  });
  output.endProgress();
  return directory;
}

/** Whoever meant a directory is told that there is none. */
function perhapsAPath(typed: string, error: EmlocError): EmlocError {
  if (!['REPOSITORY_NOT_FOUND', 'HUB_UNREACHABLE', 'HUB_OFFLINE'].includes(error.reason)) return error;
  const message = `there is no directory ${typed}; as a name of the hub: ${error.message}`;
  return new EmlocError(error.code, error.reason, message, {
    ...{ field: error.field, value: error.value, mend: error.mend, metadata: error.metadata },
    cause: error,
  });
}

/** A mesh elsewhere reads its own disk: `org/name` is a path in its model roots, a revision can be none. */
function assertPath(typed: string): void {
  if (!typed.includes('@') || parseHubReference(typed) === undefined) return;
  throw new UsageError('MODEL_OF_HUB', `${typed} is a name of the hub, and --server takes a path`, {
    field: '--model',
    value: typed,
    mend: 'pull it into a model root of that mesh (emloc models pull, there), and give its path; or leave --server out',
  });
}
