// VirtualFilesystem: every operation that starts with a path.
// Mirrors gVisor pkg/sentry/vfs/vfs.go; Linux: fs/namei.c.
//
// Each operation makes a ResolvingPath and calls the filesystem of its mount; RESOLVE_ELSEWHERE
// sends it on to the next mount. While a filesystem works on a path, its mount is held by a
// reference.

import { linuxerr } from '../abi/errno.ts';
import {
  O_ACCMODE,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOFOLLOW,
  O_PATH,
  O_RDONLY,
  O_TMPFILE,
  O_VALID,
} from '../abi/fcntl.ts';
import { IN_DONT_FOLLOW, IN_ONLYDIR } from '../abi/inotify.ts';
import type { Stat, Statfs } from '../abi/stat.ts';
import type { Credentials } from '../auth/credentials.ts';
import type { Op } from '../lib/op.ts';
import { decRefVd, type VirtualDentry } from './dentry.ts';
import type { FileDescription } from './file-description.ts';
import type { Filesystem } from './filesystem.ts';
import type { InotifyInstance } from './inotify.ts';
import type { Mount, MountFlags } from './mount.ts';
import type { MountNamespace, MountSource } from './mount-namespace.ts';
import type {
  MkdirOptions,
  MknodOptions,
  OpenOptions,
  RenameSource,
  SetStat,
  SetXattr,
} from './options.ts';
import { PathDescription } from './path-description.ts';
import { MAY_READ } from './permissions.ts';
import { type PathOperation, ResolvingPath } from './resolving-path.ts';

/**
 * The flags of open(2) that are looked at. Errors: EINVAL for O_CREAT with O_DIRECTORY, for
 * O_TMPFILE without write access (Linux 6.4: fs/open.c build_open_flags).
 */
export function checkedOpenFlags(given: number): number {
  let flags = given & O_VALID;
  if ((flags & O_PATH) !== 0) flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW;
  if ((flags & O_CREAT) !== 0 && (flags & O_DIRECTORY) !== 0) throw linuxerr.EINVAL;
  const isUnnamed = (flags & O_TMPFILE) === O_TMPFILE;
  if (isUnnamed && (flags & O_ACCMODE) === O_RDONLY) throw linuxerr.EINVAL;
  if (!isUnnamed && (flags & O_TMPFILE & ~O_DIRECTORY) !== 0) throw linuxerr.EINVAL;
  return flags;
}

export class VirtualFilesystem {
  readonly namespace: MountNamespace;

  constructor(namespace: MountNamespace) {
    this.namespace = namespace;
  }

  // Path operations. Errors: those of the Filesystem method they call, and ENOENT for an empty
  // path.

  /** open(2). Errors besides: those of checkedOpenFlags(). */
  openAt(creds: Credentials, operation: PathOperation, options: OpenOptions): Op<FileDescription> {
    const flags = checkedOpenFlags(options.flags);
    const { mode, umask } = options;
    const isExclusive = (flags & O_CREAT) !== 0 && (flags & O_EXCL) !== 0;
    const followFinalSymlink = (flags & O_NOFOLLOW) === 0 && !isExclusive;
    const rp = this.#resolving(creds, { ...operation, followFinalSymlink });
    if ((flags & O_PATH) !== 0) return this.#openPath(rp, flags);
    return this.#within(rp, (filesystem) => filesystem.openAt(rp, { flags, mode, umask }));
  }

  /** Opens again what a description stands for. Errors: as openAt for a file that exists. */
  reopen(
    creds: Credentials,
    options: { readonly root: VirtualDentry; readonly vd: VirtualDentry; readonly flags: number },
  ): Op<FileDescription> {
    const { root, vd } = options;
    const operation = {
      root,
      start: vd,
      path: '',
      followFinalSymlink: true,
      mayBeEmpty: true,
    };
    const rp = this.#resolving(creds, operation);
    const flags = options.flags & O_VALID & ~(O_CREAT | O_EXCL);
    return this.#within(rp, (filesystem) => filesystem.openAt(rp, { flags, mode: 0, umask: 0 }));
  }

