/**
 * Names of resources in the manner of AIP-122: the collection and the id, such as `operations/train-1`. Requests take the
 * name or the id alone.
 */
import type { Fields } from './fields.ts';

export type Collection = 'artifacts' | 'fineTuneJobs' | 'operations';

export const resourceName = (collection: Collection, id: string): string => `${collection}/${id}`;

/** The id in a field that holds it, or the whole name. Its form is checked by whoever knows the ids. */
export function readResourceId(
  fields: Fields,
  name: string,
  collection: Collection,
  maxLength: number,
): string {
  const prefix = `${collection}/`;
  const text = fields.requiredText(name, maxLength + prefix.length);
  return text.startsWith(prefix) ? text.slice(prefix.length) : text;
}
