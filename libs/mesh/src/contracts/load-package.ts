/**
 * A package of the contracts, loaded once a process. One setting for the whole project: camelCase names, int64 as number
 * (exact up to 2^53), enums by name, defaults filled in. An absent `optional` scalar has no key at all, so that 0 and
 * absent differ; an absent message is null.
 */
import { loadSync, type MessageTypeDefinition, type PackageDefinition } from '@grpc/proto-loader';
import { EmlocError } from '@emloc/errors';
import { protoDirectories, protoFilesOf } from './proto-dirs.ts';

export interface Method {
  /** lowerCamelCase, as handlers and clients name it. */
  readonly name: string;
  /** `/emloc.training.v1.TrainingService/StartTraining` */
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  /** The contract says that a repeated call changes nothing more. */
  readonly idempotent: boolean;
  readonly encodeRequest: (message: object) => Buffer;
  readonly decodeRequest: (bytes: Buffer) => object;
  readonly encodeResponse: (message: object) => Buffer;
  readonly decodeResponse: (bytes: Buffer) => object;
}

export interface Service {
  /** `emloc.training.v1.TrainingService` */
  readonly name: string;
  readonly methods: ReadonlyMap<string, Method>;
}

export interface Package {
  readonly name: string;
  readonly services: ReadonlyMap<string, Service>;
  /** As proto-loader made it, for reflection. */
  readonly definition: PackageDefinition;
}

const loaded = new Map<string, Package>();

export function loadPackage(name: string): Package {
  const key = `${name} ${protoDirectories().join(' ')}`;
  let found = loaded.get(key);
  if (found === undefined) {
    found = read(name);
    loaded.set(key, found);
  }
  return found;
}

/** A service by its short name. */
export function serviceOf(packageName: string, serviceName: string): Service {
  const service = loadPackage(packageName).services.get(serviceName);
  if (service !== undefined) return service;
  const known = [...loadPackage(packageName).services.keys()].join(', ');
  throw new EmlocError('NOT_FOUND', 'CONTRACT_NOT_FOUND', `${packageName} has no service ${serviceName}`, {
    value: serviceName,
    mend: `it has ${known === '' ? 'none' : known}`,
  });
}

/** A message type of any package, by its full name; nested ones too. */
export function messageType(fullName: string): MessageTypeDefinition<object, object> {
  // Packages end in a lower-case part (…v1), messages begin with a capital.
  const packageName = fullName.split(/\.(?=[A-Z])/)[0] ?? fullName;
  const entry = loadPackage(packageName).definition[fullName];
  if (entry !== undefined && 'format' in entry && 'serialize' in entry) {
    return entry as MessageTypeDefinition<object, object>;
  }
  throw new EmlocError('NOT_FOUND', 'CONTRACT_NOT_FOUND', `the contracts have no message ${fullName}`);
}

function read(name: string): Package {
  const definition = loadSync(protoFilesOf(name), {
    keepCase: false,
    longs: Number,
    enums: String,
    defaults: true,
    oneofs: true,
    includeDirs: protoDirectories(),
  });
  const services = new Map<string, Service>();
  for (const [fullName, entry] of Object.entries(definition)) {
    if ('format' in entry || !fullName.startsWith(`${name}.`)) continue;
    const methods = new Map<string, Method>();
    for (const [rpc, m] of Object.entries(entry)) {
      const method: Method = {
        name: rpc.charAt(0).toLowerCase() + rpc.slice(1),
        path: m.path,
        requestStream: m.requestStream,
        responseStream: m.responseStream,
        idempotent: m.options.idempotency_level !== 'IDEMPOTENCY_UNKNOWN',
        encodeRequest: m.requestSerialize,
        decodeRequest: m.requestDeserialize,
        encodeResponse: m.responseSerialize,
        decodeResponse: m.responseDeserialize,
      };
      methods.set(method.name, method);
    }
    services.set(fullName.slice(name.length + 1), { name: fullName, methods });
  }
  return { name, services, definition };
}
