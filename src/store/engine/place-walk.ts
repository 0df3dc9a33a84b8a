// PlaceWalk: goes through all places of a state in bounded steps, while commits go on. It visits
// what was there when it began and is still there when it comes by; what a commit writes meanwhile,
// it leaves to those who see the commits.
//
// A tree is walked by key: nodes may change between two steps, keys keep their order. What a leaf
// has was written no later than the leaf, but no place says when it was written except for nodes:
// so the records of a newer leaf are visited, too.
//
// Of nodes that several trees share, the first tree's visit counts. A key says nothing of what was
// visited once a tree has become another one (a rollback) or a name stands for another tree: the
// trees are walked from their beginnings again then, past all that was visited.

import { LinuxError } from '../../abi/errno.ts';
import { assertDefined } from '../../lib/assert.ts';
import type { Op } from '../../lib/op.ts';
import { allRoots } from './all-roots.ts';
import { isKeptKey, placesIn } from './kept-places.ts';
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
import { decodeGeneration, SHARED_KEY } from './subvolume-items.ts';
import { isNode, type Root, Tree } from './tree.ts';

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

/** The trees of a state. */
interface Trees {
  readonly block: RootBlock;
  readonly roots: ReadonlyMap<string, Root>;
  /** Generation of the last commit that made a tree share nodes, or be another one. */
  readonly sharedUpTo: number;
}

export class PlaceWalk {
  readonly #options: PlaceWalkOptions;
  readonly #cache: NodeCache;
  /** Where each tree is to be gone on with. */
  readonly #cursors = new Map<string, string | typeof ALL_DONE>();
  /** Inner nodes visited: address → generation. */
  readonly #seen = new Map<number, number>();
  /** Nodes visited with all below them: address → generation. */
  readonly #done = new Map<number, number>();
  #trees: Trees | undefined;
  /** How far a list of kept places was visited. */
  #kept: { readonly key: string; readonly index: number } | undefined;
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
      const tree = this.#nextTree(yield* this.#currentTrees());
      if (tree === undefined) return found.isEmpty ? undefined : found.places;
      const [id, root] = tree;
      const cursor = this.#cursors.get(id) ?? '';
      if (cursor === ALL_DONE) continue;
      const damagedBefore = this.damagedCount;
      const how = { sizeBytes, isMeta: id === 'meta' };
      const next = yield* this.#visit(root, cursor, found, how);
      const isDamaged = this.damagedCount > damagedBefore;
      if (isDamaged && (yield* this.#currentTrees()).roots.get(id) !== root) {
        // Not damaged, but given up by a commit that ended since.
        this.damagedCount = damagedBefore;
      } else this.#cursors.set(id, next ?? ALL_DONE);
    }
    return found.places;
  }

  #nextTree({ roots }: Trees): [string, Root] | undefined {
    for (const tree of roots) if (this.#cursors.get(tree[0]) !== ALL_DONE) return tree;
    return undefined;
  }

  *#currentTrees(): Op<Trees> {
    for (;;) {
      const block = this.#options.current();
      const before = this.#trees;
      if (before?.block === block) return before;
      const trees = yield* this.#treesOf(block);
      // Others may have been committed while the meta tree was read.
      if (this.#options.current() !== block) continue;
      if (before !== undefined && before.sharedUpTo !== trees.sharedUpTo) this.#cursors.clear();
      return (this.#trees = trees);
    }
  }

  *#treesOf(block: RootBlock): Op<Trees> {
    try {
      const shared = yield* new Tree(this.#cache, block.meta).get(SHARED_KEY);
      const sharedUpTo = shared === undefined ? 0 : decodeGeneration(shared);
      const roots = yield* allRoots(block, this.#cache);
      return { block, roots: new Map(roots.map(({ id, root }) => [id, root])), sharedUpTo };
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error;
      // What can't be read, the walk through the meta tree finds.
      const { items: main, meta } = block;
      const sharedUpTo = this.#trees?.sharedUpTo ?? 0;
      return { block, roots: new Map(Object.entries({ main, meta })), sharedUpTo };
    }
  }

  /** The leaf that covers `key` and what leads to it. Returns the key to go on with. */
  *#visit(
    root: Root,
    key: string,
    found: Found,
    how: { readonly sizeBytes: number; readonly isMeta: boolean },
  ): Op<string | undefined> {
    /** From the root on; those whose last child is the next one, or the leaf. */
    let ending: Child[] = [];
    let end: string | undefined;
    let child = isNode(root) ? undefined : root;
    let node = isNode(root) ? root : undefined;
    for (;;) {
      if (child !== undefined) {
        ending.push(child);
        if (this.#isDone(child)) break;
        const damagedBefore = this.damagedCount;
        node = yield* this.#enter(child, found);
        if (this.damagedCount > damagedBefore) return end;
        if (node === undefined) break;
      }
      if (node === undefined) break;
      if (isLeaf(node)) {
        const next = this.#visitRecords(node, key, found, how);
        if (next !== undefined) return next;
        break;
      }
      const index = childIndex(node.keys, key);
      if (index < node.keys.length - 1) ending = [];
      end = node.keys[index + 1] ?? end;
      child = assertDefined(node.values[index]);
    }
    for (const { address, generation } of ending) this.#done.set(address, generation);
    return end;
  }

  #isDone({ address, generation }: Child): boolean {
    return this.#done.get(address) === generation;
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
    { sizeBytes, isMeta }: { readonly sizeBytes: number; readonly isMeta: boolean },
  ): string | undefined {
    for (let i = lowerBound(keys, key); i < keys.length; i++) {
      const value = values[i];
      if (isMeta && value instanceof Uint8Array) {
        const at = assertDefined(keys[i]);
        if (isKeptKey(at) && !this.#visitKept(at, value, found, sizeBytes)) return at;
      }
      if (!(value instanceof Extent)) continue;
      if (found.sizeBytes >= sizeBytes && !found.has(value)) return assertDefined(keys[i]);
      found.addExtent(value);
    }
    return undefined;
  }

  /** What no tree leads to, or not yet: a replacement. False if there is too much. */
  #visitKept(key: string, item: Uint8Array, found: Found, sizeBytes: number): boolean {
    const places = placesIn(item);
    const { index } = this.#kept?.key === key ? this.#kept : { index: 0 };
    for (let i = index; i < places.length; i++) {
      if (found.sizeBytes >= sizeBytes) {
        this.#kept = { key, index: i };
        return false;
      }
      found.addKept(assertDefined(places[i]));
    }
    return true;
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

  /** Nobody says what is there. */
  addKept({ address, sizeBytes }: Place): void {
    this.#nodes.push({ address, sizeBytes, isWhole: () => true });
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
