/** What every stage command does between its checks and its result. */
import type { CommandContext } from '../context.ts';
import type { StageName } from '../mesh/connections.ts';
import { newId, runOperation } from '../operations/run-operation.ts';
import { prepareRuntime } from '../session/prepare-runtime.ts';
import { withSession, type Files, type Session } from '../session/session.ts';
import type { OperationEvent, OperationResult } from '../wire/operation.ts';
import type { StageClient } from '../wire/stages.ts';

export interface StageRun<T> {
  readonly service: StageName;
  readonly kind: string;
  readonly server?: string;
  readonly start: (client: StageClient, operationId: string, files: Files) => Promise<unknown>;
  readonly onEvent?: (event: OperationEvent) => void;
  /** Fetches and prints while the mesh is still there. */
  readonly finish: (result: OperationResult, session: Session) => Promise<T>;
}

/** Starts the operation and sees it through; Ctrl-C leaves nothing of it. */
export async function runStage<T>(context: CommandContext, run: StageRun<T>): Promise<T> {
  if (run.server === undefined) await prepareRuntime(context.output);
  return withSession(context, { server: run.server }, async (session) => {
    const id = newId(run.kind);
    const result = await runOperation(context, session.connections, {
      service: run.service,
      id,
      begin: async () => run.start(await session.connections.stage(run.service), id, session.files),
      onInterrupt: 'delete',
      onEvent: run.onEvent,
    });
    context.output.endProgress();
    return run.finish(result, session);
  });
}

/** Times and memory of a stage, as every result shows them. */
export function measured(result: OperationResult): Record<string, unknown> {
  return {
    predicted_peak_bytes: result.prediction?.peakResidentBytes,
    peak_bytes: result.usage?.peakResidentBytes,
    peak_anonymous_bytes: result.usage?.peakAnonymousBytes,
    seconds: result.usage?.wallSeconds,
    from_store: result.fromStore,
  };
}
