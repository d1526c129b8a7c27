/** A folder in which the commands of a page find what the page speaks of, on a tiny model in place of a real one. */
import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { repositoryRoot, tinyLlama, type Outcome } from '../emloc.ts';
import { chatml, writeTextModel } from '../text-model.ts';

const bin = join(repositoryRoot, 'clients', 'cli', 'bin', 'emloc.mjs');

/** `npx emloc` is this clone's; what `npm ci` installs is there. */
const preamble = `set -euo pipefail
emloc() { "$EMLOC_NODE" "$EMLOC_BIN" "$@"; }
npx() { [[ $1 == emloc ]] || { echo "npx $1 is not for a test" >&2; return 1; }; shift; emloc "$@"; }
npm() { [[ $1 == ci ]] || { echo "npm $1 is not for a test" >&2; return 1; }; }
`;

export interface PageFolder {
  /** What the page calls its model. */
  readonly model: string;
  /** Adapters that the page does not make itself. */
  readonly adapters?: readonly string[];
}

/** The model, data and adapters by the names that pages give them. */
export function makePageFolder(folder: string, { model: modelName, adapters = [] }: PageFolder): void {
  mkdirSync(folder, { recursive: true });
  for (const adapter of adapters)
    cpSync(join(tinyLlama, 'adapter-corrected'), join(folder, adapter), { recursive: true });
  const model = writeTextModel(join(folder, modelName), chatml);
  // Rows of real data are longer than the tiny model's limit, which no weight depends on.
  const config = join(model, 'config.json');
  const settings = JSON.parse(readFileSync(config, 'utf8')) as object;
  writeFileSync(config, JSON.stringify({ ...settings, max_position_embeddings: 1024 }));
  const rows = Array.from({ length: 40 }, (_, i) =>
    JSON.stringify({ prompt: `is ${i} even? `, completion: i % 2 === 0 ? 'yes' : 'no' }),
  );
  for (const [name, count] of [
    ['train.jsonl', 40],
    ['more.jsonl', 30],
    ['test.jsonl', 5],
  ] as const)
    writeFileSync(join(folder, name), rows.slice(0, count).join('\n'));
  writeFileSync(join(folder, 'questions.txt'), 'is 1 even?\nis 2 even?\n');
  symlinkSync(join(repositoryRoot, 'tests'), join(folder, 'tests'));
}

/** As a reader types it, but for the number of steps. */
export const shortened = (text: string): string => text.replace(/--max-steps \d+/g, '--max-steps 4');

export function runBlock(text: string, folder: string, environment: NodeJS.ProcessEnv): Promise<Outcome> {
  if (!existsSync(folder)) throw new Error(`${folder} is not there`);
  const child = spawn('bash', ['--norc', '--noprofile', '-c', `${preamble}\n${shortened(text)}`], {
    cwd: folder,
    env: { ...process.env, ...environment, EMLOC_NODE: process.execPath, EMLOC_BIN: bin },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  // Pieces end anywhere, in a letter of several bytes, too.
  child.stdout.setEncoding('utf8').on('data', (piece: string) => (stdout += piece));
  child.stderr.setEncoding('utf8').on('data', (piece: string) => (stderr += piece));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
}
