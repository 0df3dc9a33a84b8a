// FileData: the bytes of a regular file in memory, sparse, in chunks of 32 KiB made of 4 KiB
// blocks. Linux: mm/filemap.c (struct address_space), mm/shmem.c.
//
// A block is either written or a hole; holes read as zeros. For a filesystem without a store every
// absent chunk is a hole. With one, absent chunks below `storedChunks` have to be loaded before
// they can be read or partly written. Nothing in this file waits.

import { assert } from '../../lib/assert.ts';

export const BLOCK_SIZE = 4096;
export const CHUNK_SIZE = 32768;
const BLOCKS_PER_CHUNK = CHUNK_SIZE / BLOCK_SIZE;
const CAPACITY_MIN = 512;

export class Chunk {
  readonly index: number;
  /** Grows up to CHUNK_SIZE; what lies beyond it within the chunk is zeros. */
  bytes: Uint8Array<ArrayBuffer> = EMPTY;
  /** Bit n: block n is data. */
  written = 0;
  /** Bit n: block n differs from the store. */
  dirty = 0;
  /** Bit n: block n is being committed; the bytes are copied before they change again. */
  committing = 0;
  /** Used since the cache's clock hand last passed. */
  isReferenced = true;

  constructor(index: number) {
    this.index = index;
  }
}

const EMPTY = new Uint8Array(0);

export class FileData {
  readonly chunks = new Map<number, Chunk>();
  /** Chunks from here on are in memory or holes. */
  storedChunks = 0;
  /** Number of written blocks, in memory or not. */
  blockCount = 0;

  /**
   * The first chunk overlapping [from, to) that must be loaded, or -1. Also before it is wholly
   * overwritten: which of its blocks are holes decides blockCount.
   */
  firstMissing(from: number, to: number): number {
    if (this.storedChunks === 0) return -1;
    const end = Math.min(this.storedChunks, Math.ceil(to / CHUNK_SIZE));
    for (let index = Math.floor(from / CHUNK_SIZE); index < end; index++) {
      if (!this.chunks.has(index)) return index;
    }
    return -1;
  }

  /**
   * Copies [offset, offset + length) to the start of `target`. Nothing in the range may be missing.
   */
  read(target: Uint8Array, offset: number, length: number): void {
    let done = 0;
    while (done < length) {
      const position = offset + done;
      const index = Math.floor(position / CHUNK_SIZE);
      const at = position - index * CHUNK_SIZE;
      const count = Math.min(CHUNK_SIZE - at, length - done);
      const chunk = this.chunks.get(index);
      const available = chunk === undefined ? 0 : Math.min(count, chunk.bytes.length - at);
      if (chunk !== undefined && available > 0) {
        chunk.isReferenced = true;
        target.set(chunk.bytes.subarray(at, at + available), done);
      }
      if (available < count) target.fill(0, done + Math.max(0, available), done + count);
      done += count;
    }
  }

  /**
   * Number of holes among the blocks that [from, to) touches. Nothing in the range may be missing.
   */
  countHoles(from: number, to: number): number {
    let count = 0;
    for (let position = from; position < to;) {
      const index = Math.floor(position / CHUNK_SIZE);
      const end = Math.min(to, (index + 1) * CHUNK_SIZE);
      const mask = blockMask(position - index * CHUNK_SIZE, end - index * CHUNK_SIZE);
      count += popCount(mask & ~(this.chunks.get(index)?.written ?? 0));
      position = end;
    }
    return count;
  }

  /** Does writing the block at `offset` take another one? It must not be missing. */
  takesBlock(offset: number): boolean {
    return !this.isWritten(offset);
  }

  /** Number of blocks that writing [from, to) takes. Nothing in the range may be missing. */
  countTaken(from: number, to: number): number {
    return this.countHoles(from, to);
  }

