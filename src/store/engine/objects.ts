// Objects: their pieces in the tree, and the records that hold their data.
//
// A piece is a run of units of an object: either an extent, which is part of a record at some place
// of the device, or a single unit with little in it, kept in the tree. Its key is the object,
// U+0000 and the first unit. Records are never changed: overwriting part of an extent leaves pieces
// of what is left of it. A record goes when no piece is part of it; the number of those that are is
// kept in the meta tree, except where it is one.

import { linuxerr } from '../../abi/errno.ts';
import { assertDefined } from '../../lib/assert.ts';
import type { Op } from '../../lib/op.ts';
import { numberFromKey, numberKey } from '../number-key.ts';
import { BLOCK_SIZE, type Batch, type Run } from '../store.ts';
import type { Checksum } from './node-cache.ts';
import { Extent, InlineData } from './node.ts';
import { PLACE_UNITS_MAX, type Portion, UNIT_SIZE } from './page-device.ts';
import { Uses } from './record-uses.ts';
import type { Entry, Tree } from './tree.ts';
import type { Change } from './tree-edit.ts';

/** A unit with at most so many bytes before the zeros it ends in is kept in the tree. */
const INLINE_SIZE_MAX = 2048;
/** Runs of fewer units share records, which are of this size: below the cliff of IndexedDB. */
export const SHARED_RECORD_UNITS = 15;
/** Runs of so many units have records of their own. */
export const OWN_RECORD_UNITS_MIN = 64;
const UNITS_END = 2 ** 48;

export interface Piece {
  readonly unit: number;
  readonly value: Extent | InlineData;
}

/** What a commit does to the objects. */
export interface ObjectsEdit {
  readonly changes: readonly Change[];
  readonly writes: readonly { readonly address: number; readonly bytes: Uint8Array }[];
  /** Of records that were there before. */
  readonly uses: Uses;
  /** Pieces of a new record, where they are several. */
  readonly newUses: ReadonlyMap<number, number>;
}

function pieceKey(object: number, unit: number): string {
  // The first of its units is U+0000.
  return numberKey(object) + numberKey(unit);
}

/** The object of a piece's key. */
export function objectOf(key: string): number {
  return numberFromKey(key, 0);
}

/** The first unit in a piece's key. */
export function unitOf(key: string): number {
  return numberFromKey(key, 4);
}

/** Pieces that have units in [from, to), in order. All are of one moment. */
export function* piecesOf(tree: Tree, object: number, from: number, to: number): Op<Piece[]> {
  return piecesIn(yield* tree.entries(keysOf(object, from, to)), from);
}

/** The same, if what it takes of the tree is in memory and in one leaf; undefined if not. */
export function piecesAtOnce(
  tree: Tree,
  object: number,
  from: number,
  to: number,
): Piece[] | undefined {
  const entries = tree.entriesAtOnce(keysOf(object, from, to));
  return entries === undefined ? undefined : piecesIn(entries, from);
}

/**
 * The piece that has a unit, if that is known without waiting; undefined if not, or if there is
 * none.
 */
export function pieceAtOnce(tree: Tree, object: number, unit: number): Piece | undefined {
  const entry = tree.floorAtOnce(pieceKey(object, unit));
  if (entry === undefined || entry.value instanceof Uint8Array) return undefined;
  if (objectOf(entry.key) !== object) return undefined;
  const piece = pieceIn(entry);
  return piece.unit + unitCount(piece) > unit ? piece : undefined;
}

/** Of pieces that may have units in [from, to). */
function keysOf(object: number, from: number, to: number): { from: string; to: string } {
  return {
    from: pieceKey(object, Math.max(0, from - PLACE_UNITS_MAX + 1)),
    to: pieceKey(object, Math.min(to, UNITS_END)),
  };
}

/** Those that reach beyond `from`. */
function piecesIn(entries: readonly Entry[], from: number): Piece[] {
  const pieces: Piece[] = [];
  for (const entry of entries) {
    const piece = pieceIn(entry);
    if (piece.unit + unitCount(piece) > from) pieces.push(piece);
  }
  return pieces;
}

/** The first piece that reaches beyond `from`. */
export function* nextPiece(tree: Tree, object: number, from: number): Op<Piece | undefined> {
  const to = pieceKey(object, UNITS_END);
  const [near] = yield* piecesOf(tree, object, from, from + 1);
  if (near !== undefined) return near;
  const [next] = yield* tree.entries({ from: pieceKey(object, from), to, limit: 1 });
  return next === undefined ? undefined : pieceIn(next);
}

