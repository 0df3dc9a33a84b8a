// The system calls of locks: flock(2) and fcntl_locking(2). Linux: fs/locks.c. Arguments and
// results: syscalls/table.ts. Errors: man 2, and FileDescription.flock(), setRangeLock().

import { linuxerr } from '../abi/errno.ts';
import {
  F_GETLK,
  F_OFD_GETLK,
  F_OFD_SETLK,
  F_OFD_SETLKW,
  F_RDLCK,
  F_SETLK,
  F_SETLKW,
  F_UNLCK,
  F_WRLCK,
  LOCK_EX,
  LOCK_NB,
  LOCK_SH,
  LOCK_UN,
  SEEK_CUR,
  SEEK_END,
  SEEK_SET,
} from '../abi/fcntl.ts';
import type { Op } from '../lib/op.ts';
import type { Flock } from '../syscalls/table.ts';
import type { FileDescription } from '../vfs/file-description.ts';
import type { LockOwner, RangeRequest } from '../locks/file-locks.ts';
import { XattrCalls } from './xattr-calls.ts';

export class LockCalls extends XattrCalls {
  /** Errors besides: EINVAL unless exactly one of LOCK_SH, LOCK_EX, LOCK_UN is given. */
  *flock(fd: number, operation: number): Op<void> {
    const wanted = operation & ~LOCK_NB;
    if (wanted !== LOCK_SH && wanted !== LOCK_EX && wanted !== LOCK_UN) throw linuxerr.EINVAL;
    const mustNotWait = (operation & LOCK_NB) !== 0;
    yield* this.withFile(fd, (file) => file.flock(wanted, { mustNotWait }));
  }

  /**
   * Errors, first one wins:
   *  - EBADF for a descriptor that isn't open, or O_PATH.
   *  - EINVAL for another command, an unknown `whence`, a range that starts before the file.
   *  - EOVERFLOW for one that ends too far.
   *  - EINVAL for an unknown type; EBADF of FileDescription.setRangeLock().
   *  - EINVAL for a process id with F_OFD_SETLK; the others of setRangeLock().
   */
  *setlk(fd: number, command: number, lock: Flock): Op<void> {
    const file = this.task.fds.get(fd);
    if (file.isPathOnly) throw linuxerr.EBADF;
    const isOfd = command === F_OFD_SETLK || command === F_OFD_SETLKW;
    if (!isOfd && command !== F_SETLK && command !== F_SETLKW) throw linuxerr.EINVAL;
    const mayWait = command === F_SETLKW || command === F_OFD_SETLKW;
    const owner = isOfd ? file : this.task.fds;
    yield* this.withFile(fd, function* (): Op<void> {
      const request = yield* rangeOf(file, lock);
      if (![F_RDLCK, F_WRLCK, F_UNLCK].includes(lock.type)) throw linuxerr.EINVAL;
      file.checkRangeLock(request);
      if (isOfd && lock.pid !== 0) throw linuxerr.EINVAL;
      yield* file.setRangeLock(owner, request, { mayWait });
    });
    // The descriptor may have been closed while this waited: then the lock must go, too.
    if (isOfd || this.task.fds.find(fd) === file) return;
    file.releaseRangeLocks(owner);
    throw linuxerr.EBADF;
  }

  /**
   * F_OFD_GETLK with F_UNLCK looks for the description's own locks (Linux 6.4). Errors besides:
   * EINVAL for a type other than F_RDLCK and F_WRLCK, before the range.
   */
  *getlk(fd: number, command: number, lock: Flock): Op<Flock> {
    const file = this.task.fds.get(fd);
    if (file.isPathOnly) throw linuxerr.EBADF;
    const isOfd = command === F_OFD_GETLK;
    if (!isOfd && command !== F_GETLK) throw linuxerr.EINVAL;
    if (!isOfd && lock.type !== F_RDLCK && lock.type !== F_WRLCK) throw linuxerr.EINVAL;
    const owner: LockOwner = isOfd ? file : this.task.fds;
    return yield* this.withFile(fd, function* (): Op<Flock> {
      const request = yield* rangeOf(file, lock);
      if (![F_RDLCK, F_WRLCK, F_UNLCK].includes(lock.type)) throw linuxerr.EINVAL;
      if (isOfd && lock.pid !== 0) throw linuxerr.EINVAL;
      const found = yield* file.findRangeLock(owner, request);
      if (found === undefined) return { ...lock, type: F_UNLCK };
      return {
        type: found.type,
        whence: SEEK_SET,
        start: found.start,
        length: found.end === Infinity ? 0 : found.end - found.start,
        pid: found.owner.lockPid,
      };
    });
  }
}

/** Linux: flock64_to_posix_lock(). Errors: EINVAL, EOVERFLOW. */
function* rangeOf(file: FileDescription, lock: Flock): Op<RangeRequest> {
  const { type, whence, start, length } = lock;
  const from = (yield* baseOf(file, whence)) + start;
  if (from > Number.MAX_SAFE_INTEGER) throw linuxerr.EOVERFLOW;
  if (from < 0) throw linuxerr.EINVAL;
  if (length === 0) return { type, start: from, end: Infinity };
  if (length > 0) {
    if (from + length - 1 > Number.MAX_SAFE_INTEGER) throw linuxerr.EOVERFLOW;
    return { type, start: from, end: from + length };
  }
  if (from + length < 0) throw linuxerr.EINVAL;
  return { type, start: from + length, end: from };
}

function* baseOf(file: FileDescription, whence: number): Op<number> {
  switch (whence) {
    case SEEK_SET:
      return 0;
    case SEEK_CUR:
      return file.isSeekable ? yield* file.seek(0, SEEK_CUR) : 0;
    case SEEK_END:
      return (yield* file.stat()).size;
    default:
      throw linuxerr.EINVAL;
  }
}
