// LocalFilesystem: the operations of a filesystem that owns its tree, once for tmpfs, idbfs and
// devfs. Mirrors gVisor pkg/sentry/fsimpl/tmpfs/filesystem.go; the order of checks is Linux's
// (fs/namei.c). The errors of each operation are in vfs/filesystem.ts.
//
// There are no locks. An operation first brings into memory what it needs, which may wait; from
// then on it waits no more: it checks and changes the tree in one go. What it stands on while it
// waits it holds by a reference.

import { linuxerr } from '../../abi/errno.ts';
import {
  O_ACCMODE,
  O_CREAT,
  O_DIRECT,
  O_DIRECTORY,
  O_EXCL,
  O_NOATIME,
  O_RDONLY,
  O_TRUNC,
} from '../../abi/fcntl.ts';
import { LINK_MAX } from '../../abi/limits.ts';
import {
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_ISGID,
  S_ISVTX,
  type Stat,
  type Statfs,
} from '../../abi/stat.ts';
import type { Op } from '../../lib/op.ts';
import type { Dentry, VirtualDentry } from '../../vfs/dentry.ts';
import type { FileDescription } from '../../vfs/file-description.ts';
import type { Filesystem } from '../../vfs/filesystem.ts';
import type {
  MkdirOptions,
  OpenOptions,
  RenameOptions,
  RenameSource,
  SetStat,
} from '../../vfs/options.ts';
import {
  accessOfOpenFlags,
  checkAccess,
  checkMayLink,
  isOwner,
  MAY_EXEC,
  MAY_WRITE,
} from '../../vfs/permissions.ts';
import type { ResolvingPath } from '../../vfs/resolving-path.ts';
import { applySetStat, checkSetStatTarget, statOf, touchAtime } from './attributes.ts';
import { DirectoryDescription } from './directory-description.ts';
import { LocalDentry } from './inode.ts';
import { checkMayRemove, checkName, isDots, LocalTree } from './local-tree.ts';
import { RegularFileDescription } from './regular-file-description.ts';
import { renameLocal } from './rename.ts';

export abstract class LocalFilesystem extends LocalTree implements Filesystem {
  *accessAt(rp: ResolvingPath, bits: number): Op<void> {
    const { inode } = yield* this.resolve(rp);
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
    return statOf(this, (dentry as LocalDentry).inode);
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
    const { inode } = yield* this.resolve(rp);
    inode.incRef();
    try {
      checkSetStatTarget(inode, change);
      rp.mount.checkWritable();
      yield* applySetStat(this, inode, change, rp.creds);
    } finally {
      inode.decRef();
    }
  }

  // Creation.

