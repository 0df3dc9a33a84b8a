// The meta tree: the engine's own items. Of each record that several pieces are part of it says how
// many; a record that it doesn't name has one.

import { linuxerr } from '../../abi/errno.ts';
import type { Op } from '../../lib/op.ts';
import { numberKey } from '../number-key.ts';
import { Reader, Writer } from './node.ts';
import type { ObjectsEdit } from './objects.ts';
import { type Place, UNIT_SIZE } from './page-device.ts';
import type { Tree } from './tree.ts';
import type { Change } from './tree-edit.ts';

export interface UsesEdit {
  readonly changes: readonly Change[];
  /** Records that no piece is part of any more. */
  readonly frees: readonly Place[];
}

/** Counts anew. */
export function* planUses(meta: Tree, { uses, newUses }: ObjectsEdit): Op<UsesEdit> {
  const changes: Change[] = [];
  const frees: Place[] = [];
  for (const [address, { units, delta }] of uses) {
    if (delta === 0) continue;
    const key = numberKey(address);
    const item = yield* meta.get(key);
    const before = item === undefined ? 1 : countIn(item);
    const after = before + delta;
    if (after < 0) throw linuxerr.EIO;
    if (after === 0) frees.push({ address, sizeBytes: units * UNIT_SIZE });
    if (after > 1) changes.push([key, countItem(after)]);
    else if (before > 1) changes.push([key, undefined]);
  }
  for (const [address, count] of newUses) changes.push([numberKey(address), countItem(count)]);
  return { changes, frees };
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
