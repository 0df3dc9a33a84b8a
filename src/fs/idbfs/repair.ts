// repair: mends a store on a device, and the filesystem in it. All is tried in memory first
// (store/engine/overlay-device.ts), and put onto the device in one commit: until then it is as it
// was, and a dry run leaves it so.
//
// Data that is damaged stays, and reading it goes on failing; what a damaged node had of a file's
// data is marked to fail as well, where it would otherwise look like a hole.

import { linuxerr } from '../../abi/errno.ts';
import type { Timespec } from '../../lib/clock.ts';
import type { Op } from '../../lib/op.ts';
import { numberFromKey, numberKey } from '../../store/number-key.ts';
import { checkDevice } from '../../store/engine/check.ts';
import { Engine } from '../../store/engine/engine.ts';
import { OverlayDevice } from '../../store/engine/overlay-device.ts';
import type { PageDevice } from '../../store/engine/page-device.ts';
import { type LostKeys, salvage } from '../../store/engine/salvage.ts';
import type { ViewEntries } from '../../store/store-view.ts';
import { BLOCK_SIZE } from '../shared/file-data.ts';
import { checkStore, mendedText } from './check.ts';
import { decodeFilesystem, decodeInode, filesystemKey, inodeKey, isKnownFormat } from './items.ts';
import { repairTree } from './tree-repair.ts';
import { XATTR_OBJECTS } from './xattr-blob.ts';

export interface RepairDeviceOptions {
  readonly checksum: (bytes: Uint8Array) => number;
  readonly now: Timespec;
  readonly dryRun: boolean;
  /** Damaged data becomes holes. */
  readonly discardDamaged: boolean;
}

const CACHE_BYTES = 16 << 20;
const ENTRIES_AT_ONCE = 1024;
/** Of one gap, in bytes: what is lost beyond it is said, and is a hole. */
const LOST_SIZE_MAX = 2 ** 36;

/**
 * Errors: EIO if nothing can be found; ENOSPC: nothing has changed; EINVAL for a filesystem of a
 * later version; StoreError 'damaged' if trees besides the main one would be lost.
 */
export function* repairDevice(
  device: PageDevice,
  options: RepairDeviceOptions,
): Op<{ repairs: readonly string[]; problems: readonly string[] }> {
  const { checksum, dryRun } = options;
  const repairs: string[] = [];
  // What one of two copies has is not damaged.
  const scrubbed = device.scrub === undefined ? undefined : yield* device.scrub();
  if (scrubbed !== undefined && scrubbed.mended > 0) repairs.push(mendedText(scrubbed.mended));
  const overlay = new OverlayDevice(device);
  const before = yield* checkDevice(overlay, checksum);
  let lost: readonly LostKeys[] = [];
  const damagedData = before.damaged.length + before.damagedElsewhere.length;
  if (before.problems.length > damagedData) {
    const salvaged = yield* salvage(overlay, checksum);
    lost = salvaged.lost;
    repairs.push(...salvaged.repairs);
  }
  const parts = { device: overlay, checksum, cacheBytes: CACHE_BYTES, appendsOnly: true };
  const engine = yield* Engine.open(parts);
  // Nothing was ever stored: there is nothing to be wrong.
  if ((yield* engine.scan({ from: '', to: '\uffff', limit: 1 })).length === 0) {
    if (before.problems.length === 0) return { repairs, problems: [] };
  }
  const header = yield* engine.get(filesystemKey);
  if (header !== undefined && header.length >= 4) {
    if (!isKnownFormat(decodeFilesystem(header).formatVersion)) throw linuxerr.EINVAL;
  }
  const marks = yield* markLost(engine, lost);
  const mended = yield* repairTree(engine, {
    now: options.now,
    mayDiscard: options.discardDamaged,
  });
  repairs.push(...marks, ...mended);
  if (options.discardDamaged) repairs.push(...(yield* discardDamaged(engine)));
  const { problems } = yield* checkStore(engine, {});
  // Space of deleted trees is given back in the background, until this.
  yield* engine.close();
  if (!dryRun && repairs.length > 0) yield* overlay.flush();
  return { repairs, problems };
}

