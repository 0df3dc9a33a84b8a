// A device on IndexedDB: a record for each place, by its address. A commit is one transaction.
// blob-records.ts has what is different where large records are blobs.

import { promisifyRequest } from 'idb-keyval';
import { linuxerr } from '../../abi/errno.ts';
import { type Clock, RealClock } from '../../lib/clock.ts';
import { type Op, waitFor, WaitQueue } from '../../lib/op.ts';
import type { Database } from '../database.ts';
import type { IndexedDb } from '../records.ts';
import type { Durability, StoreUsage } from '../store.ts';
import { BLOBS, FORMAT_VERSION, type Superblock } from '../superblock.ts';
import { type Ballast, CLEANUP_MS, settle } from './ballast.ts';
import { BlobRecords } from './blob-records.ts';
import { type Estimate, OriginQuota } from './origin-quota.ts';
import type { DeviceBatch, PageDevice, Portion } from './page-device.ts';
import { RecordBallast } from './record-ballast.ts';

/** Records from this size on are kept for a while: the next read may want another part. */
const RECENT_SIZE_MIN = 128 * 1024;
const RECENT_BYTES_MAX = 4 << 20;

/** What a record takes besides its bytes, generously. */
const RECORD_OVERHEAD = 256;
/** Before a commit is given up, the browser gets time to clean up, in milliseconds. */
const LAST_WAIT_MS = 200;
const SETTLE_INTERVAL_MS = 1000;
/** Of the ballast, so much more is given up than a commit needs, in bytes. */
const SLACK = 256 * 1024;

export interface IdbDeviceOptions {
  readonly database: Database;
  readonly KeyRange: IndexedDb['KeyRange'];
  /** Large records are written as blobs. Default: false. */
  readonly prefersBlobs?: boolean | undefined;
  readonly superblock: Superblock;
  /** Where the superblock goes. */
  readonly superblockKey: string;
  /** Is there another copy, of which the superblock is to tell? */
  readonly isMirrored: boolean;
  readonly estimate: Estimate | undefined;
  /** Default: records in the database. */
  readonly ballast?: Ballast | undefined;
  readonly clock?: Clock | undefined;
  /** Called once it is closed. */
  readonly onClosed?: (() => Promise<void>) | undefined;
}

export class IdbDevice implements PageDevice {
  readonly isTransactional = true;
  readonly #options: IdbDeviceOptions;
  readonly #clock: Clock;
  readonly #ballast: Ballast;
  readonly #quota: OriginQuota;
  /** What is put is copied at once. */
  readonly forgetsWrites = true;
  #superblock: Superblock;
  readonly #blobs: BlobRecords;
  /** By address; oldest use first. */
  readonly #recent = new Map<number, Uint8Array>();
  #recentBytes = 0;
  #isBallastChanging = false;
  /** Until then, and without a commit, there is nothing more for the browser to clean up. */
  #nextSettleMs = 0;
  #settledVersion = 0;
  readonly #ballastChanged = new WaitQueue();
  /** Changes when a commit begins and when it ends: what was fetched before may be another's. */
  #version = 0;

