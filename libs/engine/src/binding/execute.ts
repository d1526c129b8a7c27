/**
 * Runs one eager op. This is the one path that the engine's own ops and tfjs share.
 *
 * Type attributes are inferred by TensorFlow from the inputs and need not be given. What an op costs beside its
 * arithmetic was measured at 5 to 11 µs.
 */
import { EmlocError } from '@emloc/errors';
import type { DType } from '@emloc/tensor-stream';
import { MAX_OUTPUTS, native, type Native } from './context.ts';
import { dtypeName, TF_DTYPE } from './dtypes.ts';
import { handleShape } from './handles.ts';
import { cString, type Address } from './libc.ts';
import { failure } from './status.ts';

/** An attribute of an op, ready to be set: `set(op)` calls the C API. */
export type Attr = (n: Native, op: Address) => void;

const floor = (value: readonly number[]): BigInt64Array => BigInt64Array.from(value, (x) => BigInt(x));

/** Makers of attributes. Those that do not change are made once, by whoever calls the op. */
export const attr = {
  bool: (name: string, value: boolean): Attr => {
    const at = cString(name);
    const byte = value ? 1 : 0;
    return (n, op) => n.lib.attrBool(op, at, byte);
  },
  bools: (name: string, value: readonly boolean[]): Attr => {
    const at = cString(name);
    const data = Uint8Array.from(value, Number);
    return (n, op) => n.lib.attrBools(op, at, data, data.length);
  },
  int: (name: string, value: number): Attr => {
    const at = cString(name);
    return (n, op) => n.lib.attrInt(op, at, value);
  },
  ints: (name: string, value: readonly number[]): Attr => {
    const at = cString(name);
    const data = floor(value);
    return (n, op) => n.lib.attrInts(op, at, data, data.length);
  },
  float: (name: string, value: number): Attr => {
    const at = cString(name);
    return (n, op) => n.lib.attrFloat(op, at, value);
  },
  floats: (name: string, value: readonly number[]): Attr => {
    const at = cString(name);
    const data = Float32Array.from(value);
    return (n, op) => n.lib.attrFloats(op, at, data, data.length);
  },
  tfType: (name: string, value: number): Attr => {
    const at = cString(name);
    return (n, op) => n.lib.attrType(op, at, value);
  },
  tfTypes: (name: string, value: readonly number[]): Attr => {
    const at = cString(name);
    const data = Int32Array.from(value);
    return (n, op) => n.lib.attrTypes(op, at, data, data.length);
  },
  type: (name: string, value: DType): Attr => attr.tfType(name, TF_DTYPE[value]),
  string: (name: string, value: string): Attr => {
    const at = cString(name);
    const data = Buffer.from(value, 'utf8');
    return (n, op) => n.lib.attrString(op, at, data, data.length);
  },
  shape: (name: string, value: readonly number[]): Attr => {
    const at = cString(name);
    const data = floor(value);
    return (n, op) => n.lib.attrShape(op, at, data, data.length, n.status);
  },
};

/** One input, or a list of them where the op takes a list (`ConcatV2`'s values). */
export type Input = Address | readonly Address[];

/** The output handles, which the caller owns. */
export function execute(
  name: string,
  inputs: readonly Input[],
  attrs: readonly Attr[],
  outputCount: number,
): Address[] {
  const n = native();
  const { lib, status } = n;
  const op = lib.newOp(n.context, cString(name), status);
  try {
    if (op === 0) throw opFailure(n, name, inputs);
    for (const input of inputs) {
      if (typeof input === 'number') lib.addInput(op, input, status);
      else addList(n, op, input);
    }
    for (const set of attrs) set(n, op);
    if (outputCount > MAX_OUTPUTS) throw tooMany(name, outputCount);
    n.count[0] = outputCount;
    lib.execute(op, n.outputsAt, n.countAt, status);
    if (lib.statusCode(status) !== 0) throw opFailure(n, name, inputs);
    const outputs = new Array<Address>(n.count[0]!);
    for (let i = 0; i < outputs.length; i++) {
      outputs[i] = n.outputs[2 * i]! + n.outputs[2 * i + 1]! * 2 ** 32;
    }
    return outputs;
  } finally {
    if (op !== 0) lib.deleteOp(op);
  }
}

function addList(n: Native, op: Address, list: readonly Address[]): void {
  if (list.length > MAX_OUTPUTS) throw tooMany('an op', list.length);
  for (let i = 0; i < list.length; i++) n.cells[i] = BigInt(list[i]!);
  n.lib.addInputList(op, n.cellsAt, list.length, n.status);
}

const tooMany = (name: string, count: number): EmlocError =>
  new EmlocError(
    'INVALID_ARGUMENT',
    'ENGINE_OP_FAILED',
    `${name}: ${count} tensors at once, at most ${MAX_OUTPUTS}`,
  );

function opFailure(n: Native, name: string, inputs: readonly Input[]): EmlocError {
  const described = inputs.map((input) => describe(n, input)).join(', ');
  return failure(n, `${name}(${described})`, { op: name, inputs: described });
}

function describe(n: Native, input: Input): string {
  if (typeof input !== 'number') return `[${input.map((one) => describe(n, one)).join(', ')}]`;
  // Looking at a handle sets the status, which holds the failure that is to be told.
  const code = n.lib.statusCode(n.status);
  const message = n.lib.statusMessage(n.status);
  try {
    return `${dtypeName(n.lib.handleType(input))}[${handleShape(input).join(',')}]`;
  } catch {
    return 'failed before'; // of a stream: what was to compute it has failed
  } finally {
    n.lib.setStatus(n.status, code, message);
  }
}
