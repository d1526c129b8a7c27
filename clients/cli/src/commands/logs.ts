/** `emloc logs`: what the local mesh wrote. */
import { serviceNames } from '../mesh/services.ts';
import { jsonOption, serverOption } from '../options/common.ts';
import { addOptions } from '../options/option.ts';
import { oneOf, wholeNumber } from '../options/values.ts';
import { addExamples, type DefineCommand } from '../program.ts';

/** `mesh` is the process that keeps the services. */
const logged = [...serviceNames, 'mesh'] as const;

export interface LogsOptions {
  readonly service?: (typeof logged)[number];
  readonly job?: string;
  readonly server?: string;
  readonly follow: boolean;
  readonly lines: number;
  readonly json: boolean;
}

export const define: DefineCommand = (command, start) => {
  command.description(
    "Prints what the services of this machine's mesh wrote, in the order of time, as files in EMLOC_HOME/logs hold it: " +
      'also of a mesh that is gone. With --job: what that job did, what the services wrote about it, and what the ' +
      'processes of its operations printed.',
  );
  addOptions(command, 'Which lines', [
    {
      flags: '--service <name>',
      says: `only of one: ${logged.join(', ')} (default: of all)`,
      parse: oneOf('--service', logged),
    },
    { flags: '--job <id>', says: 'only about this job, as the coordinator knows it (default: all)' },
    {
      flags: '--lines <count>',
      says: 'at most so many of the last lines',
      parse: wholeNumber('--lines', 1, '200'),
      default: 200,
    },
    { flags: '--follow', says: 'go on as lines come, until Ctrl-C or the end of the job', default: false },
  ]);
  addOptions(command, 'Mesh', [
    {
      ...serverOption,
      says:
        'coordinator of a mesh elsewhere, with --job: what the job did there; what its services and processes print is ' +
        'kept where they run (default: the mesh of this machine)',
    },
    { ...jsonOption, says: 'print a JSON object a line' },
  ]);
  addExamples(
    command,
    'emloc logs --service training --lines 50',
    'emloc logs --job ID',
    'emloc logs --job ID --server gpu-box:7600',
    'emloc logs --follow',
  );
  command.action((options: LogsOptions) =>
    start(options, async (context) => {
      const { logs } = await import('../logs/logs.ts');
      await logs(context, options);
    }),
  );
};