  constructor(options: IdbDeviceOptions) {
    this.#options = options;
    this.#clock = options.clock ?? new RealClock();
    this.#ballast = options.ballast ?? new RecordBallast(options.database);
    this.#quota = new OriginQuota(options.estimate);
    this.#blobs = new BlobRecords(options.prefersBlobs === true);
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
      if (record?.length !== sizeBytes) return undefined;
      if (record.length >= RECENT_SIZE_MIN && isCurrent) this.#remember(address, record);
      return record.subarray(from, to);
    });
  }

  async #fetch(addresses: readonly number[]): Promise<Map<number, Uint8Array | undefined>> {
    const { database } = this.#options;
    const found = new Map<number, Uint8Array | undefined>();
    await database.records('relaxed')('readonly', async (store) => {
      const fetch = async (address: number): Promise<void> => {
        const record = await promisifyRequest(store.get(address) as IDBRequest<unknown>);
        found.set(address, await this.#blobs.bytesOf(record));
      };
      await Promise.all(addresses.map(fetch));
    });
    // What is missing where the browser has closed the database is no damage.
    if (!this.isOpen) throw linuxerr.EIO;
    this.#blobs.settle();
    return found;
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

  *commit({ writes, frees, clears, superblock }: DeviceBatch, durability: Durability): Op<void> {
    const { database, KeyRange, superblockKey, isMirrored } = this.#options;
    const { lost: _, ...rest } = this.#superblock;
    // A commit that finds no room is tried again with the same ones.
    const records = writes.map(({ address, bytes }) => [address, this.#blobs.make(bytes)] as const);
    const hasBlobs = records.some(([, record]) => record instanceof Blob);
    const next: Superblock = {
      ...rest,
      features: hasBlobs ? withBlobs(rest.features) : rest.features,
      formatVersion: FORMAT_VERSION,
      isClean: false,
      isMirrored,
      root: superblock,
    };
    const write = (): Promise<void> =>
      database.write(durability, (store) => {
        for (const { address, units } of clears ?? []) {
          store.delete(KeyRange.bound(address, address + units, false, true));
        }
        for (const { address } of frees) store.delete(address);
        for (const [address, record] of records) store.put(record, address);
        store.put(next, superblockKey);
      });
    this.#version++;
    try {
      const bytes = writes.reduce((sum, each) => sum + each.bytes.length + RECORD_OVERHEAD, 0);
      const written = bytes + superblock.length;
      yield* this.#withinQuota(write, written);
      this.#ballast.committed(written);
    } finally {
      this.#version++;
    }
    this.#superblock = next;
    for (const { address } of frees) this.#forget(address);
    if (clears !== undefined) for (const address of this.#recent.keys()) this.#forget(address);
    this.#blobs.settle();
  }

  *rewrite(address: number, bytes: Uint8Array): Op<void> {
    const { database } = this.#options;
    const written = database.write('relaxed', (store) => {
      store.put(bytes, address);
    });
    this.#forget(address);
    yield* waitFor(written);
  }

  /** Writes `bytes`. If there is no room, what was reserved is. Errors: ENOSPC, EIO. */
  *#withinQuota(write: () => Promise<void>, bytes: number): Op<void> {
    if (yield* fits(write)) return;
    yield* this.#changeBallast(() => this.#makeRoom(write, bytes));
  }

  *#makeRoom(write: () => Promise<void>, bytes: number): Op<void> {
    this.#blobs.collect();
    if ((yield* this.#ballast.drop(bytes + SLACK)) && (yield* fits(write))) return;
    yield* this.#settle(CLEANUP_MS);
    if (yield* fits(write)) return;
    // Browsers count a little differently: if a part is not enough, all of it may be.
    if (yield* this.#ballast.drop(Infinity)) {
      yield* this.#settle(CLEANUP_MS);
      if (yield* fits(write)) return;
    }
    yield* this.#settle(LAST_WAIT_MS);
    yield* waitFor(write());
  }

  #settle(ms: number): Op<void> {
    return settle(this.#options.database, this.#clock, ms);
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
    return (yield* waitFor(this.#fetch([address]))).get(address);
  }

  *usage(): Op<StoreUsage> {
    yield* this.#ballast.load();
    const { used, available } = yield* this.#quota.usage();
    const { countedBytes } = this.#ballast;
    return { used: Math.max(0, used - countedBytes), available: available + countedBytes };
  }

  get reservedBytes(): number {
    return this.#ballast.bytes;
  }

  *reserve(bytes: number): Op<number> {
    yield* this.#changeBallast(() => this.#grow(bytes));
    return this.#ballast.bytes;
  }

  *#grow(bytes: number): Op<void> {
    yield* this.#ballast.grow(bytes);
    const now = this.#clock.monotonicMs();
    const isSettled = this.#version === this.#settledVersion && now < this.#nextSettleMs;
    if (this.#ballast.bytes >= bytes || isSettled) return;
    this.#settledVersion = this.#version;
    this.#nextSettleMs = now + SETTLE_INTERVAL_MS;
    this.#blobs.collect();
    yield* this.#settle(CLEANUP_MS);
    yield* this.#ballast.grow(bytes);
  }

  release(bytes: number): Op<boolean> {
    return this.#changeBallast(() => this.#ballast.drop(bytes));
  }

  /** One at a time, and none while a commit makes room. */
  *#changeBallast<T>(change: () => Op<T>): Op<T> {
    while (this.#isBallastChanging) yield this.#ballastChanged;
    this.#isBallastChanging = true;
    try {
      return yield* change();
    } finally {
      this.#isBallastChanging = false;
      this.#ballastChanged.wakeAll();
    }
  }

  *close(): Op<void> {
    const { database, superblockKey, onClosed } = this.#options;
    if (database.isOpen && this.#superblock.isClean === false) {
      const ended = { ...this.#superblock, isClean: true };
      // If that fails, the next opening is a little slower.
      const written = database.write('relaxed', (store) => {
        store.put(ended, superblockKey);
      });
      yield* waitFor(written.catch(() => undefined));
    }
    yield* this.#ballast.close();
    database.close();
    if (onClosed !== undefined) yield* waitFor(onClosed());
  }
}

function withBlobs(features: readonly string[]): readonly string[] {
  return features.includes(BLOBS) ? features : [...features, BLOBS];
}

/** Writes. False if there is no room. Errors: EIO. */
function* fits(write: () => Promise<void>): Op<boolean> {
  try {
    yield* waitFor(write());
    return true;
  } catch (error) {
    if (error !== linuxerr.ENOSPC) throw error;
    return false;
  }
}
