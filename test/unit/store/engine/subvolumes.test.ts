// Snapshots and clones of an engine: the contract of store/subvolumes.ts, what they cost, and what
// becomes of their space.

import { beforeEach, describe, expect, test, vi } from 'vitest';
import { linuxerr } from '../../../../src/abi/errno.ts';
import { runAsync } from '../../../../src/lib/op.ts';
import { allRoots } from '../../../../src/store/engine/all-roots.ts';
import { checkDevice } from '../../../../src/store/engine/check.ts';
import { loadChecksum } from '../../../../src/store/engine/checksum.ts';
import type { Engine } from '../../../../src/store/engine/engine.ts';
import { MemoryDevice } from '../../../../src/store/engine/memory-device.ts';
import { NodeCache } from '../../../../src/store/engine/node-cache.ts';
import type { DeviceBatch, PageDevice } from '../../../../src/store/engine/page-device.ts';
import {
  decodeRootBlock,
  EMPTY_ROOT_BLOCK,
  encodeRootBlock,
  SUBVOLUMES,
} from '../../../../src/store/engine/root-block.ts';
import { isNode } from '../../../../src/store/engine/tree.ts';
import { BLOCK_SIZE, type Store } from '../../../../src/store/store.ts';
import { allItems, bytes, commit } from '../support.ts';
import { until } from './history.ts';
import { checkImage, openEngine, reopenEngine } from './support.ts';

const checksum = await loadChecksum();

vi.setConfig({ testTimeout: 30_000 });

let device: MemoryDevice;
let engine: Engine;

beforeEach(async () => {
  device = new MemoryDevice();
  engine = await openEngine(device);
});

interface Snapshot {
  name: string;
  of?: string;
  isReadOnly?: boolean;
  createdAt?: number;
}

function snapshot({ isReadOnly = true, createdAt = 0, ...rest }: Snapshot): Promise<void> {
  return runAsync(engine.subvolumes.snapshot({ ...rest, isReadOnly, createdAt }));
}

const open = (name: string): Promise<Store> => runAsync(engine.subvolumes.open(name));
const remove = (name: string): Promise<void> => runAsync(engine.subvolumes.delete(name));

async function names(store: Store): Promise<string[]> {
  return (await allItems(store)).map(([key]) => key);
}

async function released(): Promise<void> {
  await until(async () => (await checkImage(device)).dying === 0);
}

/** Items that take several leaves, and files. */
async function fill(store: Store, count = 2000): Promise<void> {
  await commit(store, {
    items: Array.from({ length: count }, (_, i) => [`k${10_000 + i}`, bytes(100, i)] as const),
    writes: Array.from({ length: 20 }, (_, i) => [i, 0, bytes(BLOCK_SIZE * 3, i)] as const),
  });
}

describe('a snapshot', () => {
  test('shows what was there, whatever becomes of the tree that it is of', async () => {
    await fill(engine);
    const before = await allItems(engine);
    await snapshot({ name: 's' });
    await commit(engine, {
      items: [['k10007', undefined]],
      discards: [{ object: 3, from: 0, to: Infinity }],
    });
    const store = await open('s');
    expect(await allItems(store)).toEqual(before);
    expect(await runAsync(store.read(3, 0, BLOCK_SIZE))).toHaveLength(1);
    expect(await runAsync(engine.read(3, 0, BLOCK_SIZE))).toEqual([]);
    await checkImage(device);
  });

  test('of an empty store, and of a tree that was emptied', async () => {
    await snapshot({ name: 'empty' });
    await commit(engine, { items: [['a', bytes(1)]] });
    expect(await names(await open('empty'))).toEqual([]);
    expect(await names(engine)).toEqual(['a']);
    await checkImage(device);
  });

  test('is listed with its properties, also after a reopening', async () => {
    await snapshot({ name: 'b', createdAt: 1_700_000_000_123 });
    await snapshot({ name: 'a', createdAt: 5, isReadOnly: false });
    const list = [
      { name: 'a', createdAt: 5, isReadOnly: false },
      { name: 'b', createdAt: 1_700_000_000_123, isReadOnly: true },
    ];
    expect(await runAsync(engine.subvolumes.list())).toEqual(list);
    engine = await reopenEngine(device, engine);
    expect(await runAsync(engine.subvolumes.list())).toEqual(list);
  });

  test('of a snapshot', async () => {
    await commit(engine, { items: [['a', bytes(1)]] });
    await snapshot({ name: 's' });
    await commit(engine, { items: [['b', bytes(1)]] });
    await snapshot({ name: 't', of: 's' });
    await remove('s');
    expect(await names(await open('t'))).toEqual(['a']);
    await released();
  });

  test('refuses commits with EROFS', async () => {
    await snapshot({ name: 's' });
    const store = await open('s');
    expect(store.isReadOnly).toBe(true);
    await expect(commit(store, { items: [['a', bytes(1)]] })).rejects.toBe(linuxerr.EROFS);
  });

  test('EEXIST if its name is taken, ENOENT of a tree that is not there', async () => {
    await snapshot({ name: 's' });
    await expect(snapshot({ name: 's' })).rejects.toBe(linuxerr.EEXIST);
    await expect(snapshot({ name: 't', of: 'u' })).rejects.toBe(linuxerr.ENOENT);
    await expect(open('t')).rejects.toBe(linuxerr.ENOENT);
    await expect(remove('t')).rejects.toBe(linuxerr.ENOENT);
  });

  test('that failed was not made', async () => {
    await fill(engine);
    device.failNextCommit(linuxerr.ENOSPC);
    await expect(snapshot({ name: 's' })).rejects.toBe(linuxerr.ENOSPC);
    expect(await runAsync(engine.subvolumes.list())).toEqual([]);
    expect((await checkImage(device)).problems).toEqual([]);
    await snapshot({ name: 's' });
    await checkImage(device);
  });
});

