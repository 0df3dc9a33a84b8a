// ChunkLoader: brings data of files from the store into memory, less what has been cut off and
// punched since.

import { linuxerr } from '../../abi/errno.ts';
import { assertDefined } from '../../lib/assert.ts';
import { type Op, WaitQueue } from '../../lib/op.ts';
import type { Run, Store } from '../../store/store.ts';
import { BLOCK_SIZE, CHUNK_SIZE } from '../shared/file-data.ts';
import type { Inode } from '../shared/inode.ts';
import type { Changes } from './changes.ts';
import type { ChunkCache } from './chunk-cache.ts';
import type { IdbfsData } from './idbfs-data.ts';
import { cutRun, withoutHoles } from './stored-runs.ts';

/** Chunks read at once when a file is read from front to back. */
const READ_AHEAD_CHUNKS = 16;

export class ChunkLoader {
  readonly #store: Store;
  readonly #chunks: ChunkCache;
  readonly #changes: Changes;

  constructor(store: Store, chunks: ChunkCache, changes: Changes) {
    this.#store = store;
    this.#chunks = chunks;
    this.#changes = changes;
  }

  *load(inode: Inode, index: number): Op<void> {
    const data = assertDefined(inode.data) as IdbfsData;
    const underWay = data.loading.get(index);
    if (underWay !== undefined) {
      yield underWay;
      return;
    }
    const done = new WaitQueue();
    data.loading.set(index, done);
    try {
      this.#chunks.evict();
      const { generation } = data;
      let end = this.#readAheadEnd(data, index);
      const from = index * CHUNK_SIZE;
      const cut = this.#changes.cutOf(inode.ino);
      const holes = this.#changes.holesOf(inode.ino);
      let runs: Run[];
      try {
        runs = yield* this.#store.read(inode.ino, from, (end - index) * CHUNK_SIZE);
      } catch (error) {
        if (error !== linuxerr.EIO || end === index + 1) throw error;
        // What was to be read ahead may be damaged: that is told to whoever wants it.
        end = index + 1;
        runs = yield* this.#store.read(inode.ino, from, CHUNK_SIZE);
      }
      // Cut or rewritten meanwhile: whoever needs the chunk asks again.
      if (data.generation !== generation) return;
      for (let chunk = index; chunk < end && chunk < data.storedChunks; chunk++) {
        const isOurs = chunk === index || !data.loading.has(chunk);
        if (!isOurs || data.chunks.has(chunk)) continue;
        const start = chunk * CHUNK_SIZE;
        data.insertStored(
          chunk,
          runs
            .flatMap((run) => cutRun(run, start, Math.min(cut, start + CHUNK_SIZE)))
            .flatMap((run) => withoutHoles(run, holes)),
        );
      }
      data.lastLoaded = end - 1;
    } finally {
      data.loading.delete(index);
      done.wakeAll();
    }
  }

  #readAheadEnd(data: IdbfsData, index: number): number {
    if (index !== data.lastLoaded + 1) return index + 1;
    let end = index + 1;
    const limit = Math.min(index + READ_AHEAD_CHUNKS, data.storedChunks);
    while (end < limit && !data.chunks.has(end) && !data.loading.has(end)) end++;
    return end;
  }

  *nextData(inode: Inode, offset: number): Op<number> {
    const data = assertDefined(inode.data) as IdbfsData;
    let from = Math.floor(offset / BLOCK_SIZE) * BLOCK_SIZE;
    for (;;) {
      const { generation } = data;
      const cut = this.#changes.cutOf(inode.ino);
      const found = yield* this.#store.nextData(inode.ino, from);
      if (data.generation !== generation) continue;
      const hole = this.#changes
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
}
