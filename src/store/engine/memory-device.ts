// A device in memory, for tests: it can be made to wait, to fail and to crash, and it notices an
// engine that breaks the contract.

import { type LinuxError, linuxerr } from '../../abi/errno.ts';
import { assert } from '../../lib/assert.ts';
import { type Op, waitFor } from '../../lib/op.ts';
import type { Durability, StoreUsage } from '../store.ts';
import {
  type DeviceBatch,
  type PageDevice,
  type Place,
  type Portion,
  SUPERBLOCK_SIZE_MAX,
  type UnitRange,
  UNIT_SIZE,
  unitsOf,
} from './page-device.ts';

export interface MemoryDeviceOptions {
  /** Every operation waits one turn of the microtask queue. Default: none does. */
  readonly yields?: boolean;
  /** Commits that would need more fail with ENOSPC, in bytes. Default: no limit. */
  readonly capacityBytes?: number;
  /** Default: no. */
  readonly isTransactional?: boolean;
}

/** What a device held at some moment. */
export interface DeviceImage {
  readonly superblock: Uint8Array | undefined;
  readonly places: ReadonlyMap<number, Uint8Array>;
}

export class MemoryDevice implements PageDevice {
  readonly forgetsWrites = true;
  readonly isTransactional: boolean;
  readonly #yields: boolean;
  readonly #capacityBytes: number;
  #superblock: Uint8Array | undefined;
  #places = new Map<number, Uint8Array>();
  /** Units that a place takes. */
  readonly #taken = new Set<number>();
  #nextFailure: LinuxError | undefined;
  #isClosed = false;
  /** The most that somebody wanted to reserve. */
  #wantedBytes = 0;
  #isDamaged = false;
  /** What was committed, in order; undefined: nobody wants to know. */
  #history: DeviceImage[] | undefined;
  /** Places read so far. */
  readCount = 0;

  constructor(options: MemoryDeviceOptions = {}) {
    const { yields = false, capacityBytes = Number.MAX_SAFE_INTEGER } = options;
    this.isTransactional = options.isTransactional ?? false;
    this.#yields = yields;
    this.#capacityBytes = capacityBytes;
  }

  get isOpen(): boolean {
    return !this.#isClosed;
  }

