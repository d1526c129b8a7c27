/** `emloc up`: a local mesh that stays until Ctrl-C. */
import { jsonOption } from '../options/common.ts';
import { addOptions } from '../options/option.ts';
import { addExamples, type DefineCommand } from '../program.ts';

export interface UpOptions {
  readonly json: boolean;
}

export const define: DefineCommand = (command, start) => {
  command.description(
    'Starts the mesh of this machine (or joins the one that is up), prints the address of each service, and keeps it until ' +
      'Ctrl-C. Other terminals use it meanwhile, with no start of their own.',
  );
  addOptions(command, 'Output', [jsonOption]);
  addExamples(command, 'emloc up', 'EMLOC_HOME=./state emloc up --json');
  command.action((options: UpOptions) =>
    start(options, async (context) => {
      const { up } = await import('../mesh/up.ts');
      await up(context);
    }),
  );
};
