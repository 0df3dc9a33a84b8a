// rename(2) within a local filesystem. Linux: fs/namei.c do_renameat2(), vfs_rename(): the order of
// checks is theirs. The errors are listed in vfs/filesystem.ts, Filesystem.renameAt().

import { linuxerr } from '../../abi/errno.ts';
import { RENAME_EXCHANGE, RENAME_NOREPLACE, RENAME_WHITEOUT } from '../../abi/fcntl.ts';
import { IN_ATTRIB, IN_MOVE_SELF, IN_MOVED_FROM, IN_MOVED_TO } from '../../abi/inotify.ts';
import { S_IFCHR } from '../../abi/stat.ts';
import { assertDefined } from '../../lib/assert.ts';
import type { Op } from '../../lib/op.ts';
import { nextCookie, notifyEntry, notifySelf } from '../../vfs/watches.ts';
import type { RenameOptions, RenameSource } from '../../vfs/options.ts';
import { checkAccess, MAY_EXEC, MAY_WRITE } from '../../vfs/permissions.ts';
import type { ResolvingPath } from '../../vfs/resolving-path.ts';
import { ownedByCreator } from './create.ts';
import { LocalDentry } from './inode.ts';
import { checkMayRemove, checkName, isDots, isThere, type LocalTree } from './local-tree.ts';
import type { Upstream } from './upstream.ts';

interface Rename {
  readonly rp: ResolvingPath;
  readonly oldParent: LocalDentry;
  readonly newParent: LocalDentry;
  readonly newName: string;
  readonly oldMustBeDir: boolean;
  readonly isExchange: boolean;
  readonly isNoReplace: boolean;
  /** Leaves a character device 0:0 behind, for overlays. */
  readonly leavesWhiteout: boolean;
}

export function* renameLocal(
  fs: LocalTree,
  rp: ResolvingPath,
  source: RenameSource,
  options: RenameOptions,
): Op<void> {
  const newParent = yield* fs.resolveParent(rp);
  const rename: Rename = {
    rp,
    oldParent: source.parent.dentry as LocalDentry,
    newParent,
    newName: rp.component,
    oldMustBeDir: source.mustBeDir,
    isExchange: (options.flags & RENAME_EXCHANGE) !== 0,
    isNoReplace: (options.flags & RENAME_NOREPLACE) !== 0,
    leavesWhiteout: (options.flags & RENAME_WHITEOUT) !== 0,
  };
  if (source.parent.mount !== rp.mount) throw linuxerr.EXDEV;
  if (isDots(source.name)) throw linuxerr.EBUSY;
  if (isDots(rename.newName)) throw rename.isNoReplace ? linuxerr.EEXIST : linuxerr.EBUSY;
  rp.mount.checkWritable();
  newParent.incRef();
  try {
    for (;;) {
      checkName(source.name, rename.oldParent);
      const [old, target] = yield* loadBoth(fs, rename, source.name);
      // From here on nothing waits, but for who keeps the tree.
      if (!checkRename(rename, old, target)) return;
      const { upstream } = fs;
      // If somebody else has changed one of the names meanwhile, all is looked at once more.
      if (
        upstream !== undefined &&
        !(yield* moveUpstream(upstream, rename, old, target, options))
      ) {
        continue;
      }
      // They may have been forgotten meanwhile.
      const areThere = isThere(old) && (target === undefined || isThere(target));
      if (upstream === undefined || areThere) perform(fs, rename, old, target);
      return;
    }
  } finally {
    newParent.decRef();
  }
}

/** Upstream.move(), with what is moved held. */
function* moveUpstream(
  upstream: Upstream,
  { oldParent, newParent, newName }: Rename,
  old: LocalDentry,
  target: LocalDentry | undefined,
  { flags }: RenameOptions,
): Op<boolean> {
  old.incRef();
  target?.incRef();
  try {
    return yield* upstream.move({ oldParent, old, newParent, newName, target, flags });
  } finally {
    old.decRef();
    target?.decRef();
  }
}

/** Both entries as they are at one moment. Errors: ENOENT without the old one; ENAMETOOLONG. */
function* loadBoth(
  fs: LocalTree,
  rename: Rename,
  oldName: string,
): Op<[LocalDentry, LocalDentry | undefined]> {
  const { oldParent, newParent, newName } = rename;
  for (;;) {
    const old = yield* fs.child(oldParent, oldName);
    // The new name is looked at only then.
    if (old === undefined) throw linuxerr.ENOENT;
    checkName(newName, newParent);
    old.incRef();
    try {
      const target = yield* fs.child(newParent, newName);
      // The old one may have been removed or replaced while the new one was loaded.
      if (assertDefined(oldParent.children).get(oldName) === old) return [old, target];
    } finally {
      old.decRef();
    }
  }
}

/**
 * All checks in Linux's order. False: both names are of the same file, and nothing is to be done.
 */
