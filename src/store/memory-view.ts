// What a store in memory holds at some moment, and a view of it.

import type { Op } from '../lib/op.ts';
import { numberKey } from './number-key.ts';
import { BLOCK_SIZE, type Run } from './store.ts';
import type { StoreReport, StoreView, ViewEntries, ViewEntry } from './store-view.ts';

export interface MemoryStoreSnapshot {
  readonly keys: readonly string[];
  readonly items: ReadonlyMap<string, Uint8Array>;
  readonly objects: ReadonlyMap<number, Blocks>;
}

/**
 * Block index → its bytes, a whole block. Neither blocks nor this map change once they are there.
 */
export type Blocks = ReadonlyMap<number, Uint8Array>;

export class MemoryView implements StoreView {
  readonly #state: MemoryStoreSnapshot;
  #entries: ViewEntry[] | undefined;

  constructor(state: MemoryStoreSnapshot) {
    this.#state = state;
  }

  *get(key: string): Op<Uint8Array | undefined> {
    return this.#state.items.get(key);
  }

  *read(object: number, offset: number, length: number): Op<Run[]> {
    return runsOf(this.#state, object, offset, length);
  }

  *entries(from: string, limit: number): Op<ViewEntries> {
    this.#entries ??= entriesOf(this.#state);
    const start = this.#entries.findIndex(({ key }) => key >= from);
    if (start < 0) return { entries: [], next: undefined };
    const entries = this.#entries.slice(start, start + limit);
    return { entries, next: this.#entries[start + limit]?.key };
  }

  *check(): Op<StoreReport> {
    return { problems: [], damaged: [], damagedElsewhere: [], usedBytes: 0, freeBytes: 0 };
  }

  close(): void {
    // What it holds is its own.
  }
}

function entriesOf({ items, objects }: MemoryStoreSnapshot): ViewEntry[] {
  const entries: ViewEntry[] = [];
  for (const [key, value] of items) entries.push({ kind: 'item', key, value });
  for (const [object, blocks] of objects) {
    for (const index of blocks.keys()) {
      const place = { object, offset: index * BLOCK_SIZE, length: BLOCK_SIZE };
      entries.push({ kind: 'data', key: numberKey(object) + numberKey(index), ...place });
    }
  }
  return entries.sort((a, b) => (a.key < b.key ? -1 : 1));
}

/** The data of an object within [offset, offset + length). */
export function runsOf(
  { objects }: MemoryStoreSnapshot,
  object: number,
  offset: number,
  length: number,
): Run[] {
  const blocks = objects.get(object);
  const runs: Run[] = [];
  for (const index of sortedFrom(blocks, offset / BLOCK_SIZE)) {
    if (index >= (offset + length) / BLOCK_SIZE) break;
    const bytes = blocks?.get(index);
    if (bytes !== undefined) runs.push({ offset: index * BLOCK_SIZE, bytes: bytes.slice() });
  }
  return runs;
}

export function sortedFrom(blocks: Blocks | undefined, first: number): number[] {
  return [...(blocks?.keys() ?? [])].filter((index) => index >= first).sort((a, b) => a - b);
}
