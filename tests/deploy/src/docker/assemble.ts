/**
 * The file system of an image and its configuration, made without Docker by following the steps of its Dockerfile: only the
 * stages that the target needs, each in a root directory of its own, kept until a step or a file that it copies changes.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { baseImage, standsIn } from './base-images.ts';
import { runInRoot } from './build-root.ts';
import { contextFiles, digestOfFiles, filesOf } from './context.ts';
import { readDockerfile, type Stage, type Step, type Values } from './dockerfile.ts';
import { copyTree, keptRoot } from './kept-roots.ts';

/** As `docker inspect` shows it. */
export interface ImageConfig {
  readonly env: Values;
  readonly labels: Values;
  readonly directory: string;
  readonly user: string;
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  readonly healthcheck: readonly string[];
  readonly stopSignal: string;
  readonly ports: readonly string[];
  readonly volumes: readonly string[];
}

export interface Image {
  /** Read it, never write to it. */
  readonly root: string;
  readonly config: ImageConfig;
}

interface Built extends Image {
  readonly key: string;
}

const mostFilesToRead = 1000;
const mostBytesToRead = 10_000_000;

const empty: ImageConfig = {
  env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' },
  labels: {},
  directory: '/',
  user: '0:0',
  entrypoint: [],
  cmd: [],
  healthcheck: [],
  stopSignal: 'SIGTERM',
  ports: [],
  volumes: [],
};

export interface AssembleOptions {
  /** The build context; its .dockerignore is kept to. */
  readonly context: string;
  readonly dockerfile: string;
  /** A stage; default the last. */
  readonly target?: string;
  readonly buildArgs?: Values;
}

export function assemble({ context, dockerfile, target, buildArgs = {} }: AssembleOptions): Image {
  const stages = readDockerfile(dockerfile);
  const files = contextFiles(context);
  const built = new Map<string, Built>();

  const stageOf = (name: string): Built => {
    const done = built.get(name);
    if (done !== undefined) return done;
    const stage = stages.find((other) => other.name === name);
    const made = stage === undefined ? imageOf(name) : build(stage);
    built.set(name, made);
    return made;
  };

  const build = (stage: Stage): Built => {
    const from = stageOf(stage.from);
    const hash = createHash('sha256').update(JSON.stringify([from.key, stage.steps, buildArgs]));
    for (const step of stage.steps) {
      if (step.kind !== 'copy') continue;
      const { from: other } = step;
      // By content, as Docker does: a stage that makes the same again changes nothing behind it.
      if (other !== undefined)
        for (const source of step.sources) hash.update(digestOfTree(stageOf(other), source));
      else
        hash.update(
          digestOfFiles(
            context,
            step.sources.flatMap((source) => filesOf(files, source)),
          ),
        );
    }
    const key = hash.digest('hex');
    const scope = new Scope(from.config, buildArgs);
    const writes = (step: Step): boolean => ['run', 'copy', 'workdir'].includes(step.kind);
    const make = (root: string): void => {
      copyTree(from.root, root);
      const again = new Scope(from.config, buildArgs);
      for (const step of stage.steps) {
        again.add(step);
        perform(step, root, again);
      }
    };
    const perform = (step: Step, root: string, { config, variables }: Scope): void => {
      if (step.kind === 'workdir') mkdirSync(join(root, config.directory), { recursive: true });
      if (step.kind === 'run') runInRoot({ root, ...step, directory: config.directory, env: variables });
      if (step.kind !== 'copy') return;
      const goal = posix.resolve(config.directory, step.target) + (/(\/|^\.)$/.test(step.target) ? '/' : '');
      for (const source of step.sources) {
        if (step.from === undefined) copyContext(context, filesOf(files, source), source, root, goal);
        else copyFrom(stageOf(step.from).root, source, root, goal);
      }
    };
    for (const step of stage.steps) scope.add(step);
    const root = stage.steps.some(writes) ? keptRoot(`${stage.name}-${key.slice(0, 16)}`, make) : from.root;
    return { key, root, config: scope.config };
  };

  const { root, config } = stageOf(target ?? stages.at(-1)?.name ?? '');
  return { root, config };
}

/** Of what a COPY takes from another stage; of the stage itself where that is too much to read. */
function digestOfTree({ root, key }: Built, source: string): string {
  const from = join(root, posix.resolve('/', source));
  if (!isDirectory(from)) return key;
  const files = readdirSync(from, { recursive: true, withFileTypes: true }).filter(
    (entry) => !entry.isDirectory(),
  );
  if (files.length > mostFilesToRead) return key;
  const names = files.map((entry) => posix.relative(from, join(entry.parentPath, entry.name)));
  const large = names.some((name) => lstatSync(join(from, name)).size > mostBytesToRead);
  return large ? key : digestOfFiles(from, names.sort());
}

