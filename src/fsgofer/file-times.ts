// Times of a file of the host. utimensat(2) has nanoseconds, Node has not.

import { linuxerr } from '../abi/errno.ts';
import { UTIME_NOW, UTIME_OMIT } from '../abi/fcntl.ts';
import type { Timespec } from '../lib/clock.ts';
import { lutimes, utimes } from './node-fs.ts';
import type { Place } from './place.ts';

/** What isn't there stays as it is. */
export interface TimesChange {
  readonly atime: Timespec | 'now' | undefined;
  readonly mtime: Timespec | 'now' | undefined;
}

const NSEC_PER_SEC = 1_000_000_000;
/** Seconds of a Date, both ways: 270,000 years. */
const DATE_SEC_MAX = 8_640_000_000_000;

/** Errors: EINVAL for nanoseconds that are none, as utimensat(2) has it, or a part of a second. */
export function checkTime({ sec, nsec }: Timespec): void {
  if (nsec === UTIME_NOW || nsec === UTIME_OMIT) return;
  const isNsec = Number.isInteger(nsec) && nsec >= 0 && nsec < NSEC_PER_SEC;
  if (!isNsec || Math.floor(sec) !== sec) throw linuxerr.EINVAL;
}

/**
 * Linux gives a file the time nearest to the one wanted that its filesystem has (fs/inode.c
 * timestamp_truncate()). So is it here, where only exact numbers are told, and Node has a Date's.
 */
function clamped({ sec, nsec }: Timespec, secMax: number): Timespec {
  return { sec: Math.min(Math.max(sec, -secMax), secMax), nsec };
}

/** The times are known to be some: checkTime(). */
export async function setTimes(place: Place, change: TimesChange): Promise<void> {
  const { setTimes: setExactly } = place.host.calls;
  if (setExactly !== undefined && place.isPinned) {
    const times = { atime: exactly(change.atime), mtime: exactly(change.mtime) };
    await place.withPath((path) => setExactly(path, times));
    return;
  }
  // Node sets both or none. Setting a time to what it is costs it its last digits.
  const isPartial = change.atime === undefined || change.mtime === undefined;
  const current = isPartial ? await place.stat() : undefined;
  const now = place.host.clock.now();
  const [atime, mtime] = (['atime', 'mtime'] as const).map((which) => {
    const time = change[which] ?? current?.[which] ?? now;
    return nodeTime(time === 'now' ? now : time);
  }) as [number | Date, number | Date];
  const set = place.isPinned ? utimes : lutimes;
  await place.withPath((path) => set(path, atime, mtime));
}

function exactly(time: Timespec | 'now' | undefined): Timespec {
  if (time === undefined) return { sec: 0, nsec: UTIME_OMIT };
  return time === 'now' ? { sec: 0, nsec: UTIME_NOW } : clamped(time, Number.MAX_SAFE_INTEGER);
}

/**
 * What makes Node set a time as nearly as it can. Node wants seconds as a double, whose last bit is
 * a quarter of a microsecond these days. libuv before 1.50 cuts that to microseconds, so it must
 * not lie just below the one that is meant. Node takes the present time for a negative number, but
 * takes a Date as it is, which has milliseconds.
 */
export function nodeTime(time: Timespec): number | Date {
  const { sec, nsec } = clamped(time, DATE_SEC_MAX);
  if (sec < 0) return new Date(sec * 1000 + Math.floor(nsec / 1e6));
  const usec = sec * 1e6 + Math.floor(nsec / 1000);
  let seconds = sec + nsec / 1e9;
  while (Math.floor(seconds * 1e6) < usec) seconds += ulpOf(seconds);
  return seconds;
}

/** The distance to the next double, or twice that. */
function ulpOf(value: number): number {
  return Math.max(value * Number.EPSILON, Number.MIN_VALUE);
}
