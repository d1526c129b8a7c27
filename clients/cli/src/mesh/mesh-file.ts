/** `mesh.json`: which mesh is up. Written when it is healthy, removed when it stops; whoever reads it still has to knock. */
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { z } from 'zod';
import { serviceNames } from './services.ts';

const schema = z.object({
  pid: z.number().int().positive(),
  startedAt: z.string(),
  /** Loopback port where users of the mesh knock, and the word that lets them in. */
  control: z.object({ port: z.number().int().positive(), token: z.string().min(16) }),
  addresses: z.record(z.enum(serviceNames), z.string()),
});

export type MeshFile = z.infer<typeof schema>;

/** Undefined where there is none, or none that can be read. */
export async function readMeshFile(path: string): Promise<MeshFile | undefined> {
  try {
    return schema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch {
    return undefined;
  }
}

/** Whole or not at all, and for this user's eyes only: it holds the token. */
export async function writeMeshFile(path: string, mesh: MeshFile): Promise<void> {
  const draft = `${path}.${process.pid}`;
  await writeFile(draft, `${JSON.stringify(mesh, null, 2)}\n`, { mode: 0o600 });
  await rename(draft, path);
}

export async function removeMeshFile(path: string): Promise<void> {
  await rm(path, { force: true });
}
