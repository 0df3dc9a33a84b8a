// Random batches against a naive model: the store shows what the model has, after every commit,
// after failed ones and after reopening; what is read meanwhile is of one moment.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import { runAsync } from '../../../src/lib/op.ts';
import type { Engine } from '../../../src/store/engine/engine.ts';
import { MemoryDevice } from '../../../src/store/engine/memory-device.ts';
import { MemoryStore } from '../../../src/store/memory-store.ts';
import { BLOCK_SIZE } from '../../../src/store/store.ts';
import type { Batch, Store } from '../../../src/store/store.ts';
import {
  allItems,
  batch,
  blocksOf,
  bytes,
  COMMIT_TRIES,
  failNextTransaction,
  digest,
  Origin,
} from './support.ts';
import { expectClean, openEngine, reopenEngine } from './engine/support.ts';

const OBJECTS = [0, 1, 3, 2 ** 40];
const BLOCKS = 40;

/** What a store ought to hold. */
class Model {
  readonly items = new Map<string, Uint8Array>();
  /** `object:block` → the block's digest, without the zeros it ends in. */
  readonly blocks = new Map<string, string>();

  apply({ items, discards, writes }: Batch): void {
    for (const [key, value] of items) {
      if (value === undefined) this.items.delete(key);
      else this.items.set(key, value);
    }
    for (const { object, from, to } of discards) {
      for (let block = 0; block < BLOCKS; block++) {
        if (block * BLOCK_SIZE >= from && block * BLOCK_SIZE < to) {
          this.blocks.delete(`${object}:${block}`);
        }
      }
    }
    for (const { object, run } of writes) {
      for (const [offset, text] of blocksOf([run])) {
        this.blocks.set(`${object}:${offset / BLOCK_SIZE}`, text);
      }
    }
  }

  sortedItems(): [string, string][] {
    const sorted = [...this.items].sort(([a], [b]) => (a < b ? -1 : 1));
    return sorted.map(([name, data]) => [name, digest(data)]);
  }

  blocksOf(object: number): [number, string][] {
    return Array.from({ length: BLOCKS }, (_, block) => block).flatMap((block) => {
      const text = this.blocks.get(`${object}:${block}`);
      return text === undefined ? [] : [[block * BLOCK_SIZE, text]];
    });
  }
}

const key = fc
  .tuple(fc.constantFrom('', 'a', 'ab', 'b\0', 'ж', '\ud800'), fc.nat(300))
  .map(([prefix, n]) => `${prefix}${n}`);
const value = fc
  .tuple(fc.oneof(fc.nat(200), fc.nat(200), fc.nat(200), fc.nat(8192)), fc.nat(250))
  .map(([size, seed]) => bytes(size, seed));
const items = fc.array(fc.tuple(key, fc.option(value, { nil: undefined, freq: 3 })), {
  maxLength: 120,
});

const object = fc.constantFrom(...OBJECTS);
const discard = fc
  .record({ object, from: fc.nat(BLOCKS), size: fc.oneof(fc.nat(20), fc.constant(Infinity)) })
  .map(({ object, from, size }) => ({
    object,
    from: from * BLOCK_SIZE,
    to: (from + size) * BLOCK_SIZE,
  }));
const write = fc
  .record({ object, block: fc.nat(BLOCKS - 1), blocks: fc.integer({ min: 1, max: 12 }) })
  .chain(({ object, block, blocks }) => {
    const end = Math.min(BLOCKS, block + blocks);
    return fc
      .record({ cut: fc.nat(BLOCK_SIZE - 1), seed: fc.nat(250), isZero: fc.boolean() })
      .map(({ cut, seed, isZero }) => {
        const size = (end - block) * BLOCK_SIZE - cut;
        const data = isZero ? new Uint8Array(size) : bytes(size, seed);
        return [object, block * BLOCK_SIZE, data] as const;
      });
  });

/** Runs of one object must not overlap: the first one stays. */
function withoutOverlaps(
  writes: readonly (readonly [number, number, Uint8Array])[],
): (readonly [number, number, Uint8Array])[] {
  const taken = new Set<string>();
  return writes.filter(([object, offset, data]) => {
    const blocks = blocksOf([{ offset, bytes: data }]).map(([at]) => `${object}:${at}`);
    if (blocks.some((block) => taken.has(block))) return false;
    for (const block of blocks) taken.add(block);
    return true;
  });
}

const step = fc.record({
  batch: fc
    .record({
      items,
      discards: fc.array(discard, { maxLength: 3 }),
      writes: fc.array(write, { maxLength: 6 }).map(withoutOverlaps),
    })
    .map(batch),
  durability: fc.constantFrom('relaxed', 'strict'),
  then: fc.constantFrom('go on', 'go on', 'reopen', 'fail', 'clear'),
});

async function itemTexts(store: Store): Promise<[string, string][]> {
  return (await allItems(store)).map(([name, data]) => [name, digest(data)]);
}

