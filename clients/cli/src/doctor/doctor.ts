/** `emloc doctor`: what the engine finds, the home folder and its mesh, and every problem with its mend. */
import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { existsSync } from 'node:fs';
import { doctor as examineEngine, type EngineReport, type Problem } from '@emloc/engine';
import { EmlocError } from '@emloc/errors';
import type { CommandContext } from '../context.ts';
import type { Home } from '../mesh/home.ts';
import { Lease } from '../mesh/lease.ts';
import { readMeshFile } from '../mesh/mesh-file.ts';
import type { Addresses } from '../mesh/services.ts';
import { formatBytes } from '../output/format.ts';
import { pairs, type Cell } from '../output/table.ts';

interface HomeReport {
  readonly directory: string;
  readonly freeBytes?: number;
  readonly mesh: { readonly up: boolean; readonly pid?: number; readonly addresses?: Addresses };
}

/** Models, emulators and checkpoints of a few hundred million parameters take about this. */
const littleDiskBytes = 2e9;

export async function doctor({ output, home }: CommandContext): Promise<void> {
  const engine = await examineEngine();
  const found = await examineHome(home);
  const problems = [...engine.problems, ...homeProblems(found)];
  output.result({ ...engine, home: found, problems }, () =>
    [pairs([...engineLines(engine), ...homeLines(found)]), '', problemLines(problems)].join('\n'),
  );
  const errors = problems.filter(({ severity }) => severity === 'error');
  if (errors.length === 0) return;
  throw new EmlocError(
    'FAILED_PRECONDITION',
    'MACHINE_NOT_READY',
    `${errors.length} of these must be mended`,
    {
      mend: errors.map(({ mend }) => mend).join('; '),
    },
  );
}

async function examineHome(home: Home): Promise<HomeReport> {
  const { directory, meshFile } = home;
  let existing = directory;
  while (!existsSync(existing) && dirname(existing) !== existing) existing = dirname(existing);
  const disk = await statfs(existing).catch(() => undefined);
  return { directory, freeBytes: disk && disk.bavail * disk.bsize, mesh: await knock(meshFile) };
}

async function knock(meshFile: string): Promise<HomeReport['mesh']> {
  const file = await readMeshFile(meshFile);
  const lease = file === undefined ? undefined : await Lease.take(file);
  if (file === undefined || lease === undefined) return { up: false };
  await lease.release();
  return { up: true, pid: file.pid, addresses: file.addresses };
}

function homeProblems({ directory, freeBytes }: HomeReport): Problem[] {
  if (freeBytes === undefined || freeBytes >= littleDiskBytes) return [];
  const what = `only ${formatBytes(freeBytes)} are free at ${directory}`;
  return [
    { severity: 'warning', what, mend: 'free some space, or set EMLOC_HOME to a directory on another disk' },
  ];
}

function engineLines(engine: EngineReport): [string, Cell][] {
  const { node, system, tensorflow, cpu, gpu, memory, cache, pip } = engine;
  const limit = memory.limitBytes === undefined ? '' : `, limited to ${formatBytes(memory.limitBytes)}`;
  const works = tensorflow?.works ? 'works' : 'does not work';
  return [
    ['Node', `${node.version} (${node.path})`],
    [
      'system',
      `${system.platform} ${system.arch} ${system.release}${system.glibc ? `, glibc ${system.glibc}` : ''}`,
    ],
    [
      'TensorFlow',
      tensorflow === undefined ? 'not there yet' : `${tensorflow.version ?? 'of unknown version'}, ${works}`,
    ],
    ...(tensorflow === undefined
      ? []
      : [['', `${tensorflow.directory} (${tensorflow.origin})`] as [string, Cell]]),
    ['processor', `${cpu.model}, ${cpu.cores} cores`],
    ['features', cpu.features.join(' ')],
    ['threads', engine.threads],
    ['bf16 products', engine.bf16],
    ['GPU', gpu.names.length === 0 ? 'none' : `${gpu.names.join('; ')}${gpu.used ? '' : ' (not used)'}`],
    [
      'memory',
      `${formatBytes(memory.availableBytes)} available of ${formatBytes(memory.totalBytes)}${limit}`,
    ],
    [
      'cache',
      `${cache.directory}${cache.freeBytes === undefined ? '' : `, ${formatBytes(cache.freeBytes)} free`}`,
    ],
    ['pip', pip === undefined ? 'none' : `${pip.command} (${pip.version})`],
  ];
}

function homeLines({ directory, freeBytes, mesh }: HomeReport): [string, Cell][] {
  return [
    ['home', `${directory}${freeBytes === undefined ? '' : `, ${formatBytes(freeBytes)} free`}`],
    ['mesh', mesh.up ? `up (process ${mesh.pid}), coordinator at ${mesh.addresses?.coordinator}` : 'not up'],
  ];
}

const problemLines = (problems: readonly Problem[]): string =>
  problems.length === 0
    ? 'nothing is wrong'
    : problems
        .map(({ severity, what, mend }) => `${severity}: ${what}${mend === '' ? '' : ` (${mend})`}`)
        .join('\n');
