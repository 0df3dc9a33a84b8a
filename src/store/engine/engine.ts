// The engine: a store on any PageDevice. README.md says what it writes and what survives which
// crash.
//
// A commit makes new nodes and records at places that are free, and then one superblock that leads
// to them: until the device has that, nothing has changed. Commits run one after the other, and on
// their own: an operation that is interrupted while it waits for one doesn't stop it.

import { linuxerr } from '../../abi/errno.ts';
import { assertDefined } from '../../lib/assert.ts';
import type { MirrorStatus } from '../../lib/mirror-status.ts';
import { type Op, runAsync, waitFor } from '../../lib/op.ts';
import { checkBatch, checkKey, checkObject, checkOffset } from '../preconditions.ts';
import {
  type Batch,
  type Durability,
  type Item,
  type Run,
  type ScanOptions,
  type Store,
  type StoreUsage,
} from '../store.ts';
import { type Checksum, NodeCache } from './node-cache.ts';
import { Extent, type InlineData } from './node.ts';
import { nextPiece, type Piece, piecesOf, planObjects, portionOf, recordPlace } from './objects.ts';
import { mendPlace, type PageDevice, type Portion, UNIT_SIZE } from './page-device.ts';
import { planUses } from './record-uses.ts';
import { nextLineage } from './lineage.ts';
import {
  checksumOfRootBlock,
  decodeRootBlock,
  EMPTY_ROOT_BLOCK,
  encodeRootBlock,
  type RootBlock,
} from './root-block.ts';
import { Space, type SpaceCommit } from './space.ts';
import { Tree } from './tree.ts';
import { type Change, editTree, type TreeEdit } from './tree-edit.ts';

export interface EngineOptions {
  readonly device: PageDevice;
  readonly checksum: Checksum;
  /** Bound of the cache of nodes, in bytes. */
  readonly cacheBytes: number;
  /** Random number of this session, of 48 bits: lineage.ts. */
  readonly session?: number | undefined;
}

/** What a commit under way does. */
interface CommitPlan {
  readonly items: TreeEdit;
  readonly meta: TreeEdit;
  readonly space: SpaceCommit;
  readonly block: RootBlock;
  readonly superblock: Uint8Array;
}

/** The root block of the last commit. */
interface LastBlock {
  readonly block: RootBlock;
  /** Undefined: nothing was ever committed. */
  readonly checksum: number | undefined;
}

export class Engine implements Store {
  readonly #device: PageDevice;
  readonly #checksum: Checksum;
  readonly #cache: NodeCache;
  readonly #items: Tree;
  readonly #meta: Tree;
  readonly #space: Space;
  readonly #session: number | undefined;
  #last: LastBlock;
  /** Settles when all commits called so far have. Never rejects. */
  #lastCommit: Promise<unknown> = Promise.resolve();
  #isClosing = false;

  /** Errors: EIO if the device fails, or if its superblock is damaged. */
  static *open(options: EngineOptions): Op<Engine> {
    const bytes = yield* options.device.readSuperblock();
    if (bytes === undefined) {
      return new Engine(options, { block: EMPTY_ROOT_BLOCK, checksum: undefined });
    }
    const block = decodeRootBlock(bytes, options.checksum);
    if (block.isIncomplete) throw linuxerr.EIO;
    return new Engine(options, { block, checksum: checksumOfRootBlock(bytes) });
  }

  private constructor(options: EngineOptions, last: LastBlock) {
    const { device, checksum, cacheBytes, session } = options;
    const { block } = last;
    this.#device = device;
    this.#session = session;
    this.#checksum = checksum;
    this.#cache = new NodeCache({ device, checksum, limit: cacheBytes });
    this.#items = new Tree(this.#cache, block.items);
    this.#meta = new Tree(this.#cache, block.meta);
    this.#space = new Space(block.space);
    this.#last = last;
  }

  get mirror(): MirrorStatus | undefined {
    return this.#device.mirrorStatus;
  }

  /** Memory that cached nodes take now. */
  get cacheBytes(): number {
    return this.#cache.bytes;
  }

  *get(key: string): Op<Uint8Array | undefined> {
    checkKey(key);
    this.#checkOpen();
    const value = yield* this.#items.get(key);
    return value instanceof Uint8Array ? value : undefined;
  }

