// The time of MS-DOS: two seconds' precision, from 1980 on, in whatever time zone.

import { type Timespec, timespecToMs } from '../lib/clock.ts';

const YEAR_MIN = 1980;
const YEAR_MAX = YEAR_MIN + 127;

export interface DosTime {
  readonly date: number;
  readonly time: number;
}

/** In this place's time zone. Times before 1980 and after 2107 become the nearest there is. */
export function toDosTime(time: Timespec): DosTime {
  const local = new Date(timespecToMs(time));
  const year = local.getFullYear();
  if (!(year >= YEAR_MIN)) return { date: (1 << 5) | 1, time: 0 };
  if (year > YEAR_MAX) return { date: (127 << 9) | (12 << 5) | 31, time: 0 };
  return {
    date: ((year - YEAR_MIN) << 9) | ((local.getMonth() + 1) << 5) | local.getDate(),
    time: (local.getHours() << 11) | (local.getMinutes() << 5) | (local.getSeconds() >> 1),
  };
}

export function fromDosTime({ date, time }: DosTime): Timespec {
  const local = new Date(
    YEAR_MIN + (date >> 9),
    ((date >> 5) & 15) - 1,
    date & 31,
    time >> 11,
    (time >> 5) & 63,
    (time & 31) * 2,
  );
  return { sec: Math.floor(local.getTime() / 1000), nsec: 0 };
}
