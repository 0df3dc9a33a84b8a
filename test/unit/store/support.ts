// A browser's storage for tests: IndexedDB, Web Locks and markers that outlive the stores opened on
// them, with ways to count what is asked of them and to make them fail. And the model of a store.

import {
  forceCloseDatabase,
  IDBFactory,
  IDBKeyRange,
  IDBObjectStore,
  IDBTransaction,
} from 'fake-indexeddb';
import { expect } from 'vitest';
import { runAsync } from '../../../src/lib/op.ts';
import { Database } from '../../../src/store/database.ts';
import { checkDevice, type CheckReport } from '../../../src/store/engine/check.ts';
import { loadChecksum } from '../../../src/store/engine/checksum.ts';
import type { Engine } from '../../../src/store/engine/engine.ts';
import { IdbDevice } from '../../../src/store/engine/idb-device.ts';
import { openIdbStore } from '../../../src/store/idb-store.ts';
import type { IdbStoreOptions } from '../../../src/store/idb-store.ts';
import type { Markers } from '../../../src/store/markers.ts';
import { SUPERBLOCK_KEY } from '../../../src/store/records.ts';
import type { LockManagerLike } from '../../../src/store/source-lock.ts';
import type { Superblock } from '../../../src/store/superblock.ts';
import { BLOCK_SIZE } from '../../../src/store/store.ts';
import type { Batch, Run, Store } from '../../../src/store/store.ts';

export const SOURCE = 'test';
const DATABASE = 'burrow:test';

/** Exclusive locks, first come, first served. */
class FakeLocks implements LockManagerLike {
  readonly #tails = new Map<string, Promise<void>>();
  #takeAway: ((reason: unknown) => void) | undefined;

  request(
    name: string,
    { signal, ifAvailable = false }: LockOptions,
    callback: (lock: Lock | null) => Promise<void>,
  ): Promise<unknown> {
    const tail = this.#tails.get(name);
    if (tail !== undefined && ifAvailable) return callback(null);
    return new Promise((resolve, reject) => {
      signal?.addEventListener('abort', () => {
        reject(new DOMException('aborted', 'AbortError'));
      });
      const granted = (tail ?? Promise.resolve()).then(async () => {
        if (signal?.aborted !== true) {
          this.#takeAway = reject;
          await callback({ name, mode: 'exclusive' });
        }
        if (this.#tails.get(name) === granted) this.#tails.delete(name);
        resolve(undefined);
      });
      this.#tails.set(name, granted);
    });
  }

  /** What another page's request with `steal` does to the holder. */
  steal(): void {
    this.#takeAway?.(new DOMException('stolen', 'AbortError'));
  }
}

class FakeMarkers implements Markers {
  readonly texts = new Map<string, string>();

  read(source: string): Promise<string | undefined> {
    return Promise.resolve(this.texts.get(source));
  }

  write(source: string, text: string): Promise<void> {
    this.texts.set(source, text);
    return Promise.resolve();
  }
}

/** One origin of one browser. */
export class Origin {
  factory = new IDBFactory();
  readonly locks = new FakeLocks();
  readonly markers = new FakeMarkers();
  readonly #prefersBlobs: boolean;
  #sessions = 0;

  /** `prefersBlobs`: as Chromium. */
  constructor(prefersBlobs = false) {
    this.#prefersBlobs = prefersBlobs;
  }

  async open(options: Partial<IdbStoreOptions> = {}): Promise<Engine> {
    const { factory } = this;
    const prefersBlobs = this.#prefersBlobs;
    const store = await openIdbStore({
      source: SOURCE,
      session: ++this.#sessions,
      files: null,
      idb: { factory, KeyRange: IDBKeyRange, prefersBlobs },
      locks: this.locks,
      markers: this.markers,
      ...options,
    });
    // Commits in the background would come in the middle of other tests.
    store.defragmenter.onWanted = undefined;
    return store;
  }

