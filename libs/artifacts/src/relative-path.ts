/** Names of files inside an artifact. They come from other machines, so they are checked before they touch a disk. */
import { EmlocError } from '@emloc/errors';

const maxCharacters = 1024;

/** Returns the path, or throws: relative, with `/`, no empty, `.` or `..` parts, no backslash or control character. */
export function checkRelativePath(path: string): string {
  const parts = path.split('/');
  const bad =
    path.length > maxCharacters ||
    parts.some((part) => part === '' || part === '.' || part === '..') ||
    [...path].some((c) => c === '\\' || c < ' ');
  if (!bad) return path;
  throw new EmlocError(
    'INVALID_ARGUMENT',
    'BAD_PATH',
    `${JSON.stringify(path.slice(0, 100))} is no path inside an artifact`,
    {
      field: 'path',
      value: path.slice(0, 100),
      mend: `use a relative path of at most ${maxCharacters} characters with "/" and without "." and ".."`,
    },
  );
}
