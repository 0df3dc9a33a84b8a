// Loading leaf pages. There is one transaction at a time, and it fetches whatever is wanted by
// then, so that two readers of one page cause one request.
//
// A walk goes from page to page: it looks at each page and names the key whose page it needs next.
// It goes on inside the transaction's own callbacks: nothing else is waited for while that is open.

import { promisifyRequest } from 'idb-keyval';
import type { UseStore } from 'idb-keyval';
import { LinuxError, linuxerr } from '../abi/errno.ts';
import { covers, decodeLeafPage } from './leaf-page.ts';
import type { LeafPage } from './leaf-page.ts';
import { firstOfPageKey, pageKey } from './records.ts';
import type { IndexedDb } from './records.ts';

/**
 * Looks at the page of the key it asked for; returns the key it needs next, or undefined when it is
 * done.
 */
export type Visit = (page: LeafPage) => string | undefined;

export interface LoaderOptions {
  readonly records: UseStore;
  readonly KeyRange: IndexedDb['KeyRange'];
  /** A page that is in memory. */
  readonly find: (key: string) => LeafPage | undefined;
  /** Called with each page loaded. */
  readonly onLoad: (page: LeafPage) => void;
  /** Number of commits begun, and number of those that have ended. */
  readonly commits: () => { begun: number; ended: number };
}

interface Walk {
  key: string;
  readonly visit: Visit;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

/** Then a commit that waits for the transaction gets its turn. */
const PAGES_PER_TRANSACTION = 64;

export class PageLoader {
  readonly #options: LoaderOptions;
  readonly #walks = new Set<Walk>();
  #isRunning = false;

  constructor(options: LoaderOptions) {
    this.#options = options;
  }

  /** Walks from the page of `key`. Rejects with EIO if a page can't be read. */
  walk(key: string, visit: Visit): Promise<void> {
    const done = new Promise<void>((resolve, reject) => {
      this.#walks.add({ key, visit, resolve, reject });
    });
    if (!this.#isRunning) void this.#run();
    return done;
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    while (this.#walks.size > 0) {
      try {
        await this.#runTransaction();
      } catch (error) {
        for (const walk of this.#walks) walk.reject(error);
        this.#walks.clear();
      }
    }
    this.#isRunning = false;
  }

  #runTransaction(): Promise<void> {
    const { records, KeyRange, commits } = this.#options;
    // The transaction sees every commit begun before it.
    const { begun } = commits();
    return records('readonly', (store) => {
      return new Promise((resolve, reject) => {
        let left = PAGES_PER_TRANSACTION;
        const fetchNext = (): void => {
          const [walk] = this.#walks;
          if (walk === undefined || left-- === 0) {
            resolve();
            return;
          }
          const { key } = walk;
          fetchPage({ store, KeyRange, key }).then((page) => {
            // What was read must be what memory shows: begun commits have ended, and no other has.
            if (commits().ended !== begun) {
              resolve();
              return;
            }
            this.#arrive(key, page);
            fetchNext();
          }, reject);
        };
        fetchNext();
      });
    });
  }

  /** Serves all walks that need the page. */
  #arrive(key: string, page: LeafPage | LinuxError): void {
    if (page instanceof LinuxError) {
      this.#fail(key, page);
      return;
    }
    this.#options.onLoad(page);
    for (const walk of this.#walks) if (covers(page, walk.key)) this.#advance(walk, page);
  }

  #advance(walk: Walk, loaded: LeafPage): void {
    try {
      let page: LeafPage | undefined = loaded;
      while (page !== undefined) {
        const key = walk.visit(page);
        if (key === undefined) {
          this.#walks.delete(walk);
          walk.resolve();
          return;
        }
        walk.key = key;
        page = this.#options.find(key);
      }
    } catch (error) {
      this.#walks.delete(walk);
      walk.reject(error);
    }
  }

  #fail(key: string, error: LinuxError): void {
    for (const walk of this.#walks) {
      if (walk.key !== key) continue;
      this.#walks.delete(walk);
      walk.reject(error);
    }
  }
}

export interface PageRequest {
  readonly store: IDBObjectStore;
  readonly KeyRange: IndexedDb['KeyRange'];
  readonly key: string;
}

/**
 * The page that covers `key`; an error if there is none or it is broken. Rejects if the request
 * fails.
 */
export async function fetchPage(request: PageRequest): Promise<LeafPage | LinuxError> {
  const { store, KeyRange, key } = request;
  const range = KeyRange.bound(pageKey(''), pageKey(key));
  const cursor = await promisifyRequest(store.openCursor(range, 'prev'));
  try {
    if (cursor === null) return linuxerr.EIO;
    const page = decodeLeafPage(firstOfPageKey(cursor.key) ?? '', cursor.value);
    return covers(page, key) ? page : linuxerr.EIO;
  } catch (error) {
    if (error instanceof LinuxError) return error;
    throw error;
  }
}
