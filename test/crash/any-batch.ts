// Random batches for a store, small enough that many of them touch the same.

import fc from 'fast-check';
import { runAsync } from '../../src/lib/op.ts';
import type { MemoryStore } from '../../src/store/memory-store.ts';
import type { MemoryStoreSnapshot } from '../../src/store/memory-view.ts';
import { BLOCK_SIZE, type Batch, type Store } from '../../src/store/store.ts';

const OBJECT = 7;
const BLOCKS = 30;

/** Everything that a store holds, as text. */
export async function contentOf(store: Store): Promise<string> {
  const items = await runAsync(store.scan({ from: '', to: '\uffff', limit: Infinity }));
  const runs = await runAsync(store.read(OBJECT, 0, BLOCKS * BLOCK_SIZE));
  const blocks = new Map<number, number>();
  for (const { offset, bytes } of runs) {
    for (let at = 0; at < bytes.length; at += BLOCK_SIZE) {
      blocks.set((offset + at) / BLOCK_SIZE, bytes[at] ?? 0);
    }
  }
  const sorted = [...blocks].sort(([a], [b]) => a - b);
  return JSON.stringify([items.map(({ key, value }) => [key, value.length, value[0]]), sorted]);
}

/** What a store holds, to compare and to go back to. */
export interface State {
  readonly snapshot: MemoryStoreSnapshot;
  readonly content: string;
}

export async function stateOf(store: MemoryStore): Promise<State> {
  return { snapshot: store.snapshot(), content: await contentOf(store) };
}

const item = fc.tuple(fc.nat(200), fc.option(fc.integer({ min: 1, max: 250 }), { nil: undefined }));
const write = fc.record({ block: fc.nat(BLOCKS - 1), count: fc.integer({ min: 1, max: 8 }) });
/** A batch of items and of blocks of one object. */
export const anyBatch = fc.record({
  items: fc.array(item, { maxLength: 60 }),
  write,
  seed: fc.nat(254),
});

export interface BatchValues {
  readonly items: readonly (readonly [number, number | undefined])[];
  readonly write: { readonly block: number; readonly count: number };
  readonly seed: number;
}

export function toBatch({ items, write: { block, count }, seed }: BatchValues): Batch {
  const size = Math.min(count, BLOCKS - block) * BLOCK_SIZE;
  const bytes = new Uint8Array(size).fill(seed + 1);
  return {
    items: new Map(
      items.map(([number, length]) => [
        `key ${String(number)}`,
        length === undefined ? undefined : new Uint8Array(length * 8).fill(seed),
      ]),
    ),
    discards: [],
    writes: [{ object: OBJECT, run: { offset: block * BLOCK_SIZE, bytes } }],
  };
}

/** Numbers in [0, 1), the same for the same seed. */
export function randomOf(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
