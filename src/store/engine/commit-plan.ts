// What a commit is to do, before it is written: new roots of trees, new nodes and records, and what
// the meta tree is to say.

import type { Op } from '../../lib/op.ts';
import type { Batch } from '../store.ts';
import type { Checksum, NodeCache } from './node-cache.ts';
import { type Child, encodeNode, type TreeNode } from './node.ts';
import { planObjects } from './objects.ts';
import { unitsOf } from './page-device.ts';
import { Uses } from './record-uses.ts';
import { planReplaced, replacedNodes } from './shared-nodes.ts';
import { isNode, type Root, type Tree } from './tree.ts';
import { type Change, editTree, type TreeEdit, type Written } from './tree-edit.ts';

export interface CommitPlan {
  readonly roots: readonly (readonly [Tree, Root])[];
  readonly nodes: readonly Written[];
  readonly records: readonly { readonly address: number; readonly bytes: Uint8Array }[];
  /** Nodes that nothing leads to any more, apart from those that `uses` is the end of. */
  readonly frees: readonly Child[];
  readonly uses: Uses;
  /** Of new places: number of users, where there are several. */
  readonly newUses: ReadonlyMap<number, number>;
  /** Of the meta tree, apart from the numbers of users. */
  readonly changes: readonly Change[];
  /** What the log says is in it, or no longer of interest. */
  readonly endsLog?: boolean;
  /** No superblock leads to what it writes: a replacement. */
  readonly isHidden?: boolean;
  /** Called when the commit has ended well. */
  readonly done: () => void;
}

export const EMPTY_PLAN: CommitPlan = {
  roots: [],
  nodes: [],
  records: [],
  frees: [],
  uses: new Uses(),
  newUses: new Map(),
  changes: [],
  done: () => undefined,
};

/** What a commit whose turn it is plans with. */
export interface CommitContext {
  readonly meta: Tree;
  readonly cache: NodeCache;
  readonly allocate: (units: number) => number;
  readonly checksum: Checksum;
  /** Of the commit. */
  readonly generation: number;
}

/** Undefined: there is nothing to do. */
export type Planner = (context: CommitContext) => Op<CommitPlan | undefined>;

/** A tree as it will be. */
export function* editOf(
  context: CommitContext,
  tree: Tree,
  unsorted: readonly Change[],
): Op<{ readonly edit: TreeEdit; readonly nodes: ReadonlyMap<Child, TreeNode> }> {
  const changes = unsorted.toSorted(byKey);
  const nodes = yield* tree.nodesOf(changes.map(([key]) => key));
  const parts = { root: tree.root, nodes, cache: context.cache };
  return { edit: editTree(parts, changes, context), nodes };
}

// Taking them apart as ([a], [b]) would go through their iterators.
function byKey(a: Change, b: Change): number {
  return a[0] < b[0] ? -1 : 1;
}

/** A batch of a store's. `sharedUpTo`: see planReplaced(). */
export function* planBatch(
  context: CommitContext,
  { tree, batch, sharedUpTo }: { tree: Tree; batch: Batch; sharedUpTo: number },
): Op<CommitPlan> {
  const { meta, cache } = context;
  const objects = yield* planObjects(tree, batch, context);
  const { edit, nodes } = yield* editOf(context, tree, [...batch.items, ...objects.changes]);
  const replaced = replacedNodes(tree.root, edit.freed, { nodes, cache });
  const { frees, uses } = yield* planReplaced(meta, replaced, sharedUpTo);
  objects.uses.addAll(uses);
  return {
    ...EMPTY_PLAN,
    roots: [[tree, edit.root]],
    nodes: edit.written,
    records: objects.writes,
    frees,
    uses: objects.uses,
    newUses: objects.newUses,
  };
}

/** A root that can have several users: one that was kept in the superblock becomes a place. */
export function rootPlace(
  { allocate, checksum, generation }: CommitContext,
  root: Root,
): { readonly child: Child; readonly nodes: readonly Written[] } {
  if (!isNode(root)) return { child: root, nodes: [] };
  const { bytes, node } = encodeNode(root);
  const address = allocate(unitsOf(bytes.length));
  const child = { address, sizeBytes: bytes.length, checksum: checksum(bytes), generation };
  return { child, nodes: [{ child, node, bytes }] };
}
