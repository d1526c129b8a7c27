/** Messages as JSON that can be kept: nothing that is absent, none of the markers that proto-loader adds to a oneof. */

export function pruned(message: unknown): unknown {
  if (Array.isArray(message)) return message.map(pruned);
  if (typeof message !== 'object' || message === null) return message;
  const fields = message as Record<string, unknown>;
  const entries = Object.entries(fields).filter(
    ([key, value]) => isPresent(value) && !isMarker(key, value, fields),
  );
  return Object.fromEntries(entries.map(([key, value]) => [key, pruned(value)]));
}

function isPresent(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  if (typeof value === 'string' && unspecified.test(value)) return false;
  return value !== undefined && value !== null;
}

/** An enum that was not set. */
const unspecified = /^[A-Z][A-Z0-9_]*_UNSPECIFIED$/;

/** A oneof `step` adds `step: 'header'`, the name of the field that is set; an optional `x` is a oneof `_x`. */
function isMarker(key: string, value: unknown, message: Readonly<Record<string, unknown>>): boolean {
  if (typeof value !== 'string') return false;
  return key.startsWith('_') || (oneofs.has(key) && value !== key && value in message);
}

const oneofs: ReadonlySet<string> = new Set([
  'source',
  'step',
  'event',
  'outcome',
  'result',
  'weights',
  'statistics',
]);
