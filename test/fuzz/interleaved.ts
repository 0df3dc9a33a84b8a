// Runs operations of several tasks at once on idbfs, one step at a time in a given order. A step
// goes on until the operation has to wait: for an item or a chunk of the store, a lock, or a
// commit.

import type { Idbfs } from '../../src/fs/idbfs/idbfs.ts';
import type { IdbfsLimits } from '../../src/fs/idbfs/options.ts';
import type { TaskSyscalls } from '../../src/kernel/task-syscalls.ts';
import type { Clock } from '../../src/lib/clock.ts';
import { type Op, type Wait, WaitQueue } from '../../src/lib/op.ts';
import type {
  Batch,
  ByteRange,
  Durability,
  Item,
  Run,
  ScanOptions,
} from '../../src/store/store.ts';
import { MemoryStore } from '../../src/store/memory-store.ts';
import type { MemoryStoreSnapshot } from '../../src/store/memory-view.ts';
import { newTask, openIdbfs, type Session } from '../support/history/session.ts';

/** Waits for nothing but its turn. */
const NEXT_TURN: Wait = {
  subscribe(wake) {
    let isLive = true;
    queueMicrotask(() => {
      if (isLive) wake();
    });
    return () => {
      isLive = false;
    };
  },
};

/** A store where every access takes a step, and a commit several. */
class SteppedStore extends MemoryStore {
  readonly #stepsOfCommit: number;
  readonly #stepped = new WaitQueue();
  #steps = 0;
  /** What a crash could have left, from every commit. */
  readonly snapshots: MemoryStoreSnapshot[] = [];

  constructor(commitSteps: number) {
    super();
    this.#stepsOfCommit = commitSteps;
  }

  step(): void {
    this.#steps++;
    this.#stepped.wakeAll();
  }

  override *get(key: string): Op<Uint8Array | undefined> {
    yield NEXT_TURN;
    return yield* super.get(key);
  }

  override *scan(options: ScanOptions): Op<Item[]> {
    yield NEXT_TURN;
    return yield* super.scan(options);
  }

  override *read(object: number, offset: number, length: number): Op<Run[]> {
    yield NEXT_TURN;
    return yield* super.read(object, offset, length);
  }

  override *dataRanges(object: number, offset: number, length: number): Op<ByteRange[]> {
    yield NEXT_TURN;
    return yield* super.dataRanges(object, offset, length);
  }

  override *nextData(object: number, offset: number): Op<number | undefined> {
    yield NEXT_TURN;
    return yield* super.nextData(object, offset);
  }

  override *commit(batch: Batch, options: { readonly durability: Durability }): Op<void> {
    yield* this.#commitSteps();
    yield* super.commit(batch, options);
    this.snapshots.push(this.snapshot());
  }

  override *log(batch: Batch): Op<boolean> {
    yield* this.#commitSteps();
    const isLogged = yield* super.log(batch);
    this.snapshots.push(this.snapshot());
    return isLogged;
  }

  *#commitSteps(): Op<void> {
    const end = this.#steps + this.#stepsOfCommit;
    while (this.#steps < end) yield this.#stepped;
  }
}

/** An operation under way. */
class Runner<T> {
  readonly #op: Op<T>;
  isReady = true;
  result: { readonly value: T } | undefined;

  constructor(op: Op<T>) {
    this.#op = op;
  }

  /** Goes on until it has to wait. */
  step(): void {
    this.isReady = false;
    const next = this.#op.next();
    if (next.done === true) {
      this.result = { value: next.value };
      return;
    }
    next.value.subscribe(() => {
      this.isReady = true;
    });
  }
}

function settle(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

const STEPS_MAX = 10_000;

export class Interleaving {
  readonly store: SteppedStore;
  readonly #clock: Clock;
  readonly #limits: IdbfsLimits | undefined;
  session!: Session<Idbfs>;

  constructor(options: {
    readonly snapshot: MemoryStoreSnapshot;
    readonly clock: Clock;
    readonly commitSteps: number;
    readonly limits?: IdbfsLimits;
  }) {
    this.store = new SteppedStore(options.commitSteps);
    this.store.restore(options.snapshot);
    this.#clock = options.clock;
    this.#limits = options.limits;
  }

  async mount(): Promise<void> {
    const options = { store: this.store, clock: this.#clock, limits: this.#limits };
    this.session = await this.finish(openIdbfs({ ...options, cacheSize: 0, dirtyLimit: 2000 }));
  }

  newTask(): TaskSyscalls {
    return newTask(this.session.vfs, this.#clock).sys;
  }

  /**
   * Runs all to their ends. `choices`: which of those that can go on does, one number a step; then
   * the first one that can.
   */
  async run<T>(ops: readonly Op<T>[], choices: readonly number[]): Promise<T[]> {
    const runners = ops.map((op) => new Runner(op));
    for (let step = 0; runners.some(({ result }) => result === undefined); step++) {
      if (step > STEPS_MAX) throw new Error('the operations wait for each other');
      const ready = runners.filter(({ isReady }) => isReady);
      ready[(choices[step] ?? 0) % ready.length]?.step();
      this.store.step();
      await settle();
    }
    return runners.map(({ result }) => result!.value);
  }

  /** Lets commits go on until one of these ends. */
  async finish<T>(op: Op<T>): Promise<T> {
    const [value] = await this.run([op], []);
    return value as T;
  }
}
