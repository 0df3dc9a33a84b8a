// FileData: the bytes of a regular file in memory, sparse, in chunks of 32 KiB made of 4 KiB
// blocks. Linux: mm/filemap.c (struct address_space), mm/shmem.c.
//
// A block is either written or a hole; holes read as zeros. For a filesystem without a store every
// chunk that isn't here is a hole. With one, a chunk below `storedChunks` that isn't here has to be
// looked up before anything is done with it: then it is known which of its blocks are data. Those
// of them that were not loaded are absent: they have to be before they are read or partly written.
// Nothing in this file waits.

import { assert } from '../../lib/assert.ts';
import { ChunkTable } from './chunk-table.ts';

export const BLOCK_SIZE = 4096;
export const CHUNK_SIZE = 32768;
export const BLOCKS_PER_CHUNK = CHUNK_SIZE / BLOCK_SIZE;
const ALL_BLOCKS = 2 ** BLOCKS_PER_CHUNK - 1;
const CAPACITY_MIN = 512;

export class Chunk {
  readonly index: number;
  /** Grows up to CHUNK_SIZE; what of the chunk isn't in it and not absent is zeros. */
  bytes: Uint8Array = EMPTY;
  /** Where `bytes` begins, from the start of the chunk. Not 0: a part of it was loaded. */
  base = 0;
  /** The bytes are a commit's or the store's, too: they are copied before they change. */
  isShared = false;
  /** Bit n: block n is data. */
  written = 0;
  /** Bit n: block n is data that only the store has. */
  absent = 0;
  /** Bit n: block n differs from the store. */
  dirty = 0;
  /** What the dirty blocks were counted as last, in bytes. */
  dirtyBytes = 0;
  /** Bit n: block n is being committed. */
  committing = 0;
  /** Used since the cache's clock hand last passed. */
  isReferenced = true;
  /** It was when the hand passed first. */
  wasPassed = false;
  /** Who reads this may want what follows it. */
  isMark = false;

  constructor(index: number) {
    this.index = index;
  }
}

const EMPTY = new Uint8Array(0);

/** Bytes as a store has them; the last block may be cut short: the rest of it is zeros. */
export interface LoadedRun {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

export class FileData {
  readonly chunks = new ChunkTable<Chunk>();
  /** Chunks from here on are in memory or holes. */
  storedChunks = 0;
  /** Number of written blocks, in memory or not. */
  blockCount = 0;
  /** Some may lie behind the end of the file: fallocate() puts them there. */
  mayReachBehindEnd = false;

  /**
   * The first chunk overlapping [from, to) of which something must be loaded, or -1.
   * `isOverwritten`: all of the range will be, or becomes a hole; then the bytes are needed only of
   * blocks at its ends that stay in part, and of the others whether they are data.
   */
  firstMissing(from: number, to: number, isOverwritten = false): number {
    if (this.storedChunks === 0) return -1;
    const end = Math.min(this.storedChunks, Math.ceil(to / CHUNK_SIZE));
    for (let index = Math.floor(from / CHUNK_SIZE); index < end; index++) {
      const chunk = this.chunks.get(index);
      if (chunk === undefined) return index;
      if (chunk.absent === 0) continue;
      if ((chunk.absent & blocksNeeded(index, { from, to, isOverwritten })) !== 0) return index;
    }
    return -1;
  }

