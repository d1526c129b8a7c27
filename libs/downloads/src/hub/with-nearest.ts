/** A name that the hub does not know, told with those it knows that are nearest to it. Best effort: a hub that does not say is not asked twice. */
import { EmlocError, nearest } from '@emloc/errors';
import type { HubReference } from './reference.ts';

export interface Asked {
  readonly hubUrl: string;
  readonly fetch: typeof fetch;
}

const candidatesAtMost = 200;

export async function withNearest(
  error: EmlocError,
  { repo, revision }: HubReference,
  asked: Asked,
): Promise<EmlocError> {
  if (error.reason === 'REVISION_NOT_FOUND') {
    const near = nearest(revision, await revisionsOf(repo, asked));
    return new EmlocError(error.code, error.reason, `${repo} has no revision ${revision}`, {
      field: 'repository',
      value: `${repo}@${revision}`,
      mend: near.length === 0 ? error.mend : `it has ${near.join(', ')}`,
      cause: error,
    });
  }
  if (error.reason !== 'REPOSITORY_NOT_FOUND') return error;
  // One that is listed but not shown to this account is no other one.
  const others = (await repositoriesOf(repo, asked)).filter((name) => name !== repo);
  const near = nearest(repo, others);
  return near.length === 0
    ? error
    : error.with({ mend: `did you mean ${near.join(' or ')}? Else ${error.mend}` });
}

async function revisionsOf(repo: string, { hubUrl, fetch: get }: Asked): Promise<string[]> {
  try {
    const response = await get(`${hubUrl}/api/models/${repo}/refs`);
    const refs = (await response.json()) as Record<'branches' | 'tags', { readonly name: string }[]>;
    return [...refs.branches, ...refs.tags].map(({ name }) => name);
  } catch {
    return [];
  }
}

async function repositoriesOf(repo: string, asked: Asked): Promise<string[]> {
  const names: string[] = [];
  try {
    const { listModels } = await import('@huggingface/hub');
    const search = { owner: repo.split('/')[0] };
    for await (const { name } of listModels({ ...asked, search, limit: candidatesAtMost })) names.push(name);
  } catch {
    // The first error is the one to tell.
  }
  return names;
}
