// The contract of store.ts, on every implementation.

import { describe, expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import { InvariantError } from '../../../src/lib/assert.ts';
import { runAsync } from '../../../src/lib/op.ts';
import { MemoryDevice } from '../../../src/store/engine/memory-device.ts';
import { MemoryStore } from '../../../src/store/memory-store.ts';
import { BLOCK_SIZE, ITEM_KEY_MAX, ITEM_VALUE_MAX } from '../../../src/store/store.ts';
import type { Store } from '../../../src/store/store.ts';
import {
  allItems,
  batch,
  blocksOf,
  bytes,
  commit,
  digest,
  failNextPut,
  COMMIT_TRIES,
  failNextTransaction,
  Origin,
} from './support.ts';
import { openEngine, reopenEngine } from './engine/support.ts';

interface Subject {
  readonly name: string;
  create(): Promise<{
    store: Store;
    /** Closes the store and opens it again. */
    reopen(): Promise<Store>;
    /** The next commit finds the disk full. */
    fillDisk(): void;
    /** The next commit finds the disk broken. */
    breakDisk(): void;
  }>;
}

const CHUNK = 8 * BLOCK_SIZE;

const SUBJECTS: readonly Subject[] = [
  memorySubject('MemoryStore', false),
  memorySubject('MemoryStore that yields', true),
  engineSubject('engine in memory', { yields: false, cacheBytes: 1 << 20 }),
  engineSubject('engine that waits, with next to no cache', { yields: true, cacheBytes: 1000 }),
  idbSubject('engine on IndexedDB', undefined),
  idbSubject('engine on IndexedDB, with next to no cache', 1000),
  idbSubject('engine on IndexedDB with blobs, with next to no cache', 1000, true),
];

function memorySubject(name: string, yields: boolean): Subject {
  return {
    name,
    create() {
      const store = new MemoryStore({ yields });
      return Promise.resolve({
        store,
        async reopen() {
          await runAsync(store.close());
          const next = new MemoryStore({ yields });
          next.restore(store.snapshot());
          return next;
        },
        fillDisk: () => {
          store.failNextCommit(linuxerr.ENOSPC);
        },
        breakDisk: () => {
          store.failNextCommit(linuxerr.EIO);
        },
      });
    },
  };
}

function engineSubject(
  name: string,
  { yields, cacheBytes }: { yields: boolean; cacheBytes: number },
): Subject {
  return {
    name,
    async create() {
      const device = new MemoryDevice({ yields });
      let store = await openEngine(device, cacheBytes);
      return {
        store,
        async reopen() {
          return (store = await reopenEngine(device, store, cacheBytes));
        },
        fillDisk: () => {
          device.failNextCommit(linuxerr.ENOSPC);
        },
        breakDisk: () => {
          device.failNextCommit(linuxerr.EIO);
        },
      };
    },
  };
}

function idbSubject(name: string, cacheBytes: number | undefined, prefersBlobs = false): Subject {
  return {
    name,
    async create() {
      const origin = new Origin(prefersBlobs);
      let store = await origin.open({ cacheBytes });
      return {
        store,
        async reopen() {
          await runAsync(store.close());
          store = await origin.open({ cacheBytes });
          return store;
        },
        fillDisk: () => {
          failNextTransaction('QuotaExceededError', COMMIT_TRIES);
        },
        breakDisk: () => {
          failNextPut('UnknownError');
        },
      };
    },
  };
}

describe.each(SUBJECTS)('$name: items', ({ create }) => {
  test('a key never put has no value', async () => {
    const { store } = await create();
    expect(await runAsync(store.get('a'))).toBeUndefined();
    expect(await allItems(store)).toEqual([]);
  });

  test('what was put is read back, also after reopening', async () => {
    const { store, reopen } = await create();
    await commit(store, { items: [['a', bytes(10)]] });
    expect(await runAsync(store.get('a'))).toEqual(bytes(10));
    expect(await runAsync((await reopen()).get('a'))).toEqual(bytes(10));
  });

  test('a value may be empty, and is not the same as none', async () => {
    const { store, reopen } = await create();
    await commit(store, { items: [['', new Uint8Array()]] });
    expect(await runAsync((await reopen()).get(''))).toEqual(new Uint8Array());
  });

  test('an absent key may be deleted', async () => {
    const { store } = await create();
    await commit(store, { items: [['a', undefined]] });
    expect(await runAsync(store.get('a'))).toBeUndefined();
  });

  test('the last value counts', async () => {
    const { store, reopen } = await create();
    await commit(store, { items: [['a', bytes(10)]] });
    await commit(store, { items: [['a', bytes(20)]] });
    expect(await allItems(await reopen())).toEqual([['a', bytes(20)]]);
  });

  test('a key that another one starts with is a key of its own', async () => {
    const { store, reopen } = await create();
    const keys = ['', 'a', 'aa', 'aaa', 'ab', 'b'];
    await commit(store, { items: keys.map((key, i) => [key, bytes(i)]) });
    await commit(store, { items: [['aa', undefined]] });
    const expected = keys.map((key, i) => [key, bytes(i)]).filter(([key]) => key !== 'aa');
    expect(await allItems(await reopen())).toEqual(expected);
  });

  test('keys are ordered by UTF-16 code units and kept exactly', async () => {
    const { store, reopen } = await create();
    const keys = ['\u{1f600}', '\uff5e', 'é', 'z', '\0', '\0\0', '\ud800', 'Z', 'ÿ', 'Ā'];
    await commit(store, { items: keys.map((key, i) => [key, bytes(i + 1)]) });
    const expected = [...keys].sort().map((key) => [key, bytes(keys.indexOf(key) + 1)]);
    expect(await allItems(await reopen())).toEqual(expected);
  });

  test('keys and values may have their greatest lengths', async () => {
    const { store, reopen } = await create();
    const items = ['a', 'ж'].map((c) => [c.repeat(ITEM_KEY_MAX), bytes(ITEM_VALUE_MAX)] as const);
    await commit(store, { items });
    expect(await allItems(await reopen())).toEqual(items);
  });

  test('longer ones, and keys of the store’s own, are a bug of the caller', async () => {
    const { store } = await create();
    const wrong: [string, Uint8Array][] = [
      ['a'.repeat(ITEM_KEY_MAX + 1), bytes(1)],
      ['a', bytes(ITEM_VALUE_MAX + 1)],
      ['\uffff', bytes(1)],
    ];
    for (const item of wrong) {
      await expect(commit(store, { items: [item] })).rejects.toThrow(InvariantError);
    }
  });

  test('the batch may be reused once the commit has ended', async () => {
    const { store } = await create();
    const value = bytes(100);
    await commit(store, { items: [['a', value]], writes: [[1, 0, value]] });
    value.fill(0);
    expect(await runAsync(store.get('a'))).toEqual(bytes(100));
    expect(blocksOf(await runAsync(store.read(1, 0, BLOCK_SIZE)))).toEqual(
      blocksOf([{ offset: 0, bytes: bytes(100) }]),
    );
  });
});

describe.each(SUBJECTS)('$name: scan', ({ create }) => {
  async function filled(): Promise<Store> {
    const { store } = await create();
    const items = ['b', 'd', 'f', 'h'].map((key) => [key, bytes(5000)] as const);
    await commit(store, { items });
    return store;
  }

  test.each([
    ['', 'z', 9, 'bdfh'],
    ['b', 'h', 9, 'bdf'],
    ['c', 'g', 9, 'df'],
    ['b', 'h', 2, 'bd'],
    ['b', 'z', 4, 'bdfh'],
    ['b', 'b', 9, ''],
    ['h', 'b', 9, ''],
    ['i', 'z', 9, ''],
    ['', 'b', 9, ''],
    ['b', 'c', 0, ''],
    ['', '\uffff\uffff', 9, 'bdfh'],
  ])('from %j to %j, at most %d: %j', async (from, to, limit, expected) => {
    const items = await runAsync((await filled()).scan({ from, to, limit }));
    expect(items.map(({ key }) => key).join('')).toBe(expected);
    for (const { value } of items) expect(value).toEqual(bytes(5000));
  });

  test('a range of many items is read in pieces', async () => {
    const { store, reopen } = await create();
    const keys = Array.from({ length: 3000 }, (_, i) => `k${String(i).padStart(5, '0')}`);
    await commit(store, { items: keys.map((key, i) => [key, bytes(60, i)]) });
    const reopened = await reopen();
    const found: string[] = [];
    for (let from = ''; ;) {
      const items = await runAsync(reopened.scan({ from, to: '\uffff', limit: 100 }));
      found.push(...items.map(({ key }) => key));
      if (items.length < 100) break;
      from = `${items.at(-1)?.key ?? ''}\0`;
    }
    expect(found).toEqual(keys);
  });
});

describe.each(SUBJECTS)('$name: objects', ({ create }) => {
  test('an object never written is a hole', async () => {
    const { store } = await create();
    expect(await runAsync(store.read(7, 0, 100 * BLOCK_SIZE))).toEqual([]);
    expect(await runAsync(store.nextData(7, 0))).toBeUndefined();
  });

  test.each([
    ['a few bytes', 0, 10],
    ['a block', 0, BLOCK_SIZE],
    ['a block and a bit', 0, BLOCK_SIZE + 1],
    ['a chunk', 0, CHUNK],
    ['several chunks and a bit', 0, 3 * CHUNK + 77],
    ['from the middle of a chunk', 5 * BLOCK_SIZE, CHUNK + 100],
    ['past 4 GiB', 5 * 2 ** 30, 5000],
  ])('%s', async (_title, offset, size) => {
    const { store, reopen } = await create();
    await commit(store, { writes: [[1, offset, bytes(size)]] });
    const reopened = await reopen();
    const length = Math.ceil(size / BLOCK_SIZE) * BLOCK_SIZE;
    const runs = await runAsync(reopened.read(1, offset, length));
    expect(blocksOf(runs)).toEqual(blocksOf([{ offset, bytes: bytes(size) }]));
    expect(await runAsync(reopened.nextData(1, 0))).toBe(offset);
    expect(await runAsync(reopened.nextData(1, offset + length))).toBeUndefined();
  });

  test('a read is cut to its range', async () => {
    const { store } = await create();
    await commit(store, { writes: [[1, 0, bytes(4 * CHUNK)]] });
    const runs = await runAsync(store.read(1, CHUNK - BLOCK_SIZE, 2 * BLOCK_SIZE));
    const data = bytes(4 * CHUNK).subarray(CHUNK - BLOCK_SIZE, CHUNK + BLOCK_SIZE);
    expect(blocksOf(runs)).toEqual(blocksOf([{ offset: CHUNK - BLOCK_SIZE, bytes: data }]));
  });

  test('zeros that were written are data', async () => {
    const { store, reopen } = await create();
    await commit(store, { writes: [[1, 2 * BLOCK_SIZE, new Uint8Array(2 * BLOCK_SIZE)]] });
    await commit(store, { writes: [[2, 0, new Uint8Array(1)]] });
    const reopened = await reopen();
    const runs = await runAsync(reopened.read(1, 0, CHUNK));
    expect(blocksOf(runs).map(([offset]) => offset)).toEqual([2 * BLOCK_SIZE, 3 * BLOCK_SIZE]);
    expect(blocksOf(await runAsync(reopened.read(2, 0, CHUNK)))).toEqual([[0, digest(bytes(0))]]);
  });

  test('a block cut short ends in zeros, also over older data', async () => {
    const { store } = await create();
    await commit(store, { writes: [[1, 0, bytes(CHUNK)]] });
    await commit(store, { writes: [[1, 0, bytes(10, 2)]] });
    const runs = await runAsync(store.read(1, 0, 2 * BLOCK_SIZE));
    const expected = bytes(2 * BLOCK_SIZE);
    expected.fill(0, 0, BLOCK_SIZE).set(bytes(10, 2));
    expect(blocksOf(runs)).toEqual(blocksOf([{ offset: 0, bytes: expected }]));
  });

  test('a block that is written leaves its neighbours alone', async () => {
    const { store, reopen } = await create();
    const expected = bytes(2 * CHUNK);
    await commit(store, { writes: [[1, 0, expected]] });
    for (const block of [0, 3, 7, 8, 15]) {
      await commit(store, { writes: [[1, block * BLOCK_SIZE, bytes(BLOCK_SIZE, block)]] });
      expected.set(bytes(BLOCK_SIZE, block), block * BLOCK_SIZE);
    }
    const runs = await runAsync((await reopen()).read(1, 0, 2 * CHUNK));
    expect(blocksOf(runs)).toEqual(blocksOf([{ offset: 0, bytes: expected }]));
  });

  test('discarded blocks are holes', async () => {
    const { store, reopen } = await create();
    await commit(store, { writes: [[1, 0, bytes(4 * CHUNK)]] });
    const discards = [
      { object: 1, from: BLOCK_SIZE, to: 2 * BLOCK_SIZE },
      { object: 1, from: CHUNK - BLOCK_SIZE, to: 2 * CHUNK + BLOCK_SIZE },
      { object: 1, from: 4 * CHUNK - BLOCK_SIZE, to: Infinity },
    ];
    await commit(store, { discards });
    const reopened = await reopen();
    const runs = await runAsync(reopened.read(1, 0, 5 * CHUNK));
    const expected = blocksOf([{ offset: 0, bytes: bytes(4 * CHUNK) }]).filter(
      ([offset]) => !discards.some(({ from, to }) => offset >= from && offset < to),
    );
    expect(blocksOf(runs)).toEqual(expected);
    expect(await runAsync(reopened.nextData(1, BLOCK_SIZE))).toBe(2 * BLOCK_SIZE);
    expect(await runAsync(reopened.nextData(1, CHUNK - BLOCK_SIZE))).toBe(2 * CHUNK + BLOCK_SIZE);
    expect(await runAsync(reopened.nextData(1, 4 * CHUNK - BLOCK_SIZE))).toBeUndefined();
  });

  test('within a batch, discards come before writes', async () => {
    const { store } = await create();
    await commit(store, { writes: [[1, 0, bytes(2 * CHUNK)]] });
    const discards = [{ object: 1, from: 0, to: Infinity }];
    await commit(store, { discards, writes: [[1, BLOCK_SIZE, bytes(10, 5)]] });
    expect(blocksOf(await runAsync(store.read(1, 0, 2 * CHUNK)))).toEqual(
      blocksOf([{ offset: BLOCK_SIZE, bytes: bytes(10, 5) }]),
    );
  });

  test('objects do not touch each other', async () => {
    const { store, reopen } = await create();
    const sizes = [100, CHUNK, 2 * CHUNK + 1, 10];
    await commit(store, { writes: sizes.map((size, i) => [i, 0, bytes(size, i)]) });
    await commit(store, { discards: [{ object: 1, from: 0, to: Infinity }] });
    await commit(store, { discards: [{ object: 3, from: 0, to: CHUNK }] });
    const reopened = await reopen();
    for (const [i, size] of sizes.entries()) {
      const runs = await runAsync(reopened.read(i, 0, 4 * CHUNK));
      const isGone = i === 1 || i === 3;
      const expected = isGone ? [] : blocksOf([{ offset: 0, bytes: bytes(size, i) }]);
      expect(blocksOf(runs)).toEqual(expected);
    }
  });

  test('a chunk that grows, shrinks and grows again keeps its data', async () => {
    const { store, reopen } = await create();
    await commit(store, { writes: [[1, 0, bytes(100)]] });
    await commit(store, { writes: [[1, BLOCK_SIZE, bytes(100, 2)]] });
    await commit(store, { discards: [{ object: 1, from: BLOCK_SIZE, to: Infinity }] });
    await commit(store, { writes: [[1, 7 * BLOCK_SIZE, bytes(100, 3)]] });
    const expected = [
      { offset: 0, bytes: bytes(100) },
      { offset: 7 * BLOCK_SIZE, bytes: bytes(100, 3) },
    ];
    expect(blocksOf(await runAsync((await reopen()).read(1, 0, CHUNK)))).toEqual(
      blocksOf(expected),
    );
  });

  test('the caller owns what it has read', async () => {
    const { store } = await create();
    await commit(store, { writes: [[1, 0, bytes(100)]] });
    for (let i = 0; i < 2; i++) {
      const [run] = await runAsync(store.read(1, 0, BLOCK_SIZE));
      expect(run?.bytes[0]).toBe(bytes(100)[0]);
      run?.bytes.fill(0);
    }
  });
});

describe.each(SUBJECTS)('$name: commits', ({ create }) => {
  test('an empty batch may be committed', async () => {
    const { store } = await create();
    await commit(store, {}, 'strict');
    expect(await allItems(store)).toEqual([]);
  });

  test('commits that are made at once happen in the order of the calls', async () => {
    const { store, reopen } = await create();
    const commits = Array.from({ length: 20 }, (_, i) =>
      commit(store, {
        items: [
          ['last', bytes(1, i)],
          [`own ${i}`, bytes(10, i)],
        ],
        discards: [{ object: 1, from: 0, to: Infinity }],
        writes: [[1, i * BLOCK_SIZE, bytes(10, i)]],
      }),
    );
    await Promise.all(commits);
    const reopened = await reopen();
    expect(await runAsync(reopened.get('last'))).toEqual(bytes(1, 19));
    expect(await allItems(reopened)).toHaveLength(21);
    expect(blocksOf(await runAsync(reopened.read(1, 0, 4 * CHUNK)))).toEqual(
      blocksOf([{ offset: 19 * BLOCK_SIZE, bytes: bytes(10, 19) }]),
    );
  });

  test.each([
    ['ENOSPC', 'the disk is full'],
    ['EIO', 'the disk is broken'],
  ] as const)('%s if %s; nothing of the batch is applied', async (code, _when) => {
    const { store, reopen, fillDisk, breakDisk } = await create();
    await commit(store, { items: [['a', bytes(10)]], writes: [[1, 0, bytes(5000)]] });
    const before = await contents(store);
    if (code === 'ENOSPC') fillDisk();
    else breakDisk();
    const failed = runAsync(
      store.commit(
        batch({
          items: [
            ['a', undefined],
            ['b', bytes(10)],
          ],
          discards: [{ object: 1, from: 0, to: Infinity }],
          writes: [[2, 0, bytes(5000)]],
        }),
        { durability: 'relaxed' },
      ),
    );
    await expect(failed).rejects.toBe(linuxerr[code]);
    expect(await contents(store)).toEqual(before);
    await commit(store, { items: [['c', bytes(3)]] });
    expect(await allItems(await reopen())).toEqual([
      ['a', bytes(10)],
      ['c', bytes(3)],
    ]);
  });

  test('what is read during a commit is of one moment', async () => {
    const { store } = await create();
    const batchOf = (i: number): Parameters<typeof commit>[1] => ({
      items: Array.from({ length: 40 }, (_, k) => [`k${k}`, bytes(2000, i)]),
      writes: [[1, 0, bytes(i % 2 === 0 ? 100 : CHUNK, i)]],
      discards: [{ object: 1, from: 0, to: Infinity }],
    });
    await commit(store, batchOf(0));
    const commits: Promise<void>[] = [];
    const reads: Promise<unknown>[] = [];
    for (let i = 1; i <= 10; i++) {
      commits.push(commit(store, batchOf(i)));
      for (let turn = 0; turn < 5 * i; turn++)
        await new Promise((resolve) => setImmediate(resolve));
      reads.push(
        allItems(store).then((items) => {
          expect(items).toHaveLength(40);
          expect(new Set(items.map(([, value]) => value[0])).size).toBe(1);
        }),
        runAsync(store.read(1, 0, CHUNK)).then((runs) => {
          const seeds = Array.from({ length: 11 }, (_, seed) => seed);
          const possible = seeds.map((seed) =>
            blocksOf([{ offset: 0, bytes: bytes(seed % 2 === 0 ? 100 : CHUNK, seed) }]),
          );
          expect(possible).toContainEqual(blocksOf(runs));
        }),
      );
    }
    await Promise.all([...commits, ...reads]);
  });

  test('a closed store answers EIO; closing again does nothing', async () => {
    const { store } = await create();
    const last = commit(store, { items: [['a', bytes(1)]] });
    await runAsync(store.close());
    await last;
    await runAsync(store.close());
    await expect(runAsync(store.get('a'))).rejects.toBe(linuxerr.EIO);
    await expect(allItems(store)).rejects.toBe(linuxerr.EIO);
    await expect(runAsync(store.read(1, 0, BLOCK_SIZE))).rejects.toBe(linuxerr.EIO);
    await expect(runAsync(store.nextData(1, 0))).rejects.toBe(linuxerr.EIO);
    await expect(commit(store, {})).rejects.toBe(linuxerr.EIO);
  });

  test('usage says what is left', async () => {
    const { store } = await create();
    expect((await runAsync(store.usage())).available).toBeGreaterThan(0);
  });
});

async function contents(store: Store): Promise<unknown> {
  const objects = await Promise.all([1, 2].map((n) => runAsync(store.read(n, 0, CHUNK))));
  return [await allItems(store), objects.map(blocksOf)];
}
