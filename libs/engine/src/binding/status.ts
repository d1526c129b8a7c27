/** TensorFlow's status, as one of our errors. */
import { EmlocError, type ErrorCode } from '@emloc/errors';
import type { Native } from './context.ts';

const TF_INVALID_ARGUMENT = 3;
const TF_RESOURCE_EXHAUSTED = 8;

/** The error of the status that is set now, which is cleared. `what` was being done when it was set. */
export function failure(n: Native, what: string, metadata: Record<string, string> = {}): EmlocError {
  const tfCode = n.lib.statusCode(n.status);
  const detail = clean(n.lib.statusMessage(n.status));
  n.lib.setStatus(n.status, 0, '');
  const message = `${what} failed: ${detail}`;
  if (tfCode === TF_RESOURCE_EXHAUSTED) {
    return new EmlocError('RESOURCE_EXHAUSTED', 'OUT_OF_MEMORY', message, {
      mend: 'use a smaller batch, shorter sequences or a smaller ratio',
      metadata,
    });
  }
  const code: ErrorCode = tfCode === TF_INVALID_ARGUMENT ? 'INVALID_ARGUMENT' : 'INTERNAL';
  return new EmlocError(code, 'ENGINE_OP_FAILED', message, { metadata });
}

/** Without the node name and the list of every registered kernel, which TensorFlow appends. */
function clean(message: string): string {
  const cut = message
    .replace(/\{\{(function_)?node [^}]*\}\}\s*/g, '')
    .split(/\n|\s*\[Op:/)[0]!
    .trim();
  return cut.length > 400 ? `${cut.slice(0, 400)}…` : cut;
}
