/** The files in docs/ that are made of the options: who changes an option makes them anew (`npm run docs:cli`). */
import { format } from 'prettier';
import { jobFileFields } from '../job-file/fields.ts';
import { jobFileSchema } from '../job-file/schema.ts';
import { defineCommand, wholeProgram } from '../program.ts';
import { cliPage } from './cli-page.ts';

export interface MadeFile {
  /** From the root of the repository. */
  readonly path: string;
  readonly text: string;
}

export async function madeFiles(): Promise<readonly MadeFile[]> {
  const schema = JSON.stringify(jobFileSchema(jobFileFields(await defineCommand('finetune'))));
  return [
    { path: 'docs/reference/cli.md', text: cliPage(await wholeProgram()) },
    {
      path: 'docs/emloc.schema.json',
      text: await format(schema, { parser: 'json', printWidth: 110 }),
    },
  ];
}