  get image(): DeviceImage {
    return { superblock: this.#superblock, places: new Map(this.#places) };
  }

  /** Goes back to an image, as after a crash, and is open. */
  restore({ superblock, places }: DeviceImage): void {
    this.#superblock = superblock;
    this.#places = new Map(places);
    this.#taken.clear();
    for (const [address, bytes] of places) this.#take(address, bytes.length);
    this.#nextFailure = undefined;
    this.#isClosed = false;
  }

  /** From now on keeps the image after each commit. Returns them: the list grows. */
  record(): readonly DeviceImage[] {
    return (this.#history = [this.image]);
  }

  /** The next commit fails with this error and changes nothing. */
  failNextCommit(error: LinuxError): void {
    this.#nextFailure = error;
  }

  /** Changes what lies at an address behind the engine's back; undefined: it is gone. */
  damage(address: number, change: (bytes: Uint8Array) => Uint8Array | undefined): void {
    const bytes = this.#places.get(address);
    assert(bytes !== undefined, 'nothing to damage');
    this.#isDamaged = true;
    const changed = change(bytes.slice());
    for (let i = 0; i < unitsOf(bytes.length); i++) this.#taken.delete(address + i);
    this.#places.delete(address);
    if (changed === undefined) return;
    this.#take(address, changed.length);
    this.#places.set(address, changed);
  }

  /** The same of the superblock. */
  damageSuperblock(change: (bytes: Uint8Array) => Uint8Array | undefined): void {
    assert(this.#superblock !== undefined, 'nothing to damage');
    this.#superblock = change(this.#superblock.slice());
  }

  *readSuperblock(): Op<Uint8Array | undefined> {
    yield* this.#begin();
    return this.#superblock;
  }

  *read(portions: readonly Portion[]): Op<(Uint8Array | undefined)[]> {
    yield* this.#begin();
    this.readCount += portions.length;
    return portions.map(({ address, sizeBytes, from, to }) => {
      const bytes = this.#places.get(address);
      return bytes?.length === sizeBytes ? bytes.slice(from, to) : undefined;
    });
  }

  readAtOnce({ address, sizeBytes, from, to }: Portion, target: Uint8Array): boolean {
    const bytes = this.#places.get(address);
    if (this.#yields || !this.isOpen || bytes?.length !== sizeBytes) return false;
    this.readCount++;
    target.set(bytes.subarray(from, to));
    return true;
  }

  *commit(
    { writes, frees, clears = [], superblock }: DeviceBatch,
    _durability: Durability,
  ): Op<void> {
    yield* this.#begin();
    assert(superblock.length <= SUPERBLOCK_SIZE_MAX, 'superblock too large');
    const failure = this.#nextFailure;
    this.#nextFailure = undefined;
    if (failure !== undefined) throw failure;
    for (const range of clears) this.#clear(range);
    const grown = writes.reduce((sum, { bytes }) => sum + unitsOf(bytes.length) * UNIT_SIZE, 0);
    if (this.#usedBytes + grown > this.#capacityBytes) throw linuxerr.ENOSPC;
    if (this.isTransactional) this.#freeAll(frees);
    for (const { address, bytes } of writes) {
      this.#take(address, bytes.length);
      this.#places.set(address, bytes.slice());
    }
    if (!this.isTransactional) this.#freeAll(frees);
    this.#superblock = superblock.slice();
    this.#history?.push(this.image);
  }

  #freeAll(frees: readonly Place[]): void {
    for (const { address, sizeBytes } of frees) this.#free(address, sizeBytes);
  }

  #clear({ address, units }: UnitRange): void {
    for (const [at, bytes] of this.#places) {
      if (at < address || at >= address + units) continue;
      this.#places.delete(at);
      for (let i = 0; i < unitsOf(bytes.length); i++) this.#taken.delete(at + i);
    }
  }

  *rewrite(address: number, bytes: Uint8Array): Op<void> {
    yield* this.#begin();
    this.#places.set(address, bytes.slice());
  }

  #free(address: number, sizeBytes: number): void {
    const found = this.#places.get(address)?.length;
    this.#places.delete(address);
    const units = unitsOf(found ?? sizeBytes);
    for (let i = 0; i < units; i++) {
      const isTaken = this.#taken.delete(address + i);
      // Like IndexedDB, which deletes what isn't there.
      assert(
        isTaken || this.isTransactional || this.#isDamaged,
        'a place freed that is not in use',
      );
    }
  }

  #take(address: number, sizeBytes: number): void {
    for (let i = 0; i < unitsOf(sizeBytes); i++) {
      assert(!this.#taken.has(address + i), 'a place in use is written');
      this.#taken.add(address + i);
    }
  }

  get reservedBytes(): number {
    return Math.max(0, Math.min(this.#wantedBytes, this.#capacityBytes - this.#usedBytes));
  }

  *reserve(bytes: number): Op<number> {
    yield* this.#begin();
    // Nobody else takes what is free.
    this.#wantedBytes = Math.max(this.#wantedBytes, bytes);
    return this.reservedBytes;
  }

  *release(): Op<boolean> {
    return false;
  }

  *addresses(from: number, limit: number): Op<number[]> {
    yield* this.#begin();
    const found = [...this.#places.keys()].filter((address) => address >= from);
    return found.sort((a, b) => a - b).slice(0, limit);
  }

  *readAt(address: number): Op<Uint8Array | undefined> {
    yield* this.#begin();
    return this.#places.get(address)?.slice();
  }

  *usage(): Op<StoreUsage> {
    yield* this.#begin();
    const used = this.#usedBytes;
    return { used, available: Math.max(0, this.#capacityBytes - used) };
  }

  get #usedBytes(): number {
    return this.#taken.size * UNIT_SIZE;
  }

  *close(): Op<void> {
    this.#isClosed = true;
  }

  *#begin(): Op<void> {
    if (this.#isClosed) throw linuxerr.EIO;
    if (this.#yields) yield* waitFor(Promise.resolve());
  }
}
