// rebuild: a store's counts and free space made anew from its tree of items and objects. Whatever
// else lies on the device goes.
//
// Nothing is written over: what is made new comes behind the end, so that until the commit the old
// state is whole, and after it only the new one is left.

import { linuxerr } from '../../abi/errno.ts';
import type { Op } from '../../lib/op.ts';
import { numberKey } from '../number-key.ts';
import { type Checksum, NodeCache } from './node-cache.ts';
import { type Child, decodeNode, Extent, isLeaf, type LeafNode, type TreeNode } from './node.ts';
import { recordPlace } from './objects.ts';
import {
  type DeviceBatch,
  type PageDevice,
  type Place,
  UNIT_SIZE,
  unitsOf,
  wholePlace,
} from './page-device.ts';
import { countItem } from './record-uses.ts';
import { encodeRootBlock, type RootBlock, SUBVOLUMES } from './root-block.ts';
import { EMPTY_SPACE, Space } from './space.ts';
import { EMPTY_ROOT, isNode, type Root } from './tree.ts';
import { type Change, editTree, type Written } from './tree-edit.ts';
import { UnitSet } from './unit-set.ts';

interface Medium {
  readonly device: PageDevice;
  readonly checksum: Checksum;
}

export interface Rebuilt {
  /** The tree that stays. */
  readonly items: Root;
  /** Nodes of it that are not on the device yet. */
  readonly written?: readonly Written[];
  /** What the new root block keeps, with the generation and the lineage of the commit. */
  readonly base: RootBlock;
  /** No unit from here on is in use. */
  readonly end: number;
}

/** Addresses asked for at once. */
const ADDRESSES_AT_ONCE = 10_000;

/** The commit that does it. Errors: EIO if the device fails, or a node of the tree is damaged. */
export function* planRebuild(medium: Medium, rebuilt: Rebuilt): Op<DeviceBatch> {
  const { items, written = [], base, end } = rebuilt;
  const { generation, features } = base;
  const { device, checksum } = medium;
  const uses = new Uses(medium, written);
  if (isNode(items)) yield* uses.node(items);
  else yield* uses.child(items);
  const space = new Space({ ...EMPTY_SPACE, end });
  yield* space.load(device, checksum);
  const changes: Change[] = [...uses.counts]
    .filter(([, count]) => count > 1)
    .map(([address, count]): Change => [numberKey(address), countItem(count)])
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const allocate = (units: number): number => space.allocate(units);
  const cache = new NodeCache({ device, checksum, limit: 0 });
  const empty = { root: EMPTY_ROOT, nodes: new Map<Child, TreeNode>(), cache };
  const meta = editTree(empty, changes, { allocate, checksum, generation });
  const { state, writes } = space.finish(uses.unusedBelow(end), { checksum, generation });
  // One tree is left.
  const plain = { ...features, incompatible: features.incompatible & ~SUBVOLUMES };
  const block = { ...base, space: state, items, meta: meta.root, features: plain };
  const nodes = [...written, ...meta.written];
  return {
    writes: [...writes, ...nodes.map(({ child, bytes }) => ({ address: child.address, bytes }))],
    frees: yield* leftOver(device, uses),
    superblock: encodeRootBlock(block, checksum),
  };
}

/** What lies on the device and is not part of the tree. */
function* leftOver(device: PageDevice, uses: Uses): Op<Place[]> {
  const places: Place[] = [];
  let from: number | undefined = 0;
  while (from !== undefined && device.addresses !== undefined) {
    const addresses: number[] = yield* device.addresses(from, ADDRESSES_AT_ONCE);
    for (const address of addresses) {
      // Devices that keep things by address know how large they are.
      if (!uses.starts.has(address)) places.push({ address, sizeBytes: UNIT_SIZE });
    }
    const last = addresses.at(-1);
    from = last === undefined || addresses.length < ADDRESSES_AT_ONCE ? undefined : last + 1;
  }
  return places;
}

/** What a tree uses. */
class Uses {
  readonly #medium: Medium;
  readonly #written: ReadonlyMap<Child, Written>;
  readonly #units = new UnitSet();
  /** Addresses at which something begins. */
  readonly starts = new UnitSet();
  /** Record → number of pieces. */
  readonly counts = new Map<number, number>();

  constructor(medium: Medium, written: readonly Written[]) {
    this.#medium = medium;
    this.#written = new Map(written.map((each) => [each.child, each]));
  }

  *child(child: Child): Op<void> {
    this.#use(child);
    const known = this.#written.get(child);
    if (known !== undefined) {
      yield* this.node(known.node ?? decodeNode(known.bytes));
      return;
    }
    const { device, checksum } = this.#medium;
    const [bytes] = yield* device.read([wholePlace(child)]);
    if (bytes === undefined || checksum(bytes) !== child.checksum) throw linuxerr.EIO;
    yield* this.node(decodeNode(bytes));
  }

  *node(node: TreeNode): Op<void> {
    if (isLeaf(node)) this.#leaf(node);
    else for (const child of node.values) yield* this.child(child);
  }

  #leaf({ values }: LeafNode): void {
    for (const value of values) {
      if (!(value instanceof Extent)) continue;
      const count = this.counts.get(value.address) ?? 0;
      if (count === 0) this.#use(recordPlace(value));
      this.counts.set(value.address, count + 1);
    }
  }

  #use({ address, sizeBytes }: Place): void {
    this.starts.add(address);
    for (let i = 0; i < unitsOf(sizeBytes); i++) this.#units.add(address + i);
  }

  /** Units that nothing uses, in runs. */
  unusedBelow(end: number): Place[] {
    const runs: Place[] = [];
    let start: number | undefined;
    for (let unit = 0; unit <= end; unit++) {
      const isUsed = unit === end || this.#units.has(unit);
      if (!isUsed) start ??= unit;
      else if (start !== undefined) {
        runs.push({ address: start, sizeBytes: (unit - start) * UNIT_SIZE });
        start = undefined;
      }
    }
    return runs;
  }
}
