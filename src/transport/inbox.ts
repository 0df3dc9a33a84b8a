// Inbox: what has come in on a transport, until its receiver is there, and then the way to it.

import { assert } from '../lib/assert.ts';
import type { CloseInfo, Receiver } from './transport.ts';

export class Inbox {
  #receiver: Receiver | undefined;
  /** Messages that came before the receiver did, or while it is told of those. */
  #held: Uint8Array[] = [];
  #isPassingOn = false;
  #isPaused = false;
  #closeInfo: CloseInfo | undefined;
  #hasToldClose = false;

  get isClosed(): boolean {
    return this.#closeInfo !== undefined;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  start(receiver: Receiver): void {
    assert(this.#receiver === undefined, 'a transport is started twice');
    this.#receiver = receiver;
    this.#passOnSoon(receiver);
  }

  /** What comes is held until resume(). */
  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    const receiver = this.#receiver;
    if (receiver === undefined || this.#isPassingOn || this.#held.length === 0) return;
    this.#passOnSoon(receiver);
  }

  #passOnSoon(receiver: Receiver): void {
    this.#isPassingOn = true;
    queueMicrotask(() => {
      this.#passOn(receiver);
    });
  }

  #passOn(receiver: Receiver): void {
    while (!this.#isPaused) {
      const message = this.#held.shift();
      if (message === undefined) break;
      receiver.onMessage(message);
    }
    this.#isPassingOn = false;
    if (this.#closeInfo !== undefined) this.#tellClose(this.#closeInfo);
  }

  deliver(message: Uint8Array): void {
    if (this.#closeInfo !== undefined) return;
    const isHeld = this.#isPassingOn || this.#isPaused;
    if (this.#receiver === undefined || isHeld) this.#held.push(message);
    else this.#receiver.onMessage(message);
  }

  /** Only the first call says why. */
  close(info: CloseInfo): void {
    if (this.#closeInfo !== undefined) return;
    this.#closeInfo = info;
    // Who closed the link wants to hear no more; who has paused it could answer nothing.
    if (info.isLocal || this.#isPaused) this.#held = [];
    queueMicrotask(() => {
      if (!this.#isPassingOn) this.#tellClose(info);
    });
  }

  #tellClose(info: CloseInfo): void {
    if (this.#receiver === undefined || this.#hasToldClose) return;
    this.#hasToldClose = true;
    this.#receiver.onClose(info);
  }
}
