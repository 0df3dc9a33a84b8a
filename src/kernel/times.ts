// The times of utimensat(2). Linux: fs/utimes.c.

import { UTIME_OMIT } from '../abi/fcntl.ts';
import type { Timespec } from '../lib/clock.ts';

/** Both times are to stay: then nothing is looked at, not even the path. */
export function areOmitted(atime: Timespec, mtime: Timespec): boolean {
  return atime.nsec === UTIME_OMIT && mtime.nsec === UTIME_OMIT;
}
