// P9Link: one link of a client's, and with it one session: fids live as long as it does.

import { linuxerr } from '../abi/errno.ts';
import type { Clock } from '../lib/clock.ts';
import { type Op, type Wait, WaitQueue } from '../lib/op.ts';
import { WireError } from '../lib/wire-buffer.ts';
import {
  BUFFERED_BYTES_MAX,
  type CloseInfo,
  type Receiver,
  type Transport,
} from '../transport/transport.ts';
import type { LinkCounts } from '../lisafs/client-link.ts';
import { decodeFrame, type Frame, MSIZE_MAX } from './frame.ts';

const CLOSE_PROTOCOL_ERROR = 3002;
const REASON_MAX = 100;

export interface P9LinkUser {
  onFrame(frame: Frame): void;
  /** Called once. */
  onGone(): void;
}

export interface P9LinkOptions {
  readonly clock: Clock;
  /** Of this link and those before it. */
  readonly counts: LinkCounts;
  readonly user: P9LinkUser;
}

export class P9Link implements Receiver {
  /** Most bytes of a frame, as the two sides have agreed. */
  msize: number;
  lastReceivedMs: number;
  readonly #transport: Transport;
  readonly #clock: Clock;
  readonly #user: P9LinkUser;
  readonly #counts: LinkCounts;
  readonly #changed = new WaitQueue();
  #problem: string | undefined;
  #isGone = false;

  constructor(transport: Transport, { clock, counts, user }: P9LinkOptions) {
    this.#transport = transport;
    this.#clock = clock;
    this.#user = user;
    this.#counts = counts;
    this.msize = Math.min(MSIZE_MAX, transport.messageSizeMax);
    this.lastReceivedMs = clock.monotonicMs();
  }

  /** What comes is handed to its user from here on. */
  start(): void {
    this.#transport.start(this);
  }

  get isGone(): boolean {
    return this.#isGone || !this.#transport.isOpen;
  }

  /** Woken when it is gone. */
  get changed(): Wait {
    return this.#changed;
  }

  /** Returns once its user has been told that it is gone. */
  *gone(): Op<void> {
    while (!this.#isGone) yield this.#changed;
  }

  /** Why it is gone, for people. */
  get reason(): string {
    return this.#problem ?? 'the link broke';
  }

  get bufferedBytes(): number {
    return this.#transport.bufferedBytes;
  }

  get isCongested(): boolean {
    return this.#transport.isOpen && this.#transport.bufferedBytes > BUFFERED_BYTES_MAX;
  }

  get drained(): Wait {
    return this.#transport.drained;
  }

  send(frame: Uint8Array): void {
    this.#counts.sentBytes += frame.length;
    this.#transport.send(frame);
  }

  onMessage(message: Uint8Array): void {
    if (this.isGone) return;
    this.lastReceivedMs = this.#clock.monotonicMs();
    this.#counts.receivedBytes += message.length;
    let frame: Frame;
    try {
      frame = decodeFrame(message, this.msize);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.fail(`the server sent what is no frame: ${error.message}`);
      return;
    }
    this.#user.onFrame(frame);
  }

  onClose({ reason, code, isLocal }: CloseInfo): void {
    if (!isLocal) this.#problem ??= reason === '' ? `the server closed the link (${code})` : reason;
    this.#isGone = true;
    this.#user.onGone();
    this.#changed.wakeAll();
  }

  /** Gives the link up. Returns what to throw, if anything is to be thrown. */
  fail(problem: string): Error {
    if (!this.isGone) {
      this.#problem = problem;
      const reason = problem.replaceAll(/[^ -~]/g, '?').slice(0, REASON_MAX);
      this.#transport.close(CLOSE_PROTOCOL_ERROR, reason);
    }
    return linuxerr.EIO;
  }

  close(): void {
    this.#problem ??= 'the client has closed it';
    this.#transport.close();
  }
}
