// The ordered map: leaf pages under IndexedDB's own index. The page of a key is the record with the
// greatest first key that is not above it, so there are no inner pages of ours.
//
// Pages in memory always show the last commit that has ended, never one that is under way: a commit
// prepares its pages aside, and they replace the cached ones once its transaction is complete. A
// failed one leaves no trace. Preparing is not reentrant: the caller runs one commit at a time.

import type { UseStore } from 'idb-keyval';
import { LinuxError } from '../abi/errno.ts';
import { assert, assertDefined } from '../lib/assert.ts';
import { waitFor } from '../lib/op.ts';
import type { Op } from '../lib/op.ts';
import { covers, lowerBound, valueIn } from './leaf-page.ts';
import type { LeafPage } from './leaf-page.ts';
import { PageCache } from './page-cache.ts';
import type { Span } from './page-cache.ts';
import { applyChanges, draftOf, finishDraft, isUnderfull, joinDrafts } from './page-edit.ts';
import type { Change, Draft } from './page-edit.ts';
import { fetchPage, PageLoader } from './page-loader.ts';
import type { PageRequest, Visit } from './page-loader.ts';
import { pageKey } from './records.ts';
import type { IndexedDb } from './records.ts';
import type { Item, ScanOptions } from './store.ts';

/** What a prepared commit writes, and what memory shows afterwards. */
export interface TreeEdit {
  readonly puts: readonly { readonly key: string; readonly record: Uint8Array }[];
  readonly deletes: readonly string[];
  readonly spans: readonly Span[];
}

export interface PageTreeOptions {
  readonly records: UseStore;
  readonly KeyRange: IndexedDb['KeyRange'];
  readonly cacheBytes: number;
  /**
   * No page has keys on both sides of this one: what grows at the end of one side stays densely
   * filled.
   */
  readonly barrier: string;
}

export class PageTree {
  readonly #cache: PageCache;
  readonly #loader: PageLoader;
  readonly #barrier: string;
  #begun = 0;
  #ended = 0;

  constructor(options: PageTreeOptions) {
    this.#cache = new PageCache(options.cacheBytes);
    this.#barrier = options.barrier;
    this.#loader = new PageLoader({
      records: options.records,
      KeyRange: options.KeyRange,
      find: (key) => this.#cache.find(key),
      onLoad: (page) => {
        this.#cache.insert(page);
      },
      commits: () => ({ begun: this.#begun, ended: this.#ended }),
    });
  }

  /** Number of commits that have ended: what was read is unchanged as long as this is. */
  get version(): number {
    return this.#ended;
  }

  /** True if what the medium shows to a new transaction may be newer than what memory shows. */
  get isCommitting(): boolean {
    return this.#begun !== this.#ended;
  }

  get cacheBytes(): number {
    return this.#cache.sizeBytes;
  }

  /** The page of `key`, if it is in memory. */
  cachedPage(key: string): LeafPage | undefined {
    return this.#cache.find(key);
  }

