/** `emloc init`: a job file to start from. */
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, isAbsolute, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { EmlocError } from '@emloc/errors';
import type { InitOptions } from '../commands/init.ts';
import type { CommandContext } from '../context.ts';
import { defineCommand } from '../program.ts';
import { shellWord } from '../output/shell-word.ts';
import { jobFileFields } from './fields.ts';
import { jobFileTemplate } from './template.ts';

const schemaFile = fileURLToPath(new URL('../../../../docs/emloc.schema.json', import.meta.url));

export async function init({ output }: CommandContext, file: string, options: InitOptions): Promise<void> {
  const { model, data, output: to } = options;
  const folder = resolve(dirname(file));
  // Typed paths are meant from here, those in the file from where it lies.
  const from = (path: string | undefined): string | undefined =>
    path === undefined || isAbsolute(path) ? path : relative(folder, resolve(path));
  const text = jobFileTemplate(jobFileFields(await defineCommand('finetune')), {
    schema: relative(folder, schemaFile),
    file,
    values: {
      model: model !== undefined && existsSync(model) ? from(model) : model,
      data: from(data),
      output: from(to),
    },
  });
  await mkdir(folder, { recursive: true });
  try {
    await writeFile(file, text, { flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    throw new EmlocError('ALREADY_EXISTS', 'OUTPUT_EXISTS', `${file} exists already`, {
      field: '[file]',
      value: file,
      mend: 'name another file, or take it away: emloc init never overwrites',
    });
  }
  output.result({ file: resolve(file) }, () => file);
  output.note(`look through it, then: emloc finetune --config ${shellWord(file)}`);
}
