// What the store in memory has for tests besides the contract: waiting, failing and crashing.

import { describe, expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import { runAsync, runSync } from '../../../src/lib/op.ts';
import { MemoryStore } from '../../../src/store/memory-store.ts';
import { BLOCK_SIZE } from '../../../src/store/store.ts';
import { allItems, batch, bytes, commit } from './support.ts';

const change = batch({ items: [['a', bytes(10)]], writes: [[1, 0, bytes(10)]] });

describe('MemoryStore', () => {
  test('never waits, unless told to', () => {
    const store = new MemoryStore();
    runSync(store.commit(change, { durability: 'strict' }));
    expect(runSync(store.get('a'))).toEqual(bytes(10));
    const waiting = new MemoryStore({ yields: true });
    for (const op of [
      waiting.get('a'),
      waiting.scan({ from: '', to: 'z', limit: 1 }),
      waiting.read(1, 0, BLOCK_SIZE),
      waiting.nextData(1, 0),
      waiting.commit(change, { durability: 'relaxed' }),
    ]) {
      expect(op.next().done).toBe(false);
    }
  });

  test('fails one commit when told to', async () => {
    const store = new MemoryStore();
    store.failNextCommit(linuxerr.EIO);
    await expect(commit(store, { items: change.items })).rejects.toBe(linuxerr.EIO);
    await commit(store, { items: change.items });
    expect(await allItems(store)).toHaveLength(1);
  });

  test('a crash takes it back to a snapshot', async () => {
    const store = new MemoryStore();
    await commit(store, { items: change.items });
    const snapshot = store.snapshot();
    await commit(store, { items: [['a', undefined]], writes: [[1, 0, bytes(10)]] });
    await runAsync(store.close());
    store.restore(snapshot);
    expect(await allItems(store)).toEqual([['a', bytes(10)]]);
    expect(await runAsync(store.nextData(1, 0))).toBeUndefined();
  });

  test('ENOSPC beyond its capacity', async () => {
    const store = new MemoryStore({ capacityBytes: 2 * BLOCK_SIZE });
    await commit(store, { writes: [[1, 0, bytes(BLOCK_SIZE)]] });
    const before = await runAsync(store.usage());
    expect(before).toEqual({ used: BLOCK_SIZE, available: BLOCK_SIZE });
    const tooMuch = commit(store, { writes: [[2, 0, bytes(BLOCK_SIZE + 1)]] });
    await expect(tooMuch).rejects.toBe(linuxerr.ENOSPC);
    expect(await runAsync(store.usage())).toEqual(before);
  });
});
