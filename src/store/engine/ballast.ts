// Ballast: what a store on IndexedDB holds of the origin's quota for commits to come. How much is
// left of a quota no browser tells: Chromium's estimate() always leaves 10 GiB. So room that was
// promised is taken beforehand, by records of noise, which go when a commit needs it.
//
// | key           | value                                                   |
// | ------------- | ------------------------------------------------------- |
// | `"ballast"`   | number of chunks                                        |
// | `"ballast:N"` | chunk N: CHUNK_BYTES that can't be compressed           |

import { promisifyRequest } from 'idb-keyval';
import { linuxerr } from '../../abi/errno.ts';
import { type Op, waitFor } from '../../lib/op.ts';
import type { Database } from '../database.ts';

const COUNT_KEY = 'ballast';
const CHUNK_BYTES = 256 * 1024;

export class Ballast {
  readonly #database: Database;
  /** Chunks there are; undefined: not read yet. */
  #count: number | undefined;
  #noise: Uint8Array | undefined;

  constructor(database: Database) {
    this.#database = database;
  }

  /** In bytes, as far as it was read. */
  get bytes(): number {
    return (this.#count ?? 0) * CHUNK_BYTES;
  }

  /** Reads how much there is. Errors: EIO. */
  *load(): Op<void> {
    if (this.#count !== undefined) return;
    const count: unknown = yield* waitFor(
      this.#database.records('relaxed')('readonly', (store) =>
        promisifyRequest(store.get(COUNT_KEY) as IDBRequest<unknown>),
      ),
    );
    this.#count ??= typeof count === 'number' ? count : 0;
  }

  /** Takes more, until there are `bytes` of it or the quota is used up. Errors: EIO. */
  *grow(bytes: number): Op<void> {
    yield* this.load();
    const missing = Math.ceil((bytes - this.bytes) / CHUNK_BYTES);
    if (missing <= 0 || (yield* this.#add(missing))) return;
    for (let i = 0; i < missing - 1; i++) if (!(yield* this.#add(1))) return;
  }

  /** False if there is no room for all of them. */
  *#add(chunks: number): Op<boolean> {
    const first = this.#count ?? 0;
    const noise = (this.#noise ??= makeNoise(CHUNK_BYTES));
    const written = this.#database.write('relaxed', (store) => {
      for (let i = first; i < first + chunks; i++) store.put(noise, `${COUNT_KEY}:${i}`);
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

  /** Gives all of it back. False if there was none. Errors: EIO. */
  *drop(): Op<boolean> {
    yield* this.load();
    const count = this.#count ?? 0;
    if (count === 0) return false;
    // Nothing but deletions: a full quota doesn't stop them.
    const written = this.#database.write('relaxed', (store) => {
      for (let i = 0; i < count; i++) store.delete(`${COUNT_KEY}:${i}`);
      store.delete(COUNT_KEY);
    });
    yield* waitFor(written);
    this.#count = 0;
    return true;
  }
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
