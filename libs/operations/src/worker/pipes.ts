/** The two extra pipes of a process: frames come in on descriptor 3 and leave on 4. Opened when first used. */
import { Socket } from 'node:net';
import { errorFromJson, type ErrorJson } from '../error-json.ts';
import { FrameType, jsonOf } from '../frames/frame.ts';
import { FrameWriter } from '../frames/frame-writer.ts';
import { readFrames } from '../frames/read-frames.ts';

export const inputDescriptor = 3;
export const outputDescriptor = 4;

export const openInput = (): Socket => new Socket({ fd: inputDescriptor, readable: true, writable: false });

export const openOutput = (): FrameWriter =>
  new FrameWriter(new Socket({ fd: outputDescriptor, readable: false, writable: true }));

/** The DATA frames of the one caller that an operation may have. */
export async function* inputOfOperation(): AsyncGenerator<Buffer, void, void> {
  for await (const frame of readFrames(openInput())) {
    if (frame.type === FrameType.end) return;
    if (frame.type === FrameType.error) throw errorFromJson(jsonOf<ErrorJson>(frame));
    yield frame.bytes;
  }
}
