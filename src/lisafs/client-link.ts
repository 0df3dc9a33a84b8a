// ClientLink: one link of a client's, from the first byte until it is gone.

import { type LinuxError, linuxerr } from '../abi/errno.ts';
import { anyOf, type Op, WaitQueue } from '../lib/op.ts';
import { WireError, WireWriter } from '../lib/wire-buffer.ts';
import { Link, type LinkOptions } from '../link/link.ts';
import type { Transport } from '../transport/transport.ts';
import {
  decodeFrame,
  encodeRequest,
  type Frame,
  HEADER_SIZE_MAX,
  type HeaderVersion,
  PAYLOAD_SIZE_MAX,
} from './frame.ts';
import { MESSAGES, type RequestOf, type ResponseOf } from './messages.ts';

/** Who is told what comes once the session has begun. */
export interface LinkUser {
  onFrame(frame: Frame): void;
  onGone(): void;
}

interface SessionOutcome {
  readonly answer?: ResponseOf<'Session'> | undefined;
  readonly error?: LinuxError | undefined;
}

export class ClientLink extends Link<Frame> {
  headerVersion: HeaderVersion = 1;
  /** Most bytes of a reply. */
  replyMax = PAYLOAD_SIZE_MAX;
  #user: LinkUser | undefined;
  /** How Session was answered. */
  #session: SessionOutcome | undefined;
  /** What came before anybody was there to take it. */
  readonly #early: Frame[] = [];

  constructor(transport: Transport, options: LinkOptions) {
    super(transport, options);
    transport.start(this);
  }

  /** Most bytes of a request's payload. */
  get payloadMax(): number {
    return this.transport.messageSizeMax - HEADER_SIZE_MAX;
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
    const cancel = this.clock.setTimer(timeoutMs, () => {
      isLate = true;
      late.wakeAll();
    });
    try {
      while (this.#session === undefined) {
        if (this.isGone) throw this.isTokenRefused ? linuxerr.EACCES : linuxerr.EIO;
        if (isLate) {
          this.fail('the server does not answer');
          throw linuxerr.ETIMEDOUT;
        }
        yield anyOf([this.changed, late]);
      }
    } finally {
      cancel();
    }
    if (this.#session.error !== undefined) throw this.#session.error;
    return this.#session.answer;
  }

  /** At once: what comes next has the header that the answer says. */
  #begin({ mid, payload }: Frame): void {
    this.wake();
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

  protected override decode(message: Uint8Array): Frame {
    const { headerVersion, replyMax: payloadMax } = this;
    return decodeFrame(message, { headerVersion, payloadMax });
  }

  protected override take(frame: Frame): void {
    if (this.#session === undefined) this.#begin(frame);
    else if (this.#user === undefined) this.#early.push(frame);
    else this.#user.onFrame(frame);
  }

  protected override tellGone(): void {
    this.#user?.onGone();
  }

  /** Skips Session, for a server that closes the link when it gets one. */
  skipSession(): void {
    this.#session = {};
  }

  /** Hands out what comes from here on, and what has come early. */
  use(user: LinkUser): void {
    this.#user = user;
    for (const frame of this.#early.splice(0)) if (!this.isGone) user.onFrame(frame);
    if (this.hasToldGone) user.onGone();
  }
}
