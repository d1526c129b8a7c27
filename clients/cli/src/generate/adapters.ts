/** `--adapter [name=]DIR` and `--use NAME`: which adapters there are, and which a prompt is answered with. */
import { existsSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import type { ModelDirectory } from '@emloc/models';
import { checkAdapter } from '../checks/inputs.ts';
import { noAdapter } from '../commands/generate.ts';
import type { CommandContext } from '../context.ts';
import { fromHub } from '../models/from-hub.ts';
import { UsageError } from '../usage-error.ts';

export interface NamedAdapter {
  readonly name: string;
  readonly path: string;
}

/** `a=DIR` is DIR called a, unless there is a directory of that whole name; DIR alone is called as its last part. */
export async function readAdapters(
  context: CommandContext,
  typed: readonly string[],
  model: ModelDirectory | undefined,
): Promise<NamedAdapter[]> {
  const found: NamedAdapter[] = [];
  for (const each of typed) {
    const split = existsSync(each) ? null : /^([^=/\\]+)=(.+)$/.exec(each);
    const named = split?.[2] ?? each;
    const path = (await fromHub(context, { adapter: named })).adapter;
    await checkAdapter('--adapter', path, model, context.output);
    const name = split?.[1] ?? basename(resolve(named));
    if (name === noAdapter || found.some((other) => other.name === name))
      throw new UsageError(
        'ADAPTER_NAME_TAKEN',
        `${name} ${name === noAdapter ? 'stands for no adapter' : 'is the name of two adapters'}`,
        { field: '--adapter', value: each, mend: 'give each a name of its own: --adapter NAME=DIR' },
      );
    found.push({ name, path });
  }
  return found;
}

/** A name as typed, held against those that there are; undefined: no adapter. */
export function adapterNamed(
  adapters: readonly NamedAdapter[],
  name: string,
  field: string,
): string | undefined {
  if (name === noAdapter) return undefined;
  if (adapters.some((adapter) => adapter.name === name)) return name;
  const known = [...adapters.map((adapter) => adapter.name), noAdapter];
  throw new UsageError('UNKNOWN_ADAPTER', `no adapter is called ${name}`, {
    field,
    value: name,
    mend: adapters.length === 0 ? 'give --adapter NAME=DIR' : `choose ${known.join(' or ')}`,
  });
}

/** Of each of `count` prompts: as --use says, else the only adapter there is. */
export function adaptersOfPrompts(
  adapters: readonly NamedAdapter[],
  uses: readonly string[],
  count: number,
): (string | undefined)[] {
  const names = uses.map((name) => adapterNamed(adapters, name, '--use'));
  if (names.length === count && count > 0) return names;
  if (names.length > 1)
    throw new UsageError(
      'CONFLICTING_OPTIONS',
      `--use is given ${names.length} times, for ${count} prompts`,
      {
        field: '--use',
        value: uses.join(', '),
        mend: 'give it once for all prompts, or once for each --prompt, in their order',
      },
    );
  const one = names.length === 1 ? names[0] : defaultAdapter(adapters);
  return new Array<string | undefined>(count).fill(one);
}

/** The one that is meant where none is named. */
export function defaultAdapter(adapters: readonly NamedAdapter[]): string | undefined {
  if (adapters.length < 2) return adapters[0]?.name;
  throw new UsageError('MISSING_OPTION', 'there are several adapters, and none is chosen', {
    field: '--use',
    mend: `choose ${[...adapters.map(({ name }) => name), noAdapter].join(' or ')} with --use`,
  });
}
