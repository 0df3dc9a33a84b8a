// The store on IndexedDB. README.md says what it writes and what survives which crash.
//
// page-tree.ts keeps the items, chunks.ts the objects, database.ts the records of both; here a
// commit is put together from them. Commits run one after the other, and on their own: an operation
// that is interrupted while it waits for one doesn't stop it.

import { linuxerr } from '../abi/errno.ts';
import { RealClock, timespecToMs } from '../lib/clock.ts';
import type { Clock } from '../lib/clock.ts';
import { runAsync, waitFor } from '../lib/op.ts';
import type { Op } from '../lib/op.ts';
import type { ChunkPlan } from './chunk-plan.ts';
import { Chunks } from './chunks.ts';
import { openDatabase } from './database.ts';
import type { Database } from './database.ts';
import { valueIn } from './leaf-page.ts';
import { OpfsMarkers } from './markers.ts';
import type { Markers } from './markers.ts';
import type { Change } from './page-edit.ts';
import { PageTree } from './page-tree.ts';
import type { TreeEdit } from './page-tree.ts';
import {
  checkBatch,
  checkKey,
  checkObject,
  checkOffset,
  INTERNAL_PREFIX,
} from './preconditions.ts';
import { chunkKey, SUPERBLOCK_KEY } from './records.ts';
import type { IndexedDb } from './records.ts';
import { acquireSourceLock, NO_LOCKS } from './source-lock.ts';
import type { LockManagerLike, SourceLock } from './source-lock.ts';
import { StoreError } from './store-error.ts';
import type { Batch, Durability, Item, Run, ScanOptions, Store, StoreUsage } from './store.ts';
import type { Superblock } from './superblock.ts';

const CACHE_BYTES_DEFAULT = 16 * 1024 * 1024;
const LOCK_TIMEOUT_MS_DEFAULT = 5000;

export interface IdbStoreOptions {
  /** Name of the store within this origin. */
  readonly source: string;
  /** Bound of the cache of decoded leaf pages, in bytes. Default: 16 MiB. */
  readonly cacheBytes?: number | undefined;
  /** How long to wait for another tab to close the store. Default: 5000. */
  readonly lockTimeoutMs?: number | undefined;
  /** Aborts waiting for the lock. */
  readonly signal?: AbortSignal | undefined;
  /** 'fail' (default), or 'format': start an empty store where the browser lost one. */
  readonly onDataLoss?: 'fail' | 'format' | undefined;
  readonly clock?: Clock | undefined;
  /** The platform's parts that are to be replaced; null: do without. */
  readonly idb?: IndexedDb | undefined;
  readonly locks?: LockManagerLike | null | undefined;
  readonly markers?: Markers | null | undefined;
  readonly estimate?: (() => Promise<StorageEstimate>) | undefined;
}

/**
 * Opens the store of a source, making it if there is none.
 *
 * Errors:
 *  - StoreError 'unavailable' if the browser has no IndexedDB or no Web Locks, or refuses.
 *  - StoreError 'locked' if another tab has it open; the signal's reason if that came first.
 *  - StoreError 'unknown-format', 'data-loss'.
 */
export async function openIdbStore(options: IdbStoreOptions): Promise<IdbStore> {
  const { source } = options;
  const platform = platformParts(options);
  let onLost = (): void => undefined;
  const lock =
    platform.locks === null
      ? undefined
      : await acquireSourceLock({
          locks: platform.locks,
          source,
          timeoutMs: options.lockTimeoutMs ?? LOCK_TIMEOUT_MS_DEFAULT,
          signal: options.signal,
          onLost: () => {
            onLost();
          },
        });
  try {
    const clock = options.clock ?? new RealClock();
    const { database, superblock } = await openDatabase({
      idb: platform.idb,
      markers: platform.markers ?? undefined,
      source,
      onDataLoss: options.onDataLoss ?? 'fail',
      now: Math.floor(timespecToMs(clock.now())),
    });
    onLost = () => {
      database.close();
    };
    const cacheBytes = options.cacheBytes ?? CACHE_BYTES_DEFAULT;
    return new IdbStore({ ...platform, database, superblock, lock, cacheBytes });
  } catch (error) {
    await lock?.release();
    throw error;
  }
}

interface PlatformParts {
  readonly idb: IndexedDb;
  readonly locks: LockManagerLike | null;
  readonly markers: Markers | null;
  readonly estimate: (() => Promise<StorageEstimate>) | undefined;
}

function platformParts(options: IdbStoreOptions): PlatformParts {
  const { navigator, indexedDB, IDBKeyRange } = globalThis as {
    navigator?: { locks?: LockManager; storage?: Partial<StorageManager> };
    indexedDB?: IDBFactory;
    IDBKeyRange?: IndexedDb['KeyRange'];
  };
  const isComplete = indexedDB !== undefined && IDBKeyRange !== undefined;
  const idb =
    options.idb ?? (isComplete ? { factory: indexedDB, KeyRange: IDBKeyRange } : undefined);
  if (idb === undefined) {
    throw new StoreError(
      'unavailable',
      'There is no IndexedDB here to keep a persistent filesystem in. Mount a tmpfs instead.',
    );
  }
  const locks = options.locks === undefined ? navigator?.locks : options.locks;
  if (locks === undefined) throw new StoreError('unavailable', NO_LOCKS);
  const storage = navigator?.storage;
  const opfs = storage?.getDirectory === undefined ? null : (storage as StorageManager);
  const markers = opfs === null ? null : new OpfsMarkers(opfs);
  return {
    idb,
    locks,
    markers: options.markers === undefined ? markers : options.markers,
    estimate: options.estimate ?? storage?.estimate?.bind(storage),
  };
}

