/** What is wrong with artifacts: on their way into the store, and with folders that are to be one. */
import { createHash } from 'node:crypto';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { artifacts, call, inference, started, type Call, type Case } from '../case.ts';
import { noArtifact, trainRows, type Files } from '../files.ts';

/** One more than a directory may have. */
const tooMany = 10_001;

const upload = (header: object, ...steps: readonly object[]): Call =>
  call(`${artifacts}/UploadArtifact`, { header }, ...steps);
const file = { kind: 'ARTIFACT_KIND_FILE' };
const entry = (path: string, byteSize: number): object => ({ file: { path, byteSize } });
const chunk = (text: string): object => ({ chunk: Buffer.from(text).toString('base64') });
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

export function artifactCases(files: Files): Case[] {
  const text = files.id('content');
  // A directory's digest is that of its list of files: the list itself has it, too.
  const list = `emloc.directory.v1\na\0${text.length}\0${sha256(text)}\n`;
  const evaluates = (path: string): Pick<Case, 'call' | 'wait'> =>
    started(`${inference}/StartEvaluation`, {
      operationId: files.id(`evaluation-${path.split('/').at(-1)}`),
      model: { path },
      dataset: trainRows,
    } as { operationId: string });
  const linked = files.model().path;
  symlinkSync(tmpdir(), join(linked, 'folder'));
  const crowded = files.model().path;
  mkdirSync(join(crowded, 'many'));
  for (let i = 0; i < tooMany; i++) writeFileSync(join(crowded, 'many', String(i)), '');
  return [
    {
      reason: 'ARTIFACT_NOT_FOUND',
      code: 'NOT_FOUND',
      field: 'digest',
      value: noArtifact,
      call: call(`${artifacts}/DownloadArtifact`, { digest: noArtifact }),
    },
    {
      reason: 'UPLOAD_ORDER',
      code: 'INVALID_ARGUMENT',
      field: 'header',
      call: call(`${artifacts}/UploadArtifact`, entry('a', 1)),
    },
    {
      reason: 'UPLOAD_ORDER',
      about: 'bytes first',
      code: 'INVALID_ARGUMENT',
      field: 'chunk',
      call: upload(file, chunk('a')),
    },
    {
      reason: 'WRONG_BYTE_SIZE',
      code: 'DATA_LOSS',
      field: 'file.byte_size',
      value: '2',
      call: upload(file, entry('a', 3), chunk('ab')),
    },
    {
      reason: 'DIGEST_MISMATCH',
      code: 'DATA_LOSS',
      field: 'digest',
      value: noArtifact,
      call: upload({ ...file, digest: noArtifact }, entry('a', 3), chunk('abc')),
    },
    { reason: 'NOT_ONE_FILE', code: 'INVALID_ARGUMENT', field: 'files', value: '0', call: upload(file) },
    {
      reason: 'OTHER_KIND',
      code: 'ALREADY_EXISTS',
      field: 'digest',
      value: `sha256:${sha256(list)}`,
      before: [upload({ kind: 'ARTIFACT_KIND_DIRECTORY' }, entry('a', text.length), chunk(text))],
      call: upload(file, entry('list', list.length), chunk(list)),
    },
    {
      reason: 'TOO_MANY_FILES',
      code: 'INVALID_ARGUMENT',
      field: crowded,
      value: crowded,
      ...evaluates(crowded),
    },
    {
      reason: 'NOT_A_REGULAR_FILE',
      code: 'INVALID_ARGUMENT',
      field: join(linked, 'folder'),
      value: join(linked, 'folder'),
      ...evaluates(linked),
    },
  ];
}
