/**
 * The reference page of the contracts, made of what `buf build` says of them with their comments: every service, rpc,
 * message, field and enum value, a section each, in the order of the packages.
 */
import { join } from 'node:path';
import { root, runBuf } from './run-buf.mjs';

export const referencePath = 'docs/reference/proto.md';

/** Field numbers of google/protobuf/descriptor.proto, of which the paths of source locations are made. */
const path = {
  package: 2,
  message: 4,
  enum: 5,
  service: 6,
  field: 2,
  nested: 3,
  nestedEnum: 4,
  value: 2,
  method: 2,
};

/** The page as Markdown. */
export async function renderReference(repository = root) {
  const built = runBuf(['build', join(repository, 'proto'), '-o', '-#format=json']);
  if (built.code !== 0) throw new Error(`buf build failed: ${built.stderr}`);
  const files = JSON.parse(built.stdout).file.filter(({ name }) => name.startsWith('emloc/'));
  const packages = new Map();
  for (const file of files.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    packages.set(file.package, [...(packages.get(file.package) ?? []), file]);
  }
  const known = new Set(
    files.flatMap((file) =>
      (file.messageType ?? []).concat(file.enumType ?? []).map((type) => `${file.package}.${type.name}`),
    ),
  );
  const parts = [introduction(packages)];
  for (const [name, ofPackage] of packages) parts.push(...renderPackage(name, ofPackage, known));
  return `${parts.join('\n\n')}\n`;
}

function introduction(packages) {
  const rows = [...packages].map(([name, files]) => {
    const services = files.flatMap((file) =>
      (file.service ?? []).map((service) => link(`${name}.${service.name}`, service.name)),
    );
    return `| ${link(name, `\`${name}\``)} | ${services.join(', ')} |`;
  });
  return [
    '# Reference of the contracts',
    '',
    'Made from the comments of [`proto/`](../../proto) by `npm run reference`; a check of `npm test` fails where the two differ. Errors: [errors.md](errors.md); lines to copy: [grpcurl.md](../grpcurl.md).',
    '',
    'A field marked *optional* tells absent from zero: absent takes the default that its text names. All others have the zero of proto3 where they are not set.',
    '',
    '| package | services |',
    '| --- | --- |',
    ...rows,
  ].join('\n');
}

function* renderPackage(name, files, known) {
  yield `## ${anchor(name)}${name}`;
  const words = files.map((file) => commentsOf(file)([path.package])).filter((text) => text !== '');
  if (words.length > 0) yield words.join('\n\n');
  for (const file of files) {
    const comment = commentsOf(file);
    for (const [i, service] of (file.service ?? []).entries()) {
      yield* renderService(
        `${name}.${service.name}`,
        service,
        (more) => comment([path.service, i, ...more]),
        known,
      );
    }
  }
  for (const file of files) {
    const comment = commentsOf(file);
    for (const [i, message] of (file.messageType ?? []).entries()) {
      yield* renderMessage(
        `${name}.${message.name}`,
        message,
        (more) => comment([path.message, i, ...more]),
        known,
      );
    }
    for (const [i, type] of (file.enumType ?? []).entries()) {
      yield* renderEnum(`${name}.${type.name}`, type, (more) => comment([path.enum, i, ...more]));
    }
  }
}

function* renderService(fullName, service, comment, known) {
  yield `### ${anchor(fullName)}${service.name}`;
  yield comment([]);
  yield table(
    ['rpc', 'request', 'response', 'contract'],
    (service.method ?? []).map((method, i) => [
      `${anchor(`${fullName}.${method.name}`)}\`${method.name}\``,
      `${method.clientStreaming ? 'stream of ' : ''}${typeLink(method.inputType, known)}`,
      `${method.serverStreaming ? 'stream of ' : ''}${typeLink(method.outputType, known)}`,
      `${comment([path.method, i])}${idempotency(method)}`,
    ]),
  );
}

