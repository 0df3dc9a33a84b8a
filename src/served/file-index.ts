// FileIndex: who holds files, of all clients, by the file, whatever names it was found by.

import { STATX_BTIME } from '../abi/stat.ts';
import { FileLocks } from './file-locks.ts';
import type { Holder } from './node.ts';
import type { Statx } from './served-file.ts';

/** The same for all names of a file, as long as it is there. */
export function fileKeyOf({ devMajor, devMinor, ino }: Statx): string {
  return `${devMajor}:${devMinor}:${ino}`;
}

/** Of the file's birth; empty if that isn't known. */
export function birthOf({ mask, btime: { sec, nsec } }: Statx): string {
  return (mask & STATX_BTIME) === 0 ? '' : `${sec}.${nsec}`;
}

export class FileIndex {
  readonly #holders = new Map<string, Set<Holder>>();
  readonly locks = new FileLocks();
  /** What keys of files begin with that are on the root's filesystem. */
  #rootDevice = '';

  /** Files that anybody holds. */
  get size(): number {
    return this.#holders.size;
  }

  /** The root was pinned. */
  set root(root: Statx) {
    this.#rootDevice = `${root.devMajor}:${root.devMinor}:`;
  }

  /**
   * What a file is called at all servers of the tree. A filesystem that several machines mount has
   * another device number at each, so the root's is left out.
   */
  nameOf(fileKey: string): string {
    if (!fileKey.startsWith(this.#rootDevice)) return fileKey;
    return fileKey.slice(this.#rootDevice.length);
  }

  /** Backwards. */
  keyOf(name: string): string {
    return name.includes(':') ? name : this.#rootDevice + name;
  }

  /** All there are. */
  *all(): Iterable<Holder> {
    for (const holders of this.#holders.values()) yield* holders;
  }

  add(holder: Holder): void {
    const known = this.#holders.get(holder.fileKey);
    if (known === undefined) this.#holders.set(holder.fileKey, new Set([holder]));
    else known.add(holder);
  }

  delete(holder: Holder): void {
    const known = this.#holders.get(holder.fileKey);
    known?.delete(holder);
    if (known?.size === 0) this.#holders.delete(holder.fileKey);
  }

  of(fileKey: string): Iterable<Holder> {
    return this.#holders.get(fileKey) ?? [];
  }
}
