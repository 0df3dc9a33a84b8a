// What IndexedDB is asked for: few records for many small things, pieces of large ones, and nothing
// that is in memory already.

import { describe, expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import { runAsync, runSync } from '../../../src/lib/op.ts';
import { BLOCK_SIZE } from '../../../src/store/store.ts';
import type { Store } from '../../../src/store/store.ts';
import {
  allItems,
  blocksOf,
  bytes,
  commit,
  countRequests,
  Origin,
  whileCommitting,
} from './support.ts';

const CHUNK = 8 * BLOCK_SIZE;

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
    expect(counts.delete).toBe(0);
    // The two empty pages, and nothing about the objects.
    expect(counts.openCursor).toBe(2);
    expect(counts.get + counts.getAll + counts.getAllKeys).toBe(0);
    await runAsync(store.close());
    expect((await origin.dump()).size).toBeLessThan(450);
  });

  test('their pages are well filled, also when they come in small batches', async () => {
    const origin = new Origin();
    const store = await origin.open();
    for (let i = 0; i < 2000; i += 20) {
      await commit(store, {
        items: names.slice(i, i + 20).map((name) => [name, bytes(100)]),
        writes: names.slice(i, i + 20).map((_, k) => [i + k, 0, bytes(1024)] as const),
      });
    }
    await runAsync(store.close());
    const pages = await origin.pages();
    const total = pages.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    expect(total / pages.length).toBeGreaterThan(24 * 1024);
  });

  test('they are deleted by few requests, which leaves two empty pages', async () => {
    const origin = new Origin();
    const store = await origin.open();
    await commit(store, manyFiles());
    const counts = await countRequests(() =>
      commit(store, {
        items: names.map((name) => [name, undefined]),
        discards: names.map((_, object) => ({ object, from: 0, to: Infinity })),
      }),
    );
    expect(counts.put).toBe(3);
    expect(counts.getAllKeys).toBe(1);
    expect(counts.delete).toBeLessThan(450);
    expect(await allItems(store)).toEqual([]);
    expect(await runAsync(store.read(5, 0, BLOCK_SIZE))).toEqual([]);
    await runAsync(store.close());
    expect(await origin.pages()).toHaveLength(2);
    expect((await origin.dump()).size).toBe(3);
  });

  test('they are read without waiting while their pages are cached', async () => {
    const store = await new Origin().open();
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
});

describe('large objects', () => {
  test('reading a byte of a big one fetches one chunk', async () => {
    const origin = new Origin();
    await fillObject(origin);
    const store = await origin.open();
    expect(await runAsync(store.get('warm up'))).toBeUndefined();
    const counts = await countRequests(() => runAsync(store.read(1, 20 * CHUNK, BLOCK_SIZE)));
    expect(counts).toMatchObject({ get: 1, getAll: 0, getAllKeys: 0, put: 0 });
    // The page that would hold the chunk if it were inline. The next time it is there.
    expect(counts.openCursor).toBe(1);
    const again = await countRequests(() => runAsync(store.read(1, 30 * CHUNK, BLOCK_SIZE)));
    expect(again).toMatchObject({ transactions: 1, get: 1, openCursor: 0 });
  });

  test('a range is fetched by one transaction', async () => {
    const origin = new Origin();
    await fillObject(origin);
    const store = await origin.open();
    await runAsync(store.read(1, 0, BLOCK_SIZE));
    const counts = await countRequests(() => runAsync(store.read(1, 5 * CHUNK, 10 * CHUNK)));
    expect(counts).toMatchObject({ transactions: 1, getAll: 1, getAllKeys: 1, get: 0 });
  });

  test('whole chunks are written without being read', async () => {
    const origin = new Origin();
    await fillObject(origin);
    const store = await origin.open();
    await runAsync(store.read(1, 0, BLOCK_SIZE));
    const counts = await countRequests(() =>
      commit(store, { writes: [[1, 4 * CHUNK, bytes(4 * CHUNK, 9)]] }),
    );
    expect(counts).toMatchObject({ transactions: 1, put: 5, get: 0, delete: 0 });
  });

  test('part of a chunk is read before it is written', async () => {
    const origin = new Origin();
    await fillObject(origin);
    const store = await origin.open();
    await runAsync(store.read(1, 0, BLOCK_SIZE));
    const counts = await countRequests(() =>
      commit(store, { writes: [[1, 4 * CHUNK - BLOCK_SIZE, bytes(2 * BLOCK_SIZE, 9)]] }),
    );
    expect(counts).toMatchObject({ transactions: 2, put: 3, get: 2 });
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
    const counts = await countRequests(() =>
      commit(store, { discards: [{ object: 1, from: BLOCK_SIZE, to: Infinity }] }),
    );
    expect(counts.delete).toBe(1);
    expect(await runAsync(store.nextData(1, BLOCK_SIZE))).toBeUndefined();
    await runAsync(store.close());
    expect((await origin.dump()).size).toBe(3);
  });

  test('a chunk is stored in one form at a time', async () => {
    const origin = new Origin();
    const store = await origin.open();
    const forms = async (): Promise<string> => {
      await runAsync(store.close());
      const records = [...(await origin.dump()).keys()].filter((key) => key.startsWith('['));
      const inline = (await origin.pages()).flatMap(({ keys }) => keys);
      return `${records.length} records, ${inline.length} inline`;
    };
    await commit(store, { writes: [[1, 0, bytes(BLOCK_SIZE)]] });
    expect(await forms()).toBe('0 records, 1 inline');
    for (const [change, expected] of [
      [{ writes: [[1, BLOCK_SIZE, bytes(1)]] }, '1 records, 0 inline'],
      [{ discards: [{ object: 1, from: BLOCK_SIZE, to: CHUNK }] }, '0 records, 1 inline'],
      [{ writes: [[1, 0, bytes(CHUNK)]] }, '1 records, 0 inline'],
      [
        { writes: [[1, 0, bytes(1)]], discards: [{ object: 1, from: 0, to: CHUNK }] },
        '0 records, 1 inline',
      ],
      [{ discards: [{ object: 1, from: 0, to: BLOCK_SIZE }] }, '0 records, 0 inline'],
    ] as const) {
      const reopened = await origin.open();
      await commit(reopened, change);
      await runAsync(reopened.close());
      expect(await forms()).toBe(expected);
    }
  });

  async function fillObject(origin: Origin): Promise<void> {
    const store = await origin.open();
    await commit(store, { writes: [[1, 0, bytes(64 * CHUNK)]] });
    await runAsync(store.close());
  }
});

