// The system calls of inotify(7). Linux: fs/notify/inotify/inotify_user.c. Arguments and results:
// syscalls/table.ts.

import { linuxerr } from '../abi/errno.ts';
import { O_CLOEXEC } from '../abi/fcntl.ts';
import {
  IN_ALL_EVENTS,
  IN_CLOEXEC,
  IN_DONT_FOLLOW,
  IN_EXCL_UNLINK,
  IN_MASK_ADD,
  IN_MASK_CREATE,
  IN_NONBLOCK,
  IN_ONESHOT,
  IN_ONLYDIR,
  IN_Q_OVERFLOW,
  IN_IGNORED,
  IN_ISDIR,
  IN_UNMOUNT,
} from '../abi/inotify.ts';
import type { Op } from '../lib/op.ts';
import { InotifyInstance } from '../vfs/inotify.ts';
import { LockCalls } from './lock-calls.ts';

const FLAGS =
  IN_DONT_FOLLOW | IN_EXCL_UNLINK | IN_MASK_ADD | IN_MASK_CREATE | IN_ONESHOT | IN_ONLYDIR;
/** Linux: INOTIFY_ALL_BITS; a mask needs one of these. */
const ALL_BITS = IN_ALL_EVENTS | IN_UNMOUNT | IN_Q_OVERFLOW | IN_IGNORED | IN_ISDIR | FLAGS;

/** Errors: EINVAL for a mask that inotify_add_watch(2) refuses. */
export function checkWatchMask(mask: number): void {
  const both = IN_MASK_ADD | IN_MASK_CREATE;
  if ((mask & ALL_BITS) === 0 || (mask & both) === both) throw linuxerr.EINVAL;
}

export class WatchCalls extends LockCalls {
  /** Errors: EINVAL for other flags than IN_NONBLOCK and IN_CLOEXEC; EMFILE. */
  *inotify_init1(flags: number): Op<number> {
    if ((flags & ~(IN_NONBLOCK | IN_CLOEXEC)) !== 0) throw linuxerr.EINVAL;
    const { task, services } = this;
    return task.fds.install(services.openInotify(flags, task.creds), (flags & O_CLOEXEC) !== 0);
  }

  /**
   * Errors, first one wins:
   *  - EINVAL for a mask without any known bit; EBADF; EINVAL for IN_MASK_ADD with IN_MASK_CREATE,
   *    and for a descriptor that is no inotify instance.
   *  - those of VirtualFilesystem.addWatch().
   */
  *inotify_add_watch(fd: number, path: string, mask: number): Op<number> {
    if ((mask & ALL_BITS) === 0) throw linuxerr.EINVAL;
    const { task } = this;
    const instance = task.fds.get(fd);
    if (instance.isPathOnly) throw linuxerr.EBADF;
    if ((mask & IN_MASK_ADD) !== 0 && (mask & IN_MASK_CREATE) !== 0) throw linuxerr.EINVAL;
    if (!(instance instanceof InotifyInstance)) throw linuxerr.EINVAL;
    return yield* this.withFile(fd, () =>
      this.here(path, 0, (operation) => task.vfs.addWatch(task.creds, operation, instance, mask)),
    );
  }

  /** Errors: EBADF; EINVAL if it is no inotify instance, or has no such watch. */
  *inotify_rm_watch(fd: number, wd: number): Op<void> {
    const instance = this.task.fds.get(fd);
    if (instance.isPathOnly) throw linuxerr.EBADF;
    if (!(instance instanceof InotifyInstance)) throw linuxerr.EINVAL;
    instance.removeWatch(wd);
  }
}