describe('a clone', () => {
  test('changes on its own', async () => {
    await fill(engine);
    await snapshot({ name: 'c', isReadOnly: false });
    const clone = await open('c');
    await commit(clone, { items: [['k10001', bytes(5)]], writes: [[3, 0, bytes(5000, 9)]] });
    await commit(engine, { items: [['k10001', bytes(6)]], writes: [[3, 0, bytes(5000, 8)]] });
    expect(await runAsync(clone.get('k10001'))).toEqual(bytes(5));
    expect(await runAsync(engine.get('k10001'))).toEqual(bytes(6));
    await checkImage(device);
    await runAsync(clone.close());
    engine = await reopenEngine(device, engine);
    const again = await open('c');
    expect(await runAsync(again.get('k10001'))).toEqual(bytes(5));
    expect((await runAsync(again.read(3, 0, BLOCK_SIZE)))[0]?.bytes).toEqual(bytes(4096, 9));
  });

  test('is open once; EIO once it is closed', async () => {
    await snapshot({ name: 'c', isReadOnly: false });
    const clone = await open('c');
    await expect(open('c')).rejects.toBe(linuxerr.EBUSY);
    await expect(remove('c')).rejects.toBe(linuxerr.EBUSY);
    await runAsync(clone.close());
    await runAsync(clone.close());
    await expect(commit(clone, { items: [] })).rejects.toBe(linuxerr.EIO);
    await remove('c');
  });

  test('a snapshot may be open several times, and goes after the last', async () => {
    await snapshot({ name: 's' });
    const [one, two] = [await open('s'), await open('s')];
    await runAsync(one.close());
    await expect(remove('s')).rejects.toBe(linuxerr.EBUSY);
    await runAsync(two.close());
    await remove('s');
  });
});

describe('rolling back', () => {
  test('makes the main tree what the snapshot is, and keeps what was before', async () => {
    await commit(engine, { items: [['a', bytes(1)]] });
    await snapshot({ name: 's' });
    await commit(engine, { items: [['b', bytes(1)]] });
    const keepAs = { name: 'before', createdAt: 3, isReadOnly: true };
    await runAsync(engine.subvolumes.rollback('s', { keepAs }));
    expect(await names(engine)).toEqual(['a']);
    expect(await names(await open('before'))).toEqual(['a', 'b']);
    await commit(engine, { items: [['c', bytes(1)]] });
    expect(await names(await open('s'))).toEqual(['a']);
    await checkImage(device);
    engine = await reopenEngine(device, engine);
    expect(await names(engine)).toEqual(['a', 'c']);
  });

  test('gives up what was before, and its space', async () => {
    await snapshot({ name: 's' });
    await fill(engine);
    await runAsync(engine.subvolumes.rollback('s', { keepAs: null }));
    expect(await names(engine)).toEqual([]);
    await released();
    expect((await checkImage(device)).records).toBe(0);
  });

  test('EEXIST for a name that is taken, EBUSY for an open clone: nothing changes', async () => {
    await commit(engine, { items: [['a', bytes(1)]] });
    await snapshot({ name: 's', isReadOnly: false });
    const keepAs = { name: 's', createdAt: 0, isReadOnly: true };
    await expect(runAsync(engine.subvolumes.rollback('s', { keepAs }))).rejects.toBe(
      linuxerr.EEXIST,
    );
    await open('s');
    await expect(runAsync(engine.subvolumes.rollback('s', { keepAs: null }))).rejects.toBe(
      linuxerr.EBUSY,
    );
    expect(await names(engine)).toEqual(['a']);
    await checkImage(device);
  });
});

