/** For tests: whether a command line would be taken, which of them a shell makes of a script, and what a Tab offers. */
export { bashOffers, fishOffers, hasShell, zshLines } from '../completion/shells.ts';
export { checkCommand } from './check-command.ts';
export { emlocCommandsIn } from './shell-commands.ts';
