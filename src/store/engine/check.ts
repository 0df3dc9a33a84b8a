// check: reads everything that a superblock leads to and says what is wrong with it, in words. It
// changes nothing, and goes on behind what is damaged.

import { LinuxError } from '../../abi/errno.ts';
import type { Op } from '../../lib/op.ts';
import { numberKey } from '../number-key.ts';
import type { Checksum } from './node-cache.ts';
import {
  type Child,
  decodeNode,
  Extent,
  InlineData,
  isLeaf,
  type LeafNode,
  type TreeNode,
} from './node.ts';
import { objectOf, recordPlace, unitOf } from './objects.ts';
import { type PageDevice, type Place, UNIT_SIZE, unitsOf, wholePlace } from './page-device.ts';
import { countIn } from './record-uses.ts';
import { decodeRootBlock, EMPTY_ROOT_BLOCK, type RootBlock } from './root-block.ts';
import { Space } from './space.ts';
import { isNode, type Root } from './tree.ts';

export interface CheckReport {
  /** One sentence for each thing that is wrong. */
  readonly problems: readonly string[];
  readonly nodes: number;
  readonly records: number;
  readonly items: number;
  /** Bytes of nodes and records. */
  readonly usedBytes: number;
  readonly freeBytes: number;
}

/** Errors: EIO if the device can't be read at all. */
export function* checkDevice(device: PageDevice, checksum: Checksum): Op<CheckReport> {
  const bytes = yield* device.readSuperblock();
  const check = new Check(device, checksum);
  let block: RootBlock = EMPTY_ROOT_BLOCK;
  try {
    if (bytes !== undefined) block = decodeRootBlock(bytes, checksum);
  } catch (error) {
    if (!(error instanceof LinuxError)) throw error;
    return check.report(['the superblock is damaged'], 0);
  }
  return yield* check.run(block);
}

/** Keys from `from` on and below `to`. */
interface Bounds {
  readonly from: string;
  readonly to: string | undefined;
}

interface RecordUse {
  readonly extent: Extent;
  readonly pieces: { readonly key: string; readonly extent: Extent }[];
}

class Check {
  readonly #device: PageDevice;
  readonly #checksum: Checksum;
  readonly #problems: string[] = [];
  /** Unit → what is there. */
  readonly #units = new Map<number, string>();
  readonly #records = new Map<number, RecordUse>();
  #nodeCount = 0;
  #itemCount = 0;

  constructor(device: PageDevice, checksum: Checksum) {
    this.#device = device;
    this.#checksum = checksum;
  }