  /** The browser comes up without its databases. */
  loseDatabases(): void {
    this.factory = new IDBFactory();
  }

  /** From now on, new databases report what became of the old ones, as Chromium does. */
  reportDataLoss(message: string): void {
    const { factory } = this;
    const open = factory.open.bind(factory);
    factory.open = (name, version) => {
      const request = open(name, version);
      request.addEventListener('upgradeneeded', (event) => {
        Object.assign(event, { dataLoss: 'total', dataLossMessage: message });
      });
      return request;
    };
  }

  /** A connection of another program's. */
  connect(version?: number, upgrade?: (db: IDBDatabase) => void): Promise<IDBDatabase> {
    return new Promise((resolve, reject) => {
      const request = this.factory.open(DATABASE, version);
      request.onupgradeneeded = () => upgrade?.(request.result);
      request.onsuccess = () => {
        resolve(request.result);
      };
      request.onerror = () => {
        reject(request.error ?? new Error('open failed'));
      };
    });
  }

  /** All records, by key as JSON. The store must be closed. */
  async dump(): Promise<Map<string, unknown>> {
    const db = await this.connect();
    const records = new Map<string, unknown>();
    await new Promise<void>((resolve) => {
      const request = db.transaction('records').objectStore('records').openCursor();
      request.onsuccess = () => {
        const cursor = request.result;
        if (cursor === null) {
          resolve();
          return;
        }
        records.set(JSON.stringify(cursor.key), cursor.value);
        cursor.continue();
      };
    });
    db.close();
    return records;
  }

  /** Looks at everything that is stored, which is to be whole. The store must be closed. */
  async check(): Promise<CheckReport> {
    const report = await this.report();
    expect(report.problems).toEqual([]);
    return report;
  }

  /** The same, whole or not. */
  async report(): Promise<CheckReport> {
    const superblock = (await this.dump()).get(`"${SUPERBLOCK_KEY}"`) as Superblock;
    const database = new Database(await this.connect());
    const device = new IdbDevice({
      database,
      KeyRange: IDBKeyRange,
      superblock,
      superblockKey: SUPERBLOCK_KEY,
      isMirrored: false,
      estimate: undefined,
    });
    const report = await runAsync(checkDevice(device, await loadChecksum()));
    database.close();
    return report;
  }

  /** Changes records behind the store's back. */
  async tamper(change: (store: IDBObjectStore) => void): Promise<void> {
    const db = await this.connect();
    await new Promise<void>((resolve) => {
      const transaction = db.transaction('records', 'readwrite');
      transaction.oncomplete = () => {
        resolve();
      };
      change(transaction.objectStore('records'));
    });
    db.close();
  }

