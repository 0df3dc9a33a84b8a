// A store that is open for several mounts: each has its tree, and its part of the room that is
// held.

import { beforeEach, expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import { runAsync } from '../../../src/lib/op.ts';
import { MemoryDevice } from '../../../src/store/engine/memory-device.ts';
import type { Store } from '../../../src/store/store.ts';
import { StoreShare } from '../../../src/store/store-share.ts';
import { openEngine } from './engine/support.ts';
import { bytes, commit } from './support.ts';

const MIB = 1 << 20;

let device: MemoryDevice;
let share: StoreShare;
let closedCount = 0;
let main: Store;

beforeEach(async () => {
  device = new MemoryDevice({ capacityBytes: 8 * MIB });
  closedCount = 0;
  share = new StoreShare(await openEngine(device), () => {
    closedCount++;
  });
  main = await runAsync(share.open(undefined));
  for (const name of ['a', 'b']) await runAsync(snapshot(name));
});

function snapshot(name: string): ReturnType<Store['close']> {
  if (main.subvolumes === undefined) throw new Error('the store has no subvolumes');
  return main.subvolumes.snapshot({ name, createdAt: 0, isReadOnly: false });
}

const openTree = (name: string): Promise<Store> => runAsync(share.open(name));
const reserve = (store: Store, bytes: number): Promise<number> => runAsync(store.reserve(bytes));

test('whoever is alone has all the room that is held', async () => {
  expect(await reserve(main, 2 * MIB)).toBe(2 * MIB);
  expect(main.reservedBytes).toBe(2 * MIB);
});

test('what was held is said, also if a commit has used some of it since', async () => {
  const held = reserve(main, 6 * MIB);
  const committed = commit(main, { writes: [[1, 0, bytes(4 * MIB)]] });
  expect(await held).toBe(6 * MIB);
  await committed;
  expect(main.reservedBytes).toBeLessThan(6 * MIB);
});

test('what one counts on, no other does', async () => {
  expect(await reserve(main, 3 * MIB)).toBe(3 * MIB);
  const [a, b] = [await openTree('a'), await openTree('b')];
  expect(a.reservedBytes).toBe(0);
  const both = await Promise.all([reserve(a, 2 * MIB + 1), reserve(b, MIB)]);
  expect(both).toEqual([2 * MIB + 1, MIB]);
  const parts = [main, a, b].map(({ reservedBytes }) => reservedBytes);
  expect(parts).toEqual([3 * MIB, 2 * MIB + 1, MIB]);
  const got = await reserve(b, 8 * MIB);
  expect(got).toBeGreaterThan(MIB);
  expect(got).toBeLessThan(3 * MIB);
  expect([main, a].map(({ reservedBytes }) => reservedBytes)).toEqual(parts.slice(0, 2));
});

test('nobody is told that they got what others count on, though one of those commits', async () => {
  const [a, b] = [await openTree('a'), await openTree('b')];
  await reserve(main, MIB);
  await Promise.all([reserve(a, 3 * MIB), reserve(b, 3 * MIB)]);
  const got = reserve(main, 4 * MIB);
  const committed = commit(b, { writes: [[1, 0, bytes(2 * MIB)]] });
  expect(await got).toBeLessThanOrEqual(2 * MIB);
  await committed;
});

test('all lack what a commit has used, and get what one leaves', async () => {
  const a = await openTree('a');
  await reserve(main, 4 * MIB);
  const held = await reserve(a, 4 * MIB);
  await commit(main, { writes: [[1, 0, bytes(2 * MIB)]] });
  expect(a.reservedBytes).toBeLessThan(held);
  expect(main.reservedBytes + a.reservedBytes).toBeLessThan(6 * MIB);
  await runAsync(main.close());
  expect(await reserve(a, 5 * MIB)).toBeGreaterThanOrEqual(5 * MIB);
});

test('a tree is open until it is closed, and all are until the store is', async () => {
  const a = await openTree('a');
  expect([main.isOpen, a.isOpen]).toEqual([true, true]);
  await runAsync(main.close());
  expect([main.isOpen, a.isOpen, share.isClosed]).toEqual([false, true, false]);
  expect(closedCount).toBe(0);
  await expect(reserve(main, 1)).rejects.toBe(linuxerr.EIO);
  await runAsync(a.close());
  expect([a.isOpen, share.isClosed, closedCount]).toEqual([false, true, 1]);
  const store = await openEngine(new MemoryDevice());
  const other = new StoreShare(store, () => undefined);
  const tree = await runAsync(other.open(undefined));
  await runAsync(store.close());
  expect(tree.isOpen).toBe(false);
});
