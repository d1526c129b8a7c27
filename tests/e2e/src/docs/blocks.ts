/** The blocks of shell commands in the documentation, and what a test does with each. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { repositoryRoot } from '../emloc.ts';

export interface Block {
  /** `docs/jobs.md:12`, the line of its first command. */
  readonly name: string;
  readonly page: string;
  readonly text: string;
  /** `run`; `parsed`, for the reason that stands there; undefined where the block says neither: it is parsed, too. */
  readonly mark: 'run' | 'parsed' | undefined;
  readonly reason: string;
}

/** Pages in which every block says whether it is run, and if not, why. */
const marked = /^(README|docs\/[\w-]+)\.md$/;
/** Their lines are those of another program, and are tested as such or belong to another place. */
const unmarked = ['docs/grpcurl.md', 'docs/benchmarks.md', 'docs/operations.md', 'docs/observability.md'];

export const needsMark = (page: string): boolean => marked.test(page) && !unmarked.includes(page);

/** Every page of the repository that a reader may be sent to. */
export function pages(): string[] {
  const below = (folder: string): string[] =>
    readdirSync(join(repositoryRoot, folder), { withFileTypes: true }).flatMap((entry) => {
      const path = `${folder}/${entry.name}`;
      if (entry.isDirectory())
        return /^(node_modules|gen|build|target|\..*)$/.test(entry.name) ? [] : below(path);
      return entry.name.endsWith('.md') ? [path] : [];
    });
  const folders = readdirSync(repositoryRoot).filter((name) =>
    ['docs', 'clients', 'deploy', 'proto'].includes(name),
  );
  return ['README.md', 'CONTRIBUTING.md', 'FEATURES.md', ...folders.flatMap(below)].sort();
}

export const textOf = (page: string): string => readFileSync(join(repositoryRoot, page), 'utf8');

export function blocksOf(page: string): Block[] {
  const lines = textOf(page).split('\n');
  const blocks: Block[] = [];
  for (let at = 0; at < lines.length; at += 1) {
    const fence = /^(\s*)```(?:sh|bash|shell|console)\b(.*)$/.exec(lines[at] ?? '');
    if (fence === null) continue;
    const end = lines.findIndex((line, index) => index > at && line.trim() === '```');
    const [, mark, reason = ''] = /^(run|parsed)\b:?\s*(.*)$/.exec((fence[2] ?? '').trim()) ?? [];
    const text = lines.slice(at + 1, end).map((line) => line.replace(/^\s*\$ /, ''));
    blocks.push({
      ...{ name: `${page}:${at + 2}`, page, text: text.join('\n'), reason },
      mark: mark as Block['mark'],
    });
    at = end;
  }
  return blocks;
}

/** Lines that begin with a call of emloc: what has to come out of the parser at the least. */
export const callsAtLeast = ({ text }: Block): number =>
  text.split('\n').filter((line) => /^\s*(\w+=\S+ )*(npx )?emloc\s+[a-z-]/.test(line)).length;

/** Links to files of the repository, those of the text: code has brackets of its own. */
export const linksOf = (page: string): string[] =>
  [
    ...textOf(page)
      .replaceAll(/^```[^]*?^```/gm, '')
      .matchAll(/\]\(([^)\s]+)\)/g),
  ]
    .map(([, link = '']) => link.split('#')[0] ?? '')
    .filter((link) => link !== '' && !/^[a-z]+:/.test(link));
