/** `npm run docs:cli`: writes docs/reference/cli.md and docs/emloc.schema.json. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { madeFiles } from './files.ts';

const root = fileURLToPath(new URL('../../../../', import.meta.url));
for (const { path, text } of await madeFiles()) {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
  console.log(path);
}
