/** Messages to bytes and back, without a call: what an operation's process writes and its service forwards unparsed. */
import { messageType } from './load-package.ts';

export interface MessageCodec {
  encode(message: object): Buffer;
  /** The `bytes` fields of what comes back are views of `bytes`. */
  decode<T extends object = Record<string, unknown>>(bytes: Uint8Array): T;
}

export function messageCodec(fullName: string): MessageCodec {
  const type = messageType(fullName);
  return {
    encode: (message) => type.serialize(message),
    decode: <T extends object>(bytes: Uint8Array) =>
      type.deserialize(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)) as T,
  };
}
