// Ballast: what a store on IndexedDB holds of the origin's quota for commits to come. How much is
// left of a quota no browser tells: Chromium's estimate() always leaves 10 GiB. So room that was
// promised is taken beforehand, and given back when a commit needs it.

import { linuxerr } from '../../abi/errno.ts';
import type { Clock } from '../../lib/clock.ts';
import { type Op, timer, waitFor } from '../../lib/op.ts';
import type { Database } from '../database.ts';

/** What was deleted, Chromium cleans up some 20 ms later. Milliseconds. */
export const CLEANUP_MS = 60;

export interface Ballast {
  /** What can be counted on, in bytes, as far as it was read. */
  readonly bytes: number;
  /** What the browser counts it as, in bytes. */
  readonly countedBytes: number;

  /** Reads how much there is. Errors: EIO. */
  load(): Op<void>;

  /** Takes more, until there are `bytes` of it or the quota is used up. Errors: EIO. */
  grow(bytes: number): Op<void>;

  /** Gives `bytes` of it back, or all there is. False if there was none. Errors: EIO. */
  drop(bytes: number): Op<boolean>;

  /** So much was written to the database. */
  committed(bytes: number): void;

  close(): Op<void>;
}

/**
 * Lets the browser clean up for `ms` milliseconds, and count anew. Chromium counts when a
 * transaction that changes something has been committed and at no other time: if all that follow
 * fail for want of room, it never sees what it has removed since. Errors: EIO.
 */
export function* settle(database: Database, clock: Clock, ms: number): Op<void> {
  yield timer(clock, ms);
  // There is no such record: that it is to be deleted is change enough.
  const written = database.write('relaxed', (store) => {
    store.delete('settled');
  });
  try {
    yield* waitFor(written);
  } catch (error) {
    // A browser for which even that is too much has nothing to count.
    if (error !== linuxerr.ENOSPC) throw error;
  }
}
