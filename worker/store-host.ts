// Checks, repairs and images on the kernel's side.

import { ArchiveError } from '../src/archive/archive-error.ts';
import { isEmptyStore } from '../src/fs/idbfs/check.ts';
import { exportImage } from '../src/image/export-image.ts';
import { importImage } from '../src/image/import-image.ts';
import type {
  CheckProgress,
  CheckResult,
  ImageProgress,
  ImageSummary,
  RepairOptions,
  RepairResult,
} from '../src/image/options.ts';
import type { Kernel } from '../src/kernel/kernel.ts';
import { timespecToMs } from '../src/lib/clock.ts';
import { type Interruption, runAsync } from '../src/lib/op.ts';
import { loadChecksum } from '../src/store/engine/checksum.ts';
import type { Jobs } from './jobs.ts';
import type { CheckRequest, ExportImageRequest, ImportImageRequest } from './protocol.ts';

export class StoreHost {
  readonly #jobs: Jobs;
  /** Calls that the page has no numbers for get negative ones. */
  #lastRepair = 0;

  constructor(jobs: Jobs) {
    this.#jobs = jobs;
  }

  /** Errors: those of Kernel.persistentAt(); EIO; EINTR once it is interrupted. */
  check(
    kernel: Kernel,
    { call, path }: CheckRequest,
    onProgress: ((progress: CheckProgress) => void) | undefined,
  ): Promise<CheckResult> {
    return this.#jobs.run(call, async (signal) => {
      const { filesystem } = await runAsync(kernel.persistentAt(path));
      const options = { onProgress: this.#jobs.seldom(onProgress) };
      return await runAsync(filesystem.check(options), interruptionBy(signal));
    });
  }

  /** Errors: those of Kernel.repair(). */
  repair(kernel: Kernel, source: string, options: RepairOptions): Promise<RepairResult> {
    // Not to be interrupted; but a shutdown waits for it.
    const { dryRun = false, discardDamaged = false } = options;
    return this.#jobs.run(--this.#lastRepair, async () => {
      const result = await runAsync(kernel.repair(source, { dryRun, discardDamaged }));
      return { ...result, dryRun };
    });
  }

  /** Errors: as check(); those of exportImage(). */
  exportImage(
    kernel: Kernel,
    { call, path, target, gzip }: ExportImageRequest,
    onProgress: ((progress: ImageProgress) => void) | undefined,
  ): Promise<void> {
    return this.#jobs.run(call, async (signal) => {
      try {
        const { filesystem, source } = await runAsync(kernel.persistentAt(path));
        const view = await runAsync(filesystem.view());
        const exportedAt = Math.floor(timespecToMs(kernel.clock.now()));
        try {
          const from = { view, source, exportedAt, checksum: await loadChecksum() };
          const options = { gzip, signal, onProgress: this.#jobs.seldom(onProgress) };
          await exportImage(from, target, options);
        } finally {
          view.close();
        }
      } catch (error) {
        if (!target.locked) target.abort(error).catch(() => undefined);
        throw error;
      }
    });
  }

  /** Errors: those of Kernel.openUnmounted() and importImage(); ArchiveError ENOTEMPTY. */
  importImage(
    kernel: Kernel,
    { call, source, image, overwrite }: ImportImageRequest,
    onProgress: ((progress: ImageProgress) => void) | undefined,
  ): Promise<ImageSummary> {
    return this.#jobs.run(call, async (signal) => {
      const store = await runAsync(kernel.openUnmounted(source));
      try {
        const { subvolumes } = store;
        if (subvolumes !== undefined && (await runAsync(subvolumes.list())).length > 0) {
          const message = 'it has snapshots, which an import would give up: delete them first';
          throw new ArchiveError('EBUSY', message);
        }
        if (!overwrite && !(await runAsync(isEmptyStore(store)))) {
          const message = 'there are files in it, which { overwrite: true } would replace';
          throw new ArchiveError('ENOTEMPTY', message);
        }
        const stream = image instanceof Blob ? image.stream() : image;
        const checksum = await loadChecksum();
        const options = { signal, checksum, onProgress: this.#jobs.seldom(onProgress) };
        return await importImage(store, stream, options);
      } finally {
        await runAsync(store.close());
      }
    });
  }
}

/** Ends an Op where it waits, once the signal aborts. */
function interruptionBy(signal: AbortSignal): Interruption {
  return {
    subscribe(onInterrupt) {
      const interrupt = (): void => {
        onInterrupt(signal.reason as Error);
      };
      signal.addEventListener('abort', interrupt);
      return () => {
        signal.removeEventListener('abort', interrupt);
      };
    },
  };
}
