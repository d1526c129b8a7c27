/** `emloc completion`: the script for a shell, on stdout. */
import type { Shell } from '../commands/completion.ts';
import type { CommandContext } from '../context.ts';
import { wholeProgram } from '../program.ts';
import { bashCompletion } from './bash.ts';
import { fishCompletion } from './fish.ts';
import { commandSpec } from './spec.ts';
import { zshCompletion } from './zsh.ts';

const scripts = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion } as const;

export const completionScript = async (shell: Shell): Promise<string> =>
  scripts[shell](commandSpec(await wholeProgram()));

export async function printCompletion({ output }: CommandContext, shell: Shell): Promise<void> {
  output.text(await completionScript(shell));
}
