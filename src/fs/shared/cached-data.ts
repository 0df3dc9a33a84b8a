// CachedData: a file's data that is kept elsewhere, in a store or at a server.

import { BLOCK_SIZE, Chunk, CHUNK_SIZE, FileData, popCount } from './file-data.ts';
import type { WaitQueue } from '../../lib/op.ts';
import type { ChunkCache } from './chunk-cache.ts';
import type { StoredRun } from './stored-runs.ts';

/** What the write-back keeps account of. */
export interface DirtyTracker {
  dataCut(ino: number, from: number): void;
  /** Whole blocks became holes. */
  dataPunched(ino: number, from: number, to: number): void;
  /** So many bytes more are to be written, or less. */
  dataDirtied(data: CachedData, byBytes: number): void;
}

/** Of larger files several chunks share what is noted of their blocks: 4 GiB. */
const NOTED_CHUNKS_MAX = 131_072;

/** Small files share memory: making some for each takes longer than filling it. In bytes. */
const SMALL_FILE_MAX = 2048;

/** What the store has of a chunk. */
interface StoredChunk {
  /** Bit n: block n is data. */
  readonly written: number;
  readonly runs: readonly StoredRun[];
}

export class CachedData extends FileData {
  readonly ino: number;
  /** Changes whenever what the store holds may no longer be what the file holds. */
  generation = 0;
  /** The chunk loaded last: a load of the next one reads ahead. */
  lastLoaded = -1;
  /** How many were loaded with it, if the file is read from front to back. */
  window = 0;
  /** Where the last read past the cache ended. */
  lastPast = -1;
  #readOnce: Uint8Array | undefined;
  /** Loads what follows a chunk that was marked. */
  readAhead: (() => void) | undefined;
  #loading: Map<number, WaitQueue> | undefined;
  readonly #cache: ChunkCache;
  readonly #tracker: DirtyTracker;

  constructor(ino: number, cache: ChunkCache, tracker: DirtyTracker) {
    super();
    this.ino = ino;
    this.#cache = cache;
    this.#tracker = tracker;
  }

  /** Loads under way, by chunk index. */
  get loading(): Map<number, WaitQueue> {
    return (this.#loading ??= new Map());
  }

  /**
   * Is any of a chunk's blocks to be read for the first time, as far as is known? From now on none
   * is.
   */
  noteRead(chunk: number, blocks: number): boolean {
    if (this.#readOnce === undefined) {
      let size = 1;
      while (size < this.storedChunks && size < NOTED_CHUNKS_MAX) size *= 2;
      this.#readOnce = new Uint8Array(size);
    }
    const at = chunk % this.#readOnce.length;
    const before = this.#readOnce[at] ?? 0;
    this.#readOnce[at] = before | blocks;
    return (blocks & ~before) !== 0;
  }

  override truncate(size: number, inDropped: number): number {
    this.generation++;
    this.#tracker.dataCut(this.ino, size);
    return super.truncate(size, inDropped);
  }

  // Nothing is overwritten in place: what the next commit has to write takes room.

  override takesBlock(offset: number): boolean {
    const index = Math.floor(offset / CHUNK_SIZE);
    const block = Math.floor((offset - index * CHUNK_SIZE) / BLOCK_SIZE);
    const chunk = this.chunks.get(index);
    if (chunk === undefined || (chunk.dirty & (1 << block)) === 0) return true;
    // What counts as less than a block may become one.
    return chunk.dirtyBytes < BLOCK_SIZE;
  }

  override countTaken(from: number, to: number): number {
    const first = Math.floor(from / BLOCK_SIZE) * BLOCK_SIZE;
    let count = 0;
    for (let at = first; at < to; at += BLOCK_SIZE) if (this.takesBlock(at)) count++;
    return count;
  }

  protected override onPunched(from: number, to: number): void {
    this.generation++;
    this.#tracker.dataPunched(this.ino, from, to);
  }

  /** Forgets a clean chunk: the store has it. */
  evict(chunk: Chunk): void {
    this.chunks.delete(chunk.index);
    this.#cache.remove(chunk);
    this.#cache.largeWrites?.giveUp(chunk.bytes);
  }

  /** Forgets everything in memory, committed or not. */
  drop(): void {
    for (const chunk of this.chunks.values()) this.onRemoved(chunk);
    this.chunks.clear();
  }

  /**
   * What the store has of a chunk: which blocks are data, and runs of those that were loaded. Runs
   * that don't fill the whole of their memory are copied if they outlive their neighbours there.
   */
  insertStored(index: number, { written, runs }: StoredChunk): void {
    const chunk = this.#chunkWith(index, written);
    if (chunk.absent !== 0) this.fill(chunk, runs);
  }

  /** The same, of runs whose bytes will be others soon. */
  insertCopied(index: number, { written, runs }: StoredChunk): void {
    const chunk = this.#chunkWith(index, written);
    if (chunk.absent === 0) return;
    const [only] = runs;
    if (runs.length === 1 && only !== undefined && chunk.bytes.length === 0) {
      const bytes = this.#cache.arena.take(only.bytes.length);
      bytes.set(only.bytes);
      this.fill(chunk, [{ offset: only.offset, bytes }]);
    } else this.fill(chunk, runs);
  }

  /** The chunk in memory, or one of which nothing is there. */
  #chunkWith(index: number, written: number): Chunk {
    const here = this.chunks.get(index);
    if (here !== undefined) return here;
    const chunk = new Chunk(index);
    chunk.written = chunk.absent = written;
    this.chunks.add(chunk);
    this.onAdded(chunk);
    return chunk;
  }

