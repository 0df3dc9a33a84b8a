// DentryCache: the bound on names and inodes in memory. What can be read again from the store goes,
// the longest unused first (second chance): dentries nobody refers to, whose children are not in
// memory.

import type { LocalDentry } from './inode.ts';

export class DentryCache {
  readonly #limit: number;
  readonly #dentries = new Set<LocalDentry>();
  readonly #onEvicted: (dentry: LocalDentry) => void;

  constructor(limit: number, onEvicted: (dentry: LocalDentry) => void) {
    this.#limit = limit;
    this.#onEvicted = onEvicted;
  }

  get size(): number {
    return this.#dentries.size;
  }

  add(dentry: LocalDentry): void {
    this.#dentries.add(dentry);
  }

  delete(dentry: LocalDentry): void {
    this.#dentries.delete(dentry);
  }

  /** All names have gone: the tree has become another one. */
  clear(): void {
    for (const dentry of this.#dentries) {
      dentry.children?.clear();
      dentry.detach();
    }
    this.#dentries.clear();
  }

  /** Looks at all of them. */
  find(isWanted: (dentry: LocalDentry) => boolean): LocalDentry | undefined {
    for (const dentry of this.#dentries) if (isWanted(dentry)) return dentry;
    return undefined;
  }

  /** Called when no operation stands on a dentry it has no reference on. */
  evict(): void {
    if (this.#dentries.size <= this.#limit) return;
    let steps = this.#dentries.size * 2;
    for (const dentry of this.#dentries) {
      if (this.#dentries.size <= this.#limit || steps-- <= 0) return;
      const isPinned = dentry.refs > 0 || dentry.mountCount > 0 || (dentry.children?.size ?? 0) > 0;
      this.#dentries.delete(dentry);
      if (isPinned || dentry.isReferenced) {
        dentry.isReferenced = false;
        this.#dentries.add(dentry);
        continue;
      }
      const { parent } = dentry;
      if (parent !== undefined) {
        parent.children?.delete(dentry.name);
        // Now there are entries that are not among the children.
        parent.isComplete = false;
      }
      this.#onEvicted(dentry);
    }
  }
}
