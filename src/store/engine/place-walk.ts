// PlaceWalk: goes through all places of a state in bounded steps, while commits go on. It visits
// what was there when it began and is still there when it comes by; what a commit writes meanwhile,
// it leaves to those who see the commits.
//
// A tree is walked by key: nodes may change between two steps, keys keep their order. What a leaf
// has was written no later than the leaf, but no place says when it was written except for nodes:
// so the records of a newer leaf are visited, too.

import { LinuxError } from '../../abi/errno.ts';
import { assertDefined } from '../../lib/assert.ts';
import type { Op } from '../../lib/op.ts';
import { type Checksum, NodeCache } from './node-cache.ts';
import {
  type Child,
  childIndex,
  Extent,
  isLeaf,
  type LeafNode,
  lowerBound,
  type TreeNode,
} from './node.ts';
import { recordPlace } from './objects.ts';
import { mendPlace, type PageDevice, type Place, UNIT_SIZE, wholePlace } from './page-device.ts';
import type { RootBlock } from './root-block.ts';
import { isNode, type Root } from './tree.ts';

export interface VisitedPlace extends Place {
  /** What is used of it; undefined for a node. */
  readonly extents?: readonly Extent[];
  /** Are these the place's bytes, as far as they are used? */
  isWhole(bytes: Uint8Array): boolean;
}

export interface PlaceWalkOptions {
  /** What nodes are read from. */
  readonly device: PageDevice;
  readonly checksum: Checksum;
  /** The last commit's. */
  readonly current: () => RootBlock;
  /** Nodes of later commits are not visited. Their records are. */
  readonly generation: number;
  /** Is the node, with all below it, to be left out? */
  readonly skips?: (child: Child) => boolean;
}

const CACHE_BYTES = 2 << 20;
const ALL_DONE = Symbol('all done');

/** The trees of a state, by name. */
function treesOf(block: RootBlock): ReadonlyMap<string, Root> {
  return new Map([
    ['items', block.items],
    ['meta', block.meta],
  ]);
}

export class PlaceWalk {
  readonly #options: PlaceWalkOptions;
  readonly #cache: NodeCache;
  /** Where each tree is to be gone on with. */
  readonly #cursors = new Map<string, string | typeof ALL_DONE>();
  /** Inner nodes visited: address → generation. */
  readonly #seen = new Map<number, number>();
  /** Nodes that could not be read. */
  damagedCount = 0;

  constructor(options: PlaceWalkOptions) {
    this.#options = options;
    const { device, checksum } = options;
    this.#cache = new NodeCache({ device, checksum, limit: CACHE_BYTES });
  }

  /** The next places, of about so many bytes; undefined after the last. */
  *next(sizeBytes: number): Op<VisitedPlace[] | undefined> {
    const found = new Found(this.#options.checksum);
    while (found.sizeBytes < sizeBytes) {
      const tree = this.#nextTree();
      if (tree === undefined) return found.isEmpty ? undefined : found.places;
      const [name, root] = tree;
      const cursor = this.#cursors.get(name) ?? '';
      if (cursor === ALL_DONE) continue;
      const damagedBefore = this.damagedCount;
      const next = yield* this.#visit(root, cursor, found, sizeBytes);
      if (
        this.damagedCount > damagedBefore &&
        treesOf(this.#options.current()).get(name) !== root
      ) {
        // Not damaged, but given up by a commit that ended since.
        this.damagedCount = damagedBefore;
      } else this.#cursors.set(name, next ?? ALL_DONE);
    }
    return found.places;
  }

  #nextTree(): [string, Root] | undefined {
    for (const tree of treesOf(this.#options.current())) {
      if (this.#cursors.get(tree[0]) !== ALL_DONE) return tree;
    }
    return undefined;
  }

  /** The leaf that covers `key` and what leads to it. Returns the key to go on with. */
  *#visit(root: Root, key: string, found: Found, sizeBytes: number): Op<string | undefined> {
    let end: string | undefined;
    let node = isNode(root) ? root : yield* this.#enter(root, found);
    while (node !== undefined && !isLeaf(node)) {
      const index = childIndex(node.keys, key);
      end = node.keys[index + 1] ?? end;
      node = yield* this.#enter(assertDefined(node.values[index]), found);
    }
    if (node === undefined) return end;
    return this.#visitRecords(node, key, found, sizeBytes) ?? end;
  }

  /** Undefined if what is below is not wanted, or can't be read. */
  *#enter(child: Child, found: Found): Op<TreeNode | undefined> {
    const { generation, skips } = this.#options;
    if (skips?.(child) === true) return undefined;
    let node = this.#cache.get(child);
    if (node === undefined) {
      try {
        node = yield* this.#cache.load(child);
      } catch (error) {
        if (!(error instanceof LinuxError)) throw error;
      }
    }
    if (child.generation <= generation && this.#seen.get(child.address) !== child.generation) {
      if (node === undefined || !isLeaf(node)) this.#seen.set(child.address, child.generation);
      found.addNode(child);
    }
    if (node === undefined) this.damagedCount++;
    return node;
  }

  /** From `key` on. Returns the key to go on with if there are too many. */
  #visitRecords(
    { keys, values }: LeafNode,
    key: string,
    found: Found,
    sizeBytes: number,
  ): string | undefined {
    for (let i = lowerBound(keys, key); i < keys.length; i++) {
      const value = values[i];
      if (!(value instanceof Extent)) continue;
      if (found.sizeBytes >= sizeBytes && !found.has(value)) return assertDefined(keys[i]);
      found.addExtent(value);
    }
    return undefined;
  }
}

