import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { run } from '../run.ts';
import { colours } from './colours.ts';

test.each([
  ['a terminal', true, {}, true],
  ['a pipe', false, {}, false],
  ['a terminal, NO_COLOR', true, { NO_COLOR: '1' }, false],
  ['a terminal, NO_COLOR empty, which does not count', true, { NO_COLOR: '' }, true],
  ['a dumb terminal', true, { TERM: 'dumb' }, false],
  ['a pipe, FORCE_COLOR', false, { FORCE_COLOR: '1' }, true],
  ['a pipe, FORCE_COLOR and NO_COLOR', false, { FORCE_COLOR: '3', NO_COLOR: '1' }, true],
  ['a terminal, FORCE_COLOR=0', true, { FORCE_COLOR: '0' }, false],
  ['a terminal, FORCE_COLOR=false', true, { FORCE_COLOR: 'false' }, false],
])('%s', (_, isTTY, environment, wanted) => expect(colours({ isTTY }, environment)).toBe(wanted));

async function shown(isTTY: boolean, environment: NodeJS.ProcessEnv, ...args: string[]): Promise<string> {
  const stream = Object.assign(new PassThrough(), { isTTY, columns: 80 });
  await run(args, { streams: { stdout: stream, stderr: stream }, environment });
  return (stream.read() as Buffer).toString();
}

test('help and errors are coloured where a terminal reads them, nowhere else', async () => {
  for (const args of [
    ['finetune', '--help'],
    ['finetune', '--nothing'],
  ]) {
    expect(await shown(true, {}, ...args)).toContain('\u001b[');
    expect(await shown(true, { NO_COLOR: '1' }, ...args)).not.toContain('\u001b[');
    expect(await shown(false, {}, ...args)).not.toContain('\u001b[');
    expect(await shown(false, { FORCE_COLOR: '1' }, ...args)).toContain('\u001b[');
  }
});
