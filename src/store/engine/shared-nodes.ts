// What an edit means for nodes that several trees share. The edit has put new nodes in the place of
// old ones; an old one that has another user stays, and then both it and its copy use what it leads
// to.
//
// A node that was written after the last time that trees began to share nodes has one user: nothing
// is looked up for it, and for nothing at all while there is one tree.

import { assert, assertDefined } from '../../lib/assert.ts';
import type { Op } from '../../lib/op.ts';
import type { NodeCache } from './node-cache.ts';
import { type Child, Extent, isLeaf, type TreeNode } from './node.ts';
import { recordPlace } from './objects.ts';
import { countOf, Uses } from './record-uses.ts';
import { isNode, type Root, type Tree } from './tree.ts';

/** Nodes of a tree that an edit has put others in the place of. */
export interface Replaced {
  /** Of the tree before the edit. */
  readonly root: Root;
  readonly nodes: readonly { readonly child: Child; readonly node: TreeNode }[];
}

export interface ReplacedPlan {
  /** Those that nothing leads to any more. */
  readonly frees: readonly Child[];
  /** Of all other places that were there before. */
  readonly uses: Uses;
}

/** The nodes that `freed` names. Called right after the edit: the cache may forget them later. */
export function replacedNodes(
  root: Root,
  freed: readonly Child[],
  found: { readonly nodes: ReadonlyMap<Child, TreeNode>; readonly cache: NodeCache },
): Replaced {
  const nodes = freed.map((child) => ({
    child,
    node: assertDefined(found.nodes.get(child) ?? found.cache.get(child)),
  }));
  return { root, nodes };
}

/**
 * `sharedUpTo`: generation of the last commit that made trees share nodes; 0 if there is one tree.
 * Errors: EIO.
 */
export function* planReplaced(
  meta: Tree,
  { root, nodes }: Replaced,
  sharedUpTo: number,
): Op<ReplacedPlan> {
  const uses = new Uses();
  const isOurs = nodes.every(({ child }) => child.generation > sharedUpTo);
  if (isOurs) return { frees: nodes.map(({ child }) => child), uses };
  const byAddress = new Map(nodes.map((each) => [each.child.address, each.node]));
  const frees: Child[] = [];
  let visited = 0;
  const visit = function* (child: Child, parentStays: boolean): Op<void> {
    visited++;
    const before = child.generation > sharedUpTo ? 1 : yield* countOf(meta, child.address);
    const stays = parentStays || before > 1;
    if (!stays) frees.push(child);
    else if (!parentStays) uses.add(child, -1);
    const node = assertDefined(byAddress.get(child.address));
    if (stays) useContent(uses, node, (below) => !byAddress.has(below.address));
    yield* visitBelow(node, stays);
  };
  const visitBelow = function* (node: TreeNode, stays: boolean): Op<void> {
    if (isLeaf(node)) return;
    for (const below of node.values) {
      if (byAddress.has(below.address)) yield* visit(below, stays);
    }
  };
  if (isNode(root)) yield* visitBelow(root, false);
  else yield* visit(root, false);
  assert(visited === nodes.length, 'every replaced node is in the tree');
  return { frees, uses };
}

/** One more user of what a node leads to. `isWanted` says of which children. */
function useContent(uses: Uses, node: TreeNode, isWanted: (child: Child) => boolean): void {
  if (!isLeaf(node)) {
    for (const child of node.values) if (isWanted(child)) uses.add(child, 1);
    return;
  }
  for (const value of node.values) if (value instanceof Extent) uses.add(recordPlace(value), 1);
}
