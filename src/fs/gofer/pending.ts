// Pending: requests that are on their way, made of a client's replies, and of operations that take
// several. What is sent after one is done after it.

import { LinuxError } from '../../abi/errno.ts';
import { type Op, startOp, WaitQueue } from '../../lib/op.ts';
import type { Reply } from '../../link/reply.ts';
import type { Pending } from './remote.ts';

type Listener<T> = (error: LinuxError | undefined, value: T | undefined) => void;

/** One that whoever made it settles, once. */
export class Settling<T> implements Pending<T> {
  #outcome: { readonly error: LinuxError | undefined; readonly value: T | undefined } | undefined;
  readonly #listeners: Listener<T>[] = [];
  readonly #settled = new WaitQueue();

  settle(error: LinuxError | undefined, value?: T): void {
    this.#outcome = { error, value };
    for (const listener of this.#listeners.splice(0)) listener(error, value);
    this.#settled.wakeAll();
  }

  /** Settles it as `op` ends, which begins at once. */
  settleAs(op: Op<T>): void {
    startOp(op, {
      resolve: (value) => {
        this.settle(undefined, value);
      },
      reject: (error) => {
        if (!(error instanceof LinuxError)) throw error;
        this.settle(error);
      },
    });
  }

  *wait(): Op<T> {
    while (this.#outcome === undefined) yield this.#settled;
    if (this.#outcome.error !== undefined) throw this.#outcome.error;
    return this.#outcome.value as T;
  }

  onSettled(listener: Listener<T>): void {
    if (this.#outcome === undefined) this.#listeners.push(listener);
    else listener(this.#outcome.error, this.#outcome.value);
  }
}

/** A reply, as what is wanted of it. `map` may throw LinuxErrors. */
export function mapped<From, To>(reply: Pending<From>, map: (value: From) => To): Pending<To> {
  let result: { error: LinuxError | undefined; value: To | undefined } | undefined;
  const listeners: Listener<To>[] = [];
  reply.onSettled((error, value) => {
    result = { error, value: undefined };
    try {
      if (error === undefined) result.value = map(value as From);
    } catch (thrown) {
      result.error = thrown as LinuxError;
    }
    for (const listener of listeners.splice(0)) listener(result.error, result.value);
  });
  return {
    *wait() {
      yield* reply.wait();
      if (result?.error !== undefined) throw result.error;
      return result?.value as To;
    },
    onSettled(listener) {
      if (result === undefined) listeners.push(listener);
      else listener(result.error, result.value);
    },
  };
}

/**
 * Waits for what an answer brings. If it comes when nobody waits for it any more, `leave` takes it.
 */
export function* taken<From, To>(
  reply: Reply<From>,
  map: (value: From) => To,
  leave: (value: To) => void,
): Op<To> {
  const pending = mapped(reply, map);
  let isTaken = false;
  try {
    const value = yield* pending.wait();
    isTaken = true;
    return value;
  } finally {
    if (!isTaken) {
      pending.onSettled((_error, value) => {
        if (value !== undefined) leave(value);
      });
    }
  }
}

/** Two requests, the second of which needs the answer to the first. */
export function followed<First, Second>(
  first: Reply<First>,
  next: (value: First) => Reply<Second>,
): Pending<void> {
  let error: LinuxError | undefined;
  let isSettled = false;
  const listeners: Listener<void>[] = [];
  const settle = (outcome: LinuxError | undefined): void => {
    error = outcome;
    isSettled = true;
    for (const listener of listeners.splice(0)) listener(outcome, undefined);
  };
  let second: Reply<Second> | undefined;
  first.onSettled((failure, value) => {
    if (failure !== undefined) {
      settle(failure);
      return;
    }
    second = next(value as First);
    second.onSettled(settle);
  });
  return {
    *wait() {
      yield* first.wait();
      if (second !== undefined) yield* second.wait();
      if (error !== undefined) throw error;
    },
    onSettled(listener) {
      if (isSettled) listener(error, undefined);
      else listeners.push(listener);
    },
  };
}

export function done(reply: Pending<unknown>): Pending<void> {
  return mapped(reply, () => undefined);
}

export function settled<T>(value: T): Pending<T> {
  return {
    *wait() {
      return value;
    },
    onSettled(listener) {
      listener(undefined, value);
    },
  };
}

export function failed(error: LinuxError): Pending<never> {
  return {
    *wait() {
      throw error;
    },
    onSettled(listener) {
      listener(error, undefined);
    },
  };
}

/** Begins at once with what takes several requests, and goes on whether anybody waits or not. */
export function started<T>(op: Op<T>): Pending<T> {
  const pending = new Settling<T>();
  pending.settleAs(op);
  return pending;
}
