// Freshness: what is known of a file's attributes and data, and what others have made of it since.
// A file that others have changed is looked at again before it is used the next time; what was
// written here and isn't at the server yet goes there first, and is in what the server says then.

import type { Op } from '../../lib/op.ts';
import type { Statx } from '../../lisafs/records.ts';
import type { GoferInode } from './gofer-inode.ts';

/** Looks after which the file is taken as it is found, though it changes here all the time. */
const LOOKS_MAX = 3;

/** Changes by others, and by programs here. */
export class Freshness {
  #invalidated = 0;
  #seen = 0;
  #changes = 0;
  /** What is kept of the data is to go as soon as all that was written is sent. */
  isDataStale = false;

  get isStale(): boolean {
    return this.#invalidated !== this.#seen;
  }

  invalidate(): void {
    this.#invalidated++;
  }

  /** Attributes were changed here. */
  changed(): void {
    this.#changes++;
  }

  /** Before the server is asked. */
  get state(): { readonly invalidated: number; readonly changes: number } {
    return { invalidated: this.#invalidated, changes: this.#changes };
  }

  hasChangedSince({ changes }: { readonly changes: number }): boolean {
    return this.#changes !== changes;
  }

  /** All that was told before the server was asked is known. */
  seen({ invalidated }: { readonly invalidated: number }): void {
    this.#seen = invalidated;
  }
}

export interface Refreshing {
  /** Sends what was written. */
  send(inode: GoferInode): Op<void>;
  isDirty(inode: GoferInode): boolean;
  stat(inode: GoferInode): Op<Statx>;
  update(inode: GoferInode, statx: Statx): void;
}

/** Of a file whose data and attributes are kept. Errors: those of the server; ESTALE. */
export function* refresh(inode: GoferInode, files: Refreshing): Op<void> {
  const { freshness } = inode;
  for (let look = 1; freshness.isStale; look++) {
    do yield* files.send(inode);
    while (files.isDirty(inode) && freshness.isDataStale && look < LOOKS_MAX);
    if (freshness.isDataStale && !files.isDirty(inode)) {
      freshness.isDataStale = false;
      inode.forgetData();
    }
    const { state } = freshness;
    const statx = yield* files.stat(inode);
    const { size } = inode;
    const hasChanged = freshness.hasChangedSince(state);
    if (hasChanged && look < LOOKS_MAX) continue;
    freshness.seen(state);
    files.update(inode, statx);
    // What was written here meanwhile isn't in what the server says.
    if (hasChanged && inode.isRegular && size > inode.size) inode.size = size;
  }
}

/** Others have changed the data. What was written here stays. */
export function invalidateData(inode: GoferInode, isDirty: boolean): void {
  if (isDirty) inode.freshness.isDataStale = true;
  else inode.forgetData();
}
