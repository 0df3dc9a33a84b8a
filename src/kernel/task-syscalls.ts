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
  O_CREAT,
  RENAME_EXCHANGE,
  RENAME_NOREPLACE,
} from '../abi/fcntl.ts';
import { PATH_MAX } from '../abi/limits.ts';
import { S_PERMISSIONS, type Stat, type Statfs } from '../abi/stat.ts';
import type { Timespec } from '../lib/clock.ts';
import type { Op } from '../lib/op.ts';
import { isLongerThan } from '../lib/text.ts';
import type { Syscalls } from '../syscalls/table.ts';
import { type FileDescription, TaskFileAlias } from '../vfs/file-description.ts';
import { decRefVd } from '../vfs/dentry.ts';
import type { SetStat } from '../vfs/options.ts';
import { checkPathText, type PathOperation } from '../vfs/resolving-path.ts';
import { DescriptorCalls } from './descriptor-calls.ts';
import { checkTimes } from './times.ts';

export class TaskSyscalls extends DescriptorCalls implements Syscalls {
  /**
   * What to resolve. The directory stays open while its description has a reference, which `hold`
   * sees to.
   *
   * Errors, first one wins: ENAMETOOLONG; ENOENT for an empty path; EBADF if dirfd isn't open (not
   * looked at for an absolute path).
   */
  #operation(dirfd: number, path: string, flags: number): PathOperation {
    checkPathText(path);
    const mayBeEmpty = (flags & AT_EMPTY_PATH) !== 0;
    if (path === '' && !mayBeEmpty) throw linuxerr.ENOENT;
    const { task } = this;
    const isAbsolute = path.startsWith('/');
    return {
      root: task.root,
      start: isAbsolute || dirfd === AT_FDCWD ? task.cwd : task.fds.get(dirfd).vd,
      path,
      followFinalSymlink: (flags & AT_SYMLINK_NOFOLLOW) === 0,
      isBeneath: (flags & AT_RESOLVE_BENEATH) !== 0,
      mayBeEmpty,
    };
  }

  /** Runs a path operation with its directory held: dirfd may be closed while it waits. */
  *#at<T>(
    dirfd: number,
    path: string,
    flags: number,
    run: (operation: PathOperation) => Op<T>,
  ): Op<T> {
    const operation = this.#operation(dirfd, path, flags);
    const directory = dirfd === AT_FDCWD ? undefined : this.task.fds.find(dirfd);
    if (directory === undefined) return yield* run(operation);
    directory.incRef();
    try {
      return yield* run(operation);
    } finally {
      directory.decRef();
    }
  }

  *openat(dirfd: number, path: string, flags: number, mode: number): Op<number> {
    const { task } = this;
    const permissions = (flags & O_CREAT) === 0 ? 0 : mode & S_PERMISSIONS & ~task.umask;
    const options = { flags, mode: permissions };
    const file = yield* this.#at(dirfd, path, flags & AT_RESOLVE_BENEATH, (operation) =>
      task.vfs.openAt(task.creds, operation, options),
    );
    return task.fds.install(file instanceof TaskFileAlias ? yield* this.#dealias(file) : file);
  }

  /**
   * /dev/fd/N opens the file anew if it has a path, as Linux's /proc/self/fd does; streams are
   * shared.
   */
  *#dealias(alias: TaskFileAlias): Op<FileDescription> {
    const { meaning, openFlags } = alias;
    alias.decRef();
    const { task } = this;
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
    return this.#at(dirfd, path, flags, (operation) => vfs.statAt(creds, operation));
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
    if (!checkTimes(atime, mtime)) return;
    checkFlags(flags, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH);
    yield* this.#setStatAt(dirfd, path, flags, { atime, mtime });
  }

  #setStatAt(dirfd: number, path: string, flags: number, change: SetStat): Op<void> {
    const { vfs, creds } = this.task;
    return this.#at(dirfd, path, flags, (operation) => vfs.setStatAt(creds, operation, change));
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
    const target = yield* this.#at(oldDirfd, oldPath, oldFlags, (operation) =>
      vfs.getDentryAt(creds, operation),
    );
    try {
      yield* this.#at(newDirfd, newPath, beneath, (operation) =>
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
    yield* this.#at(dirfd, path, flags, (operation) => vfs.symlinkAt(creds, operation, target));
  }

  /**
   * An empty path reads the link that `dirfd` was opened on; ENOENT if it isn't one (Linux:
   * do_readlinkat()).
   */
  *readlinkat(dirfd: number, path: string, flags: number): Op<string> {
    const { vfs, creds } = this.task;
    const at = flags | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH;
    try {
      return yield* this.#at(dirfd, path, at, (operation) => vfs.readlinkAt(creds, operation));
    } catch (error) {
      if (path === '' && error === linuxerr.EINVAL) throw linuxerr.ENOENT;
      throw error;
    }
  }

  /** Errors besides: EINVAL for flags other than AT_REMOVEDIR and AT_RESOLVE_BENEATH. */
  *unlinkat(dirfd: number, path: string, flags: number): Op<void> {
    checkFlags(flags, AT_REMOVEDIR);
    const { vfs, creds } = this.task;
    yield* this.#at(dirfd, path, flags & AT_RESOLVE_BENEATH, (operation) =>
      (flags & AT_REMOVEDIR) === 0 ? vfs.unlinkAt(creds, operation) : vfs.rmdirAt(creds, operation),
    );
  }

  mkdirat(dirfd: number, path: string, mode: number, flags: number): Op<void> {
    const { vfs, creds, umask } = this.task;
    const options = { mode: mode & S_PERMISSIONS & ~umask };
    return this.#at(dirfd, path, flags, (operation) => vfs.mkdirAt(creds, operation, options));
  }

  *renameat2(
    oldDirfd: number,
    oldPath: string,
    newDirfd: number,
    newPath: string,
    flags: number,
  ): Op<void> {
    checkFlags(flags, RENAME_NOREPLACE | RENAME_EXCHANGE);
    const bothFlags = RENAME_NOREPLACE | RENAME_EXCHANGE;
    if ((flags & bothFlags) === bothFlags) throw linuxerr.EINVAL;
    const { vfs, creds } = this.task;
    const beneath = flags & AT_RESOLVE_BENEATH;
    const source = yield* this.#at(oldDirfd, oldPath, beneath, (operation) =>
      vfs.getRenameSourceAt(creds, operation),
    );
    try {
      yield* this.#at(newDirfd, newPath, beneath, (operation) =>
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
    yield* this.#at(dirfd, path, flags, (operation) => vfs.accessAt(creds, operation, mode));
  }

  statfs(path: string): Op<Statfs> {
    const { vfs, creds } = this.task;
    return this.#at(AT_FDCWD, path, 0, (operation) => vfs.statfsAt(creds, operation));
  }

  sync(): Op<void> {
    return this.task.vfs.sync();
  }

  *umask(mask: number): Op<number> {
    const old = this.task.umask;
    this.task.umask = mask & 0o777;
    return old;
  }
}

/** Errors: EINVAL for flags a call doesn't know. Before its path is looked at. */
function checkFlags(flags: number, known: number): void {
  if ((flags & ~(known | AT_RESOLVE_BENEATH)) !== 0) throw linuxerr.EINVAL;
}
