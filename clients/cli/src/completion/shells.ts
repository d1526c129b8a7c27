/** Asks real shells what a Tab makes of a line; for tests. */
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Also `script`, whose record goes nowhere. */
export const hasShell = (name: string): boolean =>
  spawnSync(name, ['-c', 'true', ...(name === 'script' ? ['/dev/null'] : [])], { stdio: 'ignore' }).status ===
  0;

/** What is offered at the end of the line: bash's words, by the function that bash would call. */
export function bashOffers(
  script: string,
  folder: string,
  words: readonly string[],
  environment: NodeJS.ProcessEnv = process.env,
): string[] {
  const asked = `source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_emloc emloc
printf '%s\\n' "\${COMPREPLY[@]}"`;
  const args = ['--norc', '--noprofile', '-c', asked, 'bash', script, ...words];
  const { stdout, stderr, status } = spawnSync('bash', args, {
    cwd: folder,
    encoding: 'utf8',
    env: environment,
  });
  if (status !== 0 || stderr !== '') throw new Error(`bash ended with ${status}: ${stderr}`);
  return stdout.split('\n').filter(Boolean).sort();
}

/** fish's own answer to what may come at the end of the line. */
export function fishOffers(
  script: string,
  folder: string,
  line: string,
  environment: NodeJS.ProcessEnv = process.env,
): string[] {
  const asked = 'source $argv[1]; complete -C $argv[2]';
  const { stdout, stderr } = spawnSync('fish', ['--no-config', '-c', asked, script, line], {
    cwd: folder,
    encoding: 'utf8',
    env: { ...environment, HOME: folder, XDG_CONFIG_HOME: folder },
  });
  if (stderr !== '') throw new Error(`fish: ${stderr}`);
  return stdout
    .split('\n')
    .filter(Boolean)
    .map((offer) => offer.split('\t')[0] ?? '')
    .sort();
}

/** An interactive bash on a terminal (of script(1)): what stands in the line after a Tab. */
export function bashLines(script: string, folder: string, lines: readonly string[]): Promise<string[]> {
  const set = [
    `source ${script}`,
    "note() { printf '%s\\n' \"$READLINE_LINE\" >>lines; READLINE_LINE=''; READLINE_POINT=0; }",
    `bind -x '"\\C-t": note'`,
    "PS1='READY> '",
  ].join('\n');
  writeFileSync(join(folder, 'set-up.bash'), `${set}\n`);
  const child = spawn('script', ['-qfec', 'bash --rcfile set-up.bash -i', '/dev/null'], {
    cwd: folder,
    env: { ...process.env, HOME: folder, TERM: 'dumb', HISTFILE: '/dev/null' },
    stdio: ['pipe', 'pipe', 'inherit'],
    timeout: 50_000,
  });
  let shown = '';
  child.stdout.on('data', (piece) => {
    const before = shown.includes('READY> ');
    shown += piece;
    // Keys are taken one after the other, so nothing has to be waited for in between.
    if (!before && shown.includes('READY> '))
      child.stdin.write(`${lines.map((line) => `${line}\t\u0014`).join('')}exit\n`);
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', () => {
      child.stdin.destroy();
      resolve(readFileSync(join(folder, 'lines'), 'utf8').split('\n').slice(0, -1));
    });
  });
}

/** An interactive zsh on a terminal of its own (zpty): what stands in the line after a Tab. */
export function zshLines(
  script: string,
  folder: string,
  lines: readonly string[],
  environment: NodeJS.ProcessEnv = process.env,
): string[] {
  const asked = `
zmodload zsh/zpty
zpty z "cd $2; zsh -f -i"
zpty -w z "autoload -U compinit; compinit -D -u; source $1"
zpty -w z 'note() { print -r -- "$BUFFER" >>lines; BUFFER=""; }; zle -N note; bindkey "^T" note'
zpty -w z 'touch ready'
while [[ ! -e $2/ready ]]; do zpty -r -t z chunk; sleep 0.05; done
for line in "\${@:3}"; do zpty -w -n z "$line"$'\\t\\x14'; done
while (( $(wc -l 2>/dev/null <$2/lines) < $# - 2 )); do zpty -r -t z chunk; sleep 0.05; done
zpty -d z
cat $2/lines
`;
  writeFileSync(join(folder, 'lines'), '');
  const { stdout, stderr, error } = spawnSync('zsh', ['-f', '-c', asked, 'zsh', script, folder, ...lines], {
    encoding: 'utf8',
    env: { ...environment, HOME: folder, TERM: 'dumb' },
    timeout: 50_000,
  });
  if (error !== undefined) throw new Error(`zsh: ${error.message}; ${stderr}; so far ${stdout}`);
  return stdout.split('\n').slice(0, -1);
}
