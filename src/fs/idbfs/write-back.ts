// WriteBack: when changes are committed, and who waits for that.
//
// A commit takes everything changed so far in one synchronous step, so what it writes is a state
// the filesystem really had. One commit is under way at a time. Whoever asks for one while it runs
// waits for the next, and shares it with all others who do: several fsyncs cost one commit. Nobody
// who waits drives a commit, so interrupting them doesn't disturb it.

import { LinuxError, linuxerr } from '../../abi/errno.ts';
import { type Clock, timespecToMs } from '../../lib/clock.ts';
import { type Op, startOp, waitFor, WaitQueue } from '../../lib/op.ts';
import type { Durability } from '../../store/store.ts';
import type { CommitStatus, Health } from '../../vfs/filesystem.ts';
import { reasonOf } from './health.ts';

/** What the write-back commits. */
export interface CommitSource {
  /** False once there is nothing left to commit to. */
  readonly isOpen: boolean;
  /** Is there anything a commit would write? */
  readonly hasChanges: boolean;
  /** Is there any of it that is more than an access time? */
  readonly hasUrgentChanges: boolean;
  /** Bytes that changed and are in no commit yet. */
  readonly dirtyBytes: number;
  /** About what a commit writes because of what lies around that, at most. */
  readonly nodeBytes: number;
  /** Memory that is kept because of access times that have changed. Nobody waits for those. */
  readonly accessedBytes: number;
  /** Memory of inodes that can't be given up before they are committed. */
  readonly inodeBytes: number;
  /** Bytes a commit under way is writing. */
  readonly committingBytes: number;
  /**
   * Takes what has changed and commits it. Starts with a synchronous step. Errors: those of
   * Store.commit(). `withAccessed`: access times as well.
   */
  commit(durability: Durability, options: { readonly withAccessed: boolean }): Op<void>;
  /**
   * Takes what has changed and makes it durable, though it stays changed. False, and nothing was
   * done, if it is too much for that. Starts with a synchronous step. Errors: as commit().
   */
  log(): Op<boolean>;
}

export interface WriteBackOptions {
  readonly clock: Clock;
  /** Milliseconds from a change to its background commit. */
  readonly intervalMs: number;
  /** Bytes of changes that start one at once. */
  readonly dirtyLimit: number;
  /** Is there no room for more? */
  readonly isFull: () => boolean;
  /** As of a mount: IdbfsOptions. */
  readonly nextTurn?: (() => Promise<void>) | undefined;
  /** A commit found no room. */
  readonly onExhausted: () => void;
  /** A commit has ended, well or badly: the status is what came of it. */
  readonly onEnded: () => void;
}

/** A commit that failed is tried again after twice the time each, up to this, in milliseconds. */
const RETRY_MAX_MS = 30_000;
/** Writers wait when this many times the dirty limit is unwritten. */
const HARD_LIMIT_FACTOR = 4;
/** Inodes that take this many times the dirty limit of memory start a commit; twice that: wait. */
const INODE_MEMORY_FACTOR = 2;
const INODE_MEMORY_MIN = 1 << 20;
/** A few nodes are written by any commit: they start none. In bytes. */
const NODE_BYTES_MIN = 1 << 20;
/** Access times are committed with what else changes, at the latest after this many intervals. */
const LAZY_INTERVALS = 30;

export class WriteBack {
  readonly #source: CommitSource;
  readonly #options: WriteBackOptions;
  readonly #ended = new WaitQueue();
  #startedCount = 0;
  #endedCount = 0;
  #wantsStrict = false;
  /** The next commit writes what has changed where it belongs. */
  #wantsWhole = false;
  /** All that has changed is in the log. */
  #isLogged = false;
  /** A commit is about to start, because much has changed. */
  #isStarting = false;
  /** The last commit that succeeded was not strict: a crash of the system may lose it. */
  #isUnsynced = false;
  #cancelTimer: (() => void) | undefined;
  /** The timer is one of access times. */
  #isTimerLazy = false;
  /** Since when there are access times to commit, in monotonic milliseconds. */
  #accessedSinceMs: number | undefined;
  /** The next commit writes access times as well. */
  #wantsAccessed = false;
  #lastCommitMs: number | undefined;
  #successCount = 0;
  /** Of the last commit, if it failed. */
  #failure: { readonly number: number; readonly error: Error } | undefined;
  /** Commits that failed since the last one that succeeded. */
  #failureCount = 0;
  #isClosed = false;

  constructor(source: CommitSource, options: WriteBackOptions) {
    this.#source = source;
    this.#options = options;
  }

