// Time. The only file that asks the platform what time it is.

/**
 * A point in time: seconds since 1970 (may be negative) and 0 ≤ nsec < 1e9. Never changed in place.
 */
export interface Timespec {
  readonly sec: number;
  readonly nsec: number;
}

const EPOCH: Timespec = Object.freeze({ sec: 0, nsec: 0 });

export interface Clock {
  /** The time of day. */
  now(): Timespec;
  /** The seconds of now(), for less. */
  seconds(): number;
  /** Milliseconds from some start, never going backwards. */
  monotonicMs(): number;
  /** Calls `callback` once after `ms` milliseconds. Returns a function that cancels. */
  setTimer(ms: number, callback: () => void): () => void;
}

/** The longest delay the platform's timers take. */
const TIMER_MAX_MS = 0x7fff_ffff;

/** Held here: looking up the global costs more than the call (250 ns in Chromium's workers). */
const { performance: ticker } = globalThis;

/** How far the two clocks may be apart: the ticker stands still while a computer sleeps. */
const DRIFT_MAX_MS = 20;
/** How often that is looked at. */
const CHECK_INTERVAL_MS = 500;

/** The platform's clock. Repeated calls within one tick return the same object. */
export class RealClock implements Clock {
  /** What the ticker's zero is in milliseconds since 1970. */
  #originMs = ticker.timeOrigin;
  #nextCheckMs = 0;
  #lastTickMs = -1;
  #last: Timespec = EPOCH;

  now(): Timespec {
    const tickMs = ticker.now();
    if (tickMs === this.#lastTickMs) return this.#last;
    if (tickMs >= this.#nextCheckMs) this.#check(tickMs);
    const ms = this.#originMs + tickMs;
    const sec = Math.floor(ms / 1000);
    this.#lastTickMs = tickMs;
    this.#last = { sec, nsec: Math.min(999_999_999, Math.round((ms - sec * 1000) * 1e6)) };
    return this.#last;
  }

  seconds(): number {
    const tickMs = ticker.now();
    if (tickMs >= this.#nextCheckMs) this.#check(tickMs);
    return Math.floor((this.#originMs + tickMs) / 1000);
  }

  /** Date is what users see: the ticker follows it when they part. */
  #check(tickMs: number): void {
    const dateMs = Date.now();
    if (Math.abs(this.#originMs + tickMs - dateMs) > DRIFT_MAX_MS) this.#originMs = dateMs - tickMs;
    this.#nextCheckMs = tickMs + CHECK_INTERVAL_MS;
  }

  monotonicMs(): number {
    return ticker.now();
  }

  setTimer(ms: number, callback: () => void): () => void {
    const timer = setTimeout(callback, Math.min(ms, TIMER_MAX_MS));
    return () => {
      clearTimeout(timer);
    };
  }
}

/**
 * A clock for tests: stands still until told otherwise; each now() may be made distinct by
 * `stepNs`.
 */
export class FakeClock implements Clock {
  #ms: number;
  #nsec = 0;
  readonly #timers = new Set<{ readonly at: number; readonly callback: () => void }>();
  stepNs: number;

  constructor(options: { startMs?: number; stepNs?: number } = {}) {
    this.#ms = options.startMs ?? 1_700_000_000_000;
    this.stepNs = options.stepNs ?? 0;
  }

  now(): Timespec {
    this.#nsec += this.stepNs;
    const totalNs = (this.#ms % 1000) * 1e6 + this.#nsec;
    return {
      sec: Math.floor(this.#ms / 1000) + Math.floor(totalNs / 1e9),
      nsec: totalNs % 1_000_000_000,
    };
  }

  seconds(): number {
    return Math.floor((this.#ms + this.#nsec / 1e6) / 1000);
  }

  monotonicMs(): number {
    return this.#ms;
  }

  setTimer(ms: number, callback: () => void): () => void {
    const timer = { at: this.#ms + ms, callback };
    this.#timers.add(timer);
    return () => {
      this.#timers.delete(timer);
    };
  }

  /** Lets time pass and calls the timers that are due. */
  advance(ms: number): void {
    this.#ms += ms;
    for (const timer of [...this.#timers]) {
      if (timer.at > this.#ms || !this.#timers.delete(timer)) continue;
      timer.callback();
    }
  }
}

/** -1, 0 or 1 as `a` is before, at or after `b`. */
export function compareTimespec(a: Timespec, b: Timespec): number {
  return Math.sign(a.sec - b.sec || a.nsec - b.nsec);
}

export function timespecFromNs(ns: bigint): Timespec {
  const nsec = Number(((ns % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n);
  return { sec: Number((ns - BigInt(nsec)) / 1_000_000_000n), nsec };
}

export function timespecToNs(time: Timespec): bigint {
  return BigInt(time.sec) * 1_000_000_000n + BigInt(time.nsec);
}

export function timespecToMs(time: Timespec): number {
  return time.sec * 1000 + time.nsec / 1e6;
}

/**
 * Node's convention: a Date, a bigint of nanoseconds, or a number of seconds (fractions allowed).
 */
export function timespecFromSeconds(seconds: number): Timespec {
  const sec = Math.floor(seconds);
  return { sec, nsec: Math.min(999_999_999, Math.round((seconds - sec) * 1e9)) };
}
