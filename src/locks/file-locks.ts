// FileLocks: the advisory locks on one file: flock(2)'s, and the byte-range locks of fcntl(2).
// Mirrors gVisor pkg/sentry/fsimpl/lock; Linux: fs/locks.c.
//
// The two kinds never conflict with each other. A flock lock belongs to an open file description. A
// range belongs to a process (POSIX: its descriptor table) or to a description (F_OFD_SETLK).
// Whoever has to wait checks again after every change of the file's locks.

import { linuxerr } from '../abi/errno.ts';
import { F_UNLCK, F_WRLCK, LOCK_EX, LOCK_UN } from '../abi/fcntl.ts';
import { FILE_SIZE_MAX } from '../abi/limits.ts';
import { type Op, type Wait, WaitQueue } from '../lib/op.ts';

/** Whom a lock belongs to; compared by identity. */
export interface LockOwner {
  /** What F_GETLK shows: a process id, or -1 for a description. */
  readonly lockPid: number;
  /**
   * Of a process that waits in F_SETLKW: whom it waits for. Follows the way to a deadlock. Linux:
   * blocked_hash.
   */
  blockedBy?: LockOwner | undefined;
}

export interface RangeLock {
  /** F_RDLCK or F_WRLCK. */
  readonly type: number;
  readonly start: number;
  /** The first byte behind it; Infinity for all to come. */
  readonly end: number;
}

/** As protocols and fcntl(2) say where a range ends: 0 for all to come. */
export function endOfLength(start: number, length: number): number {
  return length === 0 ? Infinity : start + length;
}

/** The same the other way round. No file is larger than 2^53 − 1 bytes: so far is all to come. */
export function lengthOf({ start, end }: Pick<RangeLock, 'start' | 'end'>): number {
  return end > FILE_SIZE_MAX ? 0 : end - start;
}

/** What is asked for: a lock, or F_UNLCK. */
export type RangeRequest = RangeLock;

export interface LockConflict extends RangeLock {
  readonly owner: LockOwner;
}

/** Links of waiting processes that are followed at most. Linux: MAX_DEADLK_ITERATIONS. */
const DEADLOCK_ITERATIONS_MAX = 10;

/**
 * Told before an owner has so many locks more, or fewer, on a file. If it throws, nothing changes:
 * it is asked before each change, and not only while there are others' locks in the way.
 */
export type OnGrowth = (owner: LockOwner, growth: number) => void;

export class FileLocks {
  readonly #onGrowth: OnGrowth | undefined;
  readonly #flocks = new Map<LockOwner, number>();
  /** In the order in which the owners got their first one; each one's in the order of the bytes. */
  readonly #ranges = new Map<LockOwner, RangeLock[]>();
  readonly #changed = new WaitQueue();

  constructor(onGrowth?: OnGrowth) {
    this.#onGrowth = onGrowth;
  }

  /** Nobody has a lock. */
  get isEmpty(): boolean {
    return this.#flocks.size === 0 && this.#ranges.size === 0;
  }

  // flock.

