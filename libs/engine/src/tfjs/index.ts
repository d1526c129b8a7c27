/**
 * TensorFlow.js on the engine's TensorFlow: the JavaScript half of `@tensorflow/tfjs-node-gpu` runs over our binding,
 * so its native add-on (TensorFlow 2.9 of 2022) is neither needed nor installed. tfjs's automatic gradients, layers
 * and optimizers come with it. It knows f32, i32 and bool.
 */
import { createRequire } from 'node:module';
import type * as Tfjs from '@tensorflow/tfjs';
import { EmlocError } from '@emloc/errors';
import { shareHandle } from '../binding/handles.ts';
import { startEngine } from '../start.ts';
import { Tensor } from '../tensor.ts';
import { TF_DTYPE } from '../binding/dtypes.ts';
import { EngineBinding } from './binding.ts';

const BACKEND = 'tensorflow';

/** What is used of `NodeJSKernelBackend`, part of which it calls private. */
interface NodeBackend extends Tfjs.KernelBackend {
  createOutputTensor(metadata: { id: number; shape: number[]; dtype: number }): Tfjs.Tensor;
  getInputTensorIds(tensors: Tfjs.Tensor[]): number[];
}

interface Bridge {
  readonly tf: typeof Tfjs;
  readonly binding: EngineBinding;
  readonly backend: NodeBackend;
}

let bridge: Bridge | undefined;

/** tfjs, with the engine as its active backend. Starts the engine if nobody has. */
export async function tf(): Promise<typeof Tfjs> {
  await startEngine();
  bridge ??= connect();
  return bridge.tf;
}

function connect(): Bridge {
  const require = createRequire(import.meta.url);
  restoreUtil(require('util') as Record<string, unknown>);
  const tfjs = require('@tensorflow/tfjs') as typeof Tfjs;
  const { NodeJSKernelBackend } = require('@tensorflow/tfjs-node-gpu/dist/nodejs_kernel_backend.js') as {
    NodeJSKernelBackend: new (binding: EngineBinding, packageName: string) => NodeBackend;
  };
  require('@tensorflow/tfjs-node-gpu/dist/register_all_kernels.js');
  const binding = new EngineBinding();
  const backend = new NodeJSKernelBackend(binding, '@tensorflow/tfjs-node-gpu');
  tfjs.registerBackend(BACKEND, () => backend, 3);
  tfjs.setBackend(BACKEND);
  return { tf: tfjs, binding, backend };
}

/** Two functions that tfjs still calls: Node 23 removed them, Node 22 warns of them. */
function restoreUtil(util: Record<string, unknown>): void {
  util.isNullOrUndefined = (value: unknown): boolean => value === null || value === undefined;
  util.isArray = Array.isArray;
}

/** The same elements as a tensor of tfjs; the memory is shared, each has its own owner. */
export function toTfjs(t: Tensor): Tfjs.Tensor {
  const { backend, binding } = connected();
  if (t.dtype !== 'f32' && t.dtype !== 'i32' && t.dtype !== 'bool') {
    throw new EmlocError('INVALID_ARGUMENT', 'ENGINE_DTYPE', `tfjs has no element type ${t.dtype}`, {
      mend: 'cast it to f32 or i32 first',
    });
  }
  const id = binding.adopt(shareHandle(t.handle));
  return backend.createOutputTensor({ id, shape: [...t.shape], dtype: TF_DTYPE[t.dtype] });
}

/** The same elements as a tensor of the engine; the memory is shared, each has its own owner. */
export function fromTfjs(t: Tfjs.Tensor): Tensor {
  const { backend, binding } = connected();
  const [id] = backend.getInputTensorIds([t]);
  return new Tensor(shareHandle(binding.handleOf(id!)));
}

function connected(): Bridge {
  if (bridge !== undefined) return bridge;
  throw new EmlocError('FAILED_PRECONDITION', 'ENGINE_NOT_STARTED', 'tfjs is not running on the engine', {
    mend: 'await tf() first',
  });
}
