/** Every case, with what the table says of its reason. */
import { adapterCases } from './cases/adapters.ts';
import { artifactCases } from './cases/artifacts.ts';
import { dataCases } from './cases/data.ts';
import { modelCases } from './cases/models.ts';
import { requestCases } from './cases/requests.ts';
import { stageCases } from './cases/stages.ts';
import { tensorCases } from './cases/tensors.ts';
import { workCases } from './cases/work.ts';
import type { Case } from './case.ts';
import { Files } from './files.ts';
import { readTable } from './table.ts';

export interface TableCase extends Case {
  readonly name: string;
  /** Whether the error says what to do about it. */
  readonly mend: boolean;
  /** Whether it says after which time the call may be repeated. Transport errors are no service's and never do. */
  readonly retry: boolean;
}

/** Makes the files that they need in a folder that is not there yet. */
export function makeCases(folder: string): TableCase[] {
  const files = new Files(folder);
  const rows = new Map(readTable().map((row) => [row.reason, row]));
  const all = [
    requestCases,
    workCases,
    tensorCases,
    artifactCases,
    modelCases,
    dataCases,
    adapterCases,
    stageCases,
  ];
  return all
    .flatMap((make) => make(files))
    .map((made) => {
      const row = rows.get(made.reason);
      const retry = row?.retry === 'RetryInfo' || row?.retry === `RetryInfo with ${made.code}`;
      const name = made.about === undefined ? made.reason : `${made.reason}, ${made.about}`;
      return { name, ...made, mend: row?.mend !== '', retry: retry && made.reason !== 'SERVICE_UNREACHABLE' };
    });
}