/** Places of one step. */
class Found {
  readonly #checksum: Checksum;
  readonly #nodes: VisitedPlace[] = [];
  readonly #records = new Map<number, { readonly place: Place; readonly extents: Extent[] }>();
  sizeBytes = 0;

  constructor(checksum: Checksum) {
    this.#checksum = checksum;
  }

  get isEmpty(): boolean {
    return this.#nodes.length === 0 && this.#records.size === 0;
  }

  get places(): VisitedPlace[] {
    const records = Array.from(this.#records.values(), ({ place, extents }) => ({
      ...place,
      extents,
      isWhole: (bytes: Uint8Array) => extents.every((extent) => this.#holds(bytes, extent)),
    }));
    return [...this.#nodes, ...records];
  }

  has({ address }: Extent): boolean {
    return this.#records.has(address);
  }

  addNode({ address, sizeBytes, checksum }: Child): void {
    const isWhole = (bytes: Uint8Array): boolean => this.#checksum(bytes) === checksum;
    this.#nodes.push({ address, sizeBytes, isWhole });
    this.sizeBytes += sizeBytes;
  }

  addExtent(extent: Extent): void {
    const record = this.#records.get(extent.address);
    if (record === undefined) {
      const place = recordPlace(extent);
      this.#records.set(extent.address, { place, extents: [extent] });
      this.sizeBytes += place.sizeBytes;
    } else record.extents.push(extent);
  }

  #holds(bytes: Uint8Array, { firstUnit, checksums }: Extent): boolean {
    return checksums.every((checksum, i) => {
      const at = (firstUnit + i) * UNIT_SIZE;
      return this.#checksum(bytes.subarray(at, at + UNIT_SIZE)) === checksum;
    });
  }
}

/** The pages of free runs, which are no tree. */
export function spacePagesOf(block: RootBlock, checksum: Checksum): VisitedPlace[] {
  return block.space.pages.map((page) => ({
    address: page.address,
    sizeBytes: page.sizeBytes,
    isWhole: (bytes) => checksum(bytes) === page.checksum,
  }));
}

/** The places' bytes in their order, looked for in other copies, too; undefined: nowhere whole. */
export function* readPlaces(
  device: PageDevice,
  places: readonly VisitedPlace[],
): Op<(Uint8Array | undefined)[]> {
  const read = yield* device.read(places.map(wholePlace));
  const result: (Uint8Array | undefined)[] = [];
  for (const [i, place] of places.entries()) {
    const bytes = read[i];
    if (bytes !== undefined && place.isWhole(bytes)) result.push(bytes);
    else result.push(yield* mendPlace(device, place, (each) => place.isWhole(each)));
  }
  return result;
}
