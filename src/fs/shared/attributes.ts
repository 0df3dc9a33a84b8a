// Attributes of inodes: stat, times, and what chmod, chown, utimensat and truncate change.
// Linux: fs/attr.c, fs/open.c, fs/inode.c touch_atime(). Mirrors gVisor pkg/sentry/fsimpl/tmpfs
// (inode.setStat).

import { linuxerr } from '../../abi/errno.ts';
import { UTIME_NOW, UTIME_OMIT } from '../../abi/fcntl.ts';
import { IN_ACCESS, IN_ATTRIB, IN_MODIFY } from '../../abi/inotify.ts';
import { FILE_SIZE_MAX } from '../../abi/limits.ts';
import { S_IFMT, S_ISGID, S_PERMISSIONS, type Stat } from '../../abi/stat.ts';
import { type Credentials, NO_ID } from '../../auth/credentials.ts';
import { compareTimespec, type Timespec } from '../../lib/clock.ts';
import type { Op } from '../../lib/op.ts';
import { utf8Length } from '../../lib/text.ts';
import type { MountFlags } from '../../vfs/mount.ts';
import type { SetStat } from '../../vfs/options.ts';
import { checkNanoseconds, checkSetStat, withoutSetIds } from '../../vfs/permissions.ts';
import { loadRange } from './fallocate.ts';
import { BLOCK_SIZE, CHUNK_SIZE } from './file-data.ts';
import type { Inode } from './inode.ts';
import type { LocalTree } from './local-tree.ts';
import type { AttributeChange } from './upstream.ts';
import { dropCapability } from './xattrs.ts';

/**
 * What one directory entry adds to st_size, `.` and `..` included. Linux: mm/shmem.c
 * BOGO_DIRENT_SIZE, shmem_get_inode().
 */
const DIRENT_SIZE = 20;
const DAY_SECONDS = 86_400;

export function statOf(fs: LocalTree, inode: Inode): Stat {
  return {
    dev: fs.dev,
    ino: inode.ino,
    mode: inode.mode,
    nlink: inode.nlink,
    uid: inode.uid,
    gid: inode.gid,
    rdev: inode.rdev,
    size: inode.isRegular ? inode.size : sizeOfSpecial(fs, inode),
    blksize: BLOCK_SIZE,
    blocks: inode.data === undefined ? inode.blocks : inode.data.blockCount * (BLOCK_SIZE / 512),
    atime: inode.atime,
    mtime: inode.mtime,
    ctime: inode.ctime,
    btime: inode.btime,
  };
}

function sizeOfSpecial(fs: LocalTree, inode: Inode): number {
  if (inode.isDir) return fs.directorySize(inode) ?? (inode.entryCount + 2) * DIRENT_SIZE;
  return inode.isSymlink ? utf8Length(inode.target) : 0;
}

/**
 * relatime: the access time moves if it isn't after the last change, or is a day old. Linux:
 * relatime_need_update().
 */
export function touchAtime(fs: LocalTree, inode: Inode, flags: MountFlags): void {
  if (flags.noatime || flags.readOnly || fs.isReadOnly) return;
  const { atime } = inode;
  const isRecent =
    compareTimespec(atime, inode.mtime) > 0 &&
    compareTimespec(atime, inode.ctime) > 0 &&
    fs.clock.seconds() - atime.sec < DAY_SECONDS;
  if (isRecent) return;
  const now = fs.clock.now();
  if (atime === now) return;
  inode.atime = now;
  fs.inodeAccessed(inode);
}

/**
 * Errors: EISDIR, EINVAL if a size is to be set and the file isn't regular (Linux: vfs_truncate());
 * EOPNOTSUPP for the mode of a symlink (Linux: fchmodat2(2)); EINVAL for nanoseconds out of range.
 */
export function checkSetStatTarget(inode: Inode, change: SetStat): void {
  checkNanoseconds(change);
  if (change.mode !== undefined && inode.isSymlink) throw linuxerr.EOPNOTSUPP;
  if (change.size === undefined || inode.isRegular) return;
  throw inode.isDir ? linuxerr.EISDIR : linuxerr.EINVAL;
}

/**
 * Checks and makes a change. The caller holds a reference on the inode. Returns the IN_ events that
 * tell of it.
 *
 * Errors: those of checkSetStat(); EFBIG; EIO of the store.
 */
