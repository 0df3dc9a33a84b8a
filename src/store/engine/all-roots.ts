// The roots of all trees that a root block leads to: whoever copies a state, or walks all of it,
// begins here. Nodes below may be shared: an address that comes twice is the same node.

import type { Op } from '../../lib/op.ts';
import type { NodeCache } from './node-cache.ts';
import type { RootBlock } from './root-block.ts';
import { dyingIn, namedIn } from './subvolume-items.ts';
import { type Root, Tree } from './tree.ts';

export interface TreeRoot {
  readonly kind: 'main' | 'meta' | 'named' | 'dying';
  /** Kind, and which one of it: unlike all others. */
  readonly id: string;
  readonly root: Root;
}

/** Errors: EIO if the meta tree can't be read. */
export function* allRoots({ items, meta }: RootBlock, cache: NodeCache): Op<TreeRoot[]> {
  const metaTree = new Tree(cache, meta);
  const named = yield* namedIn(metaTree);
  const dying = yield* dyingIn(metaTree);
  return [
    { kind: 'main', id: 'main', root: items },
    { kind: 'meta', id: 'meta', root: meta },
    ...named.map(([name, { root }]) => ({ kind: 'named', id: `named ${name}`, root }) as const),
    ...dying.map(({ key, child }) => ({ kind: 'dying', id: `dying ${key}`, root: child }) as const),
  ];
}
