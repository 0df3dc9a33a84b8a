// PendingItems: the items changed since the last commit, in front of those in the store. Reads see
// the newest state.
//
// Two layers: what has changed since the commit under way began, over what that commit is writing.

import type { Op } from '../../lib/op.ts';
import type { Item, Store } from '../../store/store.ts';

type Layer = Map<string, Uint8Array | undefined>;

export class PendingItems {
  readonly #store: Store;
  #current: Layer = new Map();
  #committing: Layer = new Map();
  #endedCommits = 0;

  constructor(store: Store) {
    this.#store = store;
  }

  /** Number of items not yet committed. */
  get size(): number {
    return this.#current.size;
  }

  put(key: string, value: Uint8Array): void {
    this.#current.set(key, value);
  }

  delete(key: string): void {
    this.#current.set(key, undefined);
  }

  /** The changes that no commit has begun to write. */
  copy(): Map<string, Uint8Array | undefined> {
    return new Map(this.#current);
  }

  /** Hands out the changes for a commit; they stay visible until endCommit(). */
  beginCommit(): ReadonlyMap<string, Uint8Array | undefined> {
    this.#committing = this.#current;
    this.#current = new Map();
    return this.#committing;
  }

  /** After a failure the changes are pending again, beneath newer ones. */
  endCommit(options: { readonly succeeded: boolean }): void {
    if (!options.succeeded) {
      for (const [key, value] of this.#committing) {
        if (!this.#current.has(key)) this.#current.set(key, value);
      }
    }
    this.#committing = new Map();
    this.#endedCommits++;
  }

  *get(key: string): Op<Uint8Array | undefined> {
    for (;;) {
      if (this.#current.has(key)) return this.#current.get(key);
      if (this.#committing.has(key)) return this.#committing.get(key);
      const endedCommits = this.#endedCommits;
      const value = yield* this.#store.get(key);
      // What was pending while the store was asked may be in the store by now, or pending only
      // since then.
      const isPending = this.#current.has(key) || this.#committing.has(key);
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
