/** A repository of the hub as people write it: `ORG/NAME`, or `ORG/NAME@revision` (a branch, a tag, a commit). */
export interface HubReference {
  readonly repo: string;
  readonly revision: string;
}

const part = '[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?';
const pattern = new RegExp(`^(${part}/${part})(?:@([A-Za-z0-9][A-Za-z0-9._/-]*))?$`);

/** Undefined where the text cannot be one: a path with more or fewer parts, or one that begins with a dot or slash. */
export function parseHubReference(typed: string): HubReference | undefined {
  const [, repo, revision = 'main'] = pattern.exec(typed) ?? [];
  if (repo === undefined || /--|\.\./.test(repo) || revision.includes('..')) return undefined;
  return { repo, revision };
}

export const isCommit = (revision: string): boolean => /^[0-9a-f]{40}$/.test(revision);

/** `ORG/NAME`, and the revision where it is not the usual one. */
export const referenceText = ({ repo, revision }: HubReference): string =>
  revision === 'main' ? repo : `${repo}@${revision}`;