function pieceIn({ key, value }: Entry): Piece {
  if (value instanceof Uint8Array) throw linuxerr.EIO;
  return { unit: unitOf(key), value };
}

/** How many units of its object a piece is. */
export function unitCount({ value }: Piece): number {
  return value instanceof Extent ? value.unitCount : 1;
}

/** What an extent is part of, whole. */
export function recordPlace(extent: { address: number; recordUnits: number }): {
  address: number;
  sizeBytes: number;
} {
  return { address: extent.address, sizeBytes: extent.recordUnits * UNIT_SIZE };
}

/** The data of an extent, as far as it lies in units [from, to) of the object. */
export function portionOf(unit: number, extent: Extent, from: number, to: number): Portion {
  const first = Math.max(0, from - unit) + extent.firstUnit;
  const end = Math.min(extent.unitCount, to - unit) + extent.firstUnit;
  const { address, recordUnits } = extent;
  const sizeBytes = recordUnits * UNIT_SIZE;
  return { address, sizeBytes, from: first * UNIT_SIZE, to: end * UNIT_SIZE };
}

interface Range {
  readonly from: number;
  readonly to: number;
}

interface ObjectChange {
  /** In units. */
  readonly ranges: Range[];
  readonly runs: Run[];
}

/** Where there are so many, those to objects that are new are told from others first. */
const MANY_WRITES = 64;

/** Plans what a batch does to the objects. New records are placed by `allocate`. */
export function* planObjects(
  tree: Tree,
  batch: Batch,
  write: { readonly allocate: (units: number) => number; readonly checksum: Checksum },
): Op<ObjectsEdit> {
  const plan = new Plan(write);
  const lastObject = yield* lastObjectIn(tree, batch);
  for (const [object, { ranges, runs }] of changesByObject(batch, lastObject)) {
    for (const { from, to } of merged(ranges)) {
      for (const piece of yield* piecesOf(tree, object, from, to))
        plan.cut(object, piece, { from, to });
    }
    plan.write(object, runs);
  }
  for (const { object, ...range } of lostOf(batch)) plan.lose(object, range);
  return plan.finish();
}

/** In the tree there is nothing of objects behind this, as far as that is looked at. */
function* lastObjectIn(tree: Tree, { writes }: Batch): Op<number> {
  if (writes.length < MANY_WRITES) return Infinity;
  try {
    const last = yield* tree.lastKey();
    return last === undefined ? -1 : numberFromKey(last, 0);
  } catch (error) {
    // What is damaged there may be none of this commit's business.
    if (error !== linuxerr.EIO) throw error;
    return Infinity;
  }
}

function lostOf({ lost = [] }: Batch): (Range & { readonly object: number })[] {
  return lost.map(({ object, from, to }) => ({
    object,
    from: from / UNIT_SIZE,
    to: to / UNIT_SIZE,
  }));
}

/** Of objects behind `lastObject`, which are new, the ranges don't matter. */
function changesByObject(batch: Batch, lastObject: number): Map<number, ObjectChange> {
  const objects = new Map<number, ObjectChange>();
  const changeOf = (object: number): ObjectChange => {
    let change = objects.get(object);
    if (change === undefined) objects.set(object, (change = { ranges: [], runs: [] }));
    return change;
  };
  for (const { object, from, to } of batch.discards) {
    if (object > lastObject) continue;
    changeOf(object).ranges.push({
      from: from / UNIT_SIZE,
      to: Math.min(to / UNIT_SIZE, UNITS_END),
    });
  }
  for (const { object, ...range } of lostOf(batch)) changeOf(object).ranges.push(range);
  for (const { object, run } of batch.writes) {
    if (run.bytes.length === 0) continue;
    const change = changeOf(object);
    change.runs.push(run);
    if (object > lastObject) continue;
    const from = run.offset / UNIT_SIZE;
    change.ranges.push({ from, to: from + Math.ceil(run.bytes.length / UNIT_SIZE) });
  }
  return objects;
}

function merged(ranges: readonly Range[]): Range[] {
  if (ranges.length <= 1) return [...ranges];
  const result: { from: number; to: number }[] = [];
  for (const { from, to } of ranges.toSorted((a, b) => a.from - b.from)) {
    const last = result.at(-1);
    if (last !== undefined && from <= last.to) last.to = Math.max(last.to, to);
    else result.push({ from, to });
  }
  return result;
}

/** Runs of an object that lie one after the other. */
interface Stretch {
  readonly object: number;
  readonly unit: number;
  readonly runs: Run[];
  units: number;
}

