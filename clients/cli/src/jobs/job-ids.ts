/** Ids of the jobs of the mesh that is up on this machine, for completion: at once or not at all, and never an error. */
import { connect, loadConfig } from '@emloc/mesh';
import type { CommandContext } from '../context.ts';
import { readMeshFile } from '../mesh/mesh-file.ts';
import type { FineTuneJobClient } from '../wire/job.ts';

/** Somebody waits at a Tab. */
const withinMs = 1000;
const mostIds = 100;

/** One a line, the newest first. No mesh is started, and the one that is up is not kept from ending. */
export async function printJobIds({ output, home, signal }: CommandContext): Promise<void> {
  const mesh = await readMeshFile(home.meshFile);
  if (mesh === undefined) return;
  const connection = connect<FineTuneJobClient>({
    address: mesh.addresses.coordinator,
    package: 'emloc.coordinator.v1',
    service: 'FineTuneJobService',
    tls: loadConfig().tls,
  });
  try {
    await connection.ready(withinMs, signal);
    const { jobs } = await connection.call.listFineTuneJobs({ pageSize: mostIds }, { signal });
    for (const { id } of jobs) output.text(`${id}\n`);
  } catch {
    // A mesh that is gone, or busy: nothing is offered.
  } finally {
    connection.close();
  }
}
