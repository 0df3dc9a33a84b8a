// FdCache: the bound on descriptors that the server has open for us. Those of files that nobody has
// open, and that can be walked to again, go first come first served: the longest unused one.

import type { GoferInode } from './gofer-inode.ts';

/** A server has to have more of them than this for a client. */
const FDS_MAX = 1024;

export class FdCache {
  readonly #used = new Set<GoferInode>();
  readonly #close: (inode: GoferInode) => void;
  readonly #isDirty: (inode: GoferInode) => boolean;

  /** `close` closes what the server has open of a file; not of one that is to be written. */
  constructor(close: (inode: GoferInode) => void, isDirty: (inode: GoferInode) => boolean) {
    this.#close = close;
    this.#isDirty = isDirty;
  }

  /** A file has a descriptor, which was just used. */
  used(inode: GoferInode): void {
    this.#used.delete(inode);
    this.#used.add(inode);
    if (this.#used.size > FDS_MAX) this.#evict();
  }

  delete(inode: GoferInode): void {
    this.#used.delete(inode);
  }

  #evict(): void {
    let steps = this.#used.size;
    for (const inode of this.#used) {
      if (this.#used.size <= FDS_MAX || steps-- <= 0) return;
      this.#used.delete(inode);
      const isNeeded =
        inode.refs > 0 ||
        inode.unanswered > 0 ||
        inode.isChanging ||
        inode.dentry === undefined ||
        this.#isDirty(inode);
      if (isNeeded || inode.dentry?.parent === undefined) this.#used.add(inode);
      else this.#close(inode);
    }
  }
}
