// Catching up: brings a side of a mirror up to date that is as the other one was a few commits ago,
// in one commit: what it lacks is found by comparing the trees, whose nodes know of which commit
// they are.

import { LinuxError, linuxerr } from '../../abi/errno.ts';
import type { Op } from '../../lib/op.ts';
import type { Checksum } from './node-cache.ts';
import type { Extent } from './node.ts';
import { type DeviceBatch, type UnitRange, unitsOf } from './page-device.ts';
import { PlaceWalk, readPlaces, spacePagesOf, type VisitedPlace } from './place-walk.ts';
import type { WholeSide } from './mirror-open.ts';
import { encodeRootBlock } from './root-block.ts';
import { Space } from './space.ts';

/** What lacks more is made anew, in steps. */
const BYTES_MAX = 64 << 20;
const STEP_BYTES = 4 << 20;

export interface CatchUpOptions {
  readonly newer: WholeSide;
  /** As the newer one was. */
  readonly older: WholeSide;
  readonly checksum: Checksum;
}

/**
 * 'done'; 'large': nothing was done, the side is to be made anew; 'damaged': nothing was done, as
 * the newer side can't be read where the older has nothing; 'failed': the older side can't be
 * written, for want of room perhaps.
 */
export function* catchUp(options: CatchUpOptions): Op<'done' | 'large' | 'damaged' | 'failed'> {
  let batch: DeviceBatch | undefined;
  try {
    batch = yield* difference(options);
  } catch (error) {
    if (!(error instanceof LinuxError)) throw error;
    return 'damaged';
  }
  if (batch === undefined) return 'large';
  try {
    yield* apply(batch, options);
  } catch (error) {
    if (!(error instanceof LinuxError)) throw error;
    return 'failed';
  }
  return 'done';
}

/** Errors: those of the older side's commit. */
function* apply(batch: DeviceBatch, { older, checksum }: CatchUpOptions): Op<void> {
  if (!older.device.isTransactional) {
    // What it has now is written over, piece by piece.
    const superblock = encodeRootBlock({ ...older.block, isIncomplete: true }, checksum);
    yield* older.device.commit({ writes: [], frees: [], superblock }, 'strict');
  }
  yield* older.device.commit(batch, 'strict');
}

/**
 * What makes the older side as the newer; undefined if that is too much, or if the older is
 * damaged.
 *
 * Errors: EIO of the newer.
 */
function* difference({ newer, older, checksum }: CatchUpOptions): Op<DeviceBatch | undefined> {
  const { generation } = older.block;
  /** Nodes that both have, as far as something new leads to them. */
  const kept = new Set<number>();
  const added = yield* placesOf(newer, checksum, (child) => {
    const isOld = child.generation <= generation;
    if (isOld) kept.add(child.address);
    return isOld;
  });
  let removed: VisitedPlace[];
  try {
    removed = yield* placesOf(older, checksum, (child) => kept.has(child.address));
  } catch (error) {
    if (!(error instanceof LinuxError)) throw error;
    return undefined;
  }
  const known = unitsIn(removed);
  const missing = added.filter(({ extents }) => !isKnown(extents, known));
  const pages = spacePagesOf(newer.block, checksum);
  if (sizeOf(missing) > BYTES_MAX) return undefined;
  const writes: { address: number; bytes: Uint8Array }[] = [];
  const clears: UnitRange[] = [];
  for (const place of [...missing, ...pages]) {
    const [bytes] = yield* readPlaces(newer.device, [place]);
    if (bytes === undefined) throw linuxerr.EIO;
    writes.push({ address: place.address, bytes });
    clears.push({ address: place.address, units: unitsOf(place.sizeBytes) });
  }
  const free = new Space(newer.block.space);
  yield* free.load(newer.device, checksum);
  for (const { address, sizeBytes } of [...removed, ...spacePagesOf(older.block, checksum)]) {
    // What isn't free is in use: by what was just copied, or from elsewhere in the trees.
    if (free.isFree(address)) clears.push({ address, units: unitsOf(sizeBytes) });
  }
  return { clears, writes, frees: [], superblock: newer.superblock };
}

function* placesOf(
  { device, block }: WholeSide,
  checksum: Checksum,
  skips: NonNullable<ConstructorParameters<typeof PlaceWalk>[0]['skips']>,
): Op<VisitedPlace[]> {
  const current = (): WholeSide['block'] => block;
  const walk = new PlaceWalk({ device, checksum, current, generation: Infinity, skips });
  const places: VisitedPlace[] = [];
  for (;;) {
    const next = yield* walk.next(STEP_BYTES);
    if (next === undefined) break;
    places.push(...next);
  }
  if (walk.damagedCount > 0) throw linuxerr.EIO;
  return places;
}

function sizeOf(places: readonly VisitedPlace[]): number {
  return places.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

/** Unit → checksum, as far as known. */
function unitsIn(places: readonly VisitedPlace[]): Map<number, number> {
  const units = new Map<number, number>();
  for (const { extents = [] } of places) {
    for (const extent of extents) each(extent, (unit, checksum) => units.set(unit, checksum));
  }
  return units;
}

/** Of a record: does the older side have it? */
function isKnown(
  extents: readonly Extent[] | undefined,
  known: ReadonlyMap<number, number>,
): boolean {
  if (extents === undefined) return false;
  let result = true;
  for (const extent of extents) {
    each(extent, (unit, checksum) => {
      if (known.get(unit) !== checksum) result = false;
    });
  }
  return result;
}

function each(
  { address, firstUnit, checksums }: Extent,
  visit: (unit: number, checksum: number) => void,
): void {
  checksums.forEach((checksum, i) => {
    visit(address + firstUnit + i, checksum);
  });
}