  /**
   * LOCK_SH, LOCK_EX or LOCK_UN for a description. What it had before goes first, so that a
   * conversion that fails or waits has lost it, as on Linux.
   *
   * Errors: EAGAIN if it would have to wait and must not.
   */
  *flock(holder: LockOwner, operation: number, mustNotWait: boolean): Op<void> {
    if (this.#flocks.get(holder) === operation) return;
    this.releaseFlock(holder);
    if (operation === LOCK_UN) return;
    while (!this.mayFlock(holder, operation)) {
      if (mustNotWait) throw linuxerr.EAGAIN;
      yield this.#changed;
    }
    this.#onGrowth?.(holder, 1);
    this.#flocks.set(holder, operation);
  }

  /** LOCK_SH or LOCK_EX; undefined if it has none. */
  flockOf(holder: LockOwner): number | undefined {
    return this.#flocks.get(holder);
  }

  /** Nobody else's is in the way. */
  mayFlock(holder: LockOwner, operation: number): boolean {
    for (const [other, type] of this.#flocks) {
      if (other !== holder && (operation === LOCK_EX || type === LOCK_EX)) return false;
    }
    return true;
  }

  /** It was granted by whoever decides: here nothing is looked at. */
  grantFlock(holder: LockOwner, operation: number): void {
    this.releaseFlock(holder);
    if (operation !== LOCK_UN) this.#flocks.set(holder, operation);
  }

  /** Woken when a lock has gone, or become weaker. */
  get changed(): Wait {
    return this.#changed;
  }

  releaseFlock(holder: LockOwner): void {
    if (!this.#flocks.delete(holder)) return;
    this.#onGrowth?.(holder, -1);
    this.#changed.wakeAll();
  }

  // Ranges.

  /**
   * The first lock of another owner that is in the way of a request; of F_UNLCK, the owner's own.
   * Linux: posix_test_locks_conflict().
   */
  findConflict(owner: LockOwner, request: RangeRequest): LockConflict | undefined {
    const isUnlock = request.type === F_UNLCK;
    for (const [other, locks] of this.#ranges) {
      if ((other === owner) !== isUnlock) continue;
      for (const lock of locks) {
        if (lock.start >= request.end || lock.end <= request.start) continue;
        if (isUnlock) return { ...lock, owner: other };
        if (lock.type === F_WRLCK || request.type === F_WRLCK) return { ...lock, owner: other };
      }
    }
    return undefined;
  }

  /** Sets or releases. Errors: EAGAIN if another owner's lock is in the way. */
  setRange(owner: LockOwner, request: RangeRequest): void {
    const isUnlock = request.type === F_UNLCK;
    if (!isUnlock && this.findConflict(owner, request) !== undefined) throw linuxerr.EAGAIN;
    this.#replace(owner, request);
  }

  /** Waits for what is in the way. Errors: EDEADLK if those in the way wait for this owner. */
  *setRangeWaiting(owner: LockOwner, request: RangeRequest): Op<void> {
    for (;;) {
      const isUnlock = request.type === F_UNLCK;
      const conflict = isUnlock ? undefined : this.findConflict(owner, request);
      if (conflict === undefined) break;
      checkDeadlock(owner, conflict.owner);
      owner.blockedBy = conflict.owner;
      try {
        yield this.#changed;
      } finally {
        owner.blockedBy = undefined;
      }
    }
    this.#replace(owner, request);
  }

  /** As grantFlock(): a lock, or F_UNLCK. */
  grantRange(owner: LockOwner, request: RangeRequest): void {
    this.#replace(owner, request);
  }

  /** In the order of the bytes. */
  rangesOf(owner: LockOwner): readonly RangeLock[] {
    return this.#ranges.get(owner) ?? [];
  }

  /** Every range of an owner: it is gone. */
  releaseRanges(owner: LockOwner): void {
    const count = this.#ranges.get(owner)?.length;
    if (count === undefined) return;
    this.#ranges.delete(owner);
    this.#onGrowth?.(owner, -count);
    this.#changed.wakeAll();
  }

  /** Everybody's. */
  releaseAll(): void {
    for (const holder of [...this.#flocks.keys()]) this.releaseFlock(holder);
    for (const owner of [...this.#ranges.keys()]) this.releaseRanges(owner);
  }

  /** What the owner has within the request becomes what the request says. */
  #replace(owner: LockOwner, request: RangeRequest): void {
    const old = this.#ranges.get(owner) ?? [];
    const locks = replaceRange(old, request);
    this.#onGrowth?.(owner, locks.length - old.length);
    if (locks.length === 0) this.#ranges.delete(owner);
    else this.#ranges.set(owner, locks);
    // A lock may also have become weaker.
    if (old.length > 0) this.#changed.wakeAll();
  }
}

/** Errors: EDEADLK. Only processes' locks are looked at, as on Linux: descriptions have no one. */
function checkDeadlock(owner: LockOwner, conflicting: LockOwner): void {
  if (owner.lockPid < 0) return;
  let at: LockOwner | undefined = conflicting;
  for (let step = 0; at !== undefined && step <= DEADLOCK_ITERATIONS_MAX; step++) {
    if (at === owner) throw linuxerr.EDEADLK;
    at = at.blockedBy;
  }
}

/** An owner's locks in the order of the bytes, after a request of its own was granted. */
export function replaceRange(old: readonly RangeLock[], request: RangeRequest): RangeLock[] {
  const kept = old.flatMap((lock) => outside(lock, request));
  if (request.type !== F_UNLCK) kept.push(request);
  return merged(kept.sort((a, b) => a.start - b.start));
}

/** The parts of a lock that a request doesn't touch. */
function outside(lock: RangeLock, { start, end }: RangeRequest): RangeLock[] {
  const parts: RangeLock[] = [];
  if (lock.start < start) parts.push({ ...lock, end: Math.min(lock.end, start) });
  if (lock.end > end) parts.push({ ...lock, start: Math.max(lock.start, end) });
  return parts;
}

/** Neighbours of one type become one. */
function merged(locks: readonly RangeLock[]): RangeLock[] {
  const result: RangeLock[] = [];
  for (const lock of locks) {
    const last = result.at(-1);
    if (last !== undefined && last.type === lock.type && last.end >= lock.start) {
      result[result.length - 1] = { ...last, end: Math.max(last.end, lock.end) };
    } else result.push(lock);
  }
  return result;
}
