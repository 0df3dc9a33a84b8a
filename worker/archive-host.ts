// Exports and imports on the kernel's side: each is a task of its own, so that nobody else's
// working directory and descriptors are in its way.

import { exportArchive } from '../src/archive/export-archive.ts';
import { importArchive } from '../src/archive/import-archive.ts';
import type { ArchiveSummary } from '../src/archive/options.ts';
import type { Kernel } from '../src/kernel/kernel.ts';
import { runAsync } from '../src/lib/op.ts';
import type { Syscalls } from '../src/syscalls/table.ts';
import type { Jobs } from './jobs.ts';
import type { ExportRequest, ImportRequest, OnArchiveProgress } from './protocol.ts';

export class ArchiveHost {
  readonly #jobs: Jobs;

  constructor(jobs: Jobs) {
    this.#jobs = jobs;
  }

  /** Errors: those of src/archive; EINTR once it is interrupted. */
  export(
    kernel: Kernel,
    request: ExportRequest,
    onProgress: OnArchiveProgress | undefined,
  ): Promise<void> {
    const { call, path, format, target } = request;
    return this.#run(kernel, call, (sys, signal) => {
      const options = { format, signal, onProgress: this.#jobs.seldom(onProgress) };
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
      const options = { format, preserveOwner, signal, onProgress: this.#jobs.seldom(onProgress) };
      return importArchive(sys, path, source, options);
    });
  }

  #run<T>(
    kernel: Kernel,
    call: number,
    work: (sys: Syscalls, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    return this.#jobs.run(call, async (signal) => {
      const { task, sys } = await runAsync(kernel.createTask({}));
      try {
        return await work(sys, signal);
      } finally {
        kernel.endTask(task);
      }
    });
  }
}
