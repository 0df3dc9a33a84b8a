// A device on IndexedDB: a record for each place, by its address. A commit is one transaction.

import { promisifyRequest } from 'idb-keyval';
import { type Op, waitFor } from '../../lib/op.ts';
import type { Database } from '../database.ts';
import type { IndexedDb } from '../records.ts';
import type { Durability, StoreUsage } from '../store.ts';
import type { Superblock } from '../superblock.ts';
import type { DeviceBatch, PageDevice, Portion } from './page-device.ts';

/** Records from this size on are kept for a while: the next read may want another part. */
const RECENT_SIZE_MIN = 128 * 1024;
const RECENT_BYTES_MAX = 4 << 20;

export interface IdbDeviceOptions {
  readonly database: Database;
  readonly superblock: Superblock;
  readonly KeyRange: IndexedDb['KeyRange'];
  /** Where the superblock goes. */
  readonly superblockKey: string;
  readonly estimate: (() => Promise<StorageEstimate>) | undefined;
  /** Called once it is closed. */
  readonly onClosed?: (() => Promise<void>) | undefined;
}

export class IdbDevice implements PageDevice {
  readonly #options: IdbDeviceOptions;
  #superblock: Superblock;
  /** By address; oldest use first. */
  readonly #recent = new Map<number, Uint8Array>();
  #recentBytes = 0;
  /** Changes when a commit begins and when it ends: what was fetched before may be another's. */
  #version = 0;

  constructor(options: IdbDeviceOptions) {
    this.#options = options;
    this.#superblock = options.superblock;
  }

  get isOpen(): boolean {
    return this.#options.database.isOpen;
  }

  /** What was committed last. */
  get superblock(): Superblock {
    return this.#superblock;
  }

  *readSuperblock(): Op<Uint8Array | undefined> {
    return this.#superblock.root;
  }

  *read(portions: readonly Portion[]): Op<(Uint8Array | undefined)[]> {
    const missing = new Set<number>();
    for (const { address } of portions) if (!this.#recent.has(address)) missing.add(address);
    const version = this.#version;
    const fetched = missing.size === 0 ? undefined : yield* waitFor(this.#fetch([...missing]));
    const isCurrent = version === this.#version;
    return portions.map(({ address, sizeBytes, from, to }) => {
      const record = fetched?.get(address) ?? this.#recent.get(address);
      if (!(record instanceof Uint8Array) || record.length !== sizeBytes) return undefined;
      if (record.length >= RECENT_SIZE_MIN) {
        if (isCurrent) this.#remember(address, record);
      } else if (from === 0 && to === sizeBytes) return record;
      return record.slice(from, to);
    });
  }

  async #fetch(addresses: readonly number[]): Promise<Map<number, unknown>> {
    const { database } = this.#options;
    return database.records('relaxed')('readonly', async (store) => {
      const records = await Promise.all(
        addresses.map((address) => promisifyRequest(store.get(address) as IDBRequest<unknown>)),
      );
      return new Map(addresses.map((address, i) => [address, records[i]]));
    });
  }

  #remember(address: number, record: Uint8Array): void {
    this.#forget(address);
    this.#recent.set(address, record);
    this.#recentBytes += record.length;
    for (const oldest of this.#recent.keys()) {
      if (this.#recentBytes <= RECENT_BYTES_MAX) return;
      this.#forget(oldest);
    }
  }

  #forget(address: number): void {
    const record = this.#recent.get(address);
    if (record === undefined) return;
    this.#recent.delete(address);
    this.#recentBytes -= record.length;
  }

  *commit({ writes, frees, superblock }: DeviceBatch, durability: Durability): Op<void> {
    const { database, superblockKey } = this.#options;
    const next = { ...this.#superblock, root: superblock };
    const committed = database.write(durability, (store) => {
      for (const { address } of frees) store.delete(address);
      for (const { address, bytes } of writes) store.put(bytes, address);
      store.put(next, superblockKey);
    });
    this.#version++;
    try {
      yield* waitFor(committed);
    } finally {
      this.#version++;
    }
    this.#superblock = next;
    for (const { address } of frees) this.#forget(address);
  }

  *addresses(from: number, limit: number): Op<number[]> {
    const { database, KeyRange } = this.#options;
    // Behind all numbers come the strings.
    const range = KeyRange.bound(from, Infinity);
    const keys = database.records('relaxed')('readonly', (store) =>
      promisifyRequest(store.getAllKeys(range, limit)),
    );
    return (yield* waitFor(keys)) as number[];
  }

  *readAt(address: number): Op<Uint8Array | undefined> {
    const record = (yield* waitFor(this.#fetch([address]))).get(address);
    return record instanceof Uint8Array ? record : undefined;
  }

  *usage(): Op<StoreUsage> {
    const { estimate } = this.#options;
    if (estimate === undefined) return { used: 0, available: Number.MAX_SAFE_INTEGER };
    const { usage = 0, quota = Number.MAX_SAFE_INTEGER } = yield* waitFor(
      // A browser that refuses to tell is like one that has no limit.
      estimate().catch((): StorageEstimate => ({})),
    );
    return { used: usage, available: Math.max(0, quota - usage) };
  }

  *close(): Op<void> {
    this.#options.database.close();
    const { onClosed } = this.#options;
    if (onClosed !== undefined) yield* waitFor(onClosed());
  }
}
