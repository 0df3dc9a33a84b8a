// check: reads everything that a superblock leads to and says what is wrong with it, in words. It
// changes nothing, and goes on behind what is damaged. What trees share it reads once.
//
// Kept in memory: a bit for each unit, two numbers for each record, the free runs, those of the
// nodes that trees may share, and of the others a few at a time.

import { LinuxError } from '../../abi/errno.ts';
import type { Op } from '../../lib/op.ts';
import { numberFromKey, numberKey } from '../number-key.ts';
import { ProblemList } from '../problem-list.ts';
import type { CheckProgress, StoreReport } from '../store-view.ts';
import { isKeptKey, placesIn } from './kept-places.ts';
import type { Checksum } from './node-cache.ts';
import {
  type Child,
  decodeNode,
  Extent,
  InlineData,
  type InnerNode,
  isLeaf,
  type LeafNode,
  type TreeNode,
} from './node.ts';
import { objectOf, unitOf } from './objects.ts';
import { type PageDevice, type Place, UNIT_SIZE, unitsOf, wholePlace } from './page-device.ts';
import { RecordCheck } from './record-check.ts';
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
import { UnitSet } from './unit-set.ts';

export interface CheckReport extends StoreReport {
  readonly nodes: number;
  readonly records: number;
  readonly items: number;
  /** Nodes of deleted trees, whose space is still to be given back. */
  readonly dying: number;
}

/** Leaves read at once. */
const LEAVES_AT_ONCE = 16;

/**
 * What is wrong with a device that nobody writes to. Damaged data is among the problems.
 *
 * Errors: EIO if the device can't be read at all.
 */
export function* checkDevice(device: PageDevice, checksum: Checksum): Op<CheckReport> {
  const bytes = yield* device.readSuperblock();
  const check = new DeviceCheck(device, checksum);
  let block: RootBlock = EMPTY_ROOT_BLOCK;
  try {
    if (bytes !== undefined) block = decodeRootBlock(bytes, checksum);
  } catch (error) {
    if (!(error instanceof LinuxError)) throw error;
    const none = {
      damaged: [],
      usedBytes: 0,
      freeBytes: 0,
      nodes: 0,
      records: 0,
      items: 0,
      dying: 0,
    };
    return { ...none, damagedElsewhere: [], problems: ['the superblock is damaged'] };
  }
  yield* check.begin(block);
  const report = yield* check.finish();
  const damaged = report.damaged.map(
    ({ object, offset, length }) =>
      `object ${object} is damaged: ${length} bytes from ${offset} on`,
  );
  return { ...report, problems: [...report.problems, ...damaged, ...report.damagedElsewhere] };
}

/** Keys from `from` on and below `to`. */
interface Bounds {
  readonly from: string;
  readonly to: string | undefined;
}

type Visit = (leaf: LeafNode) => Op<void>;

/** Where in a tree a node is. */
interface Placed {
  readonly child: Child;
  readonly bounds: Bounds;
  /** Undefined: it is not known. */
  readonly level: number | undefined;
}

/** A node that trees may share. */
interface NodeUse extends Placed {
  count: number;
  /** Key at which the last piece below it ends. */
  end: string | undefined;
}

/** A check of what one root block leads to. */
export class DeviceCheck {
  readonly #device: PageDevice;
  readonly #checksum: Checksum;
  readonly #problems = new ProblemList();
  readonly #used = new UnitSet();
  readonly #records: RecordCheck;
  readonly #nodes = new Map<number, NodeUse>();
  /** What is in the meta tree besides counts. */
  readonly #trees: { readonly what: string; readonly root: Child }[] = [];
  #dyingCount = 0;
  #sharedUpTo = 0;
  /** Key at which the last piece ends that was seen in a tree. */
  #last: string | undefined;
  /** Place → number of users, as the meta tree has it. */
  readonly #counts = new Map<number, number>();
  /** Addresses of places that are kept for a while: only until begin() has ended. */
  #kept: number[] = [];
  #block: RootBlock = EMPTY_ROOT_BLOCK;
  #free: Space | undefined;
  #usedFreeUnits = 0;
  /** A node could not be read: what is below it is not known. */
  #hasGap = false;
  #nodeCount = 0;
  #itemCount = 0;
  #onProgress: ((progress: CheckProgress) => void) | undefined;

