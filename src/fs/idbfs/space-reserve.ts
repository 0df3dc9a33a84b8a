// SpaceReserve: room for what was written and is not committed yet, so that a full medium is told
// by the call that finds no room, and not by a commit that comes too late. Linux: delayed
// allocation reserves likewise (fs/ext4/inode.c, ext4_da_reserve_space()).
//
// The store holds room for commits to come (Store.reserve()). So much may be pending, less a part
// that is kept for removals and for the nodes that every commit writes anew. Who needs more makes
// the store hold more, or waits for a commit. If the store can't hold more, it is full: then what
// doesn't fit is ENOSPC at once.

import { linuxerr } from '../../abi/errno.ts';
import { NAME_MAX } from '../../abi/limits.ts';
import { IDBFS_MAGIC, type Statfs } from '../../abi/stat.ts';
import type { Clock } from '../../lib/clock.ts';
import { type Op, timer, WaitQueue } from '../../lib/op.ts';
import type { Store } from '../../store/store.ts';
import { BLOCK_SIZE } from '../shared/file-data.ts';

/** Kept for removals and nodes, in bytes. */
const METADATA_RESERVE = 1 << 20;
/** What is held at least once anything is written. */
const RESERVE_MIN = METADATA_RESERVE + (1 << 20);
/** Writers may be this many times the dirty limit ahead of the commits. */
const DIRTY_LIMIT_FACTOR = 2;
/** A piece of a write has to fit. */
const PENDING_MIN = 2 << 20;
/** What is pending takes a little more in the store: extents, checksums, names. */
const OVERHEAD = 17 / 16;
/** With less room than this a filesystem counts as full, in bytes. */
const FULL_BYTES = 64 * 1024;
/** A store that had no more is asked again after this time, in milliseconds. */
const RETRY_MS = 1000;
/** What a change of one inode may cost at most: a leaf of the tree of its own, in bytes. */
const CHANGE_BYTES_MAX = 28 * 1024;

/** What is not committed yet. */
export interface Pending {
  readonly hasChanges: boolean;
  readonly dirtyBytes: number;
  readonly committingBytes: number;
  /** Inodes that the next commit would write or remove. */
  readonly inodeCount: number;
}

export interface SpaceReserveOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly dirtyLimit: number;
  /** Commits what is pending. Errors: ENOSPC, EIO. */
  readonly commit: () => Op<void>;
  /** Waits for the commit that is under way, or else for one. Errors: the same. */
  readonly progress: () => Op<void>;
  /** Did the last commit fail? */
  readonly isFailing: () => boolean;
}

export class SpaceReserve {
  readonly #pending: Pending;
  readonly #options: SpaceReserveOptions;
  readonly #store: Store;
  readonly #bytesMax: number;
  /** What the store is to hold. */
  #goal = 0;
  /** What it held when it was asked last. */
  #heldBytes = 0;
  /** The store could not hold as much as it was asked to: how much is left is known. */
  #isLimited = false;
  /** Requests to the store that are under way. */
  #holdCount = 0;
  readonly #held = new WaitQueue();
  #nextTryMs = 0;
  #isRechecking = false;

  constructor(pending: Pending, options: SpaceReserveOptions) {
    this.#pending = pending;
    this.#options = options;
    this.#store = options.store;
    const pendingMax = Math.max(DIRTY_LIMIT_FACTOR * options.dirtyLimit, PENDING_MIN);
    this.#bytesMax = METADATA_RESERVE + Math.ceil(pendingMax * OVERHEAD);
  }

  /** A new store begins to hold room; one that has been written to has held it since. */
  *open({ isNew }: { readonly isNew: boolean }): Op<void> {
    yield* this.#hold(isNew ? RESERVE_MIN : 0);
  }

  /** There is no room for more, or nearly none. */
  get isFull(): boolean {
    return this.#isLimited && !this.hasRoom(FULL_BYTES);
  }

