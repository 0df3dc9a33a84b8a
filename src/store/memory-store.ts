// A store in memory, for tests: it does exactly what the contract says, can be made to wait where a
// real one might, to fail, and to crash.

import { linuxerr } from '../abi/errno.ts';
import type { LinuxError } from '../abi/errno.ts';
import { assert } from '../lib/assert.ts';
import { waitFor } from '../lib/op.ts';
import type { Op } from '../lib/op.ts';
import { lowerBound } from './engine/node.ts';
import { checkBatch, checkKey, checkObject, checkOffset } from './preconditions.ts';
import { type MemoryStoreSnapshot, MemoryView, runsOf, sortedFrom } from './memory-view.ts';
import { BLOCK_SIZE } from './store.ts';
import type {
  Batch,
  ByteRange,
  Durability,
  Item,
  Run,
  ScanOptions,
  Store,
  StoreUsage,
} from './store.ts';
import type { Replacement, StoreView } from './store-view.ts';

export interface MemoryStoreOptions {
  /**
   * Every operation waits one turn of the microtask queue before it does anything. Default: none
   * waits.
   */
  readonly yields?: boolean;
  /**
   * Commits that would make the store larger than this fail with ENOSPC, in bytes. Default: no
   * limit.
   */
  readonly capacityBytes?: number;
}

const EMPTY_STATE: MemoryStoreSnapshot = { keys: [], items: new Map(), objects: new Map() };

export class MemoryStore implements Store {
  readonly #yields: boolean;
  readonly #capacityBytes: number;
  #state = EMPTY_STATE;
  /** What would be found after a crash, if that is more. */
  #logged: MemoryStoreSnapshot | undefined;
  #nextFailure: LinuxError | undefined;
  #isClosed = false;
  /** The most that somebody wanted to reserve. */
  #wantedBytes = 0;

  constructor({
    yields = false,
    capacityBytes = Number.MAX_SAFE_INTEGER,
  }: MemoryStoreOptions = {}) {
    this.#yields = yields;
    this.#capacityBytes = capacityBytes;
  }

  /** The next commit fails with this error and changes nothing. */
  failNextCommit(error: LinuxError): void {
    this.#nextFailure = error;
  }

  /** What was committed or logged so far. */
  snapshot(): MemoryStoreSnapshot {
    return this.#logged ?? this.#state;
  }

  /**
   * Goes back to a snapshot, as after a crash: what was committed since is lost, and the store is
   * open.
   */
  restore(snapshot: MemoryStoreSnapshot): void {
    this.#state = snapshot;
    this.#logged = undefined;
    this.#nextFailure = undefined;
    this.#isClosed = false;
  }

  *get(key: string): Op<Uint8Array | undefined> {
    checkKey(key);
    yield* this.#begin();
    return this.#state.items.get(key);
  }

  *scan({ from, to, limit }: ScanOptions): Op<Item[]> {
    yield* this.#begin();
    const { keys, items } = this.#state;
    const found: Item[] = [];
    for (let i = lowerBound(keys, from); found.length < limit; i++) {
      const key = keys[i];
      const value = key === undefined ? undefined : items.get(key);
      if (key === undefined || value === undefined || key >= to) break;
      found.push({ key, value });
    }
    return found;
  }

  *read(object: number, offset: number, length: number): Op<Run[]> {
    checkObject(object);
    checkOffset(offset);
    checkOffset(length);
    yield* this.#begin();
    return runsOf(this.#state, object, offset, length);
  }

  *dataRanges(object: number, offset: number, length: number): Op<ByteRange[]> {
    checkObject(object);
    checkOffset(offset);
    checkOffset(length);
    yield* this.#begin();
    return runsOf(this.#state, object, offset, length).map(({ offset: from }) => {
      return { from, to: from + BLOCK_SIZE };
    });
  }

