// SteppedStore: a store in memory where every access waits for a step of the scheduler. A commit
// waits twice: what it writes may be read before it is known to have ended. Where there are
// commits, other accesses wait twice, too: what they found may be old when it arrives.

import type { Op, Wait } from '../../src/lib/op.ts';
import { MemoryStore } from '../../src/store/memory-store.ts';
import type { MemoryStoreSnapshot } from '../../src/store/memory-view.ts';
import type {
  Batch,
  ByteRange,
  Durability,
  Item,
  Run,
  ScanOptions,
} from '../../src/store/store.ts';
import { type Observer, placeOfData } from './instruments.ts';

/** Whoever yields this can go on at once. The scheduler knows it and never subscribes. */
export const NEXT_STEP: Wait = {
  subscribe() {
    throw new Error('nobody but the scheduler runs operations here');
  },
};

export class SteppedStore extends MemoryStore {
  readonly #observer: Observer;
  /** Off while a scene is set up and cleared away. */
  isStepped = false;
  /** Does anything change while operations are under way? */
  hasCommits = false;
  /** Lets the commit under way go on, if there is one. */
  resumeCommit: (() => void) | undefined;
  readonly #onCommitted: (snapshot: MemoryStoreSnapshot) => void;

  constructor(observer: Observer, onCommitted: (snapshot: MemoryStoreSnapshot) => void) {
    super();
    this.#observer = observer;
    this.#onCommitted = onCommitted;
  }

  override *get(key: string): Op<Uint8Array | undefined> {
    // What it will fill the caches with is reported when it does.
    yield* this.#leave(key, 'get', 'read');
    const value = yield* super.get(key);
    yield* this.#arrive(key, 'read');
    return value;
  }

  override *scan(options: ScanOptions): Op<Item[]> {
    yield* this.#leave(options.from, 'scan', 'read');
    const items = yield* super.scan(options);
    yield* this.#arrive(options.from, 'read');
    return items;
  }

  override *read(object: number, offset: number, length: number): Op<Run[]> {
    const place = placeOfData(object);
    yield* this.#leave(place, 'read', 'write');
    const runs = yield* super.read(object, offset, length);
    yield* this.#arrive(place, 'write');
    return runs;
  }

  override *dataRanges(object: number, offset: number, length: number): Op<ByteRange[]> {
    const place = placeOfData(object);
    yield* this.#leave(place, 'dataRanges', 'read');
    const ranges = yield* super.dataRanges(object, offset, length);
    yield* this.#arrive(place, 'read');
    return ranges;
  }

  override *nextData(object: number, offset: number): Op<number | undefined> {
    const place = placeOfData(object);
    yield* this.#leave(place, 'nextData', 'read');
    const found = yield* super.nextData(object, offset);
    yield* this.#arrive(place, 'read');
    return found;
  }

  *#leave(place: string, access: string, effect: 'read' | 'write'): Op<void> {
    if (!this.isStepped) return;
    this.#observer[effect](place);
    this.#observer.waitsForStore(access, place);
    yield NEXT_STEP;
    this.#observer[effect](place);
  }

  *#arrive(place: string, effect: 'read' | 'write'): Op<void> {
    if (!this.isStepped || !this.hasCommits) return;
    yield NEXT_STEP;
    this.#observer[effect](place);
  }

  override *commit(batch: Batch, options: { readonly durability: Durability }): Op<void> {
    yield* this.#stepwise(super.commit(batch, options));
  }

  override *log(batch: Batch): Op<boolean> {
    return yield* this.#stepwise(super.log(batch));
  }

  *#stepwise<T>(write: Op<T>): Op<T> {
    yield* this.#commitStep();
    const result = yield* write;
    this.#observer.writeEverything();
    this.#onCommitted(this.snapshot());
    yield* this.#commitStep();
    this.#observer.writeEverything();
    return result;
  }

  *#commitStep(): Op<void> {
    if (!this.isStepped) return;
    yield {
      subscribe: (wake) => {
        this.resumeCommit = wake;
        return () => {
          this.resumeCommit = undefined;
        };
      },
    };
  }
}
