// Transport: a link that carries whole messages of bytes both ways, in order, until it breaks.
// What reconnects, sends again and answers once is above it; what a message means is too.

import { assert } from '../lib/assert.ts';
import type { Op, Wait } from '../lib/op.ts';
import { isLongerThan } from '../lib/text.ts';

/** From here on a sender had better wait until what it sent is on its way: see whenDrained(). */
export const BUFFERED_BYTES_MAX = 1 << 20;

/** Why a link is closed, in the numbers of RFC 6455, section 7.4. A client may say 1000, 3000… */
export const CLOSE_NORMAL = 1000;
/** Nobody said good-bye: the link broke. Never sent. */
export const CLOSE_ABNORMAL = 1006;
/** A message that isn't binary came. */
export const CLOSE_NOT_BINARY = 4003;
/** A gofer's server refused the token. A browser doesn't tell the status of a handshake. */
export const CLOSE_TOKEN_REFUSED = 4401;
/** The other side took too long: to begin, or to take anything of what is sent to it. */
export const CLOSE_TIMED_OUT = 4408;
/** A message came that is larger than `messageSizeMax`. */
export const CLOSE_TOO_LARGE = 4009;

/** Bytes of the reason that a close frame has room for. RFC 6455, section 5.5. */
const REASON_SIZE_MAX = 123;

export interface CloseInfo {
  /** CLOSE_ constant, or what the other side said. */
  readonly code: number;
  /** For people. */
  readonly reason: string;
  /** This side closed it. */
  readonly isLocal: boolean;
}

/** Who is told what comes. Neither is called from inside a call of the transport. */
export interface Receiver {
  /** `message` is the receiver's. Not called any more once the transport is closed. */
  onMessage(message: Uint8Array): void;
  /** Called once. */
  onClose(info: CloseInfo): void;
}

export interface Transport {
  /** The subprotocol both sides agreed on. */
  readonly protocol: string;
  /** Bytes of the largest message, either way. */
  readonly messageSizeMax: number;
  /** False as soon as it is known that nothing will get through any more. */
  readonly isOpen: boolean;
  /** Bytes that were sent and are not on their way yet. */
  readonly bufferedBytes: number;
  /** Woken when `bufferedBytes` is at most BUFFERED_BYTES_MAX again, or the link is closed. */
  readonly drained: Wait;

  /** Begins to hand out what comes; what has come until now is kept. Called once. */
  start(receiver: Receiver): void;

  /**
   * Hands out no messages until resume(): what comes waits, at the other side as far as the
   * platform can hold it there. Of a link that is closed meanwhile, what waits is lost.
   */
  pause(): void;

  resume(): void;

  /**
   * Sends a message. The caller may use its memory again at once; with `onSent` only when that is
   * called, which may be never, so that the message needn't be copied. On a link that is closed it
   * is lost, as is whatever is on its way when a link breaks: onClose() tells.
   *
   * Errors:
   *  - EMSGSIZE if it is larger than `messageSizeMax`.
   */
  send(message: Uint8Array, onSent?: () => void): void;

  /**
   * Closes the link once what was sent is on its way. Does nothing on one that is closed.
   * Preconditions: `code` is 1000 or of the range 3000 to 4999, which is all a browser sends;
   * `reason` has at most 123 bytes.
   */
  close(code?: number, reason?: string): void;
}

/** Waits until there is little to be sent, or the link is closed. */
export function* whenDrained(transport: Transport): Op<void> {
  while (transport.isOpen && transport.bufferedBytes > BUFFERED_BYTES_MAX) {
    yield transport.drained;
  }
}

export function assertMayClose(code: number, reason: string): void {
  assert(code === CLOSE_NORMAL || (code >= 3000 && code <= 4999), 'no code to close with');
  assert(!isLongerThan(reason, REASON_SIZE_MAX), 'the reason is too long');
}
