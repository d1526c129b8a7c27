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
  sourceCodeInfo?: unknown;
  messageType: { reservedRange?: unknown; reservedName?: unknown }[];
}

const buf = join(dirname(createRequire(import.meta.url).resolve('@bufbuild/buf/package.json')), 'bin', 'buf');
const testProtos = fileURLToPath(new URL('../testing/proto', import.meta.url));
const protos = fileURLToPath(new URL('../../../../proto', import.meta.url));

/** As protoc's own relatives make them, less what ours leave out. */
function builtByBuf(directory: string): Map<string, File> {
  const path = join(temporaryDirectory(), 'set.binpb');
  execFileSync(process.execPath, [buf, 'build', directory, '-o', path, '--exclude-source-info']);
  const { file } = FileDescriptorSet.toObject(FileDescriptorSet.decode(readFileSync(path)), {
    arrays: true,
  }) as { file: File[] };
  return new Map(file.map((f) => [f.name, f]));
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
    expect(file).toEqual(theirs);
  }
  expect(new Set(ours.map((file) => file.name))).toEqual(new Set(expected.keys()));
});
