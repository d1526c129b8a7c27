/**
 * What keeps the contracts in `proto/` fit for others: they follow buf's standard rules and carry a comment on
 * everything, they break no client of the last release, and the reference page says what they say. Each check tells
 * whether it passed and what there is to read; nothing is written.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lastTags } from '../last-tags.mjs';
import { referencePath, renderReference } from './reference.mjs';
import { root, run, runBuf } from './run-buf.mjs';

/** Rules STANDARD and COMMENTS of proto/buf.yaml, and the layout of `buf format`. */
export function lint(repository = root) {
  const linted = runBuf(['lint', join(repository, 'proto')]);
  if (linted.code !== 0) return failed(linted);
  const formatted = runBuf(['format', join(repository, 'proto'), '--diff', '--exit-code']);
  return formatted.code === 0 ? { passed: true, text: '' } : failed(formatted);
}

/**
 * The contracts as they lie on the disk against those of the last tag: rules FILE of proto/buf.yaml, so that neither the
 * wire nor generated code of a client breaks. A tag on the very commit counts, and so does the one before it.
 */
export function breaking(repository = root) {
  const tags = lastTags('proto', repository);
  if (tags.length === 0) {
    return { passed: true, text: 'nothing to compare with: this clone has no tag that holds proto/' };
  }
  for (const tag of tags) {
    const compared = compareWith(tag, repository);
    if (!compared.passed) return compared;
  }
  return { passed: true, text: `compared with ${tags.join(' and ')}` };
}

/** `docs/reference/proto.md` against what tools/contracts/main.mjs would write. */
export async function reference(repository = root) {
  const path = join(repository, referencePath);
  const written = existsSync(path) ? readFileSync(path, 'utf8') : '';
  if (written === (await renderReference(repository))) return { passed: true, text: '' };
  return { passed: false, text: `${referencePath} is stale: run npm run reference` };
}

function compareWith(tag, repository) {
  const directory = mkdtempSync(join(tmpdir(), 'emloc-proto-'));
  try {
    const archive = join(directory, 'proto.tar');
    const archived = run('git', ['archive', '--format=tar', '-o', archive, `${tag}:proto`], repository);
    if (archived.code !== 0) return failed(archived);
    const compared = runBuf(['breaking', join(repository, 'proto'), '--against', archive]);
    return compared.code === 0
      ? { passed: true, text: '' }
      : { passed: false, text: `breaks clients of ${tag}:\n${said(compared)}` };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const failed = (result) => ({ passed: false, text: said(result) });
const said = ({ stdout, stderr }) => `${stdout}${stderr}`.trim();
