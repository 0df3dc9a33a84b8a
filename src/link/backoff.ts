// Backoff: how long a client waits until it tries again, longer and longer, and not at the same
// moment as all the others whose server has just started.

import type { Clock } from '../lib/clock.ts';

const BACKOFF_MIN_MS = 100;
const BACKOFF_MAX_MS = 10_000;

export class Backoff {
  readonly #random: () => number;
  #failureCount = 0;

  /** `random` is at least 0 and less than 1. */
  constructor(random: () => number) {
    this.#random = random;
  }

  reset(): void {
    this.#failureCount = 0;
  }

  /** Milliseconds, at random up to a limit that doubles. */
  next(): number {
    const limitMs = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** (this.#failureCount + 1));
    this.#failureCount++;
    return BACKOFF_MIN_MS + this.#random() * (limitMs - BACKOFF_MIN_MS);
  }
}

/**
 * Random enough to be at another time than others: seeded by the moment it is made at. Marsaglia's
 * xorshift32.
 */
export function jitterFrom(clock: Clock): () => number {
  const { sec, nsec } = clock.now();
  let state = (sec ^ Math.floor(nsec / 1000) ^ 0x9e37_79b9) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 2 ** 32;
  };
}
