// PendingItems: the items changed since the last commit, in front of those in the store. Reads see
// the newest state.
//
// Two layers: what has changed since the commit under way began, over what that commit is writing.
// Of many new files nobody asks before they are committed. So their names wait as they are, and get
// keys, which take longer to look up than to make, when something is asked for or a commit begins.

import { direntType } from '../../abi/stat.ts';
import type { Op } from '../../lib/op.ts';
import type { Item, ItemChange, Store } from '../../store/store.ts';
import type { Inode } from '../shared/inode.ts';
import { cookieKey, encodeName, encodePosition, nameKey } from './items.ts';

type Layer = Map<string, Uint8Array | undefined>;

/** A name that was made: an item by name, and one by position. */
export interface NewName {
  /** The number of the directory's inode. */
  readonly dir: number;
  readonly name: string;
  readonly cookie: number;
  readonly inode: Inode;
}

const ITEMS_PER_NAME = 2;

export class PendingItems {
  readonly #store: Store;
  #current: Layer = new Map();
  /** Newer than what is in `#current`. */
  #newNames: NewName[] = [];
  #committing: Layer = new Map();
  /** What is being committed besides: none of it is in `#committing`. */
  #committingMore: readonly ItemChange[] = [];
  #endedCommits = 0;

  constructor(store: Store) {
    this.#store = store;
  }

  /** Number of items not yet committed. */
  get size(): number {
    return this.#current.size + this.#newNames.length * ITEMS_PER_NAME;
  }

  addName(name: NewName): void {
    this.#newNames.push(name);
  }

  delete(key: string): void {
    this.#index();
    this.#current.set(key, undefined);
  }

  putAll(changes: readonly ItemChange[]): void {
    this.#index();
    setAll(this.#current, changes);
  }

  /** The changes that no commit has begun to write. */
  copy(): ReadonlyMap<string, Uint8Array | undefined> {
    this.#index();
    return new Map(this.#current);
  }

  /**
   * Hands out the changes for a commit, with `last`, which are no names' and have each key once.
   * They stay visible until endCommit().
   */
  beginCommit(last: readonly ItemChange[]): Iterable<ItemChange> {
    if (this.#current.size > 0) this.putAll(last);
    else this.#committingMore = itemsOf(this.#newNames).concat(last);
    this.#committing = this.#current;
    this.#current = new Map();
    this.#newNames = [];
    return this.#committing.size > 0 ? this.#committing : this.#committingMore;
  }

  /** After a failure the changes are pending again, beneath newer ones. */
  endCommit(options: { readonly succeeded: boolean }): void {
    if (!options.succeeded) {
      this.#index();
      for (const [key, value] of this.#committing) {
        if (!this.#current.has(key)) this.#current.set(key, value);
      }
    }
    this.#committing = new Map();
    this.#committingMore = [];
    this.#endedCommits++;
  }

  /** Both layers have all there is then, until something changes. */
  #index(): void {
    if (this.#newNames.length > 0) setAll(this.#current, itemsOf(this.#newNames));
    this.#newNames = [];
    if (this.#committingMore.length > 0) setAll(this.#committing, this.#committingMore);
    this.#committingMore = [];
  }

  /** The newest layer that says something of a key. */
  #layerOf(key: string): Layer | undefined {
    this.#index();
    if (this.#current.has(key)) return this.#current;
    return this.#committing.has(key) ? this.#committing : undefined;
  }

  *get(key: string): Op<Uint8Array | undefined> {
    for (;;) {
      const layer = this.#layerOf(key);
      if (layer !== undefined) return layer.get(key);
      const endedCommits = this.#endedCommits;
      const value = yield* this.#store.get(key);
      // What was pending while the store was asked may be in the store by now, or pending only
      // since then.
      const isPending = this.#layerOf(key) !== undefined;
      if (!isPending && endedCommits === this.#endedCommits) return value;
    }
  }

  /** As Store.scan(): items in order, fewer than `limit` only at the end of the range. */
  *scan(options: { from: string; to: string; limit: number }): Op<Item[]> {
    const found: Item[] = [];
    let { from } = options;
    for (;;) {
      const wanted = options.limit - found.length;
      const endedCommits = this.#endedCommits;
      const stored = yield* this.#store.scan({ ...options, from, limit: wanted });
      // A commit that ended meanwhile took its changes out of here; were they in what was read?
      if (endedCommits !== this.#endedCommits) continue;
      const isEnd = stored.length < wanted;
      const last = stored.at(-1)?.key;
      const to = isEnd || last === undefined ? options.to : `${last}\0`;
      found.push(...this.#merge(stored, from, to));
      if (isEnd || found.length >= options.limit) break;
      from = to;
    }
    return found.slice(0, options.limit);
  }

  /**
   * `stored`, which is everything of the store in [from, to), with the pending changes of that
   * range made.
   */
  #merge(stored: readonly Item[], from: string, to: string): readonly Item[] {
    this.#index();
    if (this.#committing.size === 0 && this.#current.size === 0) return stored;
    const merged = new Map(stored.map((item) => [item.key, item]));
    let isSorted = true;
    for (const layer of [this.#committing, this.#current]) {
      for (const [key, value] of layer) {
        if (key < from || key >= to) continue;
        if (value === undefined) merged.delete(key);
        else {
          isSorted &&= merged.has(key);
          merged.set(key, { key, value });
        }
      }
    }
    const items = [...merged.values()];
    return isSorted ? items : items.sort((a, b) => (a.key < b.key ? -1 : 1));
  }
}

function setAll(layer: Layer, changes: Iterable<ItemChange>): void {
  for (const [key, value] of changes) layer.set(key, value);
}

/** Of each name two, by name and by position. */
export function itemsOf(names: readonly NewName[]): ItemChange[] {
  const items: ItemChange[] = [];
  for (const { dir, name, cookie, inode } of names) {
    const entry = { ino: inode.ino, type: direntType(inode.mode), name };
    items.push([nameKey(dir, name), encodeName(inode.ino, cookie)]);
    items.push([cookieKey(dir, cookie), encodePosition(entry)]);
  }
  return items;
}