  *scan({ from, to, limit }: ScanOptions): Op<Item[]> {
    this.#checkOpen();
    const filter = (value: unknown): boolean => value instanceof Uint8Array;
    return (yield* this.#items.entries({ from, to, limit, filter })) as Item[];
  }

  *read(object: number, offset: number, length: number): Op<Run[]> {
    checkObject(object);
    checkOffset(offset);
    checkOffset(length);
    this.#checkOpen();
    if (length === 0) return [];
    const [from, to] = [offset / UNIT_SIZE, (offset + length) / UNIT_SIZE];
    for (;;) {
      const { root } = this.#items;
      const pieces = yield* piecesOf(this.#items, object, from, to);
      const runs = yield* this.#runsOf(pieces, from, to);
      if (runs !== undefined) return runs;
      // Data is missing. It may have been given up by a commit that ended since.
      if (root === this.#items.root) throw linuxerr.EIO;
    }
  }

  /** The data of pieces within [from, to), in units; undefined if some isn't as it was written. */
  *#runsOf(pieces: readonly Piece[], from: number, to: number): Op<Run[] | undefined> {
    const runs: Run[] = [];
    const extents: { unit: number; value: Extent; first: number }[] = [];
    for (const { unit, value } of pieces) {
      if (value instanceof Extent) extents.push({ unit, value, first: Math.max(unit, from) });
      else runs.push({ offset: unit * UNIT_SIZE, bytes: inlineBlock(value) });
    }
    if (extents.length === 0) return runs;
    const portions = extents.map(({ unit, value }) => portionOf(unit, value, from, to));
    const found = yield* this.#device.read(portions);
    for (const [i, { unit, value, first }] of extents.entries()) {
      let bytes = found[i];
      if (bytes === undefined || !this.#isWhole(bytes, value, first - unit)) {
        bytes = yield* this.#mend(value, assertDefined(portions[i]), first - unit);
        if (bytes === undefined) return undefined;
      }
      runs.push({ offset: first * UNIT_SIZE, bytes });
    }
    return runs.length === extents.length ? runs : runs.sort((a, b) => a.offset - b.offset);
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

  *nextData(object: number, offset: number): Op<number | undefined> {
    checkObject(object);
    checkOffset(offset);
    this.#checkOpen();
    const unit = offset / UNIT_SIZE;
    const piece = yield* nextPiece(this.#items, object, unit);
    return piece === undefined ? undefined : Math.max(piece.unit, unit) * UNIT_SIZE;
  }

  *commit(batch: Batch, { durability }: { readonly durability: Durability }): Op<void> {
    checkBatch(batch);
    this.#checkOpen();
    if (this.#isClosing) throw linuxerr.EIO;
    const committed = this.#lastCommit.then(() => runAsync(this.#commitNext(batch, durability)));
    this.#lastCommit = committed.catch(() => undefined);
    yield* waitFor(committed);
  }

  usage(): Op<StoreUsage> {
    this.#checkOpen();
    return this.#device.usage();
  }

  get isOpen(): boolean {
    return this.#device.isOpen && !this.#isClosing;
  }

  get reservedBytes(): number {
    return this.#device.reservedBytes;
  }

  /** Between commits, as it uses the medium as they do. */
  *reserve(bytes: number): Op<number> {
    this.#checkOpen();
    if (this.#isClosing) throw linuxerr.EIO;
    const reserved = this.#lastCommit.then(() => {
      this.#checkOpen();
      return runAsync(this.#device.reserve(bytes));
    });
    this.#lastCommit = reserved.catch(() => undefined);
    return yield* waitFor(reserved);
  }

  *close(): Op<void> {
    this.#isClosing = true;
    yield* waitFor(this.#lastCommit);
    yield* this.#device.close();
  }

  /** The commit whose turn it is. */
  *#commitNext(batch: Batch, durability: Durability): Op<void> {
    this.#checkOpen();
    yield* this.#space.load(this.#device, this.#checksum);
    let plan: CommitPlan;
    try {
      plan = yield* this.#write(batch, durability);
    } catch (error) {
      this.#space.abort();
      throw error;
    }
    this.#space.commit(plan.space);
    this.#last = { block: plan.block, checksum: checksumOfRootBlock(plan.superblock) };
    for (const [tree, edit] of [
      [this.#items, plan.items],
      [this.#meta, plan.meta],
    ] as const) {
      tree.root = edit.root;
      for (const child of edit.freed) this.#cache.remove(child);
      for (const { child, node } of edit.written) this.#cache.insert(child, node);
    }
  }

  *#write(batch: Batch, durability: Durability): Op<CommitPlan> {
    const { block: last, checksum: lastChecksum } = this.#last;
    const generation = last.generation + 1;
    const checksum = this.#checksum;
    const allocate = (units: number): number => this.#space.allocate(units);
    const edit = function* (this: Engine, tree: Tree, unsorted: readonly Change[]): Op<TreeEdit> {
      const changes = unsorted.toSorted(byKey);
      const nodes = yield* tree.nodesOf(changes.map(([key]) => key));
      const parts = { root: tree.root, nodes, cache: this.#cache };
      return editTree(parts, changes, { allocate, checksum, generation });
    }.bind(this);
    const objects = yield* planObjects(this.#items, batch, { allocate, checksum });
    const items = yield* edit(this.#items, [...batch.items, ...objects.changes]);
    const uses = yield* planUses(this.#meta, objects);
    const meta = yield* edit(this.#meta, uses.changes);
    const frees = [...items.freed, ...meta.freed, ...uses.frees];
    const space = this.#space.finish(frees, { checksum, generation });
    const session = this.#session;
    const lineage =
      session === undefined
        ? last.lineage
        : nextLineage(last.lineage, { session, generation, checksum: lastChecksum });
    const roots = { items: items.root, meta: meta.root };
    const block = { ...last, generation, space: space.state, ...roots, lineage };
    const writes = [
      ...objects.writes,
      ...items.written.map(toWrite),
      ...meta.written.map(toWrite),
      ...space.writes,
    ];
    const superblock = encodeRootBlock(block, checksum);
    yield* this.#device.commit({ writes, frees: space.frees, superblock }, durability);
    return { items, meta, space, block, superblock };
  }

  #checkOpen(): void {
    if (!this.#device.isOpen) throw linuxerr.EIO;
  }
}

/** A block of nothing but zeros has no bytes in the tree, and is data all the same. */
function inlineBlock({ bytes }: InlineData): Uint8Array {
  return bytes.length === 0 ? new Uint8Array(1) : bytes.slice();
}

function toWrite({ child, bytes }: TreeEdit['written'][number]): {
  address: number;
  bytes: Uint8Array;
} {
  return { address: child.address, bytes };
}

function byKey([a]: Change, [b]: Change): number {
  return a < b ? -1 : 1;
}
