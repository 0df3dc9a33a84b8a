// Watching: how files are watched for one client, and how many.

import type { Clock } from '../lib/clock.ts';
import type { WatchSink } from '../served/served-file.ts';
import type { FdBudget } from './host-fd.ts';
import type { HostWatch, HostWatcher } from './host-watcher.ts';
import { fromHostName } from './served-name.ts';
import type { SharedFile } from './shared-file.ts';
import { linuxerr } from '../abi/errno.ts';
import { TreeWatch } from './tree-watch.ts';

export interface WatchOptions {
  readonly isRecursive: boolean;
  readonly sink: WatchSink;
}

export class Watching {
  readonly #watcher: HostWatcher;
  readonly #budget: FdBudget;
  readonly #clock: Clock;

  constructor(watcher: HostWatcher, budget: FdBudget, clock: Clock) {
    this.#watcher = watcher;
    this.#budget = budget;
    this.#clock = clock;
  }

  /** Errors: ENOTDIR; ENOSPC for too many; those of HostWatcher.watch(). */
  async watch(
    file: SharedFile,
    mask: number,
    { isRecursive, sink }: WatchOptions,
  ): Promise<HostWatch> {
    const [watcher, budget, clock] = [this.#watcher, this.#budget, this.#clock];
    if (isRecursive) {
      if (!file.isDirectory()) throw linuxerr.ENOTDIR;
      return TreeWatch.open({ root: file, mask, sink, watcher, budget, clock });
    }
    return this.#watchOne(file, mask, sink);
  }

  async #watchOne(file: SharedFile, mask: number, sink: WatchSink): Promise<HostWatch> {
    const budget = this.#budget;
    budget.take();
    try {
      const watch = await this.#watcher.watch(file, mask, {
        event: ({ name, ...event }) => {
          sink.event({ ...event, name: fromHostName(name) });
        },
        overflow: () => {
          sink.overflow();
        },
      });
      return {
        close: async () => {
          budget.give();
          await watch.close();
        },
      };
    } catch (error) {
      budget.give();
      throw error;
    }
  }
}
