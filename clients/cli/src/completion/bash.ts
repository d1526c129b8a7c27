/**
 * Completion for bash as a script that stands alone: only for the id of a job, and where a mesh is up, it asks emloc. It
 * needs nothing but bash (3.2 and newer), and no bash-completion package.
 */
import { allCommands, type CommandSpec, type OptionSpec, type Taken } from './spec.ts';

export function bashCompletion(root: CommandSpec): string {
  const commands = allCommands(root);
  return `# Completion of emloc for bash. To have it in each shell, put into ~/.bashrc:  source <(emloc completion bash)

# Sets what the command at $command has: its subcommands, its options, those of them that take a value.
_emloc_command() {
  commands='' options='' valued=''
  case $command in
${commands.map(commandCase).join('\n')}
  esac
}

# Sets what the value of an option, or an argument, may be: words, files or directories, or ids of jobs.
_emloc_value() {
  words='' paths='' jobs=''
  case $1 in
${commands.flatMap(valueCases).join('\n')}
  esac
}

_emloc_words() {
  local line
  while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -W "$1" -- "$cur")
}

_emloc_paths() {
  local line
  compopt -o filenames 2>/dev/null
  while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen "$1" -- "$cur")
}

# Ids of the jobs of this machine's mesh, where one is up and none elsewhere is named.
_emloc_jobs() {
  if [[ ! -e \${EMLOC_HOME:-\${XDG_DATA_HOME:-$HOME/.local/share}/emloc}/mesh.json ]]; then return; fi
  if [[ " \${COMP_WORDS[*]} " == *' --server'* ]]; then return; fi
  case $1 in
    */*) "\${1/#\~/$HOME}" jobs ids ;;
    *) emloc jobs ids ;;
  esac 2>/dev/null </dev/null
}

_emloc() {
  local cur=\${COMP_WORDS[COMP_CWORD]} command='' place=0 option='' word i commands options valued words paths jobs
  COMPREPLY=()
  _emloc_command
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    # bash takes --option=value apart at the sign.
    if [[ $word == '=' ]]; then continue; fi
    if [[ -n $option ]]; then option=''; continue; fi
    if [[ $word == -* ]]; then
      if [[ " $valued " == *" $word "* ]]; then option=$word; fi
    elif [[ " $commands " == *" $word "* ]]; then
      command="\${command:+$command }$word"
      _emloc_command
    else
      place=$((place + 1))
    fi
  done
  if [[ $cur == '=' ]]; then cur=''; fi
  if [[ -n $option ]]; then
    _emloc_value "$command $option"
  elif [[ $cur == -* ]]; then
    words=$options paths='' jobs=''
  else
    _emloc_value "$command #$place"
    words="$words $commands"
  fi
  if [[ -n $jobs ]]; then words="$words $(_emloc_jobs "$1")"; fi
  if [[ -n $paths ]]; then _emloc_paths "$paths"; fi
  _emloc_words "$words"
}

complete -F _emloc emloc
`;
}

function commandCase({ path, commands, options }: CommandSpec): string {
  const names = commands.map((command) => command.path.split(' ').at(-1));
  const valued = options.filter(({ value }) => value !== undefined);
  const sets = [
    ...(names.length === 0 ? [] : [`commands='${names.join(' ')}'`]),
    `options='${flagsOf(options)}'`,
    ...(valued.length === 0 ? [] : [`valued='${flagsOf(valued)}'`]),
  ];
  return `    '${path}') ${sets.join(' ')} ;;`;
}

const flagsOf = (options: readonly OptionSpec[]): string => options.flatMap(({ flags }) => flags).join(' ');

function valueCases({ path, options, arguments: taking }: CommandSpec): string[] {
  const ofOptions = options.flatMap(({ flags, value }) =>
    value === undefined
      ? []
      : caseOf(
          flags.map((flag) => `${path} ${flag}`),
          value.taken,
        ),
  );
  const ofArguments = taking.flatMap(({ taken }, place) => caseOf([`${path} #${place}`], taken));
  return [...ofOptions, ...ofArguments];
}

function caseOf(names: readonly string[], taken: Taken): string[] {
  const pattern = names.map((name) => `'${name}'`).join(' | ');
  if (taken.kind === 'words') return [`    ${pattern}) words='${taken.words.join(' ')}' ;;`];
  if (taken.kind === 'other') return [];
  if (taken.kind === 'job') return [`    ${pattern}) jobs=yes ;;`];
  return [`    ${pattern}) paths=${taken.kind === 'file' ? '-f' : '-d'} ;;`];
}
