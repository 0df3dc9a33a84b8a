// Reading pieces of objects: their data from the device, checked against the tree's checksums.

import { assertDefined } from '../../lib/assert.ts';
import type { Op } from '../../lib/op.ts';
import type { Run } from '../store.ts';
import type { Checksum } from './node-cache.ts';
import { Extent, type InlineData } from './node.ts';
import { type Piece, portionOf, recordPlace, unitCount } from './objects.ts';
import { mendPlace, type PageDevice, type Portion, UNIT_SIZE } from './page-device.ts';

/** Units [from, to) of an object. */
export interface UnitSpan {
  readonly from: number;
  readonly to: number;
}

export class PieceReader {
  readonly #device: PageDevice;
  readonly #checksum: Checksum;
  #scratch = new Uint8Array(0);
  #scratchUsed = 0;

  constructor(device: PageDevice, checksum: Checksum) {
    this.#device = device;
    this.#checksum = checksum;
  }

  /** The data of pieces within [from, to), in units; undefined if some isn't as it was written. */
  *read(pieces: readonly Piece[], from: number, to: number): Op<Run[] | undefined> {
    const portions: Portion[] = [];
    for (const { unit, value } of pieces) {
      if (value instanceof Extent) portions.push(portionOf(unit, value, from, to));
    }
    const found = portions.length === 0 ? [] : yield* this.#device.read(portions);
    const runs: Run[] = [];
    let next = 0;
    for (const { unit, value } of pieces) {
      if (!(value instanceof Extent)) {
        runs.push({ offset: unit * UNIT_SIZE, bytes: inlineBlock(value) });
        continue;
      }
      const first = Math.max(unit, from);
      const portion = assertDefined(portions[next]);
      let bytes = found[next++];
      if (bytes === undefined || !this.#isWhole(bytes, value, first - unit)) {
        bytes = yield* this.#mend(value, portion, first - unit);
        if (bytes === undefined) return undefined;
      }
      runs.push({ offset: first * UNIT_SIZE, bytes });
    }
    return runs;
  }

  /**
   * The same, if that takes no waiting; undefined if it does, or something isn't as it was written.
   * The bytes are good until the next call.
   */
  readAtOnce(pieces: readonly Piece[], ranges: readonly UnitSpan[]): Run[] | undefined {
    const runs: Run[] = [];
    this.#scratchUsed = 0;
    for (const { from, to } of ranges) {
      for (const piece of pieces) {
        if (piece.unit >= to || piece.unit + unitCount(piece) <= from) continue;
        const run = this.#readPieceAtOnce(piece, from, to);
        if (run === undefined) return undefined;
        runs.push(run);
      }
    }
    return runs;
  }

  /** Units of a piece from `from` on, as many as `target` holds, under the same conditions. */
  readInto({ unit, value }: Piece, from: number, target: Uint8Array): boolean {
    if (!(value instanceof Extent)) return false;
    this.#scratchUsed = 0;
    const bytes = this.#scratchFor(target.length);
    const portion = portionOf(unit, value, from, from + target.length / UNIT_SIZE);
    if (this.#device.readAtOnce?.(portion, bytes) !== true) return false;
    if (!this.#isWhole(bytes, value, from - unit)) return false;
    target.set(bytes);
    return true;
  }

  #readPieceAtOnce({ unit, value }: Piece, from: number, to: number): Run | undefined {
    if (!(value instanceof Extent)) return { offset: unit * UNIT_SIZE, bytes: inlineBlock(value) };
    const first = Math.max(unit, from);
    const portion = portionOf(unit, value, from, to);
    const bytes = this.#scratchFor(portion.to - portion.from);
    if (this.#device.readAtOnce?.(portion, bytes) !== true) return undefined;
    if (!this.#isWhole(bytes, value, first - unit)) return undefined;
    return { offset: first * UNIT_SIZE, bytes };
  }

  /** The same memory each time: it is in the processor's cache. */
  #scratchFor(sizeBytes: number): Uint8Array {
    const used = (this.#scratchUsed += sizeBytes);
    if (used > this.#scratch.length) this.#scratch = new Uint8Array(used);
    if (this.#scratch.length === sizeBytes) return this.#scratch;
    return this.#scratch.subarray(used - sizeBytes, used);
  }

  /** The same from another copy, if there is one. */
  *#mend(extent: Extent, { from, to }: Portion, first: number): Op<Uint8Array | undefined> {
    const record = yield* mendPlace(this.#device, recordPlace(extent), (bytes) =>
      this.#isWhole(bytes.subarray(from, to), extent, first),
    );
    return record?.slice(from, to);
  }

  #isWhole(bytes: Uint8Array, { checksums }: Extent, firstUnit: number): boolean {
    // Most are one unit, of which a view of its own would cost a tenth of the checksum.
    if (bytes.length === UNIT_SIZE) return this.#checksum(bytes) === checksums[firstUnit];
    for (let at = 0; at < bytes.length; at += UNIT_SIZE) {
      const checksum = this.#checksum(bytes.subarray(at, at + UNIT_SIZE));
      if (checksum !== checksums[firstUnit + at / UNIT_SIZE]) return false;
    }
    return true;
  }
}

/** A block of nothing but zeros has no bytes in the tree, and is data all the same. */
function inlineBlock({ bytes }: InlineData): Uint8Array {
  return bytes.length === 0 ? new Uint8Array(1) : bytes.slice();
}
