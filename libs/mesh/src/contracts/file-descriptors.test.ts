import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import descriptor from 'protobufjs/ext/descriptor/index.js';
import { expect, test } from 'vitest';
import '../testing/echo.ts';
import { temporaryDirectory } from '../testing/temporary-directory.ts';
import { fileDescriptors } from './file-descriptors.ts';

const { FileDescriptorProto, FileDescriptorSet } = descriptor;

interface File {
  name: string;
  sourceCodeInfo?: { location: Location[] };
  messageType: { reservedRange?: unknown; reservedName?: unknown }[];
}

interface Location {
  path: number[];
  span: number[];
  leadingComments?: string;
}

const buf = join(dirname(createRequire(import.meta.url).resolve('@bufbuild/buf/package.json')), 'bin', 'buf');
const testProtos = fileURLToPath(new URL('../testing/proto', import.meta.url));
const protos = fileURLToPath(new URL('../../../../proto', import.meta.url));

/** As protoc's own relatives make them. */
function builtByBuf(directory: string): Map<string, File> {
  const path = join(temporaryDirectory(), 'set.binpb');
  execFileSync(process.execPath, [buf, 'build', directory, '-o', path]);
  const { file } = FileDescriptorSet.toObject(FileDescriptorSet.decode(readFileSync(path)), {
    arrays: true,
  }) as { file: File[] };
  return new Map(file.map((f) => [f.name, f]));
}

/** The comments of declarations in the order of the file; that of the file's package is left out, as ours leaves it out. */
function commentsOf(file: File | undefined): [path: string, comment: string][] {
  const order = ({ span: [line = 0, column = 0] }: Location) => line * 1000 + column;
  return (file?.sourceCodeInfo?.location ?? [])
    .filter(({ path, leadingComments }) => path.length > 1 && leadingComments !== undefined)
    .sort((a, b) => order(a) - order(b))
    .map(({ path, leadingComments }) => [path.join('.'), leadingComments ?? '']);
}

test.each([
  ['the test contract', testProtos],
  ['the contracts of the mesh', protos],
])('%s: the same descriptors as buf’s', (_, directory) => {
  const files = readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.proto'),
  );
  expect(files.length).toBeGreaterThan(0);
  const expected = builtByBuf(directory);
  const ours = fileDescriptors(files.map((name) => join(directory, name))).map((bytes) =>
    FileDescriptorProto.toObject(FileDescriptorProto.decode(bytes), { arrays: true }),
  ) as File[];
  for (const file of ours) {
    // Ours has what protobufjs carries of these: fewer options, the same messages.
    if (file.name.startsWith('google/protobuf/')) continue;
    const theirs = structuredClone(expected.get(file.name));
    for (const message of theirs?.messageType ?? [])
      Object.assign(message, { reservedRange: [], reservedName: [] });
    expect(commentsOf(file)).toEqual(commentsOf(theirs));
    expect({ ...file, sourceCodeInfo: undefined }).toEqual({ ...theirs, sourceCodeInfo: undefined });
  }
  expect(new Set(ours.map((file) => file.name))).toEqual(new Set(expected.keys()));
});
