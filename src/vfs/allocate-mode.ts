// The modes of fallocate(2): which FALLOC_FL_ flags go together. Linux: vfs_fallocate().

import { linuxerr } from '../abi/errno.ts';
import {
  FALLOC_FL_COLLAPSE_RANGE,
  FALLOC_FL_INSERT_RANGE,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_UNSHARE_RANGE,
  FALLOC_FL_ZERO_RANGE,
} from '../abi/fcntl.ts';

/** Errors: EOPNOTSUPP. */
export function checkAllocateMode(mode: number): void {
  const kind = mode & ~FALLOC_FL_KEEP_SIZE;
  const keepsSize = (mode & FALLOC_FL_KEEP_SIZE) !== 0;
  switch (kind) {
    case 0:
    case FALLOC_FL_ZERO_RANGE:
    case FALLOC_FL_UNSHARE_RANGE:
      return;
    case FALLOC_FL_PUNCH_HOLE:
      if (keepsSize) return;
      break;
    case FALLOC_FL_COLLAPSE_RANGE:
    case FALLOC_FL_INSERT_RANGE:
      if (!keepsSize) return;
      break;
    default:
  }
  throw linuxerr.EOPNOTSUPP;
}
