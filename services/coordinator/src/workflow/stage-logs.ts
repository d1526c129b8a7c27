/** The training logs of a job's stages as one: every line says which stage it is of. */
import { readFile } from 'node:fs/promises';
import type { ArtifactStore, Digest } from '@emloc/artifacts';
import type { ArtifactReference } from '@emloc/service-kit';

export interface StageLog {
  readonly stage: 'train' | 'refine';
  readonly log: ArtifactReference;
}

/** JSON lines, in the order of the stages; a line's own fields follow its stage. */
export async function joinLogs(
  parts: readonly StageLog[],
  artifacts: Pick<ArtifactStore, 'path'>,
): Promise<string> {
  const texts = parts.map(async ({ stage, log }) => {
    const lines = (await readFile(artifacts.path(log.digest as Digest), 'utf8')).trim().split('\n');
    return lines.map((line) => `${JSON.stringify({ stage, ...(JSON.parse(line) as object) })}\n`).join('');
  });
  return (await Promise.all(texts)).join('');
}
