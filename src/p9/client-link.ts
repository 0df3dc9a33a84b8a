// P9Link: one link of a client's, and with it one session: fids live as long as it does.

import { Link, type LinkOptions } from '../link/link.ts';
import type { Transport } from '../transport/transport.ts';
import { decodeFrame, type Frame, MSIZE_MAX } from './frame.ts';

export interface P9LinkUser {
  onFrame(frame: Frame): void;
  /** Called once. */
  onGone(): void;
}

export interface P9LinkOptions extends LinkOptions {
  readonly user: P9LinkUser;
}

export class P9Link extends Link<Frame> {
  /** Most bytes of a frame, as the two sides have agreed. */
  msize: number;
  readonly #user: P9LinkUser;

  constructor(transport: Transport, { user, ...options }: P9LinkOptions) {
    super(transport, options);
    this.#user = user;
    this.msize = Math.min(MSIZE_MAX, transport.messageSizeMax);
  }

  /** What comes is handed to its user from here on. */
  start(): void {
    this.transport.start(this);
  }

  protected override decode(message: Uint8Array): Frame {
    return decodeFrame(message, this.msize);
  }

  protected override take(frame: Frame): void {
    this.#user.onFrame(frame);
  }

  protected override tellGone(): void {
    this.#user.onGone();
  }
}
