// Link: one link of a client's, from the first byte until it is gone, whatever the protocol.

import { linuxerr } from '../abi/errno.ts';
import type { Clock } from '../lib/clock.ts';
import { type Op, type Wait, WaitQueue } from '../lib/op.ts';
import { WireError } from '../lib/wire-buffer.ts';
import {
  CLOSE_NORMAL,
  CLOSE_TOKEN_REFUSED,
  type CloseInfo,
  type Receiver,
  type Transport,
} from '../transport/transport.ts';

/** The server doesn't speak the protocol, or doesn't answer. Not 1000, which ends a session. */
const CLOSE_PROTOCOL_ERROR = 4002;
/**
 * Bytes that wait to be sent: whoever has more waits. It is looked seldom whether they are gone, so
 * that fewer would be sent before the next ones come.
 */
const BUFFERED_BYTES_MAX = 4 << 20;
/** What a close frame has room for, if it is ASCII. */
const REASON_MAX = 120;

export interface LinkCounts {
  sentBytes: number;
  receivedBytes: number;
}

export interface LinkOptions {
  readonly clock: Clock;
  /** Of all links of a client. */
  readonly counts: LinkCounts;
}

export abstract class Link<Frame> implements Receiver {
  protected readonly transport: Transport;
  protected readonly clock: Clock;
  lastReceivedMs: number;
  readonly #counts: LinkCounts;
  #isGone = false;
  #isClosedByServer = false;
  #isTokenRefused = false;
  #problem: string | undefined;
  readonly #changed = new WaitQueue();

  /** Nothing is handed out before start() of the transport. */
  constructor(transport: Transport, { clock, counts }: LinkOptions) {
    this.transport = transport;
    this.clock = clock;
    this.#counts = counts;
    this.lastReceivedMs = clock.monotonicMs();
  }

  /** Errors: WireError. */
  protected abstract decode(message: Uint8Array): Frame;
  protected abstract take(frame: Frame): void;
  /** The user is to be told that it is gone. */
  protected abstract tellGone(): void;

  /** Nothing gets through any more. */
  get isGone(): boolean {
    return this.#isGone || !this.transport.isOpen;
  }

  /** Its user has been told. */
  protected get hasToldGone(): boolean {
    return this.#isGone;
  }

  /** Woken when the link is gone, and by wake(). */
  get changed(): Wait {
    return this.#changed;
  }

  protected wake(): void {
    this.#changed.wakeAll();
  }

  /** It is gone, and not because this side gave it up. */
  get isClosedByServer(): boolean {
    return this.#isClosedByServer;
  }

  get isTokenRefused(): boolean {
    return this.#isTokenRefused;
  }

  /** Until its user has been told that it is gone. */
  *gone(): Op<void> {
    while (!this.#isGone) yield this.#changed;
  }

  /** Why it is gone, for people. */
  get reason(): string {
    return this.#problem ?? 'the link broke';
  }

  get bufferedBytes(): number {
    return this.transport.bufferedBytes;
  }

  get isCongested(): boolean {
    return this.transport.isOpen && this.transport.bufferedBytes > BUFFERED_BYTES_MAX;
  }

  get drained(): Wait {
    return this.transport.drained;
  }

  send(frame: Uint8Array): void {
    this.#counts.sentBytes += frame.length;
    this.transport.send(frame);
  }

  onMessage(message: Uint8Array): void {
    if (this.isGone) return;
    this.lastReceivedMs = this.clock.monotonicMs();
    this.#counts.receivedBytes += message.length;
    let frame: Frame;
    try {
      frame = this.decode(message);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.fail(`the server sent what is no frame: ${error.message}`);
      return;
    }
    this.take(frame);
  }

  onClose({ reason, code, isLocal }: CloseInfo): void {
    if (!isLocal) this.#problem ??= reason === '' ? `the server closed the link (${code})` : reason;
    this.#isGone = true;
    this.#isClosedByServer = !isLocal;
    // A browser is told why by nothing but the code of a link that was opened.
    this.#isTokenRefused = !isLocal && code === CLOSE_TOKEN_REFUSED;
    this.tellGone();
    this.#changed.wakeAll();
  }

  /** Gives the link up. Returns what to throw, if anything is to be thrown. */
  fail(problem: string): Error {
    if (!this.isGone) {
      this.#problem = problem;
      const reason = problem.replaceAll(/[^ -~]/g, '?').slice(0, REASON_MAX);
      this.transport.close(CLOSE_PROTOCOL_ERROR, reason);
    }
    return linuxerr.EIO;
  }

  /** Says good-bye: the server forgets the session. */
  close(): void {
    this.#problem ??= 'the client has closed it';
    this.transport.close(CLOSE_NORMAL, 'the client has done');
  }
}
