/** The reading half of the hub's interface: models, revisions, trees in pages, refs, files with etags, redirects and ranges. */
import type { HubCall } from './hub-server.ts';
import { refuse, sendJson } from './hub-server.ts';
import type { HubRepository, StoredFile } from './repository.ts';

const pageOf = 3;

export async function pull(call: HubCall): Promise<boolean> {
  const { hub, path, query, response } = call;
  if (path === '/api/models') {
    const author = query.get('author');
    const found = [...hub.repositories.values()].filter(({ name }) => name.startsWith(`${author}/`));
    return sendJson(
      response,
      found.map((repository) => info(repository, 'main')),
    );
  }
  const content = /^\/content\/([0-9a-f]{64})$/.exec(path)?.[1];
  if (content !== undefined) return sendContent(call, content);
  const asked =
    /^\/api\/models\/([^/]+\/[^/]+)(?:\/(revision|tree|refs)(?:\/(.+))?)?$/.exec(path) ??
    /^\/([^/]+\/[^/]+)\/(resolve)\/(.+)$/.exec(path);
  if (asked === null) return false;
  const [, name = '', kind = 'revision', rest = 'main'] = asked;
  const repository = hub.repositories.get(name);
  const known = hub.token === undefined || call.request.headers.authorization === `Bearer ${hub.token}`;
  if (call.request.headers.authorization !== undefined && hub.token !== undefined && !known)
    return refuse(response, 401, '', 'Invalid credentials in Authorization header');
  if (repository === undefined || (repository.private && !known))
    return hub.token === undefined
      ? refuse(response, 404, 'RepoNotFound', 'Repository not found')
      : refuse(response, 401, 'RepoNotFound', 'Invalid username or password.');
  if (kind === 'refs') {
    const branches = [...repository.refs].map(([branch, targetCommit]) => ({
      name: branch,
      ref: `refs/heads/${branch}`,
      targetCommit,
    }));
    return sendJson(response, { branches, tags: [], converts: [] });
  }
  const [revision = 'main', file] = kind === 'resolve' ? split(rest) : [rest];
  const files = repository.files(revision);
  if (files === undefined) return refuse(response, 404, 'RevisionNotFound', `Invalid rev id: ${revision}`);
  if (kind === 'revision') return sendJson(response, info(repository, revision));
  if (kind === 'tree') return sendTree(call, repository, revision);
  if (repository.gated && (!known || hub.token === undefined))
    return refuse(response, 401, 'GatedRepo', `Access to model ${name} is restricted.`);
  const found = files.get(file ?? '');
  if (found === undefined) return refuse(response, 404, 'EntryNotFound', 'Entry not found');
  return sendFile(call, repository.commitOf(revision) ?? '', found);
}

const split = (rest: string): string[] => {
  const at = rest.indexOf('/');
  return [rest.slice(0, at), rest.slice(at + 1)];
};

const info = (repository: HubRepository, revision: string) => ({
  _id: '0',
  id: repository.name,
  modelId: repository.name,
  sha: repository.commitOf(revision),
  private: repository.private,
  gated: repository.gated ? 'manual' : false,
  downloads: 0,
  likes: 0,
  lastModified: '2025-01-01T00:00:00.000Z',
  siblings: [...(repository.files(revision)?.keys() ?? [])].map((rfilename) => ({ rfilename })),
});

function sendTree(
  { hub, query, response, path }: HubCall,
  repository: HubRepository,
  revision: string,
): true {
  const all = [...(repository.files(revision)?.values() ?? [])];
  const from = Number(query.get('cursor') ?? 0);
  const page = all.slice(from, from + pageOf).map(({ path: name, content, oid, sha256 }) => ({
    type: 'file',
    path: name,
    size: content.length,
    oid,
    ...(sha256 !== undefined && { lfs: { oid: sha256, size: content.length, pointerSize: 130 } }),
  }));
  const next = `<${hub.endpoint}${path}?cursor=${from + pageOf}>; rel="next"`;
  return sendJson(response, page, from + pageOf < all.length ? { Link: next } : {});
}

/** Small files at once, large ones by way of another host, their digest told beforehand. */
function sendFile({ hub, request, response }: HubCall, commit: string, file: StoredFile): true {
  const { content, oid, sha256 } = file;
  if (sha256 !== undefined) {
    response
      .writeHead(302, {
        Location: `${hub.contentHost}/content/${sha256}`,
        'X-Repo-Commit': commit,
        'X-Linked-Etag': `"${sha256}"`,
        'X-Linked-Size': String(content.length),
        'Accept-Ranges': 'bytes',
      })
      .end();
    return true;
  }
  response.writeHead(200, {
    ETag: `"${oid}"`,
    'X-Repo-Commit': commit,
    'Content-Length': content.length,
    'Accept-Ranges': 'bytes',
  });
  response.end(request.method === 'HEAD' ? undefined : content);
  return true;
}

async function sendContent({ hub, request, response }: HubCall, sha256: string): Promise<true> {
  const whole = hub.objects.get(sha256);
  if (whole === undefined) return refuse(response, 404, '', 'no such content');
  const content = hub.spoil?.(whole) ?? whole;
  const asked = hub.ignoreRanges ? null : /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
  const from = Number(asked?.[1] ?? 0);
  const to = asked?.[2] ? Number(asked[2]) + 1 : content.length;
  const part = content.subarray(from, to);
  response.writeHead(asked === null ? 200 : 206, {
    ETag: `"${sha256}"`,
    'Content-Length': part.length,
    'Accept-Ranges': 'bytes',
    ...(asked !== null && { 'Content-Range': `bytes ${from}-${to - 1}/${content.length}` }),
  });
  if (request.method === 'HEAD') {
    response.end();
    return true;
  }
  if (hub.breakAfter !== undefined && hub.breakAfter.times > 0) {
    hub.breakAfter.times -= 1;
    response.write(part.subarray(0, hub.breakAfter.bytes), () => response.destroy());
    return true;
  }
  if (hub.stall) {
    // Half, and then nothing until whoever waits gives up.
    response.write(part.subarray(0, part.length >> 1));
    return true;
  }
  response.end(part);
  return true;
}
