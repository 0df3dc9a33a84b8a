// Resilver: makes the follower of a mirror anew, in the background, while commits go on.
//
// A follower that still has a state of its own is not touched until the leader was read from end to
// end: if that is damaged, the older state may be all there is. Then the follower is emptied and
// marked as incomplete, and a walk through the leader's places copies what was there when it began
// (place-walk.ts), a few MiB at a time. Every commit made meanwhile is handed on as it is: what it
// writes is not copied again. At the end, between two commits, the follower gets the leader's
// superblock, and with it becomes whole.

import { linuxerr } from '../../abi/errno.ts';
import { type Op, runAsync } from '../../lib/op.ts';
import type { Durability } from '../store.ts';
import type { Follower } from './follower.ts';
import type { Checksum } from './node-cache.ts';
import { type DeviceBatch, type PageDevice, type UnitRange, unitsOf } from './page-device.ts';
import { PlaceWalk, readPlaces, spacePagesOf, type VisitedPlace } from './place-walk.ts';
import { encodeRootBlock, type RootBlock } from './root-block.ts';

export interface ResilverOptions {
  /** What is copied from. */
  readonly source: PageDevice & { readonly block: RootBlock };
  readonly follower: Follower;
  readonly checksum: Checksum;
  /** Copied at once. */
  readonly stepBytes: number;
  /** Between two steps, for others. */
  readonly pause: () => Promise<void>;
  /** Waits until no commit is under way, and keeps commits back until what it returns is called. */
  readonly hold: () => Op<() => void>;
  /** There is nothing on the follower that could be wanted. */
  readonly isFollowerEmpty: boolean;
  /** The follower is whole. Called while no commit is under way. */
  readonly finished: () => void;
}

export class Resilver {
  readonly #options: ResilverOptions;
  /** Units that commits have written or given up since the step under way began. */
  #touched = new Set<number>();
  #commitCount = 0;
  #isCopying = false;
  #isStopped = false;
  copiedBytes = 0;

  constructor(options: ResilverOptions) {
    this.#options = options;
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** The source has had a commit. */
  committed({ writes, frees }: DeviceBatch, durability: Durability): void {
    this.#commitCount++;
    if (!this.#isCopying) return;
    // Not all that is given up was copied.
    const clears = frees.map(({ address, sizeBytes }) => ({ address, units: unitsOf(sizeBytes) }));
    const written = writes.map(({ address, bytes }) => ({ address, units: unitsOf(bytes.length) }));
    for (const { address, units } of [...clears, ...written]) {
      for (let i = 0; i < units; i++) this.#touched.add(address + i);
    }
    this.#options.follower.push(
      { clears, writes, frees: [], superblock: this.#incomplete() },
      durability,
    );
  }

  /**
   * Ends when the follower is whole, when it has failed, or when it was stopped.
   *
   * Errors: EIO, also if the leader is damaged and the follower was left as it is.
   */
  async run(): Promise<void> {
    if (!this.#options.isFollowerEmpty) await this.#verify();
    if (this.#hasEnded) return;
    const { source, follower, checksum, hold } = this.#options;
    const release = await runAsync(hold());
    const { generation } = source.block;
    this.#isCopying = true;
    const everything = [{ address: 0, units: Infinity }];
    follower.push(
      { clears: everything, writes: [], frees: [], superblock: this.#incomplete() },
      'relaxed',
    );
    release();
    const current = (): RootBlock => source.block;
    const walk = new PlaceWalk({ device: source, checksum, current, generation });
    while (!this.#hasEnded) {
      this.#touched = new Set();
      const places = await runAsync(walk.next(this.#options.stepBytes));
      if (places === undefined) break;
      await this.#copy(places);
      await runAsync(follower.drained());
      await this.#options.pause();
    }
    if (!this.#hasEnded) await this.#finish(generation);
  }

  async #verify(): Promise<void> {
    const { source, checksum } = this.#options;
    const current = (): RootBlock => source.block;
    const walk = new PlaceWalk({ device: source, checksum, current, generation: Infinity });
    while (!this.#hasEnded) {
      const commitCount = this.#commitCount;
      const places = await runAsync(walk.next(this.#options.stepBytes));
      if (places === undefined) break;
      const isDamaged = (await runAsync(readPlaces(source, places))).includes(undefined);
      // What is missing after a commit may have been given up by it; the copying looks again.
      if (isDamaged && commitCount === this.#commitCount) throw linuxerr.EIO;
      await this.#options.pause();
    }
    if (walk.damagedCount > 0) throw linuxerr.EIO;
  }

  get #hasEnded(): boolean {
    return this.#isStopped || this.#options.follower.failure !== undefined;
  }

  async #copy(places: readonly VisitedPlace[]): Promise<void> {
    const { source, follower } = this.#options;
    const read = await runAsync(readPlaces(source, places));
    const writes: { address: number; bytes: Uint8Array }[] = [];
    // What several leaves have comes more than once.
    const clears: UnitRange[] = [];
    for (const [i, bytes] of read.entries()) {
      const place = places[i];
      if (place === undefined) break;
      // Something else may be there by now.
      if (this.#isTouched(place)) continue;
      // What is damaged on the leader, too, stays missing.
      if (bytes === undefined) continue;
      writes.push({ address: place.address, bytes });
      clears.push({ address: place.address, units: unitsOf(place.sizeBytes) });
    }
    this.copiedBytes += writes.reduce((sum, { bytes }) => sum + bytes.length, 0);
    follower.push({ clears, writes, frees: [], superblock: this.#incomplete() }, 'relaxed');
  }

  #isTouched({ address, sizeBytes }: VisitedPlace): boolean {
    for (let i = 0; i < unitsOf(sizeBytes); i++) if (this.#touched.has(address + i)) return true;
    return false;
  }

  async #finish(generation: number): Promise<void> {
    const { source, follower, checksum, hold, finished } = this.#options;
    const release = await runAsync(hold());
    try {
      const { block } = source;
      const isOld = block.space.pages.every((page) => page.generation <= generation);
      const pages = isOld ? spacePagesOf(block, checksum) : [];
      this.#touched = new Set();
      await this.#copy(pages);
      const superblock = await runAsync(source.readSuperblock());
      if (superblock !== undefined) follower.push({ writes: [], frees: [], superblock }, 'strict');
      await runAsync(follower.drained());
      if (!this.#hasEnded) finished();
    } finally {
      release();
    }
  }

  #incomplete(): Uint8Array {
    const { source, checksum } = this.#options;
    return encodeRootBlock({ ...source.block, isIncomplete: true }, checksum);
  }
}
