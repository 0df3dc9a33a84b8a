// RwLock: a lock that readers share and a writer has alone, held by Ops while they wait.
// Mirrors gVisor pkg/sync/rwmutex_unsafe.go; Linux: struct rw_semaphore.
//
// First come, first served: a reader that comes after a waiting writer waits behind it, so that
// writers don't starve. Nobody goes past an Op that has just got the lock and has yet to go on: so
// two Ops ask for a second lock in the order in which they asked for the first.
// For the same reason an Op that reads must not ask to read again: a writer
// that came in between would wait for it, and it for the writer.

import { assert, assertDefined } from './assert.ts';
import type { Op, Wait } from './op.ts';

/** One Op in the queue. */
class Waiter implements Wait {
  readonly isWriter: boolean;
  isGranted = false;
  #wake: (() => void) | undefined;

  constructor(isWriter: boolean) {
    this.isWriter = isWriter;
  }

  subscribe(wake: () => void): () => void {
    this.#wake = wake;
    if (this.isGranted) this.#wakeSoon();
    return () => {
      this.#wake = undefined;
    };
  }

  /** As a microtask, so that unlocking may be done anywhere. */
  grant(): void {
    this.isGranted = true;
    this.#wakeSoon();
  }

  /** Once, by whom it is told first: the lock may be granted before somebody subscribes. */
  #wakeSoon(): void {
    queueMicrotask(() => {
      const wake = this.#wake;
      this.#wake = undefined;
      wake?.();
    });
  }
}

export class RwLock {
  /** An Op that holds a lock takes only those of higher rank. */
  readonly rank: number;
  #readerCount = 0;
  #hasWriter = false;
  readonly #queue: Waiter[] = [];
  /** Those who were let in, and have yet to go on. */
  #letInCount = 0;

  constructor(rank = 0) {
    this.rank = rank;
  }

  /** Readers that have the lock. */
  get readerCount(): number {
    return this.#readerCount;
  }

  /** True while a writer has the lock. */
  get hasWriter(): boolean {
    return this.#hasWriter;
  }

  get isHeld(): boolean {
    return this.#hasWriter || this.#readerCount > 0;
  }

  /** Takes the lock to read, unless a writer has it or somebody comes first. */
  tryRead(): boolean {
    if (this.#hasWriter || this.#queue.length > 0 || this.#letInCount > 0) return false;
    this.#readerCount++;
    return true;
  }

  /** Takes the lock to write, unless anybody has it. */
  tryWrite(): boolean {
    if (this.isHeld || this.#queue.length > 0) return false;
    this.#hasWriter = true;
    return true;
  }

  /** Takes the lock to read, waiting if need be. The caller unlocks in a finally block. */
  *lockRead(): Op<void> {
    if (!this.tryRead()) yield* this.#wait(new Waiter(false));
  }

  /** Takes the lock to write, waiting if need be. The caller unlocks in a finally block. */
  *lockWrite(): Op<void> {
    if (!this.tryWrite()) yield* this.#wait(new Waiter(true));
  }

  unlockRead(): void {
    assert(this.#readerCount > 0, 'no reader has the lock');
    this.#readerCount--;
    this.#grant();
  }

  unlockWrite(): void {
    assert(this.#hasWriter, 'no writer has the lock');
    this.#hasWriter = false;
    this.#grant();
  }

  /** The writer goes on as a reader: nobody else writes in between. */
  downgrade(): void {
    assert(this.#hasWriter, 'no writer has the lock');
    this.#hasWriter = false;
    this.#readerCount = 1;
    this.#grant();
  }

  *#wait(waiter: Waiter): Op<void> {
    this.#queue.push(waiter);
    // It may share the lock already, behind those who were let in and are yet to go on.
    this.#grant();
    let hasLock = false;
    try {
      do yield waiter;
      while (!waiter.isGranted);
      hasLock = true;
    } finally {
      if (waiter.isGranted) this.#letInCount--;
      // Interrupted, or given up: perhaps after the lock was granted, and before it was told.
      if (!hasLock) this.#giveUp(waiter);
    }
  }

  #giveUp(waiter: Waiter): void {
    if (!waiter.isGranted) {
      const index = this.#queue.indexOf(waiter);
      assert(index >= 0, 'a waiter is not in the queue');
      this.#queue.splice(index, 1);
      // Readers that waited behind a writer may share the lock with those before it.
      this.#grant();
    } else if (waiter.isWriter) this.unlockWrite();
    else this.unlockRead();
  }

  /** Gives the lock to the first who waits: to a writer alone, to readers up to the next writer. */
  #grant(): void {
    while (!this.#hasWriter && this.#queue.length > 0) {
      const first = assertDefined(this.#queue[0]);
      if (first.isWriter && this.#readerCount > 0) return;
      this.#queue.shift();
      if (first.isWriter) this.#hasWriter = true;
      else this.#readerCount++;
      this.#letInCount++;
      first.grant();
    }
  }
}