interface IdbStoreParts {
  readonly idb: IndexedDb;
  readonly database: Database;
  readonly superblock: Superblock;
  readonly lock: SourceLock | undefined;
  readonly cacheBytes: number;
  readonly estimate: (() => Promise<StorageEstimate>) | undefined;
}

export class IdbStore implements Store {
  readonly #KeyRange: IndexedDb['KeyRange'];
  readonly #database: Database;
  readonly #lock: SourceLock | undefined;
  readonly #estimate: (() => Promise<StorageEstimate>) | undefined;
  readonly #tree: PageTree;
  readonly #chunks: Chunks;
  #superblock: Superblock;
  /** Settles when all commits called so far have. Never rejects. */
  #lastCommit: Promise<unknown> = Promise.resolve();
  #isClosing = false;

  constructor(parts: IdbStoreParts) {
    const { database, superblock, cacheBytes } = parts;
    const { KeyRange } = parts.idb;
    this.#KeyRange = KeyRange;
    this.#database = database;
    this.#superblock = superblock;
    this.#lock = parts.lock;
    this.#estimate = parts.estimate;
    const records = database.records('relaxed');
    this.#tree = new PageTree({ records, KeyRange, cacheBytes, barrier: INTERNAL_PREFIX });
    this.#chunks = new Chunks({ records, KeyRange, tree: this.#tree });
  }

  /** Memory that cached pages take now. */
  get cacheBytes(): number {
    return this.#tree.cacheBytes;
  }

  *get(key: string): Op<Uint8Array | undefined> {
    checkKey(key);
    this.#checkOpen();
    // The usual case costs no second generator.
    const page = this.#tree.cachedPage(key) ?? (yield* this.#tree.page(key));
    return valueIn(page, key);
  }

  *scan(options: ScanOptions): Op<Item[]> {
    this.#checkOpen();
    const to = options.to < INTERNAL_PREFIX ? options.to : INTERNAL_PREFIX;
    return yield* this.#tree.scan({ ...options, to });
  }

  *read(object: number, offset: number, length: number): Op<Run[]> {
    checkObject(object);
    checkOffset(offset);
    checkOffset(length);
    this.#checkOpen();
    if (length === 0 || object >= this.#superblock.objectsEnd) return [];
    return yield* this.#chunks.read(object, offset, length);
  }

  *nextData(object: number, offset: number): Op<number | undefined> {
    checkObject(object);
    checkOffset(offset);
    this.#checkOpen();
    if (object >= this.#superblock.objectsEnd) return undefined;
    return yield* this.#chunks.nextData(object, offset);
  }

  *commit(batch: Batch, { durability }: { readonly durability: Durability }): Op<void> {
    checkBatch(batch);
    this.#checkOpen();
    if (this.#isClosing) throw linuxerr.EIO;
    const committed = this.#lastCommit.then(() => runAsync(this.#commitNext(batch, durability)));
    this.#lastCommit = committed.catch(() => undefined);
    yield* waitFor(committed);
  }

  *usage(): Op<StoreUsage> {
    if (this.#estimate === undefined) return { used: 0, available: Number.MAX_SAFE_INTEGER };
    const { usage = 0, quota = Number.MAX_SAFE_INTEGER } = yield* waitFor(
      // A browser that refuses to tell is like one that has no limit.
      this.#estimate().catch((): StorageEstimate => ({})),
    );
    return { used: usage, available: Math.max(0, quota - usage) };
  }

  *close(): Op<void> {
    this.#isClosing = true;
    yield* waitFor(this.#lastCommit);
    this.#database.close();
    if (this.#lock !== undefined) yield* waitFor(this.#lock.release());
  }

  /** The commit whose turn it is. */
  *#commitNext(batch: Batch, durability: Durability): Op<void> {
    this.#checkOpen();
    const plan = yield* this.#chunks.plan(batch, this.#superblock.objectsEnd);
    const edit = yield* this.#tree.prepare(sortChanges(batch.items, plan.items));
    yield* waitFor(this.#write({ plan, edit, durability }));
  }

  async #write(options: {
    plan: ChunkPlan;
    edit: TreeEdit;
    durability: Durability;
  }): Promise<void> {
    const { plan, edit, durability } = options;
    const { generation } = this.#superblock;
    const superblock: Superblock = {
      ...this.#superblock,
      generation: generation + 1,
      objectsEnd: plan.objectsEnd,
    };
    this.#tree.beginCommit();
    let committed: TreeEdit | undefined;
    try {
      await this.#database.write(durability, (store) => {
        this.#requestAll(store, plan, edit);
        store.put(superblock, SUPERBLOCK_KEY);
      });
      committed = edit;
      this.#superblock = superblock;
    } finally {
      this.#tree.endCommit(committed);
    }
  }

  #requestAll(store: IDBObjectStore, plan: ChunkPlan, edit: TreeEdit): void {
    for (const { object, from, to } of plan.deletes) {
      store.delete(this.#KeyRange.bound(chunkKey(object, from), chunkKey(object, to), false, true));
    }
    for (const key of edit.deletes) store.delete(key);
    for (const { key, record } of plan.puts) store.put(record, key);
    for (const { key, record } of edit.puts) store.put(record, key);
  }

  #checkOpen(): void {
    if (!this.#database.isOpen) throw linuxerr.EIO;
  }
}

/** All changes in ascending order of their keys: the caller's come before the store's own. */
function sortChanges(
  items: Batch['items'],
  own: ReadonlyMap<string, Uint8Array | undefined>,
): Change[] {
  return [...sortByKey(items), ...sortByKey(own)];
}

function sortByKey(changes: ReadonlyMap<string, Uint8Array | undefined>): Change[] {
  return [...changes].sort(([a], [b]) => (a < b ? -1 : 1));
}