  /** Forgets the rest of the memory that a chunk's bytes are a part of. */
  separate(chunk: Chunk): void {
    if (!isPartOfMore(chunk.bytes)) return;
    chunk.bytes = chunk.bytes.slice();
    chunk.isShared = false;
  }

  /** The blocks of `mask` as runs for the store. The bytes are not copied. */
  runsOf(chunk: Chunk, mask: number): StoredRun[] {
    const runs: StoredRun[] = [];
    const blocks = CHUNK_SIZE / BLOCK_SIZE;
    for (let block = 0; block < blocks; block++) {
      if ((mask & (1 << block)) === 0) continue;
      let end = block + 1;
      while (end < blocks && (mask & (1 << end)) !== 0) end++;
      runs.push(runOf(chunk, block, end));
      block = end;
    }
    return runs;
  }

  protected override copyOfChunks(source: Uint8Array): Uint8Array {
    return this.#cache.largeWrites?.copyOf(source) ?? super.copyOfChunks(source);
  }

  protected override copyOf(source: Uint8Array, from: number, to: number): Uint8Array {
    if (to - from > SMALL_FILE_MAX) return source.slice(from, to);
    const bytes = this.#cache.arena.take(to - from);
    bytes.set(to - from === source.length ? source : source.subarray(from, to));
    return bytes;
  }

  protected override onMarkRead(chunk: Chunk): void {
    chunk.isMark = false;
    this.readAhead?.();
  }

  protected override onAdded(chunk: Chunk): void {
    this.#cache.add(chunk, this);
  }

  protected override onRemoved(chunk: Chunk): void {
    this.#cache.remove(chunk);
    this.#count(chunk, 0);
  }

  protected override onResized(_chunk: Chunk, byBytes: number): void {
    this.#cache.resized(byBytes);
  }

  override onDirtied(chunk: Chunk): void {
    this.#count(chunk, bytesToWrite(chunk));
  }

  #count(chunk: Chunk, bytes: number): void {
    if (chunk.dirtyBytes === bytes) return;
    this.#tracker.dataDirtied(this, bytes - chunk.dirtyBytes);
    chunk.dirtyBytes = bytes;
  }
}

/** What a commit writes for a chunk, at most: a first block with little in it takes that. */
function bytesToWrite({ index, dirty, bytes }: Chunk): number {
  if (index === 0 && dirty === 1 && bytes.length <= SMALL_FILE_MAX) return bytes.length;
  return popCount(dirty) * BLOCK_SIZE;
}

/** Do others have parts of the same memory? */
export function isPartOfMore(bytes: Uint8Array): boolean {
  return bytes.length < bytes.buffer.byteLength;
}

/**
 * Blocks [first, end). All but the last must be there in full; what the buffer doesn't reach is
 * zeros.
 */
function runOf(chunk: Chunk, first: number, end: number): StoredRun {
  const from = first * BLOCK_SIZE;
  const lastBlock = (end - 1) * BLOCK_SIZE;
  const offset = chunk.index * CHUNK_SIZE + from;
  if (chunk.bytes.length > lastBlock) {
    return {
      offset,
      bytes: chunk.bytes.subarray(from, Math.min(end * BLOCK_SIZE, chunk.bytes.length)),
    };
  }
  const bytes = new Uint8Array(lastBlock + 1 - from);
  if (chunk.bytes.length > from) bytes.set(chunk.bytes.subarray(from));
  return { offset, bytes };
}
