/** Runs a command at the lowest priority; its output is kept and shown only if it fails. */
import { spawn } from 'node:child_process';

const sayEveryMs = 30_000;

/** Resolves to what it printed on stdout. */
export function runAtEase(command, args, { say, env, ...options }) {
  return new Promise((resolve, reject) => {
    const startedMs = Date.now();
    const timer = setInterval(
      () => say(`${command} ${args[0]}, ${Math.round((Date.now() - startedMs) / 1000)}s`),
      sayEveryMs,
    );
    const child = spawn('nice', ['-n', '15', command, ...args], {
      ...options,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const out = [];
    const all = [];
    child.stdout.on('data', (chunk) => all.push(chunk) && out.push(chunk));
    child.stderr.on('data', (chunk) => all.push(chunk));
    child.on('error', reject);
    child.on('close', (code) => {
      clearInterval(timer);
      if (code === 0) resolve(Buffer.concat(out).toString());
      else reject(new Error(`${command} ${args.join(' ')} failed (${code})\n${Buffer.concat(all)}`));
    });
  });
}
