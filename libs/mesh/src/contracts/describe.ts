/** Messages, enums and services as protobufjs parsed them, in the words of google/protobuf/descriptor.proto. */
import protobuf from 'protobufjs';

const scalarTypes: Readonly<Record<string, number>> = {
  double: 1,
  float: 2,
  int64: 3,
  uint64: 4,
  int32: 5,
  fixed64: 6,
  fixed32: 7,
  bool: 8,
  string: 9,
  bytes: 12,
  uint32: 13,
  sfixed32: 15,
  sfixed64: 16,
  sint32: 17,
  sint64: 18,
};
const messageTypeNumber = 11;
const enumTypeNumber = 14;
const optional = 1;
const repeated = 3;
const idempotencyLevels: Readonly<Record<string, number>> = { NO_SIDE_EFFECTS: 1, IDEMPOTENT: 2 };

export function describeMessage(type: protobuf.Type): object {
  const oneofs = oneofsOf(type);
  const maps = type.fieldsArray.filter((field) => field instanceof protobuf.MapField);
  return {
    name: type.name,
    field: type.fieldsArray.map((field) => describeField(field, oneofs)),
    nestedType: [...nestedTypesOf(type).map(describeMessage), ...maps.map(describeMapEntry)],
    enumType: type.nestedArray.filter((object) => object instanceof protobuf.Enum).map(describeEnum),
    oneofDecl: oneofs.map(({ name }) => ({ name })),
    ...deprecated(type),
  };
}

/** In the order of the descriptor: those that stand for `optional` come last. */
export const oneofsOf = (type: protobuf.Type): protobuf.OneOf[] =>
  [...type.oneofsArray].sort((a, b) => Number(isSynthetic(a)) - Number(isSynthetic(b)));

export const nestedTypesOf = (type: protobuf.Type): protobuf.Type[] =>
  type.nestedArray.filter((object) => object instanceof protobuf.Type);

export function describeEnum(type: protobuf.Enum): object {
  return {
    name: type.name,
    value: Object.entries(type.values).map(([name, number]) => ({ name, number })),
    ...(type.options?.['allow_alias'] === true ? { options: { allowAlias: true } } : {}),
  };
}

export function describeService(service: protobuf.Service): object {
  return {
    name: service.name,
    method: service.methodsArray.map((method) => {
      const level = idempotencyLevels[String(method.options?.['idempotency_level'])];
      return {
        name: method.name,
        inputType: method.resolvedRequestType?.fullName,
        outputType: method.resolvedResponseType?.fullName,
        ...(method.requestStream === true ? { clientStreaming: true } : {}),
        ...(method.responseStream === true ? { serverStreaming: true } : {}),
        ...(level === undefined ? deprecated(method) : { options: { idempotencyLevel: level } }),
      };
    }),
  };
}

function describeField(field: protobuf.Field, oneofs: readonly protobuf.OneOf[]): object {
  const oneof = field.partOf === null ? -1 : oneofs.indexOf(field.partOf);
  return {
    name: field.name,
    number: field.id,
    label: field.repeated || field.map ? repeated : optional,
    ...(field instanceof protobuf.MapField
      ? { type: messageTypeNumber, typeName: `${field.parent?.fullName}.${entryName(field.name)}` }
      : typeOf(field)),
    jsonName: camelCase(field.name),
    ...(oneof < 0 ? {} : { oneofIndex: oneof }),
    ...(field.partOf !== null && isSynthetic(field.partOf) ? { proto3Optional: true } : {}),
    ...deprecated(field),
  };
}

/** A map is repeated entries of a message that no one writes. */
function describeMapEntry(field: protobuf.MapField): object {
  const key = { name: 'key', number: 1, label: optional, type: scalarTypes[field.keyType], jsonName: 'key' };
  const value = { name: 'value', number: 2, label: optional, ...typeOf(field), jsonName: 'value' };
  return { name: entryName(field.name), field: [key, value], options: { mapEntry: true } };
}

function typeOf(field: protobuf.FieldBase): object {
  const { resolvedType } = field.resolve();
  if (resolvedType === null) return { type: scalarTypes[field.type] };
  const type = resolvedType instanceof protobuf.Enum ? enumTypeNumber : messageTypeNumber;
  return { type, typeName: resolvedType.fullName };
}

const deprecated = (object: protobuf.ReflectionObject): object =>
  object.options?.['deprecated'] === true ? { options: { deprecated: true } } : {};

/** protobufjs names the oneof of `optional ratio` "_ratio". */
const isSynthetic = (oneof: protobuf.OneOf): boolean =>
  oneof.fieldsArray.length === 1 && oneof.fieldsArray[0]?.options?.['proto3_optional'] === true;

/** `gram_of` → `gramOf`, as protoc does it. */
const camelCase = (name: string): string =>
  name.replace(/_+(\w)/g, (_, letter: string) => letter.toUpperCase());

/** `gram_of` → `GramOfEntry`, as protoc does it and every implementation checks it. */
function entryName(name: string): string {
  const camel = camelCase(name);
  return `${camel.charAt(0).toUpperCase()}${camel.slice(1)}Entry`;
}
