/**
 * The comments of a file's declarations as its SourceCodeInfo, so that whoever asks a server's reflection reads the
 * contract too (`grpcurl describe`). protobufjs keeps the text above each declaration but no positions: spans hold the
 * order of the declarations, which is all that printers take from them, in place of lines.
 */
import protobuf from 'protobufjs';
import { nestedTypesOf, oneofsOf } from './describe.ts';

/** Numbers of the fields of google/protobuf/descriptor.proto that a location's path is made of. */
const inFile = { message: 4, enum: 5, service: 6 };
const inMessage = { field: 2, nestedType: 3, enum: 4, oneof: 8 };
const valueInEnum = 2;
const methodInService = 2;

export interface Location {
  /** Which declaration: field numbers and indices, from the file down. */
  readonly path: readonly number[];
  /** [place in the order, 0, 1]: see above. */
  readonly span: readonly number[];
  /** As protoc keeps it: each line as it stands after `//`, ended by a line feed. */
  readonly leadingComments?: string;
}

/** Locations of all that a file declares at its top, in the order of the file. */
export function sourceLocations(declared: readonly protobuf.ReflectionObject[]): Location[] {
  const locations: Location[] = [];
  const counts = { message: 0, enum: 0, service: 0 };
  for (const object of declared) {
    if (object instanceof protobuf.Type) addMessage(object, [inFile.message, counts.message++], locations);
    else if (object instanceof protobuf.Enum) addEnum(object, [inFile.enum, counts.enum++], locations);
    else if (object instanceof protobuf.Service) {
      addService(object, [inFile.service, counts.service++], locations);
    }
  }
  return locations;
}

function addMessage(type: protobuf.Type, path: readonly number[], locations: Location[]): void {
  add(type.comment, path, locations);
  // Before the fields, as they are written for the most part.
  nestedTypesOf(type).forEach((nested, i) =>
    addMessage(nested, [...path, inMessage.nestedType, i], locations),
  );
  type.nestedArray
    .filter((object) => object instanceof protobuf.Enum)
    .forEach((nested, i) => addEnum(nested, [...path, inMessage.enum, i], locations));
  const oneofs = oneofsOf(type);
  const seen = new Set<protobuf.OneOf>();
  type.fieldsArray.forEach((field, index) => {
    const { partOf } = field;
    if (partOf !== null && !seen.has(partOf)) {
      seen.add(partOf);
      add(partOf.comment, [...path, inMessage.oneof, oneofs.indexOf(partOf)], locations);
    }
    add(field.comment, [...path, inMessage.field, index], locations);
  });
}

function addEnum(type: protobuf.Enum, path: readonly number[], locations: Location[]): void {
  add(type.comment, path, locations);
  Object.keys(type.values).forEach((name, i) =>
    add(type.comments?.[name], [...path, valueInEnum, i], locations),
  );
}

function addService(service: protobuf.Service, path: readonly number[], locations: Location[]): void {
  add(service.comment, path, locations);
  service.methodsArray.forEach((method, i) => add(method.comment, [...path, methodInService, i], locations));
}

/** `comment`: null or absent where the declaration has none. */
function add(comment: string | null | undefined, path: readonly number[], locations: Location[]): void {
  const span = [locations.length, 0, 1];
  if (comment == null || comment === '') locations.push({ path, span });
  else locations.push({ path, span, leadingComments: asWritten(comment) });
}

/** protobufjs takes the blanks around a line away, protoc leaves them; deeper indentation is lost. */
const asWritten = (comment: string): string =>
  comment
    .split('\n')
    .map((line) => (line === '' ? '\n' : ` ${line}\n`))
    .join('');
