// The engine: a store on any PageDevice. README.md says what it writes and what survives which
// crash.
//
// A commit makes new nodes and records at places that are free, and then one superblock that leads
// to them: until the device has that, nothing has changed. Commits run one after the other, and on
// their own: an operation that is interrupted while it waits for one doesn't stop it.

import { linuxerr } from '../../abi/errno.ts';
import { assert } from '../../lib/assert.ts';
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
import type { Replacement, StoreView, ViewOptions } from '../store-view.ts';
import { DeviceCheck } from './check.ts';
import { type KeptEdit, KeptPlaces } from './kept-places.ts';
import { type Checksum, NodeCache } from './node-cache.ts';
import { nextPiece, piecesOf, planObjects } from './objects.ts';
import { type PageDevice, type Place, UNIT_SIZE } from './page-device.ts';
import { PieceReader } from './piece-reader.ts';
import { planRebuild } from './rebuild.ts';
import { planUses } from './record-uses.ts';
import {
  decodeRootBlock,
  EMPTY_ROOT_BLOCK,
  encodeRootBlock,
  type RootBlock,
} from './root-block.ts';
import { Space, type SpaceCommit } from './space.ts';
import { EMPTY_ROOT, type Root, Tree } from './tree.ts';
import { type Change, editTree, type TreeEdit } from './tree-edit.ts';
import { EngineView } from './view.ts';

export interface EngineOptions {
  readonly device: PageDevice;
  readonly checksum: Checksum;
  /** Bound of the cache of nodes, in bytes. */
  readonly cacheBytes: number;
  /** Nothing is written to a place that was ever used. Default: false. */
  readonly appendsOnly?: boolean;
}

/** The tree that a commit changes; hidden: no superblock leads to it yet. */
interface Target {
  readonly tree: Tree;
  readonly isHidden: boolean;
}

/** What a commit under way does. */
interface CommitPlan {
  readonly items: TreeEdit;
  readonly meta: TreeEdit;
  readonly space: SpaceCommit;
  readonly kept: KeptEdit;
  readonly block: RootBlock;
}

export class Engine implements Store {
  readonly #device: PageDevice;
  readonly #checksum: Checksum;
  readonly #cache: NodeCache;
  readonly #items: Tree;
  readonly #meta: Tree;
  readonly #space: Space;
  readonly #kept = new KeptPlaces();
  readonly #pieces: PieceReader;
  #generation: number;
  /** Settles when all commits called so far have. Never rejects. */
  #lastCommit: Promise<unknown> = Promise.resolve();
  #isClosing = false;
  /** There is a replacement. */
  #isReplaced = false;

  /** Errors: EIO if the device fails, or if its superblock is damaged. */
  static *open(options: EngineOptions): Op<Engine> {
    const bytes = yield* options.device.readSuperblock();
    const block = bytes === undefined ? EMPTY_ROOT_BLOCK : decodeRootBlock(bytes, options.checksum);
    return new Engine(options, block);
  }

