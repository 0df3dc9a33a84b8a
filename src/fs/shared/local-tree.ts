// LocalTree: the tree of a filesystem that owns it, and how paths lead through it, once for tmpfs,
// idbfs and devfs. Mirrors gVisor pkg/sentry/fsimpl/tmpfs/filesystem.go (stepLocked); Linux:
// fs/namei.c.
//
// There are no locks. An operation first brings into memory what it needs, which may wait; from
// then on it waits no more: it checks and changes the tree in one go. What it stands on while it
// waits it holds by a reference.

import { linuxerr } from '../../abi/errno.ts';
import { NAME_MAX } from '../../abi/limits.ts';
import type { Statfs } from '../../abi/stat.ts';
import { assert, assertDefined } from '../../lib/assert.ts';
import type { Clock, Timespec } from '../../lib/clock.ts';
import type { Op } from '../../lib/op.ts';
import { isLongerThan } from '../../lib/text.ts';
import type { VirtualDentry } from '../../vfs/dentry.ts';
import type { FileDescription } from '../../vfs/file-description.ts';
import type { CommitStatus } from '../../vfs/filesystem.ts';
import { checkAccess, checkSticky, MAY_EXEC, MAY_WRITE } from '../../vfs/permissions.ts';
import type { ResolvingPath } from '../../vfs/resolving-path.ts';
import { WatchedFiles } from '../../vfs/watches.ts';
import { touchAtime } from './attributes.ts';
import type { DirectoryCursor } from './directory-description.ts';
import type { Inode, InodeAttributes, InodeOwner, LocalDentry } from './inode.ts';
import type { RegularFileOptions } from './regular-file-description.ts';
import type { StoredData } from './stored-data.ts';
import type { Upstream } from './upstream.ts';
import type { UpstreamLocks } from './upstream-locks.ts';
import type { Xattrs } from './xattrs.ts';

export abstract class LocalTree implements InodeOwner {
  abstract readonly type: string;
  abstract readonly root: LocalDentry;
  abstract readonly dev: number;
  readonly watched = new WatchedFiles();
  readonly clock: Clock;

  constructor({ clock }: { readonly clock: Clock }) {
    this.clock = clock;
  }

  // What the kinds of local filesystems differ in.

  /** The child of a directory that is not complete, from the store; undefined if there is none. */
  protected abstract loadChild(dir: LocalDentry, name: string): Op<LocalDentry | undefined>;
  /** A new inode of nlink 1 (2 for a directory). Errors: ENOSPC. */
  abstract makeInode(attributes: Omit<InodeAttributes, 'ino'>): Inode;
  /** Of regular files, what isn't in memory. */
  abstract readonly stored: StoredData;
  /** The extended attributes of an inode, from the store if they aren't in memory. */
  abstract loadXattrs(inode: Inode): Op<Xattrs>;
  /** `inode.xattrs` has changed. */
  abstract xattrsChanged(inode: Inode): void;
  /** Lists a directory's entries from a position on. */
  abstract openCursor(dir: LocalDentry): DirectoryCursor;
  /** About how many blocks there is room for. Infinity if there is no limit. */
  abstract freeBlocks(): Op<number>;
  /** Makes room for `blocks` more blocks. Returns how many there is room for. */
  abstract reserveBlocks(blocks: number): number;
  abstract releaseBlocks(blocks: number): void;
  /** Has a change of `bytes` to wait, in throttle()? Errors: as checkWritable(). */
  abstract mustThrottle(bytes: number): boolean;
  /**
   * Called before a change of `bytes`: waits while too much is unwritten, and until there is room
   * for them if waiting helps. Errors: as checkWritable(); that of a commit that failed meanwhile.
   */
  abstract throttle(bytes: number): Op<void>;
  /**
   * Opens something that is neither a regular file nor a directory. Errors: ENXIO for a socket
   * nobody listens at, a device without a driver, and as Pipe.open().
   */
  abstract openSpecial(vd: VirtualDentry, inode: Inode, flags: number): Op<FileDescription>;
  /** An open regular file. */
  abstract openRegular(options: RegularFileOptions): FileDescription;
  /** fallocate(2) may zero a range. */
  abstract readonly hasZeroRange: boolean;
  abstract destroyInode(inode: Inode): void;
  /** `dentry` became an entry of its parent at `dentry.cookie`. */
  abstract entryAdded(dentry: LocalDentry): void;
  /** `dentry` is no longer an entry of `dir`; its name and position are still those it had. */
  abstract entryRemoved(dir: LocalDentry, dentry: LocalDentry): void;
  /** Attributes, size or times have changed. */
  abstract inodeChanged(inode: Inode): void;
  /** The access time has changed. */
  abstract inodeAccessed(inode: Inode): void;
  /** Resolves when the inode's changes are on stable storage. */
  abstract syncInode(inode: Inode, options: { readonly dataOnly: boolean }): Op<void>;
  abstract sync(): Op<void>;
  abstract release(): Op<void>;
  abstract statfs(): Op<Statfs>;
  abstract readonly commitStatus: CommitStatus | undefined;

