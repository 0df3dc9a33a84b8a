// HeldRoom: what a store holds of its medium for commits to come, and whether more can be had of it
// for what nobody waits for.

import type { Op } from '../../lib/op.ts';
import type { PageDevice } from './page-device.ts';

/** So much of what is held writers may count on: with the usual dirty limits. */
const COUNTED_ON_MIN = 40 << 20;
/** They count on so many times what they ask for, if the medium happens to hold as much. */
const COUNTED_ON_FACTOR = 2;

/** No commit of the store is under way while something is asked of the medium. */
export class HeldRoom {
  readonly #device: PageDevice;
  /** The medium had less than was needed, the last time. */
  #isShort = false;
  /** What the medium held when others asked last. */
  #heldForOthers = 0;
  /** The most that others have asked for. */
  #wantedMax = 0;

  constructor(device: PageDevice) {
    this.#device = device;
  }

  /** As Store.reserve(). */
  *reserve(bytes: number): Op<number> {
    this.#wantedMax = Math.max(this.#wantedMax, bytes);
    this.#heldForOthers = yield* this.#hold(bytes);
    return this.#heldForOthers;
  }

  /** A commit found no room. */
  exhausted(): void {
    this.#isShort = true;
  }

  /**
   * Holds so much beside what others may count on. False if the medium hasn't as much: asking for
   * that may cost what is held, so it isn't asked again before somebody has got what they wanted.
   */
  *holdBeside(bytes: number): Op<boolean> {
    if (this.#isShort) return false;
    // A medium may have given up what it held.
    const held = Math.max(this.#device.reservedBytes, this.#heldForOthers);
    const countedOnMax = Math.max(COUNTED_ON_MIN, COUNTED_ON_FACTOR * this.#wantedMax);
    yield* this.#hold(Math.min(held, countedOnMax) + bytes);
    return !this.#isShort;
  }

  *#hold(bytes: number): Op<number> {
    // Also if it fails.
    this.#isShort = true;
    const held = yield* this.#device.reserve(bytes);
    this.#isShort = held < bytes;
    return held;
  }
}
