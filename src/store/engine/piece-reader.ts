// Reading pieces of objects: their data from the device, checked against the tree's checksums.

import { assertDefined } from '../../lib/assert.ts';
import type { Op } from '../../lib/op.ts';
import type { Run } from '../store.ts';
import type { Checksum } from './node-cache.ts';
import { Extent, type InlineData } from './node.ts';
import { type Piece, portionOf, recordPlace } from './objects.ts';
import { mendPlace, type PageDevice, type Portion, UNIT_SIZE } from './page-device.ts';

export class PieceReader {
  readonly #device: PageDevice;
  readonly #checksum: Checksum;

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
}

/** A block of nothing but zeros has no bytes in the tree, and is data all the same. */
function inlineBlock({ bytes }: InlineData): Uint8Array {
  return bytes.length === 0 ? new Uint8Array(1) : bytes.slice();
}
