// The superblock: what a store says of itself. It is part of every commit.

import { StoreError } from './store-error.ts';

const MAGIC = 'burrow';
/** Raised when an older version of Burrow could no longer read what this one writes. */
export const FORMAT_VERSION = 3;
/** As this one but for the end of the root block: read as it is, and 3 with the first commit. */
export const FORMAT_2 = 2;
/** The first format. A store of it is upgraded when it is opened: format-1/upgrade.ts. */
export const FORMAT_1 = 1;
/** A feature: large records are blobs, or were. */
export const BLOBS = 'blobs';
const FEATURES: readonly unknown[] = [BLOBS];
const FORMATS: readonly unknown[] = [FORMAT_1, FORMAT_2, FORMAT_VERSION];

export interface Superblock {
  readonly magic: typeof MAGIC;
  readonly formatVersion: typeof FORMAT_VERSION | typeof FORMAT_2 | typeof FORMAT_1;
  /** Names of additions to the format that a reader must know. */
  readonly features: readonly string[];
  readonly source: string;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  /** Where everything else begins: engine/root-block.ts. Missing: nothing was ever committed. */
  readonly root?: Uint8Array;
  /** False from the first commit of a session on, until it ends in order. */
  readonly isClean?: boolean;
  /** The file in OPFS holds the same, or what came after. */
  readonly isMirrored?: boolean;
  /** The browser lost what was here. Nothing else is, until the user agrees to start afresh. */
  readonly lost?: { readonly at: number; readonly message: string };
}

export function newSuperblock(options: {
  source: string;
  createdAt: number;
  /** What the browser said of the loss, if this takes the place of a lost database. */
  lost?: string | undefined;
}): Superblock {
  const { source, createdAt, lost } = options;
  return {
    magic: MAGIC,
    formatVersion: FORMAT_VERSION,
    features: [],
    source,
    createdAt,
    ...(lost === undefined ? {} : { lost: { at: createdAt, message: lost } }),
  };
}

/** Errors: StoreError 'unknown-format' if this is not a superblock of a format that we read. */
export function checkSuperblock(found: unknown, database: string): Superblock {
  const block = (typeof found === 'object' ? found : undefined) as
    Partial<Record<keyof Superblock, unknown>> | null | undefined;
  if (block?.magic !== MAGIC) throw unknownFormat(database, 'not a filesystem of Burrow');
  if (!FORMATS.includes(block.formatVersion)) {
    const version = String(block.formatVersion);
    const read = `${FORMAT_1} to ${FORMAT_VERSION}`;
    throw unknownFormat(database, `format version ${version}, and this version reads ${read}`);
  }
  const { features } = block;
  if (!Array.isArray(features) || features.some((feature) => !FEATURES.includes(feature))) {
    const found = JSON.stringify(features);
    throw unknownFormat(database, `features that this version doesn't know: ${found}`);
  }
  if (!Number.isSafeInteger(block.createdAt)) throw unknownFormat(database, 'a broken createdAt');
  if (block.root !== undefined && !(block.root instanceof Uint8Array)) {
    throw unknownFormat(database, 'a broken root');
  }
  return found as Superblock;
}

export function unknownFormat(database: string, found: string): StoreError {
  return new StoreError(
    'unknown-format',
    `The database "${database}" was not written by this version of Burrow: found ${found}. ` +
      'Nothing was changed. Open it with the version that wrote it, or use another source.',
  );
}
