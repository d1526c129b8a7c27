import type { Command } from 'commander';
import { expect, test } from 'vitest';
import { examplesOf, wholeProgram } from './program.ts';
import { checkCommand, emlocCommandsIn } from './testing/index.ts';

const nameOf = (command: Command): string =>
  command.parent === null ? command.name() : `${nameOf(command.parent)} ${command.name()}`;
const all = (command: Command): Command[] => [command, ...command.commands.flatMap(all)];
const commands = all(await wholeProgram()).map((command) => [nameOf(command), command] as const);

test.each(commands)('%s --help shows examples that the command takes', async (name, command) => {
  const examples = examplesOf(command);
  expect(examples.length).toBeGreaterThan(0);
  for (const example of examples) {
    const calls = emlocCommandsIn(example);
    expect(calls.map((args) => ['emloc', ...args].join(' ')).join('\n'), example).toContain(name);
    for (const args of calls) await checkCommand(args);
  }
});

test('an example with a misspelt option would be seen', async () => {
  const [args = []] = emlocCommandsIn('cat rows | npx emloc finetune --modle x "--data=a b" > out');
  expect(args).toEqual(['finetune', '--modle', 'x', '--data=a b']);
  await expect(checkCommand(args)).rejects.toThrow("unknown option '--modle'");
});
