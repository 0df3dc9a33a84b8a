// The preconditions of the contract, asserted alike by every implementation.

import { assert } from '../lib/assert.ts';
import { BLOCK_SIZE, ITEM_KEY_MAX, ITEM_VALUE_MAX } from './store.ts';
import type { Batch } from './store.ts';

/** Keys of the ordered map that start with this are the store's own. They sort after all others. */
export const INTERNAL_PREFIX = '\uffff';

export function checkKey(key: string): void {
  assert(key.length <= ITEM_KEY_MAX, 'store key too long');
  assert(key < INTERNAL_PREFIX, 'store key starts with U+FFFF');
  // Pieces of objects have such keys.
  assert(key.charCodeAt(4) !== 0, 'store key with U+0000 after four units');
}

export function checkObject(object: number): void {
  assert(Number.isSafeInteger(object) && object >= 0, 'object number');
}

export function checkOffset(offset: number): void {
  assert(Number.isSafeInteger(offset) && offset >= 0, 'offset in an object');
  assert(offset % BLOCK_SIZE === 0, 'offset in an object is no multiple of the block size');
}

export function checkBatch(batch: Batch): void {
  // There may be many: taking them apart as [key, value] takes longer than the look at them.
  for (const change of batch.items) {
    checkKey(change[0]);
    assert((change[1]?.length ?? 0) <= ITEM_VALUE_MAX, 'store value too long');
  }
  for (const { object, from, to } of batch.discards) {
    checkObject(object);
    checkOffset(from);
    if (to !== Infinity) checkOffset(to);
  }
  for (const { object, from, to } of batch.lost ?? []) {
    checkObject(object);
    checkOffset(from);
    checkOffset(to);
  }
  for (const { object, run } of batch.writes) {
    checkObject(object);
    checkOffset(run.offset);
  }
}
