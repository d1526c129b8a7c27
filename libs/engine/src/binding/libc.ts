/**
 * The few functions of the C library that the engine needs: memory, file mappings and the dynamic loader.
 * Addresses are JavaScript numbers (user space ends below 2^53 on every platform that TensorFlow is built for).
 */
import koffi from 'koffi';

/** A native address. 0 is NULL. */
export type Address = number;

const process_ = koffi.load(null);
const address = 'uintptr_t';

const define = (name: string, result: string, parameters: string[]) =>
  process_.func(name, result, parameters);

/** A function that some systems lack: undefined there. */
function optional<T>(name: string, result: string, parameters: string[]): T | undefined {
  try {
    return define(name, result, parameters) as unknown as T;
  } catch {
    return undefined;
  }
}

const linux = process.platform === 'linux';

export const libc = {
  calloc: define('calloc', address, ['size_t', 'size_t']) as (count: number, size: number) => Address,
  free: define('free', 'void', [address]) as (at: Address) => void,
  /** Copies out of a typed array, or from an address. */
  copyIn: define('memcpy', address, [address, 'const void *', 'size_t']) as (
    to: Address,
    from: ArrayBufferView,
    bytes: number,
  ) => Address,
  copyOut: define('memcpy', address, ['void *', address, 'size_t']) as (
    to: ArrayBufferView,
    from: Address,
    bytes: number,
  ) => Address,
  /** -1 where it failed. */
  mmap: define('mmap', 'intptr_t', [address, 'size_t', 'int', 'int', 'int', 'int64_t']) as (
    at: Address,
    bytes: number,
    protection: number,
    flags: number,
    fd: number,
    offset: number,
  ) => Address,
  munmap: define('munmap', 'int', [address, 'size_t']) as (at: Address, bytes: number) => number,
  madvise: define('madvise', 'int', [address, 'size_t', 'int']) as (
    at: Address,
    bytes: number,
    advice: number,
  ) => number,
  /** How many bytes were read; 0 at the end of the file, -1 where it failed. */
  pread: define('pread', 'intptr_t', ['int', address, 'size_t', 'int64_t']) as (
    fd: number,
    to: Address,
    bytes: number,
    offset: number,
  ) => number,
  dup: define('dup', 'int', ['int']) as (fd: number) => number,
  dup2: define('dup2', 'int', ['int', 'int']) as (from: number, to: number) => number,
  dlopen: define('dlopen', address, ['str', 'int']) as (path: string, flags: number) => Address,
  dlerror: define('dlerror', 'str', []) as () => string | null,
  mallopt: linux
    ? optional<(parameter: number, value: number) => number>('mallopt', 'int', ['int', 'int'])
    : undefined,
  mallocTrim: linux ? optional<(pad: number) => number>('malloc_trim', 'int', ['size_t']) : undefined,
};

/** PROT_READ, MAP_SHARED, and madvise's numbers, the same on Linux and macOS. */
export const map = { protRead: 1, shared: 1, willNeed: 3, dontNeed: 4 } as const;

/**
 * The address of a native function that ignores its arguments and changes nothing (`getpid`), to hand over as a
 * callback: TensorFlow calls deallocators from any thread, and a JavaScript function there would wait for the event
 * loop, which may be waiting for TensorFlow.
 */
export const harmlessFunction: Address = Number(process_.symbol('getpid'));

/** Memory that lives as long as the process, as an ArrayBuffer beside its address. */
export function staticMemory(bytes: number): { at: Address; buffer: ArrayBuffer } {
  const at = libc.calloc(1, bytes);
  return { at, buffer: koffi.view(BigInt(at), bytes) };
}

const interned = new Map<string, Address>();

/** The address of a NUL-terminated copy that lives as long as the process: for the names of ops and attributes. */
export function cString(text: string): Address {
  let at = interned.get(text);
  if (at === undefined) {
    const bytes = Buffer.from(`${text}\0`, 'utf8');
    at = libc.calloc(1, bytes.length);
    libc.copyIn(at, bytes, bytes.length);
    interned.set(text, at);
  }
  return at;
}

/** Loads a library for good: it is never unloaded, because TensorFlow cannot be. Returns what went wrong, if anything. */
export function pinLibrary(path: string): string | undefined {
  const flags = linux ? { now: 2, global: 0x100, noDelete: 0x1000 } : { now: 2, global: 0x8, noDelete: 0x80 };
  const handle = libc.dlopen(path, flags.now | flags.global | flags.noDelete);
  return handle === 0 ? (libc.dlerror() ?? 'unknown error of the dynamic loader') : undefined;
}
