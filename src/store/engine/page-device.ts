// PageDevice: the contract between the engine and the medium it writes to.
//
// A device is a space of places, which the engine allots. A place begins at an address, counted in
// units of 4 KiB, and is written as a whole, once, before it is given up and may be written again.
// Nothing that a committed state uses is ever overwritten: that is what makes a commit atomic.

import type { Op } from '../../lib/op.ts';
import type { Durability, StoreUsage } from '../store.ts';

/** What addresses count, in bytes. */
export const UNIT_SIZE = 4096;
/** Longest place, in units. */
export const PLACE_UNITS_MAX = 256;

/** What was written at an address, in one piece. */
export interface Place {
  readonly address: number;
  readonly sizeBytes: number;
}

/** What is wanted of a place: bytes [from, to). */
export interface Portion extends Place {
  readonly from: number;
  readonly to: number;
}

export interface DeviceBatch {
  /** At places that neither the last commit uses nor the one before. */
  readonly writes: readonly { readonly address: number; readonly bytes: Uint8Array }[];
  /** Places that are not used from this commit on. */
  readonly frees: readonly Place[];
  /** What is found at the next opening. At most SUPERBLOCK_SIZE_MAX. */
  readonly superblock: Uint8Array;
}

/** In bytes. Below the size from which IndexedDB keeps a value in a file of its own. */
export const SUPERBLOCK_SIZE_MAX = 60_000;

export interface PageDevice {
  /** False once it was closed, by us or by the platform: everything fails with EIO. */
  readonly isOpen: boolean;

  /** The superblock of the last commit; undefined if there was none. */
  readSuperblock(): Op<Uint8Array | undefined>;

  /**
   * The portions in their order; undefined for one that isn't there in its size. The caller owns
   * the bytes. What can be answered at once doesn't yield; several portions cost little more than
   * one.
   *
   * Errors:
   *  - EIO if the medium fails.
   */
  read(portions: readonly Portion[]): Op<(Uint8Array | undefined)[]>;

  /**
   * Writes a batch, whole or not at all: after any crash the medium holds exactly the state of one
   * commit. The engine makes one commit at a time.
   *
   * Errors (the state before it stays):
   *  - ENOSPC if the quota is exceeded.
   *  - EIO if the medium fails or was closed.
   */
  commit(batch: DeviceBatch, durability: Durability): Op<void>;

  /**
   * Addresses of what is kept, in ascending order: from `from` on, at most `limit`. For repairs,
   * which look for what nothing leads to any more. Missing: nothing is kept by address.
   *
   * Errors: EIO if the medium fails.
   */
  addresses?(from: number, limit: number): Op<number[]>;

  /** What is kept at an address, of whatever size. With addresses(). Errors: EIO. */
  readAt?(address: number): Op<Uint8Array | undefined>;

  /** Space in use and left. */
  usage(): Op<StoreUsage>;

  /** Gives up the medium. Idempotent. */
  close(): Op<void>;
}

export function unitsOf(sizeBytes: number): number {
  return Math.ceil(sizeBytes / UNIT_SIZE);
}

export function wholePlace({ address, sizeBytes }: Place): Portion {
  return { address, sizeBytes, from: 0, to: sizeBytes };
}
