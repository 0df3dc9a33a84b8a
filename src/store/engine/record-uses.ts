// The meta tree: the engine's own items. Of each place that has several users it says how many; a
// place that it doesn't name has one. The users of a record are the pieces that are part of it; of
// a node, the nodes above it and the trees whose root it is. A node that several trees share is one
// node: what it leads to it uses once. (subvolume-items.ts has the other items.)

import { linuxerr } from '../../abi/errno.ts';
import type { Op } from '../../lib/op.ts';
import { numberKey } from '../number-key.ts';
import { Reader, Writer } from './node.ts';
import type { Place } from './page-device.ts';
import type { Tree } from './tree.ts';
import type { Change } from './tree-edit.ts';

/** By how many users places have more or fewer that were there before. */
export class Uses {
  readonly #deltas = new Map<number, { readonly sizeBytes: number; delta: number }>();

  add({ address, sizeBytes }: Place, delta: number): void {
    const use = this.#deltas.get(address);
    if (use === undefined) this.#deltas.set(address, { sizeBytes, delta });
    else use.delta += delta;
  }

  addAll(others: Uses): void {
    for (const { delta, ...place } of others) this.add(place, delta);
  }

  get size(): number {
    return this.#deltas.size;
  }

  *[Symbol.iterator](): Generator<Place & { readonly delta: number }> {
    for (const [address, use] of this.#deltas) yield { address, ...use };
  }
}

export interface UsesEdit {
  readonly changes: readonly Change[];
  /** Places that have no user any more. */
  readonly frees: readonly Place[];
}

/** Counts anew. `newUses`: of new places, where they have several users. */
export function* planUses(
  meta: Tree,
  { uses, newUses }: { readonly uses: Uses; readonly newUses: ReadonlyMap<number, number> },
): Op<UsesEdit> {
  const changes: Change[] = [];
  const frees: Place[] = [];
  for (const { address, sizeBytes, delta } of uses) {
    if (delta === 0) continue;
    const before = yield* countOf(meta, address);
    const after = before + delta;
    if (after < 0) throw linuxerr.EIO;
    if (after === 0) frees.push({ address, sizeBytes });
    if (after > 1) changes.push([numberKey(address), countItem(after)]);
    else if (before > 1) changes.push([numberKey(address), undefined]);
  }
  for (const [address, count] of newUses) changes.push([numberKey(address), countItem(count)]);
  return { changes, frees };
}

/** How many users a place has. Errors: EIO. */
export function* countOf(meta: Tree, address: number): Op<number> {
  const item = yield* meta.get(numberKey(address));
  return item === undefined ? 1 : countIn(item);
}

export function countItem(count: number): Uint8Array {
  const writer = new Writer(4);
  writer.u32(count);
  return writer.bytes;
}

/** Errors: EIO. */
export function countIn(item: unknown): number {
  if (!(item instanceof Uint8Array) || item.length !== 4) throw linuxerr.EIO;
  return new Reader(item).u32();
}
