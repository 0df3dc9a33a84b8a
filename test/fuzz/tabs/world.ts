// A site with several tabs on one store in memory, any of which can be killed at any moment.

import type { Kernel } from '../../../src/kernel/kernel.ts';
import { FakeClock } from '../../../src/lib/clock.ts';
import { type Op, runAsync, waitFor } from '../../../src/lib/op.ts';
import { MemoryStore } from '../../../src/store/memory-store.ts';
import type { MemoryStoreSnapshot } from '../../../src/store/memory-view.ts';
import type { HeldSourceLock } from '../../../src/store/source-lock.ts';
import type { Batch, Durability } from '../../../src/store/store.ts';
import { Actor } from '../../support/scene.ts';
import { bootKernel } from '../../support/kernels.ts';
import { Site, type SiteOptions, type Tab } from '../../support/site.ts';

/** What the tabs' stores are of: the state of the last commit. */
class Medium {
  snapshot: MemoryStoreSnapshot | undefined;
  /** Called when a commit of a tab has succeeded. */
  onCommit: (tab: Tab) => void = () => undefined;
}

/** The store of one tab: a dead tab commits nothing. */
class TabStore extends MemoryStore {
  readonly #medium: Medium;
  readonly #tab: Tab;
  readonly #lock: HeldSourceLock | undefined;
  readonly #delay: number;

  constructor(
    medium: Medium,
    options: {
      readonly tab: Tab;
      readonly lock: HeldSourceLock | undefined;
      readonly delay: number;
    },
  ) {
    super({ yields: true });
    this.#medium = medium;
    this.#tab = options.tab;
    this.#lock = options.lock;
    this.#delay = options.delay;
    if (medium.snapshot !== undefined) this.restore(medium.snapshot);
  }

  override *commit(batch: Batch, options: { readonly durability: Durability }): Op<void> {
    yield* this.#write(super.commit(batch, options));
  }

  override *log(batch: Batch): Op<boolean> {
    return yield* this.#write(super.log(batch));
  }

  *#write<T>(write: Op<T>): Op<T> {
    for (let i = 0; i < this.#delay; i++) yield* waitFor(Promise.resolve());
    if (!this.#tab.isAlive) yield* waitFor(new Promise<never>(() => undefined));
    const result = yield* write;
    if (!this.#tab.isAlive) yield* waitFor(new Promise<never>(() => undefined));
    this.#medium.snapshot = this.snapshot();
    this.#medium.onCommit(this.#tab);
    if (!this.#tab.isAlive) yield* waitFor(new Promise<never>(() => undefined));
    return result;
  }

  override *close(): Op<void> {
    yield* super.close();
    if (this.#lock !== undefined) yield* waitFor(this.#lock.release());
  }
}

export interface WorldOptions extends SiteOptions {
  /** Milliseconds from a change to its commit; a turn of the event loop is one. */
  readonly commitInterval: number;
  /** Turns of the microtask queue that a commit takes before it happens. */
  readonly commitDelay: number;
}

/** A tab with its kernel and a task. */
export interface OpenTab {
  readonly tab: Tab;
  readonly kernel: Kernel;
  readonly actor: Actor;
}

function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

export class World {
  readonly site: Site;
  readonly #clock = new FakeClock();
  readonly #medium = new Medium();
  readonly #options: WorldOptions;
  readonly #tabs: OpenTab[] = [];
  #isOver = false;

  constructor(options: WorldOptions) {
    this.#options = options;
    this.site = new Site(options);
    void this.#tick();
  }

  /** Time passes for everybody, a millisecond a turn. */
  async #tick(): Promise<void> {
    while (!this.#isOver) {
      await turn();
      this.#clock.advance(1);
    }
  }

  async openTab(): Promise<OpenTab> {
    const tab = this.site.openTab();
    const { commitInterval, commitDelay: delay } = this.#options;
    const kernel = await bootKernel(
      { type: 'idbfs', source: 'shared', options: { commitInterval, lockTimeout: 60_000 } },
      {
        clock: this.#clock,
        tabs: tab,
        openStore: (_source, _options, lock) =>
          Promise.resolve(new TabStore(this.#medium, { tab, lock, delay })),
      },
    );
    const actor = new Actor(await runAsync(kernel.createTask({})));
    const opened = { tab, kernel, actor };
    this.#tabs.push(opened);
    return opened;
  }

  set onCommit(onCommit: (tab: Tab) => void) {
    this.#medium.onCommit = onCommit;
  }

  get living(): readonly OpenTab[] {
    return this.#tabs.filter(({ tab }) => tab.isAlive);
  }

  /** The tab that holds the store, if one does. */
  get holder(): OpenTab | undefined {
    return this.living.find(({ kernel }) => kernel.mounts[0]?.holder === 'this-tab');
  }

  /** What is committed, once every tab has closed. */
  async end(): Promise<MemoryStoreSnapshot> {
    for (const { kernel, tab } of this.living) {
      await runAsync(kernel.shutdown());
      tab.kill();
    }
    this.#isOver = true;
    if (this.#medium.snapshot === undefined) throw new Error('nothing was ever committed');
    return this.#medium.snapshot;
  }
}
