/** The directory of all operations: makes, finds, lists and removes them. */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { appendEvent } from '../directory/event-log.ts';
import { layoutAt, layoutOf, notFound, operationsDirectory, type Layout } from '../directory/layout.ts';
import { OperationReader } from '../directory/read-operation.ts';
import { checkSameRequest, readRequest, type StoredRequest } from '../directory/request.ts';
import { writeJson } from '../files.ts';
import type { Operation } from '../types.ts';

/** Left-overs of makers and removers that died. */
const leftoverMs = 60 * 60 * 1000;

export class OperationStore {
  readonly #stateDir: string;
  readonly #readers = new Map<string, OperationReader>();

  constructor(stateDir: string) {
    this.#stateDir = stateDir;
    mkdirSync(operationsDirectory(stateDir), { recursive: true });
  }

  layout(id: string): Layout {
    return layoutOf(this.#stateDir, id);
  }

  /** False where the id exists, with the same request; another request is an error. */
  create(stored: StoredRequest): boolean {
    const layout = this.layout(stored.id);
    if (existsSync(layout.request)) return this.#same(layout, stored);
    const temporary = join(operationsDirectory(this.#stateDir), `.new-${randomBytes(6).toString('hex')}`);
    mkdirSync(temporary);
    try {
      const inside = layoutAt(temporary, stored.id);
      writeJson(inside.request, stored);
      appendEvent(inside, { attempt: 0, state: 'QUEUED' });
      renameSync(temporary, layout.directory);
      return true;
    } catch (error) {
      rmSync(temporary, { recursive: true, force: true });
      const code = (error as NodeJS.ErrnoException).code;
      if (code === 'ENOTEMPTY' || code === 'EEXIST') return this.#same(layout, stored);
      throw error;
    }
  }

  exists(id: string): boolean {
    return existsSync(this.layout(id).request);
  }

  read(id: string): Operation {
    const layout = this.layout(id);
    let reader = this.#readers.get(id);
    if (reader === undefined || readRequest(layout).createdAt !== reader.stored.createdAt) {
      reader = new OperationReader(layout);
      this.#readers.set(id, reader);
    }
    return reader.read();
  }

  stored(id: string): StoredRequest {
    return readRequest(this.layout(id));
  }

  /** All that are whole; what disappears meanwhile is left out. */
  readAll(): Operation[] {
    return this.ids().flatMap((id) => {
      try {
        return [this.read(id)];
      } catch {
        return [];
      }
    });
  }

  ids(): string[] {
    const directory = operationsDirectory(this.#stateDir);
    const ids: string[] = [];
    for (const entry of readdirSync(directory, { withFileTypes: true })) {
      if (!entry.isDirectory()) continue;
      if (!entry.name.startsWith('.')) ids.push(entry.name);
      else this.#sweep(join(directory, entry.name));
    }
    return ids;
  }

  /** Gone at once for every reader, then removed. */
  remove(id: string): void {
    const layout = this.layout(id);
    const grave = join(operationsDirectory(this.#stateDir), `.deleted-${randomBytes(6).toString('hex')}`);
    this.#readers.delete(id);
    try {
      renameSync(layout.directory, grave);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw notFound(id);
      throw error;
    }
    rmSync(grave, { recursive: true, force: true });
  }

  #same(layout: Layout, stored: StoredRequest): false {
    checkSameRequest(readRequest(layout), stored.digest);
    return false;
  }

  #sweep(path: string): void {
    try {
      if (Date.now() - statSync(path).mtimeMs > leftoverMs) rmSync(path, { recursive: true, force: true });
    } catch {
      // Another replica was faster.
    }
  }
}
