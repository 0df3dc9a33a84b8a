// The engine: a store on any PageDevice. README.md says what it writes and what survives which
// crash.
//
// A commit makes new nodes and records at places that are free, and then one superblock that leads
// to them: until the device has that, nothing has changed. Commits run one after the other, and on
// their own: an operation that is interrupted while it waits for one doesn't stop it.

import { linuxerr } from '../../abi/errno.ts';
import type { MirrorStatus } from '../../lib/mirror-status.ts';
import { type Op, runAsync, waitFor } from '../../lib/op.ts';
import { checkBatch } from '../preconditions.ts';
import {
  type Batch,
  type Durability,
  type Item,
  type Run,
  type ScanOptions,
  type Store,
  type StoreUsage,
} from '../store.ts';
import { type CommitPlan, editOf, planBatch, type Planner } from './commit-plan.ts';
import { type Checksum, NodeCache } from './node-cache.ts';
import type { PageDevice } from './page-device.ts';
import { planUses } from './record-uses.ts';
import { nextLineage } from './lineage.ts';
import {
  checksumOfRootBlock,
  decodeRootBlock,
  EMPTY_ROOT_BLOCK,
  encodeRootBlock,
  type Features,
  type RootBlock,
  SUBVOLUMES,
} from './root-block.ts';
import { Space, type SpaceCommit } from './space.ts';
import { SHARED_KEY } from './subvolume-items.ts';
import { EngineSubvolumes } from './subvolumes.ts';
import { Tree } from './tree.ts';
import type { TreeEdit } from './tree-edit.ts';
import { TreeReader } from './tree-reader.ts';

export interface EngineOptions {
  readonly device: PageDevice;
  readonly checksum: Checksum;
  /** Bound of the cache of nodes, in bytes. */
  readonly cacheBytes: number;
  /** Random number of this session, of 48 bits: lineage.ts. */
  readonly session?: number | undefined;
}

/** What a commit under way does. */
interface Commit {
  readonly plan: CommitPlan;
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
  readonly #reader: TreeReader;
  /** The other trees. */
  readonly subvolumes: EngineSubvolumes;
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
    this.#reader = new TreeReader(this.#items, options);
    this.subvolumes = new EngineSubvolumes({
      store: this,
      main: this.#items,
      meta: this.#meta,
      cache: this.#cache,
      device,
      checksum,
      commit: (plan, durability) => this.#enqueue(plan, durability),
    });
  }

  get mirror(): MirrorStatus | undefined {
    return this.#device.mirrorStatus;
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

  nextData(object: number, offset: number): Op<number | undefined> {
    return this.#reader.nextData(object, offset);
  }

  *commit(batch: Batch, { durability }: { readonly durability: Durability }): Op<void> {
    checkBatch(batch);
    yield* this.#enqueue((context) => {
      const { sharedUpTo } = this.subvolumes;
      return planBatch(context, { tree: this.#items, batch, sharedUpTo });
    }, durability);
  }

  /** Commits what `plan` says when its turn has come. */
  *#enqueue(plan: Planner, durability: Durability): Op<void> {
    this.#checkOpen();
    if (this.#isClosing) throw linuxerr.EIO;
    const committed = this.#lastCommit.then(() => runAsync(this.#commitNext(plan, durability)));
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
  *#commitNext(planner: Planner, durability: Durability): Op<void> {
    this.#checkOpen();
    yield* this.#space.load(this.#device, this.#checksum);
    yield* this.subvolumes.load();
    let commit: Commit | undefined;
    try {
      commit = yield* this.#write(planner, durability);
    } catch (error) {
      this.#space.abort();
      throw error;
    }
    if (commit === undefined) return;
    const { plan, meta, space, block, superblock } = commit;
    this.#space.commit(space);
    this.#last = { block, checksum: checksumOfRootBlock(superblock) };
    for (const [tree, root] of plan.roots) tree.root = root;
    this.#meta.root = meta.root;
    for (const place of space.frees) this.#cache.remove(place);
    for (const { child, node } of [...plan.nodes, ...meta.written]) this.#cache.insert(child, node);
    plan.done();
    this.subvolumes.releaseSoon();
  }

  *#write(planner: Planner, durability: Durability): Op<Commit | undefined> {
    const { block: last, checksum: lastChecksum } = this.#last;
    const generation = last.generation + 1;
    const checksum = this.#checksum;
    const allocate = (units: number): number => this.#space.allocate(units);
    const context = { meta: this.#meta, cache: this.#cache, allocate, checksum, generation };
    const plan = yield* planner(context);
    if (plan === undefined) return undefined;
    const uses = yield* planUses(this.#meta, plan);
    const { edit: meta } = yield* editOf(context, this.#meta, [...uses.changes, ...plan.changes]);
    const frees = [...plan.frees, ...meta.freed, ...uses.frees];
    const space = this.#space.finish(frees, { checksum, generation });
    const items = plan.roots.find(([tree]) => tree === this.#items)?.[1] ?? this.#items.root;
    const session = this.#session;
    const lineage =
      session === undefined
        ? last.lineage
        : nextLineage(last.lineage, { session, generation, checksum: lastChecksum });
    const features = this.#featuresAfter(plan);
    const roots = { items, meta: meta.root };
    const block = { ...last, generation, space: space.state, ...roots, features, lineage };
    const writes = [
      ...plan.records,
      ...plan.nodes.map(toWrite),
      ...meta.written.map(toWrite),
      ...space.writes,
    ];
    const superblock = encodeRootBlock(block, checksum);
    yield* this.#device.commit({ writes, frees: space.frees, superblock }, durability);
    return { plan, meta, space, block, superblock };
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

function toWrite({ child, bytes }: TreeEdit['written'][number]): {
  address: number;
  bytes: Uint8Array;
} {
  return { address: child.address, bytes };
}
