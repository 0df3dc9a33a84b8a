// ChunkCache: the bound on file data in memory. Chunks that are the same in the store can go; which
// one goes is decided by a clock (second chance). What is dirty or being committed stays: the
// write-back limits that.

import { Arena } from '../../lib/arena.ts';
import type { Chunk } from './file-data.ts';
import type { CachedData } from './cached-data.ts';
import type { LargeWrites } from './large-writes.ts';

/** What a chunk takes besides its bytes, roughly: a hole takes that, too. */
const CHUNK_OVERHEAD = 256;

export class ChunkCache {
  /** Undefined: the store goes on using what it was given. */
  readonly largeWrites: LargeWrites | undefined;
  /** In bytes. */
  readonly limit: number;
  /** For small parts of chunks. */
  readonly arena = new Arena();
  readonly #owners = new Map<Chunk, CachedData>();
  #bytes = 0;

  constructor(limit: number, largeWrites?: LargeWrites) {
    this.limit = limit;
    this.largeWrites = largeWrites;
  }

  /** Bytes of all chunks in memory. */
  get bytes(): number {
    return this.#bytes;
  }

  add(chunk: Chunk, owner: CachedData): void {
    this.#owners.set(chunk, owner);
    this.#bytes += chunk.bytes.length + CHUNK_OVERHEAD;
  }

  remove(chunk: Chunk): void {
    if (this.#owners.delete(chunk)) this.#bytes -= chunk.bytes.length + CHUNK_OVERHEAD;
  }

  resized(byBytes: number): void {
    this.#bytes += byBytes;
  }

  /**
   * Drops clean chunks until the limit is kept, or none is left that could go. Called before a
   * chunk is loaded and after a commit, when no chunk is about to be changed.
   */
  evict(): void {
    if (this.#bytes <= this.limit) return;
    let steps = this.#owners.size * 2;
    for (const [chunk, owner] of this.#owners) {
      if (this.#bytes <= this.limit || steps-- <= 0) return;
      const isPinned = chunk.dirty !== 0 || chunk.committing !== 0;
      if (!isPinned && !chunk.isReferenced) {
        owner.evict(chunk);
        continue;
      }
      // To the other end: the hand comes back after all others.
      chunk.isReferenced = false;
      // Its neighbours in memory have had their chance by now, too.
      if (!isPinned && chunk.wasPassed) owner.separate(chunk);
      chunk.wasPassed = true;
      this.#owners.delete(chunk);
      this.#owners.set(chunk, owner);
    }
  }
}
