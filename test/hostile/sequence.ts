// A hostile sequence: what somebody does to a gofer's server, and what must hold afterwards.

import type { Arena } from './arena.ts';

/** Which server it is done to: see SERVERS. */
export type ServerKind = 'plain' | 'readOnly' | 'mapped' | 'small' | 'impatient';

export interface Sequence {
  readonly name: string;
  /** Of this sequence. What must hold after each: Arena.check(). */
  readonly holds: string;
  readonly server?: ServerKind;
  /** The protocol; a good client of it is served afterwards. */
  readonly by?: 'lisafs' | '9P';
  /** Descriptors that the server may still hold: those of sessions that wait for their clients. */
  readonly fdsLeft?: number;
  run(arena: Arena): Promise<void>;
}
