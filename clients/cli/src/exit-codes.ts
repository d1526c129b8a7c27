/**
 * What the shell sees. Usage: the command line itself is wrong; failure: everything else, a missing or broken file too.
 * Why: docs/decisions/0602.
 */
export const exitCode = { ok: 0, failure: 1, usage: 2, interrupted: 130 } as const;

export type ExitCodeName = keyof typeof exitCode;

/** In short, and as the reference says it. */
export const exitCodeMeanings: Readonly<
  Record<ExitCodeName, { readonly short: string; readonly says: string }>
> = {
  ok: {
    short: 'done',
    says: 'What was asked for is done. Also after the help, and where Ctrl-C ends `emloc up`.',
  },
  failure: {
    short: 'failure',
    says:
      'The command line is right, and it could not be done: a file is missing, broken or in the way, a field of the job ' +
      'file or of the data is wrong, memory or disk ran out, the mesh went away, the job failed or was cancelled. The ' +
      'same command may work once that is mended.',
  },
  usage: {
    short: 'wrong usage',
    says:
      'The command line itself is wrong: an option unknown, missing, out of range, or at odds with another or with the ' +
      'model it is about. The same command line will not work.',
  },
  interrupted: {
    short: 'interrupted',
    says:
      'Ctrl-C, SIGTERM or SIGHUP came (also: the job was paused by somebody else). What could be kept is kept, and the ' +
      'last line says how to go on.',
  },
};

/** `0 done, 1 failure, …`. */
export const exitCodeLine = (): string =>
  (Object.keys(exitCode) as ExitCodeName[])
    .map((name) => `${exitCode[name]} ${exitCodeMeanings[name].short}`)
    .join(', ');
