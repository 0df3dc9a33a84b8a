// TreeReader: what one tree holds, as items and objects: the reading half of a store.

import { linuxerr } from '../../abi/errno.ts';
import type { Op } from '../../lib/op.ts';
import { checkKey, checkObject, checkOffset } from '../preconditions.ts';
import type { ByteRange, Item, ReadAtOnce, Run, ScanOptions } from '../store.ts';
import {
  nextPiece,
  type Piece,
  pieceAtOnce,
  piecesAtOnce,
  piecesOf,
  unitCount,
} from './objects.ts';
import { type PageDevice, UNIT_SIZE } from './page-device.ts';
import type { PieceReader, UnitSpan } from './piece-reader.ts';
import type { Root, Tree } from './tree.ts';

/** All pieces of an object that have units in [from, to). */
interface Lookup {
  readonly root: Root;
  readonly object: number;
  readonly from: number;
  readonly to: number;
  readonly pieces: readonly Piece[];
}

/** Told of what is looked up. */
export type OnFound = (object: number, pieces: readonly Piece[]) => void;

export class TreeReader {
  readonly #tree: Tree;
  readonly #device: PageDevice;
  readonly #pieces: PieceReader;
  readonly #onFound: OnFound | undefined;
  #lookup: Lookup | undefined;

  constructor(
    tree: Tree,
    { device, pieces, onFound }: { device: PageDevice; pieces: PieceReader; onFound?: OnFound },
  ) {
    this.#tree = tree;
    this.#device = device;
    this.#pieces = pieces;
    this.#onFound = onFound;
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
      const pieces = yield* this.#find(object, from, to);
      const runs = yield* this.#pieces.read(pieces, from, to);
      if (runs !== undefined) return runs;
      // Data is missing. It may have been given up by a commit that ended since.
      if (root === this.#tree.root) throw linuxerr.EIO;
    }
  }

  readAtOnce(
    object: number,
    within: ByteRange,
    wanted: readonly ByteRange[],
  ): ReadAtOnce | undefined {
    checkObject(object);
    if (!this.#device.isOpen || this.#device.readAtOnce === undefined) return undefined;
    const { from, to } = inUnits(within);
    const pieces = this.#findAtOnce(object, from, to);
    if (pieces === undefined) return undefined;
    const runs = this.#pieces.readAtOnce(pieces, wanted.map(inUnits));
    return runs === undefined ? undefined : { ranges: rangesOf(pieces, from, to), runs };
  }

  readInto(object: number, offset: number, target: Uint8Array): boolean {
    checkObject(object);
    if (!this.#device.isOpen || this.#device.readAtOnce === undefined) return false;
    const from = offset / UNIT_SIZE;
    const to = from + target.length / UNIT_SIZE;
    const piece = pieceAtOnce(this.#tree, object, from);
    if (piece === undefined || piece.unit + unitCount(piece) < to) return false;
    return this.#pieces.readInto(piece, from, target);
  }

  *dataRanges(object: number, offset: number, length: number): Op<ByteRange[]> {
    checkObject(object);
    checkOffset(offset);
    checkOffset(length);
    this.#checkOpen();
    const [from, to] = [offset / UNIT_SIZE, (offset + length) / UNIT_SIZE];
    const pieces = yield* this.#find(object, from, to);
    return rangesOf(pieces, from, to);
  }

  *nextData(object: number, offset: number): Op<number | undefined> {
    checkObject(object);
    checkOffset(offset);
    this.#checkOpen();
    const unit = offset / UNIT_SIZE;
    const piece = yield* nextPiece(this.#tree, object, unit);
    return piece === undefined ? undefined : Math.max(piece.unit, unit) * UNIT_SIZE;
  }

  /** What was looked up last is remembered: who asked where data is may want a part of it next. */
  *#find(object: number, from: number, to: number): Op<readonly Piece[]> {
    const remembered = this.#remembered(object, from, to);
    if (remembered !== undefined) return remembered;
    const { root } = this.#tree;
    const pieces = yield* piecesOf(this.#tree, object, from, to);
    if (root === this.#tree.root) this.#lookup = { root, object, from, to, pieces };
    this.#onFound?.(object, pieces);
    return pieces;
  }

  #findAtOnce(object: number, from: number, to: number): readonly Piece[] | undefined {
    const remembered = this.#remembered(object, from, to);
    if (remembered !== undefined) return remembered;
    const pieces = piecesAtOnce(this.#tree, object, from, to);
    if (pieces !== undefined) this.#onFound?.(object, pieces);
    return pieces;
  }

  #remembered(object: number, from: number, to: number): readonly Piece[] | undefined {
    const last = this.#lookup;
    if (last?.root !== this.#tree.root || last.object !== object) return undefined;
    if (from < last.from || last.to < to) return undefined;
    return last.pieces.filter((piece) => piece.unit < to && piece.unit + unitCount(piece) > from);
  }

  #checkOpen(): void {
    if (!this.#device.isOpen) throw linuxerr.EIO;
  }
}

function inUnits({ from, to }: ByteRange): UnitSpan {
  return { from: from / UNIT_SIZE, to: to / UNIT_SIZE };
}

/** Where there is data in [from, to), in bytes. */
function rangesOf(pieces: readonly Piece[], from: number, to: number): ByteRange[] {
  return pieces.map((piece) => ({
    from: Math.max(from, piece.unit) * UNIT_SIZE,
    to: Math.min(to, piece.unit + unitCount(piece)) * UNIT_SIZE,
  }));
}