describe('the cache of pages', () => {
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
    expect(await runAsync(store.scan({ from: '', to: '\uffff', limit: Infinity }))).toHaveLength(
      10_000,
    );
    expect(store.cacheBytes).toBeLessThanOrEqual(cacheBytes);
    expect(store.cacheBytes).toBeGreaterThan(0);
  });

  test('a page that many wait for is fetched once', async () => {
    const origin = new Origin();
    await fill(origin);
    const store = await origin.open();
    const counts = await countRequests(() =>
      Promise.all(names.slice(0, 100).map((name) => runAsync(store.get(name)))),
    );
    expect(counts.openCursor).toBe(1);
  });

  test('pages that are wanted at once are fetched by one transaction', async () => {
    const origin = new Origin();
    await fill(origin);
    const store = await origin.open();
    const counts = await countRequests(async () => {
      const wanted = [0, 2000, 4000, 6000].map((i) => runAsync(store.get(names[i] ?? '')));
      expect((await Promise.all(wanted)).map((value) => value?.length)).toEqual([80, 80, 80, 80]);
    });
    expect(counts).toMatchObject({ openCursor: 4, transactions: 1 });
  });

  test('a commit waits for no more than the pages it changes', async () => {
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
    expect(counts).toMatchObject({ openCursor: 2, put: 3, delete: 0, transactions: 2 });
  });

  async function fill(origin: Origin): Promise<void> {
    const store = await origin.open();
    await commit(store, { items: names.map((name, i) => [name, bytes(80, i)]) });
    await runAsync(store.close());
  }
});

describe('reading while a commit is under way', () => {
  test.each([
    ['inline to record', 100, CHUNK],
    ['record to inline', CHUNK, 100],
    ['record to record', CHUNK, 2 * CHUNK],
    ['inline to inline', 100, 200],
  ])('shows the old data or the new when a chunk goes from %s', async (_how, before, after) => {
    const store = await new Origin().open();
    await commit(store, { writes: [[1, 0, bytes(before, 1)]] });
    const reads: Promise<[number, string][]>[] = [];
    const nexts: Promise<number | undefined>[] = [];
    whileCommitting(() => {
      reads.push(runAsync(store.read(1, 0, 3 * CHUNK)).then(blocksOf));
      reads.push(runAsync(store.read(1, 0, CHUNK)).then(blocksOf));
      nexts.push(runAsync(store.nextData(1, 0)));
    });
    const discards = [{ object: 1, from: 0, to: Infinity }];
    await commit(store, { discards, writes: [[1, 0, bytes(after, 2)]] });
    const states = [bytes(before, 1), bytes(after, 2)];
    for (const [i, size] of [3 * CHUNK, CHUNK].entries()) {
      const possible = states.map((data) =>
        blocksOf([{ offset: 0, bytes: data.subarray(0, size) }]),
      );
      expect(possible).toContainEqual(await reads[i]);
    }
    expect(await Promise.all(nexts)).toEqual([0]);
  });

  test('a scan begins again when pages it has seen are replaced', async () => {
    const origin = new Origin();
    const first = await origin.open();
    await commit(first, { items: names.map((name) => [name, bytes(80, 1)]) });
    await runAsync(first.close());
    const store = await origin.open();
    const scans: ReturnType<typeof allItems>[] = [];
    // Of the pages, the commit has loaded two, and the scan has to wait for one between them.
    whileCommitting(() => scans.push(allItems(store)));
    const changed = [names[0] ?? '', names[2000] ?? ''];
    await commit(store, { items: changed.map((name) => [name, bytes(80, 2)]) });
    const [items = []] = await Promise.all(scans);
    expect(items.map(([name]) => name)).toEqual(names);
    const seen = new Map(items);
    expect(seen.get(changed[0] ?? '')).toEqual(seen.get(changed[1] ?? ''));
  });
});

