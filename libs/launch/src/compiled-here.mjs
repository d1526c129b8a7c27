/**
 * The directory that this very process was compiled into, or undefined where it runs from source. What it starts comes
 * from there too, whatever has happened to the sources since: a mesh is of one piece.
 */
export function compiledHere() {
  // The compiler puts the directory in the place of the name.
  return typeof EMLOC_COMPILED_INTO === 'undefined' ? undefined : EMLOC_COMPILED_INTO;
}
