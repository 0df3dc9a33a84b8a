// UpstreamLocks: locks on files that are kept elsewhere, where others take locks on them, too. What
// was granted there is noted in the inode's own FileLocks as well.

import type { Op } from '../../lib/op.ts';
import type { LockConflict, LockOwner, RangeRequest } from '../../locks/file-locks.ts';
import type { FileDescription } from '../../vfs/file-description.ts';
import type { Inode } from './inode.ts';

/** An open file. */
export interface LockedFile {
  readonly file: FileDescription;
  readonly inode: Inode;
}

/** For whom a range is locked: a process, or the description itself. */
export interface RangeOwner extends LockedFile {
  readonly owner: LockOwner;
}

export interface UpstreamLocks {
  /** LOCK_SH, LOCK_EX or LOCK_UN. Errors: as FileLocks.flock(); EIO, ENOLCK. */
  flock(
    target: LockedFile,
    operation: number,
    options: { readonly mustNotWait: boolean },
  ): Op<void>;

  /** Errors: as FileLocks.setRange() and setRangeWaiting(); EIO, ENOLCK. */
  setRange(
    target: RangeOwner,
    request: RangeRequest,
    options: { readonly mayWait: boolean },
  ): Op<void>;

  /** As FileLocks.findConflict(). */
  findRange(target: RangeOwner, request: RangeRequest): Op<LockConflict | undefined>;

  /** All ranges of an owner, which are given up here already. Must not wait. */
  releaseRanges(target: RangeOwner): void;

  /** The same of all that belongs to a description. */
  released(target: LockedFile): void;

  /** Errors: EIO if a lock that was taken through the description is lost. */
  checkHeld(file: FileDescription, inode: Inode): void;
}
