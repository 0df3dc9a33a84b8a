// FileIndex: the control FDs of all clients by their file, whatever names it was found by.

import type { Statx } from './records.ts';
import type { ControlFD } from './server-fds.ts';

/** The same for all names of a file, as long as it is there. */
export function fileKeyOf({ devMajor, devMinor, ino }: Statx): string {
  return `${devMajor}:${devMinor}:${ino}`;
}

export class FileIndex {
  readonly #fds = new Map<string, Set<ControlFD>>();

  /** Files that anybody has a control FD of. */
  get size(): number {
    return this.#fds.size;
  }

  add(fd: ControlFD): void {
    const known = this.#fds.get(fd.fileKey);
    if (known === undefined) this.#fds.set(fd.fileKey, new Set([fd]));
    else known.add(fd);
  }

  delete(fd: ControlFD): void {
    const known = this.#fds.get(fd.fileKey);
    known?.delete(fd);
    if (known?.size === 0) this.#fds.delete(fd.fileKey);
  }

  of(fileKey: string): Iterable<ControlFD> {
    return this.#fds.get(fileKey) ?? [];
  }
}
