/** For tests: whether a command line would be taken, and which of them a shell makes of a script. */
export { checkCommand } from './check-command.ts';
export { emlocCommandsIn } from './shell-commands.ts';
