// Room for what is pending, of a store that has as much as is wanted.

import { expect, test } from 'vitest';
import { SpaceReserve } from '../../../src/fs/idbfs/space-reserve.ts';
import { FakeClock } from '../../../src/lib/clock.ts';
import { type Op, runAsync } from '../../../src/lib/op.ts';
import { MemoryStore } from '../../../src/store/memory-store.ts';

const MIB = 2 ** 20;

/** What is held becomes less without a commit of the filesystem: others have committed. */
class UsedStore extends MemoryStore {
  held = 0;

  override get reservedBytes(): number {
    return this.held;
  }

  override *reserve(bytes: number): Op<number> {
    this.held = Math.max(this.held, bytes);
    return this.held;
  }
}

test('a store that holds what it is asked to is not full, though others used some', async () => {
  const store = new UsedStore();
  const reserve = new SpaceReserve(
    { hasChanges: false, dirtyBytes: 0, committingBytes: 0, inodeCount: 0 },
    {
      store,
      clock: new FakeClock(),
      dirtyLimit: 16 * MIB,
      *commit(): Op<void> {
        throw new Error('there is nothing to commit');
      },
      *progress(): Op<void> {
        throw new Error('there is nothing to wait for');
      },
      isFailing: () => false,
    },
  );
  await runAsync(reserve.open({ isNew: true }));
  await runAsync(reserve.makeRoom(16 * MIB));
  expect(reserve.isFull).toBe(false);
  store.held = MIB;
  await runAsync(reserve.makeRoom(4096));
  expect(reserve.isFull).toBe(false);
  expect(reserve.blocksThatFit(10_000)).toBe(10_000);
  await runAsync(reserve.makeRoom(4 * MIB));
  expect(() => {
    reserve.checkRoom(4 * MIB);
  }).not.toThrow();
});
