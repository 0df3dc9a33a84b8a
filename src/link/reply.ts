// What a client is answered, once, however many links that takes.

import type { LinuxError } from '../abi/errno.ts';
import { assert } from '../lib/assert.ts';
import { type Op, type Wait, WaitQueue } from '../lib/op.ts';

/** What comes of a request. */
export interface Reply<T> {
  readonly isSettled: boolean;
  /**
   * Waits for the answer. Who is interrupted meanwhile is told nothing more; the request is done
   * all the same.
   *
   * Errors: the server's; EIO if the link is gone and nobody knows, or it can't be decoded.
   */
  wait(): Op<T>;
  /**
   * Calls `done` once: in the order in which answers and pushed messages come, before anything
   * that waits goes on. At once if the answer is there. `done` must not throw.
   */
  onSettled(done: (error: LinuxError | undefined, value: T | undefined) => void): void;
}

type Done = (error: LinuxError | undefined, value: unknown) => void;

/** A request's part in being answered. */
export abstract class Answered implements Reply<unknown> {
  #outcome: { readonly error: LinuxError | undefined; readonly value: unknown } | undefined;
  #callbacks: Done[] = [];
  readonly #settled = new WaitQueue();

  get isSettled(): boolean {
    return this.#outcome !== undefined;
  }

  /** Woken when it is. */
  get settled(): Wait {
    return this.#settled;
  }

  settle(error: LinuxError | undefined, value?: unknown): void {
    assert(this.#outcome === undefined, 'a request is answered twice');
    this.#outcome = { error, value };
    this.forget();
    const callbacks = this.#callbacks;
    this.#callbacks = [];
    for (const callback of callbacks) callback(error, value);
    this.#settled.wakeAll();
  }

  /** It is answered: what was kept to send it again isn't needed any more. */
  protected abstract forget(): void;

  *wait(): Op<unknown> {
    while (this.#outcome === undefined) yield this.#settled;
    const { error, value } = this.#outcome;
    if (error !== undefined) throw error;
    return value;
  }

  onSettled(done: Done): void {
    if (this.#outcome === undefined) this.#callbacks.push(done);
    else done(this.#outcome.error, this.#outcome.value);
  }
}