  /**
   * Copies [offset, offset + length) to the start of `target`. Nothing in the range may be missing.
   */
  read(target: Uint8Array, offset: number, length: number): void {
    let mark: Chunk | undefined;
    let done = 0;
    while (done < length) {
      const position = offset + done;
      const index = Math.floor(position / CHUNK_SIZE);
      const at = position - index * CHUNK_SIZE;
      const count = Math.min(CHUNK_SIZE - at, length - done);
      const chunk = this.chunks.get(index);
      if (chunk !== undefined && at < chunk.base) this.#rebase(chunk);
      const start = chunk === undefined ? 0 : at - chunk.base;
      const available = chunk === undefined ? 0 : Math.min(count, chunk.bytes.length - start);
      if (chunk !== undefined && available > 0) {
        chunk.isReferenced = true;
        if (chunk.isMark) mark = chunk;
        target.set(chunk.bytes.subarray(start, start + available), done);
      }
      if (available < count) target.fill(0, done + Math.max(0, available), done + count);
      done += count;
    }
    // Only now: others may have to go for what is loaded then.
    if (mark !== undefined) this.onMarkRead(mark);
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

  /** Writes bytes at `offset`. Nothing may be missing to overwrite the range. */
  write(source: Uint8Array, offset: number): void {
    let done = 0;
    while (done < source.length) {
      const position = offset + done;
      const index = Math.floor(position / CHUNK_SIZE);
      const at = position - index * CHUNK_SIZE;
      const wholeBytes = Math.floor((source.length - done) / CHUNK_SIZE) * CHUNK_SIZE;
      if (at === 0 && wholeBytes > CHUNK_SIZE) {
        this.#writeChunks(index, this.copyOfChunks(source.subarray(done, done + wholeBytes)));
        done += wholeBytes;
        continue;
      }
      const count = Math.min(CHUNK_SIZE - at, source.length - done);
      const chunk = this.#chunkToChange(index);
      const mask = blockMask(at, at + count);
      if (at === 0 && count >= chunk.base + chunk.bytes.length) {
        // Nothing of what there was stays.
        this.#replaceBytes(chunk, this.copyOf(source, done, done + count));
      } else {
        this.#prepare(chunk, at + count);
        chunk.bytes.set(count === source.length ? source : source.subarray(done, done + count), at);
      }
      this.#noteWritten(chunk, mask);
      done += count;
    }
  }

  /** A copy of `source`, to be that of several chunks. */
  protected copyOfChunks(source: Uint8Array): Uint8Array {
    return source.slice();
  }

  /** A copy of bytes [from, to) of `source`, to be a chunk's. */
  protected copyOf(source: Uint8Array, from: number, to: number): Uint8Array {
    return source.slice(from, to);
  }

  /** Replaces whole chunks by bytes that lie together in memory: they may be committed as such. */
  #writeChunks(first: number, bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += CHUNK_SIZE) {
      const chunk = this.#chunkToChange(first + at / CHUNK_SIZE);
      this.#replaceBytes(chunk, bytes.subarray(at, at + CHUNK_SIZE));
      this.#noteWritten(chunk, ALL_BLOCKS);
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
      if ((mask & ~written) !== 0) this.#allocateIn(this.#chunkToChange(index), at, mask);
      position = end;
    }
  }