function imageOf(name: string): Built {
  if (!standsIn(name)) throw new Error(`neither a stage nor an image that something stands for: ${name}`);
  const root = baseImage(name);
  return { key: root, root, config: empty };
}

/** The configuration as it grows, and the variables that steps see. */
class Scope {
  config: ImageConfig;
  #args: Values = {};
  readonly #buildArgs: Values;

  constructor(config: ImageConfig, buildArgs: Values) {
    this.config = config;
    this.#buildArgs = buildArgs;
  }

  get variables(): Values {
    return { ...this.#args, ...this.config.env };
  }

  add(step: Step): void {
    const { config } = this;
    const expanded = (values: Values): Values =>
      Object.fromEntries(Object.entries(values).map(([name, value]) => [name, this.#expand(value)]));
    switch (step.kind) {
      case 'arg':
        for (const [name, value] of Object.entries(expanded(step.values)))
          this.#args = { ...this.#args, [name]: this.#buildArgs[name] ?? value };
        break;
      case 'env':
        this.config = { ...config, env: { ...config.env, ...expanded(step.values) } };
        break;
      case 'label':
        this.config = { ...config, labels: { ...config.labels, ...expanded(step.values) } };
        break;
      case 'workdir':
        this.config = { ...config, directory: posix.resolve(config.directory, step.value) };
        break;
      case 'user':
        this.config = { ...config, user: step.value };
        break;
      case 'stopsignal':
        this.config = { ...config, stopSignal: step.value };
        break;
      case 'entrypoint':
        // A new entrypoint makes the old arguments meaningless, to Docker too.
        this.config = { ...config, entrypoint: step.argv, cmd: [] };
        break;
      case 'cmd':
      case 'healthcheck':
        this.config = { ...config, [step.kind]: step.argv };
        break;
      case 'expose':
        this.config = { ...config, ports: [...config.ports, ...step.list] };
        break;
      case 'volume':
        this.config = { ...config, volumes: [...config.volumes, ...step.list] };
    }
  }

  #expand(text: string): string {
    return text.replaceAll(/\$\{?(\w+)\}?/g, (_, name: string) => this.variables[name] ?? '');
  }
}

/** Files of the context, owned by root as Docker makes them; those of a directory without its name. */
function copyContext(
  context: string,
  files: readonly string[],
  source: string,
  root: string,
  goal: string,
): void {
  if (files.length === 0) throw new Error(`COPY finds nothing in the context: ${source}`);
  const isFile = statSync(join(context, source)).isFile();
  const base = isFile ? dirname(source) : source;
  const names = files.map((path) => posix.relative(base, path));
  if (isFile && !goal.endsWith('/') && !isDirectory(join(root, goal)))
    return copyOne(join(context, source), join(root, goal));
  mkdirSync(join(root, goal), { recursive: true });
  pack(join(context, base), join(root, goal), ['--files-from=-', '--null'], names.join('\0'));
}

function copyFrom(other: string, source: string, root: string, goal: string): void {
  const from = join(other, posix.resolve('/', source));
  if (!existsSync(from)) throw new Error(`COPY finds nothing there: ${source}`);
  if (!isDirectory(from)) {
    const name =
      goal.endsWith('/') || isDirectory(join(root, goal)) ? join(goal, posix.basename(source)) : goal;
    return copyOne(from, join(root, name));
  }
  mkdirSync(join(root, goal), { recursive: true });
  pack(from, join(root, goal), ['.']);
}

function copyOne(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  pack(dirname(from), dirname(to), [posix.basename(from)]);
  const made = join(dirname(to), posix.basename(from));
  if (made !== to) execFileSync('mv', [made, to]);
}

function pack(from: string, to: string, what: readonly string[], input = ''): void {
  const packed = [
    '--create',
    '--owner=0',
    '--group=0',
    '--numeric-owner',
    '--file=-',
    `--directory=${from}`,
    ...what,
  ];
  // GNU tar reads --null only before --files-from.
  const order = [...packed].sort((a, b) => Number(b === '--null') - Number(a === '--null'));
  const create = order.map(quoted).join(' ');
  const script = `set -o pipefail; tar ${create} | tar --extract --preserve-permissions --file=- --directory=${quoted(to)}`;
  execFileSync('bash', ['-c', script], { input, stdio: ['pipe', 'ignore', 'pipe'] });
}

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
const isDirectory = (path: string): boolean =>
  statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
