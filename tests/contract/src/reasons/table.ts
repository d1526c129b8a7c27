/** docs/reference/errors.md as data. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { repository } from '../support/test-mesh.ts';

export interface Row {
  readonly section: string;
  readonly reason: string;
  readonly codes: readonly string[];
  readonly meaning: string;
  readonly field: string;
  readonly mend: string;
  readonly retry: string;
}

export function readTable(): Row[] {
  let section = '';
  return readFileSync(join(repository, 'docs/reference/errors.md'), 'utf8')
    .split('\n')
    .flatMap((line) => {
      section = /^## (.+)$/.exec(line)?.[1] ?? section;
      const [, reason, rest] = /^\| `([A-Z0-9_]+)` \| (.+) \|$/.exec(line) ?? [];
      if (reason === undefined || rest === undefined) return [];
      const [codes = '', meaning = '', field = '', mend = '', retry = ''] = rest
        .split('|')
        .map((cell) => cell.trim());
      return [{ section, reason, codes: codes.split(', '), meaning, field, mend, retry }];
    });
}
