// salvage: a new tree from the whole nodes of one that has damaged ones, and counts and free space
// made anew.
//
// Nodes below a damaged one are found by looking at everything on the device that nothing whole
// leads to. A node has no checksum of its own, but what a parent said of it may still be found in
// the damaged parent's bytes; without that, one has to make sense, and must not look like a block
// of data, which could be anything. What is free is old, and is not looked at.

import { LinuxError, linuxerr } from '../../abi/errno.ts';
import type { Op } from '../../lib/op.ts';
import type { Checksum } from './node-cache.ts';
import {
  type Child,
  decodeNode,
  Extent,
  isLeaf,
  type LeafNode,
  type TreeNode,
  Writer,
} from './node.ts';
import { PLACE_UNITS_MAX, type PageDevice, UNIT_SIZE, unitsOf, wholePlace } from './page-device.ts';
import { planRebuild } from './rebuild.ts';
import { StoreError } from '../store-error.ts';
import { decodeRootBlock, EMPTY_ROOT_BLOCK, type RootBlock, SUBVOLUMES } from './root-block.ts';
import { Space } from './space.ts';
import { isNode, type Root } from './tree.ts';
import { buildTree } from './tree-build.ts';
import { UnitSet } from './unit-set.ts';

/** Keys of which nothing is known; `to` undefined: up to the last. */
export interface LostKeys {
  readonly from: string;
  readonly to: string | undefined;
}

export interface Salvage {
  /** What was done, a sentence each. */
  readonly repairs: readonly string[];
  readonly lost: readonly LostKeys[];
}

/** Where a leaf lies, and the keys it has. */
interface Leaf {
  readonly child: Child;
  readonly first: string;
  readonly last: string;
}

/** A node that can't be read. */
interface Gap extends LostKeys {
  /** Undefined: it is not known. */
  readonly level: number | undefined;
  readonly bytes: Uint8Array | undefined;
}

interface Candidate {
  readonly child: Child;
  readonly node: TreeNode;
}

const ADDRESSES_AT_ONCE = 1000;
const HAS_SNAPSHOTS =
  'Nodes or counts of a filesystem with snapshots are damaged, and a repair would keep none of ' +
  'them. Nothing was changed. Mount it, and the snapshots, and copy what can be read (cp, or ' +
  'kernel.export()); then delete all snapshots and repair it, or begin anew.';

/**
 * Commits a whole store in place of a damaged one. Errors: EIO if the device fails, or if it has
 * no superblock that can be read and can't be searched; StoreError 'damaged' if there are trees
 * besides the main one.
 */
export function* salvage(device: PageDevice, checksum: Checksum): Op<Salvage> {
  const superblock = yield* device.readSuperblock();
  const block = superblock === undefined ? undefined : readBlock(superblock, checksum);
  if (block === undefined && device.addresses === undefined) throw linuxerr.EIO;
  if (block !== undefined && (block.features.incompatible & SUBVOLUMES) !== 0) {
    throw new StoreError('damaged', HAS_SNAPSHOTS);
  }
  const search = new Search(device, checksum);
  if (block !== undefined) yield* search.begin(block);
  yield* search.find(block);
  const end = Math.max(block?.space.end ?? 0, yield* endOf(device));
  const generation = Math.max(block?.generation ?? 0, search.generation) + 1;
  const repairs = search.repairs(block === undefined);
  const { root, written, next } = search.tree(block, { checksum, generation, address: end });
  const base = { ...(block ?? EMPTY_ROOT_BLOCK), generation };
  const rebuilt = { items: root, written, base, end: next };
  const batch = yield* planRebuild({ device, checksum }, rebuilt);
  yield* device.commit(batch, 'strict');
  return { repairs, lost: search.lost };
}

function readBlock(bytes: Uint8Array, checksum: Checksum): RootBlock | undefined {
  try {
    return decodeRootBlock(bytes, checksum);
  } catch (error) {
    if (!(error instanceof LinuxError)) throw error;
    return undefined;
  }
}

/** No unit from there on is in use. */
function* endOf(device: PageDevice): Op<number> {
  let end = 0;
  for (let from: number | undefined = 0; from !== undefined;) {
    const some: number[] = (yield* device.addresses?.(from, ADDRESSES_AT_ONCE) ?? none()) ?? [];
    const last = some.at(-1);
    if (last !== undefined) end = last + PLACE_UNITS_MAX;
    from = last === undefined || some.length < ADDRESSES_AT_ONCE ? undefined : last + 1;
  }
  return end;
}

