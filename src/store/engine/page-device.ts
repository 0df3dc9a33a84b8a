// PageDevice: the contract between the engine and the medium it writes to.
//
// A device is a space of places, which the engine allots. A place begins at an address, counted in
// units of 4 KiB, and is written as a whole, once, before it is given up and may be written again.
// Nothing that a committed state uses is ever overwritten: that is what makes a commit atomic.

import type { MirrorStatus } from '../../lib/mirror-status.ts';
import type { Op } from '../../lib/op.ts';
import type { Durability, StoreUsage } from '../store.ts';
import type { ScrubReport } from '../store-view.ts';

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

export interface UnitRange {
  readonly address: number;
  /** Infinity: all from there on. */
  readonly units: number;
}

export interface DeviceBatch {
  /** At places that neither the last commit uses nor the one before. */
  readonly writes: readonly { readonly address: number; readonly bytes: Uint8Array }[];
  /** Places that are not used from this commit on. */
  readonly frees: readonly Place[];
  /** Units in which whatever there is goes, before the writes: of a copy that is made anew. */
  readonly clears?: readonly UnitRange[];
  /**
   * Below the end of what was ever used, so many units are free from this commit on in pieces that
   * take whatever is written. Missing: nothing is known.
   */
  readonly reusableUnits?: number;
  /** What is found at the next opening. At most SUPERBLOCK_SIZE_MAX. */
  readonly superblock: Uint8Array;
}

/** In bytes. Below the size from which IndexedDB keeps a value in a file of its own. */
export const SUPERBLOCK_SIZE_MAX = 60_000;

export interface PageDevice {
  /** False once it was closed, by us or by the platform: everything fails with EIO. */
  readonly isOpen: boolean;

  /**
   * Is a batch written as a whole by the medium itself? Then it may also write where the last
   * commit has something that the batch gives up: several commits can be made one.
   */
  readonly isTransactional: boolean;

  /** Bytes of a batch may change once its commit has ended. Missing: they are used further. */
  readonly forgetsWrites?: boolean;

  /** Of a device that is two. */
  readonly mirrorStatus?: MirrorStatus;

  /** The superblock of the last commit; undefined if there was none. */
  readSuperblock(): Op<Uint8Array | undefined>;

  /**
   * The portions in their order; undefined for one that isn't there in its size. Callers must not
   * change the bytes. What can be answered at once doesn't yield; several portions cost little more
   * than one.
   *
   * Errors:
   *  - EIO if the medium fails.
   */
  read(portions: readonly Portion[]): Op<(Uint8Array | undefined)[]>;

  /**
   * Reads a portion into `target`, which is as long. False if that takes waiting, or it isn't there
   * in its size. Missing: it always does. Errors: EIO.
   */
  readAtOnce?(portion: Portion, target: Uint8Array): boolean;

  /**
   * Writes a batch, whole or not at all: after any crash the medium holds exactly the state of one
   * commit. The engine makes one commit at a time.
   *
   * Errors (the state before it stays; after a crash that comes before the next commit succeeds,
   * the batch may be found, whole):
   *  - ENOSPC if the quota is exceeded.
   *  - EIO if the medium fails or was closed.
   */
  commit(batch: DeviceBatch, durability: Durability): Op<void>;

  /**
   * Puts a place that is in use back to what it was. The engine never does; a mirror does, with a
   * side that is damaged.
   *
   * Errors: EIO.
   */
  rewrite(address: number, bytes: Uint8Array): Op<void>;

  /**
   * For a place that `read` showed other than it was written: looks for one that satisfies
   * `isWhole` where there is another copy, puts it in the place of the damaged one and returns it.
   * Missing: there is one copy only.
   */
  mend?(place: Place, isWhole: (bytes: Uint8Array) => boolean): Op<Uint8Array | undefined>;

  /** Reads all of both copies and mends either from the other. Missing: there is one copy only. */
  scrub?(): Op<ScrubReport>;

  /**
   * Addresses of what is kept, in ascending order: from `from` on, at most `limit`. For repairs,
   * which look for what nothing leads to any more. Missing: nothing is kept by address.
   *
   * Errors: EIO if the medium fails.
   */
  addresses?(from: number, limit: number): Op<number[]>;

  /** What is kept at an address, of whatever size. With addresses(). Errors: EIO. */
  readAt?(address: number): Op<Uint8Array | undefined>;

  /** Space in use and left; what is reserved counts as left. */
  usage(): Op<StoreUsage>;

  /** As Store.reservedBytes. */
  readonly reservedBytes: number;

  /** As Store.reserve(). Of a device that leads, or is alone, not during a commit. */
  reserve(bytes: number): Op<number>;

  /** What of the quota it may take to reserve `bytes`, at most. Missing: so much. */
  reserveCost?(bytes: number): number;

  /**
   * Gives up so much of what is reserved: another device of the origin needs it. False if there is
   * nothing reserved. Not during a commit. Errors: EIO.
   */
  release(bytes: number): Op<boolean>;

  /** Gives up the medium. Idempotent. */
  close(): Op<void>;
}

export function unitsOf(sizeBytes: number): number {
  return Math.ceil(sizeBytes / UNIT_SIZE);
}

export function wholePlace({ address, sizeBytes }: Place): Portion {
  return { address, sizeBytes, from: 0, to: sizeBytes };
}

/** `mend` of a device that has it. */
export function* mendPlace(
  device: PageDevice,
  place: Place,
  isWhole: (bytes: Uint8Array) => boolean,
): Op<Uint8Array | undefined> {
  return device.mend === undefined ? undefined : yield* device.mend(place, isWhole);
}
