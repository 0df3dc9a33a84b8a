// Views of a store, which show one moment however long they are read, and replacements, which
// nobody sees before they are whole.

import { describe, expect, test, vi } from 'vitest';
import { runAsync } from '../../../src/lib/op.ts';
import { loadChecksum } from '../../../src/store/engine/checksum.ts';
import { checkDevice } from '../../../src/store/engine/check.ts';
import type { Engine } from '../../../src/store/engine/engine.ts';
import { MemoryDevice } from '../../../src/store/engine/memory-device.ts';
import { MemoryStore } from '../../../src/store/memory-store.ts';
import { BLOCK_SIZE, type Store } from '../../../src/store/store.ts';
import type { StoreView, ViewEntry } from '../../../src/store/store-view.ts';
import { expectClean, openEngine } from './engine/support.ts';
import { allItems, blocksOf, bytes, commit, digest, Origin } from './support.ts';

vi.setConfig({ testTimeout: 30_000 });

const CACHE_BYTES = 10_000;

const SUBJECTS: { name: string; open: () => Promise<Store> }[] = [
  { name: 'memory', open: () => Promise.resolve(new MemoryStore({ yields: true })) },
  { name: 'engine', open: () => openEngine(new MemoryDevice({ yields: true }), CACHE_BYTES) },
  { name: 'IndexedDB', open: () => new Origin().open({ cacheBytes: CACHE_BYTES }) },
];

const FILES = 300;

/** Items, small pieces, records of their own and shared ones. */
async function fill(store: Store, seed: number): Promise<void> {
  for (let i = 0; i < FILES; i += 50) {
    const some = Array.from({ length: 50 }, (_, k) => i + k);
    await commit(store, {
      items: some.map((n) => [`item ${n}`, bytes(100 + n, seed)]),
      discards: some.map((object) => ({ object, from: 0, to: Infinity })),
      writes: some.map((n) => [n, (n % 3) * BLOCK_SIZE, bytes(n % 7 === 0 ? 9000 : 500, n + seed)]),
    });
  }
  await commit(store, { writes: [[1000, 0, bytes(100 * BLOCK_SIZE, seed)]] });
}

async function allEntries(view: StoreView): Promise<ViewEntry[]> {
  const all: ViewEntry[] = [];
  for (let from: string | undefined = ''; from !== undefined;) {
    const found: Awaited<ReturnType<typeof one>> = await one(view, from);
    all.push(...found.entries);
    from = found.next;
  }
  return all;
}

function one(
  view: StoreView,
  from: string,
): Promise<
  ReturnType<StoreView['entries']> extends Generator<unknown, infer T, unknown> ? T : never
> {
  return runAsync(view.entries(from, 7));
}

/** All that a view shows, as text. */
async function contents(view: StoreView): Promise<string[]> {
  const lines: string[] = [];
  for (const entry of await allEntries(view)) {
    if (entry.kind === 'item') lines.push(`${entry.key} ${digest(entry.value)}`);
    else if (entry.kind === 'damage') lines.push('damage');
    else {
      const { object, offset, length } = entry;
      const runs = await runAsync(view.read(object, offset, length));
      for (const [at, what] of blocksOf(runs)) lines.push(`${object} ${at} ${what}`);
    }
  }
  return lines;
}

describe.each(SUBJECTS)('$name: a view', ({ open }) => {
  test('shows the moment at which it was made, whatever is committed since', async () => {
    const store = await open();
    await fill(store, 1);
    const view = await runAsync(store.view());
    const before = await contents(view);
    expect(before.length).toBeGreaterThan(FILES * 2);
    for (const seed of [2, 3]) await fill(store, seed);
    const items = (await allItems(store)).map(([key]) => [key, undefined] as const);
    await commit(store, { items, discards: [{ object: 1000, from: 0, to: Infinity }] });
    expect(await contents(view)).toEqual(before);
    expect(await runAsync(view.get('item 7'))).toEqual(bytes(107, 1));
    expect(await runAsync(view.get('item none'))).toBeUndefined();
    view.close();
    expect(await allItems(store)).toEqual([]);
  });

  test('can be checked while commits go on', async () => {
    const store = await open();
    await fill(store, 1);
    const view = await runAsync(store.view({ forCheck: true }));
    let isDone = false;
    const progress: number[] = [];
    const checked = runAsync(view.check(({ bytes: done }) => progress.push(done))).finally(() => {
      isDone = true;
    });
    for (let seed = 2; !isDone || seed < 4; seed++) await fill(store, seed);
    expect((await checked).problems).toEqual([]);
    expect((await checked).damaged).toEqual([]);
    expect(progress).toEqual(progress.toSorted((a, b) => a - b));
    view.close();
  });

  test('a replacement is seen when it is finished, and not before', async () => {
    const store = await open();
    await fill(store, 1);
    const before = await allItems(store);
    const replacement = await runAsync(store.replace());
    const put = (i: number): Promise<void> =>
      runAsync(
        replacement.put({
          items: new Map([[`new ${i}`, bytes(300, i)]]),
          discards: [],
          writes: [{ object: 5, run: { offset: i * BLOCK_SIZE, bytes: bytes(4000, i) } }],
        }),
      );
    for (let i = 0; i < 200; i++) await put(i);
    expect(await allItems(store)).toEqual(before);
    replacement.abort();
    await commit(store, { items: [['after', bytes(1)]] });
    expect(await allItems(store)).toEqual([['after', bytes(1)], ...before]);
  });
});

