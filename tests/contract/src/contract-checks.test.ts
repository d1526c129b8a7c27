/** tools/contracts: the checks that keep `proto/` fit for others really fail where it is not. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { repository } from './support/test-mesh.ts';

interface Outcome {
  readonly passed: boolean;
  readonly text: string;
}
interface Checks {
  lint(repository?: string): Outcome;
  breaking(repository?: string): Outcome;
  reference(repository?: string): Promise<Outcome>;
}
interface Reference {
  readonly referencePath: string;
  renderReference(repository?: string): Promise<string>;
}

// Scripts for Node alone, without types.
const script = (name: string): string => new URL(`../../../tools/contracts/${name}`, import.meta.url).href;
const { lint, breaking, reference } = (await import(script('checks.mjs'))) as Checks;
const { referencePath, renderReference } = (await import(script('reference.mjs'))) as Reference;

/** A repository of its own with nothing but the contracts. */
class Copy {
  readonly root = mkdtempSync(join(tmpdir(), 'emloc-contracts-'));

  constructor() {
    onTestFinished(() => rmSync(this.root, { recursive: true, force: true }));
    cpSync(join(repository, 'proto'), join(this.root, 'proto'), { recursive: true });
  }

  /** Replaces a text that must be there, once. */
  edit(file: string, from: string, to: string): void {
    const path = join(this.root, 'proto/emloc', file);
    const text = readFileSync(path, 'utf8');
    expect(text.split(from)).toHaveLength(2);
    writeFileSync(path, text.replace(from, to));
  }

  git(...args: string[]): void {
    const identity = [
      '-c',
      'user.name=test',
      '-c',
      'user.email=test@localhost',
      '-c',
      'commit.gpgsign=false',
    ];
    execFileSync('git', [...identity, ...args], { cwd: this.root, stdio: 'pipe' });
  }

  release(tag: string): void {
    this.git('add', '-A');
    this.git('commit', '-q', '--allow-empty', '-m', tag);
    this.git('tag', tag);
  }
}

test('the contracts of this repository pass, and their reference page is that of today', async () => {
  expect(lint()).toEqual({ passed: true, text: '' });
  expect(breaking()).toMatchObject({ passed: true });
  expect(await reference()).toEqual({ passed: true, text: '' });
});

test.each([
  ['a service', 'training/v1/training.proto', '// Trains adapters.\n', 'COMMENT_SERVICE|TrainingService'],
  ['an rpc', 'coordinator/v1/mesh_service.proto', '// Describes the mesh.\n', 'DescribeMesh'],
  ['a message', 'training/v1/training.proto', '// What the training would be.\n', 'PlanTrainingResponse'],
  ['a field', 'training/v1/training.proto', '// Rows to train on.\n', 'rows'],
  ['an enum', 'compression/v1/compression.proto', '// How a weight is approximated.\n', 'CompressionMethod'],
  ['an enum value', 'training/v1/training.proto', '// bfloat16.\n', 'PRECISION_BF16'],
  ['a oneof', 'training/v1/training.proto', '// What is trained on; exactly one.\n', 'weights'],
])('%s without a comment fails the lint', (_, file, comment, named) => {
  const copy = new Copy();
  copy.edit(file, comment, '');
  const { passed, text } = lint(copy.root);
  expect(passed).toBe(false);
  expect(text).toMatch(new RegExp(named));
  expect(text).toMatch(/comment/i);
});

test('a layout that is not that of buf format fails the lint', () => {
  const copy = new Copy();
  copy.edit('training/v1/training.proto', 'message LoraConfig {', 'message   LoraConfig {');
  expect(lint(copy.root)).toMatchObject({ passed: false, text: expect.stringContaining('LoraConfig') });
});

test('a clone without tags says that there is nothing to compare with', () => {
  const copy = new Copy();
  expect(breaking(copy.root)).toEqual({
    passed: true,
    text: expect.stringMatching(/nothing to compare with/),
  });
  copy.git('init', '-q');
  copy.git('add', '-A');
  copy.git('commit', '-q', '-m', 'first');
  expect(breaking(copy.root)).toEqual({
    passed: true,
    text: expect.stringMatching(/nothing to compare with/),
  });
});

test('a field that was removed since the last tag fails, a new one does not', () => {
  const copy = new Copy();
  copy.git('init', '-q');
  copy.release('v1.0.0');
  expect(breaking(copy.root)).toEqual({ passed: true, text: 'compared with v1.0.0' });
  const field = '  // Rank of the factors. Default 8; 1 or more.\n  optional int32 r = 1;\n';
  copy.edit('training/v1/training.proto', field, `${field}  // New.\n  optional int32 new_one = 99;\n`);
  expect(breaking(copy.root)).toMatchObject({ passed: true });
  copy.edit('training/v1/training.proto', field, '');
  const removed = breaking(copy.root);
  expect(removed.passed).toBe(false);
  expect(removed.text).toMatch(
    /clients of v1\.0\.0[^]*"1" with name "r" on message "LoraConfig" was deleted/,
  );
  // A tag on the breaking commit itself hides nothing.
  copy.release('v1.1.0');
  expect(breaking(copy.root)).toMatchObject({ passed: false, text: expect.stringContaining('v1.0.0') });
});

test('a reference page that is missing or of other comments fails', async () => {
  const copy = new Copy();
  expect(await reference(copy.root)).toMatchObject({
    passed: false,
    text: expect.stringMatching(/npm run reference/),
  });
  const page = join(copy.root, referencePath);
  mkdirSync(dirname(page), { recursive: true });
  writeFileSync(page, await renderReference(copy.root));
  expect(await reference(copy.root)).toEqual({ passed: true, text: '' });
  copy.edit('training/v1/training.proto', '// bfloat16.', '// Brain float.');
  expect(await reference(copy.root)).toMatchObject({ passed: false });
});

test('the reference page names every rpc, message, field and enum value of the contracts', async () => {
  const page = await renderReference();
  const names = (pattern: RegExp): string[] =>
    execFileSync('find', [join(repository, 'proto/emloc'), '-name', '*.proto'], { encoding: 'utf8' })
      .trim()
      .split('\n')
      .flatMap((file) => [...readFileSync(file, 'utf8').matchAll(pattern)].map((match) => match[1] ?? ''));
  const declared = [
    ...names(/^ *(?:message|enum|service|rpc) (\w+)/gm),
    ...names(/^ +(?:optional |repeated )?[\w.]+(?:<[^>]+>)? (\w+) = \d+;/gm),
    ...names(/^ +([A-Z][A-Z0-9_]+) = \d+;/gm),
  ];
  expect(declared.length).toBeGreaterThan(300);
  for (const name of declared) expect(page).toMatch(new RegExp(`\\b${name}\\b`));
});
