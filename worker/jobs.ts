// Jobs: long work on behalf of the page, which it can interrupt by the number of its call.

import { linuxerr } from '../src/abi/errno.ts';
import type { Clock } from '../src/lib/clock.ts';

/** Between two messages to the page about the progress. */
const PROGRESS_INTERVAL_MS = 50;

interface Job {
  readonly abort: AbortController;
  readonly ended: Promise<void>;
}

export class Jobs {
  readonly #clock: Clock;
  readonly #jobs = new Map<number, Job>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Errors: those of `work`, whose signal aborts with EINTR once it is interrupted. */
  async run<T>(call: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const abort = new AbortController();
    let end = (): void => undefined;
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    this.#jobs.set(call, { abort, ended });
    try {
      return await work(abort.signal);
    } finally {
      this.#jobs.delete(call);
      end();
    }
  }

  interrupt(call: number): void {
    this.#jobs.get(call)?.abort.abort(linuxerr.EINTR);
  }

  /** Interrupts all, and resolves when they have ended. */
  async shutdown(): Promise<void> {
    for (const call of this.#jobs.keys()) this.interrupt(call);
    await Promise.all([...this.#jobs.values()].map(({ ended }) => ended));
  }

  /** The page has no use for a message a file. */
  seldom<T>(onProgress: ((progress: T) => void) | undefined): ((progress: T) => void) | undefined {
    if (onProgress === undefined) return undefined;
    let lastMs = -Infinity;
    return (progress) => {
      const nowMs = this.#clock.monotonicMs();
      if (nowMs - lastMs < PROGRESS_INTERVAL_MS) return;
      lastMs = nowMs;
      onProgress(progress);
    };
  }
}
