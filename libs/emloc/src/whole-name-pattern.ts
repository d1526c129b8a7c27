/** Regular expressions matched against a whole module name, as Python's `re.fullmatch` does. */
import { EmlocError } from '@emloc/errors';

/** Compiles `pattern`; a broken one is refused with the field it came from. */
export function wholeNamePattern(pattern: string, field: string): RegExp {
  try {
    // The bare pattern first: wrapped, an unbalanced one such as `a)(b` would compile.
    new RegExp(pattern);
    return new RegExp(`^(?:${pattern})$`);
  } catch (cause) {
    throw new EmlocError('INVALID_ARGUMENT', 'BAD_PATTERN', `not a regular expression: ${pattern}`, {
      field,
      value: pattern,
      mend: `write a regular expression that matches whole module names, such as model\\.layers\\.\\d+\\.mlp\\..*`,
      cause,
    });
  }
}
