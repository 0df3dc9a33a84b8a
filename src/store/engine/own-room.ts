// OwnRoom: what the store holds of a medium, in two parts: what others count on (SpaceReserve of
// fs/idbfs), and what is the store's own, for work that nobody waits for. The one is never used for
// the other.

import type { Op } from '../../lib/op.ts';
import type { PageDevice } from './page-device.ts';

export class OwnRoom {
  readonly #device: PageDevice;
  #ownBytes = 0;
  /** It is as much as was asked for. */
  #isEnough = false;

  constructor(device: PageDevice) {
    this.#device = device;
  }

  /** Bytes that others may count on. */
  get othersBytes(): number {
    return Math.max(0, this.#device.reservedBytes - this.#ownBytes);
  }

  get isEnough(): boolean {
    return this.#isEnough;
  }

  /** As Store.reserve(), for others. What they lack they get of our own. No commit is under way. */
  *reserve(bytes: number): Op<number> {
    const held = yield* this.#device.reserve(bytes + this.#ownBytes);
    if (held - this.#ownBytes < bytes) this.#take(0);
    return this.othersBytes;
  }

  #take(ownBytes: number): void {
    this.#ownBytes = ownBytes;
    this.#isEnough = false;
  }

  /**
   * Holds so much of our own. False if there isn't as much: what there is stays our own, as nobody
   * else has asked for it. No commit is under way.
   */
  *hold(bytes: number): Op<boolean> {
    const { othersBytes } = this;
    const held = yield* this.#device.reserve(othersBytes + bytes);
    this.#take(Math.max(0, Math.min(bytes, held - othersBytes)));
    this.#isEnough = this.#ownBytes === bytes;
    return this.#isEnough;
  }

  /**
   * A commit of our own begins, and what it takes is ours. Returns what is to be called when it has
   * ended well.
   */
  use(): () => void {
    const { othersBytes } = this;
    return () => {
      const left = this.#device.reservedBytes - othersBytes;
      this.#take(Math.max(0, Math.min(this.#ownBytes, left)));
    };
  }
}
