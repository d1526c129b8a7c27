import { expect, test } from 'vitest';
import { messageCodec } from '@emloc/mesh/contracts';
import { pruned } from './pruned.ts';

test('a spec that was pruned is the same message, and an explicit 0 stays', () => {
  const codec = messageCodec('emloc.coordinator.v1.FineTuneJobSpec');
  const spec = {
    model: { path: '/models/tiny' },
    dataset: { source: { artifact: { digest: 'sha256:0', uri: '', byteSize: 0 } } },
    compression: { ratios: [{ pattern: '.*', ratio: 0.5 }], method: 'COMPRESSION_METHOD_SVD' },
    training: { learningRate: 0, shuffle: false, seed: 0 },
    correctionMethod: 'CORRECTION_METHOD_NONE',
    refineSteps: 0,
  };
  const decoded = codec.decode(codec.encode(spec));
  const kept = pruned(decoded) as typeof spec;
  expect(kept).toMatchObject(spec);
  expect(kept.model).toEqual({ path: '/models/tiny' });
  expect(kept.training).toMatchObject({ learningRate: 0, shuffle: false, seed: 0 });
  expect(JSON.stringify(kept)).not.toContain('"_');
  expect(kept).not.toHaveProperty('memoryBudgetBytes');
  expect(JSON.stringify(kept)).not.toContain('UNSPECIFIED');
  expect(codec.decode(codec.encode(kept))).toEqual(decoded);
});

test('an event loses the marker of its oneof and nothing else', () => {
  const codec = messageCodec('emloc.operation.v1.OperationEvent');
  const event = codec.decode(
    codec.encode({ cursor: 3, attempt: 1, progress: { stage: 'train', step: 0, totalSteps: 2 } }),
  );
  expect(pruned(event)).toEqual({
    cursor: 3,
    attempt: 1,
    progress: { stage: 'train', step: 0, totalSteps: 2 },
  });
});
