// ClientLink: one link of a client's, from the first byte until it is gone.

import { type LinuxError, linuxerr } from '../abi/errno.ts';
import type { Clock } from '../lib/clock.ts';
import { anyOf, type Op, type Wait, WaitQueue } from '../lib/op.ts';
import { WireError, WireWriter } from '../lib/wire-buffer.ts';
import {
  BUFFERED_BYTES_MAX,
  CLOSE_NORMAL,
  CLOSE_TOKEN_REFUSED,
  type CloseInfo,
  type Receiver,
  type Transport,
} from '../transport/transport.ts';
import {
  decodeFrame,
  encodeRequest,
  type Frame,
  HEADER_SIZE_MAX,
  type HeaderVersion,
  PAYLOAD_SIZE_MAX,
} from './frame.ts';
import { MESSAGES, type RequestOf, type ResponseOf } from './messages.ts';

/** The server doesn't speak the protocol, or doesn't answer. Not 1000, which ends a session. */
const CLOSE_PROTOCOL_ERROR = 4002;
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

/** Who is told what comes once the session has begun. */
export interface LinkUser {
  onFrame(frame: Frame): void;
  onGone(): void;
}

interface SessionOutcome {
  readonly answer?: ResponseOf<'Session'> | undefined;
  readonly error?: LinuxError | undefined;
}

export class ClientLink implements Receiver {
  readonly #transport: Transport;
  readonly #options: LinkOptions;
  headerVersion: HeaderVersion = 1;
  /** Most bytes of a reply. */
  replyMax = PAYLOAD_SIZE_MAX;
  lastReceivedMs: number;
  #user: LinkUser | undefined;
  /** How Session was answered. */
  #session: SessionOutcome | undefined;
  /** What came before anybody was there to take it. */
  readonly #early: Frame[] = [];
  #isGone = false;
  #isClosedByServer = false;
  #isTokenRefused = false;
  #problem: string | undefined;
  readonly #changed = new WaitQueue();

  constructor(transport: Transport, options: LinkOptions) {
    this.#transport = transport;
    this.#options = options;
    this.lastReceivedMs = options.clock.monotonicMs();
    transport.start(this);
  }

  /** Nothing gets through any more. */
  get isGone(): boolean {
    return this.#isGone || !this.#transport.isOpen;
  }

  /** Woken when Session is answered, and when the link is gone. */
  get changed(): Wait {
    return this.#changed;
  }

  /** It is gone, and not because this side gave it up. */
  get isClosedByServer(): boolean {
    return this.#isClosedByServer;
  }

  /** Until its user has been told that it is gone. */
  *gone(): Op<void> {
    while (!this.#isGone) yield this.#changed;
  }

  /** Why it is gone, for people. */
  get reason(): string {
    return this.#problem ?? 'the link broke';
  }

  /** Most bytes of a request's payload. */
  get payloadMax(): number {
    return this.#transport.messageSizeMax - HEADER_SIZE_MAX;
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
    this.#options.counts.sentBytes += frame.length;
    this.#transport.send(frame);
  }

  /**
   * Begins a session or goes on with one; undefined if the server has no sessions.
   *
   * Errors: EMFILE, ETIMEDOUT; EACCES if the token is refused; EIO if the link is gone. `reason`
   * explains.
   */
  *startSession(
    asked: RequestOf<'Session'>,
    timeoutMs: number,
  ): Op<ResponseOf<'Session'> | undefined> {
    const options = { headerVersion: 1, tag: 0, payloadMax: PAYLOAD_SIZE_MAX } as const;
    this.send(encodeRequest(new WireWriter(), options, 'Session', asked));
    let isLate = false;
    const late = new WaitQueue();
    const cancel = this.#options.clock.setTimer(timeoutMs, () => {
      isLate = true;
      late.wakeAll();
    });
    try {
      while (this.#session === undefined) {
        if (this.isGone) throw this.#isTokenRefused ? linuxerr.EACCES : linuxerr.EIO;
        if (isLate) {
          this.fail('the server does not answer');
          throw linuxerr.ETIMEDOUT;
        }
        yield anyOf([this.#changed, late]);
      }
    } finally {
      cancel();
    }
    if (this.#session.error !== undefined) throw this.#session.error;
    return this.#session.answer;
  }

  /** At once: what comes next has the header that the answer says. */
  #begin({ mid, payload }: Frame): void {
    this.#changed.wakeAll();
    try {
      if (mid === MESSAGES.Error.mid) {
        const { errno } = MESSAGES.Error.response.decode(payload);
        this.#session = { error: this.#refusal(errno) };
        return;
      }
      if (mid === MESSAGES.Session.mid) {
        const answer = MESSAGES.Session.response.decode(payload);
        if (answer.headerVersion === 2 && answer.inFlightMax > 0) {
          this.headerVersion = 2;
          this.#session = { answer };
          return;
        }
      }
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
    }
    this.fail('the server answered Session with something else');
  }

  /** Undefined if it only has no sessions. */
  #refusal(errno: number): LinuxError | undefined {
    if (errno === linuxerr.EOPNOTSUPP.errno) return undefined;
    const isFull = errno === linuxerr.EMFILE.errno;
    this.fail(isFull ? 'the server has too many clients' : 'the server refused the session');
    return isFull ? linuxerr.EMFILE : linuxerr.EIO;
  }

  onMessage(message: Uint8Array): void {
    if (this.isGone) return;
    this.lastReceivedMs = this.#options.clock.monotonicMs();
    this.#options.counts.receivedBytes += message.length;
    let frame: Frame;
    try {
      const { headerVersion, replyMax: payloadMax } = this;
      frame = decodeFrame(message, { headerVersion, payloadMax });
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.fail(`the server sent what is no frame: ${error.message}`);
      return;
    }
    if (this.#session === undefined) this.#begin(frame);
    else if (this.#user === undefined) this.#early.push(frame);
    else this.#user.onFrame(frame);
  }

  /** Skips Session, for a server that closes the link when it gets one. */
  skipSession(): void {
    this.#session = {};
  }

  /** Hands out what comes from here on, and what has come early. */
  use(user: LinkUser): void {
    this.#user = user;
    for (const frame of this.#early.splice(0)) if (!this.isGone) user.onFrame(frame);
    if (this.#isGone) user.onGone();
  }

  onClose({ reason, code, isLocal }: CloseInfo): void {
    if (!isLocal) this.#problem ??= reason === '' ? `the server closed the link (${code})` : reason;
    this.#isGone = true;
    this.#isClosedByServer = !isLocal;
    // A browser is told why by nothing but the code of a link that was opened.
    this.#isTokenRefused = !isLocal && code === CLOSE_TOKEN_REFUSED;
    this.#user?.onGone();
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

  /** Says good-bye: the server forgets the session. */
  close(): void {
    this.#problem ??= 'the client has closed it';
    this.#transport.close(CLOSE_NORMAL, 'the client has done');
  }
}
