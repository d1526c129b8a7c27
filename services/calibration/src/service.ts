/** emloc.calibration.v1.CalibrationService. Grams pass from the process that makes them to the caller unparsed. */
import { currentTraceparent, raw, type CallContext, type Implementation } from '@emloc/mesh';
import { Fields, readOperationId, type StageContext } from '@emloc/service-kit';
import { readCalibration } from './requests.ts';

export const calibrationImplementation = ({ manager, sources, start }: StageContext): Implementation => ({
  calibrate: raw.responses(async function* (message: object, call: CallContext) {
    const request = await readCalibration(new Fields(message), sources);
    const { signal } = call;
    const run = await manager.attach({
      kind: 'stream-grams',
      request,
      signal,
      traceparent: currentTraceparent(),
    });
    yield* run.output;
  }),
  async startCalibration(message: object) {
    const fields = new Fields(message);
    const id = readOperationId(fields);
    return start(id, 'calibrate', await readCalibration(fields, sources));
  },
});
