/** The chart, its sets of values, and what it renders to. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { root, run, tools, type Ran } from '../tools.ts';

export const chart = join(root, 'deploy', 'helm', 'emloc');

/** Sets of values by name, each for a way to deploy. */
export const valueSets: Readonly<Record<string, string>> = Object.fromEntries(
  readdirSync(join(chart, 'ci'))
    .sort()
    .map((file) => [file.replace('-values.yaml', ''), join(chart, 'ci', file)]),
);

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- each kind has its own
  readonly spec?: any;
}

export function helm(...args: readonly string[]): Ran {
  return run(tools('helm')[0] ?? '', args);
}

/** As YAML; throws what helm says where it refuses. */
export function template(values: string | undefined, ...args: readonly string[]): string {
  const files = values === undefined ? [] : ['--values', values];
  const { code, stdout, stderr } = helm(
    'template',
    'emloc',
    chart,
    '--namespace',
    'emloc',
    ...files,
    ...args,
  );
  if (code !== 0) throw new Error(stderr);
  return stdout;
}

export function parse(yaml: string): Manifest[] {
  return parseAllDocuments(yaml)
    .map((document) => document.toJS() as Manifest | null)
    .filter((manifest): manifest is Manifest => manifest !== null);
}

/** Their pod templates, by name: what runs in the end. */
export function podTemplates(manifests: readonly Manifest[]): Record<string, Manifest['spec']> {
  const templates: Record<string, Manifest['spec']> = {};
  for (const { kind, metadata, spec } of manifests) {
    if (['Deployment', 'StatefulSet', 'Job'].includes(kind)) templates[metadata.name] = spec.template;
    if (kind === 'Pod') templates[metadata.name] = { metadata: { labels: metadata.labels }, spec };
  }
  return templates;
}
