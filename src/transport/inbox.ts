// Inbox: what has come in on a transport, until its receiver is there, and then the way to it.

import { assert } from '../lib/assert.ts';
import type { CloseInfo, Receiver } from './transport.ts';

export class Inbox {
  #receiver: Receiver | undefined;
  /** Messages that came before the receiver did, or while it is told of those. */
  #held: Uint8Array[] = [];
  #isPassingOn = false;
  #closeInfo: CloseInfo | undefined;
  #hasToldClose = false;

  get isClosed(): boolean {
    return this.#closeInfo !== undefined;
  }

  start(receiver: Receiver): void {
    assert(this.#receiver === undefined, 'a transport is started twice');
    this.#receiver = receiver;
    this.#isPassingOn = true;
    queueMicrotask(() => {
      this.#passOn(receiver);
    });
  }

  #passOn(receiver: Receiver): void {
    for (let message = this.#held.shift(); message !== undefined; message = this.#held.shift()) {
      receiver.onMessage(message);
    }
    this.#isPassingOn = false;
    if (this.#closeInfo !== undefined) this.#tellClose(this.#closeInfo);
  }

  deliver(message: Uint8Array): void {
    if (this.#closeInfo !== undefined) return;
    if (this.#receiver === undefined || this.#isPassingOn) this.#held.push(message);
    else this.#receiver.onMessage(message);
  }

  /** Only the first call says why. */
  close(info: CloseInfo): void {
    if (this.#closeInfo !== undefined) return;
    this.#closeInfo = info;
    // Who closed the link wants to hear no more.
    if (info.isLocal) this.#held = [];
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
