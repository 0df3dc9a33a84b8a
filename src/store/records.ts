// The records of a store's database: their keys. README.md has the table of what is in them.

/** The object store that holds all records. */
export const RECORDS = 'records';

/** IndexedDB as a store needs it; tests pass another one than the platform's. */
export interface IndexedDb {
  readonly factory: IDBFactory;
  readonly KeyRange: typeof IDBKeyRange;
  /** Large values are better given as blobs than as bytes. Missing: they aren't. */
  readonly prefersBlobs?: boolean;
}

export const SUPERBLOCK_KEY = 'superblock';
/** Of a store that is being upgraded: its superblock to be. */
export const UPGRADE_KEY = 'upgrade';