  /** The page of `key`. */
  *page(key: string): Op<LeafPage> {
    let page = this.#cache.find(key);
    if (page === undefined) {
      const loaded = this.#loader.walk(key, (found) => {
        page = found;
        return undefined;
      });
      yield* waitFor(loaded);
    }
    return assertDefined(page);
  }

  /** Values of keys that are in ascending order. All are of the same moment. */
  *getMany(keys: readonly string[]): Op<(Uint8Array | undefined)[]> {
    const [first] = keys;
    if (first === undefined) return [];
    let values: (Uint8Array | undefined)[] = [];
    let version = this.#ended;
    yield* this.#walk(first, (page) => {
      if (this.#ended !== version) {
        version = this.#ended;
        values = [];
        return first;
      }
      for (let key = keys[values.length]; key !== undefined; key = keys[values.length]) {
        if (!covers(page, key)) return key;
        values.push(valueIn(page, key));
      }
      return undefined;
    });
    return values;
  }

  /** Items of a range; all are of the same moment. */
  *scan({ from, to, limit }: ScanOptions): Op<Item[]> {
    if (!(from < to) || limit <= 0) return [];
    let items: Item[] = [];
    let version = this.#ended;
    yield* this.#walk(from, (page) => {
      if (this.#ended !== version) {
        version = this.#ended;
        items = [];
        return from;
      }
      collect(page, { from, to, limit }, items);
      if (items.length >= limit || page.end === undefined || page.end >= to) return undefined;
      return page.end;
    });
    return items;
  }

  /** Makes the pages of a commit. `changes` are in ascending order of their keys, each key once. */
  *prepare(changes: readonly Change[]): Op<TreeEdit> {
    const drafts: Draft[] = [];
    let from = 0;
    for (const page of yield* this.#pagesOf(changes)) {
      let to = from;
      for (let change = changes[to]; change !== undefined; change = changes[++to]) {
        if (!covers(page, change[0])) break;
      }
      const draft = applyChanges(page, changes.slice(from, to));
      from = to;
      if (draft !== undefined) this.#pushDraft(drafts, draft);
    }
    assert(from === changes.length, 'changes in order');
    const puts: { key: string; record: Uint8Array }[] = [];
    const deletes: string[] = [];
    const spans: Span[] = [];
    for (const underfull of drafts) {
      const draft = yield* this.#fillUp(underfull);
      const finished = finishDraft(draft);
      const firsts = new Set<string>();
      for (const { record, page } of finished) {
        firsts.add(page.first);
        puts.push({ key: pageKey(page.first), record });
      }
      for (const first of draft.sources) if (!firsts.has(first)) deletes.push(pageKey(first));
      spans.push({ first: draft.first, end: draft.end, pages: finished.map(({ page }) => page) });
    }
    return { puts, deletes, spans };
  }

  /** To be called in the same breath as the commit's transaction is created. */
  beginCommit(): void {
    assert(!this.isCommitting, 'one commit at a time');
    this.#begun++;
  }

  /** Shows what was committed; without an edit, the commit has failed. */
  endCommit(edit: TreeEdit | undefined): void {
    this.#ended++;
    assert(!this.isCommitting, 'one commit at a time');
    if (edit !== undefined && edit.spans.length > 0) this.#cache.replace(edit.spans);
  }

  /** The pages that cover the keys of the changes. */
  *#pagesOf(changes: readonly Change[]): Op<LeafPage[]> {
    const pages: LeafPage[] = [];
    const [first] = changes;
    if (first === undefined) return pages;
    let at = 0;
    yield* this.#walk(first[0], (page) => {
      pages.push(page);
      for (let change = changes[at]; change !== undefined; change = changes[++at]) {
        if (!covers(page, change[0])) return change[0];
      }
      return undefined;
    });
    return pages;
  }

  /** Adds a draft, joined with the one before it where that saves a page. */
  #pushDraft(drafts: Draft[], draft: Draft): void {
    const last = drafts.at(-1);
    const isNeighbour = last !== undefined && last.end === draft.first;
    if (!isNeighbour || draft.first === this.#barrier || !(isUnderfull(last) || isUnderfull(draft)))
      drafts.push(draft);
    else drafts[drafts.length - 1] = joinDrafts(last, draft);
  }

  /**
   * Joins a draft that became small with the pages after it. The last page before the barrier and
   * the last of all have none and may be small, even empty.
   */
  *#fillUp(underfull: Draft): Op<Draft> {
    let draft = underfull;
    while (isUnderfull(draft) && draft.end !== undefined && draft.end !== this.#barrier) {
      const neighbours: LeafPage[] = [];
      yield* this.#walk(draft.end, (page) => {
        neighbours.push(page);
        return undefined;
      });
      for (const page of neighbours) draft = joinDrafts(draft, draftOf(page));
    }
    return draft;
  }

  /** Walks over pages; only those that aren't cached are waited for. */
  *#walk(from: string, visit: Visit): Op<void> {
    let key: string | undefined = from;
    while (key !== undefined) {
      const page = this.#cache.find(key);
      if (page === undefined) {
        yield* waitFor(this.#loader.walk(key, visit));
        return;
      }
      key = visit(page);
    }
  }
}

/** Items of a range as they are in the medium, read within a transaction. */
export async function fetchItems(
  { store, KeyRange }: Omit<PageRequest, 'key'>,
  { from, to, limit }: ScanOptions,
): Promise<Item[]> {
  const items: Item[] = [];
  let key: string | undefined = from;
  while (key !== undefined && key < to && items.length < limit) {
    const page = await fetchPage({ store, KeyRange, key });
    if (page instanceof LinuxError) throw page;
    collect(page, { from, to, limit }, items);
    key = page.end;
  }
  return items;
}

/** Adds a page's items of a range, as far as the limit goes. */
function collect(page: LeafPage, { from, to, limit }: ScanOptions, items: Item[]): void {
  for (let i = lowerBound(page, from); items.length < limit; i++) {
    const key = page.keys[i];
    const value = page.values[i];
    if (key === undefined || value === undefined || key >= to) return;
    items.push({ key, value });
  }
}