describe('space', () => {
  test('of a deleted snapshot is given back, to the last byte', async () => {
    await fill(engine);
    await commit(engine, { items: [['z', bytes(1)]] });
    const before = await checkImage(device);
    await snapshot({ name: 's' });
    await commit(engine, {
      items: Array.from({ length: 2000 }, (_, i) => [`k${10_000 + i}`, undefined] as const),
      discards: Array.from({ length: 20 }, (_, object) => ({ object, from: 0, to: Infinity })),
    });
    const shared = await checkImage(device);
    expect(shared.records).toBe(before.records);
    await remove('s');
    await released();
    const after = await checkImage(device);
    expect(after).toMatchObject({ records: 0, nodes: 2 });
    expect(engine.subvolumes.sharedUpTo).toBe(0);
  });

  test('is given back after a crash in the middle of it', async () => {
    await fill(engine, 20_000);
    await snapshot({ name: 's' });
    const items = (await names(engine)).map((key) => [key, undefined] as const);
    await commit(engine, { items });
    const images = device.record();
    await remove('s');
    await released();
    expect(images.length).toBeGreaterThan(4);
    for (const image of images.slice(1)) {
      device = new MemoryDevice();
      device.restore(image);
      engine = await openEngine(device);
      await expect(open('s')).rejects.toBe(linuxerr.ENOENT);
      await commit(engine, { items: [['a', bytes(1)]] });
      await released();
      expect((await checkImage(device)).nodes).toBe(2);
    }
  });

  test('is given back when the device is full', async () => {
    device = new MemoryDevice({ capacityBytes: 8 << 20 });
    engine = await openEngine(device);
    await fill(engine, 5000);
    await snapshot({ name: 's' });
    const items = (await names(engine)).map((key) => [key, undefined] as const);
    await commit(engine, { items });
    // Until there is no room for 128 KiB, and a little is left.
    const size = 32 * BLOCK_SIZE;
    let count = 0;
    for (;;) {
      const write = [1000 + count, 0, bytes(size, count)] as const;
      const isFull = await commit(engine, { writes: [write] }).then(
        () => false,
        (error: unknown) => error === linuxerr.ENOSPC,
      );
      if (isFull) break;
      count++;
    }
    await remove('s');
    await released();
    await commit(engine, { writes: [[5000, 0, bytes(4 * size, 7)]] });
    await checkImage(device);
  });

  test('below a node that is damaged stays, and the rest is given back', async () => {
    await fill(engine, 20_000);
    await snapshot({ name: 's' });
    const items = (await names(engine)).map((key) => [key, undefined] as const);
    await commit(engine, { items });
    engine = await reopenEngine(device, engine);
    const block = decodeRootBlock(device.image.superblock ?? bytes(0), checksum);
    const cache = new NodeCache({ device, checksum, limit: 1 << 20 });
    const roots = await runAsync(allRoots(block, cache));
    const named = roots.find(({ kind }) => kind === 'named')?.root;
    const root =
      named === undefined || isNode(named) ? undefined : await runAsync(cache.load(named));
    const leaf = root?.values[3] as { address: number };
    device.damage(leaf.address, (found) => found.fill(1));
    await remove('s');
    const report = async (): ReturnType<typeof checkImage> => {
      const copy = new MemoryDevice();
      copy.restore(device.image);
      return runAsync(checkDevice(copy, checksum));
    };
    await until(async () => (await report()).dying === 1);
    const { problems } = await report();
    expect(problems).toEqual([`node ${leaf.address} of the deleted trees is damaged`]);
    expect(await runAsync(engine.subvolumes.list())).toEqual([]);
  });
});

describe('an older version, which knows of no snapshots,', () => {
  const incompatible = (): number =>
    decodeRootBlock(device.image.superblock ?? bytes(0), checksum).features.incompatible;

  test('refuses the store until the last of them is gone with its space', async () => {
    await fill(engine);
    expect(incompatible()).toBe(0);
    await snapshot({ name: 's' });
    expect(incompatible()).toBe(SUBVOLUMES);
    engine = await reopenEngine(device, engine);
    await commit(engine, { items: [['k10007', undefined]] });
    expect(incompatible()).toBe(SUBVOLUMES);
    await snapshot({ name: 't' });
    await remove('s');
    await released();
    expect(incompatible()).toBe(SUBVOLUMES);
    await runAsync(engine.subvolumes.rollback('t', { keepAs: null }));
    await remove('t');
    await until(() => Promise.resolve(incompatible() === 0));
    await checkImage(device);
    await snapshot({ name: 'again' });
    expect(incompatible()).toBe(SUBVOLUMES);
  });

  test('as this one refuses what it doesn’t know', () => {
    const none = EMPTY_ROOT_BLOCK.features;
    for (const features of [
      { ...none, incompatible: SUBVOLUMES | 4 },
      { ...none, readOnlyCompatible: SUBVOLUMES },
    ]) {
      const superblock = encodeRootBlock({ ...EMPTY_ROOT_BLOCK, features }, checksum);
      expect(() => decodeRootBlock(superblock, checksum)).toThrow('later version');
    }
  });
});

