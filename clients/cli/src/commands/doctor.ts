/** `emloc doctor`: what was found on this machine, and what is wrong. */
import { jsonOption } from '../options/common.ts';
import { addOptions } from '../options/option.ts';
import { addExamples, type DefineCommand } from '../program.ts';

export interface DoctorOptions {
  readonly json: boolean;
}

export const define: DefineCommand = (command, start) => {
  command.description(
    'Shows Node, TensorFlow (version and path), CPU features, threads, GPU, memory, disk and the mesh that is up, and what is ' +
      'wrong with them. Fetches nothing. Exit code 1 where something is wrong.',
  );
  addOptions(command, 'Output', [jsonOption]);
  addExamples(command, 'emloc doctor');
  command.action((options: DoctorOptions) =>
    start(options, async (context) => {
      const { doctor } = await import('../doctor/doctor.ts');
      await doctor(context);
    }),
  );
};
