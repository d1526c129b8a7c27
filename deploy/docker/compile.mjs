/** When the image is made: compiles the programs, so that no container has to, which cannot write beside them. */
import { programArguments } from '@emloc/launch';
import { programs } from './programs.mjs';

for (const program of Object.values(programs)) {
  const compiled = programArguments(program).at(-1);
  if (!compiled.endsWith('.mjs')) throw new Error(`${program.pathname} was not compiled`);
}