describe('leaf pages', () => {
  test('are joined when they get small, and everything left stays readable', async () => {
    const origin = new Origin();
    let store: Store = await origin.open();
    const items = names.slice(0, 4000).map((name, i) => [name, bytes(80, i)] as const);
    await commit(store, { items });
    const kept = items.filter((_, i) => i % 40 === 0);
    for (let i = 0; i < items.length; i += 200) {
      await commit(store, {
        items: items
          .slice(i, i + 200)
          .filter((item) => !kept.includes(item))
          .map(([name]) => [name, undefined]),
      });
    }
    expect(await allItems(store)).toEqual(kept);
    await runAsync(store.close());
    expect((await origin.pages()).length).toBeLessThan(5);
    store = await origin.open();
    expect(await allItems(store)).toEqual(kept);
    await commit(store, { items });
    expect(await allItems(store)).toEqual(items);
  });

  test('a change that changes nothing writes no page', async () => {
    const store = await new Origin().open();
    const counts = await countRequests(() => commit(store, { items: [['absent', undefined]] }));
    expect(counts.put).toBe(1);
  });
});

describe('broken records', () => {
  test.each([
    ['is missing', undefined],
    ['is no page', 'nonsense'],
    ['was cut', Uint8Array.of(0x4c, 0, 7)],
  ])('EIO if a page %s', async (_what, record) => {
    const origin = new Origin();
    await runAsync((await origin.open()).close());
    await origin.tamper((records) => {
      if (record === undefined) records.delete('page:');
      else records.put(record, 'page:');
    });
    const store = await origin.open();
    await expect(runAsync(store.get('a'))).rejects.toBe(linuxerr.EIO);
    await expect(allItems(store)).rejects.toBe(linuxerr.EIO);
    await expect(commit(store, { items: [['a', bytes(1)]] })).rejects.toBe(linuxerr.EIO);
  });

  test('EIO if a page is missing between others', async () => {
    const origin = new Origin();
    const first = await origin.open();
    await commit(first, { items: names.map((name) => [name, bytes(80)]) });
    await runAsync(first.close());
    const gone = (await origin.pages())[3]?.first ?? '';
    await origin.tamper((records) => records.delete(`page:${gone}`));
    const store = await origin.open();
    await expect(runAsync(store.get(gone))).rejects.toBe(linuxerr.EIO);
    expect(await runAsync(store.get(names[0] ?? ''))).toEqual(bytes(80));
  });

  test.each([
    ['no bytes', 'text'],
    ['empty', new Uint8Array()],
    ['without blocks', new Uint8Array(100)],
    ['longer than its blocks', Uint8Array.from([...bytes(BLOCK_SIZE + 1), 1])],
  ])('EIO if a chunk is %s', async (_what, record) => {
    const origin = new Origin();
    const first = await origin.open();
    await commit(first, { writes: [[1, 0, bytes(CHUNK)]] });
    await runAsync(first.close());
    await origin.tamper((records) => records.put(record, [1, 0]));
    const store = await origin.open();
    await expect(runAsync(store.read(1, 0, BLOCK_SIZE))).rejects.toBe(linuxerr.EIO);
    await expect(runAsync(store.nextData(1, 0))).rejects.toBe(linuxerr.EIO);
    await expect(commit(store, { writes: [[1, 0, bytes(1)]] })).rejects.toBe(linuxerr.EIO);
    await commit(store, { writes: [[1, 0, bytes(CHUNK, 2)]] });
    expect(await runAsync(store.read(1, 0, BLOCK_SIZE))).toHaveLength(1);
  });
});