function* none(): Op<undefined> {
  return undefined;
}

class Search {
  readonly #device: PageDevice;
  readonly #checksum: Checksum;
  readonly #leaves: Leaf[] = [];
  readonly #gaps: Gap[] = [];
  /** What is known to be something else than a lost node. */
  readonly #known = new UnitSet();
  readonly lost: LostKeys[] = [];
  #hasGap = false;
  #found = 0;
  #doubtful = 0;
  /** The highest that was seen. */
  generation = 0;

  constructor(device: PageDevice, checksum: Checksum) {
    this.#device = device;
    this.#checksum = checksum;
  }

  /** Notes what is free. */
  *begin({ space, meta }: RootBlock): Op<void> {
    for (const page of space.pages) this.#know(page.address, page.sizeBytes);
    if (!isNode(meta)) this.#know(meta.address, meta.sizeBytes);
    const free = new Space(space);
    try {
      yield* free.load(this.#device, this.#checksum);
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error;
      return;
    }
    for (const { address, units } of free.runs) this.#know(address, units * UNIT_SIZE);
  }

  *find(block: RootBlock | undefined): Op<void> {
    if (block === undefined) {
      this.#gaps.push({ from: '', to: undefined, level: undefined, bytes: undefined });
    } else if (isNode(block.items)) yield* this.#below(block.items, '', undefined);
    else yield* this.#child(block.items, { from: '', to: undefined, level: undefined });
    const gaps = this.#gaps.splice(0);
    this.#hasGap = gaps.length > 0;
    const candidates = gaps.some(({ level }) => level !== 0) ? yield* this.#candidates() : [];
    for (const gap of gaps) yield* this.#fill(gap, candidates);
    this.#leaves.sort((a, b) => (a.first < b.first ? -1 : 1));
  }

  *#child(child: Child, at: LostKeys & { level: number | undefined }): Op<void> {
    this.#know(child.address, child.sizeBytes);
    this.generation = Math.max(this.generation, child.generation);
    const [bytes] = yield* this.#device.read([wholePlace(child)]);
    const isWhole = bytes !== undefined && this.#checksum(bytes) === child.checksum;
    const node = isWhole ? decoded(bytes) : undefined;
    if (node === undefined || (at.level !== undefined && node.level !== at.level)) {
      this.#gaps.push({ ...at, bytes });
    } else if (isLeaf(node)) this.#leaf(child, node);
    else yield* this.#below(node, at.from, at.to);
  }

