/** A PostgreSQL of the machine's own packages, for a test: its data in a temporary directory, gone when it is stopped. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { freePort } from './free-port.ts';
import { run } from './tools.ts';

const startsWithinMs = 120_000;

/** Where Debian keeps initdb and postgres, or where PATH has them; undefined: nowhere. */
export function postgresBinaries(): string | undefined {
  const debian = '/usr/lib/postgresql';
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : [];
  const folders = [
    ...versions.map((version) => join(debian, version, 'bin')),
    ...(process.env['PATH'] ?? '').split(':'),
  ];
  return folders.find((folder) => existsSync(join(folder, 'initdb')) && existsSync(join(folder, 'postgres')));
}

export class Postgres {
  readonly url: string;
  readonly #directory: string;
  readonly #child: ChildProcess;

  private constructor(url: string, directory: string, child: ChildProcess) {
    this.url = url;
    this.#directory = directory;
    this.#child = child;
  }

  static async start(): Promise<Postgres> {
    const bin = postgresBinaries();
    if (bin === undefined) throw new Error('there is no PostgreSQL');
    const directory = mkdtempSync(join(tmpdir(), 'emloc-postgres-'));
    const as = unprivileged();
    if (as !== undefined) chownSync(directory, as.uid, as.gid);
    const options = { ...as, cwd: directory };
    const data = join(directory, 'data');
    const made = run(
      join(bin, 'initdb'),
      ['--pgdata', data, '--username=emloc', '--auth=trust', '--no-sync'],
      options,
    );
    if (made.code !== 0) throw new Error(made.stderr);
    const port = await freePort();
    const settings = [
      `port=${port}`,
      'listen_addresses=127.0.0.1',
      `unix_socket_directories=${directory}`,
      'fsync=off',
    ];
    const args = ['-D', data, ...settings.flatMap((each) => ['-c', each])];
    const child = spawn(join(bin, 'postgres'), args, { ...options, stdio: 'ignore' });
    const started = new Postgres(`postgresql://emloc@127.0.0.1:${port}/postgres`, directory, child);
    for (const until = Date.now() + startsWithinMs; started.query('SELECT 1') !== '1'; await wait(200)) {
      if (child.exitCode === null && Date.now() < until) continue;
      await started.stop();
      throw new Error('PostgreSQL did not start');
    }
    return started;
  }

  /** What psql prints of it, without headings; undefined where it fails. */
  query(sql: string): string | undefined {
    const psql = join(postgresBinaries() ?? '', 'psql');
    const { status, stdout } = spawnSync(psql, ['--no-psqlrc', '-tA', '-c', sql, this.url], {
      encoding: 'utf8',
    });
    return status === 0 ? stdout.trim() : undefined;
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    if (this.#child.exitCode === null && this.#child.kill('SIGQUIT')) await ended;
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** PostgreSQL does not run as root. */
function unprivileged(): { uid: number; gid: number } | undefined {
  if (userInfo().uid !== 0) return undefined;
  const idOf = (flag: string): number => Number(run('id', [flag, 'nobody']).stdout);
  return { uid: idOf('-u'), gid: idOf('-g') };
}
