// TreeReader: what one tree holds, as items and objects: the reading half of a store.

import { linuxerr } from '../../abi/errno.ts';
import { assertDefined } from '../../lib/assert.ts';
import type { Op } from '../../lib/op.ts';
import { checkKey, checkObject, checkOffset } from '../preconditions.ts';
import type { Item, Run, ScanOptions } from '../store.ts';
import type { Checksum } from './node-cache.ts';
import { Extent, type InlineData } from './node.ts';
import { nextPiece, type Piece, piecesOf, portionOf, recordPlace } from './objects.ts';
import { mendPlace, type PageDevice, type Portion, UNIT_SIZE } from './page-device.ts';
import type { Tree } from './tree.ts';

export class TreeReader {
  readonly #tree: Tree;
  readonly #device: PageDevice;
  readonly #checksum: Checksum;

  constructor(tree: Tree, medium: { readonly device: PageDevice; readonly checksum: Checksum }) {
    this.#tree = tree;
    this.#device = medium.device;
    this.#checksum = medium.checksum;
  }

  *get(key: string): Op<Uint8Array | undefined> {
    checkKey(key);
    this.#checkOpen();
    const value = yield* this.#tree.get(key);
    return value instanceof Uint8Array ? value : undefined;
  }

  *scan({ from, to, limit }: ScanOptions): Op<Item[]> {
    this.#checkOpen();
    const filter = (value: unknown): boolean => value instanceof Uint8Array;
    return (yield* this.#tree.entries({ from, to, limit, filter })) as Item[];
  }

  *read(object: number, offset: number, length: number): Op<Run[]> {
    checkObject(object);
    checkOffset(offset);
    checkOffset(length);
    this.#checkOpen();
    if (length === 0) return [];
    const [from, to] = [offset / UNIT_SIZE, (offset + length) / UNIT_SIZE];
    for (;;) {
      const { root } = this.#tree;
      const pieces = yield* piecesOf(this.#tree, object, from, to);
      const runs = yield* this.#runsOf(pieces, from, to);
      if (runs !== undefined) return runs;
      // Data is missing. It may have been given up by a commit that ended since.
      if (root === this.#tree.root) throw linuxerr.EIO;
    }
  }

  /** The data of pieces within [from, to), in units; undefined if some isn't as it was written. */
  *#runsOf(pieces: readonly Piece[], from: number, to: number): Op<Run[] | undefined> {
    const runs: Run[] = [];
    const extents: { unit: number; value: Extent; first: number }[] = [];
    for (const { unit, value } of pieces) {
      if (value instanceof Extent) extents.push({ unit, value, first: Math.max(unit, from) });
      else runs.push({ offset: unit * UNIT_SIZE, bytes: inlineBlock(value) });
    }
    if (extents.length === 0) return runs;
    const portions = extents.map(({ unit, value }) => portionOf(unit, value, from, to));
    const found = yield* this.#device.read(portions);
    for (const [i, { unit, value, first }] of extents.entries()) {
      let bytes = found[i];
      if (bytes === undefined || !this.#isWhole(bytes, value, first - unit)) {
        bytes = yield* this.#mend(value, assertDefined(portions[i]), first - unit);
        if (bytes === undefined) return undefined;
      }
      runs.push({ offset: first * UNIT_SIZE, bytes });
    }
    return runs.length === extents.length ? runs : runs.sort((a, b) => a.offset - b.offset);
  }

  /** The same from another copy, if there is one. */
  *#mend(extent: Extent, { from, to }: Portion, first: number): Op<Uint8Array | undefined> {
    const record = yield* mendPlace(this.#device, recordPlace(extent), (bytes) =>
      this.#isWhole(bytes.subarray(from, to), extent, first),
    );
    return record?.slice(from, to);
  }

  #isWhole(bytes: Uint8Array, { checksums }: Extent, firstUnit: number): boolean {
    for (let at = 0; at < bytes.length; at += UNIT_SIZE) {
      const checksum = this.#checksum(bytes.subarray(at, at + UNIT_SIZE));
      if (checksum !== checksums[firstUnit + at / UNIT_SIZE]) return false;
    }
    return true;
  }

  *nextData(object: number, offset: number): Op<number | undefined> {
    checkObject(object);
    checkOffset(offset);
    this.#checkOpen();
    const unit = offset / UNIT_SIZE;
    const piece = yield* nextPiece(this.#tree, object, unit);
    return piece === undefined ? undefined : Math.max(piece.unit, unit) * UNIT_SIZE;
  }

  #checkOpen(): void {
    if (!this.#device.isOpen) throw linuxerr.EIO;
  }
}

/** A block of nothing but zeros has no bytes in the tree, and is data all the same. */
function inlineBlock({ bytes }: InlineData): Uint8Array {
  return bytes.length === 0 ? new Uint8Array(1) : bytes.slice();
}
