// Setting attributes of a file of the host, each by itself: one that fails keeps no other from
// being set. What can't be an attribute is noticed before any is set. Mirrors gVisor
// runsc/fsgofer/lisafs.go, SetStat().

import { constants } from 'node:fs';
import { LinuxError, linuxerr } from '../abi/errno.ts';
import { UTIME_NOW, UTIME_OMIT } from '../abi/fcntl.ts';
import {
  S_IFDIR,
  S_IFLNK,
  S_IFREG,
  S_ISGID,
  S_ISUID,
  S_PERMISSIONS,
  STATX_ATIME,
  STATX_GID,
  STATX_MODE,
  STATX_MTIME,
  STATX_SIZE,
  STATX_UID,
} from '../abi/stat.ts';
import type { Timespec } from '../lib/clock.ts';
import { checkTime, setTimes, type TimesChange } from './file-times.ts';
import { checkIds, checkSize } from './host-arguments.ts';
import { chmod, chown, fchmod, ftruncate, lchown } from './node-fs.ts';
import type { Place } from './place.ts';
import { IS_WINDOWS } from './windows.ts';

/** What isn't there stays as it is. */
export interface HostSetAttr {
  /** Permissions. */
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly size?: number;
  /** `nsec` may be UTIME_NOW or UTIME_OMIT. */
  readonly atime?: Timespec;
  readonly mtime?: Timespec;
}

export interface HostSetAttrResult {
  /** STATX_ bits of what could not be set. */
  readonly failureMask: number;
  /** Why the first of them could not. */
  readonly error: LinuxError | undefined;
}

/** Says to chown(2) that an id stays as it is. */
export const KEEP_ID = -1;

export async function setAttributes(place: Place, change: HostSetAttr): Promise<HostSetAttrResult> {
  const { mode, uid, gid, size, atime, mtime } = change;
  let failureMask = 0;
  let error: LinuxError | undefined;
  const attempt = async (mask: number, set: () => Promise<void> | void): Promise<void> => {
    if (mask === 0) return;
    try {
      await set();
    } catch (problem) {
      if (!(problem instanceof LinuxError)) throw problem;
      failureMask |= mask;
      error ??= problem;
    }
  };
  const times: TimesChange = { atime: wanted(atime), mtime: wanted(mtime) };
  const timesMask = bit(times.atime, STATX_ATIME) | bit(times.mtime, STATX_MTIME);
  const ownerMask = bit(uid, STATX_UID) | bit(gid, STATX_GID);
  const all = bit(mode, STATX_MODE) | bit(size, STATX_SIZE) | timesMask | ownerMask;
  await attempt(all, () => {
    checkChange(change);
  });
  if (error !== undefined) return { failureMask, error };
  // Before the mode: that may forbid to write, and ftruncate(2) takes the set-user-ID bit away.
  await attempt(bit(size, STATX_SIZE), () => setSize(place, size ?? 0));
  await attempt(bit(mode, STATX_MODE), () => setMode(place, mode ?? 0));
  await attempt(timesMask, () => setTimes(place, times));
  // The last, as afterwards the rest may no longer be allowed.
  await attempt(ownerMask, () => setOwner(place, uid, gid));
  // But chown(2) has taken these bits away.
  const isLost = ((mode ?? 0) & (S_ISUID | S_ISGID)) !== 0 && ownerMask !== 0;
  if (isLost && (failureMask & (STATX_MODE | ownerMask)) === 0) {
    await attempt(STATX_MODE, () => setMode(place, mode ?? 0));
  }
  return { failureMask, error };
}

/** Errors: EINVAL, EFBIG. */
function checkChange({ uid, gid, size, atime, mtime }: HostSetAttr): void {
  checkIds({ uid, gid });
  if (size !== undefined) checkSize(size);
  if (atime !== undefined) checkTime(atime);
  if (mtime !== undefined) checkTime(mtime);
}

function bit(value: unknown, mask: number): number {
  return value === undefined ? 0 : mask;
}

function wanted(time: Timespec | undefined): TimesChange['atime'] {
  if (time?.nsec === UTIME_NOW) return 'now';
  return time?.nsec === UTIME_OMIT ? undefined : time;
}

/** Errors: EOPNOTSUPP for a symbolic link, as Linux has it; chmod(2)'s. */
export async function setMode(place: Place, mode: number): Promise<void> {
  const permissions = mode & S_PERMISSIONS;
  const { type } = place.identity;
  if (type === S_IFLNK) throw linuxerr.EOPNOTSUPP;
  if (place.isPinned) {
    await place.withPath((path) => chmod(path, permissions));
    return;
  }
  // chmod() follows links, and there is no other; what can't be opened can't be helped.
  if (type !== S_IFREG && type !== S_IFDIR) throw linuxerr.EOPNOTSUPP;
  if (IS_WINDOWS) {
    // Whether a file may be written is all that it keeps, and sets by path alone.
    if (type === S_IFREG) await place.withPath((path) => chmod(path, permissions));
  } else await briefly(place, constants.O_RDONLY, (fd) => fchmod(fd, permissions));
}

/** Errors: EISDIR; EINVAL for what isn't a regular file; EACCES; ftruncate(2)'s. */
async function setSize(place: Place, size: number): Promise<void> {
  const { type } = place.identity;
  if (type === S_IFDIR) throw linuxerr.EISDIR;
  if (type !== S_IFREG) throw linuxerr.EINVAL;
  await briefly(place, constants.O_WRONLY, (fd) => ftruncate(fd, size));
}

/** A client that has no descriptors left can change its files all the same. */
function briefly(place: Place, flags: number, work: (fd: number) => Promise<void>): Promise<void> {
  return place.host.budget.briefly(async (source) => {
    const fd = await place.open(flags, source);
    try {
      await fd.use(work);
    } finally {
      await fd.close();
    }
  });
}

/** Errors: chown(2)'s. */
export async function setOwner(place: Place, uid = KEEP_ID, gid = KEEP_ID): Promise<void> {
  const set = place.isPinned ? chown : lchown;
  await place.withPath((path) => set(path, uid, gid));
}
