// The end of a pipe that takes pages of a file. Linux: fs/splice.c.

import type { Op } from '../lib/op.ts';

export interface SpliceTarget {
  /**
   * Waits until it takes something, and returns how many bytes at most. Errors: EPIPE if nobody
   * reads; EAGAIN if it is full and open with O_NONBLOCK; what interrupts the wait.
   */
  waitForRoom(): Op<number>;
  /**
   * Takes what fits of `bytes`, which were at `offset` of a file, and tells no watch. 0: nothing
   * fits, or nobody reads.
   */
  splice(bytes: Uint8Array, offset: number): Op<number>;
}
