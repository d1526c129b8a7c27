/**
 * A command's time with its mesh: the one on this machine (held, or started and stopped) or the one behind `--server`.
 * Says how files reach it and how results come back.
 */
import { EmlocError } from '@emloc/errors';
import { connect, loadConfig, withSpan } from '@emloc/mesh';
import type { CommandContext } from '../context.ts';
import { Connections } from '../mesh/connections.ts';
import { holdMesh, type HeldMesh } from '../mesh/hold-mesh.ts';
import type { Addresses } from '../mesh/services.ts';
import type { ArtifactReference, Source } from '../wire/artifact.ts';
import type { MeshClient } from '../wire/job.ts';
import { LocalFiles } from './local-files.ts';
import { RemoteFiles } from './remote-files.ts';

/** How files pass between this command and the mesh. */
export interface Files {
  /** A model, which the mesh must see: never sent. */
  model(path: string): Source;
  /** A data file, statistics, an adapter, an emulator. */
  input(path: string): Promise<Source>;
  /** Puts an artifact at a path that does not exist yet. */
  fetch(artifact: ArtifactReference, path: string): Promise<void>;
}

export interface Session {
  readonly connections: Connections;
  readonly files: Files;
}

export interface SessionOptions {
  readonly server?: string;
}

export async function withSession<T>(
  context: CommandContext,
  options: SessionOptions,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  return options.server === undefined
    ? withLocalMesh(context, work)
    : withServer(context, options.server, work);
}

export async function withLocalMesh<T>(
  context: CommandContext,
  work: (session: Session, mesh: HeldMesh) => Promise<T>,
): Promise<T> {
  const { home, environment, signal, output } = context;
  const mesh = await withSpan('hold the mesh', {}, () =>
    holdMesh({
      home,
      environment,
      signal,
      onStart: () => output.progress({ stage: 'starting the mesh' }),
    }),
  );
  const forget = context.onKill(() => mesh.lease.release('kill'));
  const connections = new Connections(mesh.addresses, signal);
  const lost = new Promise<never>((_, reject) => mesh.lease.onLost(() => reject(meshLost(home.logs))));
  lost.catch(() => undefined);
  try {
    return await Promise.race([work({ connections, files: new LocalFiles() }, mesh), lost]);
  } finally {
    connections.close();
    output.endProgress();
    await mesh.lease.release();
    forget();
  }
}

async function withServer<T>(
  context: CommandContext,
  server: string,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const description = await describe(server, context.signal);
  const addresses = { ...description.addresses, coordinator: server } as Addresses;
  const connections = new Connections(addresses, context.signal);
  try {
    const artifacts = await connections.artifacts();
    return await work({
      connections,
      files: new RemoteFiles(artifacts, description.modelRoots, context.output),
    });
  } finally {
    connections.close();
  }
}

async function describe(server: string, signal: AbortSignal) {
  const connection = connect<MeshClient>({
    address: server,
    package: 'emloc.coordinator.v1',
    service: 'MeshService',
    tls: loadConfig().tls,
  });
  try {
    await connection.ready(10_000, signal);
    return await connection.call.describeMesh({}, { signal });
  } finally {
    connection.close();
  }
}

const meshLost = (logs: string): EmlocError =>
  new EmlocError('UNAVAILABLE', 'MESH_LOST', 'the local mesh ended while it was in use', {
    mend: `see the logs in ${logs}, then run the command again`,
  });
