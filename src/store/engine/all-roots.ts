// The roots of all trees that a root block leads to: whoever copies a state, or walks all of it,
// begins here. Nodes below may be shared: an address that comes twice is the same node.

import type { Op } from '../../lib/op.ts';
import type { NodeCache } from './node-cache.ts';
import type { RootBlock } from './root-block.ts';
import { dyingIn, namedIn } from './subvolume-items.ts';
import { type Root, Tree } from './tree.ts';

export interface TreeRoot {
  readonly kind: 'main' | 'meta' | 'named' | 'dying';
  readonly root: Root;
}

/** Errors: EIO if the meta tree can't be read. */
export function* allRoots({ items, meta }: RootBlock, cache: NodeCache): Op<TreeRoot[]> {
  const metaTree = new Tree(cache, meta);
  const named = yield* namedIn(metaTree);
  const dying = yield* dyingIn(metaTree);
  return [
    { kind: 'main', root: items },
    { kind: 'meta', root: meta },
    ...named.map(([, { root }]) => ({ kind: 'named' as const, root })),
    ...dying.map(({ child: root }) => ({ kind: 'dying' as const, root })),
  ];
}
