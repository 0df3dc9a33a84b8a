// PromisedFD: ids that a client has chosen, and that will be FDs when what makes them has
// succeeded. Requests that name one stand in line, and go on in that order: one that comes when the
// FD is there, and others have yet to go on, stands behind them.

import { type Op, type Wait, WaitQueue } from '../lib/op.ts';

/** In the order in which they ask. */
const SOON: Wait = {
  subscribe(wake) {
    let isLive = true;
    queueMicrotask(() => {
      if (isLive) wake();
    });
    return () => {
      isLive = false;
    };
  },
};

export class PromisedFD {
  readonly #kept = new WaitQueue();
  /** That are to be made, or not, by one request: who names any of them stands in one line. */
  readonly ids = new Set<number>();
  readonly #open = new Set<number>();
  /** Of the ids: for so many there was room kept. */
  keptCount = 0;
  #inLine = 0;

  add(id: number): void {
    this.ids.add(id);
    this.#open.add(id);
  }

  get isSettled(): boolean {
    return this.#open.size === 0;
  }

  /** Nobody waits any more. */
  get isOver(): boolean {
    return this.isSettled && this.#inLine === 0;
  }

  /** Something came of it, or nothing will. */
  settle(id: number): void {
    this.#open.delete(id);
    if (this.isSettled) this.#kept.wakeAll();
  }

  *wait(): Op<void> {
    this.#inLine++;
    try {
      do yield this.isSettled ? SOON : this.#kept;
      while (!this.isSettled);
    } finally {
      this.#inLine--;
    }
  }
}
