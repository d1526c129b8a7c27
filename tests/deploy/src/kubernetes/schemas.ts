/**
 * JSON Schemas for kubeconform, out of the server's own description (`/openapi/v3`): of every kind that it knows, those of
 * the CustomResourceDefinitions included, one file. Fields that a kind does not have are refused.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Cluster } from './cluster.ts';

type Schema = Record<string, unknown>;
interface GroupVersionKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

/** For kubeconform's `-schema-location`. */
export const schemaTemplate = '{{.Group}}_{{.ResourceAPIVersion}}_{{.ResourceKind}}.json';

export function writeSchemas(cluster: Cluster, directory: string): void {
  mkdirSync(directory, { recursive: true });
  const { paths } = cluster.get<{ paths: Record<string, { serverRelativeURL: string }> }>('/openapi/v3');
  for (const [path, { serverRelativeURL }] of Object.entries(paths)) {
    if (!/^apis?\/.*v\d/.test(path)) continue;
    const { components } = cluster.get<{ components?: { schemas?: Record<string, Schema> } }>(
      serverRelativeURL,
    );
    const definitions = Object.fromEntries(
      Object.entries(components?.schemas ?? {}).map(([name, schema]) => [name, strict(schema) as Schema]),
    );
    for (const [name, schema] of Object.entries(definitions)) {
      const kinds = (schema['x-kubernetes-group-version-kind'] ?? []) as GroupVersionKind[];
      for (const { group, version, kind } of kinds.filter((each) => pathOf(each) === path)) {
        // kubeconform takes the version for the group of what has none.
        const file = `${group || version}_${version}_${kind.toLowerCase()}.json`;
        const text = JSON.stringify({ $ref: `#/definitions/${name}`, definitions });
        writeFileSync(join(directory, file), text);
      }
    }
  }
}

const pathOf = ({ group, version }: GroupVersionKind): string =>
  group === '' ? `api/${version}` : `apis/${group}/${version}`;

/** References within one file; objects that name their fields have no others. */
function strict(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(strict);
  if (typeof value !== 'object' || value === null) return value;
  const copy: Schema = {};
  for (const [key, inner] of Object.entries(value)) {
    copy[key] =
      key === '$ref' ? String(inner).replace('#/components/schemas/', '#/definitions/') : strict(inner);
  }
  const isOpen = copy['x-kubernetes-preserve-unknown-fields'] === true || 'additionalProperties' in copy;
  const isSchemaOfFields = typeof copy['properties'] === 'object' && copy['type'] === 'object';
  return isSchemaOfFields && !isOpen ? { ...copy, additionalProperties: false } : copy;
}
