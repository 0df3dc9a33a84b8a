// File modes, types, and the records stat and statfs return. Linux: include/uapi/linux/stat.h.

import type { Timespec } from '../lib/clock.ts';

export const S_IFMT = 0o170000;
export const S_IFSOCK = 0o140000;
export const S_IFLNK = 0o120000;
export const S_IFREG = 0o100000;
export const S_IFBLK = 0o060000;
export const S_IFDIR = 0o040000;
export const S_IFCHR = 0o020000;
export const S_IFIFO = 0o010000;

export const S_ISUID = 0o4000;
export const S_ISGID = 0o2000;
export const S_ISVTX = 0o1000;
export const S_IXGRP = 0o010;
/** Everything chmod can change. */
export const S_PERMISSIONS = 0o7777;

/** Directory entry types: S_IFMT >> 12. Linux: include/linux/fs_types.h. */
export const DT_UNKNOWN = 0;
export const DT_FIFO = 1;
export const DT_CHR = 2;
export const DT_DIR = 4;
export const DT_BLK = 6;
export const DT_REG = 8;
export const DT_LNK = 10;
export const DT_SOCK = 12;

/** The DT_ constant of a mode. */
export function direntType(mode: number): number {
  return (mode & S_IFMT) >>> 12;
}

export interface Stat {
  readonly dev: number;
  readonly ino: number;
  /** Type and permissions. */
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly rdev: number;
  /** Bytes. */
  readonly size: number;
  /** Preferred I/O size in bytes. */
  readonly blksize: number;
  /** Space in use, in units of 512 bytes. */
  readonly blocks: number;
  readonly atime: Timespec;
  readonly mtime: Timespec;
  readonly ctime: Timespec;
  readonly btime: Timespec;
}

/** What statx(2) tells besides. */
export interface Statx extends Stat {
  /** STATX_ bits of what is filled in. */
  readonly mask: number;
  readonly mountId: number;
}

export const STATX_TYPE = 1;
export const STATX_MODE = 2;
export const STATX_NLINK = 4;
export const STATX_UID = 8;
export const STATX_GID = 0x10;
export const STATX_ATIME = 0x20;
export const STATX_MTIME = 0x40;
export const STATX_CTIME = 0x80;
export const STATX_INO = 0x100;
export const STATX_SIZE = 0x200;
export const STATX_BLOCKS = 0x400;
export const STATX_BASIC_STATS = 0x7ff;
export const STATX_BTIME = 0x800;
export const STATX_MNT_ID = 0x1000;
/** Not to be asked for. */
export const STATX_RESERVED = 0x8000_0000;
export const AT_STATX_FORCE_SYNC = 0x2000;
export const AT_STATX_DONT_SYNC = 0x4000;

/** statfs(2). Counts are in units of `bsize` bytes. */
export interface Statfs {
  readonly type: number;
  readonly bsize: number;
  readonly blocks: number;
  readonly bfree: number;
  readonly bavail: number;
  readonly files: number;
  readonly ffree: number;
  readonly namelen: number;
  /** ST_ flags of the mount. */
  readonly flags: number;
}

export const ST_RDONLY = 1;
export const ST_NOSUID = 2;
export const ST_NODEV = 4;
export const ST_NOEXEC = 8;
export const ST_NOATIME = 1024;

export const TMPFS_MAGIC = 0x01021994;
/** 'BURW'. */
export const IDBFS_MAGIC = 0x42555257;
export const DEVFS_MAGIC = 0x1373;

/** Device numbers as stat reports them. Linux: include/linux/kdev_t.h new_encode_dev(). */
export function makeDev(major: number, minor: number): number {
  return ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0;
}

/** Linux: include/linux/kdev_t.h new_decode_dev(). */
export function devMajor(dev: number): number {
  return (dev >>> 8) & 0xfff;
}

export function devMinor(dev: number): number {
  return (dev & 0xff) | ((dev >>> 12) & 0xfff00);
}
