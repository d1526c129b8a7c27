/** A Python with torch, transformers and peft, where there is one: EMLOC_PYTHON, else python3. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const python = findPython();

/** Why the tests that need it are left out. */
export const withoutPython = 'no Python with torch, transformers and peft (set EMLOC_PYTHON)';

function findPython(): string | undefined {
  const candidates = [process.env['EMLOC_PYTHON'], 'python3'].filter(
    (name) => name !== undefined && name !== '',
  );
  return candidates.find(
    (name) => spawnSync(name as string, ['-c', 'import torch, transformers, peft']).status === 0,
  );
}

export interface Figures {
  /** Of the probe, T × V, row by row. */
  readonly logits: readonly number[];
  /** Mean over the labelled tokens of the data file. */
  readonly loss: number;
}

export interface Asked {
  readonly model: string;
  readonly adapter?: string;
  readonly probe: readonly number[];
  readonly data: string;
}

/** What transformers (and PEFT, where an adapter is given) make of the probe and of a data file. */
export const figuresOf = (asked: readonly Asked[]): Figures[] =>
  JSON.parse(runScript('logits.py', asked).trim().split('\n').at(-1) ?? '') as Figures[];

export function figures(
  model: string,
  adapter: string | undefined,
  probe: readonly number[],
  data: string,
): Figures {
  return figuresOf([{ model, adapter, probe, data }])[0] as Figures;
}

export interface AdapterToMake {
  readonly model: string;
  readonly out: string;
  /** LoraConfig's. */
  readonly settings: object;
}

/** Adapters of PEFT's own making, with random factors. */
export const makeAdapters = (adapters: readonly AdapterToMake[]): string =>
  runScript('make_adapters.py', adapters);

/** What it prints. */
function runScript(name: string, input: unknown): string {
  const script = fileURLToPath(new URL(name, import.meta.url));
  const { status, stdout, stderr } = spawnSync(python ?? '', [script], {
    input: JSON.stringify(input),
    encoding: 'utf8',
    maxBuffer: 1e8,
  });
  if (status !== 0) throw new Error(stderr);
  return stdout;
}
