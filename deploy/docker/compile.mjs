/** When the image is made: compiles the programs, so that no container has to, which cannot write beside them. */
import { programArguments } from '@emloc/launch';
import { ports } from './services.mjs';

for (const name of Object.keys(ports)) {
  const program = new URL(`../../services/${name}/src/main.ts`, import.meta.url);
  const compiled = programArguments(program).at(-1);
  if (!compiled.endsWith('.mjs')) throw new Error(`${program.pathname} was not compiled`);
}