/** Counts what the engine asks of its device. */
class CountingDevice extends MemoryDevice {
  reads = 0;
  writes = 0;

  override read(portions: Parameters<PageDevice['read']>[0]): ReturnType<PageDevice['read']> {
    this.reads += portions.length;
    return super.read(portions);
  }

  override commit(
    batch: DeviceBatch,
    durability: 'relaxed' | 'strict',
  ): ReturnType<PageDevice['commit']> {
    this.writes += batch.writes.length;
    return super.commit(batch, durability);
  }
}

describe('what it costs', () => {
  async function count(
    counting: CountingDevice,
    action: () => Promise<unknown>,
  ): Promise<{ reads: number; writes: number }> {
    const [reads, writes] = [counting.reads, counting.writes];
    await action();
    return { reads: counting.reads - reads, writes: counting.writes - writes };
  }

  test('a snapshot of 10,000 files, and its deletion: as much as of ten', async () => {
    const costs: unknown[] = [];
    for (const files of [10, 10_000]) {
      const counting = new CountingDevice();
      engine = await openEngine(counting, 64 << 20);
      await commit(engine, {
        items: Array.from({ length: files }, (_, i) => [`k${100_000 + i}`, bytes(80, i)] as const),
        writes: Array.from({ length: files }, (_, i) => [i, 0, bytes(5000, i)] as const),
      });
      await commit(engine, { items: [['a', bytes(1)]] });
      const made = await count(counting, () => snapshot({ name: 's' }));
      const deleted = await count(counting, () => remove('s'));
      costs.push({ made, deleted });
      expect(made.writes).toBeLessThanOrEqual(4);
      expect(deleted.writes).toBeLessThanOrEqual(4);
      expect(made.reads + deleted.reads).toBe(0);
    }
    expect(costs).toHaveLength(2);
  });

  test('a store without snapshots reads and writes nothing for them', async () => {
    const counting = new CountingDevice();
    const filled = await openEngine(counting);
    // Records that two pieces share: the meta tree is not in the superblock.
    for (let object = 0; object < 1400; object += 2) {
      const data = bytes(BLOCK_SIZE, object);
      await commit(filled, { writes: [object, object + 1].map((each) => [each, 0, data]) });
    }
    engine = await openEngine(counting, 0);
    await commit(engine, { items: [['a', bytes(1)]] });
    const one = (): Promise<unknown> => commit(engine, { items: [['a', bytes(1)]] });
    const before = await count(counting, one);
    await snapshot({ name: 's' });
    const first = await count(counting, one);
    await remove('s');
    await until(() => Promise.resolve(engine.subvolumes.sharedUpTo === 0));
    const after = await count(counting, one);
    expect(before).toEqual({ reads: 1, writes: 1 });
    expect(first.reads).toBeGreaterThan(before.reads);
    expect(after).toEqual(before);
  });
});

test('all roots of a state: the main tree, the meta tree, named ones, what goes', async () => {
  await fill(engine);
  await snapshot({ name: 's' });
  await snapshot({ name: 't', isReadOnly: false });
  await commit(await open('t'), { items: [['a', bytes(1)]] });
  const images = device.record();
  const items = (await names(engine)).map((key) => [key, undefined] as const);
  await commit(engine, { items });
  await remove('s');
  const kinds: string[][] = [];
  for (const { superblock, places } of images) {
    const copy = new MemoryDevice();
    copy.restore({ superblock, places });
    const block = decodeRootBlock(superblock ?? bytes(0), checksum);
    const cache = new NodeCache({ device: copy, checksum, limit: 1 << 20 });
    const roots = await runAsync(allRoots(block, cache));
    kinds.push(roots.map(({ kind }) => kind));
    // Each of them can be read.
    for (const { root } of roots) {
      if (!isNode(root)) expect(await runAsync(cache.load(root))).toBeDefined();
    }
  }
  expect(kinds.slice(0, 3)).toEqual([
    ['main', 'meta', 'named', 'named'],
    ['main', 'meta', 'named', 'named'],
    ['main', 'meta', 'named', 'dying'],
  ]);
});
