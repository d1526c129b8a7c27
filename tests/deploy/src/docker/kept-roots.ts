/** Root directories that are kept between runs, each whole or not there. */
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
} from 'node:fs';
import { join } from 'node:path';
import { cacheDirectory } from '@emloc/downloads';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const mostKept = 2;

/** The directory of that name, filled by `make` where it is not there. */
export function keptRoot(name: string, make: (root: string) => void): string {
  const parent = join(cacheDirectory(), 'images');
  mkdirSync(parent, { recursive: true });
  const place = join(parent, name);
  if (!existsSync(place)) {
    removeOld(parent);
    console.error(`docker: making ${name}`);
    const startedMs = Date.now();
    const draft = mkdtempSync(join(parent, '.making-'));
    try {
      make(draft);
      execFileSync('chmod', ['755', draft]);
      if (!existsSync(place)) renameSync(draft, place);
    } finally {
      rmSync(draft, { recursive: true, force: true });
    }
    console.error(`docker: made ${name} in ${Math.round((Date.now() - startedMs) / 1000)} s`);
  }
  const now = new Date();
  utimesSync(place, now, now);
  return place;
}

/** All of it, as it is; without copying blocks where the file system can. */
export function copyTree(from: string, to: string): void {
  execFileSync('cp', ['--archive', '--reflink=auto', '--no-target-directory', from, to]);
}

/** Of each name the last few that were used stay, unless a week has passed; those of the last hour may be in use. */
function removeOld(parent: string): void {
  const all = readdirSync(parent)
    .map((name) => {
      const path = join(parent, name);
      return {
        name,
        path,
        ageMs: Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now()),
      };
    })
    .sort((a, b) => a.ageMs - b.ageMs);
  const seen = new Map<string, number>();
  for (const { name, path, ageMs } of all) {
    // Drafts have a name of their own each: what is a day old was left behind.
    const stem = name.startsWith('.') ? '.' : name.slice(0, name.lastIndexOf('-'));
    const newer = seen.get(stem) ?? 0;
    seen.set(stem, newer + 1);
    const isOld =
      ageMs > (stem === '.' ? dayMs : 7 * dayMs) || (stem !== '.' && newer >= mostKept && ageMs > hourMs);
    if (isOld) rmSync(path, { recursive: true, force: true });
  }
}
