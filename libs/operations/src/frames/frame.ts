/**
 * What passes through the extra pipes of a process: a type and a length in 5 bytes, then the bytes. DATA frames hold
 * messages that the service forwards between the process and a gRPC stream without parsing them; the others hold JSON.
 */
import { EmlocError } from '@emloc/errors';
import { maxFrameBytes } from '../limits.ts';

export const FrameType = { data: 0, end: 1, error: 2, begin: 3 } as const;
export type FrameType = (typeof FrameType)[keyof typeof FrameType];

export interface Frame {
  readonly type: FrameType;
  readonly bytes: Buffer;
}

export const headerBytes = 5;

export function frameHeader(type: FrameType, length: number): Buffer {
  if (length > maxFrameBytes) {
    throw new EmlocError(
      'OUT_OF_RANGE',
      'FRAME_TOO_LARGE',
      `a frame has ${length} bytes, the limit is ${maxFrameBytes}`,
      {
        mend: 'write the tensor in chunks',
      },
    );
  }
  const header = Buffer.allocUnsafe(headerBytes);
  header.writeUInt8(type, 0);
  header.writeUInt32LE(length, 1);
  return header;
}

export const jsonFrame = (type: FrameType, value: unknown): Frame => ({
  type,
  bytes: Buffer.from(JSON.stringify(value ?? null)),
});

export const jsonOf = <T>(frame: Frame): T => JSON.parse(frame.bytes.toString('utf8')) as T;
