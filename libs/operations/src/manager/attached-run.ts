/** Work bound to one call: its process writes serialized messages, its caller gets them as they are. */
import type { Readable } from 'node:stream';
import { EmlocError } from '@emloc/errors';
import { FrameType } from '../frames/frame.ts';
import { readFrames } from '../frames/read-frames.ts';
import type { Operation } from '../types.ts';

export interface AttachedRun {
  /** Each Buffer as the process wrote it. Throws its error; leaving the loop cancels it. */
  readonly output: AsyncIterable<Buffer>;
  /** The operation as it ended, whatever the state. */
  readonly done: Promise<Operation>;
}

interface Parts {
  readonly begin: (takeOutput: (pipe: Readable) => void) => void;
  readonly cancel: () => Promise<unknown>;
  readonly ended: () => Promise<Operation>;
  readonly signal: AbortSignal | undefined;
}

export function attachedRun({ begin, cancel, ended, signal }: Parts): AttachedRun {
  let takeOutput = (_: Readable): void => {};
  const pipe = new Promise<Readable>((resolve) => (takeOutput = resolve));
  begin(takeOutput);
  const abort = (): void => void cancel().catch(() => {});
  signal?.addEventListener('abort', abort, { once: true });
  if (signal?.aborted === true) abort();
  const done = ended().finally(() => signal?.removeEventListener('abort', abort));
  done.catch(() => {});

  async function* output(): AsyncGenerator<Buffer, void, void> {
    const source = await Promise.race([pipe, done.then(() => undefined)]);
    let whole = source === undefined;
    let broken: unknown;
    try {
      if (source !== undefined) {
        for await (const frame of readFrames(source)) if (frame.type === FrameType.data) yield frame.bytes;
      }
      whole = true;
    } catch (error) {
      broken = error;
      whole = true;
    } finally {
      if (!whole) abort();
      source?.destroy();
    }
    const operation = await done;
    if (operation.state === 'SUCCEEDED' && broken === undefined) return;
    throw (
      operation.error ??
      broken ??
      new EmlocError('ABORTED', 'CALL_ENDED', `the call ended as ${operation.state}`)
    );
  }
  return { output: output(), done };
}
