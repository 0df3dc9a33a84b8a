// LocalFilesystem: the operations of a filesystem that owns its tree, once for tmpfs, idbfs and
// devfs. Mirrors gVisor pkg/sentry/fsimpl/tmpfs/filesystem.go; the order of checks is Linux's
// (fs/namei.c). The errors of each operation are in vfs/filesystem.ts.
//
// There are no locks. An operation first brings into memory what it needs, which may wait; from
// then on it waits no more: it checks and changes the tree in one go. What it stands on while it
// waits it holds by a reference.

import { linuxerr } from '../../abi/errno.ts';
import { IN_ATTRIB, IN_DELETE } from '../../abi/inotify.ts';
import { S_IFBLK, S_IFCHR, S_IFMT, type Stat, type Statfs } from '../../abi/stat.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Op } from '../../lib/op.ts';
import type { Dentry, VirtualDentry } from '../../vfs/dentry.ts';
import type { FileDescription } from '../../vfs/file-description.ts';
import type { Filesystem } from '../../vfs/filesystem.ts';
import { notifyEntry, notifySelf, notifyWithParent } from '../../vfs/watches.ts';
import type {
  MkdirOptions,
  MknodOptions,
  OpenOptions,
  RenameOptions,
  RenameSource,
  SetStat,
  SetXattr,
} from '../../vfs/options.ts';
import { checkAccess, MAY_EXEC, MAY_WRITE } from '../../vfs/permissions.ts';
import type { ResolvingPath } from '../../vfs/resolving-path.ts';
import { applySetStat, checkSetStatTarget, statOf, touchAtime } from './attributes.ts';
import { makeDirectory, makeLink, makeNode, makeSymlink } from './create.ts';
import { DeviceDescription, type Devices } from './devices.ts';
import type { Inode, LocalDentry } from './inode.ts';
import { checkMayRemove, checkName, isDots, isThere, LocalTree } from './local-tree.ts';
import { openLocal } from './open.ts';
import { openFifo } from './pipe-description.ts';
import { RegularFileDescription, type RegularFileOptions } from './regular-file-description.ts';
import { renameLocal } from './rename.ts';
import { StreamDescription } from './stream-description.ts';
import { getXattr, listXattrs, removeXattr, setXattr } from './xattrs.ts';

export interface LocalOptions {
  readonly clock: Clock;
  /** The drivers of device nodes; without them opening one is ENXIO. */
  readonly devices?: Devices | undefined;
}

export abstract class LocalFilesystem extends LocalTree implements Filesystem {
  readonly #devices: Devices;

  constructor(options: LocalOptions) {
    super(options);
    this.#devices = options.devices ?? new Map();
  }

  *accessAt(rp: ResolvingPath, bits: number): Op<void> {
    const { inode } = yield* this.resolve(rp);
    // Linux: do_faccessat(), path_noexec().
    const executes = (bits & MAY_EXEC) !== 0 && inode.isRegular;
    if (executes && rp.mount.flags.noexec === true) throw linuxerr.EACCES;
    checkAccess(rp.creds, inode, bits);
    const isFile = inode.isDir || inode.isRegular || inode.isSymlink;
    if ((bits & MAY_WRITE) !== 0 && isFile) rp.mount.checkWritable();
  }

  *getDentryAt(rp: ResolvingPath): Op<Dentry> {
    const dentry = yield* this.resolve(rp);
    dentry.incRef();
    return dentry;
  }

  *getParentDentryAt(rp: ResolvingPath): Op<Dentry> {
    const dentry = yield* this.resolveParent(rp);
    dentry.incRef();
    return dentry;
  }

  *statAt(rp: ResolvingPath): Op<Stat> {
    let dentry = this.walk(rp, false);
    while (dentry === undefined) {
      yield* this.loadNext(rp);
      dentry = this.walk(rp, false);
    }
    if (rp.mustBeDir && !dentry.inode.isDir) throw linuxerr.ENOTDIR;
    return statOf(this, dentry.inode);
  }

  *statDentry(dentry: Dentry): Op<Stat> {
    const { inode } = dentry as LocalDentry;
    const refreshed = this.refreshed(inode);
    if (refreshed !== undefined) yield* refreshed;
    return statOf(this, inode);
  }

  *statfsAt(rp: ResolvingPath): Op<Statfs> {
    yield* this.resolve(rp);
    return yield* this.statfs();
  }

  *readlinkAt(rp: ResolvingPath): Op<string> {
    const { inode } = yield* this.resolve(rp);
    if (!inode.isSymlink) throw linuxerr.EINVAL;
    touchAtime(this, inode, rp.mount.flags);
    return inode.target;
  }

  *setStatAt(rp: ResolvingPath, change: SetStat): Op<void> {
    yield* this.beforeChange();
    const dentry = yield* this.resolve(rp);
    const { inode } = dentry;
    dentry.incRef();
    try {
      checkSetStatTarget(inode, change);
      rp.mount.checkWritable();
      const events = yield* applySetStat(this, inode, change, rp.creds);
      if (!this.watched.isEmpty && events !== 0) notifyWithParent(dentry, { events });
    } finally {
      dentry.decRef();
    }
  }

  // Extended attributes.

  *getXattrAt(rp: ResolvingPath, name: string): Op<Uint8Array> {
    const { inode } = yield* this.resolve(rp);
    inode.incRef();
    try {
      return yield* getXattr(this, inode, name, rp.creds);
    } finally {
      inode.decRef();
    }
  }

  *setXattrAt(rp: ResolvingPath, change: SetXattr): Op<void> {
    yield* this.#changeXattr(rp, (inode) => setXattr(this, inode, change, rp.creds));
  }

