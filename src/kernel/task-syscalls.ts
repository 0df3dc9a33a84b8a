// TaskSyscalls: every system call of a task; this file has those that take a path.
// Mirrors gVisor pkg/sentry/syscalls/linux; Linux: fs/namei.c, fs/open.c, fs/stat.c.
// Arguments and results: syscalls/table.ts. Errors: man 2, and the Filesystem methods they call.

import { linuxerr } from '../abi/errno.ts';
import {
  AT_NO_AUTOMOUNT,
  AT_EACCESS,
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_REMOVEDIR,
  AT_RESOLVE_BENEATH,
  AT_SYMLINK_FOLLOW,
  AT_SYMLINK_NOFOLLOW,
  O_CLOEXEC,
  O_CREAT,
  O_NONBLOCK,
  O_TMPFILE,
  RENAME_EXCHANGE,
  RENAME_NOREPLACE,
  RENAME_WHITEOUT,
} from '../abi/fcntl.ts';
import { PATH_MAX } from '../abi/limits.ts';
import {
  AT_STATX_DONT_SYNC,
  AT_STATX_FORCE_SYNC,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
  S_PERMISSIONS,
  type Stat,
  type Statfs,
  type Statx,
  STATX_BASIC_STATS,
  STATX_BTIME,
  STATX_MNT_ID,
  STATX_RESERVED,
} from '../abi/stat.ts';
import type { Timespec } from '../lib/clock.ts';
import type { Op } from '../lib/op.ts';
import { isLongerThan } from '../lib/text.ts';
import type { Syscalls } from '../syscalls/table.ts';
import type { FileDescription } from '../vfs/file-description.ts';
import { decRefVd } from '../vfs/dentry.ts';
import type { SetStat } from '../vfs/options.ts';
import { TaskFileAlias } from '../vfs/path-description.ts';
import { checkPathText } from '../vfs/resolving-path.ts';
import { checkedOpenFlags } from '../vfs/virtual-filesystem.ts';
import { InotifyDevice } from './inotify-device.ts';
import { NamespaceCalls } from './namespace-calls.ts';
import { checkWatchMask } from './watch-calls.ts';
import { checkFlags } from './path-calls.ts';
import { areOmitted } from './times.ts';

/** What mknod(2) makes; 0 stands for a regular file. */
const NODE_TYPES = [0, S_IFREG, S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK];

export class TaskSyscalls extends NamespaceCalls implements Syscalls {
  *openat(dirfd: number, path: string, flags: number, mode: number): Op<number> {
    const { task } = this;
    // Before the place to start from.
    checkedOpenFlags(flags);
    const makesFile = (flags & O_CREAT) !== 0 || (flags & O_TMPFILE) === O_TMPFILE;
    const options = { flags, mode: makesFile ? mode & S_PERMISSIONS : 0, umask: task.umask };
    const file = yield* this.at(dirfd, path, flags & AT_RESOLVE_BENEATH, (operation) =>
      task.vfs.openAt(task.creds, operation, options),
    );
    const isBeneath = (flags & AT_RESOLVE_BENEATH) !== 0;
    const real = file instanceof TaskFileAlias ? yield* this.#dealias(file, isBeneath) : file;
    return task.fds.install(real, (flags & O_CLOEXEC) !== 0);
  }

