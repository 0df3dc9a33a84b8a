// The system calls that change what a task's paths lead through: its directories and the mounts.
// Linux: fs/open.c, fs/d_path.c, fs/namespace.c. Arguments and results: syscalls/table.ts.

import { linuxerr } from '../abi/errno.ts';
import {
  AT_SYMLINK_NOFOLLOW,
  MNT_DETACH,
  MNT_FORCE,
  MS_BIND,
  MS_NOATIME,
  MS_NODEV,
  MS_NOEXEC,
  MS_NOSUID,
  MS_RDONLY,
  MS_REMOUNT,
  UMOUNT_NOFOLLOW,
} from '../abi/fcntl.ts';
import { PATH_MAX } from '../abi/limits.ts';
import type { Op } from '../lib/op.ts';
import { isLongerThan } from '../lib/text.ts';
import { decRefVd, type VirtualDentry } from '../vfs/dentry.ts';
import { MAY_EXEC } from '../vfs/permissions.ts';
import type { PathOperation } from '../vfs/resolving-path.ts';
import { checkFlags } from './path-calls.ts';
import { WatchCalls } from './watch-calls.ts';

export class NamespaceCalls extends WatchCalls {
  /** Errors: of the path; ENOTDIR; EACCES if it may not be searched. */
  *chdir(path: string): Op<void> {
    yield* this.here(path, 0, (operation) =>
      this.#withDirectory(operation, (vd) => {
        this.task.setCwd(vd);
      }),
    );
  }

  /** Errors: EBADF; ENOTDIR; EACCES if it may not be searched. */
  *fchdir(fd: number): Op<void> {
    const { root, fds } = this.task;
    const { vd } = fds.get(fd);
    const itself = { root, start: vd, path: '', followFinalSymlink: true, mayBeEmpty: true };
    yield* this.withFile(fd, () =>
      this.#withDirectory(itself, (directory) => {
        this.task.setCwd(directory);
      }),
    );
  }

  /** Errors: of the path; ENOTDIR; EACCES if it may not be searched; EPERM without privilege. */
  *chroot(path: string): Op<void> {
    yield* this.here(path, 0, (operation) =>
      this.#withDirectory(operation, (vd) => {
        if (!this.task.creds.isPrivileged) throw linuxerr.EPERM;
        this.task.setRoot(vd);
      }),
    );
  }

  *#withDirectory(operation: PathOperation, use: (vd: VirtualDentry) => void): Op<void> {
    const { vfs, creds } = this.task;
    const vd = yield* vfs.getDentryAt(creds, operation);
    try {
      if (!vd.dentry.isDir) throw linuxerr.ENOTDIR;
      const itself = { root: operation.root, start: vd, path: '', mayBeEmpty: true };
      yield* vfs.accessAt(creds, { ...itself, followFinalSymlink: true }, MAY_EXEC);
      use(vd);
    } finally {
      decRefVd(vd);
    }
  }

  /**
   * A directory outside of the root has "(unreachable)" in front, as on Linux. Errors: ENOENT if it
   * was removed; ENAMETOOLONG from PATH_MAX bytes on.
   */
  *getcwd(): Op<string> {
    const { cwd, root, vfs } = this.task;
    if (cwd.dentry.isDead) throw linuxerr.ENOENT;
    const path = vfs.namespace.pathOf(cwd, root);
    if (path !== undefined) return checkedLength(path);
    const top = topOf(cwd);
    const rest = vfs.namespace.pathOf(cwd, top);
    if (rest === undefined) throw linuxerr.ENOENT;
    return checkedLength(`(unreachable)${rest}`);
  }

  /**
   * Types: tmpfs, devfs, idbfs; MS_BIND and MS_REMOUNT; MS_RDONLY, MS_NOATIME, MS_NODEV, MS_NOEXEC
   * and MS_NOSUID. `data` has the options of the type, `name=value`, separated by commas.
   *
   * Errors:
   *  - EPERM without privilege.
   *  - ENODEV for an unknown type; EINVAL for options it doesn't have.
   *  - those of VirtualFilesystem.mount() and remount().
   */
  *mount(source: string, target: string, type: string, flags: number, data: string): Op<void> {
    const { vfs, creds } = this.task;
    if (!creds.isPrivileged) throw linuxerr.EPERM;
    const mountFlags = {
      readOnly: (flags & MS_RDONLY) !== 0,
      noatime: (flags & MS_NOATIME) !== 0,
      nodev: (flags & MS_NODEV) !== 0,
      noexec: (flags & MS_NOEXEC) !== 0,
      nosuid: (flags & MS_NOSUID) !== 0,
    };
    if ((flags & MS_REMOUNT) !== 0) {
      yield* this.here(target, 0, (operation) => vfs.remount(creds, operation, mountFlags));
    } else if ((flags & MS_BIND) !== 0) {
      yield* this.#bind(source, target);
    } else {
      yield* this.here(target, 0, (operation) =>
        this.services.mountFor(creds, operation, { type, source, data, flags: mountFlags }),
      );
    }
  }

  *#bind(source: string, target: string): Op<void> {
    const { vfs, creds } = this.task;
    const from = yield* this.here(source, 0, (operation) => vfs.getDentryAt(creds, operation));
    try {
      const { filesystem, flags } = from.mount;
      const origin = vfs.namespace.pathOf(from) ?? source;
      yield* this.here(target, 0, (operation) =>
        vfs.mount(creds, operation, { filesystem, root: from.dentry, source: origin, flags }),
      );
    } finally {
      decRefVd(from);
    }
  }

  /** Errors besides: EINVAL for flags other than MNT_FORCE, MNT_DETACH, UMOUNT_NOFOLLOW. */
  *umount2(target: string, flags: number): Op<void> {
    checkFlags(flags, MNT_FORCE | MNT_DETACH | UMOUNT_NOFOLLOW);
    const { creds } = this.task;
    const atFlags = (flags & UMOUNT_NOFOLLOW) !== 0 ? AT_SYMLINK_NOFOLLOW : 0;
    const isLazy = (flags & MNT_DETACH) !== 0;
    yield* this.here(target, atFlags, (operation) =>
      this.services.umountFor(creds, operation, { isLazy }),
    );
  }
}

function checkedLength(path: string): string {
  if (isLongerThan(path, PATH_MAX - 1)) throw linuxerr.ENAMETOOLONG;
  return path;
}

/** The root of the mount at the top of those that hold a place. */
function topOf({ mount }: VirtualDentry): VirtualDentry {
  let top = mount;
  while (top.point !== undefined) top = top.point.mount;
  return { mount: top, dentry: top.root };
}