  *listXattrAt(rp: ResolvingPath): Op<string[]> {
    const { inode } = yield* this.resolve(rp);
    inode.incRef();
    try {
      return yield* listXattrs(this, inode, rp.creds);
    } finally {
      inode.decRef();
    }
  }

  *removeXattrAt(rp: ResolvingPath, name: string): Op<void> {
    yield* this.#changeXattr(rp, (inode) => removeXattr(this, inode, name, rp.creds));
  }

  *#changeXattr(rp: ResolvingPath, change: (inode: Inode) => Op<void>): Op<void> {
    const dentry = yield* this.resolve(rp);
    dentry.incRef();
    try {
      rp.mount.checkWritable();
      yield* change(dentry.inode);
      if (!this.watched.isEmpty) notifyWithParent(dentry, { events: IN_ATTRIB });
    } finally {
      dentry.decRef();
    }
  }

  // Creation.

  mkdirAt(rp: ResolvingPath, options: MkdirOptions): Op<void> {
    return makeDirectory(this, rp, options);
  }

  mknodAt(rp: ResolvingPath, options: MknodOptions): Op<void> {
    return makeNode(this, rp, options);
  }

  symlinkAt(rp: ResolvingPath, target: string): Op<void> {
    return makeSymlink(this, rp, target);
  }

  linkAt(rp: ResolvingPath, target: VirtualDentry): Op<void> {
    return makeLink(this, rp, target);
  }

  openAt(rp: ResolvingPath, options: OpenOptions): Op<FileDescription> {
    return openLocal(this, rp, options);
  }

  override *openSpecial(vd: VirtualDentry, inode: Inode, flags: number): Op<FileDescription> {
    if (inode.isFifo) return yield* openFifo(this, vd, inode, flags);
    const type = inode.mode & S_IFMT;
    if (vd.mount.flags.nodev === true && (type === S_IFCHR || type === S_IFBLK)) {
      throw linuxerr.EACCES;
    }
    if (type === S_IFCHR) return this.openDevice(vd, inode, flags);
    const { endpoint } = inode;
    if (endpoint === undefined) throw linuxerr.ENXIO;
    return new StreamDescription(this, { vd, inode, flags, ...endpoint.connect() });
  }

  openRegular(options: RegularFileOptions): FileDescription {
    return new RegularFileDescription(this, options);
  }

  /** Errors: ENXIO without a driver. */
  protected openDevice(vd: VirtualDentry, inode: Inode, flags: number): FileDescription {
    const device = this.#devices.get(inode.rdev);
    if (device === undefined) throw linuxerr.ENXIO;
    return new DeviceDescription(this, { vd, inode, flags }, device);
  }

  // Removal.

  *unlinkAt(rp: ResolvingPath): Op<void> {
    yield* this.beforeRemoval();
    const parent = yield* this.resolveParent(rp);
    const name = rp.component;
    if (isDots(name)) throw linuxerr.EISDIR;
    yield* this.#removeName(rp, parent, (child) => {
      if (rp.mustBeDir) throw child.inode.isDir ? linuxerr.EISDIR : linuxerr.ENOTDIR;
      checkMayRemove(rp, parent, child);
      if (child.inode.isDir) throw linuxerr.EISDIR;
      if (child.mountCount > 0) throw linuxerr.EBUSY;
    });
  }

  /** Removes what has the last component's name, if `check` lets it. Errors: ENOENT; `check`'s. */
  *#removeName(
    rp: ResolvingPath,
    parent: LocalDentry,
    check: (child: LocalDentry) => void,
  ): Op<void> {
    const name = rp.component;
    for (;;) {
      checkName(name, parent);
      const child = yield* this.child(parent, name);
      rp.mount.checkWritable();
      if (child === undefined) throw linuxerr.ENOENT;
      check(child);
      // If somebody else has changed the name meanwhile, it is looked for once more.
      if (this.upstream !== undefined && !(yield* this.upstream.remove(parent, child))) continue;
      // It may have been forgotten while the tree's keeper removed it.
      if (this.upstream === undefined || isThere(child)) this.#remove(parent, child);
      return;
    }
  }

  /** Linux: d_delete_notify(): the file's own events come first. */
  #remove(parent: LocalDentry, child: LocalDentry): void {
    const now = this.clock.now();
    const { name, isDir } = child;
    this.unlink(child);
    this.dropLink(child, now);
    if (isDir) parent.inode.removeSubdirectory();
    this.touchDirectory(parent, now);
    if (!this.watched.isEmpty && !isDir) notifySelf(child, IN_ATTRIB);
    this.endRemoval(child);
    if (!this.watched.isEmpty) notifyEntry(parent, { name, isDir }, IN_DELETE);
  }

  *rmdirAt(rp: ResolvingPath): Op<void> {
    yield* this.beforeRemoval();
    const parent = yield* this.resolveParent(rp);
    const name = rp.component;
    if (name === '.') throw linuxerr.EINVAL;
    if (name === '..') throw linuxerr.ENOTEMPTY;
    yield* this.#removeName(rp, parent, (child) => {
      checkMayRemove(rp, parent, child);
      if (!child.inode.isDir) throw linuxerr.ENOTDIR;
      if (child.mountCount > 0) throw linuxerr.EBUSY;
      if (child.inode.entryCount > 0) throw linuxerr.ENOTEMPTY;
    });
  }

  renameAt(rp: ResolvingPath, source: RenameSource, options: RenameOptions): Op<void> {
    return renameLocal(this, rp, source, options);
  }
}
