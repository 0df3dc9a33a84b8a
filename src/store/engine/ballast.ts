// Ballast: what a store on IndexedDB holds of the origin's quota for commits to come. How much is
// left of a quota no browser tells: Chromium's estimate() always leaves 10 GiB. So room that was
// promised is taken beforehand, by records of noise, which go when a commit needs it.
//
// | key           | value                                                   |
// | ------------- | ------------------------------------------------------- |
// | `"ballast"`   | number of chunks there are at most                      |
// | `"ballast:N"` | chunk N: CHUNK_BYTES that can't be compressed           |

import { promisifyRequest } from 'idb-keyval';
import { linuxerr } from '../../abi/errno.ts';
import type { Clock } from '../../lib/clock.ts';
import { type Op, timer, waitFor } from '../../lib/op.ts';
import type { Database } from '../database.ts';

const COUNT_KEY = 'ballast';
const CHUNK_BYTES = 256 * 1024;
/** What was deleted, Chromium cleans up some 20 ms later. Milliseconds. */
export const CLEANUP_MS = 60;

export class Ballast {
  readonly #database: Database;
  readonly #clock: Clock;
  /** Chunks there are; undefined: not read yet. */
  #count: number | undefined;
  /** Chunks that are taken at once: near the end of the quota few of them. */
  #step = Infinity;
  #noise: Uint8Array | undefined;

  constructor(database: Database, clock: Clock) {
    this.#database = database;
    this.#clock = clock;
  }

  /** In bytes, as far as it was read. */
  get bytes(): number {
    return (this.#count ?? 0) * CHUNK_BYTES;
  }

  /** Reads how much there is. Errors: EIO. */
  *load(): Op<void> {
    if (this.#count !== undefined) return;
    const count = yield* waitFor(this.#database.records('relaxed')('readonly', countChunks));
    this.#count ??= count;
  }

  /** Takes more, until there are `bytes` of it or the quota is used up. Errors: EIO. */
  *grow(bytes: number): Op<void> {
    yield* this.load();
    for (;;) {
      const missing = Math.ceil((bytes - this.bytes) / CHUNK_BYTES);
      if (missing <= 0) return;
      const step = Math.min(missing, this.#step);
      if (yield* this.#add(step)) this.#step *= 2;
      else if (step > 1) this.#step = 1;
      else {
        yield* this.settle(CLEANUP_MS);
        if (!(yield* this.#add(1))) return;
      }
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

  /** Gives `bytes` of it back, or all there is. False if there was none. Errors: EIO. */
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

  /**
   * Lets the browser clean up for `ms` milliseconds, and count anew. Chromium counts when a
   * transaction that changes something has been committed and at no other time: if all that follow
   * fail for want of room, it never sees what it has removed since. Errors: EIO.
   */
  *settle(ms: number): Op<void> {
    yield timer(this.#clock, ms);
    // There is no such record: that it is to be deleted is change enough.
    const written = this.#database.write('relaxed', (store) => {
      store.delete(chunkKey(-1));
    });
    try {
      yield* waitFor(written);
    } catch (error) {
      // A browser for which even that is too much has nothing to count.
      if (error !== linuxerr.ENOSPC) throw error;
    }
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
