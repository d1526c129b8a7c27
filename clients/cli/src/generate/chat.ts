/** A conversation on the command line: each line is a turn, and what was said before goes along. */
import { EmlocError } from '@emloc/errors';
import type { GenerateOptions } from '../commands/generate.ts';
import type { CommandContext } from '../context.ts';
import type { ChatMessage, Prompt } from '../wire/generation.ts';
import { adapterNamed, adaptersOfPrompts, type NamedAdapter } from './adapters.ts';
import type { Answer } from './answers.ts';
import { Lines } from './lines.ts';

const commands = '/adapter NAME chooses an adapter, /reset begins anew, /exit ends';

export async function chat(
  context: CommandContext,
  { system, use = [] }: GenerateOptions,
  adapters: readonly NamedAdapter[],
  ask: (prompts: readonly Prompt[]) => Promise<readonly Answer[]>,
): Promise<void> {
  const { output } = context;
  const opening: readonly ChatMessage[] = system === undefined ? [] : [{ role: 'system', content: system }];
  let messages = opening;
  let [adapter] = adaptersOfPrompts(adapters, use, 1);
  using lines = new Lines(context, '> ');
  if (context.stdin.isTTY === true) output.note(commands);
  for (let line = await lines.next(); line !== undefined; line = await lines.next()) {
    const content = line.trim();
    const [command, name = ''] = content.split(/\s+/);
    if (content === '') continue;
    if (command === '/exit') return;
    try {
      if (command === '/reset') messages = opening;
      else if (command === '/adapter') adapter = adapterNamed(adapters, name, '/adapter');
      else if (/^\/[a-z]+$/.test(command!)) throw unknownCommand(command!);
      else {
        const turns = [...messages, { role: 'user', content }];
        const [answer] = await ask([{ conversation: { messages: turns }, adapter }]);
        messages = [...turns, { role: 'assistant', content: answer!.text }];
      }
    } catch (thrown) {
      const error = EmlocError.from(thrown);
      if (context.signal.aborted || !isOfTheTurn(error)) throw thrown;
      output.error(error);
    }
  }
}

/** A turn that cannot be is not the end of a conversation. */
const isOfTheTurn = ({ reason }: EmlocError): boolean =>
  ['PROMPT_LENGTH', 'CHAT_TEMPLATE_REFUSED', 'UNKNOWN_ADAPTER', 'UNKNOWN_COMMAND'].includes(reason);

const unknownCommand = (command: string): EmlocError =>
  new EmlocError('INVALID_ARGUMENT', 'UNKNOWN_COMMAND', `there is no ${command}`, { mend: commands });
