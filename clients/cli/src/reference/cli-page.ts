/** docs/reference/cli.md: every command with its options, defaults and examples, and the exit codes. */
import type { Command, Option } from 'commander';
import { exitCode, exitCodeMeanings, type ExitCodeName } from '../exit-codes.ts';
import { RowOption } from '../options/option.ts';
import type { Accepts } from '../options/values.ts';
import { examplesOf } from '../program.ts';

export function cliPage(program: Command): string {
  const commands = leaves(program);
  return `<!-- Made by npm run docs:cli from the options themselves; a test compares. Change it there. -->
# The command line

\`emloc\` stands for \`npx emloc\` in a clone. Results go to standard output, everything else to standard error; \`--json\` makes one object of either. Colours and redrawn lines come where a terminal reads them; \`NO_COLOR\` (not empty) and \`TERM=dumb\` take the colours away, \`FORCE_COLOR\` has them anywhere (\`0\`: nowhere) and decides before both.

| command | |
| --- | --- |
${commands.map((command) => `| [\`${nameOf(command)}\`](#${nameOf(command).replaceAll(' ', '-')}) | ${cell(command.summary() || firstSentence(command))} |`).join('\n')}

## Exit codes

| code | |
| --- | --- |
${(Object.keys(exitCode) as ExitCodeName[]).map((name) => `| ${exitCode[name]} | ${cell(exitCodeMeanings[name].says)} |`).join('\n')}

[Why a broken file is 1 and not 2](../decisions/0602-exit-codes-and-refusals.md). With \`--json\` an error is an object on standard error: \`{"error": {"code", "reason", "message", "field", "value", "mend"}}\`; \`reason\` is stable.

${commands.map(section).join('\n\n')}
`;
}

const nameOf = (command: Command): string =>
  command.parent === null ? command.name() : `${nameOf(command.parent)} ${command.name()}`;

/** Commands that do something, in the order of the help. */
const leaves = (command: Command): Command[] =>
  command.commands.length === 0 ? [command] : command.commands.flatMap(leaves);

function section(command: Command): string {
  const values = command.registeredArguments.map((argument) =>
    argument.required ? `<${argument.name()}>` : `[${argument.name()}]`,
  );
  const usage = [nameOf(command), ...values].join(' ');
  const parts = [
    `## ${nameOf(command)}`,
    command.description(),
    `\`\`\`\n${usage}${command.options.length === 0 ? '' : ' [options]'}\n\`\`\``,
    argumentTable(command),
    optionTables(command),
    `\`\`\`sh parsed: examples\n${examplesOf(command).join('\n')}\n\`\`\``,
  ];
  return parts.filter((part) => part !== '').join('\n\n');
}

function argumentTable(command: Command): string {
  const rows = command.registeredArguments
    .filter(({ description }) => description !== '')
    .map(
      (argument) =>
        `| \`${argument.name()}\` | ${cell(argument.description)} | ${fallback(argument.defaultValue)} |`,
    );
  return rows.length === 0 ? '' : ['| argument | | default |', '| --- | --- | --- |', ...rows].join('\n');
}

function optionTables(command: Command): string {
  if (command.options.length === 0) return '';
  let heading: string | undefined;
  const rows = command.options.flatMap((option) => {
    const own = option instanceof RowOption ? option.heading : 'Options';
    const begin = own === heading ? [] : [`| **${own}** | | |`];
    heading = own;
    return [...begin, optionRow(option)];
  });
  return ['| option | | default |', '| --- | --- | --- |', ...rows].join('\n');
}

function optionRow(option: Option): string {
  if (!(option instanceof RowOption)) return `| \`${option.flags}\` | ${cell(option.description)} | |`;
  const { says, parse, required } = option.row;
  const [, text = says, told] = /^(.*?) \(default: ([^()]*(?:\([^()]*\)[^()]*)*)\)(?=;|$)/.exec(says) ?? [];
  const rest = told === undefined ? '' : says.slice(text.length + ` (default: ${told})`.length);
  const range = parse === undefined ? '' : rangeOf(parse.accepts);
  const value = required ? '**required**' : told === undefined ? fallback(option.row.default) : cell(told);
  return `| \`${option.flags}\` | ${cell(text + rest)}${range} | ${value} |`;
}

/** What a number may be, where it is not any. */
function rangeOf(accepts: Accepts): string {
  if (accepts.kind !== 'number') return '';
  const { min, max, aboveMin, belowMax } = accepts.range;
  if (min === undefined && max === undefined) return '';
  if (max === undefined) return `; ${aboveMin ? '>' : '≥'} ${min}`;
  return `; in ${aboveMin ? '(' : '['}${min ?? '-∞'}, ${max}${belowMax ? ')' : ']'}`;
}

const fallback = (value: unknown): string => (value === undefined ? '' : `\`${String(value)}\``);
const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('<', '&lt;');
const firstSentence = (command: Command): string => command.description().split(/[.;:] /)[0] ?? '';
