// Store: the contract between a persistent filesystem (fs/idbfs) and the storage engine below it.
//
// A store holds two things and changes both in one atomic commit:
//  - an ordered map of small items: key (string) → value (bytes);
//  - objects: sparse byte spaces named by a number, for file data.
// It knows nothing of paths, inodes or directories. store/README.md says what the implementations
// are and what they write; nothing here depends on it.
//
// An object's pieces lie beside the items whose keys begin with its number (number-key.ts); no key
// may go on with U+0000 there.
//
// Ordering: keys compare by UTF-16 code units, which is what JavaScript's `<` and IndexedDB both
// do. Crash: after any crash the store holds exactly the state of the last commit whose transaction
// completed; a strict commit that resolved is never lost by us.

import type { MirrorStatus } from '../lib/mirror-status.ts';
import type { Op } from '../lib/op.ts';
import type { Replacement, ScrubReport, StoreView, ViewOptions } from './store-view.ts';
import type { Subvolumes } from './subvolumes.ts';

/**
 * Granularity of object data, in bytes. A block is either written (data) or a hole; holes read as
 * zeros.
 */
export const BLOCK_SIZE = 4096;

/**
 * Largest value of an item, in bytes. Larger ones are refused by assertion: they belong in an
 * object.
 */
export const ITEM_VALUE_MAX = 8192;
/** Longest key, in UTF-16 code units. */
export const ITEM_KEY_MAX = 512;

export interface Item {
  readonly key: string;
  /** Owned by the store: callers must not change it. */
  readonly value: Uint8Array;
}

export interface ScanOptions {
  /** First key wanted (inclusive). */
  readonly from: string;
  /** End of the range (exclusive). */
  readonly to: string;
  /** Largest number of items returned. */
  readonly limit: number;
}

/** A run of written blocks of an object. Whatever lies between runs is a hole. */
export interface Run {
  /** Bytes from the start of the object; a multiple of BLOCK_SIZE. */
  readonly offset: number;
  /** The blocks' bytes. The last block may be cut short: the rest of it is zeros. */
  readonly bytes: Uint8Array;
}

/** Bytes [from, to). */
export interface ByteRange {
  readonly from: number;
  readonly to: number;
}

/** Of an item: its new value, or undefined to delete it. One that isn't there may be deleted. */
export type ItemChange = readonly [key: string, value: Uint8Array | undefined];

/** One atomic change. Within a batch, discards happen before writes. */
export interface Batch {
  /** Each key once; a Map, for example. */
  readonly items: Iterable<ItemChange>;
  /**
   * Ranges of objects that become holes: [from, to) in bytes, multiples of BLOCK_SIZE; to may be
   * Infinity.
   */
  readonly discards: readonly {
    readonly object: number;
    readonly from: number;
    readonly to: number;
  }[];
  /**
   * Ranges of objects whose data is lost, in bytes, multiples of BLOCK_SIZE: reading them is EIO
   * until something else is written there. A repair says so.
   */
  readonly lost?: readonly {
    readonly object: number;
    readonly from: number;
    readonly to: number;
  }[];
  /** Blocks that become data. Runs of one object don't overlap. */
  readonly writes: readonly { readonly object: number; readonly run: Run }[];
}

/**
 * 'relaxed': the commit is atomic and ordered, and reaches the medium soon.
 * 'strict': resolved only when the medium has confirmed it.
 */
export type Durability = 'relaxed' | 'strict';

export interface StoreUsage {
  /** Bytes in use by the store, as far as the platform tells. */
  readonly used: number;
  /** Bytes that may still be added. */
  readonly available: number;
}

export interface ReadAtOnce {
  readonly ranges: readonly ByteRange[];
  readonly runs: readonly Run[];
}

export interface Store {
  /** Undefined: it is kept on one. */
  readonly mirror?: MirrorStatus | undefined;

  /** False once it was closed, by us or by the platform: everything fails with EIO from then on. */
  readonly isOpen: boolean;

  /** Commits fail with EROFS. Missing: they don't. */
  readonly isReadOnly?: boolean;
  /** Bytes that a commit was given may change once it has ended. Missing: they are used further. */
  readonly forgetsWrites?: boolean;
  /** The other trees that share what is alike with this one. Missing: it can have none. */
  readonly subvolumes?: Subvolumes | undefined;
  /** The name of this one among them. Missing: it is the main tree. */
  readonly subvolume?: string | undefined;

  /**
   * The value of a key, or undefined.
   *
   * Errors:
   *  - EIO if the medium fails.
   */
  get(key: string): Op<Uint8Array | undefined>;

