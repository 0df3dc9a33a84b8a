// ChunkLoader: brings data of files from where it is kept into memory, less what has been cut off
// and punched since.
//
// A file that is read from front to back is read ahead, in windows that grow; the next one is
// fetched while the last one is used. What is wanted here and there is fetched alone, by blocks.
// Linux: mm/readahead.c.

import { LinuxError, linuxerr } from '../../abi/errno.ts';
import { assertDefined } from '../../lib/assert.ts';
import { type Op, startOp, WaitQueue } from '../../lib/op.ts';
import {
  BLOCK_SIZE,
  BLOCKS_PER_CHUNK,
  blocksNeeded,
  blocksWithin,
  type Chunk,
  CHUNK_SIZE,
  type Need,
  popCount,
} from './file-data.ts';
import type { Inode } from './inode.ts';
import type { StoredData } from './stored-data.ts';
import type { ChunkCache } from './chunk-cache.ts';
import type { CachedData } from './cached-data.ts';
import type { ByteRange, DataSource, Unwritten } from './data-source.ts';
import { cutRun, type StoredRun, withoutHoles, withoutSurroundings } from './stored-runs.ts';

/** The first window of a file that is read from front to back, and the largest, in chunks. */
const WINDOW_MIN = 4;
const WINDOW_MAX = 64;
/** Of the largest windows, so many are on their way while one is read. */
const WINDOWS_AHEAD = 3;
/** Larger windows end where the store's longest records do, as a file was written in one go. */
const RECORD_CHUNKS = 32;
/** Of so many chunks at once the blocks are counted. */
const COUNTED_CHUNKS = 256;
/** A window takes at most this part of the cache. */
const CACHE_SHARE = 16;

/** What is loaded at once: chunks [first, end), and blocks of `only` if that is one chunk. */
interface Load {
  readonly first: number;
  readonly end: number;
  /** Bit n: block n of the chunk is wanted. Undefined: all are, of all chunks. */
  readonly only: number | undefined;
}

export class ChunkLoader implements StoredData {
  readonly #source: DataSource;
  readonly #chunks: ChunkCache;
  readonly #unwritten: Unwritten;
  readonly #windowMax: number;

  constructor(source: DataSource, chunks: ChunkCache, unwritten: Unwritten) {
    this.#source = source;
    this.#chunks = chunks;
    this.#unwritten = unwritten;
    const share = Math.floor(chunks.limit / CACHE_SHARE / CHUNK_SIZE);
    this.#windowMax = Math.max(1, Math.min(WINDOW_MAX, share));
  }

