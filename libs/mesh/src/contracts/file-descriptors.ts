/**
 * The contracts as FileDescriptorProtos, for reflection. protobufjs can make descriptors itself, but drops `optional`,
 * spells names in camelCase, merges the files of a package and names map entries as no other implementation accepts
 * (grpcurl refuses them), so they are made here from what it has parsed; a test compares them with those of `buf build`.
 * Comments are in (source-info.ts). Left out: lines and columns, reserved ranges, custom options.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import protobuf from 'protobufjs';
import descriptor from 'protobufjs/ext/descriptor/index.js';
import { describeEnum, describeMessage, describeService } from './describe.ts';
import { protoDirectories } from './proto-dirs.ts';
import { sourceLocations } from './source-info.ts';

/** The files and all that they import, each after its imports, encoded. `paths` are absolute or below a proto directory. */
export function fileDescriptors(paths: readonly string[]): Buffer[] {
  const files = new Map<string, ParsedFile>();
  for (const path of paths) parse(path, files);
  const root = new protobuf.Root();
  root.resolvePath = (_origin, target) => pathOf(target);
  root.loadSync([...paths], { keepCase: true, alternateCommentMode: true, preferTrailingComment: false });
  root.resolveAll();
  return [...files.values()].map((file) => describeFile(file, root));
}

interface ParsedFile {
  readonly name: string;
  readonly package: string;
  readonly imports: readonly string[];
  /** Full names of what it declares at its top. */
  readonly declared: readonly string[];
}

function parse(path: string, files: Map<string, ParsedFile>): void {
  const name = nameOf(path);
  if (files.has(name)) return;
  const common = protobuf.common.get(name);
  if (common !== null) {
    const inner = protobuf.Root.fromJSON(common).lookup('google.protobuf') as protobuf.Namespace;
    const declared = inner.nestedArray.map((object) => object.fullName.slice(1));
    files.set(name, { name, package: 'google.protobuf', imports: [], declared });
    return;
  }
  const parsed = protobuf.parse(readFileSync(pathOf(path), 'utf8'), new protobuf.Root(), { keepCase: true });
  const imports = parsed.imports ?? [];
  for (const imported of imports) parse(imported, files);
  const packageName = parsed.package ?? '';
  const scope = packageName === '' ? parsed.root : parsed.root.lookup(packageName);
  const declared =
    scope instanceof protobuf.Namespace ? scope.nestedArray.map((o) => o.fullName.slice(1)) : [];
  files.set(name, { name, package: packageName, imports, declared });
}

function describeFile(file: ParsedFile, root: protobuf.Root): Buffer {
  const { FileDescriptorProto } = descriptor;
  const objects = file.declared.map((name) => root.lookup(name)).filter((object) => object !== null);
  const described = {
    name: file.name,
    package: file.package,
    dependency: file.imports,
    messageType: objects.filter((o) => o instanceof protobuf.Type).map(describeMessage),
    enumType: objects.filter((o) => o instanceof protobuf.Enum).map(describeEnum),
    service: objects.filter((o) => o instanceof protobuf.Service).map(describeService),
    sourceCodeInfo: { location: sourceLocations(objects) },
    syntax: 'proto3',
  };
  return Buffer.from(FileDescriptorProto.encode(FileDescriptorProto.fromObject(described)).finish());
}

/** `emloc/training/v1/training.proto`, as imports name it. */
function nameOf(path: string): string {
  for (const directory of protoDirectories()) {
    if (path.startsWith(`${directory}/`)) return path.slice(directory.length + 1);
  }
  const wellKnown = path.lastIndexOf('google/protobuf/');
  if (wellKnown >= 0) return path.slice(wellKnown);
  // From a package of another's: the health contract.
  return path.startsWith('/') ? path.slice(path.lastIndexOf('/proto/') + '/proto/'.length) : path;
}

function pathOf(target: string): string {
  if (target.startsWith('/') || protobuf.common.get(target) !== null) return target;
  for (const directory of protoDirectories()) {
    const path = join(directory, target);
    try {
      readFileSync(path);
      return path;
    } catch {
      continue;
    }
  }
  return target;
}
