// One step of giving back the space of deleted trees: some nodes that nothing leads to any more go,
// and with them what only they lead to.

import type { Op } from '../../lib/op.ts';
import { type CommitContext, type CommitPlan, EMPTY_PLAN } from './commit-plan.ts';
import { type Child, Extent, type InnerNode, isLeaf, type LeafNode } from './node.ts';
import { recordPlace } from './objects.ts';
import { countOf, Uses } from './record-uses.ts';
import { dyingIn, dyingKey, encodeDying } from './subvolume-items.ts';
import type { Change } from './tree-edit.ts';

/** Nodes that go in one step, unless they have many records. */
export const RELEASE_NODES_MAX = 32;
/** No further node goes in a step in which so many places lost a user. */
const RELEASE_USES_MAX = 2000;

export interface ReleaseLimits {
  readonly nodesMax: number;
  /** See planReplaced(). */
  readonly sharedUpTo: number;
  /** Addresses of nodes that couldn't be read: they are left alone. Others join them. */
  readonly damaged: Set<number>;
}

/** Undefined: nothing this time. Errors: EIO. */
export function* planRelease(
  context: CommitContext,
  { nodesMax, sharedUpTo, damaged }: ReleaseLimits,
): Op<CommitPlan | 'all done' | undefined> {
  const { meta, cache } = context;
  const listed = yield* dyingIn(meta, nodesMax + damaged.size);
  const dying = listed.filter(({ child }) => !damaged.has(child.address));
  if (dying.length === 0) return 'all done';
  const uses = new Uses();
  const frees: Child[] = [];
  const changes: Change[] = [];
  for (const { key, child } of dying.slice(0, nodesMax)) {
    if (uses.size >= RELEASE_USES_MAX) break;
    const node = yield* cache.load(child);
    if (node === undefined) {
      damaged.add(child.address);
      continue;
    }
    frees.push(child);
    changes.push([key, undefined]);
    if (isLeaf(node)) releaseRecords(uses, node);
    else {
      changes.push(...(yield* releaseChildren(context, { uses, node, sharedUpTo })));
      // They are of a lower level: it is their turn.
      break;
    }
  }
  return frees.length === 0 ? undefined : { ...EMPTY_PLAN, frees, uses, changes };
}

function releaseRecords(uses: Uses, { values }: LeafNode): void {
  for (const value of values) if (value instanceof Extent) uses.add(recordPlace(value), -1);
}

/** Children that have no other user go next. */
function* releaseChildren(
  { meta }: CommitContext,
  { uses, node, sharedUpTo }: { uses: Uses; node: InnerNode; sharedUpTo: number },
): Op<Change[]> {
  const changes: Change[] = [];
  for (const child of node.values) {
    const count = child.generation > sharedUpTo ? 1 : yield* countOf(meta, child.address);
    if (count > 1) uses.add(child, -1);
    else changes.push([dyingKey(node.level - 1, child), encodeDying(child)]);
  }
  return changes;
}
