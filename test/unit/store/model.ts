// What a store ought to hold, and random batches: for tests that compare stores with a model.

import fc from 'fast-check';
import { expect } from 'vitest';
import { runAsync } from '../../../src/lib/op.ts';
import { BLOCK_SIZE } from '../../../src/store/store.ts';
import type { Batch, ByteRange, Store } from '../../../src/store/store.ts';
import { allItems, batch, blocksOf, bytes, digest } from './support.ts';

const OBJECTS = [0, 1, 3, 2 ** 40];
const BLOCKS = 40;

/** What a store ought to hold. */
export class Model {
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

  copy(): Model {
    const copy = new Model();
    for (const [key, value] of this.items) copy.items.set(key, value);
    for (const [at, text] of this.blocks) copy.blocks.set(at, text);
    return copy;
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

/** Any changes of items, objects, or both. */
export const anyBatch = fc
  .record({
    items,
    discards: fc.array(discard, { maxLength: 3 }),
    writes: fc.array(write, { maxLength: 6 }).map(withoutOverlaps),
  })
  .map(batch);

/** The same, and mostly small enough to be logged. */
export const smallBatch = fc
  .record({
    items: fc.array(fc.tuple(key, fc.option(value, { nil: undefined, freq: 3 })), { maxLength: 5 }),
    discards: fc.array(discard, { maxLength: 2 }),
    writes: fc.array(write, { maxLength: 1 }),
  })
  .map(batch);

export async function itemTexts(store: Store): Promise<[string, string][]> {
  return (await allItems(store)).map(([name, data]) => [name, digest(data)]);
}

function blocksOfRange({ from, to }: ByteRange): number[] {
  return Array.from({ length: (to - from) / BLOCK_SIZE }, (_, i) => from + i * BLOCK_SIZE);
}

/** All that is in nine blocks, and then every second of them. */
function checkAtOnce(
  store: Store,
  object: number,
  start: number,
  blocks: readonly (readonly [at: number, digest: string])[],
): void {
  const within = { from: start, to: start + 9 * BLOCK_SIZE };
  const some = [0, 2, 4].map((block) => start + block * BLOCK_SIZE);
  const wanted = some.map((from) => ({ from, to: from + BLOCK_SIZE }));
  for (const ranges of [[within], wanted]) {
    const found = store.readAtOnce?.(object, within, ranges);
    if (found === undefined) continue;
    expect(found.ranges.flatMap(blocksOfRange)).toEqual(blocks.map(([at]) => at));
    const isWanted = (at: number): boolean => ranges.some(({ from, to }) => from <= at && at < to);
    expect(blocksOf(found.runs)).toEqual(blocks.filter(([at]) => isWanted(at)));
  }
}

export async function checkAll(store: Store, model: Model): Promise<void> {
  expect(await itemTexts(store)).toEqual(model.sortedItems());
  for (const object of OBJECTS) {
    const blocks = model.blocksOf(object);
    const runs = await runAsync(store.read(object, 0, BLOCKS * BLOCK_SIZE));
    expect(blocksOf(runs)).toEqual(blocks);
    for (const from of [0, 3, 8, 17].map((block) => block * BLOCK_SIZE)) {
      const part = await runAsync(store.read(object, from, 9 * BLOCK_SIZE));
      const inPart = blocks.filter(([at]) => at >= from && at < from + 9 * BLOCK_SIZE);
      expect(blocksOf(part)).toEqual(inPart);
      const ranges = await runAsync(store.dataRanges(object, from, 9 * BLOCK_SIZE));
      expect(ranges.flatMap(blocksOfRange)).toEqual(inPart.map(([at]) => at));
      checkAtOnce(store, object, from, inPart);
      const next = blocks.find(([at]) => at >= from);
      expect(await runAsync(store.nextData(object, from))).toBe(next?.[0]);
    }
  }
  for (const [name, data] of model.items) {
    expect(digest((await runAsync(store.get(name))) ?? bytes(0))).toBe(digest(data));
  }
}