const idempotency = (method) =>
  ({ NO_SIDE_EFFECTS: ' *No side effects.*', IDEMPOTENT: ' *Idempotent.*' })[
    method.options?.idempotencyLevel
  ] ?? '';

function* renderMessage(fullName, message, comment, known) {
  yield `### ${anchor(fullName)}${message.name}`;
  yield comment([]);
  const fields = message.field ?? [];
  if (fields.length > 0) {
    yield table(
      ['number', 'field', 'type', 'meaning'],
      fields.map((field, i) => [
        String(field.number),
        `\`${field.name}\`${oneofOf(message, field)}`,
        typeOf(message, field, known),
        comment([path.field, i]),
      ]),
    );
  }
  for (const [i, nested] of (message.nestedType ?? []).entries()) {
    if (nested.options?.mapEntry === true) continue;
    yield* renderMessage(
      `${fullName}.${nested.name}`,
      nested,
      (more) => comment([path.nested, i, ...more]),
      known,
    );
  }
  for (const [i, type] of (message.enumType ?? []).entries()) {
    yield* renderEnum(`${fullName}.${type.name}`, type, (more) => comment([path.nestedEnum, i, ...more]));
  }
}

function* renderEnum(fullName, type, comment) {
  yield `### ${anchor(fullName)}${type.name}`;
  yield comment([]);
  yield table(
    ['number', 'value', 'meaning'],
    (type.value ?? []).map((value, i) => [
      String(value.number ?? 0),
      `\`${value.name}\``,
      comment([path.value, i]),
    ]),
  );
}

/** The oneof that a field belongs to; one that stands for `optional` is none. */
function oneofOf(message, field) {
  if (field.oneofIndex === undefined || field.proto3Optional === true) return '';
  return `, one of \`${message.oneofDecl[field.oneofIndex].name}\``;
}

function typeOf(message, field, known) {
  const entry = (message.nestedType ?? []).find(
    (nested) =>
      nested.options?.mapEntry === true && field.typeName?.endsWith(`.${message.name}.${nested.name}`),
  );
  if (entry !== undefined) {
    const [key, value] = entry.field;
    return `map of ${plainType(key, known)} to ${plainType(value, known)}`;
  }
  const repeated = field.label === 'LABEL_REPEATED' ? 'repeated ' : '';
  const optional = field.proto3Optional === true ? '*optional* ' : '';
  return `${optional}${repeated}${plainType(field, known)}`;
}

const plainType = (field, known) =>
  field.typeName === undefined
    ? `\`${field.type.replace('TYPE_', '').toLowerCase()}\``
    : typeLink(field.typeName, known);

function typeLink(typeName, known) {
  const fullName = typeName.replace(/^\./, '');
  const short = fullName.split('.').at(-1);
  return known.has(fullName) ? link(fullName, short) : `\`${fullName}\``;
}

const anchor = (name) => `<a id="${name}"></a>`;
const link = (name, text) => `[${text}](#${name})`;

const table = (head, rows) =>
  [head, head.map(() => '---'), ...rows]
    .map(
      (cells) =>
        `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replace(/\s*\n\s*/g, ' ')).join(' | ')} |`,
    )
    .join('\n');

/** A file's comments by the path of what they stand above, as one paragraph; '' where there is none. */
function commentsOf(file) {
  const comments = new Map(
    file.sourceCodeInfo.location
      .filter(({ leadingComments }) => leadingComments !== undefined)
      .map((location) => [(location.path ?? []).join('.'), location.leadingComments]),
  );
  return (wanted) => escaped((comments.get(wanted.join('.')) ?? '').replace(/\s+/g, ' ').trim());
}

/** `<` and `*` mean something to Markdown outside of code. */
const escaped = (text) =>
  text
    .split(/(`[^`]*`)/)
    .map((part) => (part.startsWith('`') ? part : part.replaceAll('<', '&lt;').replaceAll('*', '\\*')))
    .join('');
