// What a lisafs server is given, and what it takes for what it isn't.

import type { Clock } from '../lib/clock.ts';
import type { Op } from '../lib/op.ts';
import { LocalLockTable, type LockTable } from '../locks/lock-table.ts';
import type { PinnedFile } from '../served/served-file.ts';
import type { ServedTree } from '../served/served-tree.ts';
import type { ServerObserver } from '../served/server-observer.ts';
import type { FdReserve } from './server-fds.ts';

const SESSIONS_MAX = 1000;
const FDS_MAX = 10_000;
const IN_FLIGHT_MAX = 1024;
const GRACE_MS = 60_000;
const WATCHES_MAX = 1000;
const EVENTS_MAX = 4096;
/** Of a client, if the table of locks isn't given. */
const LOCKS_MAX = 10_000;

export interface ServerOptions {
  /** Pins the root of the tree for a client, which is the same object whenever it mounts. */
  readonly root: (client: object) => Op<PinnedFile>;
  readonly clock: Clock;
  /** So many random bytes, which nobody can guess. */
  readonly randomBytes: (count: number) => Uint8Array;
  readonly isReadOnly?: boolean;
  /** Most clients that can come back. */
  readonly sessionsMax?: number;
  /** Most FDs of a client. */
  readonly fdsMax?: number;
  /** Takes what FDs cost for those that a client is going to make (Reserve). */
  readonly reserve?: FdReserve;
  /** Most requests of a client at a time. */
  readonly inFlightMax?: number;
  /** How long a client whose link is gone may take to come back, in milliseconds. */
  readonly graceMs?: number;
  /** Most watches of a client. */
  readonly watchesMax?: number;
  /** Most events that wait for a client to take them. */
  readonly eventsMax?: number;
  /**
   * Another whenever the host has started anew, and may have lost what it hadn't synced. Empty: it
   * isn't known. NFS: the write verifier (RFC 8881, 18.32).
   */
  readonly bootVerifier?: Uint8Array;
  /** What is served. Servers of the same files share one. */
  readonly tree?: ServedTree;
  /** Who has which file locked. Servers of the same files share one. */
  readonly locks?: LockTable;
  /**
   * What a session is called where its locks are, from its id, a secret that nobody can tell from
   * it. The same at all servers, so that a client's locks are kept when it comes from another.
   */
  readonly lockNameOf?: (sessionId: Uint8Array) => string;
  /** Errors that nobody expects. */
  readonly onError: (error: unknown) => void;
  /** Is told of every request. */
  readonly observer?: ServerObserver;
}

type Unset = 'observer' | 'tree' | 'lockNameOf' | 'reserve';
export type SetOptions = Required<Omit<ServerOptions, Unset>> & Pick<ServerOptions, Unset>;

export function withDefaults(options: ServerOptions): SetOptions {
  return {
    isReadOnly: false,
    sessionsMax: SESSIONS_MAX,
    fdsMax: FDS_MAX,
    inFlightMax: IN_FLIGHT_MAX,
    graceMs: GRACE_MS,
    watchesMax: WATCHES_MAX,
    eventsMax: EVENTS_MAX,
    bootVerifier: new Uint8Array(0),
    locks: new LocalLockTable({ locksMax: LOCKS_MAX }),
    ...options,
  };
}
