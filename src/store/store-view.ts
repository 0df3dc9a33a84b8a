// StoreView: what a store holds at one moment, for whoever needs long to read it: a check, an
// export. And Replacement: new contents in place of all there are.

import type { Op } from '../lib/op.ts';
import type { Batch, Item, Run } from './store.ts';

/** What lies in a store, in the order of keys; `key` is where it begins. */
export type ViewEntry =
  | (Item & { readonly kind: 'item' })
  /** Written blocks of an object: bytes [offset, offset + length). */
  | {
      readonly kind: 'data';
      readonly key: string;
      readonly object: number;
      readonly offset: number;
      readonly length: number;
    }
  /** Nothing can be said of what has keys up to `end`; undefined: to the last. */
  | { readonly kind: 'damage'; readonly key: string; readonly end: string | undefined };

export interface ViewEntries {
  readonly entries: readonly ViewEntry[];
  /** The key to go on with; undefined: there is nothing more. */
  readonly next: string | undefined;
}

/** Blocks of an object that are not as they were written. In bytes. */
export interface DamagedRange {
  readonly object: number;
  readonly offset: number;
  readonly length: number;
}

export interface CheckProgress {
  /** Bytes of the store that have been read. */
  readonly bytes: number;
  /** Bytes there are, about. */
  readonly total: number;
}

/** What a store says of itself, having read all of it. */
export interface StoreReport {
  /** One sentence for each thing that is wrong, but for damaged data. */
  readonly problems: readonly string[];
  /** In ascending order of objects, at most DAMAGED_RANGES_MAX. */
  readonly damaged: readonly DamagedRange[];
  /** Data of other trees of the store that is damaged, a sentence each. */
  readonly damagedElsewhere: readonly string[];
  readonly usedBytes: number;
  readonly freeBytes: number;
}

/** What a comparison of two copies has found and done. */
export interface ScrubReport {
  /** False: it was broken off, as one of the copies isn't up to date. */
  readonly isComplete: boolean;
  /** Places that were damaged in one copy. */
  readonly mended: number;
  /** Places that are damaged in both. */
  readonly lost: number;
}

export const DAMAGED_RANGES_MAX = 10_000;

export interface StoreView {
  /** As Store.get(). Errors: EIO if the medium fails, or what is asked for is damaged. */
  get(key: string): Op<Uint8Array | undefined>;

  /** As Store.read(). Errors: as get(). */
  read(object: number, offset: number, length: number): Op<Run[]>;

  /**
   * What there is from a key on: `limit` entries, or somewhat more. Goes on behind what is damaged.
   *
   * Errors: EIO if the medium fails.
   */
  entries(from: string, limit: number): Op<ViewEntries>;

  /**
   * Reads everything and looks whether it is as it was written. Only of a view that was made for
   * it, and once.
   *
   * Errors: EIO if the medium fails.
   */
  check(onProgress?: (progress: CheckProgress) => void): Op<StoreReport>;

  /** What the store has given up since is not kept for this view any longer. Idempotent. */
  close(): void;
}

export interface ViewOptions {
  /** It will be checked. Default: false. */
  readonly forCheck?: boolean;
}

/**
 * New contents of a store, which nobody sees before they are all there. Meanwhile there are no
 * commits. What is left of one that was interrupted is given up by the next commit.
 */
export interface Replacement {
  /** As Store.commit(), of what is to be. */
  put(batch: Batch): Op<void>;
  /** Puts it in place of all there was, in one commit, strictly, and closes the store. */
  finish(): Op<void>;
  /** Gives it up. */
  abort(): void;
}