class Plan {
  readonly #allocate: (units: number) => number;
  readonly #checksum: Checksum;
  readonly #changes = new Map<string, Extent | InlineData | undefined>();
  readonly #uses = new Uses();
  readonly #newUses = new Map<number, number>();
  readonly #writes: { address: number; bytes: Uint8Array }[] = [];
  /** Small ones that wait for a record to share. */
  #waiting: Stretch[] = [];
  #waitingUnits = 0;
  #lost: { readonly address: number; readonly units: number } | undefined;
  #lostPieces = 0;

  constructor(write: { allocate: (units: number) => number; checksum: Checksum }) {
    this.#allocate = write.allocate;
    this.#checksum = write.checksum;
  }

  /** Takes units [from, to) out of a piece that was there before. */
  cut(object: number, piece: Piece, { from, to }: Range): void {
    // It may have been cut by a range before this one.
    const key = pieceKey(object, piece.unit);
    const { unit, value } = this.#changes.has(key) ? this.#lastPart(object, piece) : piece;
    this.#changes.set(pieceKey(object, unit), undefined);
    if (value instanceof InlineData) return;
    let parts = 0;
    if (unit < from) {
      parts++;
      this.#changes.set(pieceKey(object, unit), value.part(0, from - unit));
    }
    const end = unit + value.unitCount;
    if (to < end) {
      parts++;
      this.#changes.set(pieceKey(object, to), value.part(to - unit, value.unitCount));
    }
    this.#uses.add(recordPlace(value), parts - 1);
  }

