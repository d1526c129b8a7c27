/** What holds of the source without running it. Each check gives what is wrong, '' where nothing is. */
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { clientRoot, generateStubs, run } from './go.mjs';

/** gofmt names the files that it would write otherwise. */
export const format = () => run('gofmt', ['-l', '.']).text;

export const vet = () => wrong(run('go', ['vet', './...']));

/** go.mod and go.sum name what is imported, no more and no less. */
export const tidy = () => wrong(run('go', ['mod', 'tidy', '-diff']));

/** The stubs, comments and all, are what the contracts give now. */
export function stubs() {
  const folder = mkdtempSync(join(tmpdir(), 'emloc-go-stubs-'));
  try {
    cpSync(join(clientRoot, 'gen'), join(folder, 'before'), { recursive: true });
    const generated = generateStubs(folder);
    if (!generated.passed) return generated.text;
    const { text } = run('diff', ['-rq', join(folder, 'before'), join(folder, 'gen')]);
    return text === '' ? '' : `${text}\nrun: npx nx run @emloc/go-client:generate`;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const wrong = ({ passed, text }) => (passed ? '' : text || 'failed');
