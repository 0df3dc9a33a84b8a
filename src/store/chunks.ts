// Objects: reading their chunks.
//
// A chunk is inline or a record (chunk.ts), and may change its form in a commit. A reader looks at
// both, and takes care that no commit comes between the two looks.

import { promisifyRequest } from 'idb-keyval';
import type { UseStore } from 'idb-keyval';
import { waitFor } from '../lib/op.ts';
import type { Op } from '../lib/op.ts';
import { planBatch } from './chunk-plan.ts';
import type { ChunkPlan } from './chunk-plan.ts';
import {
  afterInlineKeysOf,
  CHUNK_SIZE,
  chunkRuns,
  decodeChunkRecord,
  decodeInlineChunk,
  indexOfInlineKey,
  inlineKey,
  nextDataIn,
} from './chunk.ts';
import type { Chunk } from './chunk.ts';
import { fetchItems } from './page-tree.ts';
import type { PageTree } from './page-tree.ts';
import { afterChunksOf, chunkKey } from './records.ts';
import type { IndexedDb } from './records.ts';
import type { Batch, Item, Run, ScanOptions } from './store.ts';

export interface ChunksOptions {
  readonly records: UseStore;
  readonly KeyRange: IndexedDb['KeyRange'];
  readonly tree: PageTree;
}

type ChunkMap = Map<number, Chunk>;

interface Search {
  /** True if no records are needed besides these inline chunks. */
  readonly isEnough: (inline: ChunkMap) => boolean;
  readonly fetchRecords: (store: IDBObjectStore) => Promise<ChunkMap>;
}

export class Chunks {
  readonly #options: ChunksOptions;

  constructor(options: ChunksOptions) {
    this.#options = options;
  }

  /** Store.read(), of an object that may have data. */
  *read(object: number, offset: number, length: number): Op<Run[]> {
    const end = offset + length;
    const first = Math.floor(offset / CHUNK_SIZE);
    const last = Math.ceil(end / CHUNK_SIZE) - 1;
    const scan = {
      from: inlineKey(object, first),
      to: inlineKey(object, last + 1),
      limit: last - first + 1,
    };
    const chunks = yield* this.#find(scan, {
      isEnough: (inline) => inline.size === scan.limit,
      fetchRecords: (store) => this.#fetch(store, { object, first, last }),
    });
    const runs: Run[] = [];
    for (const index of [...chunks.keys()].sort((a, b) => a - b)) {
      const chunk = chunks.get(index);
      if (chunk === undefined) continue;
      const base = index * CHUNK_SIZE;
      runs.push(...chunkRuns(chunk, { base, from: offset - base, to: end - base }));
    }
    return runs;
  }

  /** Store.nextData(), of an object that may have data. */
  *nextData(object: number, offset: number): Op<number | undefined> {
    const first = Math.floor(offset / CHUNK_SIZE);
    // Of two chunks, one starts after the offset, and no chunk is without data.
    const scan = { from: inlineKey(object, first), to: afterInlineKeysOf(object), limit: 2 };
    const chunks = yield* this.#find(scan, {
      isEnough: (inline) => inline.has(first) && offset === first * CHUNK_SIZE,
      fetchRecords: (store) => this.#fetchTwo(store, object, first),
    });
    let found: number | undefined;
    for (const [index, chunk] of chunks) {
      const base = index * CHUNK_SIZE;
      const next = nextDataIn(chunk, offset - base);
      if (next !== undefined) found = Math.min(found ?? Infinity, base + next);
    }
    return found;
  }

  /** What a batch writes. Objects from `objectsEnd` on have never had data. */
  plan(batch: Batch, objectsEnd: number): Op<ChunkPlan> {
    return planBatch(batch, { ...this.#options, objectsEnd });
  }

  /** Chunks of both forms, as of one moment. */
  *#find(scan: ScanOptions, { isEnough, fetchRecords }: Search): Op<ChunkMap> {
    const { records, KeyRange, tree } = this.#options;
    const inline = decodeItems(yield* tree.scan(scan));
    if (isEnough(inline)) return inline;
    if (!tree.isCommitting) {
      const { version } = tree;
      const stored = yield* waitFor(records('readonly', fetchRecords));
      if (tree.version === version) return new Map([...inline, ...stored]);
    }
    // Both from one transaction, which sees one commit whatever goes on.
    const snapshot = records('readonly', async (store) => {
      const stored = await fetchRecords(store);
      return new Map([...decodeItems(await fetchItems({ store, KeyRange }, scan)), ...stored]);
    });
    return yield* waitFor(snapshot);
  }

  /** The records of some chunks, both ends included. */
  async #fetch(
    store: IDBObjectStore,
    { object, first, last }: { object: number; first: number; last: number },
  ): Promise<ChunkMap> {
    if (first === last) {
      const record: unknown = await promisifyRequest(store.get(chunkKey(object, first)));
      return new Map(record === undefined ? [] : [[first, decodeChunkRecord(record)]]);
    }
    const range = this.#options.KeyRange.bound(chunkKey(object, first), chunkKey(object, last));
    const [keys, records] = await Promise.all([
      promisifyRequest(store.getAllKeys(range)),
      promisifyRequest(store.getAll(range) as IDBRequest<unknown[]>),
    ]);
    return new Map(keys.map((key, i) => [indexOfChunkKey(key), decodeChunkRecord(records[i])]));
  }

  /** The first two records from `first` on. */
  async #fetchTwo(store: IDBObjectStore, object: number, first: number): Promise<ChunkMap> {
    const chunks: ChunkMap = new Map();
    const range = this.#options.KeyRange.bound(chunkKey(object, first), afterChunksOf(object));
    const request = store.openCursor(range);
    while (chunks.size < 2) {
      const cursor = await promisifyRequest(request);
      if (cursor === null) break;
      chunks.set(indexOfChunkKey(cursor.key), decodeChunkRecord(cursor.value));
      if (chunks.size < 2) cursor.continue();
    }
    return chunks;
  }
}

function decodeItems(items: readonly Item[]): ChunkMap {
  return new Map(items.map(({ key, value }) => [indexOfInlineKey(key), decodeInlineChunk(value)]));
}

function indexOfChunkKey(key: IDBValidKey): number {
  return Array.isArray(key) ? Number(key[1]) : NaN;
}
