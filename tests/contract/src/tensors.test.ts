/** Compress and Correct for a client that has nothing but tensors. */
import { TensorAssembler, writeTensor, type TensorFrame } from '@emloc/tensor-stream';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  bytesOf,
  distance,
  golden,
  goldenMatrix,
  matrixOf,
  multiply,
  weightOf,
  type Matrix,
} from './support/golden.ts';
import type { Methods } from './support/operations.ts';
import { TestMesh } from './support/test-mesh.ts';

let mesh: TestMesh;
let compression: Methods;
let correction: Methods;

beforeAll(async () => {
  mesh = await TestMesh.start(['compression', 'correction']);
  compression = mesh.client<Methods>('compression', 'emloc.compression.v1', 'CompressionService').call;
  correction = mesh.client<Methods>('correction', 'emloc.correction.v1', 'CorrectionService').call;
});
afterAll(() => mesh?.stop());

const square = 'model.layers.1.self_attn.q_proj';
const tall = 'model.layers.2.mlp.gate_proj';

type Step = { readonly options: object } | { readonly frame: TensorFrame } | { readonly end: object };

function* piece(options: object, tensors: Readonly<Record<string, Matrix>>): Generator<Step> {
  yield { options };
  for (const [name, matrix] of Object.entries(tensors)) {
    const info = { name, dtype: 'f32' as const, shape: [matrix.rows, matrix.columns] };
    for (const frame of writeTensor(info, bytesOf(matrix))) yield { frame };
  }
  yield { end: {} };
}

interface Answer {
  readonly summary: Record<string, number> & { readonly clampRatios: number[] };
  readonly tensors: Map<string, Matrix>;
}

/** One answer a piece. */
async function answers(rpc: Methods[string] | undefined, steps: Iterable<Step>): Promise<Answer[]> {
  const all: Answer[] = [];
  const assembler = new TensorAssembler();
  const requests = (async function* () {
    yield* steps;
  })();
  for await (const { summary, frame } of rpc!(requests)) {
    if (summary) all.push({ summary, tensors: new Map() });
    const whole = frame && assembler.push(frame);
    if (whole)
      all.at(-1)!.tensors.set(whole.info.name, matrixOf(whole.bytes, whole.info.dtype, whole.info.shape));
  }
  return all;
}

const withGram = (module: string): Record<string, Matrix> => ({
  gram: goldenMatrix(golden.gramOf[module]!),
  weight: weightOf(module),
});

test('weights and Grams go in, golden factors come out, one piece after the other', async () => {
  const steps = [
    ...piece({ ratio: 0.5 }, withGram(square)),
    ...piece({ rank: golden.rank[tall] }, withGram(tall)),
  ];
  const both = await answers(compression['compress'], steps);
  for (const [i, module] of [square, tall].entries()) {
    const { summary, tensors } = both[i]!;
    expect(summary['rank']).toBe(golden.rank[module]);
    const product = multiply(tensors.get('u')!, tensors.get('v')!);
    expect(distance(product, goldenMatrix(`wprime.${module}`))).toBeLessThan(4.2e-4);
    const sigma = tensors.get('sigma')!;
    expect(distance(sigma, goldenMatrix(`sigma.${module}`))).toBeLessThan(6.4e-5);
    const cut = sigma.values.subarray(summary['rank']).reduce((sum, s) => sum + s * s, 0);
    expect(summary['truncationLoss']).toBeCloseTo(Math.sqrt(cut), 6);
  }
});

test('plain SVD needs no Gram, and full rank gives the weight back', async () => {
  const options = { rank: 64, method: 'COMPRESSION_METHOD_SVD' };
  const [answer] = await answers(compression['compress'], piece(options, { weight: weightOf(square) }));
  const product = multiply(answer!.tensors.get('u')!, answer!.tensors.get('v')!);
  expect(distance(product, weightOf(square))).toBeLessThan(1e-6);
});

