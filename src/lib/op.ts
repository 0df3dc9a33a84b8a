// Op: an operation that may have to wait, as a coroutine.
//
// An Op yields a Wait only when it can't go on; whoever runs it subscribes to the Wait and resumes
// the Op when woken. Between two yields an Op is atomic, because nothing else runs on this thread.
// A Wait is a hint, not a promise of success: after a resume the Op checks its condition again.

import type { Clock } from './clock.ts';

/** Something an Op waits for. */
export interface Wait {
  /**
   * Registers `wake`, to be called at most once and never from inside subscribe(). Returns a
   * function that withdraws the registration.
   */
  subscribe(wake: () => void): () => void;
}

/** An operation. Call it with `yield*` inside another Op, or hand it to a runner. */
export type Op<T> = Generator<Wait, T, void>;

/**
 * Thrown by runSync() when the Op must wait. The Op is intact: hand `op` and `wait` to
 * resumeAsync().
 */
export class WouldWait<T> extends Error {
  override readonly name = 'WouldWait';
  readonly op: Op<T>;
  readonly wait: Wait;

  constructor(op: Op<T>, wait: Wait) {
    super('the operation has to wait');
    this.op = op;
    this.wait = wait;
  }
}

/**
 * Runs an Op that is not expected to wait. Errors: whatever the Op throws; WouldWait if it yields.
 */
export function runSync<T>(op: Op<T>): T {
  const result = op.next();
  if (result.done === true) return result.value;
  throw new WouldWait(op, result.value);
}

/**
 * Aborts a running Op: the reason is thrown at the place where the Op waits, so its finally blocks
 * run.
 */
export interface Interruption {
  /** Calls `onInterrupt` when the Op is to stop waiting. Returns a function that withdraws. */
  subscribe(onInterrupt: (reason: Error) => void): () => void;
}

/** Told how an Op ended. */
export interface Completion<T> {
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
}

/** Runs an Op to its end, which may be reached before this returns. */
export function startOp<T>(op: Op<T>, completion: Completion<T>): void {
  drive(op, undefined, completion);
}

/** Runs an Op to its end. Starts at once; what needs no waiting has happened when this returns. */
export function runAsync<T>(op: Op<T>, interruption?: Interruption): Promise<T> {
  return new Promise((resolve, reject) => {
    drive(op, undefined, { resolve, reject }, interruption);
  });
}

/** Goes on with an Op that yielded `wait`. */
export function resumeAsync<T>(op: Op<T>, wait: Wait, interruption?: Interruption): Promise<T> {
  return new Promise((resolve, reject) => {
    drive(op, wait, { resolve, reject }, interruption);
  });
}

function drive<T>(
  op: Op<T>,
  first: Wait | undefined,
  completion: Completion<T>,
  interruption?: Interruption,
): void {
  let withdrawInterrupt: (() => void) | undefined;
  const advance = (next: () => IteratorResult<Wait, T>): void => {
    let result: IteratorResult<Wait, T>;
    try {
      result = next();
    } catch (error) {
      withdrawInterrupt?.();
      completion.reject(error);
      return;
    }
    if (result.done === true) {
      withdrawInterrupt?.();
      completion.resolve(result.value);
      return;
    }
    park(result.value);
  };
  let cancelWait: (() => void) | undefined;
  const resume = (): void => {
    cancelWait = undefined;
    advance(() => op.next());
  };
  const park = (wait: Wait): void => {
    cancelWait = wait.subscribe(resume);
  };
  withdrawInterrupt = interruption?.subscribe((reason) => {
    if (cancelWait === undefined) return;
    cancelWait();
    cancelWait = undefined;
    advance(() => op.throw(reason));
  });
  if (first === undefined) resume();
  else park(first);
}

/** What may no longer fail halfway: an interruption only wakes it. Errors: the Op's own. */
export function* uninterrupted<T>(op: Op<T>): Op<T> {
  let result = op.next();
  while (result.done !== true) {
    try {
      yield result.value;
    } catch {
      // It isn't told, and finds out by itself whether it can go on.
    }
    result = op.next();
  }
  return result.value;
}

