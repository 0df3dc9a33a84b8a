// HeldRoom: what a store holds of its medium for commits to come, and whether more can be had of it
// for what nobody waits for.

import type { Op } from '../../lib/op.ts';
import type { PageDevice } from './page-device.ts';

/** Writers are never so many bytes ahead of the commits. */
const COUNTED_ON_MAX = 40 << 20;

/** No commit is under way while something is asked of the medium. */
export class HeldRoom {
  readonly #device: PageDevice;
  /** The medium held less than it was asked to, the last time. */
  #isShort = false;

  constructor(device: PageDevice) {
    this.#device = device;
  }

  /** As Store.reserve(). */
  *reserve(bytes: number): Op<number> {
    const held = yield* this.#device.reserve(bytes);
    this.#isShort = held < bytes;
    return held;
  }

  /**
   * Holds so much beside what others may count on. False if the medium hasn't as much: asking for
   * that may cost what is held, so it isn't asked again before somebody has got what they wanted.
   */
  *holdBeside(bytes: number): Op<boolean> {
    if (this.#isShort) return false;
    yield* this.reserve(Math.min(this.#device.reservedBytes, COUNTED_ON_MAX) + bytes);
    return !this.#isShort;
  }
}