  *nextData(object: number, offset: number): Op<number | undefined> {
    checkObject(object);
    checkOffset(offset);
    yield* this.#begin();
    const [index] = sortedFrom(this.#state.objects.get(object), offset / BLOCK_SIZE);
    return index === undefined ? undefined : index * BLOCK_SIZE;
  }

  *commit(batch: Batch, _options: { readonly durability: Durability }): Op<void> {
    checkBatch(batch);
    yield* this.#begin();
    this.#state = this.#with(batch);
    this.#logged = undefined;
  }

  *log(batch: Batch): Op<boolean> {
    checkBatch(batch);
    yield* this.#begin();
    this.#logged = this.#with(batch);
    return true;
  }

  /** Errors: ENOSPC; what failNextCommit() was told. */
  #with(batch: Batch): MemoryStoreSnapshot {
    const failure = this.#nextFailure;
    this.#nextFailure = undefined;
    if (failure !== undefined) throw failure;
    const next = applyBatch(this.#state, batch);
    const isLimited = this.#capacityBytes < Number.MAX_SAFE_INTEGER;
    if (isLimited && usedBytes(next) > this.#capacityBytes) throw linuxerr.ENOSPC;
    return next;
  }

  get isOpen(): boolean {
    return !this.#isClosed;
  }

  get reservedBytes(): number {
    const isLimited = this.#capacityBytes < Number.MAX_SAFE_INTEGER;
    if (!isLimited) return this.#wantedBytes;
    return Math.max(0, Math.min(this.#wantedBytes, this.#capacityBytes - usedBytes(this.#state)));
  }

  *reserve(bytes: number): Op<number> {
    yield* this.#begin();
    // Nobody else takes what is free.
    this.#wantedBytes = Math.max(this.#wantedBytes, bytes);
    return this.reservedBytes;
  }

  *view(): Op<StoreView> {
    yield* this.#begin();
    return new MemoryView(this.#state);
  }

  *replace(): Op<Replacement> {
    yield* this.#begin();
    let state = EMPTY_STATE;
    const put = function* (this: MemoryStore, batch: Batch): Op<void> {
      checkBatch(batch);
      yield* this.#begin();
      state = applyBatch(state, batch);
    };
    const finish = function* (this: MemoryStore): Op<void> {
      yield* this.#begin();
      this.#state = state;
      yield* this.close();
    };
    return { put: put.bind(this), finish: finish.bind(this), abort: () => undefined };
  }

  *usage(): Op<StoreUsage> {
    yield* this.#begin();
    const used = usedBytes(this.#state);
    return { used, available: Math.max(0, this.#capacityBytes - used) };
  }

  *close(): Op<void> {
    this.#isClosed = true;
    // Commits that are under way began to wait before this does.
    if (this.#yields) yield* waitFor(Promise.resolve());
  }

  *#begin(): Op<void> {
    if (this.#isClosed) throw linuxerr.EIO;
    if (this.#yields) yield* waitFor(Promise.resolve());
  }
}

function applyBatch(state: MemoryStoreSnapshot, batch: Batch): MemoryStoreSnapshot {
  assert(batch.lost === undefined, 'a store in memory loses nothing');
  const items = new Map(state.items);
  for (const [key, value] of batch.items) {
    if (value === undefined) items.delete(key);
    else items.set(key, value.slice());
  }
  const objects = new Map<number, Map<number, Uint8Array>>();
  const blocksOf = (object: number): Map<number, Uint8Array> => {
    let blocks = objects.get(object);
    if (blocks === undefined) {
      objects.set(object, (blocks = new Map(state.objects.get(object))));
    }
    return blocks;
  };
  for (const { object, from, to } of batch.discards) {
    const blocks = blocksOf(object);
    for (const index of blocks.keys()) {
      if (index * BLOCK_SIZE >= from && index * BLOCK_SIZE < to) blocks.delete(index);
    }
  }
  for (const { object, run } of batch.writes) {
    for (let at = 0; at < run.bytes.length; at += BLOCK_SIZE) {
      const block = new Uint8Array(BLOCK_SIZE);
      block.set(run.bytes.subarray(at, at + BLOCK_SIZE));
      blocksOf(object).set((run.offset + at) / BLOCK_SIZE, block);
    }
  }
  const hasSameKeys = items.size === state.items.size && [...items.keys()].every(has(state.items));
  return {
    keys: hasSameKeys ? state.keys : [...items.keys()].sort(),
    items,
    objects: new Map([...state.objects, ...objects]),
  };
}

function has(items: ReadonlyMap<string, unknown>): (key: string) => boolean {
  return (key) => items.has(key);
}

function usedBytes({ items, objects }: MemoryStoreSnapshot): number {
  let bytes = 0;
  for (const [key, value] of items) bytes += key.length + value.length;
  for (const blocks of objects.values()) bytes += blocks.size * BLOCK_SIZE;
  return bytes;
}