/** Waits for a promise inside an Op. Errors: the promise's. */
export function* waitFor<T>(promise: Promise<T>): Op<T> {
  let state: 'pending' | 'fulfilled' | 'rejected' = 'pending';
  let value: T | undefined;
  let reason: unknown;
  const settled = promise.then(
    (v) => {
      state = 'fulfilled';
      value = v;
    },
    (e: unknown) => {
      state = 'rejected';
      reason = e;
    },
  );
  const wait: Wait = {
    subscribe(wake) {
      let live = true;
      void settled.then(() => {
        if (live) wake();
      });
      return () => {
        live = false;
      };
    },
  };
  while ((state as string) === 'pending') yield wait;
  if ((state as string) === 'rejected') throw reason;
  return value as T;
}

/** A place to wait at. Wakers run as microtasks, so that wakeAll() may be called anywhere. */
export class WaitQueue implements Wait {
  #waiters = new Set<{ wake: (() => void) | undefined }>();

  subscribe(wake: () => void): () => void {
    const waiter: { wake: (() => void) | undefined } = { wake };
    this.#waiters.add(waiter);
    return () => {
      this.#waiters.delete(waiter);
      waiter.wake = undefined;
    };
  }

  get isEmpty(): boolean {
    return this.#waiters.size === 0;
  }

  wakeAll(): void {
    if (this.#waiters.size === 0) return;
    const woken = this.#waiters;
    this.#waiters = new Set();
    for (const waiter of woken) queueMicrotask(() => waiter.wake?.());
  }
}

/** Woken when any of `waits` is. */
export function anyOf(waits: readonly Wait[]): Wait {
  return {
    subscribe(wake) {
      const cancels: (() => void)[] = [];
      const cancelAll = (): void => {
        for (const cancel of cancels) cancel();
      };
      const wakeOnce = (): void => {
        cancelAll();
        wake();
      };
      for (const wait of waits) cancels.push(wait.subscribe(wakeOnce));
      return cancelAll;
    },
  };
}

/** Woken after `ms` milliseconds. */
export function timer(clock: Clock, ms: number): Wait {
  return { subscribe: (wake) => clock.setTimer(ms, wake) };
}

/** A lock an Op may hold while it waits. First come, first served. */
export class Mutex {
  /** An Op that holds one takes only those of higher rank: test/interleaving sees to it. */
  readonly rank: number;
  #held = false;
  /** Who waits. There are many mutexes that nobody ever waits for. */
  #queue: (() => void)[] | undefined;

  constructor(rank = 0) {
    this.rank = rank;
  }

  get isHeld(): boolean {
    return this.#held;
  }

  /** Takes the mutex if it is free. */
  tryLock(): boolean {
    if (this.#held) return false;
    this.#held = true;
    return true;
  }

  /** Takes the mutex, waiting if it is held. The caller unlocks in a finally block. */
  *lock(): Op<void> {
    if (this.tryLock()) return;
    let granted = false;
    let wakeUp: (() => void) | undefined;
    const grant = (): void => {
      granted = true;
      if (wakeUp !== undefined) queueMicrotask(wakeUp);
    };
    const queue = (this.#queue ??= []);
    queue.push(grant);
    const wait: Wait = {
      subscribe: (wake) => {
        let live = true;
        wakeUp = () => {
          if (live) wake();
        };
        return () => {
          live = false;
        };
      },
    };
    try {
      while (!this.#isGranted(granted)) yield wait;
    } catch (error) {
      if (granted) this.unlock();
      else queue.splice(queue.indexOf(grant), 1);
      throw error;
    }
  }

  /** Gives the mutex to the longest waiting Op, or frees it. */
  unlock(): void {
    const next = this.#queue?.shift();
    if (next === undefined) this.#held = false;
    else next();
  }

  // TypeScript believes that `granted` never changes inside the loop.
  #isGranted(granted: boolean): boolean {
    return granted;
  }
}