  private constructor(options: EngineOptions, block: RootBlock) {
    const { device, checksum, cacheBytes, appendsOnly = false } = options;
    this.#device = device;
    this.#checksum = checksum;
    this.#pieces = new PieceReader(device, checksum);
    this.#cache = new NodeCache({ device, checksum, limit: cacheBytes });
    this.#items = new Tree(this.#cache, block.items);
    this.#meta = new Tree(this.#cache, block.meta);
    this.#space = new Space(block.space, { appendsOnly });
    this.#generation = block.generation;
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
      const runs = yield* this.#pieces.read(pieces, from, to);
      if (runs !== undefined) return runs;
      // Data is missing. It may have been given up by a commit that ended since.
      if (root === this.#items.root) throw linuxerr.EIO;
    }
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
    assert(!this.#isReplaced, 'a commit while all is replaced');
    const plain = { tree: this.#items, isHidden: false };
    yield* waitFor(this.#inTurn(() => this.#commitNext(batch, durability, plain)));
  }

  /** Runs something after the commits called so far, and before those that come. */
  #inTurn<T>(run: () => Op<T>): Promise<T> {
    const ended = this.#lastCommit.then(() => runAsync(run()));
    this.#lastCommit = ended.catch(() => undefined);
    return ended;
  }

  *replace(): Op<Replacement> {
    this.#checkOpen();
    assert(!this.#isReplaced, 'all is replaced already');
    this.#isReplaced = true;
    const target = { tree: new Tree(this.#cache, EMPTY_ROOT), isHidden: true };
    const end = this.#kept.hold();
    const abort = (): void => {
      end();
      this.#isReplaced = false;
    };
    return {
      put: (batch) => {
        checkBatch(batch);
        return waitFor(this.#inTurn(() => this.#commitNext(batch, 'relaxed', target)));
      },
      finish: () => waitFor(this.#inTurn(() => this.#putInPlace(target.tree.root))),
      abort,
    };
  }

  *#putInPlace(items: Root): Op<void> {
    const [device, checksum] = [this.#device, this.#checksum];
    const { generation, space } = this.#block;
    const rebuilt = { items, generation: generation + 1, end: space.end };
    const batch = yield* planRebuild({ device, checksum }, rebuilt);
    yield* device.commit(batch, 'strict');
    this.#isClosing = true;
    yield* device.close();
  }

  *view({ forCheck = false }: ViewOptions = {}): Op<StoreView> {
    this.#checkOpen();
    let isWanted = true;
    const made = this.#inTurn(() => this.#viewNow(forCheck)).then((view) => {
      if (!isWanted) view.close();
      return view;
    });
    try {
      return yield* waitFor(made);
    } catch (error) {
      // Whoever waited may have been interrupted: then nobody will close it.
      isWanted = false;
      throw error;
    }
  }

  *#viewNow(forCheck: boolean): Op<StoreView> {
    const [device, checksum, cache] = [this.#device, this.#checksum, this.#cache];
    const root = this.#items.root;
    const check = forCheck ? new DeviceCheck(device, checksum) : undefined;
    if (check !== undefined) yield* check.begin(this.#block);
    const parts = { device, root, cache, check, pieces: this.#pieces };
    return new EngineView(parts, this.#kept.hold());
  }

  /** What the last commit left. */
  get #block(): RootBlock {
    const generation = this.#generation;
    const [items, meta] = [this.#items.root, this.#meta.root];
    return { generation, space: this.#space.state, items, meta };
  }

  usage(): Op<StoreUsage> {
    this.#checkOpen();
    return this.#device.usage();
  }

  *close(): Op<void> {
    this.#isClosing = true;
    yield* waitFor(this.#lastCommit);
    yield* this.#device.close();
  }

  /** The commit whose turn it is. */
  *#commitNext(batch: Batch, durability: Durability, target: Target): Op<void> {
    this.#checkOpen();
    yield* this.#space.load(this.#device, this.#checksum);
    let plan: CommitPlan;
    try {
      plan = yield* this.#write(batch, durability, target);
    } catch (error) {
      this.#space.abort();
      throw error;
    }
    this.#space.commit(plan.space);
    this.#kept.commit(plan.kept);
    this.#generation = plan.block.generation;
    for (const [tree, edit] of [
      [target.tree, plan.items],
      [this.#meta, plan.meta],
    ] as const) {
      tree.root = edit.root;
      for (const child of edit.freed) this.#cache.remove(child);
      for (const { child, node } of edit.written) this.#cache.insert(child, node);
    }
  }

  *#write(batch: Batch, durability: Durability, target: Target): Op<CommitPlan> {
    const generation = this.#generation + 1;
    const checksum = this.#checksum;
    const allocate = (units: number): number => this.#space.allocate(units);
    const edit = function* (this: Engine, tree: Tree, unsorted: readonly Change[]): Op<TreeEdit> {
      const changes = unsorted.toSorted(byKey);
      const nodes = yield* tree.nodesOf(changes.map(([key]) => key));
      const parts = { root: tree.root, nodes, cache: this.#cache };
      return editTree(parts, changes, { allocate, checksum, generation });
    }.bind(this);
    const objects = yield* planObjects(target.tree, batch, { allocate, checksum });
    const items = yield* edit(target.tree, [...batch.items, ...objects.changes]);
    const uses = yield* planUses(this.#meta, objects);
    const kept = target.isHidden
      ? this.#kept.keep([...objects.writes.map(placeOf), ...childrenOf(items)], generation)
      : yield* this.#kept.plan(this.#meta, [...items.freed, ...uses.frees], generation);
    const meta = yield* edit(this.#meta, [...uses.changes, ...kept.changes]);
    const frees = [...kept.frees, ...meta.freed];
    const space = this.#space.finish(frees, { checksum, generation });
    const root = target.isHidden ? this.#items.root : items.root;
    const block = { generation, space: space.state, items: root, meta: meta.root };
    const writes = [
      ...objects.writes,
      ...items.written.map(toWrite),
      ...meta.written.map(toWrite),
      ...space.writes,
    ];
    const superblock = encodeRootBlock(block, checksum);
    yield* this.#device.commit({ writes, frees: space.frees, superblock }, durability);
    return { items, meta, space, kept, block };
  }

  #checkOpen(): void {
    if (!this.#device.isOpen) throw linuxerr.EIO;
  }
}

function placeOf({ address, bytes }: { address: number; bytes: Uint8Array }): Place {
  return { address, sizeBytes: bytes.length };
}

function childrenOf({ written }: TreeEdit): Place[] {
  return written.map(({ child }) => child);
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
