// Who may do what. Mirrors gVisor pkg/sentry/vfs/permissions.go; Linux: fs/namei.c
// generic_permission(), may_delete(), check_sticky(), may_linkat(); fs/attr.c setattr_prepare().

import { linuxerr } from '../abi/errno.ts';
import { O_ACCMODE, O_RDONLY, O_TRUNC, O_WRONLY } from '../abi/fcntl.ts';
import { S_IFDIR, S_IFMT, S_IFREG, S_ISGID, S_ISUID, S_ISVTX, S_IXGRP } from '../abi/stat.ts';
import { type Credentials, NO_ID } from '../auth/credentials.ts';
import { UTIME_NOW, UTIME_OMIT } from '../abi/fcntl.ts';
import type { SetStat } from './options.ts';

/** Bits of an access check, as in mode bits. */
export const MAY_EXEC = 1;
export const MAY_WRITE = 2;
export const MAY_READ = 4;

/** What permission checks look at. */
export interface Owned {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** Exactly one class of bits is consulted: owner's, else the group's, else the others'. */
function mayAccess(creds: Credentials, file: Owned, bits: number): boolean {
  let granted = file.mode;
  if (creds.uid === file.uid) granted >>= 6;
  else if (creds.inGroup(file.gid)) granted >>= 3;
  if ((granted & bits) === bits) return true;
  if (!creds.isPrivileged) return false;
  // CAP_DAC_OVERRIDE: everything except executing a file nobody may execute.
  return (file.mode & S_IFMT) === S_IFDIR || (bits & MAY_EXEC) === 0 || (file.mode & 0o111) !== 0;
}

/** Errors: EACCES. */
export function checkAccess(creds: Credentials, file: Owned, bits: number): void {
  if (!mayAccess(creds, file, bits)) throw linuxerr.EACCES;
}

/** The access an open asks for. Access mode 3 wants both and gives neither (Linux: fs/open.c). */
export function accessOfOpenFlags(flags: number): number {
  const mode = flags & O_ACCMODE;
  const write = mode !== O_RDONLY || (flags & O_TRUNC) !== 0;
  return (mode === O_WRONLY ? 0 : MAY_READ) | (write ? MAY_WRITE : 0);
}

/** May chmod, set times and remove from sticky directories: the owner or CAP_FOWNER. */
export function isOwner(creds: Credentials, file: Owned): boolean {
  return creds.uid === file.uid || creds.isPrivileged;
}

/** Errors: EPERM when `dir` is sticky and neither it nor `child` is the caller's. */
export function checkSticky(creds: Credentials, dir: Owned, child: Owned): void {
  if ((dir.mode & S_ISVTX) === 0) return;
  if (creds.uid === child.uid || creds.uid === dir.uid || creds.isPrivileged) return;
  throw linuxerr.EPERM;
}

/**
 * Errors: EPERM as with Linux's protected_hardlinks: only one's own files, or plain readable and
 * writable ones.
 */
export function checkMayLink(creds: Credentials, file: Owned): void {
  if (isOwner(creds, file)) return;
  if ((file.mode & S_IFMT) !== S_IFREG) throw linuxerr.EPERM;
  if ((file.mode & S_ISUID) !== 0) throw linuxerr.EPERM;
  if ((file.mode & (S_ISGID | S_IXGRP)) === (S_ISGID | S_IXGRP)) throw linuxerr.EPERM;
  if (!mayAccess(creds, file, MAY_READ | MAY_WRITE)) throw linuxerr.EPERM;
}

/**
 * Checks a change of attributes.
 *
 * Errors, first one wins:
 *  - EPERM: mode by a non-owner, or ids of a file with set-id bits; uid by anyone but root (the
 *    owner may set it to itself); gid by a non-owner or to a group the owner isn't in; times other
 *    than "now" by a non-owner.
 *  - EACCES: size or times set to "now" without write permission.
 */
export function checkSetStat(creds: Credentials, file: Owned, change: SetStat): void {
  const { uid, gid, mode, size } = change;
  if (uid !== undefined && uid !== NO_ID && !creds.isPrivileged) {
    if (creds.uid !== file.uid || uid !== file.uid) throw linuxerr.EPERM;
  }
  if (gid !== undefined && gid !== NO_ID && !creds.isPrivileged) {
    const allowed = creds.uid === file.uid && (gid === file.gid || creds.inGroup(gid));
    if (!allowed) throw linuxerr.EPERM;
  }
  // Even a chown that changes no owner takes the set-id bits, which is a change of the mode.
  const takesSetIds =
    (uid !== undefined || gid !== undefined) && withoutSetIds(creds, file) !== file.mode;
  if ((mode !== undefined || takesSetIds) && !isOwner(creds, file)) throw linuxerr.EPERM;
  if (size !== undefined && change.checkWrite) checkAccess(creds, file, MAY_WRITE);
  checkSetTimes(creds, file, change);
}

/** Errors: EINVAL for nanoseconds out of range. Linux: vfs_utimes(), once the file is found. */
export function checkNanoseconds({ atime, mtime }: SetStat): void {
  for (const time of [atime, mtime]) {
    if (time === undefined || time.nsec === UTIME_NOW || time.nsec === UTIME_OMIT) continue;
    if (!(time.nsec >= 0 && time.nsec < 1e9)) throw linuxerr.EINVAL;
  }
}

export function isSetToNow({ atime, mtime }: SetStat): boolean {
  return atime?.nsec === UTIME_NOW && mtime?.nsec === UTIME_NOW;
}

function checkSetTimes(creds: Credentials, file: Owned, change: SetStat): void {
  const { atime, mtime } = change;
  if (atime === undefined || mtime === undefined) return;
  if (isOwner(creds, file)) return;
  const isOmitted = atime.nsec === UTIME_OMIT && mtime.nsec === UTIME_OMIT;
  if (isOmitted) return;
  if (!isSetToNow(change)) throw linuxerr.EPERM;
  checkAccess(creds, file, MAY_WRITE);
}

export const TRUSTED_PREFIX = 'trusted.';

/**
 * Checks access to an extended attribute. Linux: fs/xattr.c xattr_permission().
 *
 * Errors, first one wins:
 *  - EPERM (ENODATA for reading) for trusted. without privilege.
 *  - EPERM (ENODATA for reading) for user. on what is neither a file nor a directory.
 *  - EPERM for writing user. on someone else's sticky directory.
 *  - EPERM for writing security. without privilege.
 *  - EACCES without read or write permission on the file (not asked for security. and system.).
 */
export function checkXattr(
  creds: Credentials,
  file: Owned,
  name: string,
  { isWrite }: { readonly isWrite: boolean },
): void {
  if (name.startsWith('security.')) {
    if (isWrite && !creds.isPrivileged) throw linuxerr.EPERM;
    return;
  }
  if (name.startsWith(TRUSTED_PREFIX)) {
    if (!creds.isPrivileged) throw isWrite ? linuxerr.EPERM : linuxerr.ENODATA;
    return;
  }
  if (name.startsWith('system.')) return;
  const isUser = name.startsWith('user.');
  const type = file.mode & S_IFMT;
  if (isUser && type !== S_IFREG && type !== S_IFDIR) {
    throw isWrite ? linuxerr.EPERM : linuxerr.ENODATA;
  }
  const isSticky = type === S_IFDIR && (file.mode & S_ISVTX) !== 0;
  if (isUser && isSticky && isWrite && !isOwner(creds, file)) throw linuxerr.EPERM;
  checkAccess(creds, file, isWrite ? MAY_WRITE : MAY_READ);
}

/**
 * The mode after a write, truncation or chown by someone: set-id bits go. Not for directories.
 * Setgid of a file that its group may not execute stays with those in the group. Linux:
 * setattr_should_drop_sgid().
 */
export function withoutSetIds(creds: Credentials, { mode, gid }: Owned): number {
  if ((mode & S_IFMT) === S_IFDIR) return mode;
  let cleared = mode & ~S_ISUID;
  const keepsSetgid = creds.isPrivileged || creds.inGroup(gid);
  if ((mode & S_IXGRP) !== 0 || !keepsSetgid) cleared &= ~S_ISGID;
  return cleared;
}
