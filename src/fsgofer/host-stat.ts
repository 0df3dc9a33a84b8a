// What the host says of a file, with all bits of its numbers.

import type { BigIntStats, BigIntStatsFs } from 'node:fs';
import { linuxerr } from '../abi/errno.ts';
import { NAME_MAX } from '../abi/limits.ts';
import { S_IFMT, type Statfs, STATX_BASIC_STATS, STATX_BTIME } from '../abi/stat.ts';
import { timespecFromNs } from '../lib/clock.ts';
import type { Statx } from '../served/served-file.ts';
import { IS_WINDOWS, posixMode } from './windows.ts';

/** Node tells no attributes (STATX_ATTR_ bits). */
const NO_ATTRIBUTES = 0n;

/** Errors: EOVERFLOW for a size that is no exact number. */
export function hostStatOf(stats: BigIntStats): Statx {
  const size = Number(stats.size);
  if (!Number.isSafeInteger(size)) throw linuxerr.EOVERFLOW;
  return {
    // Node says 0 where it isn't known.
    mask: STATX_BASIC_STATS | (stats.birthtimeNs === 0n ? 0 : STATX_BTIME),
    attributes: NO_ATTRIBUTES,
    attributesMask: NO_ATTRIBUTES,
    mode: IS_WINDOWS ? posixMode(Number(stats.mode)) : Number(stats.mode),
    nlink: Number(stats.nlink),
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    ino: BigInt.asUintN(64, stats.ino),
    devMajor: majorOf(stats.dev),
    devMinor: minorOf(stats.dev),
    rdevMajor: majorOf(stats.rdev),
    rdevMinor: minorOf(stats.rdev),
    size,
    blksize: Number(stats.blksize),
    blocks: Number(stats.blocks),
    atime: timespecFromNs(stats.atimeNs),
    mtime: timespecFromNs(stats.mtimeNs),
    ctime: timespecFromNs(stats.ctimeNs),
    btime: timespecFromNs(stats.birthtimeNs),
  };
}

/** glibc: gnu_dev_major(). */
function majorOf(dev: bigint): number {
  return Number(((dev >> 8n) & 0xfffn) | ((dev >> 32n) & 0xffff_f000n));
}

/** glibc: gnu_dev_minor(). */
function minorOf(dev: bigint): number {
  return Number((dev & 0xffn) | ((dev >> 12n) & 0xffff_ff00n));
}

/** Without the flags, which Node doesn't tell. */
export type HostStatfs = Omit<Statfs, 'flags'>;

export function hostStatfsOf(stats: BigIntStatsFs): HostStatfs {
  return {
    type: Number(stats.type),
    bsize: Number(stats.bsize),
    blocks: Number(stats.blocks),
    bfree: Number(stats.bfree),
    bavail: Number(stats.bavail),
    files: Number(stats.files),
    ffree: Number(stats.ffree),
    // Node doesn't tell; hosts' filesystems have no more.
    namelen: NAME_MAX,
  };
}

/** Which file it is, for as long as that is held open or has a name. */
export interface Identity {
  readonly dev: bigint;
  readonly ino: bigint;
  /** S_IFMT bits. */
  readonly type: number;
}

export function identityOf({ dev, ino, mode }: BigIntStats): Identity {
  return { dev, ino, type: Number(mode) & S_IFMT };
}

export function isSameFile(a: Identity, b: Identity): boolean {
  return a.dev === b.dev && a.ino === b.ino && a.type === b.type;
}
