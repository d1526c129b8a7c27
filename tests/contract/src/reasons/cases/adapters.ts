/** Adapters and emulators that do not fit what they are used with. */
import { call, correction, inference, started, training, type Call, type Case } from '../case.ts';
import { fixtureAdapter, floats, model, noArtifact, trainRows, type Files, type Source } from '../files.ts';

const score = (adapter: Source): Call =>
  call(`${inference}/Score`, { model, adapter, rows: [{ ids: [1, 2] }] });
const plan = (more: object): Call => call(`${training}/PlanTraining`, { model, dataset: trainRows, ...more });

export function adapterCases(files: Files): Case[] {
  const emulator = files.emulator();
  const other = files.emulator(noArtifact);
  const corrects = (name: string, adapter: Source, of: Source): Pick<Case, 'call' | 'wait'> =>
    started(`${correction}/StartCorrection`, {
      operationId: files.id(name),
      ...{ model, emulator: of, adapter },
    });
  const corrected = files.adapter({}, undefined, {
    emloc: JSON.stringify({ correction: { method: 'paper', limit: 3 } }),
  });
  const notAdapter = files.folder();
  const invalid = { code: 'INVALID_ARGUMENT' } as const;
  return [
    {
      reason: 'NOT_AN_ADAPTER',
      code: 'NOT_FOUND',
      field: 'adapter',
      value: notAdapter,
      call: score({ path: notAdapter }),
    },
    {
      reason: 'BAD_ADAPTER',
      ...invalid,
      field: 'adapter',
      value: 'weights',
      call: score(files.adapter({}, () => [floats('weights', [1])])),
    },
    {
      reason: 'BAD_ADAPTER',
      about: 'its configuration',
      ...invalid,
      field: 'r',
      call: score(files.adapter({ r: 0 })),
    },
    {
      reason: 'UNSUPPORTED_ADAPTER',
      ...invalid,
      field: 'use_dora',
      value: 'true',
      call: score(files.adapter({ use_dora: true })),
    },
    { reason: 'ADAPTER_MISMATCH', ...invalid, field: 'adapter', call: score(files.adapter({ r: 3 })) },
    {
      reason: 'ADAPTER_MISMATCH',
      about: 'of the options',
      ...invalid,
      field: 'lora_r',
      call: plan({ adapterInit: { path: fixtureAdapter }, lora: { r: 3, loraAlpha: 4 } }),
    },
    {
      reason: 'TARGET_MATCHES_NOTHING',
      ...invalid,
      field: 'target_modules',
      value: 'qproj',
      call: plan({ lora: { targetModules: ['qproj'] } }),
    },
    {
      reason: 'NOT_AN_EMULATOR',
      ...invalid,
      field: 'emulator',
      value: model.path,
      call: call(`${inference}/Score`, { emulator: model, rows: [{ ids: [1] }] }),
    },
    {
      reason: 'IS_AN_EMULATOR',
      ...invalid,
      field: 'model',
      value: emulator.path,
      call: call(`${inference}/Score`, { model: emulator, rows: [{ ids: [1] }] }),
    },
    {
      reason: 'EMULATOR_MISMATCH',
      ...invalid,
      field: 'emulator',
      value: other.path,
      ...corrects('mismatch', { path: fixtureAdapter }, other),
    },
    {
      reason: 'ALREADY_CORRECTED',
      code: 'FAILED_PRECONDITION',
      field: 'adapter',
      ...corrects('corrected', corrected, emulator),
    },
    {
      reason: 'NOT_FINITE',
      about: 'of an adapter',
      code: 'DATA_LOSS',
      field: 'adapter',
      call: score(
        files.adapter({}, ([first, ...rest]) => [
          { ...first!, bytes: new Uint8Array(first!.bytes.length).fill(0xff) },
          ...rest,
        ]),
      ),
    },
  ];
}
