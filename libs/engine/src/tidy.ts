/**
 * Owners of tensors. A tensor made inside `tidy` belongs to it and ends with it, unless it is returned (then it
 * belongs to the scope outside) or kept (then to whoever keeps it). A tensor made outside every scope belongs to
 * whoever made it: `using t = …`, or `t.dispose()`.
 *
 * A scope costs less than a microsecond, so small functions may open their own.
 */
import { EmlocError } from '@emloc/errors';

/** What a scope knows of a tensor. */
export interface Owned {
  readonly disposed: boolean;
  dispose(): void;
  /** The scope that this tensor escapes from; 0: none. */
  escaping: number;
  kept: boolean;
}

const scopes: Owned[][] = [];
const pool: Owned[][] = [];
let serial = 0;

/** Every tensor is announced here when it is made. */
export function own(tensor: Owned): void {
  const scope = scopes[scopes.length - 1];
  if (scope !== undefined) scope.push(tensor);
}

/**
 * Runs `fn` and disposes every tensor made inside except those in what it returns: a tensor, or arrays, maps and plain
 * objects of tensors. If `fn` throws, all of them are disposed.
 */
export function tidy<T>(fn: () => T): T {
  const scope = pool.pop() ?? [];
  const depth = scopes.push(scope);
  const id = ++serial;
  try {
    const result = fn();
    if (result instanceof Promise) {
      throw new EmlocError(
        'INVALID_ARGUMENT',
        'TIDY_ASYNC',
        'tidy takes a function that is not asynchronous',
        {
          mend: 'own the tensors with `using`',
        },
      );
    }
    markEscaping(result, id);
    return result;
  } finally {
    scopes.length = depth - 1;
    const outside = scopes[depth - 2];
    for (const tensor of scope) {
      if (tensor.kept || tensor.disposed) continue;
      if (tensor.escaping === id) outside?.push(tensor);
      else tensor.dispose();
    }
    scope.length = 0;
    if (pool.length < 64) pool.push(scope);
  }
}

/** Takes a tensor out of every scope: from now on its caller owns it. */
export function keep<T extends { dispose(): void }>(tensor: T): T {
  (tensor as unknown as Owned).kept = true;
  return tensor;
}

function markEscaping(value: unknown, id: number): void {
  if (value === null || typeof value !== 'object') return;
  if (isOwned(value)) {
    value.escaping = id;
  } else if (Array.isArray(value)) {
    for (const element of value) markEscaping(element, id);
  } else if (value instanceof Map) {
    for (const element of value.values()) markEscaping(element, id);
  } else if (Object.getPrototypeOf(value) === Object.prototype) {
    for (const key in value) markEscaping((value as Record<string, unknown>)[key], id);
  }
}

const isOwned = (value: object): value is Owned => 'escaping' in value;
