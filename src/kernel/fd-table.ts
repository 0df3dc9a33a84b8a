// FdTable: a task's file descriptors. Mirrors gVisor pkg/sentry/kernel/fd_table.go; Linux:
// fs/file.c.

import { linuxerr } from '../abi/errno.ts';
import { OPEN_MAX } from '../abi/limits.ts';
import type { FileDescription } from '../vfs/file-description.ts';
import type { LockOwner } from '../locks/file-locks.ts';

/** Owns the task's record locks: closing any descriptor of a file releases them. */
export class FdTable implements LockOwner {
  readonly lockPid: number;
  blockedBy: LockOwner | undefined;
  readonly #files: (FileDescription | undefined)[] = [];
  /** Descriptors with FD_CLOEXEC. */
  readonly #closeOnExec = new Set<number>();
  /** No descriptor below this one is free. */
  #lowestFree = 0;

  constructor(pid: number) {
    this.lockPid = pid;
  }

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
  install(file: FileDescription, closesOnExec = false): number {
    const fd = this.installFrom(this.#lowestFree, file, closesOnExec);
    this.#lowestFree = fd + 1;
    return fd;
  }

  /** The same, but not below `lowest`. */
  installFrom(lowest: number, file: FileDescription, closesOnExec: boolean): number {
    let fd = lowest;
    while (this.#files[fd] !== undefined) fd++;
    if (fd >= OPEN_MAX) {
      file.decRef();
      throw linuxerr.EMFILE;
    }
    this.#files[fd] = file;
    if (closesOnExec) this.#closeOnExec.add(fd);
    return fd;
  }

  /**
   * Puts `file` at `fd`, closing what was there, and takes over the caller's reference. Errors:
   * EBADF above OPEN_MAX.
   */
  installAt(file: FileDescription, fd: number, closesOnExec = false): void {
    if (fd < 0 || fd >= OPEN_MAX) {
      file.decRef();
      throw linuxerr.EBADF;
    }
    const old = this.#files[fd];
    this.#files[fd] = file;
    this.setClosesOnExec(fd, closesOnExec);
    if (old !== undefined) this.#release(old);
  }

  /** Returns what was open, which may be gone by now. Errors: EBADF. */
  close(fd: number): FileDescription {
    const file = this.get(fd);
    this.#files[fd] = undefined;
    if (this.#closeOnExec.size > 0) this.#closeOnExec.delete(fd);
    this.#lowestFree = Math.min(this.#lowestFree, fd);
    this.#release(file);
    return file;
  }

  closeAll(): void {
    for (let fd = 0; fd < this.#files.length; fd++) {
      const file = this.#files[fd];
      this.#files[fd] = undefined;
      if (file !== undefined) this.#release(file);
    }
    this.#closeOnExec.clear();
    this.#lowestFree = 0;
  }

  /** Linux: filp_close(): the task's record locks on the file go with any of its descriptors. */
  #release(file: FileDescription): void {
    if (!file.isPathOnly) file.releaseRangeLocks(this);
    file.decRef();
  }

  closesOnExec(fd: number): boolean {
    return this.#closeOnExec.has(fd);
  }

  setClosesOnExec(fd: number, value: boolean): void {
    if (value) this.#closeOnExec.add(fd);
    else this.#closeOnExec.delete(fd);
  }

  /** The open descriptors, in order. */
  get open(): number[] {
    return [...this.#files.keys()].filter((fd) => this.#files[fd] !== undefined);
  }
}
