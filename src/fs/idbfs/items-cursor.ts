// ItemsCursor: lists a directory from the items of its entries, in the order of their positions.

import type { Op } from '../../lib/op.ts';
import type { DirectoryEntrySink } from '../../vfs/directory-entry.ts';
import type { DirectoryCursor } from '../shared/directory-description.ts';
import { cookieKey, cookieKeysEnd, cookieOf, decodePosition } from './items.ts';
import type { PendingItems } from './pending-items.ts';

export class ItemsCursor implements DirectoryCursor {
  readonly #items: PendingItems;
  readonly #dir: number;
  readonly #limit: number;

  /** `dir`: its inode's number. `limit`: entries that are read at once. */
  constructor(items: PendingItems, dir: number, limit: number) {
    this.#items = items;
    this.#dir = dir;
    this.#limit = limit;
  }

  *list(position: number, sink: DirectoryEntrySink): Op<number> {
    const [dir, limit] = [this.#dir, this.#limit];
    let reached = position;
    for (;;) {
      const items = yield* this.#items.scan({
        from: cookieKey(dir, reached + 1),
        to: cookieKeysEnd(dir),
        limit,
      });
      for (const { key, value } of items) {
        const cookie = cookieOf(key);
        const { name, ino, type } = decodePosition(value);
        if (!sink({ name, ino, type, cookie })) return reached;
        reached = cookie;
      }
      if (items.length < limit) return reached;
    }
  }
}