  // What only a copy of a tree that is kept elsewhere has to say.

  /** Undefined: this is the tree itself. */
  readonly upstream: Upstream | undefined = undefined;
  /** Others have the files as well, and see locks. Undefined: locks are only this kernel's. */
  readonly upstreamLocks: UpstreamLocks | undefined = undefined;
  /** What is known of a name is looked at again before it is used. */
  readonly revalidates: boolean = false;
  watchSet(_inode: Inode): Op<void> | undefined {
    return undefined;
  }

  unwatched(_inode: Inode): void {
    // Nobody else has to know.
  }

  /** Attributes in memory may not be those there are. */
  mustLookAgain(_inode: Inode): boolean {
    return this.revalidates;
  }

  /** Of an inode, `hasXattrs` is right without a look. */
  readonly knowsXattrs: boolean = true;

  /** Waits until the attributes in memory are those there are; undefined: they are. */
  refreshed(_inode: Inode): Op<void> | undefined {
    return undefined;
  }

  /** Bytes, if the size of directories isn't that of their entries. */
  directorySize(_inode: Inode): number | undefined {
    return undefined;
  }

  // What only a filesystem with a medium has to say.

  get isReadOnly(): boolean {
    return false;
  }

  checkWritable(): void {
    // Memory doesn't fail.
  }

  /** Is there no room for something new that takes `bytes`? */
  isShortOfRoom(_bytes: number): boolean {
    return false;
  }

  /** Called before something is made: waits until there is room for it, if waiting helps. */
  *makeRoom(_bytes: number): Op<void> {
    // Room is a matter of makeInode() and reserveBlocks().
  }

  /** Errors: ENOSPC if there is no room for `bytes` of names or attributes. */
  checkRoom(_bytes: number): void {
    // Names and attributes cost nothing.
  }

  /** Called before attributes are changed: waits while too much is unwritten, if it helps. */
  *beforeChange(): Op<void> {
    // There is nothing to be written.
  }

  /** The same before something is removed. */
  *beforeRemoval(): Op<void> {
    // It takes no room.
  }

  // Resolution.

  /**
   * Takes components from rp.start on until all are consumed, or, with `toParent`, only the last
   * one is left. Returns undefined when a child has to be loaded first: rp.start is then its
   * directory and rp.component its name.
   */
  walk(rp: ResolvingPath, toParent: boolean): LocalDentry | undefined {
    let dentry = rp.start as LocalDentry;
    while (!rp.isDone && !(toParent && rp.isFinal)) {
      const next = this.step(rp, dentry);
      if (next === undefined) {
        rp.start = dentry;
        return undefined;
      }
      dentry = next;
    }
    return dentry;
  }

  step(rp: ResolvingPath, dir: LocalDentry): LocalDentry | undefined {
    const name = rp.component;
    checkSearchable(rp, dir);
    if (name === '.') {
      rp.advance();
      return dir;
    }
    if (name === '..') {
      if (rp.isRoot(dir) || dir.parent === undefined) {
        rp.advance();
        return dir;
      }
      if (dir.parent.mountCount > 0) rp.enterMount(dir.parent);
      rp.advance();
      return dir.parent;
    }
    checkName(name, dir);
    const child = assertDefined(dir.children).get(name);
    if (child === undefined) {
      if (dir.isComplete) throw linuxerr.ENOENT;
      return undefined;
    }
    child.isReferenced = true;
    if (child.mountCount > 0) rp.enterMount(child);
    if (child.inode.isSymlink && rp.mayFollowSymlink) {
      touchAtime(this, child.inode, rp.mount.flags);
      rp.start = dir;
      rp.followSymlink(child.inode.target);
      return dir;
    }
    rp.advance();
    return child;
  }

  /** Loads the child at which walk() stopped. Errors: ENOENT. */
  *loadNext(rp: ResolvingPath): Op<void> {
    const dir = rp.start as LocalDentry;
    if ((yield* this.child(dir, rp.component)) === undefined) throw linuxerr.ENOENT;
  }

