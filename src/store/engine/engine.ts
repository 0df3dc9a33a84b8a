// The engine: a store on any PageDevice. README.md says what it writes and what survives which
// crash.
//
// A commit makes new nodes and records at places that are free, and then one superblock that leads
// to them: until the device has that, nothing has changed. Commits run one after the other, and on
// their own: an operation that is interrupted while it waits for one doesn't stop it.

import { linuxerr } from '../../abi/errno.ts';
import { assert } from '../../lib/assert.ts';
import type { MirrorStatus } from '../../lib/mirror-status.ts';
import { type Op, runAsync, waitFor } from '../../lib/op.ts';
import { checkBatch } from '../preconditions.ts';
import {
  type Batch,
  type ByteRange,
  type Durability,
  type Item,
  type ReadAtOnce,
  type Run,
  type ScanOptions,
  type Store,
  type StoreUsage,
} from '../store.ts';
import type { Replacement, ScrubReport, StoreView, ViewOptions } from '../store-view.ts';
import { DeviceCheck } from './check.ts';
import { decodeLog, EMPTY_BATCH, EMPTY_LOG, encodeLog, partsOf } from './commit-log.ts';
import {
  type CommitContext,
  type CommitPlan,
  editOf,
  planBatch,
  type Planner,
} from './commit-plan.ts';
import { Defragmenter } from './defragmenter.ts';
import { HeldRoom } from './held-room.ts';
import { type KeptEdit, KeptPlaces } from './kept-places.ts';
import { type Checksum, NodeCache } from './node-cache.ts';
import { type PageDevice, type Place, SUPERBLOCK_SIZE_MAX } from './page-device.ts';
import { PieceReader } from './piece-reader.ts';
import { planRebuild } from './rebuild.ts';
import { planUses } from './record-uses.ts';
import { type Lineage, nextLineage } from './lineage.ts';
import {
  checksumOfRootBlock,
  decodeRootBlock,
  EMPTY_ROOT_BLOCK,
  type Features,
  type RootBlock,
  RootBlockEncoder,
  SUBVOLUMES,
} from './root-block.ts';
import { Space, type SpaceCommit } from './space.ts';
import { SHARED_KEY } from './subvolume-items.ts';
import { EngineSubvolumes } from './subvolumes.ts';
import { EMPTY_ROOT, type Root, Tree } from './tree.ts';
import type { TreeEdit } from './tree-edit.ts';
import { type OnFound, TreeReader } from './tree-reader.ts';
import { EngineView } from './view.ts';

export interface EngineOptions {
  readonly device: PageDevice;
  readonly checksum: Checksum;
  /** Bound of the cache of nodes, in bytes. */
  readonly cacheBytes: number;
  /** Random number of this session, of 48 bits: lineage.ts. */
  readonly session?: number | undefined;
  /** Nothing is written to a place that was ever used. Default: false. */
  readonly appendsOnly?: boolean;
}

/** What a commit under way does. */
interface Commit {
  readonly plan: CommitPlan;
  readonly meta: TreeEdit;
  readonly space: SpaceCommit;
  readonly kept: KeptEdit;
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
  readonly #blocks: RootBlockEncoder;
  readonly #cache: NodeCache;
  readonly #items: Tree;
  readonly #meta: Tree;
  readonly #space: Space;
  readonly #kept = new KeptPlaces();
  readonly #room: HeldRoom;
  readonly #pieces: PieceReader;
  readonly #reader: TreeReader;
  /** The other trees. */
  readonly subvolumes: EngineSubvolumes;
  readonly defragmenter: Defragmenter;
  readonly #session: number | undefined;
  #last: LastBlock;
  /** Settles when all commits called so far have. Never rejects. */
  #lastCommit: Promise<unknown> = Promise.resolve();
  #isClosing = false;
  /** There is a replacement. */
  #isReplaced = false;

  /** Errors: EIO if the device fails, or if its superblock is damaged. */
  static *open(options: EngineOptions): Op<Engine> {
    const bytes = yield* options.device.readSuperblock();
    if (bytes === undefined) {
      return new Engine(options, { block: EMPTY_ROOT_BLOCK, checksum: undefined });
    }
    const block = decodeRootBlock(bytes, options.checksum);
    if (block.isIncomplete) throw linuxerr.EIO;
    const engine = new Engine(options, { block, checksum: checksumOfRootBlock(bytes) });
    yield* engine.recover();
    return engine;
  }

