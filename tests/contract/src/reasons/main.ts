/**
 * `node --import tsx tests/contract/src/reasons/main.ts FOLDER`: makes the files of all cases in a folder that is not there
 * yet, and prints the cases as JSON, one a line: what the tests of the clients in other languages go through.
 */
import { makeCases } from './cases.ts';

const folder = process.argv[2];
if (folder === undefined) {
  console.error('usage: main.ts FOLDER');
  process.exit(2);
}
for (const made of makeCases(folder)) console.log(JSON.stringify(made));
