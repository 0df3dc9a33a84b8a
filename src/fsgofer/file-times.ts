// Times of a file of the host. utimensat(2) has nanoseconds, Node has not.

import { UTIME_NOW, UTIME_OMIT } from '../abi/fcntl.ts';
import type { Timespec } from '../lib/clock.ts';
import { lutimes, utimes } from './node-fs.ts';
import type { Place } from './place.ts';

/** What isn't there stays as it is. */
export interface TimesChange {
  readonly atime: Timespec | 'now' | undefined;
  readonly mtime: Timespec | 'now' | undefined;
}

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
  return time === 'now' ? { sec: 0, nsec: UTIME_NOW } : time;
}

/**
 * What makes Node set a time as nearly as it can. Node wants seconds as a double, whose last bit is
 * a quarter of a microsecond these days. libuv before 1.50 cuts that to microseconds, so it must
 * not lie just below the one that is meant. Node takes the present time for a negative number, but
 * takes a Date as it is, which has milliseconds.
 */
export function nodeTime({ sec, nsec }: Timespec): number | Date {
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