  #allocateIn(chunk: Chunk, at: number, mask: number): void {
    this.#prepare(chunk, Math.min(at + 1, CHUNK_SIZE));
    this.#noteWritten(chunk, mask);
  }

  #chunkToChange(index: number): Chunk {
    let chunk = this.chunks.get(index);
    if (chunk === undefined) {
      assert(index >= this.storedChunks, 'write to a chunk that is not loaded');
      chunk = new Chunk(index);
      this.chunks.add(chunk);
      this.onAdded(chunk);
    }
    chunk.isReferenced = true;
    return chunk;
  }

  /** The bytes may be changed in place from here on, up to `to`. */
  #prepare(chunk: Chunk, to: number): void {
    const size = chunk.base + chunk.bytes.length;
    if (size < to) this.#resize(chunk, capacityFor(to));
    else if (chunk.base !== 0) this.#rebase(chunk);
    else if (chunk.isShared) this.#replaceBytes(chunk, chunk.bytes.slice());
  }

  #replaceBytes(chunk: Chunk, bytes: Uint8Array): void {
    const grown = bytes.length - chunk.bytes.length;
    chunk.bytes = bytes;
    chunk.base = 0;
    chunk.isShared = false;
    if (grown !== 0) this.onResized(chunk, grown);
  }

  #noteWritten(chunk: Chunk, mask: number): void {
    chunk.absent &= ~mask;
    this.blockCount += popCount(mask & ~chunk.written);
    chunk.written |= mask;
    chunk.dirty |= mask;
    this.onDirtied(chunk);
  }

  #resize(chunk: Chunk, capacity: number): void {
    const bytes = new Uint8Array(capacity);
    bytes.set(chunk.bytes, chunk.base);
    this.#replaceBytes(chunk, bytes);
  }

  /** The bytes begin where the chunk does from here on. */
  #rebase(chunk: Chunk): void {
    this.#resize(chunk, chunk.base + chunk.bytes.length);
  }

  /** Number of written blocks in the chunks in memory from `first` on. */
  countFrom(first: number): number {
    let count = 0;
    for (const { index, written } of this.chunks.values()) {
      if (index >= first) count += popCount(written);
    }
    return count;
  }

  /**
   * Drops everything from `size` on. The chunk that `size` cuts must not be missing. `inDropped`:
   * the number of written blocks in the chunks behind that one, in memory or not. Returns by how
   * much blockCount fell.
   */
  truncate(size: number, inDropped: number): number {
    const before = this.blockCount;
    const keep = Math.ceil(size / CHUNK_SIZE);
    for (const chunk of this.chunks.values()) {
      if (chunk.index < keep) continue;
      this.chunks.delete(chunk.index);
      this.onRemoved(chunk);
    }
    this.storedChunks = Math.min(this.storedChunks, keep);
    this.blockCount -= inDropped;
    const at = size - (keep - 1) * CHUNK_SIZE;
    const last = keep > 0 && at < CHUNK_SIZE ? this.chunks.get(keep - 1) : undefined;
    if (last !== undefined) this.blockCount -= this.#cut(last, at);
    this.mayReachBehindEnd = false;
    return before - this.blockCount;
  }

  /**
   * Zeros a chunk from `at` on; blocks wholly behind it become holes. What it cuts isn't absent.
   */
  #cut(chunk: Chunk, at: number): number {
    const kept = blockMask(0, at);
    const dropped = popCount(chunk.written & ~kept);
    chunk.written &= kept;
    chunk.absent &= kept;
    chunk.dirty &= kept;
    this.onDirtied(chunk);
    if (chunk.base + chunk.bytes.length > at) {
      this.#prepare(chunk, at);
      const lastBlock = 1 << Math.floor(at / BLOCK_SIZE);
      const isPartial = at % BLOCK_SIZE !== 0 && (chunk.written & lastBlock) !== 0;
      if (isPartial) this.#allocateIn(chunk, at, lastBlock);
      chunk.bytes.fill(0, at);
    }
    return dropped;
  }

  /** Puts what was loaded of a chunk's absent blocks: runs of the file. */
  protected fill(chunk: Chunk, runs: readonly LoadedRun[]): void {
    const start = chunk.index * CHUNK_SIZE;
    const [only] = runs;
    if (runs.length === 1 && only !== undefined && chunk.bytes.length === 0) {
      this.#replaceBytes(chunk, only.bytes);
      chunk.base = only.offset - start;
      chunk.isShared = true;
      chunk.absent &= ~blocksWithin(chunk.index, only.offset, only.offset + only.bytes.length);
      return;
    }
    const ends = runs.map(({ offset, bytes }) => offset + bytes.length - start);
    // Where some is filled in later, the rest may be, too.
    const isLater = chunk.bytes.length > 0;
    if (runs.length > 0) this.#prepare(chunk, isLater ? CHUNK_SIZE : Math.max(...ends));
    for (const { offset, bytes } of runs) {
      for (let at = 0; at < bytes.length; at += BLOCK_SIZE) {
        const block = (offset + at - start) / BLOCK_SIZE;
        if ((chunk.absent & (1 << block)) === 0) continue;
        chunk.bytes.set(bytes.subarray(at, at + BLOCK_SIZE), offset + at - start);
        chunk.absent &= ~(1 << block);
      }
    }
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
    chunk.written &= ~mask;
    chunk.absent &= ~mask;
    chunk.dirty &= ~mask;
    this.onDirtied(chunk);
    this.#prepare(chunk, 0);
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

  protected onMarkRead(_chunk: Chunk): void {
    // Everything is here.
  }

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

  /** Other blocks of a chunk may be dirty than before, or more in them. */
  protected onDirtied(_chunk: Chunk): void {
    // Nothing to write back.
  }
}

function capacityFor(bytes: number): number {
  let capacity = CAPACITY_MIN;
  while (capacity < bytes) capacity *= 2;
  return capacity;
}

/** Blocks of chunk `index` that [from, to) of the file touches. */
export function blocksWithin(index: number, from: number, to: number): number {
  const start = index * CHUNK_SIZE;
  return blockMask(Math.max(0, from - start), Math.min(CHUNK_SIZE, to - start));
}

/** A range of a file's data, in bytes, and what for. */
export interface Need {
  readonly from: number;
  readonly to: number;
  /** As in FileData.firstMissing(). */
  readonly isOverwritten: boolean;
}

/** Blocks of chunk `index` whose bytes are needed. */
export function blocksNeeded(index: number, { from, to, isOverwritten }: Need): number {
  const touched = blocksWithin(index, from, to);
  if (!isOverwritten) return touched;
  const wholeFrom = Math.ceil(from / BLOCK_SIZE) * BLOCK_SIZE;
  const wholeTo = Math.floor(to / BLOCK_SIZE) * BLOCK_SIZE;
  return touched & ~blocksWithin(index, wholeFrom, wholeTo);
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
