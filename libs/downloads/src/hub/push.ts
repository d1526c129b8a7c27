/** Files into a repository of the hub, as one commit, by the hub's client: the repository is made where there is none. */
import { pathToFileURL } from 'node:url';
import { EmlocError } from '@emloc/errors';
import { hubFetch } from './hub-fetch.ts';
import type { HubOptions } from './snapshot.ts';

export interface PushedFile {
  /** In the repository. */
  readonly path: string;
  /** A file here, or a text. */
  readonly content: { readonly file: string; readonly bytes: number } | { readonly text: string };
}

export interface PushOptions extends Omit<HubOptions, 'onProgress'> {
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
  readonly title: string;
  /** Of a repository that is made; default: as its owner's settings say. */
  readonly private?: boolean;
}

export interface Pushed {
  readonly url: string;
  readonly commit: string;
  /** The repository was not there before. */
  readonly created: boolean;
}

/** Commits to `main`. What the repository holds under other names stays. */
export async function pushFiles(
  repo: string,
  files: readonly PushedFile[],
  options: PushOptions,
): Promise<Pushed> {
  const { settings, title, signal, onProgress } = options;
  if (settings.offline) throw offline(repo);
  if (settings.token === undefined) throw noToken(repo, settings.endpoint);
  const client = await import('@huggingface/hub');
  const hubUrl = settings.endpoint;
  const get = hubFetch(settings, repo, { ...options, writing: true });
  // Our fetch puts the token in, whatever it looks like; the client takes only those that begin with `hf_`.
  const visibility = options.private === undefined ? undefined : options.private ? 'private' : 'public';
  const created = await client
    .createRepo({
      repo: { type: 'model', name: repo },
      visibility,
      hubUrl,
      fetch: get,
      credentials: { accessToken: '' },
    })
    .then(() => true)
    .catch((error: unknown) => {
      if (EmlocError.from(error).reason === 'REPOSITORY_EXISTS') return false;
      throw error;
    });
  const sizes = new Map(files.map(({ path, content }) => [path, sizeOf(content)]));
  const totalBytes = [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0);
  const sent = new Map<string, number>();
  const steps = client.commitIter({
    repo: { type: 'model', name: repo },
    title,
    hubUrl,
    fetch: get,
    // The chunk protocol needs a server of its own; plain uploads work with every hub and mirror.
    useXet: false,
    abortSignal: signal,
    operations: files.map(({ path, content }) => ({
      operation: 'addOrUpdate' as const,
      path,
      content: 'text' in content ? new Blob([content.text]) : pathToFileURL(content.file),
    })),
  });
  for (;;) {
    const { done, value } = await steps.next();
    if (done) {
      if (value === undefined) throw new EmlocError('UNAVAILABLE', 'HUB_FAILED', 'the hub named no commit');
      return { url: `${hubUrl}/${repo}`, commit: value.commit.oid, created };
    }
    if (value.event !== 'fileProgress' || value.state !== 'uploading') continue;
    sent.set(value.path, value.progress * (sizes.get(value.path) ?? 0));
    const doneBytes = [...sent.values()].reduce((sum, bytes) => sum + bytes, 0);
    onProgress?.(doneBytes, totalBytes);
  }
}

const sizeOf = (content: PushedFile['content']): number =>
  'text' in content ? Buffer.byteLength(content.text) : content.bytes;

const offline = (repo: string): EmlocError =>
  new EmlocError(
    'FAILED_PRECONDITION',
    'HUB_OFFLINE',
    `nothing can be sent to ${repo}: the hub is not asked`,
    {
      field: 'HF_HUB_OFFLINE',
      mend: 'unset HF_HUB_OFFLINE',
    },
  );

const noToken = (repo: string, endpoint: string): EmlocError =>
  new EmlocError('UNAUTHENTICATED', 'NO_TOKEN', `writing to ${repo} needs a token`, {
    field: 'HF_TOKEN',
    mend: `set HF_TOKEN to a token with the right to write (${endpoint}/settings/tokens), or run hf auth login`,
  });
