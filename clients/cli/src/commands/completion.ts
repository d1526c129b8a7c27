/** `emloc completion`: a script that completes the command line in a shell. */
import { Argument } from 'commander';
import { oneOf } from '../options/values.ts';
import { addExamples, type DefineCommand } from '../program.ts';

export const shells = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof shells)[number];

export const define: DefineCommand = (command, start) => {
  command
    .description(
      'Prints a script that completes commands, options, their choices and files for emloc, and ids of jobs where a mesh is ' +
        'up: only for those emloc is started at a Tab. Print it anew after an update.',
    )
    .addArgument(
      new Argument('<shell>', shells.join(', ')).choices(shells).argParser(oneOf('<shell>', shells)),
    );
  addExamples(
    command,
    'source <(emloc completion bash)',
    'source <(emloc completion zsh)',
    'emloc completion fish > ~/.config/fish/completions/emloc.fish',
  );
  command.action((shell: Shell) =>
    start({}, async (context) => {
      const { printCompletion } = await import('../completion/print.ts');
      await printCompletion(context, shell);
    }),
  );
};