  /** Writes bytes at `offset`. Nothing in the range may be missing. */
  write(source: Uint8Array, offset: number): void {
    let done = 0;
    while (done < source.length) {
      const position = offset + done;
      const index = Math.floor(position / CHUNK_SIZE);
      const at = position - index * CHUNK_SIZE;
      const count = Math.min(CHUNK_SIZE - at, source.length - done);
      const chunk = this.#chunkForWrite(index, at, at + count);
      chunk.bytes.set(count === source.length ? source : source.subarray(done, done + count), at);
      done += count;
    }
  }

  /** Makes the holes in [from, to) data, all zeros. Nothing in the range may be missing. */
  allocate(from: number, to: number): void {
    for (let position = from; position < to;) {
      const index = Math.floor(position / CHUNK_SIZE);
      const end = Math.min(to, (index + 1) * CHUNK_SIZE);
      const at = position - index * CHUNK_SIZE;
      const mask = blockMask(at, end - index * CHUNK_SIZE);
      const written = this.chunks.get(index)?.written ?? 0;
      if ((mask & ~written) !== 0)
        this.#chunkForWrite(index, at, Math.min(at + 1, CHUNK_SIZE), mask);
      position = end;
    }
  }

  #chunkForWrite(index: number, from: number, to: number, mask = blockMask(from, to)): Chunk {
    let chunk = this.chunks.get(index);
    if (chunk === undefined) {
      assert(index >= this.storedChunks, 'write to a chunk that is not loaded');
      chunk = new Chunk(index);
      this.chunks.set(index, chunk);
      this.onAdded(chunk);
    }
    chunk.isReferenced = true;
    if ((chunk.committing & mask) !== 0) {
      // The commit keeps the old bytes: what it writes must not change under it.
      chunk.bytes = chunk.bytes.slice();
      chunk.committing = 0;
    }
    if (chunk.bytes.length < to) this.#resize(chunk, capacityFor(to));
    this.blockCount += popCount(mask & ~chunk.written);
    chunk.written |= mask;
    if ((mask & ~chunk.dirty) !== 0) {
      const added = mask & ~chunk.dirty;
      chunk.dirty |= mask;
      this.onDirty(chunk, popCount(added));
    }
    return chunk;
  }

  #resize(chunk: Chunk, capacity: number): void {
    const bytes = new Uint8Array(capacity);
    bytes.set(capacity < chunk.bytes.length ? chunk.bytes.subarray(0, capacity) : chunk.bytes);
    this.onResized(chunk, capacity - chunk.bytes.length);
    chunk.bytes = bytes;
  }

  /**
   * Drops everything from `size` on. The chunk that `size` cuts must not be missing. Returns by how
   * much blockCount fell. Blocks of dropped chunks that are not in memory are counted as if the
   * rest of the file had no holes.
   */
  truncate(size: number): number {
    const before = this.blockCount;
    const keep = Math.ceil(size / CHUNK_SIZE);
    let dropped = 0;
    for (const chunk of this.chunks.values()) if (chunk.index >= keep) dropped += this.#drop(chunk);
    this.storedChunks = Math.min(this.storedChunks, keep);
    const at = size - (keep - 1) * CHUNK_SIZE;
    const last = keep > 0 && at < CHUNK_SIZE ? this.chunks.get(keep - 1) : undefined;
    if (last !== undefined) dropped += this.#cut(last, at);
    this.blockCount = Math.min(before - dropped, Math.ceil(size / BLOCK_SIZE));
    return before - this.blockCount;
  }

  #drop(chunk: Chunk): number {
    this.chunks.delete(chunk.index);
    this.onRemoved(chunk);
    return popCount(chunk.written);
  }

  /** Zeros a chunk from `at` on; blocks wholly behind it become holes. */
  #cut(chunk: Chunk, at: number): number {
    const kept = blockMask(0, at);
    const dropped = popCount(chunk.written & ~kept);
    chunk.written &= kept;
    const lostDirty = chunk.dirty & ~kept;
    chunk.dirty &= kept;
    if (lostDirty !== 0) this.onClean(chunk, popCount(lostDirty));
    if (chunk.bytes.length > at) {
      // What a commit writes must not change under it, and it may write what is cut off here.
      if (chunk.committing !== 0) chunk.bytes = chunk.bytes.slice();
      const lastBlock = 1 << Math.floor(at / BLOCK_SIZE);
      const isPartial = at % BLOCK_SIZE !== 0 && (chunk.written & lastBlock) !== 0;
      if (isPartial) this.#chunkForWrite(chunk.index, at, at + 1);
      chunk.bytes.fill(0, at);
    }
    return dropped;
  }

  /**
   * Makes whole blocks of one chunk holes. The chunk must not be missing. Returns how many were
   * data.
   */
  punch(from: number, to: number): number {
    const index = Math.floor(from / CHUNK_SIZE);
    const chunk = this.chunks.get(index);
    if (chunk === undefined) return 0;
    const start = index * CHUNK_SIZE;
    const mask = blockMask(from - start, to - start);
    const dropped = popCount(chunk.written & mask);
    const lostDirty = chunk.dirty & mask;
    chunk.written &= ~mask;
    chunk.dirty &= ~mask;
    if (lostDirty !== 0) this.onClean(chunk, popCount(lostDirty));
    // What a commit writes must not change under it.
    if ((chunk.committing & mask) !== 0) chunk.bytes = chunk.bytes.slice();
    chunk.bytes.fill(0, from - start, to - start);
    this.blockCount -= dropped;
    if (dropped > 0) this.onPunched(from, to);
    return dropped;
  }

  /** Is the block at `offset` data? It must not be missing. */
  isWritten(offset: number): boolean {
    const index = Math.floor(offset / CHUNK_SIZE);
    const chunk = this.chunks.get(index);
    if (chunk === undefined) return false;
    return (chunk.written & (1 << Math.floor((offset - index * CHUNK_SIZE) / BLOCK_SIZE))) !== 0;
  }

  /**
   * Where the first written block of a chunk at or after `from` starts; Infinity if there is none.
   */
  firstWrittenIn(chunk: Chunk, from: number): number {
    const start = chunk.index * CHUNK_SIZE;
    for (let block = 0; block < BLOCKS_PER_CHUNK; block++) {
      const position = start + block * BLOCK_SIZE;
      if (position + BLOCK_SIZE > from && (chunk.written & (1 << block)) !== 0) return position;
    }
    return Infinity;
  }

  // What a filesystem with a store or a size limit wants to know.

  protected onAdded(_chunk: Chunk): void {
    // Nothing to account for.
  }

  protected onRemoved(_chunk: Chunk): void {
    // Nothing to account for.
  }

  protected onResized(_chunk: Chunk, _byBytes: number): void {
    // Nothing to account for.
  }

  protected onPunched(_from: number, _to: number): void {
    // Nothing keeps the old bytes.
  }

  protected onDirty(_chunk: Chunk, _blocks: number): void {
    // Nothing to write back.
  }

  protected onClean(_chunk: Chunk, _blocks: number): void {
    // Nothing to write back.
  }
}

function capacityFor(bytes: number): number {
  let capacity = CAPACITY_MIN;
  while (capacity < bytes) capacity *= 2;
  return capacity;
}

/** The blocks that [from, to) of a chunk touches. */
function blockMask(from: number, to: number): number {
  if (to <= from) return 0;
  const first = Math.floor(from / BLOCK_SIZE);
  const last = Math.floor((to - 1) / BLOCK_SIZE);
  return ((2 << last) - 1) & ~((1 << first) - 1);
}

export function popCount(mask: number): number {
  let count = 0;
  for (let bit = 0; bit < BLOCKS_PER_CHUNK; bit++) count += (mask >> bit) & 1;
  return count;
}