  /**
   * The checks that every creation shares (contract: mkdirAt), after resolving and loading. Returns
   * the parent and the name; the caller must not wait before it has inserted the child.
   */
  *#prepareCreate(rp: ResolvingPath, makesDir: boolean): Op<{ parent: LocalDentry; name: string }> {
    const parent = yield* this.resolveParent(rp);
    const name = rp.component;
    if (isDots(name)) throw linuxerr.EEXIST;
    checkName(name);
    const existing = yield* this.child(parent, name);
    if (parent.isDead) throw linuxerr.ENOENT;
    if (existing !== undefined) throw linuxerr.EEXIST;
    if (rp.mustBeDir && !makesDir) throw linuxerr.ENOENT;
    rp.mount.checkWritable();
    checkAccess(rp.creds, parent.inode, MAY_WRITE | MAY_EXEC);
    return { parent, name };
  }

  *mkdirAt(rp: ResolvingPath, options: MkdirOptions): Op<void> {
    const { parent, name } = yield* this.#prepareCreate(rp, true);
    if (parent.inode.nlink >= LINK_MAX) throw linuxerr.EMLINK;
    const mode = S_IFDIR | (options.mode & (0o777 | S_ISVTX));
    const inode = this.makeInode(ownedByCreator(rp, parent, mode));
    const dentry = new LocalDentry({ name, parent, inode, isComplete: true });
    this.link(parent, dentry);
    parent.inode.nlink++;
    this.touchDirectory(parent);
  }

  *symlinkAt(rp: ResolvingPath, target: string): Op<void> {
    const { parent, name } = yield* this.#prepareCreate(rp, false);
    const attributes = { ...ownedByCreator(rp, parent, S_IFLNK | 0o777), target };
    const inode = this.makeInode(attributes);
    this.link(parent, new LocalDentry({ name, parent, inode, isComplete: true }));
    this.touchDirectory(parent);
  }

  *linkAt(rp: ResolvingPath, target: VirtualDentry): Op<void> {
    const { parent, name } = yield* this.#prepareCreate(rp, false);
    if (target.mount !== rp.mount) throw linuxerr.EXDEV;
    const { inode } = target.dentry as LocalDentry;
    checkMayLink(rp.creds, inode);
    if (inode.isDir) throw linuxerr.EPERM;
    if (inode.nlink === 0) throw linuxerr.ENOENT;
    if (inode.nlink >= LINK_MAX) throw linuxerr.EMLINK;
    inode.nlink++;
    inode.ctime = this.clock.now();
    this.link(parent, new LocalDentry({ name, parent, inode, isComplete: true }));
    this.inodeChanged(inode);
    this.touchDirectory(parent);
  }

  // Opening.

  *openAt(rp: ResolvingPath, options: OpenOptions): Op<FileDescription> {
    const { flags } = options;
    if ((flags & O_CREAT) !== 0) return yield* this.#openOrCreate(rp, options);
    let dentry = this.walk(rp, false);
    while (dentry === undefined) {
      yield* this.loadNext(rp);
      dentry = this.walk(rp, false);
    }
    if (rp.mustBeDir && !dentry.inode.isDir) throw linuxerr.ENOTDIR;
    return yield* this.#openDentry(rp, dentry, flags);
  }

  *#openOrCreate(rp: ResolvingPath, options: OpenOptions): Op<FileDescription> {
    const { flags } = options;
    for (;;) {
      const parent = yield* this.resolveParent(rp);
      const name = rp.component;
      if (name !== '' && !isDots(name)) {
        if (rp.mustBeDir) throw linuxerr.EISDIR;
        checkName(name);
        const existing = yield* this.child(parent, name);
        if (existing === undefined) return this.#createAndOpen(rp, parent, options);
        if ((flags & O_EXCL) !== 0) throw linuxerr.EEXIST;
      }
      // The last step goes as in any walk: it may lead through a symlink or a mount, to another
      // last component.
      rp.start = parent;
      const dentry = rp.isDone ? parent : this.step(rp, parent);
      if (dentry === undefined) continue;
      rp.start = dentry;
      if (!rp.isDone) continue;
      if ((flags & O_EXCL) !== 0) throw linuxerr.EEXIST;
      if (dentry.inode.isDir) throw linuxerr.EISDIR;
      return yield* this.#openDentry(rp, dentry, flags);
    }
  }

  #createAndOpen(rp: ResolvingPath, parent: LocalDentry, options: OpenOptions): FileDescription {
    if (parent.isDead) throw linuxerr.ENOENT;
    rp.mount.checkWritable();
    checkAccess(rp.creds, parent.inode, MAY_WRITE | MAY_EXEC);
    const mode = S_IFREG | (options.mode & ~S_IFMT);
    const inode = this.makeInode(ownedByCreator(rp, parent, mode));
    const name = rp.component;
    const dentry = new LocalDentry({ name, parent, inode, isComplete: true });
    this.link(parent, dentry);
    this.touchDirectory(parent);
    const vd = { mount: rp.mount, dentry };
    return new RegularFileDescription(this, { vd, inode, flags: options.flags, creds: rp.creds });
  }

  *#openDentry(rp: ResolvingPath, dentry: LocalDentry, flags: number): Op<FileDescription> {
    const { inode } = dentry;
    if ((flags & O_DIRECTORY) !== 0 && !inode.isDir) throw linuxerr.ENOTDIR;
    const truncates = (flags & O_TRUNC) !== 0;
    if (inode.isSymlink) throw linuxerr.ELOOP;
    if (inode.isDir && ((flags & O_ACCMODE) !== O_RDONLY || truncates)) throw linuxerr.EISDIR;
    if (inode.isRegular && truncates) rp.mount.checkWritable();
    checkAccess(rp.creds, inode, accessOfOpenFlags(flags));
    if ((flags & O_NOATIME) !== 0 && !isOwner(rp.creds, inode)) throw linuxerr.EPERM;
    const vd = { mount: rp.mount, dentry };
    if (inode.isDir) {
      if ((flags & O_DIRECT) !== 0) throw linuxerr.EINVAL;
      return new DirectoryDescription(this, vd, dentry, flags);
    }
    if (!inode.isRegular) return this.openSpecial(vd, inode, flags);
    const file = new RegularFileDescription(this, { vd, inode, flags, creds: rp.creds });
    if (truncates) {
      try {
        yield* applySetStat(this, inode, { size: 0 }, rp.creds);
      } catch (error) {
        file.decRef();
        throw error;
      }
    }
    return file;
  }

  // Removal.

  *unlinkAt(rp: ResolvingPath): Op<void> {
    const parent = yield* this.resolveParent(rp);
    const name = rp.component;
    if (isDots(name)) throw linuxerr.EISDIR;
    checkName(name);
    const child = yield* this.child(parent, name);
    rp.mount.checkWritable();
    if (child === undefined) throw linuxerr.ENOENT;
    if (rp.mustBeDir) throw child.inode.isDir ? linuxerr.EISDIR : linuxerr.ENOTDIR;
    checkMayRemove(rp, parent, child);
    if (child.inode.isDir) throw linuxerr.EISDIR;
    if (child.mountCount > 0) throw linuxerr.EBUSY;
    const now = this.clock.now();
    this.unlink(child);
    this.dropLink(child, now);
    this.touchDirectory(parent, now);
  }

  *rmdirAt(rp: ResolvingPath): Op<void> {
    const parent = yield* this.resolveParent(rp);
    const name = rp.component;
    if (name === '.') throw linuxerr.EINVAL;
    if (name === '..') throw linuxerr.ENOTEMPTY;
    checkName(name);
    const child = yield* this.child(parent, name);
    rp.mount.checkWritable();
    if (child === undefined) throw linuxerr.ENOENT;
    checkMayRemove(rp, parent, child);
    if (!child.inode.isDir) throw linuxerr.ENOTDIR;
    if (child.mountCount > 0) throw linuxerr.EBUSY;
    if (child.inode.entryCount > 0) throw linuxerr.ENOTEMPTY;
    const now = this.clock.now();
    this.unlink(child);
    this.dropLink(child, now);
    parent.inode.nlink--;
    this.touchDirectory(parent, now);
  }

  renameAt(rp: ResolvingPath, source: RenameSource, options: RenameOptions): Op<void> {
    return renameLocal(this, rp, source, options);
  }

  nameOf(dentry: Dentry): { readonly name: string; readonly parent: Dentry } | undefined {
    const { name, parent, isDead } = dentry as LocalDentry;
    return parent === undefined || isDead ? undefined : { name, parent };
  }

  isDirectory(dentry: Dentry): boolean {
    return (dentry as LocalDentry).inode.isDir;
  }
}

/**
 * Owner and mode of a new file: a setgid directory hands down its group, and to directories the bit
 * too.
 */
function ownedByCreator(
  rp: ResolvingPath,
  parent: LocalDentry,
  mode: number,
): { mode: number; uid: number; gid: number } {
  const { creds } = rp;
  const inherits = (parent.inode.mode & S_ISGID) !== 0;
  const gid = inherits ? parent.inode.gid : creds.gid;
  let ownMode = mode;
  if (inherits && (mode & S_IFMT) === S_IFDIR) ownMode |= S_ISGID;
  // Linux: fs/inode.c mode_strip_sgid(): a setgid executable of a group one isn't in can't be made.
  const isSetgidExecutable = (mode & (S_ISGID | 0o010)) === (S_ISGID | 0o010);
  if (inherits && isSetgidExecutable && !creds.isPrivileged && !creds.inGroup(gid)) {
    ownMode &= ~S_ISGID;
  }
  return { mode: ownMode, uid: creds.uid, gid };
}