  /** What was left of a piece behind the range that was cut out of it last. */
  #lastPart(object: number, piece: Piece): Piece {
    for (let unit = piece.unit + unitCount(piece) - 1; unit > piece.unit; unit--) {
      const value = this.#changes.get(pieceKey(object, unit));
      if (value !== undefined) return { unit, value };
    }
    return piece;
  }

  /** `runs` don't overlap. */
  write(object: number, runs: readonly Run[]): void {
    const sorted = runs.length > 1 ? runs.toSorted((a, b) => a.offset - b.offset) : runs;
    let stretch: Stretch | undefined;
    for (const run of sorted) {
      const unit = run.offset / UNIT_SIZE;
      const units = Math.ceil(run.bytes.length / UNIT_SIZE);
      if (stretch !== undefined && stretch.unit + stretch.units === unit) {
        addRun(stretch.runs, run);
        stretch.units += units;
        continue;
      }
      if (stretch !== undefined) this.#place(stretch);
      stretch = { object, unit, units, runs: [run] };
    }
    if (stretch !== undefined) this.#place(stretch);
  }

  #place(stretch: Stretch): void {
    if (stretch.units === 1) {
      const used = usedBytes(assertDefined(stretch.runs[0]).bytes);
      if (used.length <= INLINE_SIZE_MAX) {
        this.#changes.set(pieceKey(stretch.object, stretch.unit), new InlineData(used));
        return;
      }
    }
    if (stretch.units >= OWN_RECORD_UNITS_MIN) {
      for (const part of togetherOrNot(stretch)) {
        const [run] = part.runs;
        if (run !== undefined && liesTogether(run)) this.#writeTogether(part, run.bytes);
        else this.#writeRecords([part], PLACE_UNITS_MAX);
      }
      return;
    }
    this.#waiting.push(stretch);
    this.#waitingUnits += stretch.units;
  }

  #writeRecords(stretches: readonly Stretch[], unitsMax: number): void {
    const total = stretches.reduce((sum, { units }) => sum + units, 0);
    const blocks = blocksOf(stretches);
    for (let done = 0; done < total;) {
      const units = Math.min(unitsMax, total - done);
      this.#writeRecord(blocks, units);
      done += units;
    }
  }

  /** Records of whole blocks that lie together in memory: they are not copied. */
  #writeTogether({ object, unit }: Stretch, bytes: Uint8Array): void {
    const size = PLACE_UNITS_MAX * UNIT_SIZE;
    for (let at = 0; at < bytes.length; at += size) {
      const part = bytes.subarray(at, at + size);
      const units = part.length / UNIT_SIZE;
      const record = { address: this.#allocate(units), units };
      const checksums: number[] = [];
      for (let from = 0; from < part.length; from += UNIT_SIZE) {
        checksums.push(this.#checksum(part.subarray(from, from + UNIT_SIZE)));
      }
      const key = pieceKey(object, unit + at / UNIT_SIZE);
      this.#changes.set(key, new Extent(record, 0, checksums));
      this.#writes.push({ address: record.address, bytes: part });
    }
  }

  /** The next blocks as a record, and their pieces. */
  #writeRecord(blocks: Iterator<Block>, units: number): void {
    const bytes = new Uint8Array(units * UNIT_SIZE);
    const record = { address: this.#allocate(units), units };
    let pieces = 0;
    let start: Block | undefined;
    let first = 0;
    let checksums: number[] = [];
    const endPiece = (): void => {
      if (start === undefined) return;
      this.#changes.set(pieceKey(start.object, start.unit), new Extent(record, first, checksums));
      pieces++;
    };
    for (let i = 0; i < units; i++) {
      const next = blocks.next();
      if (next.done === true) break;
      const block = next.value;
      bytes.set(block.bytes, i * UNIT_SIZE);
      const follows =
        start?.object === block.object && start.unit + checksums.length === block.unit;
      if (!follows) {
        endPiece();
        [start, first, checksums] = [block, i, []];
      }
      checksums.push(this.#checksum(bytes.subarray(i * UNIT_SIZE, (i + 1) * UNIT_SIZE)));
    }
    endPiece();
    if (pieces > 1) this.#newUses.set(record.address, pieces);
    this.#writes.push({ address: record.address, bytes });
  }

  /** Pieces of a record that is never written. */
  lose(object: number, { from, to }: Range): void {
    const units = PLACE_UNITS_MAX;
    this.#lost ??= { address: this.#allocate(units), units };
    for (let unit = from; unit < to; unit += units) {
      const checksums = new Array<number>(Math.min(units, to - unit)).fill(0);
      this.#changes.set(pieceKey(object, unit), new Extent(this.#lost, 0, checksums));
      this.#lostPieces++;
    }
  }

  finish(): ObjectsEdit {
    if (this.#lost !== undefined && this.#lostPieces > 1) {
      this.#newUses.set(this.#lost.address, this.#lostPieces);
    }
    if (this.#waitingUnits > 0) this.#writeRecords(this.#waiting, SHARED_RECORD_UNITS);
    return {
      changes: [...this.#changes],
      writes: this.#writes,
      uses: this.#uses,
      newUses: this.#newUses,
    };
  }
}

/** Many whole blocks, one after the other in memory. */
function liesTogether({ bytes }: Run): boolean {
  return bytes.length % UNIT_SIZE === 0 && bytes.length >= OWN_RECORD_UNITS_MIN * UNIT_SIZE;
}

/** A stretch in parts: a run that lies together, or what there is between two of them. */
function* togetherOrNot({ object, unit, runs }: Stretch): Generator<Stretch> {
  let part: Stretch = { object, unit, units: 0, runs: [] };
  for (const run of runs) {
    const isApart = liesTogether(run) || part.runs.some(liesTogether);
    if (isApart && part.units > 0) {
      yield part;
      part = { object, unit: part.unit + part.units, units: 0, runs: [] };
    }
    part.runs.push(run);
    part.units += Math.ceil(run.bytes.length / UNIT_SIZE);
  }
  if (part.units > 0) yield part;
}

/** Adds a run that follows on the last one. Where both lie together in memory, they are one. */
function addRun(runs: Run[], run: Run): void {
  const last = assertDefined(runs.at(-1));
  const { buffer, byteOffset, length } = last.bytes;
  const isTogether = buffer === run.bytes.buffer && byteOffset + length === run.bytes.byteOffset;
  if (!isTogether || length % UNIT_SIZE !== 0) {
    runs.push(run);
    return;
  }
  const bytes = new Uint8Array(buffer, byteOffset, length + run.bytes.length);
  runs[runs.length - 1] = { offset: last.offset, bytes };
}

interface Block {
  readonly object: number;
  readonly unit: number;
  readonly bytes: Uint8Array;
}

function* blocksOf(stretches: readonly Stretch[]): Generator<Block, undefined> {
  for (const { object, unit, runs } of stretches) {
    let next = unit;
    for (const { bytes } of runs) {
      for (let at = 0; at < bytes.length; at += BLOCK_SIZE) {
        yield { object, unit: next++, bytes: bytes.subarray(at, at + BLOCK_SIZE) };
      }
    }
  }
  return undefined;
}

/** Without the zeros it ends in. */
function usedBytes(bytes: Uint8Array): Uint8Array {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end--;
  return end === bytes.length ? bytes : bytes.subarray(0, end);
}
