// Checking the times of utimensat(2). Linux: fs/utimes.c.

import { linuxerr } from '../abi/errno.ts';
import { UTIME_NOW, UTIME_OMIT } from '../abi/fcntl.ts';
import type { Timespec } from '../lib/clock.ts';

/**
 * False if both times are to stay: nothing is looked at then. Errors: EINVAL for nanoseconds out of
 * range.
 */
export function checkTimes(atime: Timespec, mtime: Timespec): boolean {
  for (const { nsec } of [atime, mtime]) {
    const isSpecial = nsec === UTIME_NOW || nsec === UTIME_OMIT;
    if (!isSpecial && !(nsec >= 0 && nsec < 1e9)) throw linuxerr.EINVAL;
  }
  return !(atime.nsec === UTIME_OMIT && mtime.nsec === UTIME_OMIT);
}
