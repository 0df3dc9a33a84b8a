// VirtualFilesystem: the mount tree and every operation that starts with a path.
// Mirrors gVisor pkg/sentry/vfs/vfs.go; Linux: fs/namei.c, fs/namespace.c.
//
// Each operation makes a ResolvingPath and calls the filesystem of its mount; RESOLVE_ELSEWHERE
// sends it on to the next mount. While a filesystem works on a path, its mount is held by a
// reference. Changes to the mount tree are made in one go after everything has been resolved:
// nothing waits within.

import { linuxerr } from '../abi/errno.ts';
import { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_PATH, O_VALID } from '../abi/fcntl.ts';
import { MOUNT_MAX } from '../abi/limits.ts';
import type { Stat, Statfs } from '../abi/stat.ts';
import type { Credentials } from '../auth/credentials.ts';
import { assert } from '../lib/assert.ts';
import type { Op } from '../lib/op.ts';
import { decRefVd, type Dentry, type VirtualDentry } from './dentry.ts';
import { type FileDescription, PathDescription } from './file-description.ts';
import type { Filesystem } from './filesystem.ts';
import { Mount, type MountFlags } from './mount.ts';
import type { MkdirOptions, OpenOptions, RenameSource, SetStat } from './options.ts';
import { type MountLookup, type PathOperation, ResolvingPath } from './resolving-path.ts';

/** What to mount: a filesystem, or a subtree that is visible elsewhere (bind). */
export interface MountSource {
  readonly filesystem: Filesystem;
  readonly root: Dentry;
  readonly source: string;
  readonly flags: MountFlags;
}

export class VirtualFilesystem implements MountLookup {
  readonly #rootMount: Mount;
  readonly #mounts = new Set<Mount>();
  readonly #mountsByPoint = new Map<Dentry, Map<Mount, Mount>>();

  /** Makes a namespace with `root` mounted at "/". */
  constructor(root: MountSource) {
    this.#rootMount = new Mount(root);
    this.#mounts.add(this.#rootMount);
  }

