import { fileURLToPath } from 'node:url';
import { Fields, type SourceResolver } from '@emloc/service-kit';
import { expect, test } from 'vitest';
import { readCorrection } from './requests.ts';

/** A data file, which is looked at when its format is asked for. */
const data = fileURLToPath(new URL('../../../tests/fixtures/tiny-llama/train.jsonl', import.meta.url));
const sources: SourceResolver = { resolve: async (fields) => ({ path: fields.requiredText('path') }) };
const read = (change: object = {}): ReturnType<typeof readCorrection> => {
  const parts = { model: { path: '/m' }, emulator: { path: '/e' }, adapter: { path: '/a' } };
  return readCorrection(new Fields({ ...parts, ...change }), sources);
};
const heldOut = { source: { path: data } };

test('held-out rows make the choice automatic, and are not read where nothing is chosen', async () => {
  expect(await read()).toMatchObject({ method: 'paper', maxCorrectionRatio: 3 });
  expect(await read({ heldOut })).toMatchObject({ method: 'auto', heldOut: { path: data } });
  expect((await read({ heldOut, method: 'CORRECTION_METHOD_NONE' })).heldOut).toBeUndefined();
  expect(await read({ maxCorrectionRatio: 0 })).toMatchObject({ maxCorrectionRatio: 0 });
});

test.each([
  [{ emulator: null }, 'emulator'],
  [{ method: 'CORRECTION_METHOD_AUTO' }, 'held_out'],
  [{ maxCorrectionRatio: -1 }, 'max_correction_ratio'],
])('%o is refused', async (change, field) => {
  await expect(read(change)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', field });
});