  *#below(node: TreeNode, from: string, to: string | undefined): Op<void> {
    // A leaf in the superblock stays where it is.
    if (isLeaf(node)) return;
    for (const [i, child] of node.values.entries()) {
      const start = i === 0 ? from : (node.keys[i] ?? from);
      const at = { from: start, to: node.keys[i + 1] ?? to, level: node.level - 1 };
      yield* this.#child(child, at);
    }
  }

  #leaf(child: Child, { keys, values }: LeafNode): void {
    const [first, last] = [keys[0], keys.at(-1)];
    if (first === undefined || last === undefined) return;
    this.#leaves.push({ child, first, last });
    for (const value of values) {
      if (value instanceof Extent) this.#know(value.address, value.recordUnits * UNIT_SIZE);
    }
  }

  #know(address: number, sizeBytes: number): void {
    for (let i = 0; i < unitsOf(sizeBytes); i++) this.#known.add(address + i);
  }

  /** Nodes that nothing whole leads to; inner ones first. */
  *#candidates(): Op<Candidate[]> {
    const device = this.#device;
    if (device.addresses === undefined || device.readAt === undefined) return [];
    const found: Candidate[] = [];
    for (let from: number | undefined = 0; from !== undefined;) {
      const some: number[] = yield* device.addresses(from, ADDRESSES_AT_ONCE);
      for (const address of some) {
        if (this.#known.has(address)) continue;
        const bytes = yield* device.readAt(address);
        const node = bytes === undefined ? undefined : decoded(bytes);
        if (bytes === undefined || node === undefined || !isOfItems(node)) continue;
        const sizeBytes = bytes.length;
        const child = { address, sizeBytes, checksum: this.#checksum(bytes), generation: 0 };
        found.push({ child, node });
      }
      const last = some.at(-1);
      from = last === undefined || some.length < ADDRESSES_AT_ONCE ? undefined : last + 1;
    }
    return found.sort((a, b) => b.node.level - a.node.level);
  }

  *#fill(gap: Gap, candidates: readonly Candidate[]): Op<void> {
    const before = this.#leaves.length;
    for (const { child, node } of candidates) {
      if (this.#known.has(child.address) || !isWithin(node, gap)) continue;
      if (gap.level !== undefined && node.level >= gap.level) continue;
      const isSaid = gap.bytes !== undefined && says(gap.bytes, child);
      // A block of data may look like anything.
      if (!isSaid && child.sizeBytes % UNIT_SIZE === 0) continue;
      if (this.#overlaps(node)) {
        this.#doubtful++;
        continue;
      }
      this.#know(child.address, child.sizeBytes);
      if (isLeaf(node)) this.#leaf(child, node);
      else yield* this.#below(node, node.keys[0] ?? gap.from, undefined);
    }
    this.#found += this.#leaves.length - before;
    const inside = this.#leaves.slice(before).sort((a, b) => (a.first < b.first ? -1 : 1));
    let from = gap.from;
    for (const { first, last } of inside) {
      if (from < first) this.lost.push({ from, to: first });
      from = `${last}\0`;
    }
    if (gap.to === undefined || from < gap.to) this.lost.push({ from, to: gap.to });
    // Below an inner node that was found there may be damaged leaves.
    for (const { from: start, to } of this.#gaps.splice(0)) this.lost.push({ from: start, to });
  }

  /** Is there a leaf for some of its keys already? */
  #overlaps({ keys }: TreeNode): boolean {
    const [first = '', last = ''] = [keys[0], keys.at(-1)];
    return this.#leaves.some((leaf) => leaf.first <= last && first <= leaf.last);
  }

  repairs(isSuperblockLost: boolean): string[] {
    const repairs: string[] = [];
    if (isSuperblockLost) {
      repairs.push(
        'the superblock is damaged; all nodes were looked for, and snapshots are not found again',
      );
    }
    if (this.lost.length > 0) {
      repairs.push(
        `nodes of the tree are damaged or missing; ${this.#found} of those below them were found`,
      );
    }
    if (this.#doubtful > 0) {
      repairs.push(
        `${this.#doubtful} old nodes were found whose keys others have; they are left out`,
      );
    }
    repairs.push('the counts of records and the free space are made anew');
    return repairs;
  }

  tree(
    block: RootBlock | undefined,
    write: { checksum: Checksum; generation: number; address: number },
  ): { root: Root; written: ReturnType<typeof buildTree>['written']; next: number } {
    if (block !== undefined && !this.#hasGap)
      return { root: block.items, written: [], next: write.address };
    return buildTree(
      this.#leaves.map(({ child, first }) => ({ key: first, child })),
      write,
    );
  }
}

function decoded(bytes: Uint8Array): TreeNode | undefined {
  try {
    return decodeNode(bytes);
  } catch (error) {
    if (!(error instanceof LinuxError)) throw error;
    return undefined;
  }
}

/**
 * Keys of the meta tree are four units, or begin with a letter; those of items and objects begin
 * with a number of at most 53 bits.
 */
function isOfItems({ keys }: TreeNode): boolean {
  const last = keys.at(-1);
  return last !== undefined && last.length > 4 && last < ' ';
}

function isWithin({ keys }: TreeNode, { from, to }: LostKeys): boolean {
  const [first, last] = [keys[0], keys.at(-1)];
  if (first === undefined || last === undefined) return false;
  return first >= from && (to === undefined || last < to);
}

/** Does a damaged node's text still have what it said of a child? */
function says(bytes: Uint8Array, { address, sizeBytes, checksum }: Child): boolean {
  const writer = new Writer(14);
  writer.u48(address);
  writer.u32(sizeBytes);
  writer.u32(checksum);
  const wanted = writer.bytes;
  for (let at = 0; at + wanted.length <= bytes.length; at++) {
    let i = 0;
    while (i < wanted.length && bytes[at + i] === wanted[i]) i++;
    if (i === wanted.length) return true;
  }
  return false;
}
