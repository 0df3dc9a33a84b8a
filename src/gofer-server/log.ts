// GoferLog: where a server says what happens. A logger of pino is one.

import type { RefusalReason } from './refusal.ts';

/** Who is at the other end. */
export interface Peer {
  readonly address: string;
  /** Undefined if it is no browser. */
  readonly origin: string | undefined;
}

export interface ClosedConnection extends Peer {
  readonly connection: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly requests: number;
  readonly durationMs: number;
  readonly code: number;
  readonly reason: string;
}

/** The fields of each message. None ever has a token. */
export interface GoferLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface RefusedConnection extends Peer {
  readonly refusal: RefusalReason;
  readonly detail: string;
}
