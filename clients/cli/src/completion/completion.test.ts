import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { shells } from '../commands/completion.ts';
import { serviceNames } from '../mesh/services.ts';
import { commandEntries, wholeProgram } from '../program.ts';
import { run } from '../run.ts';
import { completionScript } from './print.ts';
import { bashLines, bashOffers, fishOffers, hasShell, zshLines } from './shells.ts';
import { allCommands, commandSpec } from './spec.ts';

const directory = mkdtempSync(join(tmpdir(), 'emloc-completion-'));
const script = (shell: string): string => join(directory, `emloc.${shell}`);
let folders = 0;

/** A folder of its own with files to offer. */
function folder(): string {
  const made = join(directory, String((folders += 1)));
  mkdirSync(join(made, 'trained model'), { recursive: true });
  for (const name of ['train.jsonl', 'train of.csv']) writeFileSync(join(made, name), '');
  return made;
}

beforeAll(async () => {
  for (const shell of shells) writeFileSync(script(shell), await completionScript(shell));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const schedulers = ['constant', 'constant_with_warmup', 'cosine', 'linear'];
const files = ['train of.csv', 'train.jsonl', 'trained model'];
const commands = [...commandEntries.map(({ name }) => name), 'help'].sort();

/** The words of a line, the last of them begun, and what may come there. */
const offers: readonly (readonly [readonly string[], readonly string[]])[] = [
  [[''], commands],
  [['co'], ['completion', 'compress', 'correct']],
  [
    ['jobs', ''],
    ['cancel', 'delete', 'get', 'list', 'resume', 'watch'],
  ],
  [['jobs', 'list', '--li'], ['--limit']],
  [
    ['finetune', '--eval-'],
    ['--eval-data', '--eval-steps'],
  ],
  [['finetune', '--lr-scheduler-type', ''], schedulers],
  [['finetune', '--seed', '1', '--precision', 'b'], ['bf16']],
  // The value of an option is none of its command's words.
  [['--json', 'jobs', 'li'], ['list']],
  [
    ['finetune', '--id', 'jobs', '--refine-'],
    ['--refine-learning-rate', '--refine-steps'],
  ],
  [['finetune', '--data', 'tr'], files],
  [['finetune', '--model', 'tr'], ['trained model']],
  [['data', 'inspect', 'tr'], files],
  [['adapters', 'push', 'tr'], ['trained model']],
  [
    ['completion', ''],
    ['bash', 'fish', 'zsh'],
  ],
  [['help', 'jo'], ['jobs']],
  [['finetune', '--seed', ''], []],
  [
    ['logs', '--service', 'c'],
    ['calibration', 'compression', 'coordinator', 'correction'],
  ],
];
const cases = offers.map(([words, wanted]) => ({ line: ['emloc', ...words].join(' '), words, wanted }));
const plain = (offer: string): string => offer.replace(/\/$/, '').replaceAll('\\ ', ' ');

test.skipIf(!hasShell('bash')).each(cases)(
  'bash (skipped where there is none): $line',
  ({ words, wanted }) => {
    expect(bashOffers(script('bash'), folder(), ['emloc', ...words])).toEqual(wanted);
  },
);

test.skipIf(!hasShell('fish')).each(cases)(
  'fish (skipped where there is none): $line',
  ({ line, wanted }) => {
    expect(fishOffers(script('fish'), folder(), line).map(plain)).toEqual(wanted);
  },
);

/** What a Tab makes of a line where only one thing can come. */
const tabs: readonly (readonly [string, string])[] = [
  ['emloc fin', 'emloc finetune '],
  ['emloc jobs li', 'emloc jobs list '],
  ['emloc finetune --precision b', 'emloc finetune --precision bf16 '],
  ['emloc finetune --precision=b', 'emloc finetune --precision=bf16 '],
  ['emloc finetune --loss-on=ass', 'emloc finetune --loss-on=assistant '],
  ['emloc finetune --data train.', 'emloc finetune --data train.jsonl '],
  ['emloc merge --model trained', String.raw`emloc merge --model trained\ model/`],
];

test.skipIf(!hasShell('bash') || !hasShell('script'))(
  'bash on a terminal (skipped where bash or script is not there): a Tab completes the line',
  async () => {
    const lines = await bashLines(
      script('bash'),
      folder(),
      tabs.map(([typed]) => typed),
    );
    expect(lines).toEqual(tabs.map(([, completed]) => completed));
  },
);

test.skipIf(!hasShell('zsh'))(
  'zsh on a terminal (skipped where there is none): a Tab completes the line',
  () => {
    const more = [
      ...tabs,
      ['emloc finetune --lr-s', 'emloc finetune --lr-scheduler-type='],
      ['emloc data inspect train.', 'emloc data inspect train.jsonl '],
      ['emloc completion z', 'emloc completion zsh '],
    ] as const;
    const lines = zshLines(
      script('zsh'),
      folder(),
      more.map(([typed]) => typed),
    );
    expect(lines).toEqual(more.map(([, completed]) => completed));
  },
);

/** Offers of each shell that is here, in an environment whose `emloc` leaves a mark when it is started. */
function jobOffers(home: string): { readonly offers: string[]; readonly started: boolean } {
  const made = folder();
  const mark = join(made, 'started');
  const programs = join(made, 'bin');
  mkdirSync(programs);
  writeFileSync(join(programs, 'emloc'), `#!/bin/sh\ntouch '${mark}'\n`, { mode: 0o755 });
  const environment = { ...process.env, PATH: `${programs}:${process.env['PATH']}`, EMLOC_HOME: home };
  const offers = [
    ...(hasShell('bash') ? bashOffers(script('bash'), made, ['emloc', 'jobs', 'get', ''], environment) : []),
    ...(hasShell('fish') ? fishOffers(script('fish'), made, 'emloc jobs get ', environment) : []),
  ];
  return { offers, started: existsSync(mark) };
}

// What a mesh that is up makes of it: tests/e2e.
test.skipIf(!hasShell('bash') && !hasShell('fish'))(
  'for the id of a job emloc is started only where a mesh is up (skipped without bash and fish)',
  () => {
    const home = folder();
    expect(jobOffers(home)).toEqual({ offers: [], started: false });
    writeFileSync(join(home, 'mesh.json'), '{}');
    expect(jobOffers(home)).toEqual({ offers: [], started: true });
  },
);

test('a mesh that is gone, or a file that is none, offers no jobs and is no error', async () => {
  const home = folder();
  const addresses = Object.fromEntries(serviceNames.map((name) => [name, '127.0.0.1:1']));
  const gone = { pid: 1, startedAt: '', control: { port: 1, token: 'x'.repeat(16) }, addresses };
  for (const text of ['{', JSON.stringify(gone)]) {
    writeFileSync(join(home, 'mesh.json'), text);
    const streams = { stdout: new PassThrough(), stderr: new PassThrough() };
    expect(await run(['jobs', 'ids'], { streams, environment: { EMLOC_HOME: home } })).toBe(0);
    expect([streams.stdout.read(), streams.stderr.read()]).toEqual([null, null]);
  }
});

test('every option of every command is in every script', async () => {
  const all = allCommands(commandSpec(await wholeProgram()));
  expect(all.length).toBeGreaterThan(25);
  for (const shell of shells) {
    const text = await completionScript(shell);
    for (const { options } of all)
      for (const flag of options.flatMap(({ flags }) => flags))
        expect(text, `${shell} ${flag}`).toContain(shell === 'fish' ? flag.replace(/^--?/, '') : flag);
  }
});