describe('the engine', () => {
  const make = async (): Promise<{ device: MemoryDevice; store: Engine }> => {
    const device = new MemoryDevice();
    const store = await openEngine(device, CACHE_BYTES);
    await fill(store, 1);
    return { device, store };
  };

  test('gives up what it kept with the first commit after the last view is closed', async () => {
    const { device, store } = await make();
    const used = (await runAsync(store.usage())).used;
    const views = [await runAsync(store.view()), await runAsync(store.view())] as const;
    await fill(store, 2);
    await expectClean(device);
    expect((await runAsync(store.usage())).used).toBeGreaterThan(used * 1.5);
    for (const view of views) {
      await commit(store, {});
      expect((await runAsync(store.usage())).used).toBeGreaterThan(used * 1.5);
      view.close();
      view.close();
    }
    await commit(store, {});
    await expectClean(device);
    expect((await runAsync(store.usage())).used).toBeLessThan(used * 1.1);
  });

  test('gives up what it kept for a view when a crash was in between', async () => {
    const { device, store } = await make();
    const used = (await runAsync(store.usage())).used;
    await runAsync(store.view());
    await fill(store, 2);
    device.restore(device.image);
    const again = await openEngine(device);
    await expectClean(device);
    await commit(again, {});
    await expectClean(device);
    expect((await runAsync(again.usage())).used).toBeLessThan(used * 1.1);
  });

  test('after a crash in a replacement shows the old, and gives the rest up', async () => {
    const { device, store } = await make();
    const used = (await runAsync(store.usage())).used;
    const before = await allItems(store);
    const history = device.record();
    const replacement = await runAsync(store.replace());
    for (let i = 0; i < 30; i++) {
      const run = { offset: i * BLOCK_SIZE, bytes: bytes(4000, i) };
      const writes = [
        { object: 5, run },
        { object: 6, run },
      ];
      await runAsync(
        replacement.put({ items: new Map([[`${i}`, bytes(9)]]), discards: [], writes }),
      );
    }
    await runAsync(replacement.finish());
    const images = [...history];
    expect(images.length).toBe(32);
    for (const image of [images[0], images[1], images[15], images[30]]) {
      if (image === undefined) continue;
      device.restore(image);
      await expectClean(device);
      const again = await openEngine(device);
      expect(await allItems(again)).toEqual(before);
      await commit(again, {});
      await expectClean(device);
      expect((await runAsync(again.usage())).used).toBeLessThan(used * 1.1);
    }
    device.restore(images.at(-1) ?? device.image);
    await expectClean(device);
    const replaced = await openEngine(device);
    expect(await allItems(replaced)).toHaveLength(30);
    expect(await runAsync(replaced.read(6, 0, 30 * BLOCK_SIZE))).toHaveLength(30);
    await fill(replaced, 3);
    await expectClean(device);
  });

  test('goes on behind a damaged node, in a view and in a check', async () => {
    const { device, store } = await make();
    await runAsync(store.close());
    const checksum = await loadChecksum();
    const nodes = [...device.image.places].filter(([, place]) => place[0] === 0x42);
    expect(nodes.length).toBeGreaterThan(5);
    const whole = device.image;
    for (const [address, node] of nodes) {
      device.restore(whole);
      device.damage(address, (place) => place.with(20, (place[20] ?? 0) ^ 1));
      const view = await runAsync((await openEngine(device)).view({ forCheck: true }));
      const entries = await allEntries(view);
      const { problems } = await runAsync(checkDevice(device, checksum));
      expect(problems).toHaveLength(1);
      expect(problems[0]).toMatch(new RegExp(`^node ${address} of the (items|meta) is damaged$`));
      const isItems = problems[0]?.includes('items') === true;
      const gaps = entries.filter(({ kind }) => kind === 'damage').length;
      expect(gaps).toBe(isItems ? 1 : 0);
      if (node[1] === 0) expect(entries.length).toBeGreaterThan(FILES);
      view.close();
    }
  });
});
