// Random batches against a naive model: the store shows what the model has, after every commit,
// after failed ones and after reopening; what is read meanwhile is of one moment.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import { runAsync } from '../../../src/lib/op.ts';
import type { Engine } from '../../../src/store/engine/engine.ts';
import { MemoryDevice } from '../../../src/store/engine/memory-device.ts';
import { MemoryStore } from '../../../src/store/memory-store.ts';
import type { Batch, Store } from '../../../src/store/store.ts';
import { anyBatch, checkAll, itemTexts, Model, smallBatch } from './model.ts';
import { batch, bytes, COMMIT_TRIES, failNextTransaction, Origin } from './support.ts';
import { expectClean, openEngine, reopenEngine } from './engine/support.ts';

const step = fc.record({
  batch: anyBatch,
  small: smallBatch,
  durability: fc.constantFrom('relaxed', 'strict'),
  then: fc.constantFrom('go on', 'go on', 'reopen', 'fail', 'clear', 'log', 'log and reopen'),
});

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

function idbSubject(name: string, cacheBytes: number | undefined, prefersBlobs = false): Subject {
  let origin = new Origin(prefersBlobs);
  return {
    name,
    open() {
      origin = new Origin(prefersBlobs);
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

function engineSubject(name: string, cacheBytes: number, yields = true): Subject {
  let device = new MemoryDevice();
  return {
    name,
    open() {
      device = new MemoryDevice({ yields });
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
  engineSubject('engine that never waits', 1 << 20, false),
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
  idbSubject('engine on IndexedDB with blobs, with next to no cache', 1000, true),
];

describe.each(SUBJECTS)('$name', (subject) => {
  test('shows what the model has', { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
        const model = new Model();
        let store = await subject.open();
        let logged: Batch | undefined;
        for (const { batch: changes, small, durability, then } of steps) {
          if (then === 'log' || then === 'log and reopen') {
            // It isn't shown, and the next commit takes its place; after a crash it is there.
            if (await runAsync(store.log(small))) logged = small;
          } else if (then === 'fail') {
            subject.failNext(store);
            const failed = runAsync(store.commit(changes, { durability }));
            await expect(failed).rejects.toBe(linuxerr.ENOSPC);
          } else {
            const next = then === 'clear' ? clearing(model) : changes;
            const committed = runAsync(store.commit(next, { durability }));
            const before = model.sortedItems();
            const meanwhile = itemTexts(store);
            await committed;
            logged = undefined;
            model.apply(next);
            expect([before, model.sortedItems()]).toContainEqual(await meanwhile);
          }
          if (then === 'reopen' || then === 'log and reopen') {
            store = await subject.reopen(store);
            if (logged !== undefined) model.apply(logged);
            logged = undefined;
          }
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