  /** The browser closes all connections, as when the user clears the site's data. */
  closeConnections(): void {
    const { _databases } = this.factory as unknown as {
      _databases: Map<string, { connections: IDBDatabase[] }>;
    };
    for (const { connections } of _databases.values()) {
      for (const db of connections) forceCloseDatabase(db as never);
    }
  }
}

const COUNTED = ['get', 'getAll', 'getAllKeys', 'openCursor', 'put', 'delete', 'clear'] as const;
export type RequestCounts = Record<(typeof COUNTED)[number] | 'transactions', number>;

/** Counts the requests of all stores while `action` runs. */
export async function countRequests(action: () => Promise<unknown>): Promise<RequestCounts> {
  const counts = { transactions: 0 } as RequestCounts;
  const prototype = IDBObjectStore.prototype as unknown as Record<string, unknown>;
  const originals = COUNTED.map((name) => [name, prototype[name]] as const);
  const seen = new Set<IDBTransaction>();
  for (const [name, original] of originals) {
    counts[name] = 0;
    prototype[name] = function (this: IDBObjectStore, ...args: unknown[]): unknown {
      counts[name]++;
      seen.add(this.transaction);
      return (original as (...args: unknown[]) => unknown).apply(this, args);
    };
  }
  try {
    await action();
  } finally {
    for (const [name, original] of originals) prototype[name] = original;
  }
  return { ...counts, transactions: seen.size };
}

/**
 * Makes the next transactions that are committed fail as a full disk does in Chromium: at the end.
 */
export function failNextTransaction(errorName: string, times = 1): void {
  const prototype = IDBTransaction.prototype as unknown as { commit: () => void };
  const original = prototype.commit;
  let left = times;
  prototype.commit = function (this: { _abort(name: string): void }): void {
    if (--left <= 0) prototype.commit = original;
    this._abort(errorName);
  };
}

/**
 * Transactions of a commit that finds no room, if nothing is reserved: three tries, and before each
 * but the first one that has the browser count anew.
 */
export const COMMIT_TRIES = 5;

/**
 * Runs `action` when the next commit's transaction is under way: all is requested, nothing is done.
 */
export function whileCommitting(action: () => void): void {
  const prototype = IDBTransaction.prototype as unknown as { commit: () => void };
  const original = prototype.commit;
  prototype.commit = function (): void {
    prototype.commit = original;
    original.call(this);
    action();
  };
}

/** Makes the next put fail, and with it its transaction, as Firefox does. */
export function failNextPut(errorName: string): void {
  const prototype = IDBObjectStore.prototype as unknown as { put: () => IDBRequest };
  const original = prototype.put;
  prototype.put = function (this: IDBObjectStore): IDBRequest {
    prototype.put = original;
    const transaction = this.transaction as unknown as {
      _execRequestAsync(request: object): IDBRequest;
    };
    const operation = (): never => {
      throw new DOMException('failed on purpose', errorName);
    };
    return transaction._execRequestAsync({ operation, source: this });
  };
}

export function batch(changes: {
  items?: Iterable<readonly [string, Uint8Array | undefined]>;
  discards?: Batch['discards'];
  writes?: readonly (readonly [object: number, offset: number, bytes: Uint8Array])[];
}): Batch {
  return {
    items: new Map(changes.items),
    discards: changes.discards ?? [],
    writes: (changes.writes ?? []).map(([object, offset, bytes]) => ({
      object,
      run: { offset, bytes },
    })),
  };
}

export function commit(
  store: Store,
  changes: Parameters<typeof batch>[0],
  durability: 'relaxed' | 'strict' = 'relaxed',
): Promise<void> {
  return runAsync(store.commit(batch(changes), { durability }));
}

/** `size` bytes that aren't zero, different for each seed. */
export function bytes(size: number, seed = 1): Uint8Array {
  const result = new Uint8Array(size);
  for (let i = 0; i < size; i++) result[i] = 1 + ((seed * 31 + i * 7 + (i >> 8)) % 255);
  return result;
}

/**
 * Bytes as a short text that differs if they do: compared fast, and readable in a failure's output.
 */
export function digest(data: Uint8Array): string {
  let hash = 0;
  for (const byte of data) hash = (Math.imul(hash, 31) + byte) | 0;
  return `${data.length} bytes, ${(hash >>> 0).toString(16)}`;
}

/** Everything in the ordered map. */
export async function allItems(store: Store): Promise<[string, Uint8Array][]> {
  const items = await runAsync(store.scan({ from: '', to: '\uffff', limit: Infinity }));
  return items.map(({ key, value }) => [key, value.slice()]);
}

/** Runs as blocks: offset → digest of the block without the zeros it ends in. */
export function blocksOf(runs: readonly Run[]): [number, string][] {
  const blocks: [number, string][] = [];
  for (const { offset, bytes: data } of runs) {
    for (let at = 0; at < data.length; at += BLOCK_SIZE) {
      const block = data.subarray(at, at + BLOCK_SIZE);
      let used = block.length;
      while (used > 0 && block[used - 1] === 0) used--;
      blocks.push([offset + at, digest(block.subarray(0, used))]);
    }
  }
  return blocks;
}
