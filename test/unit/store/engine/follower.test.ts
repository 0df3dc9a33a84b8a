// The side of a mirror that follows: how durable what it gets is, and what waits.

import { expect, test } from 'vitest';
import { FakeClock } from '../../../../src/lib/clock.ts';
import { runAsync } from '../../../../src/lib/op.ts';
import { Follower } from '../../../../src/store/engine/follower.ts';
import type { DeviceBatch } from '../../../../src/store/engine/page-device.ts';
import type { Durability } from '../../../../src/store/store.ts';
import { NotingDevice } from './support.ts';

test('what was synced is synced here once a second at most', async () => {
  const device = new NotingDevice();
  const clock = new FakeClock();
  const follower = new Follower(device, clock, (error) => {
    throw error;
  });
  const push = async (durability: Durability): Promise<void> => {
    follower.push({ writes: [], frees: [], superblock: new Uint8Array(10) }, durability);
    await runAsync(follower.drained());
  };
  clock.advance(5000);
  await push('relaxed');
  await push('strict');
  await push('strict');
  clock.advance(999);
  await push('strict');
  clock.advance(1);
  await push('relaxed');
  await push('strict');
  expect(device.durabilities.join()).toBe('relaxed,strict,relaxed,relaxed,relaxed,strict');
});

test.each([
  ['as a whole', true],
  ['piece by piece', false],
])('of superblocks alone the last one waits, where batches are written %s', async (_, isWhole) => {
  const device = new NotingDevice({ isTransactional: isWhole });
  const follower = new Follower(device, new FakeClock(), (error) => {
    throw error;
  });
  const block = (version: number): Uint8Array => new Uint8Array(100).fill(version);
  const write = { address: 3, bytes: new Uint8Array(4096) };
  const free = { address: 3, sizeBytes: 4096 };
  const batch = (version: number, writes: DeviceBatch['writes'] = []): DeviceBatch => ({
    writes,
    frees: [],
    superblock: block(version),
  });
  follower.push(batch(1, [write]), 'relaxed');
  follower.push(batch(2), 'strict');
  for (let version = 3; version < 1000; version++) follower.push(batch(version % 256), 'relaxed');
  expect(follower.backlogBytes).toBe(4096 + 100);
  follower.push({ ...batch(7), frees: [free] }, 'relaxed');
  follower.push(batch(8), 'relaxed');
  expect(follower.backlogBytes).toBe(4096 + 200);
  await runAsync(follower.drained());
  expect(follower.backlogBytes).toBe(0);
  expect(await runAsync(device.readSuperblock())).toEqual(block(8));
  expect(device.durabilities[0]).toBe('strict');
  const found = device.written.map(({ writes, frees }) => [writes.length, frees.length].join());
  expect(found).toEqual(isWhole ? ['0,0'] : ['1,0', '0,1']);
});