  constructor(device: PageDevice, checksum: Checksum) {
    this.#device = device;
    this.#checksum = checksum;
    this.#records = new RecordCheck(device, checksum, {
      use: (place, what) => {
        this.#use(place, what);
      },
      problem: (sentence) => {
        this.#problems.add(sentence);
      },
    });
  }

  /**
   * Reads all but the items and objects: it has little to read. What those lead to has to stay
   * until finish() has ended, the rest may go when this has.
   */
  *begin(block: RootBlock): Op<void> {
    this.#block = block;
    const free = new Space(block.space);
    try {
      yield* free.load(this.#device, this.#checksum);
      this.#free = free;
    } catch (error) {
      if (!(error instanceof LinuxError) || !this.#device.isOpen) throw error;
      this.#problems.add('the list of free space is damaged');
    }
    for (const page of block.space.pages) this.#use(page, 'a page of free runs');
    yield* this.#walk('meta', block.meta, this.#checkMetaLeaf.bind(this));
    // Of a replacement under way, whose records no tree has pieces of yet.
    for (const address of this.#kept) this.#counts.delete(address);
    this.#kept = [];
  }

  *#checkMetaLeaf({ keys, values }: LeafNode): Op<void> {
    for (const [i, key] of keys.entries()) this.#checkMeta(key, values[i]);
  }

  #checkMeta(key: string, value: unknown): void {
    try {
      if (isNamedKey(key)) {
        this.#trees.push({ what: `tree "${nameOf(key)}"`, root: decodeNamed(value).root });
        return;
      }
      if (isDyingKey(key)) {
        this.#dyingCount++;
        this.#trees.push({ what: 'deleted trees', root: decodeDying(value) });
        return;
      }
      if (key === SHARED_KEY) {
        this.#sharedUpTo = decodeGeneration(value);
        return;
      }
      if (!isKeptKey(key)) {
        this.#counts.set(numberFromKey(key, 0), countIn(value));
        return;
      }
      for (const place of placesIn(value)) {
        this.#kept.push(place.address);
        this.#use(place, 'a place that is kept');
      }
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error;
      this.#problems.add(`an item of the meta makes no sense: ${JSON.stringify(key)}`);
    }
  }

  *finish(onProgress?: (progress: CheckProgress) => void): Op<CheckReport> {
    this.#onProgress = onProgress;
    yield* this.#checkTree('items', this.#block.items, undefined);
    for (const { what, root } of this.#trees) yield* this.#checkTree(what, root, what);
    this.#records.finish();
    this.#checkCounts();
    this.#checkUnused();
    const { damaged, damagedElsewhere } = this.#records;
    return {
      problems: this.#problems.sentences,
      damaged,
      damagedElsewhere,
      nodes: this.#nodeCount,
      records: this.#records.count,
      items: this.#itemCount,
      usedBytes: this.#used.size * UNIT_SIZE,
      freeBytes: (this.#free?.freeUnits ?? 0) * UNIT_SIZE,
      dying: this.#dyingCount,
    };
  }

  /** `owner`: whose data it is; undefined: the main tree's. */
  *#checkTree(name: string, root: Root, owner: string | undefined): Op<void> {
    this.#last = undefined;
    const visit = function* (this: DeviceCheck, leaf: LeafNode): Op<void> {
      this.#checkLeaf(leaf);
      yield* this.#records.checkLeaf(leaf, owner);
      this.#tell();
    }.bind(this);
    yield* this.#walk(name, root, visit);
  }

  #tell(): void {
    const total = (this.#block.space.end - (this.#free?.freeUnits ?? 0)) * UNIT_SIZE;
    this.#onProgress?.({ bytes: this.#used.size * UNIT_SIZE, total });
  }

  *#walk(name: string, root: Root, visit: Visit): Op<void> {
    const bounds = { from: '', to: undefined };
    if (isNode(root)) yield* this.#node(name, root, bounds, visit);
    else yield* this.#children(name, [{ child: root, bounds, level: undefined }], visit);
  }

  /** Reads children at once, and checks them one after the other. */
  *#children(name: string, placed: readonly Placed[], visit: Visit): Op<void> {
    const children = placed.filter((each) => !this.#isSeen(name, each));
    const found = yield* this.#device.read(children.map(({ child }) => wholePlace(child)));
    let next = 0;
    for (const each of placed) {
      const { child, bounds, level } = each;
      const use = this.#nodes.get(child.address);
      if (children[next] !== each) {
        this.#last = use?.end ?? this.#last;
        continue;
      }
      const bytes = found[next++];
      const what = `node ${child.address} of the ${name}`;
      this.#use(child, what);
      const node = bytes === undefined ? 'is missing' : this.#decode(bytes, child, level);
      if (typeof node === 'string') {
        this.#hasGap = true;
        this.#problems.add(`${what} ${node}`);
      } else yield* this.#node(name, node, bounds, visit);
      if (use !== undefined) use.end = this.#last;
    }
  }

  /** Was the node reached on another way before? */
  #isSeen(name: string, placed: Placed): boolean {
    const { child, level } = placed;
    if (child.generation > this.#sharedUpTo) return false;
    const seen = this.#nodes.get(child.address);
    if (seen === undefined) {
      this.#nodes.set(child.address, { ...placed, count: 1, end: undefined });
      return false;
    }
    seen.count++;
    const isSame =
      seen.child.checksum === child.checksum &&
      seen.child.sizeBytes === child.sizeBytes &&
      seen.child.generation === child.generation &&
      (level === undefined || seen.level === undefined || level === seen.level);
    if (!isSame) {
      this.#problems.add(`node ${child.address} of the ${name} is known as another one elsewhere`);
    }
    return true;
  }

  /** A node, or what is wrong with it. */
  #decode(bytes: Uint8Array, child: Child, level: number | undefined): TreeNode | string {
    if (this.#checksum(bytes) !== child.checksum) return 'is damaged';
    try {
      const node = decodeNode(bytes);
      if (level === undefined || node.level === level) return node;
      return `is of level ${node.level}, not ${level}`;
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error;
      return 'makes no sense';
    }
  }

  *#node(name: string, node: TreeNode, bounds: Bounds, visit: Visit): Op<void> {
    this.#nodeCount++;
    const { from, to } = bounds;
    const [first, last] = [node.keys[0], node.keys.at(-1)];
    const isWithin =
      (first === undefined || first >= from) &&
      (last === undefined || to === undefined || last < to);
    if (!isWithin) this.#problems.add(`a node of the ${name} has keys that are not its own`);
    if (isLeaf(node)) yield* visit(node);
    else yield* this.#inner(name, node, to, visit);
  }

  *#inner(name: string, node: InnerNode, to: string | undefined, visit: Visit): Op<void> {
    if (node.keys.length === 0) this.#problems.add(`a node of the ${name} has no children`);
    const children = node.values.map((child, i) => ({
      child,
      bounds: { from: node.keys[i] ?? '', to: node.keys[i + 1] ?? to },
      level: node.level - 1,
    }));
    const atOnce = node.level === 1 ? LEAVES_AT_ONCE : 1;
    for (let at = 0; at < children.length; at += atOnce) {
      yield* this.#children(name, children.slice(at, at + atOnce), visit);
    }
  }

  #checkLeaf({ keys, values }: LeafNode): void {
    let end = this.#last;
    keys.forEach((key, i) => {
      const value = values[i];
      if (value instanceof Uint8Array) {
        this.#itemCount++;
        return;
      }
      const units = value instanceof Extent ? value.unitCount : 1;
      if (end !== undefined && key < end)
        this.#problems.add(`pieces of object ${objectOf(key)} overlap`);
      end = numberKey(objectOf(key)) + numberKey(unitOf(key) + units);
      if (value instanceof InlineData && value.bytes.length > UNIT_SIZE) {
        this.#problems.add(`a piece of object ${objectOf(key)} is larger than a block`);
      }
    });
    this.#last = end;
  }

  #checkCounts(): void {
    if (this.#hasGap) return;
    let unseen = this.#counts.size;
    const check = (what: string, address: number, used: { count: number; by: string }): void => {
      const counted = this.#counts.get(address);
      if (counted !== undefined) unseen--;
      const count = counted ?? 1;
      if (count === used.count) return;
      this.#problems.add(`${what} ${address} counts ${count} ${used.by} and has ${used.count}`);
    };
    this.#records.forEach((address, count) => {
      check('record', address, { count, by: 'pieces' });
    });
    for (const [address, { count }] of this.#nodes) check('node', address, { count, by: 'users' });
    if (unseen > 0) this.#problems.add(`${unseen} places are counted that nothing uses`);
  }

  #checkUnused(): void {
    if (this.#hasGap || this.#free === undefined) return;
    const { end } = this.#block.space;
    const unused = end - this.#free.freeUnits - this.#used.size + this.#usedFreeUnits;
    if (unused > 0) this.#problems.add(`${unused} units are neither free nor used`);
  }

  #use(place: Place, what: string): void {
    const { end } = this.#block.space;
    for (let i = 0; i < unitsOf(place.sizeBytes); i++) {
      const unit = place.address + i;
      if (unit >= end) {
        this.#problems.add(`${what} has unit ${unit}, which is beyond the end`);
        return;
      }
      if (!this.#used.add(unit)) this.#problems.add(`${what} has unit ${unit}, as something else`);
      else if (this.#isFree(unit)) {
        this.#usedFreeUnits++;
        this.#problems.add(`unit ${unit} is free, and ${what} is there`);
      }
    }
  }

  #isFree(unit: number): boolean {
    const run = this.#free?.runAt(unit);
    return run !== undefined && unit < run.address + run.units;
  }
}