  /**
   * Items with from ≤ key < to in ascending order, at most `limit` of them. Fewer than `limit`
   * means that the range is exhausted.
   *
   * Errors:
   *  - EIO if the medium fails.
   */
  scan(options: ScanOptions): Op<Item[]>;

  /**
   * The data within [offset, offset + length) of an object, both multiples of BLOCK_SIZE: runs in
   * ascending order, cut to the range. An object never written reads as one hole. Callers must not
   * change the bytes.
   *
   * Errors:
   *  - EIO if the medium fails.
   */
  read(object: number, offset: number, length: number): Op<Run[]>;

  /**
   * Where the data is that read() would give: ranges in ascending order, multiples of BLOCK_SIZE,
   * that may touch. Reads none of it. Linux: FIEMAP.
   *
   * Errors:
   *  - EIO if the medium fails.
   */
  dataRanges(object: number, offset: number, length: number): Op<ByteRange[]>;

  /**
   * What dataRanges() gives of a range of an object, and read() of ranges that lie in it; undefined
   * if that takes waiting, or something is in the way: read() tells. Missing: it always does. The
   * bytes are good until the next call.
   */
  readAtOnce?(
    object: number,
    within: ByteRange,
    wanted: readonly ByteRange[],
  ): ReadAtOnce | undefined;

  /**
   * Reads whole blocks into `target`, if that takes no waiting and all of them are data that was
   * written at once; false if not: read() tells. Missing: it always does.
   */
  readInto?(object: number, offset: number, target: Uint8Array): boolean;

  /**
   * Where the first written block at or after `offset` (a multiple of BLOCK_SIZE) of an object
   * starts, or undefined if only a hole follows. Reads no data it doesn't need: for SEEK_DATA in
   * large sparse files.
   *
   * Errors:
   *  - EIO if the medium fails.
   */
  nextData(object: number, offset: number): Op<number | undefined>;

  /**
   * Applies a batch atomically. Commits happen in the order of the calls. The batch's bytes must
   * not change until the commit has ended, and those of long runs never again unless the store
   * `forgetsWrites`: a copy that follows may be written from them later. get, scan and read may
   * show the batch as soon as this is called and do show it once it has succeeded.
   *
   * Errors (nothing of the batch is applied; after a crash that comes before the next commit
   * succeeds, all of it may be: a medium that fails can't say how much it has written):
   *  - EROFS if the store is read-only.
   *  - ENOSPC if the origin's quota is exceeded.
   *  - EIO if the medium fails or the store was closed.
   */
  commit(batch: Batch, options: { readonly durability: Durability }): Op<void>;

  /**
   * Makes a batch durable without applying it: get, scan and read don't show it. After a crash it
   * is found applied. The next commit, and the next call of this, take its place: whatever of it
   * is still wanted has to be in them as well. Cheap, if the batch is small. Returns false, and
   * has done nothing, if it isn't, or if there is no such way.
   *
   * Errors: as of commit().
   */
  log(batch: Batch): Op<boolean>;

  /**
   * Commits what was logged and is in no commit since: whoever logged it is gone.
   *
   * Errors: as of commit().
   */
  recover?(): Op<void>;

  /**
   * What the last commit left, to be read while others go on. Whoever gets it closes it: as long as
   * it is open, what commits give up goes on taking space.
   *
   * Errors:
   *  - EIO if the medium fails.
   */
  view(options?: ViewOptions): Op<StoreView>;

  /**
   * Begins to put other contents in place of all there are. One at a time, and without commits
   * meanwhile.
   *
   * Errors:
   *  - EBUSY if there are other trees: they would go with what is replaced.
   *  - EROFS of a tree that is one of these.
   */
  replace(): Op<Replacement>;

  /**
   * Compares the copies that there are of everything, and puts right what is damaged in one of
   * them. Undefined, or missing: there is one copy.
   *
   * Errors:
   *  - EIO if the medium fails.
   */
  scrub?(): Op<ScrubReport | undefined>;

  /** Space in use and left, as far as the platform tells. What is reserved counts as left. */
  usage(): Op<StoreUsage>;

  /** Bytes that are held for commits to come. */
  readonly reservedBytes: number;

  /**
   * Holds `bytes` of the medium for commits to come, or as many as there are. Returns how many it
   * got: a commit may have used some of them when the caller hears of that. A commit that finds no
   * other room uses them, and may use all of them up.
   *
   * Errors:
   *  - EIO if the medium fails or the store was closed.
   */
  reserve(bytes: number): Op<number>;

  /** Waits for a commit under way, then gives up the medium and its lock. Idempotent. */
  close(): Op<void>;
}
