// Waiting for the host inside an Op. What the host has begun it goes on with when the Op is
// interrupted: so a change is waited for all the same, and what nobody takes any more is closed.
//
// Nothing begins before the Op runs.

import { type Op, uninterrupted, waitFor } from '../lib/op.ts';
import { settleAlone } from './shared-file.ts';

/** Waits for an answer. */
export function* untilKnown<T>(ask: () => Promise<T>): Op<T> {
  return yield* waitFor(ask());
}

/** Waits for a change until it is done. */
export function* untilDone<T>(change: () => Promise<T>): Op<T> {
  return yield* uninterrupted(waitFor(change()));
}

/** Waits for something to be opened; `close` takes it back if it comes too late. */
export function* untilOpen<T>(open: () => Promise<T>, close: (value: T) => Promise<void>): Op<T> {
  const opening = open();
  let isTaken = false;
  try {
    const value = yield* waitFor(opening);
    isTaken = true;
    return value;
  } finally {
    if (!isTaken) settleAlone(opening.then(close));
  }
}
