// What IndexedDB is asked for: few records for many small things, pieces of large ones, and nothing
// that is in memory already.

import { describe, expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import { runAsync, runSync } from '../../../src/lib/op.ts';
import { BLOCK_SIZE } from '../../../src/store/store.ts';
import type { Run, Store } from '../../../src/store/store.ts';
import {
  allItems,
  blocksOf,
  bytes,
  commit,
  countRequests,
  digest,
  Origin,
  whileCommitting,
} from './support.ts';

const MIB = 1 << 20;

const names = Array.from({ length: 10_000 }, (_, i) => `file ${String(i).padStart(5, '0')}`);

/** 10,000 files of 1 KiB, as a filesystem would store them. */
function manyFiles(): Parameters<typeof commit>[1] {
  return {
    items: names.map((name, i) => [name, bytes(80, i)]),
    writes: names.map((_, i) => [i, 0, bytes(1024, i)] as const),
  };
}

describe('many small files', () => {
  test('10,000 of 1 KiB are a few hundred records, written without reading any', async () => {
    const origin = new Origin();
    const store = await origin.open();
    const counts = await countRequests(() => commit(store, manyFiles()));
    expect(counts.put).toBeLessThan(450);
    expect(counts).toMatchObject({ transactions: 1, get: 0, getAll: 0, openCursor: 0, delete: 0 });
    await runAsync(store.close());
    const { nodes, records } = await origin.check();
    expect(nodes).toBeLessThan(450);
    expect(records).toBe(0);
  });

  test('their nodes are well filled, also when they come in small batches', async () => {
    const origin = new Origin();
    const store = await origin.open();
    for (let i = 0; i < 2000; i += 20) {
      await commit(store, {
        items: names.slice(i, i + 20).map((name) => [name, bytes(100)]),
        writes: names.slice(i, i + 20).map((_, k) => [i + k, 0, bytes(1024)] as const),
      });
    }
    await runAsync(store.close());
    const { nodes, usedBytes } = await origin.check();
    expect(2000 * (1024 + 100)).toBeGreaterThan(usedBytes * 0.75);
    expect(nodes).toBeLessThan(130);
  });

  test('they are deleted by few requests, which leave nothing', async () => {
    const origin = new Origin();
    const store = await origin.open();
    await commit(store, manyFiles());
    const counts = await countRequests(() =>
      commit(store, {
        items: names.map((name) => [name, undefined]),
        discards: names.map((_, object) => ({ object, from: 0, to: Infinity })),
      }),
    );
    expect(counts.put).toBe(1);
    expect(counts.delete).toBeLessThan(450);
    expect(await allItems(store)).toEqual([]);
    expect(await runAsync(store.read(5, 0, BLOCK_SIZE))).toEqual([]);
    await runAsync(store.close());
    expect((await origin.dump()).size).toBe(1);
  });

  test('they are read without waiting while their nodes are cached', async () => {
    const store = await new Origin().open({ cacheBytes: 64 * MIB });
    await commit(store, manyFiles());
    const counts = await countRequests(() => {
      for (let i = 0; i < 10_000; i += 99) {
        expect(runSync(store.get(names[i] ?? ''))).toEqual(bytes(80, i));
        const runs = runSync(store.read(i, 0, BLOCK_SIZE));
        expect(blocksOf(runs)).toEqual(blocksOf([{ offset: 0, bytes: bytes(1024, i) }]));
      }
      expect(runSync(store.get('nothing of this name'))).toBeUndefined();
      expect(runSync(store.scan({ from: 'a', to: 'z', limit: Infinity }))).toHaveLength(10_000);
      return Promise.resolve();
    });
    expect(counts.transactions).toBe(0);
  });

  test('files of a few blocks share records', async () => {
    const origin = new Origin();
    const store = await origin.open();
    const counts = await countRequests(() =>
      commit(store, { writes: names.slice(0, 300).map((_, i) => [i, 0, bytes(6000, i)] as const) }),
    );
    expect(counts.put).toBeLessThan(50);
    expect(blocksOf(await runAsync(store.read(7, 0, 2 * BLOCK_SIZE)))).toEqual(
      blocksOf([{ offset: 0, bytes: bytes(6000, 7) }]),
    );
    await commit(store, {
      discards: names.slice(0, 299).map((_, object) => ({ object, from: 0, to: Infinity })),
    });
    await runAsync(store.close());
    expect((await origin.check()).records).toBe(1);
  });
});

describe('large objects', () => {
  const SIZE = 4 * MIB;

  async function fillObject(origin: Origin): Promise<Store> {
    const store = await origin.open();
    await commit(store, { writes: [[1, 0, bytes(SIZE)]] });
    await runAsync(store.close());
    return origin.open();
  }

  async function readBytes(store: Store, offset: number, length: number): Promise<Uint8Array> {
    const all = new Uint8Array(length);
    const runs: Run[] = await runAsync(store.read(1, offset, length));
    for (const run of runs) all.set(run.bytes, run.offset - offset);
    return all;
  }

  test('are records of a MiB', async () => {
    const origin = new Origin();
    const store = await fillObject(origin);
    await runAsync(store.close());
    expect((await origin.check()).records).toBe(4);
  });

  test('reading a block fetches one record, and those beside it no other', async () => {
    const store = await fillObject(new Origin());
    const counts = await countRequests(() => runAsync(store.read(1, 2 * MIB, BLOCK_SIZE)));
    expect(counts).toMatchObject({ transactions: 1, get: 1, put: 0 });
    const again = await countRequests(() => runAsync(store.read(1, 2 * MIB + 65536, BLOCK_SIZE)));
    expect(again.transactions).toBe(0);
  });

  test('a range is fetched by one transaction', async () => {
    const store = await fillObject(new Origin());
    const counts = await countRequests(() => runAsync(store.read(1, 0, SIZE)));
    expect(counts).toMatchObject({ transactions: 1, get: 4 });
  });

  test('overwriting a part reads nothing and writes that part', async () => {
    const origin = new Origin();
    const store = await fillObject(origin);
    const expected = await readBytes(store, 0, SIZE);
    const part = bytes(3 * BLOCK_SIZE, 9);
    const counts = await countRequests(() =>
      commit(store, { writes: [[1, MIB - BLOCK_SIZE, part]] }),
    );
    // A record and the superblock.
    expect(counts).toMatchObject({ transactions: 1, put: 2, get: 0, delete: 0 });
    expected.set(part, MIB - BLOCK_SIZE);
    expect(digest(await readBytes(store, 0, SIZE))).toBe(digest(expected));
    await runAsync(store.close());
    expect((await origin.check()).records).toBe(5);
  });

  test('a record goes with the last piece of it', async () => {
    const origin = new Origin();
    const store = await fillObject(origin);
    await commit(store, { writes: [[1, 300 * BLOCK_SIZE, bytes(BLOCK_SIZE, 9)]] });
    await commit(store, { discards: [{ object: 1, from: MIB, to: 300 * BLOCK_SIZE }] });
    await commit(store, { discards: [{ object: 1, from: 301 * BLOCK_SIZE, to: 2 * MIB }] });
    await runAsync(store.close());
    expect((await origin.check()).records).toBe(4);
  });

  test('a sparse object of 5 GiB costs what is written', async () => {
    const origin = new Origin();
    const store = await origin.open();
    const end = 5 * 2 ** 30;
    await commit(store, { writes: [[1, 0, bytes(10)]] });
    await commit(store, { writes: [[1, end - BLOCK_SIZE, bytes(BLOCK_SIZE, 2)]] });
    expect(blocksOf(await runAsync(store.read(1, 0, end)))).toEqual([
      ...blocksOf([{ offset: 0, bytes: bytes(10) }]),
      ...blocksOf([{ offset: end - BLOCK_SIZE, bytes: bytes(BLOCK_SIZE, 2) }]),
    ]);
    expect(await runAsync(store.nextData(1, BLOCK_SIZE))).toBe(end - BLOCK_SIZE);
    await commit(store, { discards: [{ object: 1, from: BLOCK_SIZE, to: Infinity }] });
    expect(await runAsync(store.nextData(1, BLOCK_SIZE))).toBeUndefined();
    await runAsync(store.close());
    expect((await origin.check()).records).toBe(0);
  });
});

describe('the cache of nodes', () => {
  async function fill(origin: Origin): Promise<void> {
    const store = await origin.open();
    await commit(store, { items: names.map((name, i) => [name, bytes(80, i)]) });
    await runAsync(store.close());
  }

  test('stays below its bound', async () => {
    const origin = new Origin();
    const cacheBytes = 300_000;
    const store = await origin.open({ cacheBytes });
    await commit(store, manyFiles());
    expect(store.cacheBytes).toBeLessThanOrEqual(cacheBytes);
    for (let i = 0; i < 10_000; i += 300) {
      expect(await runAsync(store.get(names[i] ?? ''))).toEqual(bytes(80, i));
      expect(store.cacheBytes).toBeLessThanOrEqual(cacheBytes);
    }
    expect(await allItems(store)).toHaveLength(10_000);
    expect(store.cacheBytes).toBeLessThanOrEqual(cacheBytes);
    expect(store.cacheBytes).toBeGreaterThan(0);
  });

  test('a node that many wait for is fetched once', async () => {
    const origin = new Origin();
    await fill(origin);
    const store = await origin.open();
    const counts = await countRequests(() =>
      Promise.all(names.slice(0, 100).map((name) => runAsync(store.get(name)))),
    );
    expect(counts.get).toBe(1);
  });

  test('a long scan fetches nodes ahead', async () => {
    const origin = new Origin();
    await fill(origin);
    const store = await origin.open();
    const counts = await countRequests(() => allItems(store));
    expect(counts.get).toBeGreaterThan(20);
    expect(counts.transactions).toBeLessThan(10);
  });

  test('a commit reads no more than the nodes it changes', async () => {
    const origin = new Origin();
    await fill(origin);
    const store = await origin.open();
    const counts = await countRequests(() =>
      commit(store, {
        items: [
          [names[100] ?? '', bytes(70)],
          [names[101] ?? '', bytes(70)],
          [names[9000] ?? '', bytes(70)],
        ],
      }),
    );
    // Two leaves; the root is in the superblock.
    expect(counts).toMatchObject({ get: 2, put: 3, delete: 2 });
  });

  test('a change that changes nothing writes no more than the superblock', async () => {
    const store = await new Origin().open();
    const counts = await countRequests(() => commit(store, { items: [['absent', undefined]] }));
    expect(counts.put).toBe(1);
  });
});

describe('reading while a commit is under way', () => {
  test.each([
    ['inline to record', 100, MIB],
    ['record to inline', MIB, 100],
    ['record to record', MIB, 2 * MIB],
    ['inline to inline', 100, 200],
  ])('shows the old data or the new when it goes from %s', async (_how, before, after) => {
    const store = await new Origin().open({ cacheBytes: 0 });
    await commit(store, { writes: [[1, 0, bytes(before, 1)]] });
    const reads: Promise<[number, string][]>[] = [];
    const nexts: Promise<number | undefined>[] = [];
    whileCommitting(() => {
      reads.push(runAsync(store.read(1, 0, 3 * MIB)).then(blocksOf));
      reads.push(runAsync(store.read(1, 0, BLOCK_SIZE)).then(blocksOf));
      nexts.push(runAsync(store.nextData(1, 0)));
    });
    const discards = [{ object: 1, from: 0, to: Infinity }];
    await commit(store, { discards, writes: [[1, 0, bytes(after, 2)]] });
    const states = [bytes(before, 1), bytes(after, 2)];
    for (const [i, size] of [3 * MIB, BLOCK_SIZE].entries()) {
      const possible = states.map((data) =>
        blocksOf([{ offset: 0, bytes: data.subarray(0, size) }]),
      );
      expect(possible).toContainEqual(await reads[i]);
    }
    expect(await Promise.all(nexts)).toEqual([0]);
  });

  test('a scan begins again when nodes that it needs were given up', async () => {
    const store = await new Origin().open({ cacheBytes: 0 });
    await commit(store, { items: names.map((name) => [name, bytes(80, 1)]) });
    const scans: ReturnType<typeof allItems>[] = [];
    whileCommitting(() => scans.push(allItems(store)));
    const changed = names.filter((_, i) => i % 100 === 0);
    await commit(store, { items: changed.map((name) => [name, bytes(80, 2)]) });
    const [items = []] = await Promise.all(scans);
    expect(items.map(([name]) => name)).toEqual(names);
    const seen = new Set(items.filter(([name]) => changed.includes(name)).map(([, v]) => v[0]));
    expect(seen.size).toBe(1);
  });
});

describe('damage', () => {
  async function fill(): Promise<Origin> {
    const origin = new Origin();
    const store = await origin.open();
    await commit(store, {
      items: names.map((name) => [name, bytes(80)]),
      writes: [[1, 0, bytes(2 * MIB)]],
    });
    await runAsync(store.close());
    return origin;
  }

  /** Changes the record of the place where `key`, or the object's data, is stored. */
  async function damage(
    origin: Origin,
    isVictim: (record: Uint8Array) => boolean,
    change: (record: Uint8Array) => unknown,
  ): Promise<void> {
    for (const [key, record] of await origin.dump()) {
      if (!(record instanceof Uint8Array) || !isVictim(record)) continue;
      const changed = change(record.slice());
      await origin.tamper((records) => {
        const address: unknown = JSON.parse(key);
        if (changed === undefined) records.delete(address as number);
        else records.put(changed, address as number);
      });
      return;
    }
    expect.fail('nothing to damage');
  }

  const CHANGES: [string, (record: Uint8Array) => unknown][] = [
    ['is missing', () => undefined],
    ['is not bytes', () => 'nonsense'],
    ['was cut', (record) => record.slice(0, 50)],
    ['has a flipped bit', (record) => record.with(40, (record[40] ?? 0) ^ 8)],
  ];

  test.each(CHANGES)(
    'EIO for what is in a node that %s; the rest is there',
    async (_how, change) => {
      const origin = await fill();
      let nodes = 0;
      await damage(origin, (record) => record[0] === 0x42 && nodes++ === 5, change);
      const store = await origin.open();
      const results = await Promise.allSettled(names.map((name) => runAsync(store.get(name))));
      const failed = results.filter((result) => result.status === 'rejected');
      expect(failed.length).toBeGreaterThan(10);
      expect(failed.length).toBeLessThan(1000);
      for (const { reason } of failed) expect(reason).toBe(linuxerr.EIO);
      await expect(allItems(store)).rejects.toBe(linuxerr.EIO);
    },
  );

  test.each(CHANGES)(
    'EIO for what is in a record that %s; the rest is there',
    async (_how, change) => {
      const origin = await fill();
      await damage(origin, (record) => record.length === MIB, change);
      const store = await origin.open();
      const first = runAsync(store.read(1, 0, BLOCK_SIZE));
      await expect(first).rejects.toBe(linuxerr.EIO);
      expect(await runAsync(store.read(1, MIB, BLOCK_SIZE))).toHaveLength(1);
      await commit(store, { writes: [[1, 0, bytes(MIB, 2)]] });
      expect(await runAsync(store.read(1, 0, BLOCK_SIZE))).toHaveLength(1);
    },
  );

  test('a check names each damaged place', async () => {
    const origin = await fill();
    await damage(
      origin,
      (record) => record.length === MIB,
      (record) => record.with(5000, 0),
    );
    expect((await origin.report()).problems).toEqual([
      'object 1 is damaged: 4096 bytes from 4096 on',
    ]);
  });
});
