// A bounded cache of leaf pages, sorted by first key. Pages leave by second chance (clock): one
// that was used since the hand last passed stays for another round.

import { covers } from './leaf-page.ts';
import type { LeafPage } from './leaf-page.ts';

/** What an item of a decoded page takes in memory besides its bytes in the record, about. */
const ITEM_OVERHEAD_BYTES = 128;
const PAGE_OVERHEAD_BYTES = 256;

/** Part of the key space, and the pages that now make it up. */
export interface Span {
  readonly first: string;
  readonly end: string | undefined;
  readonly pages: readonly LeafPage[];
}

export class PageCache {
  readonly #limitBytes: number;
  #pages: LeafPage[] = [];
  #sizeBytes = 0;
  #hand = 0;
  /** The page found last: most lookups stay in it. */
  #last: LeafPage | undefined;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /** Memory taken by the cached pages, about. Never above the limit. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** The page `key` belongs into, if it is cached. */
  find(key: string): LeafPage | undefined {
    let page = this.#last;
    if (page === undefined || !covers(page, key)) {
      page = this.#pages[this.#indexAfter(key) - 1];
      if (page === undefined || !covers(page, key)) return undefined;
      this.#last = page;
    }
    page.isRecent = true;
    return page;
  }

  /** Adds a page that was loaded. Nothing happens if it is there already. */
  insert(page: LeafPage): void {
    const index = this.#indexAfter(page.first);
    if (this.#pages[index - 1]?.first === page.first) return;
    this.#pages.splice(index, 0, page);
    if (index <= this.#hand) this.#hand++;
    this.#sizeBytes += memoryBytes(page);
    this.#evict();
  }

  /**
   * Puts pages in the place of those that made up the spans before. Spans are in ascending order.
   */
  replace(spans: readonly Span[]): void {
    const merged: LeafPage[] = [];
    const old = this.#pages;
    let at = 0;
    for (const span of spans) {
      for (let page = old[at]; page !== undefined; page = old[++at]) {
        if (span.end !== undefined && page.first >= span.end) break;
        if (page.first < span.first) merged.push(page);
      }
      for (const page of span.pages) merged.push(page);
    }
    for (let page = old[at]; page !== undefined; page = old[++at]) merged.push(page);
    this.#pages = merged;
    this.#sizeBytes = 0;
    for (const page of merged) this.#sizeBytes += memoryBytes(page);
    this.#last = undefined;
    this.#evict();
  }

  /** Index of the first page whose first key is greater than `key`. */
  #indexAfter(key: string): number {
    let low = 0;
    let high = this.#pages.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#pages[middle]?.first ?? '') <= key) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #evict(): void {
    while (this.#sizeBytes > this.#limitBytes) {
      if (this.#hand >= this.#pages.length) this.#hand = 0;
      const page = this.#pages[this.#hand];
      if (page === undefined) return;
      if (page.isRecent) {
        page.isRecent = false;
        this.#hand++;
        continue;
      }
      this.#pages.splice(this.#hand, 1);
      this.#sizeBytes -= memoryBytes(page);
      if (this.#last === page) this.#last = undefined;
    }
  }
}

function memoryBytes(page: LeafPage): number {
  return PAGE_OVERHEAD_BYTES + page.sizeBytes + ITEM_OVERHEAD_BYTES * page.keys.length;
}
