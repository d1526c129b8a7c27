/** Files of a test, which go when it is over. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { openDataset, type DatasetOptions } from './open-dataset.ts';
import type { ParsedRow } from './shapes/parse-row.ts';

export function fileOf(name: string, content: string | Uint8Array): string {
  const folder = mkdtempSync(join(tmpdir(), 'emloc-data-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

export async function parsedOf(file: string, options?: DatasetOptions): Promise<ParsedRow[]> {
  const rows: ParsedRow[] = [];
  for await (const row of (await openDataset(file, options)).rows()) rows.push(row);
  return rows;
}