  *#openPath(rp: ResolvingPath, flags: number): Op<FileDescription> {
    const vd = yield* this.#getVirtualDentry(rp);
    try {
      if ((flags & O_DIRECTORY) !== 0 && !vd.dentry.isDir) {
        throw linuxerr.ENOTDIR;
      }
      return new PathDescription(vd, flags);
    } finally {
      decRefVd(vd);
    }
  }

  statAt(creds: Credentials, operation: PathOperation): Op<Stat> {
    const rp = this.#resolving(creds, operation);
    return this.#within(rp, (filesystem) => filesystem.statAt(rp));
  }

  *statxAt(creds: Credentials, operation: PathOperation): Op<{ stat: Stat; mountId: number }> {
    const rp = this.#resolving(creds, operation);
    const stat = yield* this.#within(rp, (filesystem) => filesystem.statAt(rp));
    return { stat, mountId: rp.mount.id };
  }

  *statfsAt(creds: Credentials, operation: PathOperation): Op<Statfs> {
    const rp = this.#resolving(creds, operation);
    const result = yield* this.#within(rp, (filesystem) => filesystem.statfsAt(rp));
    return { ...result, flags: result.flags | rp.mount.statfsFlags };
  }

  accessAt(creds: Credentials, operation: PathOperation, bits: number): Op<void> {
    const rp = this.#resolving(creds, operation);
    return this.#within(rp, (filesystem) => filesystem.accessAt(rp, bits));
  }

  setStatAt(creds: Credentials, operation: PathOperation, change: SetStat): Op<void> {
    const rp = this.#resolving(creds, operation);
    return this.#within(rp, (filesystem) => filesystem.setStatAt(rp, change));
  }

  readlinkAt(creds: Credentials, operation: PathOperation): Op<string> {
    const rp = this.#resolving(creds, operation);
    return this.#within(rp, (filesystem) => filesystem.readlinkAt(rp));
  }

  /** Errors besides: EEXIST for "/". */
  mkdirAt(creds: Credentials, operation: PathOperation, options: MkdirOptions): Op<void> {
    const rp = this.#resolvingNew(creds, operation);
    return this.#within(rp, (filesystem) => filesystem.mkdirAt(rp, options));
  }

  /** Errors besides: EEXIST for "/". */
  mknodAt(creds: Credentials, operation: PathOperation, options: MknodOptions): Op<void> {
    const rp = this.#resolvingNew(creds, operation);
    return this.#within(rp, (filesystem) => filesystem.mknodAt(rp, options));
  }

  getXattrAt(creds: Credentials, operation: PathOperation, name: string): Op<Uint8Array> {
    const rp = this.#resolving(creds, operation);
    return this.#within(rp, (filesystem) => filesystem.getXattrAt(rp, name));
  }

  setXattrAt(creds: Credentials, operation: PathOperation, change: SetXattr): Op<void> {
    const rp = this.#resolving(creds, operation);
    return this.#within(rp, (filesystem) => filesystem.setXattrAt(rp, change));
  }

  listXattrAt(creds: Credentials, operation: PathOperation): Op<string[]> {
    const rp = this.#resolving(creds, operation);
    return this.#within(rp, (filesystem) => filesystem.listXattrAt(rp));
  }

  removeXattrAt(creds: Credentials, operation: PathOperation, name: string): Op<void> {
    const rp = this.#resolving(creds, operation);
    return this.#within(rp, (filesystem) => filesystem.removeXattrAt(rp, name));
  }

  /**
   * inotify_add_watch(2). Errors: of the path; ENOTDIR with IN_ONLYDIR; EACCES if the file may not
   * be read; those of InotifyInstance.addWatch().
   */
  *addWatch(
    creds: Credentials,
    operation: PathOperation,
    instance: InotifyInstance,
    mask: number,
  ): Op<number> {
    const followFinalSymlink = (mask & IN_DONT_FOLLOW) === 0;
    const vd = yield* this.getDentryAt(creds, { ...operation, followFinalSymlink });
    try {
      if ((mask & IN_ONLYDIR) !== 0 && !vd.dentry.isDir) throw linuxerr.ENOTDIR;
      const itself = { root: operation.root, start: vd, path: '', mayBeEmpty: true };
      yield* this.accessAt(creds, { ...itself, followFinalSymlink }, MAY_READ);
      return yield* instance.addWatch(vd.dentry, mask);
    } finally {
      decRefVd(vd);
    }
  }

  /** Errors besides: EEXIST for "/". */
  symlinkAt(creds: Credentials, operation: PathOperation, target: string): Op<void> {
    const rp = this.#resolvingNew(creds, operation);
    return this.#within(rp, (filesystem) => filesystem.symlinkAt(rp, target));
  }

  /**
   * Makes the path another name of `target`, which the caller holds. Errors besides: EEXIST for
   * "/".
   */
  linkAt(creds: Credentials, target: VirtualDentry, newPath: PathOperation): Op<void> {
    const rp = this.#resolvingNew(creds, newPath);
    return this.#within(rp, (filesystem) => filesystem.linkAt(rp, target));
  }

  /** Errors besides: EISDIR for "/". */
  unlinkAt(creds: Credentials, operation: PathOperation): Op<void> {
    const rp = this.#resolving(creds, { ...operation, followFinalSymlink: false });
    if (rp.isDone) throw linuxerr.EISDIR;
    return this.#within(rp, (filesystem) => filesystem.unlinkAt(rp));
  }

  /** Errors besides: EBUSY for "/". */
  rmdirAt(creds: Credentials, operation: PathOperation): Op<void> {
    const rp = this.#resolving(creds, { ...operation, followFinalSymlink: false });
    if (rp.isDone) throw linuxerr.EBUSY;
    return this.#within(rp, (filesystem) => filesystem.rmdirAt(rp));
  }

  /**
   * The name to be renamed, in its directory, on which it takes references: drop them with
   * decRefVd().
   */
  *getRenameSourceAt(creds: Credentials, operation: PathOperation): Op<RenameSource> {
    const rp = this.#resolvingEntry(creds, operation);
    const parent = yield* this.#getParent(rp);
    return { parent, name: rp.component, mustBeDir: rp.mustBeDir };
  }

  renameAt(
    creds: Credentials,
    source: RenameSource,
    newPath: PathOperation,
    flags: number,
  ): Op<void> {
    const rp = this.#resolvingEntry(creds, newPath);
    return this.#within(rp, (filesystem) => filesystem.renameAt(rp, source, { flags }));
  }

  /** Resolves a path and takes references on the result: drop them with decRefVd(). */
  getDentryAt(creds: Credentials, operation: PathOperation): Op<VirtualDentry> {
    return this.#getVirtualDentry(this.#resolving(creds, operation));
  }

  *#getVirtualDentry(rp: ResolvingPath): Op<VirtualDentry> {
    const dentry = yield* this.#within(rp, (filesystem) => filesystem.getDentryAt(rp));
    rp.mount.incRef();
    return { mount: rp.mount, dentry };
  }

  *#getParent(rp: ResolvingPath): Op<VirtualDentry> {
    const dentry = yield* this.#within(rp, (filesystem) => filesystem.getParentDentryAt(rp));
    rp.mount.incRef();
    return { mount: rp.mount, dentry };
  }

  #resolving(creds: Credentials, operation: PathOperation): ResolvingPath {
    if (operation.path === '' && operation.mayBeEmpty !== true) throw linuxerr.ENOENT;
    return new ResolvingPath(this.namespace, creds, operation);
  }

  /** "/" is like "/.": which error that is, renameAt() finds out in its turn. */
  #resolvingEntry(creds: Credentials, operation: PathOperation): ResolvingPath {
    const itself = { ...operation, followFinalSymlink: false };
    const rp = this.#resolving(creds, itself);
    if (!rp.isDone) return rp;
    return this.#resolving(creds, { ...itself, path: `${operation.path}.` });
  }

  #resolvingNew(creds: Credentials, operation: PathOperation): ResolvingPath {
    const rp = this.#resolving(creds, { ...operation, followFinalSymlink: false });
    if (rp.isDone) throw linuxerr.EEXIST;
    return rp;
  }

  /**
   * Calls the filesystem the resolution is in, and again where it goes on. Afterwards rp.mount is
   * where it ended.
   */
  *#within<T>(rp: ResolvingPath, call: (filesystem: Filesystem) => Op<T>): Op<T> {
    for (;;) {
      const { mount } = rp;
      mount.incRef();
      try {
        // One place to wait at: a second one here makes errors on their way up a quarter slower.
        return yield* mount.isFrozen ? onceThawed(rp, call) : call(mount.filesystem);
      } finally {
        mount.decRef();
        // This takes the place of RESOLVE_ELSEWHERE on its way up. To catch it, and throw all other
        // errors again, would make every ENOENT cost twice.
        // eslint-disable-next-line no-unsafe-finally -- on purpose
        if (rp.takeMove()) continue;
      }
    }
  }

  // Mounts.

  /**
   * Attaches `source` at a path. Errors: EPERM without privilege; errors of the path; those of
   * MountNamespace.attach().
   */
  *mount(creds: Credentials, operation: PathOperation, source: MountSource): Op<Mount> {
    if (!creds.isPrivileged) throw linuxerr.EPERM;
    for (;;) {
      const point = yield* this.getDentryAt(creds, operation);
      try {
        const { changing } = point.dentry;
        if (changing === undefined) return this.namespace.attach(point, source);
        yield changing;
      } finally {
        decRefVd(point);
      }
    }
  }

  /**
   * Detaches the topmost mount at a path; the last mount of a filesystem releases it.
   *
   * Errors:
   *  - EPERM without privilege.
   *  - EINVAL if the path doesn't name a mount's root, or names the namespace's.
   *  - EBUSY if it is in use: open files, working directories, mounts within. Not if `isLazy`.
   *  - errors of the filesystem's release(): the mount is gone all the same.
   */
  *umount(
    creds: Credentials,
    operation: PathOperation,
    options: { readonly isLazy: boolean } = { isLazy: false },
  ): Op<void> {
    if (!creds.isPrivileged) throw linuxerr.EPERM;
    const vd = yield* this.getDentryAt(creds, operation);
    decRefVd(vd);
    const { mount } = vd;
    if (vd.dentry !== mount.root) throw linuxerr.EINVAL;
    yield* options.isLazy ? this.namespace.detachTree(mount) : this.namespace.detach(mount);
  }

  /**
   * Changes the flags of the mount at a path. Errors: EPERM, EINVAL as umount; EBUSY of
   * Mount.setFlags().
   */
  *remount(creds: Credentials, operation: PathOperation, flags: MountFlags): Op<void> {
    if (!creds.isPrivileged) throw linuxerr.EPERM;
    const vd = yield* this.getDentryAt(creds, operation);
    decRefVd(vd);
    if (vd.dentry !== vd.mount.root) throw linuxerr.EINVAL;
    vd.mount.setFlags(flags);
  }
}

/** Errors: those of Mount.untilThawed(). */
function* onceThawed<T>(rp: ResolvingPath, call: (filesystem: Filesystem) => Op<T>): Op<T> {
  yield* rp.mount.untilThawed(rp.start);
  return yield* call(rp.mount.filesystem);
}
