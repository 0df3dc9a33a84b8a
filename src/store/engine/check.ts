// check: reads everything that a superblock leads to and says what is wrong with it, in words. It
// changes nothing, and goes on behind what is damaged. What trees share it reads once.

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
import {
  decodeDying,
  decodeGeneration,
  decodeNamed,
  isDyingKey,
  isNamedKey,
  nameOf,
  SHARED_KEY,
} from './subvolume-items.ts';
import { decodeRootBlock, EMPTY_ROOT_BLOCK, type RootBlock } from './root-block.ts';
import { Space } from './space.ts';
import { isNode, type Root } from './tree.ts';

export interface CheckReport {
  /** One sentence for each thing that is wrong. */
  readonly problems: readonly string[];
  /** A node that several trees share counts once, and what is below it. */
  readonly nodes: number;
  readonly records: number;
  readonly items: number;
  /** Bytes of nodes and records. */
  readonly usedBytes: number;
  readonly freeBytes: number;
  /** Nodes of deleted trees, whose space is still to be given back. */
  readonly dying: number;
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

/** Returns the key at which the last piece of a leaf ends; `last`: of those before it. */
type Visit = (leaf: LeafNode, last: string | undefined) => string | undefined;

/** Where in a tree a node is. */
interface Placed {
  readonly name: string;
  readonly bounds: Bounds;
  readonly level: number | undefined;
  /** Key at which the last piece before it ends. */
  readonly last: string | undefined;
  readonly visit: Visit;
}

interface RecordUse {
  readonly extent: Extent;
  readonly pieces: { readonly key: string; readonly extent: Extent }[];
}

interface NodeUse {
  readonly child: Child;
  readonly level: number | undefined;
  count: number;
  /** Key at which the last piece below it ends. */
  end: string | undefined;
}

/** What the meta tree says. */
class MetaItems {
  readonly counts = new Map<string, number>();
  readonly trees: { readonly what: string; readonly root: Child }[] = [];
  dying = 0;
  sharedUpTo = 0;

  read({ keys, values }: LeafNode): void {
    keys.forEach((key, i) => {
      const value = values[i];
      if (isNamedKey(key)) {
        this.trees.push({ what: `tree "${nameOf(key)}"`, root: decodeNamed(value).root });
      } else if (isDyingKey(key)) {
        this.dying++;
        this.trees.push({ what: 'deleted trees', root: decodeDying(value) });
      } else if (key === SHARED_KEY) this.sharedUpTo = decodeGeneration(value);
      else this.counts.set(key, countIn(value));
    });
  }
}

class Check {
  readonly #device: PageDevice;
  readonly #checksum: Checksum;
  readonly #problems: string[] = [];
  /** Unit → what is there. */
  readonly #units = new Map<number, string>();
  readonly #records = new Map<number, RecordUse>();
  /** Nodes that were seen, by address. */
  readonly #nodes = new Map<number, NodeUse>();
  readonly #meta = new MetaItems();
  #nodeCount = 0;
  #itemCount = 0;

  constructor(device: PageDevice, checksum: Checksum) {
    this.#device = device;
    this.#checksum = checksum;
  }

  *run({ space, items, meta }: RootBlock): Op<CheckReport> {
    yield* this.#walk('meta', meta, (leaf) => {
      this.#meta.read(leaf);
      return undefined;
    });
    const visit: Visit = (leaf, last) => this.#checkLeaf(leaf, last);
    yield* this.#walk('items', items, visit);
    for (const { what, root } of this.#meta.trees) yield* this.#walk(what, root, visit);
    this.#checkCounts(this.#meta);
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
      dying: this.#meta.dying,
    };
  }

  *#walk(name: string, root: Root, visit: Visit): Op<void> {
    const bounds = { from: '', to: undefined };
    const place = { name, bounds, level: undefined, last: undefined, visit };
    if (isNode(root)) yield* this.#node(root, place);
    else yield* this.#child(root, place);
  }

  /** Returns the key at which the last piece ends. */
  *#child(child: Child, place: Placed): Op<string | undefined> {
    const what = `node ${child.address} of the ${place.name}`;
    const seen = this.#nodes.get(child.address);
    if (seen !== undefined) {
      seen.count++;
      this.#checkSame(what, seen, child, place);
      return seen.end;
    }
    const use: NodeUse = { child, level: place.level, count: 1, end: place.last };
    this.#nodes.set(child.address, use);
    this.#use(child, what);
    const [bytes] = yield* this.#device.read([wholePlace(child)]);
    if (bytes === undefined) this.#problems.push(`${what} is missing`);
    else if (this.#checksum(bytes) !== child.checksum) this.#problems.push(`${what} is damaged`);
    else {
      const node = decodeNode(bytes);
      const { level } = place;
      if (level !== undefined && node.level !== level) {
        this.#problems.push(`${what} is of level ${node.level}, not ${level}`);
      } else use.end = yield* this.#node(node, place);
    }
    return use.end;
  }

  /** A node that was reached on another way. */
  #checkSame(what: string, { child: first, level }: NodeUse, child: Child, place: Placed): void {
    const isSame =
      first.checksum === child.checksum &&
      first.sizeBytes === child.sizeBytes &&
      first.generation === child.generation &&
      (level === undefined || place.level === undefined || level === place.level);
    if (!isSame) this.#problems.push(`${what} is known as another one elsewhere`);
    if (child.generation <= this.#meta.sharedUpTo) return;
    this.#problems.push(`${what} has several users, and is newer than nodes that may`);
  }

  *#node(node: TreeNode, place: Placed): Op<string | undefined> {
    this.#nodeCount++;
    const { name, visit } = place;
    const { from, to } = place.bounds;
    const [first, last] = [node.keys[0], node.keys.at(-1)];
    const isWithin =
      (first === undefined || first >= from) &&
      (last === undefined || to === undefined || last < to);
    if (!isWithin) this.#problems.push(`a node of the ${name} has keys that are not its own`);
    if (isLeaf(node)) return visit(node, place.last);
    if (node.keys.length === 0) this.#problems.push(`a node of the ${name} has no children`);
    let end = place.last;
    for (const [i, child] of node.values.entries()) {
      const bounds = { from: node.keys[i] ?? '', to: node.keys[i + 1] ?? to };
      const below = { name, bounds, level: node.level - 1, last: end, visit };
      end = yield* this.#child(child, below);
    }
    return end;
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

  #checkCounts({ counts }: MetaItems): void {
    const unseen = new Set(counts.keys());
    const check = (what: string, address: number, used: { count: number; by: string }): void => {
      const key = numberKey(address);
      unseen.delete(key);
      const count = counts.get(key) ?? 1;
      if (count === used.count) return;
      this.#problems.push(`${what} ${address} counts ${count} ${used.by} and has ${used.count}`);
    };
    for (const [address, { pieces }] of this.#records)
      check('record', address, { count: pieces.length, by: 'pieces' });
    for (const [address, { count }] of this.#nodes) check('node', address, { count, by: 'users' });
    if (unseen.size > 0) this.#problems.push(`${unseen.size} places are counted that nothing uses`);
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