  /**
   * The child of a directory, loaded if need be. What is undefined may exist as soon as the caller
   * waits again. `_rp`: the path on which it is.
   */
  *child(dir: LocalDentry, name: string, _rp?: ResolvingPath): Op<LocalDentry | undefined> {
    const child = assertDefined(dir.children).get(name);
    if (child !== undefined || dir.isComplete) return child;
    dir.incRef();
    try {
      return yield* this.loadChild(dir, name);
    } finally {
      dir.decRef();
    }
  }

  protected *resolve(rp: ResolvingPath): Op<LocalDentry> {
    let dentry = this.walk(rp, false);
    while (dentry === undefined) {
      yield* this.loadNext(rp);
      dentry = this.walk(rp, false);
    }
    if (rp.mustBeDir && !dentry.inode.isDir) throw linuxerr.ENOTDIR;
    return dentry;
  }

  /** The directory of the last component, which is searchable. */
  *resolveParent(rp: ResolvingPath): Op<LocalDentry> {
    let dentry = this.parentAtOnce(rp);
    while (dentry === undefined) {
      yield* this.loadNext(rp);
      dentry = this.parentAtOnce(rp);
    }
    return dentry;
  }

  /** The same, or undefined where a child has to be loaded first, as of walk(). */
  parentAtOnce(rp: ResolvingPath): LocalDentry | undefined {
    const dentry = this.walk(rp, true);
    if (dentry !== undefined && !rp.isDone) checkSearchable(rp, dentry);
    return dentry;
  }

  /** Makes `dentry` an entry of `parent`, which has none of that name. */
  link(parent: LocalDentry, dentry: LocalDentry): void {
    const children = assertDefined(parent.children);
    assert(!parent.isDead, 'entry added to a removed directory');
    assert(!children.has(dentry.name), 'entry added twice');
    dentry.parent = parent;
    dentry.cookie = parent.inode.nextCookie++;
    children.set(dentry.name, dentry);
    parent.inode.entryCount++;
    this.entryAdded(dentry);
    dentry.onPlaceChanged?.();
  }

  /** Takes `dentry` out of its parent. The inode's links are the caller's business. */
  unlink(dentry: LocalDentry): void {
    const parent = assertDefined(dentry.parent);
    const wasThere = assertDefined(parent.children).delete(dentry.name);
    assert(wasThere, 'removed an entry that is not there');
    parent.inode.entryCount--;
    this.entryRemoved(parent, dentry);
  }

  /** The entries of a directory have changed. */
  touchDirectory(dir: LocalDentry, now: Timespec = this.clock.now()): void {
    dir.inode.mtime = now;
    dir.inode.ctime = now;
    this.inodeChanged(dir.inode);
  }

  /**
   * A dentry was removed from the tree: its file loses a link, a directory both of its own. Call
   * endRemoval() afterwards.
   */
  dropLink(dentry: LocalDentry, now: Timespec): void {
    const { inode } = dentry;
    dentry.detach();
    inode.nlink = inode.isDir ? 0 : inode.nlink - 1;
    inode.ctime = now;
    this.inodeChanged(inode);
  }

  /** Nothing more is to be told of a removed dentry: its file goes, if nobody has it. */
  endRemoval({ inode, refs }: LocalDentry): void {
    // The watches hold the inode, which goes with the last of them.
    if (inode.watches === undefined) inode.destroyIfUnused();
    else if (inode.nlink === 0 && refs === 0) inode.watches.fileDeleted();
  }
}

function checkSearchable(rp: ResolvingPath, dir: LocalDentry): void {
  if (!dir.inode.isDir) throw linuxerr.ENOTDIR;
  checkAccess(rp.creds, dir.inode, MAY_EXEC);
}

/** Linux: fs/namei.c may_delete(), without the checks of the kind of file. */
export function checkMayRemove(rp: ResolvingPath, dir: LocalDentry, child: LocalDentry): void {
  checkAccess(rp.creds, dir.inode, MAY_WRITE | MAY_EXEC);
  checkSticky(rp.creds, dir.inode, child.inode);
}

/** Is it an entry of its directory, as far as that is in memory? */
export function isThere(dentry: LocalDentry): boolean {
  return dentry.parent?.children?.get(dentry.name) === dentry;
}

export function isDots(name: string): boolean {
  return name === '.' || name === '..';
}

/**
 * Before `name` is looked up in `dir`. Errors: ENOENT in a removed directory, whatever the name;
 * ENAMETOOLONG. Linux: fs/namei.c __lookup_hash(), fs/libfs.c simple_lookup().
 */
export function checkName(name: string, dir: LocalDentry): void {
  if (dir.isDead) throw linuxerr.ENOENT;
  if (isLongerThan(name, NAME_MAX)) throw linuxerr.ENAMETOOLONG;
}
