// The records' part of a check: every block of data is as it was written, and every record has the
// place and the size that its pieces say.

import type { Op } from '../../lib/op.ts';
import { type DamagedRange, DAMAGED_RANGES_MAX } from '../store-view.ts';
import type { Checksum } from './node-cache.ts';
import { Extent, type LeafNode } from './node.ts';
import { objectOf, recordPlace, unitOf } from './objects.ts';
import { type PageDevice, type Place, UNIT_SIZE, wholePlace } from './page-device.ts';

/** Bytes of records that are read at once; one may be larger. */
const READ_SIZE = 4 << 20;
/** Units of a record fit below this. */
const UNITS_FACTOR = 2 ** 16;

interface Piece {
  readonly key: string;
  readonly extent: Extent;
}

export interface RecordCheckOwner {
  /** There is something at a place. */
  use(place: Place, what: string): void;
  problem(sentence: string): void;
}

export class RecordCheck {
  readonly #device: PageDevice;
  readonly #checksum: Checksum;
  readonly #owner: RecordCheckOwner;
  /** Address → number of pieces * UNITS_FACTOR + units. */
  readonly #records = new Map<number, number>();
  /** Of the main tree. */
  readonly damaged: DamagedRange[] = [];
  /** Of the others, a sentence each. */
  readonly damagedElsewhere: string[] = [];
  /** Blocks that are damaged and in no range of the list, which is full. */
  #unlisted = 0;

  constructor(device: PageDevice, checksum: Checksum, owner: RecordCheckOwner) {
    this.#device = device;
    this.#checksum = checksum;
    this.#owner = owner;
  }

  get count(): number {
    return this.#records.size;
  }

  forEach(visit: (address: number, pieces: number) => void): void {
    for (const [address, value] of this.#records) visit(address, Math.floor(value / UNITS_FACTOR));
  }

  /** Reads what the extents of a leaf lead to. `owner`: its tree; undefined: the main one. */
  *checkLeaf({ keys, values }: LeafNode, owner: string | undefined): Op<void> {
    const byRecord = new Map<number, Piece[]>();
    values.forEach((extent, i) => {
      if (!(extent instanceof Extent)) return;
      this.#noteUse(extent);
      const pieces = byRecord.get(extent.address) ?? [];
      pieces.push({ key: keys[i] ?? '', extent });
      byRecord.set(extent.address, pieces);
    });
    let batch: Piece[][] = [];
    let size = 0;
    for (const pieces of byRecord.values()) {
      batch.push(pieces);
      size += (pieces[0]?.extent.recordUnits ?? 0) * UNIT_SIZE;
      if (size < READ_SIZE) continue;
      yield* this.#check(batch, owner);
      [batch, size] = [[], 0];
    }
    yield* this.#check(batch, owner);
  }

  #noteUse(extent: Extent): void {
    const known = this.#records.get(extent.address);
    if (known === undefined) {
      this.#owner.use(recordPlace(extent), `record ${extent.address}`);
      this.#records.set(extent.address, UNITS_FACTOR + extent.recordUnits);
      return;
    }
    this.#records.set(extent.address, known + UNITS_FACTOR);
    if (known % UNITS_FACTOR === extent.recordUnits) return;
    this.#owner.problem(`record ${extent.address} has two sizes`);
  }

  *#check(records: readonly (readonly Piece[])[], owner: string | undefined): Op<void> {
    const places = records.flatMap(([first]) => (first === undefined ? [] : [first.extent]));
    const found = yield* this.#device.read(places.map((each) => wholePlace(recordPlace(each))));
    const pieces = records.flatMap((each, i) => each.map((piece) => ({ ...piece, at: found[i] })));
    pieces.sort((a, b) => (a.key < b.key ? -1 : 1));
    for (const { key, extent, at } of pieces) {
      const damaged = this.#damagedUnits(extent, at);
      for (const unit of damaged) {
        const [object, offset] = [objectOf(key), (unitOf(key) + unit) * UNIT_SIZE];
        if (owner === undefined) this.#noteDamage(object, offset);
      }
      if (owner !== undefined && damaged.length > 0) this.#noteElsewhere(owner, key, damaged);
    }
  }

  /** Units of a piece, from its first on, that are not as they were written. */
  #damagedUnits({ checksums, firstUnit }: Extent, record: Uint8Array | undefined): number[] {
    return [...checksums.keys()].filter((i) => {
      const at = (firstUnit + i) * UNIT_SIZE;
      const block = record?.subarray(at, at + UNIT_SIZE);
      return block === undefined || this.#checksum(block) !== checksums[i];
    });
  }

  #noteElsewhere(owner: string, key: string, units: readonly number[]): void {
    if (this.damagedElsewhere.length >= DAMAGED_RANGES_MAX) {
      this.#unlisted += units.length;
      return;
    }
    const offset = (unitOf(key) + (units[0] ?? 0)) * UNIT_SIZE;
    this.damagedElsewhere.push(
      `object ${objectOf(key)} of the ${owner} is damaged: ` +
        `${units.length * UNIT_SIZE} bytes from ${offset} on`,
    );
  }

  #noteDamage(object: number, offset: number): void {
    const last = this.damaged.at(-1);
    if (last?.object === object && last.offset + last.length === offset) {
      this.damaged[this.damaged.length - 1] = { ...last, length: last.length + UNIT_SIZE };
    } else if (this.damaged.length < DAMAGED_RANGES_MAX) {
      this.damaged.push({ object, offset, length: UNIT_SIZE });
    } else this.#unlisted++;
  }

  /** Says how much damage is not listed. */
  finish(): void {
    if (this.#unlisted === 0) return;
    this.#owner.problem(`${this.#unlisted} more blocks of data are damaged, which are not listed`);
  }
}
