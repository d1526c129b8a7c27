/** Ctrl-C came, and what could be kept was kept. Exit code 130. */
import { EmlocError } from '@emloc/errors';

export class Interrupted extends EmlocError {
  constructor(message = 'interrupted', mend?: string) {
    super('CANCELLED', 'INTERRUPTED', message, { mend });
  }
}
