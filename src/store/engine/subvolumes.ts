// The engine's trees besides the main one: snapshots and clones, and what becomes of the space of
// those that were deleted. Like btrfs: a snapshot is one more user of a root node; nodes and
// records are copied when they are changed (shared-nodes.ts), and go with their last user.
//
// The nodes of a deleted tree go in steps, each a commit: the leaves first, so that the list of
// those that are to go stays short.

import { LinuxError, linuxerr } from '../../abi/errno.ts';
import { type Op, runAsync, waitFor } from '../../lib/op.ts';
import type { Batch, Durability, Store } from '../store.ts';
import type { StoreView, ViewOptions } from '../store-view.ts';
import type { SnapshotOptions, SubvolumeInfo, Subvolumes } from '../subvolumes.ts';
import {
  type CommitContext,
  type CommitPlan,
  EMPTY_PLAN,
  planBatch,
  type Planner,
  rootPlace,
} from './commit-plan.ts';
import type { NodeCache } from './node-cache.ts';
import type { Child } from './node.ts';
import type { PageDevice } from './page-device.ts';
import type { PieceReader } from './piece-reader.ts';
import { planRelease, RELEASE_NODES_MAX } from './release.ts';
import { countOf, Uses } from './record-uses.ts';
import {
  decodeGeneration,
  dyingKey,
  encodeDying,
  encodeGeneration,
  encodeNamed,
  LEVEL_OF_ROOT,
  namedIn,
  namedKey,
  type NamedTree,
  SHARED_KEY,
} from './subvolume-items.ts';
import { Subvolume } from './subvolume.ts';
import { type Root, Tree } from './tree.ts';
import type { Change } from './tree-edit.ts';

export interface EngineParts {
  /** The engine itself. */
  readonly store: Store;
  readonly main: Tree;
  readonly meta: Tree;
  readonly cache: NodeCache;
  readonly device: PageDevice;
  readonly pieces: PieceReader;
  /** Commits what the planner says when its turn has come. */
  readonly commit: (planner: Planner, durability: Durability) => Op<void>;
  /** What the last commit left of a tree. */
  readonly view: (tree: Tree, options: ViewOptions) => Op<StoreView>;
}

export class EngineSubvolumes implements Subvolumes {
  readonly #parts: EngineParts;
  /** As the meta tree has them; undefined until the first commit, or the first question. */
  #named: Map<string, NamedTree> | undefined;
  /** Number of stores that are open on a tree. */
  readonly #open = new Map<string, number>();
  #sharedUpTo = 0;
  /** Nodes of deleted trees may be left. */
  #hasDying = false;
  #releasing: Promise<void> | undefined;
  /** Nodes of deleted trees that can't be read: what they lead to stays until they can be. */
  readonly #damaged = new Set<number>();

  constructor(parts: EngineParts) {
    this.#parts = parts;
  }

  /**
   * Generation of the last commit that made trees share nodes: newer ones have one user. 0 if there
   * is one tree.
   */
  get sharedUpTo(): number {
    return this.#sharedUpTo;
  }