  *run({ space, items, meta }: RootBlock): Op<CheckReport> {
    let last: string | undefined;
    yield* this.#walk('items', items, (leaf) => {
      last = this.#checkLeaf(leaf, last);
    });
    const counts = new Map<string, number>();
    yield* this.#walk('meta', meta, (leaf) => {
      leaf.keys.forEach((key, i) => counts.set(key, countIn(leaf.values[i])));
    });
    this.#checkCounts(counts);
    for (const use of this.#records.values()) yield* this.#checkRecord(use);
    for (const page of space.pages) this.#use(page, 'a page of free runs');
    const free = new Space(space);
    try {
      yield* free.load(this.#device, this.#checksum);
      this.#checkFree(free, space.end);
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error;
      this.#problems.push('the list of free space is damaged');
    }
    for (const unit of this.#units.keys()) {
      if (unit >= space.end) this.#problems.push(`unit ${unit} is used beyond the end`);
    }
    return this.report([], free.freeUnits * UNIT_SIZE);
  }

  report(more: readonly string[], freeBytes: number): CheckReport {
    return {
      problems: [...more, ...this.#problems],
      nodes: this.#nodeCount,
      records: this.#records.size,
      items: this.#itemCount,
      usedBytes: this.#units.size * UNIT_SIZE,
      freeBytes,
    };
  }

  *#walk(name: string, root: Root, visit: (leaf: LeafNode) => void): Op<void> {
    if (isNode(root)) {
      yield* this.#node(name, root, { from: '', to: undefined }, visit);
      return;
    }
    yield* this.#child(name, root, { from: '', to: undefined }, undefined, visit);
  }

  *#child(
    name: string,
    child: Child,
    bounds: Bounds,
    level: number | undefined,
    visit: (leaf: LeafNode) => void,
  ): Op<void> {
    const what = `node ${child.address} of the ${name}`;
    this.#use(child, what);
    const [bytes] = yield* this.#device.read([wholePlace(child)]);
    if (bytes === undefined) this.#problems.push(`${what} is missing`);
    else if (this.#checksum(bytes) !== child.checksum) this.#problems.push(`${what} is damaged`);
    else {
      const node = decodeNode(bytes);
      if (level !== undefined && node.level !== level) {
        this.#problems.push(`${what} is of level ${node.level}, not ${level}`);
        return;
      }
      yield* this.#node(name, node, bounds, visit);
    }
  }

  *#node(
    name: string,
    node: TreeNode,
    { from, to }: Bounds,
    visit: (leaf: LeafNode) => void,
  ): Op<void> {
    this.#nodeCount++;
    const [first, last] = [node.keys[0], node.keys.at(-1)];
    const isWithin =
      (first === undefined || first >= from) &&
      (last === undefined || to === undefined || last < to);
    if (!isWithin) this.#problems.push(`a node of the ${name} has keys that are not its own`);
    if (isLeaf(node)) {
      visit(node);
      return;
    }
    if (node.keys.length === 0) this.#problems.push(`a node of the ${name} has no children`);
    for (const [i, child] of node.values.entries()) {
      const bounds = { from: node.keys[i] ?? '', to: node.keys[i + 1] ?? to };
      yield* this.#child(name, child, bounds, node.level - 1, visit);
    }
  }

  /** Returns the key at which the last piece ends. */
  #checkLeaf({ keys, values }: LeafNode, endBefore: string | undefined): string | undefined {
    let end = endBefore;
    keys.forEach((key, i) => {
      const value = values[i];
      if (value instanceof Uint8Array) {
        this.#itemCount++;
        return;
      }
      const units = value instanceof Extent ? value.unitCount : 1;
      if (end !== undefined && key < end)
        this.#problems.push(`pieces of object ${objectOf(key)} overlap`);
      end = numberKey(objectOf(key)) + numberKey(unitOf(key) + units);
      if (value instanceof Extent) this.#useRecord(key, value);
      if (value instanceof InlineData && value.bytes.length > UNIT_SIZE) {
        this.#problems.push(`a piece of object ${objectOf(key)} is larger than a block`);
      }
    });
    return end;
  }

  #useRecord(key: string, extent: Extent): void {
    const use = this.#records.get(extent.address);
    if (use === undefined) {
      this.#use(recordPlace(extent), `record ${extent.address}`);
      this.#records.set(extent.address, { extent, pieces: [{ key, extent }] });
      return;
    }
    if (use.extent.recordUnits !== extent.recordUnits) {
      this.#problems.push(`record ${extent.address} has two sizes`);
    }
    use.pieces.push({ key, extent });
  }

  *#checkRecord({ extent, pieces }: RecordUse): Op<void> {
    const what = `record ${extent.address}`;
    const [bytes] = yield* this.#device.read([wholePlace(recordPlace(extent))]);
    if (bytes === undefined) {
      this.#problems.push(`${what} is missing`);
      return;
    }
    for (const piece of pieces) {
      piece.extent.checksums.forEach((checksum, i) => {
        const at = (piece.extent.firstUnit + i) * UNIT_SIZE;
        if (this.#checksum(bytes.subarray(at, at + UNIT_SIZE)) === checksum) return;
        const offset = (unitOf(piece.key) + i) * UNIT_SIZE;
        this.#problems.push(`${what} is damaged: object ${objectOf(piece.key)} from ${offset} on`);
      });
    }
  }

  #checkCounts(counts: ReadonlyMap<string, number>): void {
    const unseen = new Set(counts.keys());
    for (const [address, { pieces }] of this.#records) {
      const key = numberKey(address);
      unseen.delete(key);
      const count = counts.get(key) ?? 1;
      if (count === pieces.length) continue;
      this.#problems.push(`record ${address} counts ${count} pieces and has ${pieces.length}`);
    }
    if (unseen.size > 0)
      this.#problems.push(`${unseen.size} records are counted that nothing uses`);
  }

  #checkFree(free: Space, end: number): void {
    let unused = end;
    for (const { address, units } of free.runs) {
      for (let unit = address; unit < address + units; unit++) {
        const what = this.#units.get(unit);
        if (what !== undefined) this.#problems.push(`unit ${unit} is free, and ${what} is there`);
      }
      unused -= units;
    }
    unused -= this.#units.size;
    if (unused > 0) this.#problems.push(`${unused} units are neither free nor used`);
  }

  #use(place: Place, what: string): void {
    for (let i = 0; i < unitsOf(place.sizeBytes); i++) {
      const unit = place.address + i;
      const there = this.#units.get(unit);
      if (there !== undefined) this.#problems.push(`${there} and ${what} both have unit ${unit}`);
      this.#units.set(unit, what);
    }
  }
}
