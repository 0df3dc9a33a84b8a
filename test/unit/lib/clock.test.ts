// The clocks.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  compareTimespec,
  FakeClock,
  RealClock,
  timespecFromNs,
  timespecFromSeconds,
  timespecToMs,
  timespecToNs,
} from '../../../src/lib/clock.ts';

describe('FakeClock', () => {
  test('stands still until told otherwise', () => {
    const clock = new FakeClock({ startMs: 1500 });
    expect(clock.now()).toEqual({ sec: 1, nsec: 500_000_000 });
    expect(clock.now()).toEqual(clock.now());
    clock.advance(600);
    expect(clock.now()).toEqual({ sec: 2, nsec: 100_000_000 });
    expect(clock.monotonicMs()).toBe(2100);
  });

  test('makes moments distinct by its step, over the end of a second too', () => {
    const clock = new FakeClock({ startMs: 999, stepNs: 400_000 });
    const times = [clock.now(), clock.now(), clock.now()];
    expect(times).toEqual([
      { sec: 0, nsec: 999_400_000 },
      { sec: 0, nsec: 999_800_000 },
      { sec: 1, nsec: 200_000 },
    ]);
  });

  test('calls timers that are due, once; one that is cancelled or set meanwhile is not', () => {
    const clock = new FakeClock();
    const calls: string[] = [];
    clock.setTimer(5, () => {
      calls.push('first');
      cancelSecond();
      clock.setTimer(0, () => calls.push('set meanwhile'));
    });
    const cancelSecond = clock.setTimer(5, () => calls.push('second'));
    clock.setTimer(6, () => calls.push('later'));
    clock.advance(5);
    expect(calls).toEqual(['first']);
    clock.advance(1);
    expect(calls).toEqual(['first', 'later', 'set meanwhile']);
    clock.advance(100);
    expect(calls).toHaveLength(3);
  });
});

describe('RealClock', () => {
  test('tells the time of day, in whole nanoseconds', () => {
    const { sec, nsec } = new RealClock().now();
    expect(Math.abs(sec - Date.now() / 1000)).toBeLessThan(2);
    expect(Number.isInteger(nsec) && nsec >= 0 && nsec < 1e9).toBe(true);
  });

  test('never goes backwards by its monotonic reading', () => {
    const clock = new RealClock();
    const readings = Array.from({ length: 100 }, () => clock.monotonicMs());
    expect(readings).toEqual(readings.toSorted((a, b) => a - b));
  });

  test('calls a timer, and not one that was cancelled', async () => {
    const clock = new RealClock();
    const calls: string[] = [];
    clock.setTimer(0, () => calls.push('cancelled'))();
    await new Promise<void>((resolve) => {
      clock.setTimer(1, resolve);
    });
    expect(calls).toEqual([]);
  });
});

describe('timespec', () => {
  const nanoseconds = fc.bigInt({ min: -(2n ** 62n), max: 2n ** 62n });

  test('nanoseconds survive the way there and back, before 1970 too', () => {
    fc.assert(
      fc.property(nanoseconds, (ns) => {
        const time = timespecFromNs(ns);
        expect(time.nsec).toBeGreaterThanOrEqual(0);
        expect(time.nsec).toBeLessThan(1e9);
        expect(timespecToNs(time)).toBe(ns);
      }),
      { seed: 1 },
    );
  });

  test('compares as the nanoseconds do', () => {
    fc.assert(
      fc.property(nanoseconds, nanoseconds, (a, b) => {
        const wanted = a < b ? -1 : a > b ? 1 : 0;
        expect(compareTimespec(timespecFromNs(a), timespecFromNs(b))).toBe(wanted);
      }),
      { seed: 1 },
    );
  });

  test('takes seconds with fractions', () => {
    expect(timespecFromSeconds(1.5)).toEqual({ sec: 1, nsec: 500_000_000 });
    expect(timespecFromSeconds(-0.25)).toEqual({ sec: -1, nsec: 750_000_000 });
    expect(timespecFromSeconds(0.9999999999)).toEqual({ sec: 0, nsec: 999_999_999 });
    expect(timespecToMs({ sec: 2, nsec: 5_000_000 })).toBe(2005);
  });
});
