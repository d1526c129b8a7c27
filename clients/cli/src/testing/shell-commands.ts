/**
 * The calls of `emloc` (or `npx emloc`) that a shell script makes, as bash itself takes them apart: pipes, quotes,
 * redirections and variables are bash's. Nothing is run: no other program is found, and files go to a folder of its own.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Each call is recorded as the number of its arguments and the arguments, each ended by NUL. */
const recorder = `
emloc() { printf '%s\\0' "$#" "$@" >>"$RECORD"; }
npx() { if [[ $1 == emloc ]]; then shift; emloc "$@"; fi; }
command_not_found_handle() { :; }
`;

export function emlocCommandsIn(script: string): string[][] {
  const folder = mkdtempSync(join(tmpdir(), 'emloc-script-'));
  try {
    const record = join(folder, '.record');
    writeFileSync(record, '');
    // Where fish keeps completions: a script may write there.
    mkdirSync(join(folder, '.config', 'fish', 'completions'), { recursive: true });
    spawnSync('/bin/bash', ['--norc', '--noprofile', '-c', `${recorder}\n${script}`], {
      cwd: folder,
      env: { PATH: '', HOME: folder, RECORD: record },
      stdio: 'ignore',
      timeout: 30_000,
    });
    return callsOf(readFileSync(record, 'utf8').split('\0').slice(0, -1));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function callsOf(words: readonly string[]): string[][] {
  const calls: string[][] = [];
  for (let at = 0; at < words.length; at += Number(words[at]) + 1) {
    calls.push(words.slice(at + 1, at + 1 + Number(words[at])));
  }
  return calls;
}
