/**
 * Whether words are coloured: where a terminal reads them, unless NO_COLOR (no-color.org: set and not empty) or TERM=dumb
 * says otherwise. FORCE_COLOR decides before both, as in Node: 0 or false is no, everything else yes.
 */
export function colours(stream: { readonly isTTY?: boolean }, environment: NodeJS.ProcessEnv): boolean {
  const { FORCE_COLOR: forced, NO_COLOR: unwanted, TERM: terminal } = environment;
  if (forced !== undefined) return forced !== '0' && forced !== 'false';
  return !unwanted && terminal !== 'dumb' && stream.isTTY === true;
}

/** Headings of the help; commander takes it away again where there are no colours. */
export const emphasis = (text: string): string => `\u001b[1m${text}\u001b[22m`;