  /** Reads what there is. Part of every commit. Errors: EIO. */
  *load(): Op<void> {
    if (this.#named !== undefined) return;
    const { meta } = this.#parts;
    const item = yield* meta.get(SHARED_KEY);
    if (item !== undefined) {
      const named = yield* namedIn(meta);
      this.#sharedUpTo = decodeGeneration(item);
      this.#hasDying = true;
      this.#named = new Map(named);
    } else this.#named = new Map();
  }

  /** All of them, when the commits called so far have ended. */
  *#all(): Op<Map<string, NamedTree>> {
    if (this.#named === undefined) yield* this.#parts.commit(planNothing, 'relaxed');
    return this.#loaded;
  }

  get #loaded(): Map<string, NamedTree> {
    return (this.#named ??= new Map<string, NamedTree>());
  }

  *list(): Op<SubvolumeInfo[]> {
    const infos = [...(yield* this.#all())].map(([name, { createdAt, isReadOnly }]) => ({
      name,
      createdAt,
      isReadOnly,
    }));
    return infos.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  *open(name: string): Op<Store> {
    const named = (yield* this.#all()).get(name);
    if (named === undefined) throw linuxerr.ENOENT;
    const { isReadOnly } = named;
    if (!isReadOnly && this.#open.has(name)) throw linuxerr.EBUSY;
    this.#open.set(name, (this.#open.get(name) ?? 0) + 1);
    const { store, cache, device, pieces, view } = this.#parts;
    const tree = new Tree(cache, named.root);
    return new Subvolume({
      name,
      tree,
      store,
      device,
      pieces,
      isReadOnly,
      subvolumes: this,
      commit: (batch, durability) => this.#commit(name, { tree, batch, durability }),
      view: (how) => view(tree, how),
      onClosed: () => {
        this.#closed(name);
      },
    });
  }

  #closed(name: string): void {
    const count = (this.#open.get(name) ?? 1) - 1;
    if (count > 0) this.#open.set(name, count);
    else this.#open.delete(name);
  }

  /** A batch of a tree with a name. */
  #commit(
    name: string,
    { tree, batch, durability }: { tree: Tree; batch: Batch; durability: Durability },
  ): Op<void> {
    const plan = function* (this: EngineSubvolumes, context: CommitContext): Op<CommitPlan> {
      const before = this.#find(name);
      const plan = yield* planBatch(context, { tree, batch, sharedUpTo: this.#sharedUpTo });
      const edited = plan.roots[0]?.[1] ?? tree.root;
      const { child: root, nodes } = rootPlace(context, edited);
      const named = { ...before, root };
      return {
        ...plan,
        roots: [[tree, root]],
        nodes: [...plan.nodes, ...nodes],
        changes: [[namedKey(name), encodeNamed(named)]],
        done: () => this.#loaded.set(name, named),
      };
    };
    return this.#parts.commit(plan.bind(this), durability);
  }

  /** Errors: ENOENT. */
  #find(name: string): NamedTree {
    const named = this.#loaded.get(name);
    if (named === undefined) throw linuxerr.ENOENT;
    return named;
  }

  snapshot({ of, name, createdAt, isReadOnly }: SnapshotOptions): Op<void> {
    const { main, commit } = this.#parts;
    const plan = function* (this: EngineSubvolumes, context: CommitContext): Op<CommitPlan> {
      const source = of === undefined ? main.root : this.#find(of).root;
      if (this.#loaded.has(name)) throw linuxerr.EEXIST;
      const { generation } = context;
      const { child: root, nodes } = rootPlace(context, source);
      const uses = new Uses();
      uses.add(root, 1);
      return {
        ...EMPTY_PLAN,
        roots: of === undefined ? [[main, root]] : [],
        nodes,
        uses,
        ...this.#naming(generation, name, { root, createdAt, generation, isReadOnly }),
      };
    };
    return commit(plan.bind(this), 'strict');
  }

  /** From this commit on trees share nodes, and one of them has this name. */
  #naming(
    generation: number,
    name: string,
    named: NamedTree,
  ): { changes: readonly Change[]; done: () => void } {
    return {
      changes: [
        [namedKey(name), encodeNamed(named)],
        [SHARED_KEY, encodeGeneration(generation)],
      ],
      done: () => {
        this.#sharedUpTo = generation;
        this.#loaded.set(name, named);
      },
    };
  }

  delete(name: string): Op<void> {
    const { commit } = this.#parts;
    const plan = function* (this: EngineSubvolumes, context: CommitContext): Op<CommitPlan> {
      const { root } = this.#find(name);
      if (this.#open.has(name)) throw linuxerr.EBUSY;
      const { uses, changes } = yield* planDrop(context, root);
      return {
        ...EMPTY_PLAN,
        uses,
        changes: [[namedKey(name), undefined], ...changes],
        done: () => {
          this.#loaded.delete(name);
          this.#hasDying = true;
        },
      };
    };
    return commit(plan.bind(this), 'strict');
  }

  rollback(name: string, { keepAs }: { readonly keepAs: SubvolumeInfo | null }): Op<void> {
    const { main, commit } = this.#parts;
    const plan = function* (this: EngineSubvolumes, context: CommitContext): Op<CommitPlan> {
      const { root, isReadOnly } = this.#find(name);
      if (keepAs !== null && this.#loaded.has(keepAs.name)) throw linuxerr.EEXIST;
      if (!isReadOnly && this.#open.has(name)) throw linuxerr.EBUSY;
      const before = yield* this.#planBefore(context, main.root, keepAs);
      before.uses.add(root, 1);
      return { ...EMPTY_PLAN, ...before, roots: [[main, root]], endsLog: true };
    };
    return commit(plan.bind(this), 'strict');
  }

  /** What becomes of the main tree that another one takes the place of. */
  *#planBefore(
    context: CommitContext,
    main: Root,
    keepAs: SubvolumeInfo | null,
  ): Op<Pick<CommitPlan, 'nodes' | 'uses' | 'changes' | 'done'>> {
    const { generation } = context;
    const { child, nodes } = rootPlace(context, main);
    if (keepAs !== null) {
      const { name, createdAt, isReadOnly } = keepAs;
      const named = { root: child, createdAt, generation, isReadOnly };
      return { nodes, uses: new Uses(), ...this.#naming(generation, name, named) };
    }
    const { uses, changes } = yield* planDrop(context, child);
    return {
      nodes,
      uses,
      changes: [...changes, [SHARED_KEY, encodeGeneration(generation)]],
      done: () => {
        this.#sharedUpTo = generation;
        this.#hasDying = true;
      },
    };
  }

  // Space.

  /** A commit has ended well: if something was deleted, its space is given back. */
  releaseSoon(): void {
    if (this.#hasDying) void this.#release();
  }

  /** Waits until it is, or can't be now. */
  *released(): Op<void> {
    yield* this.#all();
    if (this.#hasDying) yield* waitFor(this.#release());
  }

  #release(): Promise<void> {
    return (this.#releasing ??= this.#releaseAll().finally(() => {
      this.#releasing = undefined;
    }));
  }

  /** Step by step. Stops at an error: the next commit that ends well tries again. */
  async #releaseAll(): Promise<void> {
    let nodesMax = RELEASE_NODES_MAX;
    while (this.#hasDying) {
      try {
        await runAsync(this.#releaseStep(nodesMax));
      } catch (error) {
        if (!(error instanceof LinuxError)) throw error;
        // A smaller step may find the room that it takes to say what is free.
        if (error !== linuxerr.ENOSPC || nodesMax === 1) return;
        nodesMax = 1;
      }
    }
  }

  #releaseStep(nodesMax: number): Op<void> {
    const plan = function* (
      this: EngineSubvolumes,
      context: CommitContext,
    ): Op<CommitPlan | undefined> {
      const limits = { nodesMax, sharedUpTo: this.#sharedUpTo, damaged: this.#damaged };
      const plan = yield* planRelease(context, limits);
      if (plan !== 'all done') return plan;
      this.#hasDying = false;
      if (this.#loaded.size + this.#damaged.size > 0 || this.#sharedUpTo === 0) return undefined;
      const done = (): void => {
        this.#sharedUpTo = 0;
      };
      return { ...EMPTY_PLAN, changes: [[SHARED_KEY, undefined]], done };
    };
    return this.#parts.commit(plan.bind(this), 'relaxed');
  }
}

function* planNothing(): Op<undefined> {
  return undefined;
}

/** One user less of a root. */
function* planDrop(
  { meta }: CommitContext,
  root: Child,
): Op<{ uses: Uses; changes: readonly Change[] }> {
  const uses = new Uses();
  if ((yield* countOf(meta, root.address)) > 1) {
    uses.add(root, -1);
    return { uses, changes: [] };
  }
  return { uses, changes: [[dyingKey(LEVEL_OF_ROOT, root), encodeDying(root)]] };
}
