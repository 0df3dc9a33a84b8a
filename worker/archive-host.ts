// Exports and imports on the kernel's side: each is a task of its own, so that nobody else's
// working directory and descriptors are in its way.

import { exportArchive } from '../src/archive/export-archive.ts';
import { importArchive } from '../src/archive/import-archive.ts';
import type { ArchiveSummary } from '../src/archive/options.ts';
import { linuxerr } from '../src/abi/errno.ts';
import type { Kernel } from '../src/kernel/kernel.ts';
import type { Clock } from '../src/lib/clock.ts';
import { runAsync } from '../src/lib/op.ts';
import type { Syscalls } from '../src/syscalls/table.ts';
import type { ExportRequest, ImportRequest, OnArchiveProgress } from './protocol.ts';

/** Between two messages to the page about the progress. */
const PROGRESS_INTERVAL_MS = 50;

interface Job {
  readonly abort: AbortController;
  readonly ended: Promise<void>;
}

export class ArchiveHost {
  readonly #clock: Clock;
  readonly #jobs = new Map<number, Job>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Errors: those of src/archive; EINTR once it is interrupted. */
  export(
    kernel: Kernel,
    request: ExportRequest,
    onProgress: OnArchiveProgress | undefined,
  ): Promise<void> {
    const { call, path, format, target } = request;
    return this.#run(kernel, call, (sys, signal) => {
      const options = { format, signal, onProgress: this.#seldom(onProgress) };
      return exportArchive(sys, path, target, options);
    });
  }

  /** Errors: as export(). */
  import(
    kernel: Kernel,
    request: ImportRequest,
    onProgress: OnArchiveProgress | undefined,
  ): Promise<ArchiveSummary> {
    const { call, path, source, format, preserveOwner } = request;
    return this.#run(kernel, call, (sys, signal) => {
      const options = { format, preserveOwner, signal, onProgress: this.#seldom(onProgress) };
      return importArchive(sys, path, source, options);
    });
  }

  async #run<T>(
    kernel: Kernel,
    call: number,
    work: (sys: Syscalls, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const abort = new AbortController();
    let end = (): void => undefined;
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    this.#jobs.set(call, { abort, ended });
    try {
      const { task, sys } = await runAsync(kernel.createTask({}));
      try {
        return await work(sys, abort.signal);
      } finally {
        kernel.endTask(task);
      }
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
  #seldom(onProgress: OnArchiveProgress | undefined): OnArchiveProgress | undefined {
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
