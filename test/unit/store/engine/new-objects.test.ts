// Commits of many writes at once, for which objects behind all that is there are not looked up.

import { expect, test } from 'vitest';
import { runAsync } from '../../../../src/lib/op.ts';
import { MemoryDevice } from '../../../../src/store/engine/memory-device.ts';
import { numberKey } from '../../../../src/store/number-key.ts';
import type { Batch } from '../../../../src/store/store.ts';
import { checkImage, openEngine, reopenEngine } from './support.ts';

const BLOCK = 4096;
const KEPT = { from: 0, to: Infinity };

function write(object: number, seed: number, size = BLOCK): Batch['writes'][number] {
  const bytes = new Uint8Array(size).map((_, i) => 1 + ((i + seed) % 255));
  return { object, run: { offset: 0, bytes } };
}

function objects(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

test.each([
  ['an empty tree', []],
  ['a tree that ends with an item', [[numberKey(150), new Uint8Array(1)] as const]],
  ['a tree that ends with a short key', [['\uf000', new Uint8Array(1)] as const]],
])('old and new objects in one batch: %s', async (_, items) => {
  const device = new MemoryDevice();
  let engine = await openEngine(device);
  const commit = (batch: Partial<Batch>): Promise<void> => {
    const whole = { items: new Map(), discards: [], writes: [], ...batch };
    return runAsync(engine.commit(whole, { durability: 'relaxed' }));
  };
  await commit({ items: new Map(items), writes: objects(0, 100).map((each) => write(each, each)) });
  // Some as long as before, some longer, some shorter; some that go; some that were never there.
  const sizes = [100, BLOCK, 3 * BLOCK];
  await commit({
    discards: [...objects(0, 20), ...objects(180, 200)].map((object) => ({ object, ...KEPT })),
    writes: objects(10, 200).map((each) => write(each, each + 1, sizes[each % 3])),
  });
  await checkImage(device);
  engine = await reopenEngine(device, engine);
  for (const each of objects(0, 200)) {
    const found = await runAsync(engine.read(each, 0, 4 * BLOCK));
    const data = Buffer.concat(found.map(({ bytes }) => bytes));
    const expected = each < 10 ? Buffer.alloc(0) : write(each, each + 1, sizes[each % 3]).run.bytes;
    expect(Buffer.compare(data.subarray(0, expected.length), expected)).toBe(0);
    expect(data.subarray(expected.length).every((byte) => byte === 0)).toBe(true);
    if (each < 10) expect(data).toHaveLength(0);
  }
});
