/** The writing half of the hub's interface: repositories made, large files announced and put, commits in lines of JSON. */
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { HubCall } from './hub-server.ts';
import { refuse, sendJson } from './hub-server.ts';
import { isLarge } from './repository.ts';

export async function push(call: HubCall): Promise<boolean> {
  const { hub, request, response, path } = call;
  if (request.method !== 'POST' && request.method !== 'PUT') return false;
  const body = await bodyOf(request);
  const upload = /^\/upload\/([0-9a-f]{64})$/.exec(path)?.[1];
  if (upload !== undefined) {
    if (createHash('sha256').update(body).digest('hex') !== upload)
      return refuse(response, 400, '', 'not the content that was announced');
    hub.objects.set(upload, body);
    response.writeHead(200).end();
    return true;
  }
  if (request.headers.authorization !== `Bearer ${hub.token}`)
    return refuse(response, 401, '', 'Invalid username or password.');
  if (path === '/api/repos/create') return create(call, JSON.parse(body.toString()) as NewRepository);
  const [, name = '', what] =
    /^\/api\/models\/([^/]+\/[^/]+)\/(preupload|commit)\/main$/.exec(path) ??
    /^\/([^/]+\/[^/]+)\.git\/info\/lfs\/(objects)\/batch$/.exec(path) ??
    [];
  if (what === undefined) return false;
  if (!hub.repositories.has(name)) return refuse(response, 404, 'RepoNotFound', 'Repository not found');
  if (what === 'commit') return commit(call, name, body.toString());
  if (what === 'preupload') {
    const { files } = JSON.parse(body.toString()) as { readonly files: { readonly path: string }[] };
    return sendJson(response, {
      files: files.map((file) => ({ path: file.path, uploadMode: isLarge(file.path) ? 'lfs' : 'regular' })),
    });
  }
  const { objects } = JSON.parse(body.toString()) as { readonly objects: { oid: string; size: number }[] };
  return sendJson(response, {
    transfer: 'basic',
    objects: objects.map(({ oid, size }) => ({
      oid,
      size,
      ...(!hub.objects.has(oid) && { actions: { upload: { href: `${hub.contentHost}/upload/${oid}` } } }),
    })),
  });
}

interface NewRepository {
  readonly name: string;
  readonly organization: string;
  readonly visibility?: string;
}

function create({ hub, response }: HubCall, asked: NewRepository): true {
  const name = `${asked.organization}/${asked.name}`;
  if (hub.repositories.has(name)) return refuse(response, 409, '', 'You already created this model repo');
  if (!hub.writable.includes(asked.organization))
    return refuse(
      response,
      403,
      '',
      `You don't have the rights to create a model under ${asked.organization}`,
    );
  hub.add(name, { '.gitattributes': '' }).private = asked.visibility === 'private';
  return sendJson(response, { url: `${hub.endpoint}/${name}`, id: name, name });
}

type Line =
  | { readonly key: 'header'; readonly value: { readonly summary: string } }
  | { readonly key: 'file'; readonly value: { readonly path: string; readonly content: string } }
  | { readonly key: 'lfsFile'; readonly value: { readonly path: string; readonly oid: string } };

function commit({ hub, response }: HubCall, name: string, text: string): true {
  const files: Record<string, Buffer> = {};
  for (const line of text.split('\n').map((part) => JSON.parse(part) as Line)) {
    if (line.key === 'file') files[line.value.path] = Buffer.from(line.value.content, 'base64');
    if (line.key === 'lfsFile') {
      const content = hub.objects.get(line.value.oid);
      if (content === undefined) return refuse(response, 400, '', `${line.value.path} was not uploaded`);
      files[line.value.path] = content;
    }
    if (line.key === 'header') hub.titles.push(line.value.summary);
  }
  const commitOid = hub.commit(hub.repositories.get(name)!, files);
  return sendJson(response, {
    success: true,
    commitOid,
    commitUrl: `${hub.endpoint}/${name}/commit/${commitOid}`,
  });
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
