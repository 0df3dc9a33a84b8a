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
  if (change.size === undefined) {
    const values = valuesToSet(fs, inode, change, creds);
    if (fs.upstream !== undefined) {
      yield* fs.upstream.setAttributes(inode, valuesToSend(fs, inode, values));
    }
    setValues(fs, inode, values, creds);
  } else {
    if (!inode.dataMutex.tryLock()) yield* inode.dataMutex.lock();
    try {
      yield* resize(fs, inode, { ...change, size: change.size }, creds);
    } finally {
      inode.dataMutex.unlock();
    }
  }
  return eventsOf(change, inode.mode !== modeBefore);
}

/** The caller holds the dataMutex. Once an upstream has changed the size, nothing waits. */
function* resize(
  fs: LocalTree,
  inode: Inode,
  change: SetStat & { readonly size: number },
  creds: Credentials,
): Op<void> {
  const { size } = change;
  if (size > FILE_SIZE_MAX) throw linuxerr.EFBIG;
  const { ctime } = inode;
  // Nothing to do and nothing to free: as on Linux's tmpfs. ext4 changes the times anyway.
  const isSame = size === inode.size && inode.data?.blockCount === 0;
  const keepsTimes = change.checkWrite === true && isSame;
  const { upstream } = fs;
  if (upstream === undefined) yield* setSize(fs, inode, size);
  const values = valuesToSet(fs, inode, change, creds);
  if (upstream !== undefined) {
    yield* upstream.setAttributes(inode, { ...valuesToSend(fs, inode, values), size });
    yield* setSize(fs, inode, size);
  }
  if (!creds.isPrivileged) inode.mode = withoutSetIds(creds, inode);
  if (!keepsTimes) inode.mtime = values.now;
  setValues(fs, inode, values, creds);
  if (keepsTimes) inode.ctime = ctime;
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

/** Waits for the store only. */
function* setSize(fs: LocalTree, inode: Inode, size: number): Op<void> {
  const data = inode.data;
  if (data === undefined) return;
  // Also at the same size: blocks that fallocate() put behind the end go.
  if (size <= inode.size) {
    const end = Math.ceil(size / CHUNK_SIZE);
    const inDropped = size === 0 ? data.blockCount : yield* fs.stored.countBlocksFrom(inode, end);
    // The chunk that stays in part must be here, so that what lies behind the end becomes zeros. An
    // upstream has cut it there.
    if (fs.upstream === undefined) {
      yield* loadRange(fs, inode, { from: size, to: end * CHUNK_SIZE, isOverwritten: true });
    }
    fs.releaseBlocks(data.truncate(size, inDropped));
  }
  inode.size = size;
}

/** What a change comes to: undefined is what stays as it is. */
interface Values {
  readonly mode: number | undefined;
  readonly uid: number | undefined;
  readonly gid: number | undefined;
  readonly atime: Timespec | undefined;
  readonly mtime: Timespec | undefined;
  readonly now: Timespec;
  /** Even a chown that changes no owner takes the set-ID bits. */
  readonly takesSetIds: boolean;
}

function valuesToSet(fs: LocalTree, inode: Inode, change: SetStat, creds: Credentials): Values {
  const now = fs.clock.now();
  const { mode, uid, gid, atime, mtime } = change;
  const newGid = gid === NO_ID ? undefined : gid;
  return {
    mode: mode === undefined ? undefined : permissionsToSet(mode, newGid ?? inode.gid, creds),
    uid: uid === NO_ID ? undefined : uid,
    gid: newGid,
    atime: timeToSet(atime, now),
    mtime: timeToSet(mtime, now),
    now,
    takesSetIds: uid !== undefined || gid !== undefined,
  };
}

function permissionsToSet(mode: number, gid: number, creds: Credentials): number {
  const permissions = mode & S_PERMISSIONS;
  return creds.isPrivileged || creds.inGroup(gid) ? permissions : permissions & ~S_ISGID;
}

function timeToSet(wanted: Timespec | undefined, now: Timespec): Timespec | undefined {
  if (wanted?.nsec === UTIME_NOW) return now;
  return wanted?.nsec === UTIME_OMIT ? undefined : wanted;
}

function setValues(fs: LocalTree, inode: Inode, values: Values, creds: Credentials): void {
  const { mode, uid, gid, atime, mtime, now, takesSetIds } = values;
  if (takesSetIds) inode.mode = withoutSetIds(creds, inode);
  if (uid !== undefined) inode.uid = uid;
  if (gid !== undefined) inode.gid = gid;
  if (mode !== undefined) inode.mode = (inode.mode & S_IFMT) | mode;
  if (atime !== undefined) inode.atime = atime;
  if (mtime !== undefined) inode.mtime = mtime;
  inode.ctime = now;
  fs.inodeChanged(inode);
}

/** For who keeps the tree. Set-ID bits that are taken go there by themselves. */
function valuesToSend(fs: LocalTree, inode: Inode, values: Values): AttributeChange {
  const { mode, uid, gid, atime, mtime } = values;
  // Where others change it too, what is known may not be so.
  const isOther = (id: number, current: number): boolean => fs.revalidates || id !== current;
  return {
    ...(mode !== undefined && { mode }),
    ...(uid !== undefined && isOther(uid, inode.uid) && { uid }),
    ...(gid !== undefined && isOther(gid, inode.gid) && { gid }),
    ...(atime !== undefined && { atime }),
    ...(mtime !== undefined && { mtime }),
  };
}