  get status(): Omit<CommitStatus, 'mirror'> {
    const { health } = this;
    return {
      health,
      dirtyBytes: (this.#isLogged ? 0 : this.#source.dirtyBytes) + this.#source.committingBytes,
      isCommitting: this.#isRunning,
      commitCount: this.#successCount,
      lastCommitMs: this.#lastCommitMs,
      lastError: reasonOf(health, this.#failure?.error),
    };
  }

  get health(): Health {
    if (!this.#source.isOpen && !this.#isClosed) return 'lost';
    const error = this.#failure?.error;
    if (error === undefined) return this.#options.isFull() ? 'full' : 'good';
    return error === linuxerr.ENOSPC ? 'full' : 'read-only';
  }

  get isFailing(): boolean {
    return this.#failure !== undefined;
  }

  get #isRunning(): boolean {
    return this.#startedCount > this.#endedCount;
  }

  /**
   * Something has changed: it is committed within the interval, or at once if a lot has changed.
   */
  changed(): void {
    this.#isLogged = false;
    this.#schedule(false);
  }

  /** The same of an access time, for which there is more time. */
  accessed(): void {
    this.#schedule(true);
  }

  /** `isLazy`: for access times. */
  #schedule(isLazy: boolean): void {
    if (this.#isClosed) return;
    if (!this.#isStarting && this.#isOverLimit) {
      this.#isStarting = true;
      // Not at once: the operation that changes something may not have changed all of it yet, and a
      // commit takes a state that is whole. Microtasks run when no operation is at it.
      queueMicrotask(() => {
        this.#isStarting = false;
        this.startIfDue();
      });
    }
    if (!this.#source.isOpen) return;
    if (this.#isTimerLazy && !isLazy) this.#stopTimer();
    if (this.#cancelTimer !== undefined) return;
    this.#isTimerLazy = isLazy;
    if (this.#source.accessedBytes > 0) {
      this.#accessedSinceMs ??= this.#options.clock.monotonicMs();
    }
    const delayMs = this.#delayMs * (isLazy ? LAZY_INTERVALS : 1);
    this.#cancelTimer = this.#options.clock.setTimer(delayMs, () => {
      this.#cancelTimer = undefined;
      if (!this.#isDue) return;
      this.#wantsWhole = true;
      if (isLazy || this.#isAccessedDue) this.#wantsAccessed = true;
      if (!this.#isRunning) this.#start();
    });
  }

  /** Not of access times alone. */
  get #isUrgent(): boolean {
    return this.#source.hasUrgentChanges || this.#failure !== undefined;
  }

  get #isAccessedOverLimit(): boolean {
    return this.#source.accessedBytes >= Math.max(this.#options.dirtyLimit, NODE_BYTES_MIN);
  }

  get #isAccessedDue(): boolean {
    if (this.#accessedSinceMs === undefined) return false;
    const waitedMs = this.#options.clock.monotonicMs() - this.#accessedSinceMs;
    return waitedMs >= this.#options.intervalMs * LAZY_INTERVALS;
  }

  #stopTimer(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#isTimerLazy = false;
  }

  /** A medium that failed is asked again even if nothing is left to write: it may be well again. */
  get #isDue(): boolean {
    return this.#source.hasChanges || this.#failure !== undefined;
  }

  get #delayMs(): number {
    const { intervalMs } = this.#options;
    if (this.#failureCount < 2) return intervalMs;
    return Math.max(intervalMs, Math.min(intervalMs * 2 ** (this.#failureCount - 1), RETRY_MAX_MS));
  }

  /** Has so much changed that it is time to commit? */
  get #isOverLimit(): boolean {
    // A full store is tried again by the timer, not by every write.
    const mayStart = !this.#isRunning && this.#failure === undefined;
    if (!mayStart) return false;
    if (this.#isAccessedOverLimit) return true;
    const { dirtyBytes, nodeBytes, inodeBytes } = this.#source;
    const { dirtyLimit } = this.#options;
    if (dirtyBytes >= dirtyLimit || inodeBytes >= this.#inodeLimit) return true;
    return nodeBytes >= Math.max(dirtyLimit, NODE_BYTES_MIN);
  }

  /**
   * Commits everything changed before the call; 'strict' resolves when the medium has confirmed it,
   * be it as a log, unless it has to be whole.
   *
   * Errors: ENOSPC, EIO of that commit. What it should have written stays pending.
   */
  *flush(
    durability: Durability,
    { isWhole = durability === 'relaxed' }: { readonly isWhole?: boolean } = {},
  ): Op<void> {
    const needsBarrier = durability === 'strict' && this.#isUnsynced;
    const { hasChanges, hasUrgentChanges } = this.#source;
    const isDone = isWhole ? !hasChanges : this.#isLogged || !hasUrgentChanges;
    if (!this.#isRunning && isDone && !needsBarrier) return;
    if (durability === 'strict') this.#wantsStrict = true;
    if (isWhole) this.#wantsWhole = this.#wantsAccessed = true;
    // The commit that starts next has everything there is now.
    const number = this.#startedCount + 1;
    while (this.#endedCount < number) {
      if (this.#isRunning) yield this.#ended;
      else this.#start();
    }
    if (this.#failure !== undefined && this.#failure.number >= number) throw this.#failure.error;
  }

  /** Is far too much unwritten? */
  get isFarBehind(): boolean {
    const { dirtyBytes, committingBytes } = this.#source;
    return dirtyBytes + committingBytes > this.#options.dirtyLimit * HARD_LIMIT_FACTOR;
  }

  /** Waits while it is. Errors: that of a commit that failed while it waited. */
  *throttle(): Op<void> {
    while (this.isFarBehind) yield* this.progress();
  }

  /**
   * Starts a commit if so much has changed that it is time to. Whoever calls it has nothing half
   * changed: a large write may have written some of its pieces.
   */
  startIfDue(): void {
    if (!this.#isOverLimit || this.#isClosed) return;
    if (this.#isAccessedOverLimit) this.#wantsAccessed = true;
    this.#start();
  }

  /**
   * Waits for the commit under way, or for one. If the next has begun then, it gets to the medium
   * before whoever waited goes on. Errors: that of the commit, if it failed.
   */
  *progress(): Op<void> {
    yield* this.#runningEnds();
    if (this.#failure !== undefined) throw this.#failure.error;
    const { nextTurn } = this.#options;
    if (this.#isRunning && nextTurn !== undefined) yield* waitFor(nextTurn());
  }

  /** Does what is unwritten take far too much memory? False if waiting doesn't help. */
  get isOverloaded(): boolean {
    if (this.#failure !== undefined) return false;
    return this.isFarBehind || this.#source.inodeBytes > 2 * this.#inodeLimit;
  }

  get #inodeLimit(): number {
    return Math.max(INODE_MEMORY_FACTOR * this.#options.dirtyLimit, INODE_MEMORY_MIN);
  }

  /** Waits while it does. */
  *relieve(): Op<void> {
    while (this.isOverloaded) yield* this.#runningEnds();
  }

  /** The commit under way has ended, or one that starts now. */
  *#runningEnds(): Op<void> {
    if (!this.#isRunning) this.#start();
    const number = this.#startedCount;
    while (this.#endedCount < number) yield this.#ended;
  }

  /** Commits what is left, strictly, and stops. Errors: as flush. */
  *close(): Op<void> {
    this.#isClosed = true;
    this.#stopTimer();
    yield* this.flush('strict', { isWhole: true });
    while (this.#isRunning) yield this.#ended;
  }

  #start(): void {
    const number = ++this.#startedCount;
    const durability = this.#wantsStrict ? 'strict' : 'relaxed';
    // A medium that failed has to show that it can write again.
    const mayLog = this.#wantsStrict && !this.#wantsWhole && this.#failure === undefined;
    const withAccessed = this.#wantsAccessed;
    this.#wantsStrict = false;
    this.#wantsWhole = false;
    this.#wantsAccessed = false;
    if (withAccessed) this.#accessedSinceMs = undefined;
    startOp(this.#commit(durability, { mayLog, withAccessed }), {
      resolve: () => {
        this.#failure = undefined;
        this.#failureCount = 0;
        this.#isUnsynced = durability === 'relaxed';
        this.#successCount++;
        this.#lastCommitMs = timespecToMs(this.#options.clock.now());
        this.#finish(number);
      },
      reject: (error) => {
        this.#isLogged = false;
        this.#failure = { number, error: error instanceof LinuxError ? error : linuxerr.EIO };
        this.#failureCount++;
        if (error === linuxerr.ENOSPC) this.#options.onExhausted();
        this.#finish(number);
        // A bug: nobody handles this rejection.
        if (!(error instanceof LinuxError)) void Promise.reject(error);
      },
    });
  }

  *#commit(
    durability: Durability,
    { mayLog, withAccessed }: { readonly mayLog: boolean; readonly withAccessed: boolean },
  ): Op<void> {
    // What changes from here on is not in it.
    this.#isLogged = mayLog;
    if (mayLog && (yield* this.#source.log())) return;
    this.#isLogged = false;
    yield* this.#source.commit(durability, { withAccessed });
  }

  #finish(number: number): void {
    this.#endedCount = number;
    this.startIfDue();
    this.#ended.wakeAll();
    this.#options.onEnded();
    if (this.#isDue) this.#schedule(!this.#isUrgent);
  }
}
