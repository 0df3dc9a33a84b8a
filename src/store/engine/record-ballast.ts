// Ballast in the database: records of noise.
//
// | key           | value                                                   |
// | ------------- | ------------------------------------------------------- |
// | `"ballast"`   | number of chunks there are at most                      |
// | `"ballast:N"` | chunk N: CHUNK_BYTES that can't be compressed           |

import { promisifyRequest } from 'idb-keyval';
import { linuxerr } from '../../abi/errno.ts';
import { type Op, waitFor } from '../../lib/op.ts';
import type { Database } from '../database.ts';
import type { Ballast } from './ballast.ts';

const COUNT_KEY = 'ballast';
const CHUNK_BYTES = 256 * 1024;

export class RecordBallast implements Ballast {
  readonly #database: Database;
  /** Chunks there are; undefined: not read yet. */
  #count: number | undefined;
  /** Chunks that are taken at once: near the end of the quota few of them. */
  #step = Infinity;
  #noise: Uint8Array | undefined;

  constructor(database: Database) {
    this.#database = database;
  }

  get bytes(): number {
    return (this.#count ?? 0) * CHUNK_BYTES;
  }

  get countedBytes(): number {
    return this.bytes;
  }

  committed(): void {
    // IndexedDB counts these records with the others.
  }

  *load(): Op<void> {
    if (this.#count !== undefined) return;
    const count = yield* waitFor(this.#database.records('relaxed')('readonly', countChunks));
    this.#count ??= count;
  }

  *grow(bytes: number): Op<void> {
    yield* this.load();
    for (;;) {
      const missing = Math.ceil((bytes - this.bytes) / CHUNK_BYTES);
      if (missing <= 0) return;
      const step = Math.min(missing, this.#step);
      if (yield* this.#add(step)) this.#step *= 2;
      else if (step === 1) return;
      else this.#step = 1;
    }
  }

  /** False if there is no room for all of them. */
  *#add(chunks: number): Op<boolean> {
    const first = this.#count ?? 0;
    const noise = (this.#noise ??= makeNoise(CHUNK_BYTES));
    const written = this.#database.write('relaxed', (store) => {
      for (let i = first; i < first + chunks; i++) store.put(noise, chunkKey(i));
      store.put(first + chunks, COUNT_KEY);
    });
    try {
      yield* waitFor(written);
    } catch (error) {
      if (error === linuxerr.ENOSPC) return false;
      throw error;
    }
    this.#count = first + chunks;
    return true;
  }

  *drop(bytes: number): Op<boolean> {
    yield* this.load();
    const count = this.#count ?? 0;
    if (count === 0) return false;
    const kept = Math.max(0, count - Math.ceil(bytes / CHUNK_BYTES));
    // Nothing but deletions: a full quota doesn't stop them.
    const written = this.#database.write('relaxed', (store) => {
      for (let i = kept; i < count; i++) store.delete(chunkKey(i));
    });
    yield* waitFor(written);
    this.#count = kept;
    return true;
  }

  *close(): Op<void> {
    // The records stay.
  }
}

function chunkKey(index: number): string {
  return `${COUNT_KEY}:${index}`;
}

async function countChunks(store: IDBObjectStore): Promise<number> {
  const most: unknown = await promisifyRequest(store.get(COUNT_KEY) as IDBRequest<unknown>);
  const requests = Array.from({ length: typeof most === 'number' ? most : 0 }, (_, index) =>
    promisifyRequest(store.count(chunkKey(index))),
  );
  const counts = await Promise.all(requests);
  const end = counts.indexOf(0);
  return end < 0 ? counts.length : end;
}

/** xorshift32: browsers compress what they store. */
function makeNoise(size: number): Uint8Array {
  const words = new Uint32Array(size / 4);
  let state = 0x9e3779b9;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return new Uint8Array(words.buffer);
}
