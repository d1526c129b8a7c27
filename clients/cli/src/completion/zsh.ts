/** Completion for zsh as a script that stands alone but for the ids of jobs, by zsh's own _arguments. */
import { allCommands, type CommandSpec, type OptionSpec, type Taken } from './spec.ts';

export function zshCompletion(root: CommandSpec): string {
  return `#compdef emloc
# Completion of emloc for zsh. To have it in each shell, put into ~/.zshrc, after compinit:  source <(emloc completion zsh)

# Ids of the jobs of this machine's mesh, where one is up and none elsewhere is named.
_emloc_job_ids() {
  [[ -e \${EMLOC_HOME:-\${XDG_DATA_HOME:-$HOME/.local/share}/emloc}/mesh.json ]] || return 1
  (( \${words[(I)--server*]} )) && return 1
  local -a ids=(\${(f)"$(emloc jobs ids 2>/dev/null </dev/null)"})
  compadd -V jobs -a ids
}

${allCommands(root).map(functionOf).join('\n\n')}

if [ "$funcstack[1]" = '_emloc' ]; then
  _emloc "$@"
else
  compdef _emloc emloc
fi
`;
}

const nameOf = ({ path }: CommandSpec): string => ['_emloc', ...path.split(' ').filter(Boolean)].join('_');

function functionOf(command: CommandSpec): string {
  const specs = command.options.map(optionSpec);
  return command.commands.length === 0 ? leaf(command, specs) : group(command, specs);
}

function leaf(command: CommandSpec, specs: readonly string[]): string {
  const places = command.arguments.map(
    ({ name, taken }, place) => `'${place + 1}:${quoted(colon(name))}:${action(taken)}'`,
  );
  return `${nameOf(command)}() {
  _arguments -S ${[...specs, ...places].map((spec) => `\\\n    ${spec}`).join(' ')}
}`;
}

/** A command of commands: the first word names one, the rest is its own. */
function group(command: CommandSpec, specs: readonly string[]): string {
  const last = ({ path }: CommandSpec): string => path.split(' ').at(-1) ?? '';
  const names = command.commands.map((sub) => `'${last(sub)}:${quoted(colon(sub.says))}'`);
  const cases = command.commands.map((sub) => `        ${last(sub)}) ${nameOf(sub)} ;;`);
  const all = [...specs, "'1: :->command'", "'*:: :->rest'"];
  return `${nameOf(command)}() {
  local curcontext="$curcontext" state line
  local -A opt_args
  _arguments -C ${all.map((spec) => `\\\n    ${spec}`).join(' ')}
  case $state in
    command)
      local -a commands=(${names.map((name) => `\n        ${name}`).join('')}
      )
      _describe -t commands command commands
      ;;
    rest)
      case $line[1] in
${cases.join('\n')}
      esac
      ;;
  esac
}`;
}

/** `'(-h --help)'{-h,--help}'[print help]'`; with `=` after the name of one that takes a value, as it may follow the sign. */
function optionSpec({ flags, says, value, again }: OptionSpec): string {
  const text = `[${quoted(bracket(says))}]`;
  const tail = value === undefined ? text : `${text}:${quoted(colon(value.name))}:${action(value.taken)}`;
  const names = flags.map((flag) => (value !== undefined && flag.startsWith('--') ? `${flag}=` : flag));
  if (again) return names.map((name) => `'*${name}${tail}'`).join(' ');
  if (names.length === 1) return `'${names[0]}${tail}'`;
  return `'(${flags.join(' ')})'{${names.join(',')}}'${tail}'`;
}

function action(taken: Taken): string {
  switch (taken.kind) {
    case 'words':
      return `(${taken.words.join(' ')})`;
    case 'file':
      return '_files';
    case 'directory':
      return '_files -/';
    case 'job':
      return '_emloc_job_ids';
    case 'other':
      return ' ';
  }
}

const quoted = (text: string): string => text.replaceAll("'", String.raw`'\''`);
const colon = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll(':', '\\:');
const bracket = (text: string): string => colon(text).replaceAll('[', '\\[').replaceAll(']', '\\]');