const corrects = (module: string): Record<string, Matrix> => ({
  lora_A: goldenMatrix(`lora_A.${module}`),
  lora_B: goldenMatrix(`lora_B.${module}`),
  weight: weightOf(module),
  emulated_weight: goldenMatrix(`wprime.${module}`),
});

test('factors and weights go in, golden corrected factors come out', async () => {
  const [answer] = await answers(correction['correct'], piece({}, corrects(tall)));
  const delta = multiply(answer!.tensors.get('lora_B')!, answer!.tensors.get('lora_A')!);
  expect(distance(delta, goldenMatrix(`delta.corrected.${tall}`))).toBeLessThan(2.2e-3);
  const ratios = [...answer!.summary.clampRatios].sort((a, b) => a - b);
  ratios.forEach((ratio, i) =>
    expect(Math.abs(ratio / golden.correction.clampRatio[tall]![i]! - 1)).toBeLessThan(6.5e-3),
  );
});

test('no correction at all is λ = 0', async () => {
  const [answer] = await answers(correction['correct'], piece({ maxCorrectionRatio: 0 }, corrects(tall)));
  const delta = multiply(answer!.tensors.get('lora_B')!, answer!.tensors.get('lora_A')!);
  const { lora_A: a, lora_B: b } = corrects(tall);
  expect(distance(delta, multiply(b!, a!))).toBeLessThan(1e-5);
});

const [header, chunk, end] = [...piece({}, { weight: weightOf(square) })].slice(1) as {
  frame: TensorFrame;
}[];

test.each<[string, Step[], object]>([
  ['frames without options', [header!], { reason: 'STREAM_ORDER', field: 'options' }],
  ['a piece cut short', [...piece({ rank: 4 }, {})].slice(0, 1), { reason: 'STREAM_ORDER', field: 'end' }],
  ['no weight', [...piece({ rank: 4 }, {})], { reason: 'TENSOR_MISSING', field: 'weight' }],
  [
    'no Gram',
    [...piece({ rank: 4 }, { weight: weightOf(square) })],
    { reason: 'TENSOR_MISSING', field: 'gram' },
  ],
  ['a rank of 0', [...piece({ rank: 0 }, withGram(square))], { reason: 'BAD_RANK', value: '0' }],
  ['a ratio of 2', [...piece({ ratio: 2 }, withGram(square))], { reason: 'RATIO_OUT_OF_RANGE', value: '2' }],
  [
    'another Gram',
    [
      ...piece(
        { rank: 4 },
        { ...withGram(square), gram: goldenMatrix(golden.gramOf['model.layers.0.mlp.down_proj']!) },
      ),
    ],
    { reason: 'SHAPE_MISMATCH' },
  ],
  [
    'a weight with NaN',
    [
      ...piece(
        { rank: 4, method: 'COMPRESSION_METHOD_SVD' },
        { weight: { rows: 8, columns: 8, values: new Float64Array(64).fill(NaN) } },
      ),
    ],
    { reason: 'NOT_FINITE', field: 'weight' },
  ],
  [
    'a Gram without a positive trace',
    [
      ...piece(
        { rank: 4 },
        {
          weight: { rows: 8, columns: 8, values: new Float64Array(64).fill(1) },
          gram: { rows: 8, columns: 8, values: new Float64Array(64) },
        },
      ),
    ],
    { reason: 'BAD_GRAM', field: 'gram' },
  ],
  [
    'a tensor nobody asked for',
    [...piece({ rank: 4 }, { bias: weightOf(square) })],
    { reason: 'TENSOR_UNEXPECTED', value: 'bias' },
  ],
  [
    'damage',
    [{ options: { rank: 4 } }, header!, chunk!, { frame: { end: { crc32: 1 } } }, { end: {} }],
    { code: 'DATA_LOSS', reason: 'CHECKSUM_MISMATCH' },
  ],
])('%s is refused with its reason', async (_, steps, error) => {
  expect(end).toBeDefined();
  await expect(answers(compression['compress'], steps)).rejects.toMatchObject(error);
});
