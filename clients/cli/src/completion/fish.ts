/** Completion for fish as a script that stands alone but for the ids of jobs. */
import { allCommands, type CommandSpec, type OptionSpec, type Taken } from './spec.ts';

export function fishCompletion(root: CommandSpec): string {
  const commands = allCommands(root);
  return `# Completion of emloc for fish. To have it in each shell:
#   emloc completion fish > ~/.config/fish/completions/emloc.fish

# Prints the command that the words up to the cursor name ("jobs list"), a slash, and how many arguments follow it.
function __emloc_place
    set -l command
    set -l place 0
    set -l skip 0
    for word in (commandline -opc)[2..-1]
        if test $skip = 1
            set skip 0
            continue
        end
        switch "$command $word"
${valuedCase(commands)}
            case '* -*'
${commands.flatMap(nextCases).join('\n')}
            case '*'
                set place (math $place + 1)
        end
    end
    echo "$command/$place"
end

function __emloc_in
    string match -q -- "$argv[1]/*" (__emloc_place)
end

function __emloc_at
    test (__emloc_place) = "$argv[1]"
end

# Ids of the jobs of this machine's mesh, where one is up and none elsewhere is named.
function __emloc_jobs
    set -l home $EMLOC_HOME
    test -n "$home"; or set home $XDG_DATA_HOME/emloc
    test "$home" != /emloc; or set home $HOME/.local/share/emloc
    test -e $home/mesh.json; or return
    set -l words (commandline -opc)
    string match -q -- '--server*' $words; and return
    $words[1] jobs ids 2>/dev/null </dev/null
end

complete -c emloc -e
complete -c emloc -f
${commands.flatMap(linesOf).join('\n')}
`;
}

const quoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

/** Options whose value is the next word. */
function valuedCase(commands: readonly CommandSpec[]): string {
  const patterns = commands.flatMap(({ path, options }) =>
    options
      .filter(({ value }) => value !== undefined)
      .flatMap(({ flags }) => flags.map((flag) => `${path} ${flag}`)),
  );
  return `            case ${patterns.map(quoted).join(' ')}\n                set skip 1`;
}

function nextCases({ path, commands }: CommandSpec): string[] {
  return commands.map(
    (sub) =>
      `            case ${quoted(`${path} ${sub.path.split(' ').at(-1)}`)}\n                set command ${quoted(sub.path)}\n                set place 0`,
  );
}

function linesOf(command: CommandSpec): string[] {
  const inside = `-n ${quoted(`__emloc_in ${quoted(command.path)}`)}`;
  const at = (place: number): string => `-n ${quoted(`__emloc_at ${quoted(`${command.path}/${place}`)}`)}`;
  return [
    ...command.commands.map(
      (sub) => `complete -c emloc ${at(0)} -a ${sub.path.split(' ').at(-1)} -d ${quoted(sub.says)}`,
    ),
    ...command.arguments.map(({ taken }, place) => `complete -c emloc ${at(place)}${valueOf(taken, true)}`),
    ...command.options.flatMap((option) => optionLines(option, inside)),
  ];
}

function optionLines({ flags, says, value }: OptionSpec, inside: string): string[] {
  const taken = value === undefined ? '' : valueOf(value.taken, false);
  return flags.map((flag) => {
    const name = flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`;
    return `complete -c emloc ${inside} ${name}${taken} -d ${quoted(says)}`;
  });
}

function valueOf(taken: Taken, isArgument: boolean): string {
  const required = isArgument ? '' : ' -r';
  switch (taken.kind) {
    case 'words':
      return `${required} -f -a ${quoted(taken.words.join(' '))}`;
    case 'file':
      return `${required} -F`;
    case 'directory':
      return `${required} -f -a ${quoted('(__fish_complete_directories)')}`;
    case 'job':
      return `${required} -k -f -a ${quoted('(__emloc_jobs)')}`;
    case 'other':
      return `${required} -f`;
  }
}