export function* applySetStat(
  fs: LocalTree,
  inode: Inode,
  change: SetStat,
  creds: Credentials,
): Op<number> {
  checkSetStat(creds, inode, change);
  const changesOwner = change.uid !== undefined || change.gid !== undefined;
  if (inode.hasXattrs && (changesOwner || change.size !== undefined)) {
    yield* dropCapability(fs, inode);
  }
  const modeBefore = inode.mode;
  const { upstream } = fs;
  if (change.size === undefined) {
    if (upstream !== undefined) {
      yield* upstream.setAttributes(inode, attributesAfter(fs, inode, change, creds));
    }
    applyAttributes(fs, inode, change, creds);
    return eventsOf(change, inode.mode !== modeBefore);
  }
  if (!inode.dataMutex.tryLock()) yield* inode.dataMutex.lock();
  try {
    const { ctime } = inode;
    // Nothing to do and nothing to free: as on Linux's tmpfs. ext4 changes the times anyway.
    const isSame = change.size === inode.size && inode.data?.blockCount === 0;
    const keepsTimes = change.checkWrite === true && isSame;
    if (upstream !== undefined) {
      if (change.size > FILE_SIZE_MAX) throw linuxerr.EFBIG;
      yield* upstream.setAttributes(inode, attributesAfter(fs, inode, change, creds));
    }
    yield* setSize(fs, inode, change.size);
    if (!creds.isPrivileged) inode.mode = withoutSetIds(creds, inode);
    if (!keepsTimes) inode.mtime = fs.clock.now();
    applyAttributes(fs, inode, change, creds);
    if (keepsTimes) inode.ctime = ctime;
  } finally {
    inode.dataMutex.unlock();
  }
  return eventsOf(change, inode.mode !== modeBefore);
}

/** Linux: include/linux/fsnotify.h fsnotify_change(). */
function eventsOf(change: SetStat, hasOtherMode: boolean): number {
  const { mode, uid, gid, size, atime, mtime } = change;
  const sets = (id: number | undefined): boolean => id !== undefined && id !== NO_ID;
  let events = hasOtherMode || mode !== undefined || sets(uid) || sets(gid) ? IN_ATTRIB : 0;
  if (size !== undefined) events |= IN_MODIFY;
  const setsAtime = atime !== undefined && atime.nsec !== UTIME_OMIT;
  const setsMtime = mtime !== undefined && mtime.nsec !== UTIME_OMIT;
  if (setsAtime && setsMtime) events |= IN_ATTRIB;
  else if (setsAtime) events |= IN_ACCESS;
  else if (setsMtime) events |= IN_MODIFY;
  return events;
}

function* setSize(fs: LocalTree, inode: Inode, size: number): Op<void> {
  if (size > FILE_SIZE_MAX) throw linuxerr.EFBIG;
  const data = inode.data;
  if (data === undefined) return;
  // Also at the same size: blocks that fallocate() put behind the end go.
  if (size <= inode.size) {
    const end = Math.ceil(size / CHUNK_SIZE);
    const inDropped = size === 0 ? data.blockCount : yield* fs.stored.countBlocksFrom(inode, end);
    // The chunk that stays in part must be here, so that what lies behind the end becomes zeros.
    yield* loadRange(fs, inode, { from: size, to: end * CHUNK_SIZE, isOverwritten: true });
    fs.releaseBlocks(data.truncate(size, inDropped));
  }
  inode.size = size;
}

function applyAttributes(fs: LocalTree, inode: Inode, change: SetStat, creds: Credentials): void {
  const now = fs.clock.now();
  const { mode, uid, gid, atime, mtime } = change;
  if (uid !== undefined || gid !== undefined) {
    inode.mode = withoutSetIds(creds, inode);
    if (uid !== undefined && uid !== NO_ID) inode.uid = uid;
    if (gid !== undefined && gid !== NO_ID) inode.gid = gid;
  }
  if (mode !== undefined) {
    inode.mode = (inode.mode & S_IFMT) | permissionsToSet(mode, inode.gid, creds);
  }
  if (atime !== undefined) inode.atime = timeToSet(atime, inode.atime, now);
  if (mtime !== undefined) inode.mtime = timeToSet(mtime, inode.mtime, now);
  inode.ctime = now;
  fs.inodeChanged(inode);
}

function permissionsToSet(mode: number, gid: number, creds: Credentials): number {
  const permissions = mode & S_PERMISSIONS;
  return creds.isPrivileged || creds.inGroup(gid) ? permissions : permissions & ~S_ISGID;
}

/** What will be other than it is, for who keeps the tree. Set-ID bits go there by themselves. */
function attributesAfter(
  fs: LocalTree,
  inode: Inode,
  change: SetStat,
  creds: Credentials,
): AttributeChange {
  const now = fs.clock.now();
  const { mode, uid, gid, size, atime, mtime } = change;
  // Where others change it too, what is known may not be so.
  const isOther = (id: number | undefined, current: number): boolean =>
    id !== undefined && id !== NO_ID && (fs.revalidates || id !== current);
  const isSet = (time: Timespec | undefined): time is Timespec =>
    time !== undefined && time.nsec !== UTIME_OMIT;
  const newGid = isOther(gid, inode.gid) ? gid : undefined;
  return {
    ...(mode !== undefined && { mode: permissionsToSet(mode, newGid ?? inode.gid, creds) }),
    ...(isOther(uid, inode.uid) && uid !== undefined && { uid }),
    ...(newGid !== undefined && { gid: newGid }),
    ...(size !== undefined && { size }),
    ...(isSet(atime) && { atime: timeToSet(atime, inode.atime, now) }),
    ...(isSet(mtime) && { mtime: timeToSet(mtime, inode.mtime, now) }),
  };
}

function timeToSet(wanted: Timespec, current: Timespec, now: Timespec): Timespec {
  if (wanted.nsec === UTIME_NOW) return now;
  return wanted.nsec === UTIME_OMIT ? current : wanted;
}
