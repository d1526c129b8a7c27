/** What the shell sees. Usage: the command line itself is wrong; failure: everything else, a missing or broken file too. */
export const exitCode = { ok: 0, failure: 1, usage: 2, interrupted: 130 } as const;
