// Closings: files of the host that a client has given up, and that the host is closing.

import { type Op, startOp, WaitQueue } from '../lib/op.ts';

export class Closings {
  readonly #onError: (error: unknown) => void;
  readonly #underWay = new Set<object>();
  readonly #closed = new WaitQueue();

  /** `onError`: of one that could not be closed, which nobody waits for. */
  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  begin(close: Op<void>): void {
    const each = {};
    this.#underWay.add(each);
    const end = (): void => {
      this.#underWay.delete(each);
      this.#closed.wakeAll();
    };
    startOp(close, {
      resolve: end,
      reject: (error) => {
        end();
        this.#onError(error);
      },
    });
  }

  /** Until the host has closed what it was told to so far: then there is room again. */
  *untilClosed(): Op<void> {
    for (const each of [...this.#underWay]) while (this.#underWay.has(each)) yield this.#closed;
  }
}
