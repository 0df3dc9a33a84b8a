// FdTable: a task's file descriptors. Mirrors gVisor pkg/sentry/kernel/fd_table.go; Linux:
// fs/file.c.

import { linuxerr } from '../abi/errno.ts';
import { OPEN_MAX } from '../abi/limits.ts';
import type { FileDescription } from '../vfs/file-description.ts';

export class FdTable {
  readonly #files: (FileDescription | undefined)[] = [];
  /** No descriptor below this one is free. */
  #lowestFree = 0;

  /** Errors: EBADF. */
  get(fd: number): FileDescription {
    const file = this.#files[fd];
    if (file === undefined) throw linuxerr.EBADF;
    return file;
  }

  /** The description at `fd`, or undefined. */
  find(fd: number): FileDescription | undefined {
    return this.#files[fd];
  }

  /**
   * Puts `file` at the lowest free descriptor and takes over the caller's reference. Errors: EMFILE
   * (the reference is dropped).
   */
  install(file: FileDescription): number {
    let fd = this.#lowestFree;
    while (this.#files[fd] !== undefined) fd++;
    if (fd >= OPEN_MAX) {
      file.decRef();
      throw linuxerr.EMFILE;
    }
    this.#files[fd] = file;
    this.#lowestFree = fd + 1;
    return fd;
  }

  /**
   * Puts `file` at `fd`, closing what was there, and takes over the caller's reference. Errors:
   * EBADF above OPEN_MAX.
   */
  installAt(file: FileDescription, fd: number): void {
    if (fd < 0 || fd >= OPEN_MAX) {
      file.decRef();
      throw linuxerr.EBADF;
    }
    const old = this.#files[fd];
    this.#files[fd] = file;
    old?.decRef();
  }

  /** Errors: EBADF. */
  close(fd: number): void {
    const file = this.get(fd);
    this.#files[fd] = undefined;
    this.#lowestFree = Math.min(this.#lowestFree, fd);
    file.decRef();
  }

  closeAll(): void {
    for (let fd = 0; fd < this.#files.length; fd++) {
      const file = this.#files[fd];
      this.#files[fd] = undefined;
      file?.decRef();
    }
    this.#lowestFree = 0;
  }

  /** The open descriptors, in order. */
  get open(): number[] {
    return [...this.#files.keys()].filter((fd) => this.#files[fd] !== undefined);
  }
}
