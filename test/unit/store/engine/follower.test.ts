// The side of a mirror that follows: how durable what it gets is.

import { expect, test } from 'vitest';
import { FakeClock } from '../../../../src/lib/clock.ts';
import { runAsync } from '../../../../src/lib/op.ts';
import { Follower } from '../../../../src/store/engine/follower.ts';
import { MemoryDevice } from '../../../../src/store/engine/memory-device.ts';
import type { Durability } from '../../../../src/store/store.ts';

class NotingDevice extends MemoryDevice {
  readonly durabilities: Durability[] = [];

  override *commit(
    ...args: Parameters<MemoryDevice['commit']>
  ): ReturnType<MemoryDevice['commit']> {
    this.durabilities.push(args[1]);
    yield* super.commit(...args);
  }
}

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
