// SharedFile: a file of the host that several hold: a control FD, calls under way, a listing. The
// last one closes it.

import { LinuxError } from '../abi/errno.ts';
import { assert } from '../lib/assert.ts';
import { HostDirectory } from './host-directory.ts';
import type { HostFile } from './host-file.ts';

export class SharedFile<File extends HostFile = HostFile> {
  readonly file: File;
  #refs = 1;

  /** The caller holds it. */
  constructor(file: File) {
    this.file = file;
  }

  isDirectory(): this is SharedFile<HostDirectory> {
    return this.file instanceof HostDirectory;
  }

  retain(): this {
    assert(this.#refs > 0, 'a file is held after it was closed');
    this.#refs++;
    return this;
  }

  /** Errors: those of closing it, of the last one. */
  async release(): Promise<void> {
    assert(this.#refs > 0, 'a file is let go that nobody holds');
    this.#refs--;
    if (this.#refs === 0) await this.file.close();
  }

  /** Holds it until `work` is done, whether or not anybody waits for that. */
  async use<T>(work: (file: File) => Promise<T>): Promise<T> {
    this.retain();
    try {
      return await work(this.file);
    } finally {
      // What came of the work counts.
      settleAlone(this.release());
    }
  }
}

/** Nobody waits for it, and nobody is told of an error of the host. */
export function settleAlone(work: Promise<unknown>): void {
  work.catch((error: unknown) => {
    if (!(error instanceof LinuxError)) throw error;
  });
}
