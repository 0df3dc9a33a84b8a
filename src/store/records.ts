// The records of a store's database: their keys. README.md has the table of what is in them.

/** The object store that holds all records. */
export const RECORDS = 'records';

/** IndexedDB as a store needs it; tests pass another one than the platform's. */
export interface IndexedDb {
  readonly factory: IDBFactory;
  readonly KeyRange: typeof IDBKeyRange;
}

export const SUPERBLOCK_KEY = 'superblock';

const PAGE_PREFIX = 'page:';

export function pageKey(first: string): string {
  return PAGE_PREFIX + first;
}

/** First key of the page stored under `key`. */
export function firstOfPageKey(key: IDBValidKey): string | undefined {
  return typeof key === 'string' && key.startsWith(PAGE_PREFIX)
    ? key.slice(PAGE_PREFIX.length)
    : undefined;
}

/** Arrays sort after strings, so chunks come after all other records, by object and index. */
export function chunkKey(object: number, index: number): [number, number] {
  return [object, index];
}

/** A key above those of all chunks of `object` and below those of the next. */
export function afterChunksOf(object: number): IDBValidKey {
  return [object, []];
}
