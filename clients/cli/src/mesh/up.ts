/** `emloc up`: holds the local mesh until Ctrl-C, and says how to reach it. */
import type { CommandContext } from '../context.ts';
import { pairs } from '../output/table.ts';
import { prepareRuntime } from '../session/prepare-runtime.ts';
import { withLocalMesh } from '../session/session.ts';
import { serviceNames } from './services.ts';

export async function up(context: CommandContext): Promise<void> {
  const { output, home, signal } = context;
  await prepareRuntime(output);
  await withLocalMesh(context, async ({ connections }, mesh) => {
    await connections.allReady();
    const { addresses, pid, started } = mesh;
    output.result({ pid, home: home.directory, started, addresses, logs: home.logs }, () =>
      [
        pairs(serviceNames.map((name) => [name, addresses[name]])),
        '',
        `state and logs in ${home.directory}`,
        started
          ? 'ctrl-c stops the mesh'
          : `this mesh was up already (process ${pid}); it stays while anybody uses it`,
        '',
        'try:',
        `  grpcurl -plaintext ${addresses.coordinator} list`,
        `  grpcurl -plaintext ${addresses.coordinator} emloc.coordinator.v1.MeshService/DescribeMesh`,
      ].join('\n'),
    );
    await untilAborted(signal);
  });
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