  /** "/" of the namespace: the root mount, or what is mounted over it. Without a reference. */
  get root(): VirtualDentry {
    const mount = this.mountAt(this.#rootMount, this.#rootMount.root) ?? this.#rootMount;
    return { mount, dentry: mount.root };
  }

  /** All mounts, parents before children. */
  get mounts(): readonly Mount[] {
    return [...this.#mounts];
  }

  mountAt(mount: Mount, dentry: Dentry): Mount | undefined {
    let top = this.#mountsByPoint.get(dentry)?.get(mount);
    while (top !== undefined) {
      const above = this.#mountsByPoint.get(top.root)?.get(top);
      if (above === undefined) return top;
      top = above;
    }
    return undefined;
  }

  // Path operations. Errors: those of the Filesystem method they call, and ENOENT for an empty
  // path.

  /**
   * open(2). Errors besides: EINVAL for O_CREAT with O_DIRECTORY (Linux 6.4: fs/open.c
   * build_open_flags).
   */
  openAt(creds: Credentials, operation: PathOperation, options: OpenOptions): Op<FileDescription> {
    let flags = options.flags & O_VALID;
    if ((flags & O_PATH) !== 0) flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW;
    if ((flags & O_CREAT) !== 0 && (flags & O_DIRECTORY) !== 0) throw linuxerr.EINVAL;
    const isExclusive = (flags & O_CREAT) !== 0 && (flags & O_EXCL) !== 0;
    const followFinalSymlink = (flags & O_NOFOLLOW) === 0 && !isExclusive;
    const rp = this.#resolving(creds, { ...operation, followFinalSymlink });
    if ((flags & O_PATH) !== 0) return this.#openPath(rp, flags);
    return this.#within(rp, (filesystem) => filesystem.openAt(rp, { flags, mode: options.mode }));
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
    return this.#within(rp, (filesystem) => filesystem.openAt(rp, { flags, mode: 0 }));
  }

  *#openPath(rp: ResolvingPath, flags: number): Op<FileDescription> {
    const vd = yield* this.#getVirtualDentry(rp);
    try {
      if ((flags & O_DIRECTORY) !== 0 && !vd.mount.filesystem.isDirectory(vd.dentry)) {
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
   * decRefVd(). Errors: EBUSY for "/".
   */
  *getRenameSourceAt(creds: Credentials, operation: PathOperation): Op<RenameSource> {
    const rp = this.#resolving(creds, { ...operation, followFinalSymlink: false });
    if (rp.isDone) throw linuxerr.EBUSY;
    const parent = yield* this.#getParent(rp);
    return { parent, name: rp.component, mustBeDir: rp.mustBeDir };
  }

  /** Errors besides: EBUSY for "/". */
  renameAt(
    creds: Credentials,
    source: RenameSource,
    newPath: PathOperation,
    flags: number,
  ): Op<void> {
    const rp = this.#resolving(creds, { ...newPath, followFinalSymlink: false });
    if (rp.isDone) throw linuxerr.EBUSY;
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
    return new ResolvingPath(this, creds, operation);
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
        return yield* call(mount.filesystem);
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
   * Attaches `source` at a path, over what is mounted there already.
   *
   * Errors:
   *  - EPERM without privilege.
   *  - errors of the path; ENOTDIR if one of root and mount point is a directory and the other
   *    isn't.
   *  - ENOENT if the mount point was removed meanwhile.
   *  - EBUSY if the root is the mount point itself.
   *  - ENOSPC at MOUNT_MAX mounts.
   */
  *mount(creds: Credentials, operation: PathOperation, source: MountSource): Op<Mount> {
    if (!creds.isPrivileged) throw linuxerr.EPERM;
    const point = yield* this.getDentryAt(creds, operation);
    try {
      if (this.#mounts.size >= MOUNT_MAX) throw linuxerr.ENOSPC;
      if (point.dentry.isDead || point.mount.isUnmounted) throw linuxerr.ENOENT;
      if (point.dentry === source.root) throw linuxerr.EBUSY;
      const isDir = point.mount.filesystem.isDirectory(point.dentry);
      if (isDir !== source.filesystem.isDirectory(source.root)) throw linuxerr.ENOTDIR;
      // Something may have been mounted there while the path was being resolved: go on top.
      const over = this.mountAt(point.mount, point.dentry);
      return this.#attach(
        new Mount(source),
        over === undefined ? point : { mount: over, dentry: over.root },
      );
    } finally {
      decRefVd(point);
    }
  }

  #attach(mount: Mount, point: VirtualDentry): Mount {
    mount.point = point;
    point.dentry.incRef();
    point.dentry.mountCount++;
    point.mount.children.add(mount);
    let mounts = this.#mountsByPoint.get(point.dentry);
    if (mounts === undefined)
      this.#mountsByPoint.set(point.dentry, (mounts = new Map<Mount, Mount>()));
    assert(!mounts.has(point.mount), 'a mount point is covered twice in one mount');
    mounts.set(point.mount, mount);
    this.#mounts.add(mount);
    return mount;
  }

  /**
   * Detaches the topmost mount at a path; the last mount of a filesystem releases it.
   *
   * Errors:
   *  - EPERM without privilege.
   *  - EINVAL if the path doesn't name a mount's root, or names the namespace's.
   *  - EBUSY if it is in use: open files, working directories, mounts within.
   *  - errors of the filesystem's release(): the mount is gone all the same.
   */
  *umount(creds: Credentials, operation: PathOperation): Op<void> {
    if (!creds.isPrivileged) throw linuxerr.EPERM;
    const vd = yield* this.getDentryAt(creds, operation);
    decRefVd(vd);
    const { mount } = vd;
    if (vd.dentry !== mount.root || mount.point === undefined) throw linuxerr.EINVAL;
    if (mount.isBusy) throw linuxerr.EBUSY;
    this.#detach(mount);
    yield* this.#releaseIfLast(mount.filesystem);
  }

  #detach(mount: Mount): void {
    const { point } = mount;
    if (point !== undefined) {
      const mounts = this.#mountsByPoint.get(point.dentry);
      mounts?.delete(point.mount);
      if (mounts?.size === 0) this.#mountsByPoint.delete(point.dentry);
      point.mount.children.delete(mount);
      point.dentry.mountCount--;
      point.dentry.decRef();
      mount.point = undefined;
    }
    mount.isUnmounted = true;
    this.#mounts.delete(mount);
    mount.root.decRef();
  }

  *#releaseIfLast(filesystem: Filesystem): Op<void> {
    for (const mount of this.#mounts) if (mount.filesystem === filesystem) return;
    yield* filesystem.release();
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

  /** sync(2): every filesystem, also after one has failed. Errors: the first one. */
  *sync(): Op<void> {
    const filesystems = new Set([...this.#mounts].map((mount) => mount.filesystem));
    const failures: unknown[] = [];
    for (const filesystem of filesystems) {
      try {
        yield* filesystem.sync();
      } catch (error) {
        failures.push(error);
      }
    }
    throwFirst(failures);
  }

  /**
   * Detaches everything, children first, and releases every filesystem. Errors: the first one; all
   * are released.
   */
  *shutdown(): Op<void> {
    const failures: unknown[] = [];
    for (const mount of [...this.#mounts].reverse()) {
      this.#detach(mount);
      try {
        yield* this.#releaseIfLast(mount.filesystem);
      } catch (error) {
        failures.push(error);
      }
    }
    throwFirst(failures);
  }

  /** The absolute path of `vd` as seen from `root`; undefined if it isn't reachable from there. */
  pathOf(vd: VirtualDentry, root: VirtualDentry = this.root): string | undefined {
    let { mount, dentry } = vd;
    let path = '';
    for (;;) {
      if (mount === root.mount && dentry === root.dentry) return path === '' ? '/' : path;
      if (dentry === mount.root) {
        const { point } = mount;
        if (point === undefined) return undefined;
        ({ mount, dentry } = point);
        continue;
      }
      const name = mount.filesystem.nameOf(dentry);
      if (name === undefined) return undefined;
      path = `/${name.name}${path}`;
      dentry = name.parent;
    }
  }
}

function throwFirst(failures: readonly unknown[]): void {
  if (failures.length > 0) throw failures[0];
}
