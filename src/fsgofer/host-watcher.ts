// HostWatcher: who tells what happens to files of the host, one file or directory at a time. Two
// ways: inotify-watcher.ts, if the host has the calls, and comparing-watcher.ts by Node's own.

import type { HostName } from './host-name.ts';
import type { SharedFile } from './shared-file.ts';

/** Of inotify(7). */
export interface HostEvent {
  /** IN_ bits. */
  readonly mask: number;
  readonly cookie: number;
  /** An entry of the directory; empty for the file that is watched. */
  readonly name: HostName;
}

export interface HostWatchSink {
  event(event: HostEvent): void;
  /** Events may be missing. */
  overflow(): void;
}

export interface HostWatch {
  /** Once. Nobody is told any more. */
  close(): Promise<void>;
}

export interface HostWatcher {
  /**
   * `mask`: the IN_ events that are told. The sink may be told before the promise is settled.
   * Errors: ENOSPC, EMFILE for too many; EACCES if it must not be read; ESTALE.
   */
  watch(file: SharedFile, mask: number, sink: HostWatchSink): Promise<HostWatch>;
}

/** What is done at once, as a promise, also of its failure. */
export function atOnce<T>(work: () => T): Promise<T> {
  return new Promise((resolve) => {
    resolve(work());
  });
}