function checkRename(rename: Rename, old: LocalDentry, target: LocalDentry | undefined): boolean {
  const { rp, oldParent, newParent, isExchange, isNoReplace } = rename;
  // It may have been removed while the names were loaded.
  if (newParent.isDead) throw linuxerr.ENOENT;
  if (isNoReplace && target !== undefined) throw linuxerr.EEXIST;
  if (isExchange && target === undefined) throw linuxerr.ENOENT;
  checkSlashes(rename, old, target);
  if (isSameOrBelow(newParent, old)) throw linuxerr.EINVAL;
  if (target !== undefined && isSameOrBelow(oldParent, target)) {
    throw isExchange ? linuxerr.EINVAL : linuxerr.ENOTEMPTY;
  }
  if (target?.inode === old.inode) return false;
  checkMayRemove(rp, oldParent, old);
  if (target === undefined) {
    checkAccess(rp.creds, newParent.inode, MAY_WRITE | MAY_EXEC);
  } else {
    checkMayRemove(rp, newParent, target);
    if (!isExchange) checkSameKind(old, target);
  }
  if (oldParent !== newParent) {
    // ".." of what moves changes.
    if (old.inode.isDir) checkAccess(rp.creds, old.inode, MAY_WRITE);
    if (isExchange && target?.inode.isDir) checkAccess(rp.creds, target.inode, MAY_WRITE);
  }
  if (old.mountCount > 0 || (target !== undefined && target.mountCount > 0)) throw linuxerr.EBUSY;
  if (!isExchange && target !== undefined && target.inode.entryCount > 0) {
    throw linuxerr.ENOTEMPTY;
  }
  return true;
}

function makeWhiteout(fs: LocalTree, { rp, oldParent }: Rename, name: string): LocalDentry {
  const owned = ownedByCreator(rp, oldParent, { mode: S_IFCHR });
  const inode = fs.makeInode({ ...owned, rdev: 0 });
  return new LocalDentry({ name, parent: oldParent, inode, isComplete: true });
}

function checkSlashes(rename: Rename, old: LocalDentry, target: LocalDentry | undefined): void {
  const { rp, isExchange, oldMustBeDir } = rename;
  if (isExchange && rp.mustBeDir && target?.inode.isDir !== true) throw linuxerr.ENOTDIR;
  if (old.inode.isDir) return;
  if (oldMustBeDir) throw linuxerr.ENOTDIR;
  if (!isExchange && rp.mustBeDir) throw linuxerr.ENOTDIR;
}

function checkSameKind(old: LocalDentry, target: LocalDentry): void {
  if (old.inode.isDir && !target.inode.isDir) throw linuxerr.ENOTDIR;
  if (!old.inode.isDir && target.inode.isDir) throw linuxerr.EISDIR;
}

function isSameOrBelow(dentry: LocalDentry, ancestor: LocalDentry): boolean {
  for (let at: LocalDentry | undefined = dentry; at !== undefined; at = at.parent) {
    if (at === ancestor) return true;
  }
  return false;
}

function perform(
  fs: LocalTree,
  rename: Rename,
  old: LocalDentry,
  target: LocalDentry | undefined,
): void {
  const { oldParent, newParent, newName, isExchange } = rename;
  const oldName = old.name;
  const now = fs.clock.now();
  // Before anything changes, as it may fail: ENOSPC.
  const whiteout = rename.leavesWhiteout ? makeWhiteout(fs, rename, oldName) : undefined;
  if (target !== undefined) {
    fs.unlink(target);
    if (target.inode.isDir) newParent.inode.removeSubdirectory();
  }
  fs.unlink(old);
  if (old.inode.isDir) oldParent.inode.removeSubdirectory();
  if (target !== undefined && !isExchange) fs.dropLink(target, now);
  old.name = newName;
  fs.link(newParent, old);
  if (old.inode.isDir) newParent.inode.addSubdirectory();
  old.inode.ctime = now;
  fs.inodeChanged(old.inode);
  if (target !== undefined && isExchange) {
    target.name = oldName;
    fs.link(oldParent, target);
    if (target.inode.isDir) oldParent.inode.addSubdirectory();
    target.inode.ctime = now;
    fs.inodeChanged(target.inode);
  }
  if (whiteout !== undefined) fs.link(oldParent, whiteout);
  fs.touchDirectory(oldParent, now);
  if (newParent !== oldParent) fs.touchDirectory(newParent, now);
  if (!fs.watched.isEmpty) tell(rename, oldName, old, target);
  if (target !== undefined && !isExchange) fs.endRemoval(target);
}

/** Linux: include/linux/fsnotify.h fsnotify_move(), called as by vfs_rename(). */
function tell(
  { oldParent, newParent, newName, isExchange }: Rename,
  oldName: string,
  old: LocalDentry,
  target: LocalDentry | undefined,
): void {
  const from = { dir: oldParent, name: oldName };
  const to = { dir: newParent, name: newName };
  tellMove(old, from, to, isExchange ? undefined : target);
  if (isExchange && target !== undefined) tellMove(target, to, from, undefined);
}

interface Entry {
  readonly dir: LocalDentry;
  readonly name: string;
}

function tellMove(
  moved: LocalDentry,
  from: Entry,
  to: Entry,
  replaced: LocalDentry | undefined,
): void {
  const cookie = nextCookie();
  const { isDir } = moved;
  notifyEntry(from.dir, { name: from.name, isDir }, IN_MOVED_FROM, cookie);
  notifyEntry(to.dir, { name: to.name, isDir }, IN_MOVED_TO, cookie);
  if (replaced !== undefined) notifySelf(replaced, IN_ATTRIB);
  notifySelf(moved, IN_MOVE_SELF);
}