  private constructor(options: EngineOptions, last: LastBlock) {
    const { device, checksum, cacheBytes, session, appendsOnly = false } = options;
    const { block } = last;
    this.#device = device;
    this.#session = session;
    this.#room = new HeldRoom(device);
    this.#checksum = checksum;
    this.#blocks = new RootBlockEncoder(checksum);
    this.#cache = new NodeCache({ device, checksum, limit: cacheBytes });
    this.#items = new Tree(this.#cache, block.items);
    this.#meta = new Tree(this.#cache, block.meta);
    this.#space = new Space(block.space, { appendsOnly });
    this.#last = last;
    this.#pieces = new PieceReader(device, checksum);
    this.defragmenter = new Defragmenter({
      tree: this.#items,
      pieces: this.#pieces,
      commit: (plan) => this.#enqueue(plan, 'strict'),
      hold: (bytes) => this.#betweenCommits(() => this.#room.holdBeside(bytes)),
      isQuiet: () => this.#isQuiet,
    });
    const onFound: OnFound = (object, found) => {
      this.defragmenter.found(object, found);
    };
    this.#reader = new TreeReader(this.#items, { device, pieces: this.#pieces, onFound });
    this.subvolumes = new EngineSubvolumes({
      store: this,
      main: this.#items,
      meta: this.#meta,
      cache: this.#cache,
      device,
      pieces: this.#pieces,
      commit: (plan, durability) => this.#enqueue(plan, durability),
      view: (tree, how) => this.#view(tree, how),
    });
  }

  get mirror(): MirrorStatus | undefined {
    return this.#device.mirrorStatus;
  }

  get forgetsWrites(): boolean {
    return this.#device.forgetsWrites === true;
  }

  /** Memory that cached nodes take now. */
  get cacheBytes(): number {
    return this.#cache.bytes;
  }

  get(key: string): Op<Uint8Array | undefined> {
    return this.#reader.get(key);
  }

  scan(options: ScanOptions): Op<Item[]> {
    return this.#reader.scan(options);
  }

  read(object: number, offset: number, length: number): Op<Run[]> {
    return this.#reader.read(object, offset, length);
  }

  readAtOnce(
    object: number,
    within: ByteRange,
    wanted: readonly ByteRange[],
  ): ReadAtOnce | undefined {
    return this.#reader.readAtOnce(object, within, wanted);
  }

  readInto(object: number, offset: number, target: Uint8Array): boolean {
    return this.#reader.readInto(object, offset, target);
  }

  dataRanges(object: number, offset: number, length: number): Op<ByteRange[]> {
    return this.#reader.dataRanges(object, offset, length);
  }

  nextData(object: number, offset: number): Op<number | undefined> {
    return this.#reader.nextData(object, offset);
  }

  *commit(batch: Batch, { durability }: { readonly durability: Durability }): Op<void> {
    checkBatch(batch);
    this.defragmenter.written(batch);
    yield* this.#enqueue(this.#planOf(batch, { endsLog: true }), durability);
  }