  /**
   * /dev/fd/N opens the file anew if it has a path, as Linux's /proc/self/fd does; streams are
   * shared.
   */
  *#dealias(alias: TaskFileAlias, isBeneath: boolean): Op<FileDescription> {
    const { meaning, openFlags } = alias;
    const { task } = this;
    if (meaning === 'inotify') {
      try {
        // Its paths would lead out of the directory that this one must stay beneath.
        if (isBeneath) throw linuxerr.ENOTCAPABLE;
        return this.#openInotifyDevice(alias);
      } finally {
        alias.decRef();
      }
    }
    alias.decRef();
    const file = meaning === 'terminal' ? this.#terminal() : task.fds.find(meaning);
    if (file === undefined) throw meaning === 'terminal' ? linuxerr.ENXIO : linuxerr.ENOENT;
    file.incRef();
    if (!file.isReopenable) return file;
    try {
      return yield* task.vfs.reopen(task.creds, {
        root: task.root,
        vd: file.vd,
        flags: openFlags,
      });
    } finally {
      file.decRef();
    }
  }

  /** Of use only if opened for reading and writing: what to watch is written to it. */
  #openInotifyDevice(alias: TaskFileAlias): FileDescription {
    const { task, services } = this;
    const instance = services.openInotify(alias.openFlags & O_NONBLOCK, task.creds);
    return new InotifyDevice(alias, instance, (path, mask) =>
      this.here(path, 0, (operation) => {
        checkWatchMask(mask);
        return task.vfs.addWatch(task.creds, operation, instance, mask);
      }),
    );
  }

  #terminal(): FileDescription | undefined {
    const { fds } = this.task;
    for (const fd of fds.open) if (fds.get(fd).isTerminal) return fds.get(fd);
    return undefined;
  }

  *truncate(path: string, length: number): Op<void> {
    if (length < 0) throw linuxerr.EINVAL;
    yield* this.#setStatAt(AT_FDCWD, path, 0, { size: length, checkWrite: true });
  }

  fstatat(dirfd: number, path: string, flags: number): Op<Stat> {
    checkFlags(flags, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT);
    const { vfs, creds } = this.task;
    return this.at(dirfd, path, flags, (operation) => vfs.statAt(creds, operation));
  }

  fchmodat(dirfd: number, path: string, mode: number, flags: number): Op<void> {
    checkFlags(flags, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH);
    return this.#setStatAt(dirfd, path, flags, { mode });
  }

  fchownat(dirfd: number, path: string, uid: number, gid: number, flags: number): Op<void> {
    checkFlags(flags, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH);
    return this.#setStatAt(dirfd, path, flags, { uid: uid >>> 0, gid: gid >>> 0 });
  }

  *utimensat(
    dirfd: number,
    path: string,
    atime: Timespec,
    mtime: Timespec,
    flags: number,
  ): Op<void> {
    if (areOmitted(atime, mtime)) return;
    checkFlags(flags, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH);
    yield* this.#setStatAt(dirfd, path, flags, { atime, mtime });
  }

  #setStatAt(dirfd: number, path: string, flags: number, change: SetStat): Op<void> {
    const { vfs, creds } = this.task;
    return this.at(dirfd, path, flags, (operation) => vfs.setStatAt(creds, operation, change));
  }

  /**
   * Errors besides: EINVAL for flags other than AT_SYMLINK_FOLLOW, AT_EMPTY_PATH and
   * AT_RESOLVE_BENEATH.
   */
  *linkat(
    oldDirfd: number,
    oldPath: string,
    newDirfd: number,
    newPath: string,
    flags: number,
  ): Op<void> {
    checkFlags(flags, AT_SYMLINK_FOLLOW | AT_EMPTY_PATH);
    const { vfs, creds } = this.task;
    const beneath = flags & AT_RESOLVE_BENEATH;
    const follow = (flags & AT_SYMLINK_FOLLOW) !== 0 ? 0 : AT_SYMLINK_NOFOLLOW;
    const oldFlags = follow | beneath | (flags & AT_EMPTY_PATH);
    // The old path is resolved completely before the new one is looked at.
    const target = yield* this.at(oldDirfd, oldPath, oldFlags, (operation) =>
      vfs.getDentryAt(creds, operation),
    );
    try {
      yield* this.at(newDirfd, newPath, beneath, (operation) =>
        vfs.linkAt(creds, target, operation),
      );
    } finally {
      decRefVd(target);
    }
  }

  /**
   * Errors besides: ENOENT for an empty target, ENAMETOOLONG for one of PATH_MAX bytes: before the
   * path is looked at.
   */
  *symlinkat(target: string, dirfd: number, path: string, flags: number): Op<void> {
    if (target === '') throw linuxerr.ENOENT;
    if (isLongerThan(target, PATH_MAX - 1)) throw linuxerr.ENAMETOOLONG;
    checkPathText(target);
    const { vfs, creds } = this.task;
    yield* this.at(dirfd, path, flags, (operation) => vfs.symlinkAt(creds, operation, target));
  }

  /**
   * An empty path reads the link that `dirfd` was opened on; ENOENT if it isn't one (Linux:
   * do_readlinkat()).
   */
  *readlinkat(dirfd: number, path: string, flags: number): Op<string> {
    const { vfs, creds } = this.task;
    const at = flags | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH;
    try {
      return yield* this.at(dirfd, path, at, (operation) => vfs.readlinkAt(creds, operation));
    } catch (error) {
      if (path === '' && error === linuxerr.EINVAL) throw linuxerr.ENOENT;
      throw error;
    }
  }

  /** Errors besides: EINVAL for flags other than AT_REMOVEDIR and AT_RESOLVE_BENEATH. */
  *unlinkat(dirfd: number, path: string, flags: number): Op<void> {
    checkFlags(flags, AT_REMOVEDIR);
    const { vfs, creds } = this.task;
    yield* this.at(dirfd, path, flags & AT_RESOLVE_BENEATH, (operation) =>
      (flags & AT_REMOVEDIR) === 0 ? vfs.unlinkAt(creds, operation) : vfs.rmdirAt(creds, operation),
    );
  }

  mkdirat(dirfd: number, path: string, mode: number, flags: number): Op<void> {
    const { vfs, creds, umask } = this.task;
    const options = { mode: mode & S_PERMISSIONS, umask };
    return this.at(dirfd, path, flags, (operation) => vfs.mkdirAt(creds, operation, options));
  }

  *renameat2(
    oldDirfd: number,
    oldPath: string,
    newDirfd: number,
    newPath: string,
    flags: number,
  ): Op<void> {
    checkFlags(flags, RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT);
    const isExchange = (flags & RENAME_EXCHANGE) !== 0;
    if (isExchange && (flags & (RENAME_NOREPLACE | RENAME_WHITEOUT)) !== 0) throw linuxerr.EINVAL;
    const { vfs, creds } = this.task;
    const beneath = flags & AT_RESOLVE_BENEATH;
    const source = yield* this.at(oldDirfd, oldPath, beneath, (operation) =>
      vfs.getRenameSourceAt(creds, operation),
    );
    try {
      yield* this.at(newDirfd, newPath, beneath, (operation) =>
        vfs.renameAt(creds, source, operation, flags & ~AT_RESOLVE_BENEATH),
      );
    } finally {
      decRefVd(source.parent);
    }
  }

  /**
   * Errors besides: EINVAL for a mode other than R_OK | W_OK | X_OK, or unknown flags. Real and
   * effective ids are the same.
   */
  *faccessat(dirfd: number, path: string, mode: number, flags: number): Op<void> {
    if ((mode & ~7) !== 0) throw linuxerr.EINVAL;
    checkFlags(flags, AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH);
    const { vfs, creds } = this.task;
    yield* this.at(dirfd, path, flags, (operation) => vfs.accessAt(creds, operation, mode));
  }

  statfs(path: string): Op<Statfs> {
    const { vfs, creds } = this.task;
    return this.at(AT_FDCWD, path, 0, (operation) => vfs.statfsAt(creds, operation));
  }

  sync(): Op<void> {
    return this.task.vfs.namespace.sync();
  }

  *mknodat(dirfd: number, path: string, mode: number, rdev: number): Op<void> {
    checkNodeType(mode & S_IFMT);
    const { vfs, creds, umask } = this.task;
    const options = { mode: mode & (S_IFMT | S_PERMISSIONS), umask, rdev: rdev >>> 0 };
    yield* this.at(dirfd, path, 0, (operation) => vfs.mknodAt(creds, operation, options));
  }

  /**
   * Errors besides, first one wins: EINVAL for the reserved bit of the mask, for both kinds of
   * sync, for unknown flags.
   */
  *statx(dirfd: number, path: string, flags: number, mask: number): Op<Statx> {
    if ((mask & STATX_RESERVED) !== 0) throw linuxerr.EINVAL;
    const sync = AT_STATX_FORCE_SYNC | AT_STATX_DONT_SYNC;
    if ((flags & sync) === sync) throw linuxerr.EINVAL;
    checkFlags(flags, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT | sync);
    const { vfs, creds } = this.task;
    const { stat, mountId } = yield* this.at(dirfd, path, flags, (operation) =>
      vfs.statxAt(creds, operation),
    );
    return { ...stat, mask: STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID, mountId };
  }

  *umask(mask: number): Op<number> {
    const old = this.task.umask;
    this.task.umask = mask & 0o777;
    return old;
  }
}

/** Errors: EPERM for a directory; EINVAL for a symlink or what is no type. Linux: may_mknod(). */
function checkNodeType(type: number): void {
  if (type === S_IFDIR) throw linuxerr.EPERM;
  if (!NODE_TYPES.includes(type)) throw linuxerr.EINVAL;
}
