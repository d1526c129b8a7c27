/**
 * Which files of this machine a request may name: artifacts of the store, and paths inside the mesh's roots. A path is
 * followed through its links before it is compared, so that a link cannot lead out of the roots.
 */
import { realpathSync } from 'node:fs';
import { isAbsolute, relative, resolve, sep } from 'node:path';
import { EmlocError } from '@emloc/errors';
import type { Fields } from './fields.ts';

/** A source that was found, for a process on this machine. */
export interface ResolvedSource {
  readonly path: string;
}

export interface SourceResolver {
  /** The file or directory that the `emloc.artifact.v1.Source` in `fields` names. */
  resolve(fields: Fields): Promise<ResolvedSource>;
}

export function sourceResolver(
  roots: readonly string[],
  artifactPath: (digest: string) => Promise<string | undefined>,
): SourceResolver {
  return {
    async resolve(fields) {
      const path = fields.text('path');
      if (path !== undefined) return { path: insideRoots(fields.pathOf('path'), path, roots) };
      const digest = fields.message('artifact')?.requiredText('digest', 80);
      if (digest === undefined) return fields.missing('path');
      const field = `${fields.path}.artifact.digest`;
      const found = await artifactPath(digest);
      if (found !== undefined) return { path: found };
      throw new EmlocError('NOT_FOUND', 'ARTIFACT_NOT_FOUND', `the store has no artifact ${digest}`, {
        field,
        value: digest,
        mend: 'upload it first, or run the stage that makes it',
      });
    },
  };
}

function insideRoots(field: string, path: string, roots: readonly string[]): string {
  if (!isAbsolute(path)) {
    throw new EmlocError('INVALID_ARGUMENT', 'PATH_NOT_ABSOLUTE', `${path} is not an absolute path`, {
      field,
      value: path,
      mend: 'give the absolute path on the machine of the service',
    });
  }
  // Outside first: whether a file exists there is nobody's affair.
  if (
    !isInside(
      resolve(path),
      roots.map((root) => resolve(root)),
    )
  )
    throw outside(field, path, roots);
  let real: string;
  try {
    real = realpathSync(path);
  } catch (cause) {
    throw new EmlocError('NOT_FOUND', 'FILE_NOT_FOUND', `no such file or directory: ${path}`, {
      field,
      value: path,
      mend: 'check the path; it is looked for on the machine of the service',
      cause,
    });
  }
  if (!isInside(real, roots.map(realRoot))) throw outside(field, path, roots);
  return real;
}

function isInside(path: string, roots: readonly string[]): boolean {
  return roots.some((root) => {
    const way = relative(root, path);
    return way === '' || (way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way));
  });
}

function realRoot(root: string): string {
  try {
    return realpathSync(root);
  } catch {
    return resolve(root);
  }
}

function outside(field: string, path: string, roots: readonly string[]): EmlocError {
  const mend =
    roots.length === 0
      ? 'this mesh has no model roots: set EMLOC_MODEL_ROOTS where its services start'
      : `give a path inside ${roots.join(' or ')}, or upload the file and name its artifact`;
  return new EmlocError(
    'PERMISSION_DENIED',
    'PATH_OUTSIDE_ROOTS',
    `${path} is outside the mesh's model roots`,
    {
      field,
      value: path,
      mend,
    },
  );
}
