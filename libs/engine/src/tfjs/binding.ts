/**
 * The interface that the JavaScript half of `@tensorflow/tfjs-node-gpu` expects of its native add-on (`TFJSBinding`,
 * dist/tfjs_binding.d.ts there), over the engine's own calls. tfjs names tensors by numbers; this keeps which handle
 * each stands for.
 *
 * Limits: no saved models. The text of string tensors that JavaScript makes is not freed beyond 22 bytes each.
 */
import type { TFEOpAttr, TFJSBinding, TensorMetadata } from '@tensorflow/tfjs-node-gpu/dist/tfjs_binding.js';
import { EmlocError } from '@emloc/errors';
import { native } from '../binding/context.ts';
import { dtypeName, TF_COMPLEX64, TF_DTYPE, TF_RESOURCE, TF_STRING } from '../binding/dtypes.ts';
import { attr, execute, type Attr } from '../binding/execute.ts';
import {
  adoptTensor,
  createHandle,
  deleteHandle,
  handleElements,
  handleShape,
  handleType,
  readHandle,
  withData,
  writeDims,
} from '../binding/handles.ts';
import { libc, type Address } from '../binding/libc.ts';

/** TF_AttrType (tensorflow/c/tf_attrtype.h). */
const ATTR = { string: 0, int: 1, float: 2, bool: 3, type: 4, shape: 5 } as const;

/** sizeof(TF_TString) */
const STRING_BYTES = 24;

type Data = Float32Array | Int32Array | Uint8Array | Uint8Array[];

export class EngineBinding implements TFJSBinding {
  readonly TF_FLOAT = TF_DTYPE.f32;
  readonly TF_INT32 = TF_DTYPE.i32;
  readonly TF_INT64 = TF_DTYPE.i64;
  readonly TF_BOOL = TF_DTYPE.bool;
  readonly TF_UINT8 = TF_DTYPE.u8;
  readonly TF_COMPLEX64 = TF_COMPLEX64;
  readonly TF_STRING = TF_STRING;
  readonly TF_RESOURCE = TF_RESOURCE;
  readonly TF_ATTR_STRING = ATTR.string;
  readonly TF_ATTR_INT = ATTR.int;
  readonly TF_ATTR_FLOAT = ATTR.float;
  readonly TF_ATTR_BOOL = ATTR.bool;
  readonly TF_ATTR_TYPE = ATTR.type;
  readonly TF_ATTR_SHAPE = ATTR.shape;
  /** Named in the interface; the add-on has none either. */
  readonly TF_ATTR_RESOURCE = -1;
  readonly TF_Version: string = native().lib.version();
  readonly TensorMetadata = class implements TensorMetadata {
    id = 0;
    shape: number[] = [];
    dtype = 0;
  };
  readonly TFEOpAttr = class implements TFEOpAttr {
    name = '';
    type = 0;
    value: TFEOpAttr['value'] = 0;
  };

  readonly #handles = new Map<number, Address>();
  #nextId = 0;

  createTensor(shape: number[], dtype: number, data: unknown): number {
    const values = data as Data;
    if (dtype === TF_STRING) return this.adopt(stringHandle(shape, values as Uint8Array[]));
    return this.adopt(createHandle(dtype, shape, values as Float32Array));
  }

  deleteTensor(id: number): void {
    deleteHandle(this.handleOf(id));
    this.#handles.delete(id);
  }

  tensorDataSync(id: number): Float32Array | Int32Array | Uint8Array {
    const handle = this.handleOf(id);
    const type = handleType(handle);
    if (type === TF_STRING) return readStrings(handle) as unknown as Uint8Array;
    const { buffer } = readHandle(handle);
    switch (type) {
      case TF_DTYPE.f32:
      case TF_COMPLEX64:
        return new Float32Array(buffer);
      case TF_DTYPE.i32:
        return new Int32Array(buffer);
      case TF_DTYPE.i64:
        return new BigInt64Array(buffer) as unknown as Int32Array;
      case TF_DTYPE.bool:
      case TF_DTYPE.u8:
      case TF_RESOURCE:
        return new Uint8Array(buffer);
      default:
        throw new EmlocError(
          'INVALID_ARGUMENT',
          'ENGINE_DTYPE',
          `tfjs has no element type for ${dtypeName(type)}`,
        );
    }
  }

  executeOp(name: string, attrs: TFEOpAttr[], inputIds: number[], outputCount: number): TensorMetadata[] {
    const inputs = inputIds.map((id) => this.handleOf(id));
    return execute(name, inputs, attrs.map(toAttr), outputCount).map((handle) => ({
      id: this.adopt(handle),
      shape: handleShape(handle),
      dtype: handleType(handle),
    }));
  }

  /** Takes a handle over, under a new number. */
  adopt(handle: Address): number {
    const id = this.#nextId++;
    this.#handles.set(id, handle);
    return id;
  }

  handleOf(id: number): Address {
    const handle = this.#handles.get(id);
    if (handle !== undefined) return handle;
    throw new EmlocError('FAILED_PRECONDITION', 'TENSOR_DISPOSED', `tfjs has no tensor ${id}`);
  }

  getNumOfTensors(): number {
    return this.#handles.size;
  }

  isUsingGpuDevice(): boolean {
    return native().gpu !== undefined;
  }

  getNumOfSavedModels(): number {
    return 0;
  }

  loadSavedModel(): never {
    throw noSavedModels();
  }

  deleteSavedModel(): never {
    throw noSavedModels();
  }

  runSavedModel(): never {
    throw noSavedModels();
  }
}

const noSavedModels = (): EmlocError =>
  new EmlocError('UNIMPLEMENTED', 'SAVED_MODELS', 'TensorFlow saved models are not read here');

function toAttr({ name, type, value }: TFEOpAttr): Attr {
  const list = Array.isArray(value) ? (value as number[]) : undefined;
  switch (type) {
    case ATTR.string:
      return attr.string(name, value as string);
    case ATTR.int:
      return list ? attr.ints(name, list) : attr.int(name, value as number);
    case ATTR.float:
      return list ? attr.floats(name, list) : attr.float(name, value as number);
    case ATTR.bool:
      return list ? attr.bools(name, list.map(Boolean)) : attr.bool(name, Boolean(value));
    case ATTR.type:
      return list ? attr.tfTypes(name, list) : attr.tfType(name, value as number);
    case ATTR.shape:
      return attr.shape(name, list ?? []);
    default:
      throw new EmlocError('UNIMPLEMENTED', 'ENGINE_ATTRIBUTE', `an attribute of type ${type}: ${name}`);
  }
}

function stringHandle(shape: number[], strings: readonly Uint8Array[]): Address {
  const n = native();
  writeDims(n, shape);
  const tensor = n.lib.allocateTensor(TF_STRING, n.cellsAt, shape.length, strings.length * STRING_BYTES);
  const start = n.lib.tensorData(tensor);
  strings.forEach((text, i) => {
    n.lib.stringInit(start + i * STRING_BYTES);
    n.lib.stringCopy(start + i * STRING_BYTES, text, text.length);
  });
  return adoptTensor(tensor, TF_STRING);
}

function readStrings(handle: Address): Uint8Array[] {
  const { lib } = native();
  return withData(handle, (start) =>
    Array.from({ length: handleElements(handle) }, (_, i) => {
      const at = start + i * STRING_BYTES;
      const bytes = new Uint8Array(lib.stringBytes(at));
      if (bytes.length > 0) libc.copyOut(bytes, lib.stringData(at), bytes.length);
      return bytes;
    }),
  );
}
