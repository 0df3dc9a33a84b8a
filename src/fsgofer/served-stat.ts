// Attributes and counts between lisafs and the host's side, where they aren't the same.

import { linuxerr } from '../abi/errno.ts';
import { UTIME_NOW, UTIME_OMIT } from '../abi/fcntl.ts';
import {
  STATX_ATIME,
  STATX_GID,
  STATX_MODE,
  STATX_MTIME,
  STATX_SIZE,
  STATX_UID,
} from '../abi/stat.ts';
import type { Timespec } from '../lib/clock.ts';
import { type AttributeChanges, NO_ID, type ServedStatfs } from '../served/served-file.ts';
import type { HostStatfs } from './host-stat.ts';
import type { HostSetAttr } from './set-attributes.ts';

const NSEC_MAX = 999_999_999;

/** Errors: EINVAL for a time that is none. */
export function toHostSetAttr(changes: AttributeChanges): HostSetAttr {
  const { mask, mode, uid, gid, size, atime, mtime } = changes;
  const has = (bit: number): boolean => (mask & bit) !== 0;
  return {
    ...(has(STATX_MODE) && { mode }),
    ...(has(STATX_UID) && uid !== NO_ID && { uid }),
    ...(has(STATX_GID) && gid !== NO_ID && { gid }),
    ...(has(STATX_SIZE) && { size }),
    ...(has(STATX_ATIME) && { atime: checkTime(atime) }),
    ...(has(STATX_MTIME) && { mtime: checkTime(mtime) }),
  };
}

function checkTime(time: Timespec): Timespec {
  const { nsec } = time;
  const isTime = nsec >= 0 && nsec <= NSEC_MAX;
  if (!isTime && nsec !== UTIME_NOW && nsec !== UTIME_OMIT) throw linuxerr.EINVAL;
  return time;
}

export function fromHostStatfs(statfs: HostStatfs): ServedStatfs {
  const { type, bsize, blocks, bfree, bavail, files, ffree, namelen } = statfs;
  return {
    type,
    blockSize: bsize,
    blocks: BigInt(blocks),
    bfree: BigInt(bfree),
    bavail: BigInt(bavail),
    files: BigInt(files),
    ffree: BigInt(ffree),
    nameLen: namelen,
  };
}
