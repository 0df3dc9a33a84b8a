// Views of a store with snapshots and clones, while these are made, changed and deleted.

import { expect, test, vi } from 'vitest';
import { linuxerr } from '../../../../src/abi/errno.ts';
import { runAsync } from '../../../../src/lib/op.ts';
import type { Engine } from '../../../../src/store/engine/engine.ts';
import { MemoryDevice } from '../../../../src/store/engine/memory-device.ts';
import { BLOCK_SIZE, type Store } from '../../../../src/store/store.ts';
import type { StoreView } from '../../../../src/store/store-view.ts';
import { blocksOf, bytes, commit } from '../support.ts';
import { until } from './history.ts';
import { checkImage, openEngine } from './support.ts';

vi.setConfig({ testTimeout: 30_000 });

async function fill(store: Store, seed: number): Promise<void> {
  await commit(store, {
    items: Array.from({ length: 1500 }, (_, i) => [`k${1000 + i}`, bytes(80, i + seed)] as const),
    discards: Array.from({ length: 20 }, (_, object) => ({ object, from: 0, to: Infinity })),
    writes: Array.from({ length: 20 }, (_, i) => [i, 0, bytes(BLOCK_SIZE * 3, i + seed)] as const),
  });
}

async function expectSeed(view: StoreView, seed: number): Promise<void> {
  for (const i of [0, 700, 1499]) {
    expect(await runAsync(view.get(`k${1000 + i}`))).toEqual(bytes(80, i + seed));
  }
  const runs = await runAsync(view.read(7, 0, BLOCK_SIZE * 3));
  const wanted = [{ offset: 0, bytes: bytes(BLOCK_SIZE * 3, 7 + seed) }];
  expect(blocksOf(runs)).toEqual(blocksOf(wanted));
}

/** A main tree, a snapshot and a clone, each with its own. */
async function build(device: MemoryDevice): Promise<{ engine: Engine; clone: Store }> {
  const engine = await openEngine(device);
  await fill(engine, 1);
  for (const [name, isReadOnly] of [
    ['s', true],
    ['c', false],
  ] as const) {
    await runAsync(engine.subvolumes.snapshot({ name, createdAt: 0, isReadOnly }));
  }
  const clone = await runAsync(engine.subvolumes.open('c'));
  await fill(clone, 2);
  await fill(engine, 3);
  return { engine, clone };
}

test('each tree’s view shows it as it was, and all is well in it', async () => {
  const device = new MemoryDevice({ yields: true });
  const { engine, clone } = await build(device);
  const early = await runAsync(engine.view());
  await fill(engine, 3);
  early.close();
  await fill(engine, 3);
  await checkImage(device);
  const snapshot = await runAsync(engine.subvolumes.open('s'));
  const views: [StoreView, number][] = [];
  for (const [store, seed] of [
    [snapshot, 1],
    [clone, 2],
    [engine, 3],
  ] as const) {
    views.push([await runAsync(store.view({ forCheck: true })), seed]);
  }
  await fill(engine, 4);
  await fill(clone, 5);
  await runAsync(clone.close());
  await runAsync(snapshot.close());
  await runAsync(engine.subvolumes.delete('c'));
  await runAsync(engine.subvolumes.rollback('s', { keepAs: null }));
  await runAsync(engine.subvolumes.delete('s'));
  await runAsync(engine.subvolumes.released());
  for (const [view, seed] of views) {
    await expectSeed(view, seed);
    expect((await runAsync(view.check())).problems).toEqual([]);
    view.close();
  }
  const kept = await checkImage(device);
  await fill(engine, 6);
  await until(async () => (await checkImage(device)).usedBytes < kept.usedBytes);
  await checkImage(device);
});

test('what is being replaced has no snapshots, or is left alone', async () => {
  const device = new MemoryDevice({ yields: true });
  const { engine, clone } = await build(device);
  await expect(runAsync(engine.replace())).rejects.toBe(linuxerr.EBUSY);
  await expect(runAsync(clone.replace())).rejects.toBe(linuxerr.EROFS);
  await runAsync(clone.close());
  for (const name of ['s', 'c']) await runAsync(engine.subvolumes.delete(name));
  // The space of what was deleted is given back first.
  const replacement = await runAsync(engine.replace());
  const items = new Map([['new', bytes(5)]]);
  await runAsync(replacement.put({ items, discards: [], writes: [] }));
  await runAsync(replacement.finish());
  device.restore(device.image);
  const again = await openEngine(device);
  expect(await runAsync(again.get('new'))).toEqual(bytes(5));
  expect(await runAsync(again.get('k1000'))).toBeUndefined();
  await checkImage(device);
});
