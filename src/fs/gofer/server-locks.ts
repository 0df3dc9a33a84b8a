// ServerLocks: locks that a server knows of, whatever it makes of them.

import type { Clock } from '../../lib/clock.ts';
import type { Op } from '../../lib/op.ts';
import type { RemoteStatus } from '../../vfs/remote-link.ts';
import type { UpstreamLocks } from '../shared/upstream-locks.ts';
import type { GoferInode } from './gofer-inode.ts';
import type { LockRetaking } from './remote.ts';

/** Between attempts at a server that lets nobody wait. Linux: NFS4_LOCK_MINTIMEOUT. */
export const POLL_MS = 1000;

export interface GrantedLocks {
  readonly clock: Clock;
  /** A lock was granted: others may have changed the file before. */
  onGranted(inode: GoferInode): void;
}

/** Where locks are. */
export type LockPlace = RemoteStatus['locks'];

export interface ServerLocks extends UpstreamLocks {
  readonly place: LockPlace;
  /** The session is lost, and its locks with it. FDs are open again. */
  recover(retaking: LockRetaking): Op<void>;
  /** There is a link again. */
  reconnected(): void;
}