  /** A batch of the main tree's. */
  #planOf(batch: Batch, { endsLog }: { readonly endsLog: boolean }): Planner {
    return function* (this: Engine, context: CommitContext): Op<CommitPlan> {
      const { sharedUpTo } = this.subvolumes;
      const plan = yield* planBatch(context, { tree: this.#items, batch, sharedUpTo });
      return { ...plan, endsLog };
    }.bind(this);
  }

  *recover(): Op<void> {
    const { log } = this.#last.block;
    if (log.length === 0) return;
    const batch = decodeLog(log);
    if (yield* this.#commitWhereWhole(batch, { endsLog: true })) return;
    // The tree is damaged where some of it would go. The rest goes where it isn't.
    for (const part of partsOf(batch)) yield* this.#commitWhereWhole(part, { endsLog: false });
    yield* this.commit(EMPTY_BATCH, { durability: 'strict' });
  }

  /** False, and nothing is done, if what it would change can't be read. Errors: as of commit(). */
  *#commitWhereWhole(batch: Batch, how: { readonly endsLog: boolean }): Op<boolean> {
    const plan = this.#planOf(batch, how);
    let isWhole = true;
    yield* this.#enqueue(function* (context): Op<CommitPlan | undefined> {
      try {
        return yield* plan(context);
      } catch (error) {
        if (error !== linuxerr.EIO) throw error;
        isWhole = false;
        return undefined;
      }
    }, 'strict');
    return isWhole;
  }

  *log(batch: Batch): Op<boolean> {
    checkBatch(batch);
    this.#checkOpen();
    if (this.#isClosing) throw linuxerr.EIO;
    assert(!this.#isReplaced, 'a commit while all is replaced');
    const log = encodeLog(batch);
    if (log === undefined) return false;
    return yield* waitFor(this.#inTurn(() => this.#logNext(log)));
  }

  *#logNext(log: Uint8Array): Op<boolean> {
    this.#checkOpen();
    const generation = this.#last.block.generation + 1;
    const block = { ...this.#last.block, generation, lineage: this.#lineageOf(generation), log };
    const superblock = this.#blocks.encode(block);
    if (superblock.length > SUPERBLOCK_SIZE_MAX) return false;
    yield* this.#device.commit({ writes: [], frees: [], superblock }, 'strict');
    this.#last = { block, checksum: checksumOfRootBlock(superblock) };
    return true;
  }

  /** Commits what `plan` says when its turn has come. */
  *#enqueue(plan: Planner, durability: Durability): Op<void> {
    this.#checkOpen();
    if (this.#isClosing) throw linuxerr.EIO;
    assert(!this.#isReplaced, 'a commit while all is replaced');
    yield* waitFor(this.#inTurn(() => this.#commitNext(plan, durability)));
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
    yield* this.subvolumes.released();
    if (this.subvolumes.sharedUpTo > 0) throw linuxerr.EBUSY;
    this.#isReplaced = true;
    const tree = new Tree(this.#cache, EMPTY_ROOT);
    const end = this.#kept.hold();
    const abort = (): void => {
      end();
      this.#isReplaced = false;
    };
    const plan = function* (context: CommitContext, batch: Batch): Op<CommitPlan> {
      const plan = yield* planBatch(context, { tree, batch, sharedUpTo: 0 });
      return { ...plan, isHidden: true };
    };
    return {
      put: (batch) => {
        checkBatch(batch);
        const planner: Planner = (context) => plan(context, batch);
        return waitFor(this.#inTurn(() => this.#commitNext(planner, 'relaxed')));
      },
      finish: () => waitFor(this.#inTurn(() => this.#putInPlace(tree.root))),
      abort,
    };
  }

  *#putInPlace(items: Root): Op<void> {
    const [device, checksum] = [this.#device, this.#checksum];
    const { block } = this.#last;
    const generation = block.generation + 1;
    const lineage = this.#lineageOf(generation);
    const base = { ...block, generation, lineage, log: EMPTY_LOG };
    const batch = yield* planRebuild({ device, checksum }, { items, base, end: block.space.end });
    yield* device.commit(batch, 'strict');
    this.#isClosing = true;
    yield* device.close();
  }

  view(options: ViewOptions = {}): Op<StoreView> {
    return this.#view(this.#items, options);
  }

  *#view(tree: Tree, { forCheck = false }: ViewOptions): Op<StoreView> {
    this.#checkOpen();
    let isWanted = true;
    const made = this.#inTurn(() => this.#viewNow(tree, forCheck)).then((view) => {
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

  *#viewNow({ root }: Tree, forCheck: boolean): Op<StoreView> {
    const [device, checksum, cache] = [this.#device, this.#checksum, this.#cache];
    const check = forCheck ? new DeviceCheck(device, checksum) : undefined;
    if (check !== undefined) yield* check.begin(this.#last.block);
    const parts = { device, root, cache, check, pieces: this.#pieces };
    return new EngineView(parts, this.#kept.hold());
  }

  /** Compares the copies that the device has; undefined if there is one. Errors: EIO. */
  *scrub(): Op<ScrubReport | undefined> {
    this.#checkOpen();
    return this.#device.scrub === undefined ? undefined : yield* this.#device.scrub();
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

  reserve(bytes: number): Op<number> {
    return this.#betweenCommits(() => this.#room.reserve(bytes));
  }

  /** What uses the medium as commits do. */
  *#betweenCommits<T>(run: () => Op<T>): Op<T> {
    this.#checkOpen();
    if (this.#isClosing) throw linuxerr.EIO;
    const done = this.#inTurn(() => {
      this.#checkOpen();
      return run();
    });
    return yield* waitFor(done);
  }

  /** Does nobody need places that are given up? Is all there is where it should be? */
  get #isQuiet(): boolean {
    const { mirror } = this;
    if (!this.isOpen || this.#isReplaced || this.#kept.isHeld) return false;
    return this.subvolumes.sharedUpTo === 0 && (mirror === undefined || mirror.state === 'whole');
  }

  *close(): Op<void> {
    this.#isClosing = true;
    yield* waitFor(this.#lastCommit);
    yield* this.#device.close();
  }

  /** The commit whose turn it is. */
  *#commitNext(planner: Planner, durability: Durability): Op<void> {
    this.#checkOpen();
    yield* this.#space.load(this.#device, this.#checksum);
    yield* this.subvolumes.load();
    let commit: Commit | undefined;
    try {
      commit = yield* this.#write(planner, durability);
    } catch (error) {
      if (error === linuxerr.ENOSPC) this.#room.exhausted();
      this.#space.abort();
      throw error;
    }
    if (commit === undefined) {
      this.#space.abort();
      return;
    }
    const { plan, meta, space, kept, block, superblock } = commit;
    this.#space.commit(space);
    this.#kept.commit(kept);
    this.#last = { block, checksum: checksumOfRootBlock(superblock) };
    for (const [tree, root] of plan.roots) tree.root = root;
    this.#meta.root = meta.root;
    for (const place of space.frees) this.#cache.remove(place);
    for (const { child, node, bytes } of [...plan.nodes, ...meta.written]) {
      this.#cache.insert(child, node ?? bytes);
    }
    plan.done();
    this.subvolumes.releaseSoon();
  }

  *#write(planner: Planner, durability: Durability): Op<Commit | undefined> {
    const { block: last } = this.#last;
    const generation = last.generation + 1;
    const checksum = this.#checksum;
    const allocate = (units: number): number => this.#space.allocate(units);
    const context = { meta: this.#meta, cache: this.#cache, allocate, checksum, generation };
    const plan = yield* planner(context);
    if (plan === undefined) return undefined;
    const uses = yield* planUses(this.#meta, plan);
    const kept =
      plan.isHidden === true
        ? this.#kept.keep(placesOf(plan), generation)
        : yield* this.#kept.plan(this.#meta, [...plan.frees, ...uses.frees], generation);
    const changes = [...uses.changes, ...plan.changes, ...kept.changes];
    const { edit: meta } = yield* editOf(context, this.#meta, changes);
    const frees = [...kept.frees, ...meta.freed];
    const space = this.#space.finish(frees, { checksum, generation });
    const items = plan.roots.find(([tree]) => tree === this.#items)?.[1] ?? this.#items.root;
    const lineage = this.#lineageOf(generation);
    const features = this.#featuresAfter(plan);
    const trees = { space: space.state, items, meta: meta.root };
    const log = plan.endsLog === true ? EMPTY_LOG : last.log;
    const block = { ...last, ...trees, generation, features, lineage, log };
    const writes = [
      ...plan.records,
      ...plan.nodes.map(toWrite),
      ...meta.written.map(toWrite),
      ...space.writes,
    ];
    const superblock = this.#blocks.encode(block);
    const { frees: given, reusableUnits } = space;
    yield* this.#device.commit({ writes, frees: given, reusableUnits, superblock }, durability);
    return { plan, meta, space, kept, block, superblock };
  }

  /** Of the commit that comes next. */
  #lineageOf(generation: number): Lineage {
    const { block, checksum } = this.#last;
    const session = this.#session;
    if (session === undefined) return block.lineage;
    return nextLineage(block.lineage, { session, generation, checksum });
  }

  #featuresAfter({ changes }: CommitPlan): Features {
    const { features } = this.#last.block;
    const sharing = changes.find(([key]) => key === SHARED_KEY);
    const isShared =
      sharing === undefined ? this.subvolumes.sharedUpTo > 0 : sharing[1] !== undefined;
    const { incompatible } = features;
    const others = incompatible & ~SUBVOLUMES;
    return { ...features, incompatible: isShared ? others | SUBVOLUMES : others };
  }

  #checkOpen(): void {
    if (!this.#device.isOpen) throw linuxerr.EIO;
  }
}

function placeOf({ address, bytes }: { address: number; bytes: Uint8Array }): Place {
  return { address, sizeBytes: bytes.length };
}

/** What a plan writes. */
function placesOf({ records, nodes }: CommitPlan): Place[] {
  return [...records.map(placeOf), ...nodes.map(({ child }) => child)];
}

function toWrite({ child, bytes }: TreeEdit['written'][number]): {
  address: number;
  bytes: Uint8Array;
} {
  return { address: child.address, bytes };
}