/** Blocks that were, or may have been, where keys are lost. */
function* markLost(engine: Engine, lost: readonly LostKeys[]): Op<string[]> {
  const marked: string[] = [];
  for (const keys of lost) {
    const objects = new Set([firstObject(keys.from)]);
    if (keys.to !== undefined) objects.add(firstObject(keys.to));
    for (const object of objects) marked.push(...(yield* markObject(engine, object, keys)));
  }
  return marked;
}

function firstObject(key: string): number {
  return numberFromKey(key.padEnd(4, '\0'), 0);
}

function* markObject(engine: Engine, object: number, { from, to }: LostKeys): Op<string[]> {
  if (object >= XATTR_OBJECTS) return [];
  const item = yield* engine.get(inodeKey(object));
  const inode = item === undefined || item.length < 8 ? undefined : decodeInode(item);
  if (inode === undefined) return [];
  const start = offsetOf(object, from);
  const sizeEnd = Math.ceil(inode.size / BLOCK_SIZE) * BLOCK_SIZE;
  const end = Math.min(sizeEnd, to === undefined ? Infinity : offsetOf(object, to));
  const { holes, blocks } = yield* holesOf(
    engine,
    object,
    start,
    Math.min(end, start + LOST_SIZE_MAX),
  );
  // Nothing of it is missing.
  if (blocks >= inode.blockCount || holes.length === 0) return [];
  const losses = holes.map((hole) => ({ object, ...hole }));
  const batch = { items: new Map<string, Uint8Array>(), discards: [], writes: [], lost: losses };
  yield* engine.commit(batch, { durability: 'relaxed' });
  const bytes = holes.reduce((sum, hole) => sum + hole.to - hole.from, 0);
  const first = holes[0]?.from ?? 0;
  const said = `inode ${object}: ${bytes} bytes from ${first} on are lost, or were a hole; `;
  const limit = start + LOST_SIZE_MAX;
  const rest = end > limit ? `, and what is beyond ${limit} is a hole` : '';
  return [`${said}reading them fails with EIO${rest}`];
}

/** Where in an object's data a key lies, in bytes; Infinity: behind it. */
function offsetOf(object: number, key: string): number {
  const start = numberKey(object);
  if (key <= start) return 0;
  if (!key.startsWith(start) || key.charCodeAt(4) !== 0) return Infinity;
  const unit = numberFromKey(key.padEnd(8, '\0'), 4);
  // A key behind that of a piece: the piece itself is there.
  return (key.length > 8 ? unit + 1 : unit) * BLOCK_SIZE;
}

/** What is no data within [from, to), and how many blocks there are in all. */
function* holesOf(
  engine: Engine,
  object: number,
  from: number,
  to: number,
): Op<{ holes: { from: number; to: number }[]; blocks: number }> {
  const view = yield* engine.view();
  const holes: { from: number; to: number }[] = [];
  let [at, blocks] = [from, 0];
  try {
    const end = numberKey(object) + '\u0001';
    for (let key: string | undefined = numberKey(object); key !== undefined && key < end;) {
      const found: ViewEntries = yield* view.entries(key, ENTRIES_AT_ONCE);
      for (const entry of found.entries) {
        if (entry.kind !== 'data' || entry.object !== object) continue;
        blocks += entry.length / BLOCK_SIZE;
        if (entry.offset > at && at < to) holes.push({ from: at, to: Math.min(to, entry.offset) });
        at = Math.max(at, entry.offset + entry.length);
      }
      key = found.next;
    }
  } finally {
    view.close();
  }
  if (at < to) holes.push({ from: at, to });
  return { holes, blocks };
}

function* discardDamaged(engine: Engine): Op<string[]> {
  const view = yield* engine.view({ forCheck: true });
  try {
    const { damaged } = yield* view.check();
    const discards = damaged.map(({ object, offset, length }) => ({
      object,
      from: offset,
      to: offset + length,
    }));
    const batch = { items: new Map<string, Uint8Array>(), discards, writes: [] };
    yield* engine.commit(batch, { durability: 'relaxed' });
    return damaged.map(
      ({ object, offset, length }) =>
        `inode ${object}: ${length} bytes from ${offset} on are damaged; they read as zeros`,
    );
  } finally {
    view.close();
  }
}
