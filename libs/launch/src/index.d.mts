/**
 * Arguments of `node` that run a TypeScript program of this repository. It is compiled when first asked for (under
 * two seconds, kept until a source file changes); where that cannot be, tsx runs it as it is.
 *
 * @param program the program's file (`…/main.ts`), or a JavaScript file, which is run as it is
 * @param options options of `node` that come before it
 */
export function programArguments(program: string | URL, options?: readonly string[]): string[];

/** Runs a TypeScript program in this process, the same way. */
export function runProgram(program: string | URL): Promise<void>;