  get #pendingBytes(): number {
    return this.#pending.dirtyBytes + this.#pending.committingBytes;
  }

  /** Bytes that may become pending. */
  get #room(): number {
    const held = this.#store.reservedBytes - METADATA_RESERVE;
    return Math.floor(held / OVERHEAD) - this.#pendingBytes;
  }

  hasRoom(bytes: number): boolean {
    return this.#room >= bytes;
  }

  /** Waits until there is room, if waiting helps. */
  *makeRoom(bytes: number): Op<void> {
    // Of a store that fails nothing can be had until a commit has succeeded.
    while (!this.hasRoom(bytes) && !this.#options.isFailing()) {
      // A commit that has just ended may have made room, of which the store is asked already.
      if (this.#holdCount > 0) {
        yield this.#held;
        continue;
      }
      if (yield* this.#holdMore(bytes)) continue;
      const isPending = this.#pending.hasChanges || this.#pending.committingBytes > 0;
      if (this.hasRoom(bytes) || !isPending) return;
      if (!this.#isLimited && this.#pendingBytes > 0) {
        if (!(yield* succeeds(this.#options.progress()))) return;
        continue;
      }
      // What it removes is room for others.
      if (!(yield* succeeds(this.#options.commit()))) return;
      yield* this.#hold(this.#goal);
      if (this.#isLimited) return;
    }
  }

  /** True if there is more room than before. */
  *#holdMore(bytes: number): Op<boolean> {
    const held = this.#store.reservedBytes;
    const needed = METADATA_RESERVE + (this.#pendingBytes + bytes) * OVERHEAD;
    const wanted = Math.ceil(Math.max(RESERVE_MIN, 2 * held, needed));
    // Not less than before, also if less is held now: whether it is got says whether there is room.
    const goal = Math.max(this.#goal, Math.min(wanted, this.#bytesMax));
    if (held >= goal || this.#mustWait) return false;
    yield* this.#hold(goal);
    return this.#store.reservedBytes > held;
  }

  *#hold(bytes: number): Op<void> {
    this.#goal = Math.max(this.#goal, bytes);
    this.#holdCount++;
    try {
      this.#heldBytes = yield* this.#store.reserve(bytes);
      this.#isLimited = this.#heldBytes < this.#goal;
      this.#nextTryMs = this.#options.clock.monotonicMs() + RETRY_MS;
    } catch (error) {
      // The commits will tell.
      if (!isOfMedium(error)) throw error;
    } finally {
      this.#holdCount--;
      this.#held.wakeAll();
    }
  }

  /** A commit has ended well: it may have used what was held, or given room back. */
  *committed({ hasRemoved }: { readonly hasRemoved: boolean }): Op<void> {
    const hasUsed = this.#store.reservedBytes < this.#heldBytes;
    const mayGetMore = this.#isLimited && (hasRemoved || !this.#mustWait);
    if (hasUsed || mayGetMore) yield* this.#hold(this.#goal);
    if (hasRemoved && this.#isLimited && !this.#isRechecking) yield* this.#recheck();
  }

  /** What was removed, a browser may count for a while. */
  *#recheck(): Op<void> {
    this.#isRechecking = true;
    yield timer(this.#options.clock, RETRY_MS);
    this.#isRechecking = false;
    yield* this.#hold(this.#goal);
  }

  /** It would only say the same as a moment ago. */
  get #mustWait(): boolean {
    return this.#isLimited && this.#options.clock.monotonicMs() < this.#nextTryMs;
  }

  /** A commit has found no room. */
  exhausted(): void {
    this.#isLimited = true;
    this.#nextTryMs = 0;
  }

  /** How many of `blocks` there is room for. */
  blocksThatFit(blocks: number): number {
    if (!this.#isLimited) return blocks;
    return Math.max(0, Math.min(blocks, Math.floor(this.#room / BLOCK_SIZE)));
  }

  /** Errors: ENOSPC if the store is full. */
  checkRoom(bytes: number): void {
    if (this.#isLimited && !this.hasRoom(bytes)) throw linuxerr.ENOSPC;
  }

  /**
   * Where a store is full, removals come in commits so small that the reserve is enough for them.
   */
  *beforeRemoval(): Op<void> {
    if (!this.#isLimited || this.#options.isFailing()) return;
    const cost = this.#pending.inodeCount * CHANGE_BYTES_MAX;
    const left = Math.max(METADATA_RESERVE, this.#store.reservedBytes - this.#pendingBytes);
    if (cost >= left / 2) yield* succeeds(this.#options.commit());
  }

  /** What is pending is in use; the part for removals is free, but not available. */
  *statfs(): Op<Statfs> {
    while (this.#holdCount > 0) yield this.#held;
    // What is gone has no space.
    const gone = { used: 0, available: 0 };
    const { used, available } = this.#store.isOpen ? yield* this.#store.usage() : gone;
    const left = this.#isLimited ? Math.min(available, this.#store.reservedBytes) : available;
    const free = Math.max(0, left - this.#pendingBytes);
    return {
      type: IDBFS_MAGIC,
      bsize: BLOCK_SIZE,
      blocks: Math.ceil(used / BLOCK_SIZE) + Math.floor(left / BLOCK_SIZE),
      bfree: Math.floor(free / BLOCK_SIZE),
      bavail: Math.floor(Math.max(0, free - METADATA_RESERVE) / BLOCK_SIZE),
      // Inodes take space like everything else: there are as many as fit.
      files: 0,
      ffree: 0,
      namelen: NAME_MAX,
      flags: 0,
    };
  }
}

/** False if a commit failed: whoever syncs is told. */
function* succeeds(commit: Op<void>): Op<boolean> {
  try {
    yield* commit;
    return true;
  } catch (error) {
    if (!isOfMedium(error)) throw error;
    return false;
  }
}

/** And not an interruption of whoever waits. */
function isOfMedium(error: unknown): boolean {
  return error === linuxerr.ENOSPC || error === linuxerr.EIO;
}