async function checkAll(store: Store, model: Model): Promise<void> {
  expect(await itemTexts(store)).toEqual(model.sortedItems());
  for (const object of OBJECTS) {
    const blocks = model.blocksOf(object);
    const runs = await runAsync(store.read(object, 0, BLOCKS * BLOCK_SIZE));
    expect(blocksOf(runs)).toEqual(blocks);
    for (const from of [0, 3, 8, 17].map((block) => block * BLOCK_SIZE)) {
      const part = await runAsync(store.read(object, from, 9 * BLOCK_SIZE));
      const inPart = blocks.filter(([at]) => at >= from && at < from + 9 * BLOCK_SIZE);
      expect(blocksOf(part)).toEqual(inPart);
      const next = blocks.find(([at]) => at >= from);
      expect(await runAsync(store.nextData(object, from))).toBe(next?.[0]);
    }
  }
  for (const [name, data] of model.items) {
    expect(digest((await runAsync(store.get(name))) ?? bytes(0))).toBe(digest(data));
  }
}

/** A batch that deletes every item but a few. */
function clearing(model: Model): Batch {
  const keys = model.sortedItems().map(([name]) => name);
  return batch({ items: keys.filter((_, i) => i % 50 !== 7).map((name) => [name, undefined]) });
}

interface Subject {
  readonly name: string;
  open(): Promise<Store>;
  reopen(store: Store): Promise<Store>;
  failNext(store: Store): void;
  /** Looks at the records of a closed store. */
  checkRecords(): Promise<unknown>;
}

function idbSubject(name: string, cacheBytes: number | undefined): Subject {
  let origin = new Origin();
  return {
    name,
    open() {
      origin = new Origin();
      return origin.open({ cacheBytes });
    },
    async reopen(store) {
      await runAsync(store.close());
      return origin.open({ cacheBytes });
    },
    failNext: () => {
      failNextTransaction('QuotaExceededError', COMMIT_TRIES);
    },
    checkRecords: () => origin.check(),
  };
}

function engineSubject(name: string, cacheBytes: number): Subject {
  let device = new MemoryDevice();
  return {
    name,
    open() {
      device = new MemoryDevice({ yields: true });
      return openEngine(device, cacheBytes);
    },
    reopen: (store) => reopenEngine(device, store as Engine, cacheBytes),
    failNext: () => {
      device.failNextCommit(linuxerr.ENOSPC);
    },
    checkRecords() {
      device.restore(device.image);
      return expectClean(device);
    },
  };
}

const SUBJECTS: Subject[] = [
  engineSubject('engine', 1 << 20),
  engineSubject('engine with room for few nodes', 200_000),
  engineSubject('engine without a cache', 0),
  {
    name: 'MemoryStore',
    open: () => Promise.resolve(new MemoryStore({ yields: true })),
    reopen(store) {
      if (store instanceof MemoryStore) store.restore(store.snapshot());
      return Promise.resolve(store);
    },
    failNext(store) {
      if (store instanceof MemoryStore) store.failNextCommit(linuxerr.ENOSPC);
    },
    checkRecords: () => Promise.resolve(),
  },
  idbSubject('engine on IndexedDB', undefined),
  idbSubject('engine on IndexedDB, with room for few nodes', 200_000),
  idbSubject('engine on IndexedDB, without a cache', 0),
];

describe.each(SUBJECTS)('$name', (subject) => {
  test('shows what the model has', { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
        const model = new Model();
        let store = await subject.open();
        for (const { batch: changes, durability, then } of steps) {
          if (then === 'fail') {
            subject.failNext(store);
            const failed = runAsync(store.commit(changes, { durability }));
            await expect(failed).rejects.toBe(linuxerr.ENOSPC);
          } else {
            const next = then === 'clear' ? clearing(model) : changes;
            const committed = runAsync(store.commit(next, { durability }));
            const before = model.sortedItems();
            const meanwhile = itemTexts(store);
            await committed;
            model.apply(next);
            expect([before, model.sortedItems()]).toContainEqual(await meanwhile);
          }
          if (then === 'reopen') store = await subject.reopen(store);
          await checkAll(store, model);
        }
        await runAsync(store.close());
        await subject.checkRecords();
      }),
      { numRuns: 40 },
    );
  });
});

describe('nodes', () => {
  const FILL = { from: 0, size: 2000, valueSize: 150, gap: 5000 };
  const range = fc.record({
    from: fc.nat(2000),
    size: fc.oneof(fc.nat(5), fc.nat(800)),
    valueSize: fc.option(fc.nat(400), { nil: undefined, freq: 2 }),
    /** One key in this many is left out. */
    gap: fc.constantFrom(7, 50, 5000),
  });

  test('cover all keys while ranges of them come and go', { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(range, { minLength: 5, maxLength: 30 }), async (ranges) => {
        const origin = new Origin();
        const store = await origin.open({ cacheBytes: 200_000 });
        const model = new Model();
        for (const { from, size, valueSize, gap } of [FILL, ...ranges]) {
          const change = valueSize === undefined ? undefined : bytes(valueSize, from);
          const numbers = Array.from({ length: size }, (_, i) => from + i);
          const names = numbers.filter((n) => n % gap !== 1).map((n) => `k${10_000 + n}`);
          const changes = batch({ items: names.map((name) => [name, change]) });
          await runAsync(store.commit(changes, { durability: 'relaxed' }));
          model.apply(changes);
        }
        expect(await itemTexts(store)).toEqual(model.sortedItems());
        await runAsync(store.close());
        expect((await origin.check()).items).toBe(model.items.size);
      }),
      { numRuns: 40 },
    );
  });
});