  /** Loads something of what is needed of chunk `index` at least. */
  *load(inode: Inode, index: number, need: Need): Op<void> {
    const data = assertDefined(inode.data) as CachedData;
    const underWay = data.loading.get(index);
    if (underWay !== undefined) {
      yield underWay;
      return;
    }
    this.#chunks.evict();
    const load = this.#plan(data, index, need);
    if (this.#loadAtOnce(data, load)) return;
    try {
      yield* this.#run(inode, data, load);
    } catch (error) {
      const only = blocksNeeded(index, need);
      const isLeast = load.end === index + 1 && load.only === only;
      if (error !== linuxerr.EIO || isLeast) throw error;
      // What was to be read besides may be damaged: that is told to whoever wants it.
      yield* this.#run(inode, data, { first: index, end: index + 1, only });
    }
  }

  /**
   * Whole blocks here and there that are read for the first time go past the cache, where that
   * takes no waiting: many are never read again. The second time they are kept.
   */
  readPastCache(inode: Inode, target: Uint8Array, offset: number): boolean {
    const data = assertDefined(inode.data) as CachedData;
    const end = offset + target.length;
    if (this.#source.readInto === undefined || offset % BLOCK_SIZE !== 0) return false;
    const index = Math.floor(offset / CHUNK_SIZE);
    if (target.length % BLOCK_SIZE !== 0 || end > (index + 1) * CHUNK_SIZE) return false;
    // What is read in a row is read ahead.
    if (index === data.lastLoaded + 1 || offset === data.lastPast) return false;
    const blocks = blocksWithin(index, offset, end);
    const here = data.chunks.get(index);
    if (here !== undefined && (blocks & ~here.absent) !== 0) return false;
    if (this.#unwritten.cutOf(data.ino) < end || this.#unwritten.holesOf(data.ino).length > 0) {
      return false;
    }
    if (!data.noteRead(index, blocks)) return false;
    if (!this.#source.readInto(data.ino, offset, target)) return false;
    data.lastPast = end;
    data.window = 0;
    return true;
  }

  /** A part of a chunk, if that takes no waiting. */
  #loadAtOnce(data: CachedData, { first, only }: Load): boolean {
    if (only === undefined) return false;
    const { ino } = data;
    const from = first * CHUNK_SIZE;
    const wanted = rangesFrom(from, maskRanges(only));
    const found = this.#source.readAtOnce?.(ino, { from, to: from + CHUNK_SIZE }, wanted);
    if (found === undefined) return false;
    const [cut, holes] = [this.#unwritten.cutOf(ino), this.#unwritten.holesOf(ino)];
    data.insertCopied(first, storedIn(first, { ...found, cut, holes }));
    return true;
  }

  #plan(data: CachedData, index: number, need: Need): Load {
    const one = { first: index, end: index + 1 };
    const only = blocksNeeded(index, need);
    const here = data.chunks.get(index);
    if (here !== undefined) {
      // Whoever has read what lies before it may go on.
      const isGoingOn = !need.isOverwritten && followsPresent(here, only);
      return { ...one, only: isGoingOn ? undefined : only };
    }
    const isNext = index === data.lastLoaded + 1;
    // Where bytes are needed, the whole costs one access, and a part of it two.
    if (need.isOverwritten && (only === 0 || !isNext)) return { ...one, only };
    if (isNext) {
      data.window = Math.min(this.#windowMax, Math.max(WINDOW_MIN, data.window * 2));
      return { first: index, end: this.#endOf(data, index, data.window), only: undefined };
    }
    data.window = 0;
    const last = Math.ceil(need.to / CHUNK_SIZE);
    if (last > index + 1) {
      const end = this.#endOf(data, index, Math.min(this.#windowMax, last - index));
      return { first: index, end, only: undefined };
    }
    return { ...one, only };
  }

  /** Where a window ends that begins at a chunk: before one that is here or on its way. */
  #endOf(data: CachedData, first: number, window: number): number {
    const aligned = first + window - ((first + window) % RECORD_CHUNKS);
    const limit = Math.min(window < RECORD_CHUNKS ? first + window : aligned, data.storedChunks);
    let end = first + 1;
    while (end < limit && !data.chunks.has(end) && !data.loading.has(end)) end++;
    return end;
  }

  /** Whoever reads the first chunk of a large window sets off the load of the next one. */
  #markReadAhead(inode: Inode, data: CachedData, { first, end }: Load): void {
    const chunk = data.chunks.get(first);
    if (chunk === undefined || end - first < this.#windowMax) return;
    if (this.#windowMax < WINDOW_MAX) return;
    chunk.isMark = true;
    data.readAhead = () => {
      this.#chunks.evict();
      let next = end;
      for (let windows = 0; windows < WINDOWS_AHEAD && next < data.storedChunks; windows++) {
        if (!data.chunks.has(next) && !data.loading.has(next)) this.#readAhead(inode, data, next);
        next += this.#windowMax;
      }
    };
  }

  #readAhead(inode: Inode, data: CachedData, first: number): void {
    const next = { first, end: this.#endOf(data, first, this.#windowMax), only: undefined };
    startOp(this.#run(inode, data, next), {
      resolve: () => undefined,
      reject: (error) => {
        // Whoever wants it will ask again, and be told.
        if (!(error instanceof LinuxError)) void Promise.reject(error);
      },
    });
  }

  *#run(inode: Inode, data: CachedData, load: Load): Op<void> {
    const { first, end, only } = load;
    const done = new WaitQueue();
    for (let chunk = first; chunk < end; chunk++) data.loading.set(chunk, done);
    try {
      const { generation } = data;
      const cut = this.#unwritten.cutOf(inode.ino);
      const holes = this.#unwritten.holesOf(inode.ino);
      const ranges = only === undefined ? undefined : yield* this.#rangesOf(data, load);
      const runs = yield* this.#read(inode.ino, load);
      // Cut or rewritten meanwhile: whoever needs the chunk asks again.
      if (data.generation !== generation) return;
      const found = { ranges: ranges ?? runs.map(rangeOf), runs, cut, holes };
      for (let chunk = first; chunk < end && chunk < data.storedChunks; chunk++) {
        data.insertStored(chunk, storedIn(chunk, found));
      }
      if (only !== undefined) return;
      data.lastLoaded = end - 1;
      this.#markReadAhead(inode, data, load);
    } finally {
      for (let chunk = first; chunk < end; chunk++) data.loading.delete(chunk);
      done.wakeAll();
    }
  }

  /** Which blocks are data; nothing has to be asked if that is known. */
  *#rangesOf({ ino, chunks }: CachedData, { first }: Load): Op<readonly ByteRange[]> {
    const chunk = chunks.get(first);
    const start = first * CHUNK_SIZE;
    if (chunk === undefined) return yield* this.#source.dataRanges(ino, start, CHUNK_SIZE);
    return rangesFrom(start, maskRanges(chunk.written));
  }

  *#read(ino: number, { first, end, only }: Load): Op<StoredRun[]> {
    const start = first * CHUNK_SIZE;
    const size = (end - first) * CHUNK_SIZE;
    const ranges = only === undefined ? [{ from: 0, to: size }] : maskRanges(only);
    const runs: StoredRun[] = [];
    for (const { from, to } of ranges) {
      runs.push(...(yield* this.#source.read(ino, start + from, to - from)));
    }
    return runs.map(withoutSurroundings);
  }

  *nextData(inode: Inode, offset: number): Op<number> {
    const data = assertDefined(inode.data) as CachedData;
    let from = Math.floor(offset / BLOCK_SIZE) * BLOCK_SIZE;
    for (;;) {
      const { generation } = data;
      const cut = this.#unwritten.cutOf(inode.ino);
      const found = yield* this.#source.nextData(inode.ino, from);
      if (data.generation !== generation) continue;
      const hole = this.#unwritten
        .holesOf(inode.ino)
        .find((each) => found !== undefined && each.from <= found && found < each.to);
      if (hole !== undefined) {
        from = hole.to;
        continue;
      }
      const end = Math.min(cut, data.storedChunks * CHUNK_SIZE);
      return found === undefined || found >= end ? Infinity : found;
    }
  }

  /**
   * As StoredData.countBlocksFrom(). Chunks may come and go while the store is asked, and what is
   * dirty may be committed: how many blocks there are stays the same.
   */
  *countBlocksFrom(inode: Inode, first: number): Op<number> {
    const data = assertDefined(inode.data) as CachedData;
    let count = 0;
    let reached = first;
    while (reached < data.storedChunks) {
      const { generation } = data;
      // Large files are often sparse.
      const isFirst = reached === first;
      const next = isFirst ? first * CHUNK_SIZE : yield* this.nextData(inode, reached * CHUNK_SIZE);
      const from = Math.min(data.storedChunks, Math.floor(next / CHUNK_SIZE));
      const to = Math.min(data.storedChunks, from + COUNTED_CHUNKS);
      const stored = yield* this.#blocksWithin(data, from, to);
      // Rewritten meanwhile.
      if (data.generation !== generation) continue;
      for (const { index, written } of data.chunks.values()) {
        if (index >= reached && index < to) stored.set(index, popCount(written));
      }
      for (const blocks of stored.values()) count += blocks;
      reached = to;
    }
    return count + data.countFrom(reached);
  }

  /**
   * By chunk, how many blocks the store has of chunks [from, to), less what is gone. It isn't asked
   * if they are all in memory.
   */
  *#blocksWithin(data: CachedData, from: number, to: number): Op<Map<number, number>> {
    const { ino, chunks } = data;
    const blocks = new Map<number, number>();
    let missing = from;
    while (missing < to && chunks.has(missing)) missing++;
    if (missing === to) return blocks;
    const cut = this.#unwritten.cutOf(ino);
    const holes = this.#unwritten.holesOf(ino);
    const start = from * CHUNK_SIZE;
    const ranges = yield* this.#source.dataRanges(ino, start, (to - from) * CHUNK_SIZE);
    for (let chunk = from; chunk < to; chunk++) {
      const { written } = storedIn(chunk, { ranges, runs: [], cut, holes });
      if (written !== 0) blocks.set(chunk, popCount(written));
    }
    return blocks;
  }
}

/** What the store has, and what of that has gone since. */
interface Found {
  readonly ranges: readonly ByteRange[];
  readonly runs: readonly StoredRun[];
  /** All from there on is gone. */
  readonly cut: number;
  readonly holes: readonly ByteRange[];
}

/** What is left of it in one chunk. */
function storedIn(index: number, found: Found): { written: number; runs: readonly StoredRun[] } {
  const { ranges, runs, cut, holes } = found;
  const start = index * CHUNK_SIZE;
  const end = Math.min(cut, start + CHUNK_SIZE);
  let written = 0;
  for (const { from, to } of ranges) {
    if (from < end && to > start) written |= blocksWithin(index, from, Math.min(to, end));
  }
  for (const { from, to } of holes) written &= ~blocksWithin(index, from, to);
  const parts: StoredRun[] = [];
  for (const run of runs) {
    const isWithin = run.offset >= start && run.offset + run.bytes.length <= end;
    if (isWithin) parts.push(run);
    else parts.push(...cutRun(run, start, end));
  }
  if (holes.length === 0) return { written, runs: parts };
  return { written, runs: parts.flatMap((part) => withoutHoles(part, holes)) };
}

/** Is the block before the first of a mask's there? */
function followsPresent({ written, absent }: Chunk, blocks: number): boolean {
  return (((written & ~absent) << 1) & blocks & -blocks) !== 0;
}

/** The runs of a mask's blocks, in bytes. */
function maskRanges(mask: number): ByteRange[] {
  const ranges: { from: number; to: number }[] = [];
  for (let block = 0; block < BLOCKS_PER_CHUNK; block++) {
    if ((mask & (1 << block)) === 0) continue;
    const from = block * BLOCK_SIZE;
    const last = ranges.at(-1);
    if (last?.to === from) last.to = from + BLOCK_SIZE;
    else ranges.push({ from, to: from + BLOCK_SIZE });
  }
  return ranges;
}

function rangesFrom(start: number, ranges: readonly ByteRange[]): ByteRange[] {
  return ranges.map(({ from, to }) => ({ from: start + from, to: start + to }));
}

function rangeOf({ offset, bytes }: StoredRun): ByteRange {
  return { from: offset, to: offset + bytes.length };
}
