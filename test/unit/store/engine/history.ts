// Random histories of an engine with several trees, beside models of each: what the tests of
// snapshots do, on any device.

import fc from 'fast-check';
import { expect } from 'vitest';
import { type LinuxError, linuxerr } from '../../../../src/abi/errno.ts';
import { runAsync } from '../../../../src/lib/op.ts';
import type { Engine } from '../../../../src/store/engine/engine.ts';
import type { Batch, Store } from '../../../../src/store/store.ts';
import { anyBatch, checkAll, Model } from '../model.ts';
import { batch, bytes } from '../support.ts';

const LONG = 'ж'.repeat(480);
const NAMES = ['a', 'b', 'c', 'd'];

/** Trees are named by their place among those there are: 0 is the main one. */
export type Step =
  | { readonly kind: 'commit'; readonly tree: number; readonly batch: Batch }
  | {
      readonly kind: 'snapshot';
      readonly tree: number;
      readonly name: string;
      readonly isReadOnly: boolean;
    }
  | { readonly kind: 'delete'; readonly name: string }
  | { readonly kind: 'rollback'; readonly name: string; readonly keepAs: string | null }
  | { readonly kind: 'clear'; readonly tree: number }
  | { readonly kind: 'fill'; readonly tree: number; readonly from: number; readonly size: number }
  | { readonly kind: 'reopen' }
  /** The next step fails. */
  | { readonly kind: 'fail' };

const tree = fc.nat(NAMES.length);
const name = fc.constantFrom(...NAMES);
const commit = fc.record({ kind: fc.constant('commit' as const), tree, batch: anyBatch });

export const anyStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: commit },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('snapshot' as const),
      tree,
      name,
      isReadOnly: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('delete' as const), name }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('rollback' as const),
      name,
      keepAs: fc.option(name),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('clear' as const), tree }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('fill' as const),
      tree,
      from: fc.nat(200),
      size: fc.constantFrom(5, 100, 850),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'reopen' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'fail' as const }) },
);

interface ModelTree {
  readonly model: Model;
  readonly isReadOnly: boolean;
}

/** All trees as they ought to be. */
export class Forest {
  main = new Model();
  readonly named = new Map<string, ModelTree>();

  /** The name and model of the tree that a number means; undefined: the main one. */
  find(number: number): { name: string | undefined; tree: ModelTree } {
    const names = [undefined, ...this.named.keys()];
    const found = names[number % names.length];
    const named = found === undefined ? undefined : this.named.get(found);
    return { name: found, tree: named ?? { model: this.main, isReadOnly: false } };
  }

  copy(): Forest {
    const copy = new Forest();
    copy.main = this.main.copy();
    for (const [name, { model, isReadOnly }] of this.named) {
      copy.named.set(name, { model: model.copy(), isReadOnly });
    }
    return copy;
  }
}

/** A history under way. */
export class History {
  engine: Engine;
  readonly forest = new Forest();
  readonly #open = new Map<string, Store>();
  #step = 0;

  constructor(engine: Engine) {
    this.engine = engine;
  }

  /** The store of a tree, which stays open. */
  async store(name: string | undefined): Promise<Store> {
    if (name === undefined) return this.engine;
    let store = this.#open.get(name);
    if (store === undefined) {
      store = await runAsync(this.engine.subvolumes.open(name));
      this.#open.set(name, store);
    }
    return store;
  }

  async #close(name: string): Promise<void> {
    const store = this.#open.get(name);
    this.#open.delete(name);
    if (store !== undefined) await runAsync(store.close());
  }

  /** Closes the trees that are open. */
  async close(): Promise<void> {
    for (const name of [...this.#open.keys()]) await this.#close(name);
  }

  reopened(engine: Engine): void {
    this.engine = engine;
    this.#open.clear();
  }

  /**
   * Does a step, which has to have the outcome that the model says. `fail` makes the next commit
   * fail with ENOSPC.
   */
  async do(step: Exclude<Step, { kind: 'reopen' | 'fail' }>, fail?: () => void): Promise<void> {
    this.#step++;
    const { error, run, apply } = await this.#plan(step);
    const fails = error === undefined && fail !== undefined;
    if (fails) fail();
    const outcome = runAsync(run());
    const wanted = fails ? linuxerr.ENOSPC : error;
    if (wanted !== undefined) await expect(outcome).rejects.toBe(wanted);
    else {
      await outcome;
      apply();
    }
  }

  async #plan(step: Exclude<Step, { kind: 'reopen' | 'fail' }>): Promise<{
    error?: LinuxError | undefined;
    run: () => ReturnType<Store['commit']>;
    apply: () => void;
  }> {
    const { subvolumes } = this.engine;
    const { forest } = this;
    const createdAt = this.#step;
    switch (step.kind) {
      case 'commit':
      case 'fill':
      case 'clear': {
        const { name, tree } = forest.find(step.tree);
        const store = await this.store(name);
        const batch = batchOf(step, tree.model);
        return {
          error: tree.isReadOnly ? linuxerr.EROFS : undefined,
          run: () => store.commit(batch, { durability: 'relaxed' }),
          apply: () => {
            tree.model.apply(batch);
          },
        };
      }
      case 'snapshot': {
        const { name: of, tree } = forest.find(step.tree);
        const { name, isReadOnly } = step;
        return {
          error: forest.named.has(name) ? linuxerr.EEXIST : undefined,
          run: () => subvolumes.snapshot({ of, name, createdAt, isReadOnly }),
          apply: () => forest.named.set(name, { model: tree.model.copy(), isReadOnly }),
        };
      }
      case 'delete':
        await this.#close(step.name);
        return {
          error: forest.named.has(step.name) ? undefined : linuxerr.ENOENT,
          run: () => subvolumes.delete(step.name),
          apply: () => forest.named.delete(step.name),
        };
      case 'rollback': {
        await this.#close(step.name);
        const { keepAs } = step;
        const tree = forest.named.get(step.name);
        const isTaken = keepAs !== null && forest.named.has(keepAs);
        const info = keepAs === null ? null : { name: keepAs, createdAt, isReadOnly: true };
        return {
          error: tree === undefined ? linuxerr.ENOENT : isTaken ? linuxerr.EEXIST : undefined,
          run: () => subvolumes.rollback(step.name, { keepAs: info }),
          apply: () => {
            if (keepAs !== null) forest.named.set(keepAs, { model: forest.main, isReadOnly: true });
            forest.main = tree?.model.copy() ?? new Model();
          },
        };
      }
    }
  }

  /** Every tree is as its model. */
  async check(): Promise<void> {
    const list = await runAsync(this.engine.subvolumes.list());
    const names = list.map(({ name, isReadOnly }) => [name, isReadOnly]);
    const wanted = [...this.forest.named].map(([name, tree]) => [name, tree.isReadOnly]);
    expect(names).toEqual(wanted.sort(([a = ''], [b = '']) => (a < b ? -1 : 1)));
    await checkAll(this.engine, this.forest.main);
    for (const [name, { model }] of this.forest.named)
      await checkAll(await this.store(name), model);
  }
}

function batchOf(step: Extract<Step, { kind: 'commit' | 'fill' | 'clear' }>, model: Model): Batch {
  if (step.kind === 'commit') return step.batch;
  return step.kind === 'fill' ? filling(step) : clearing(model);
}

/** Keys so long that the tree has inner nodes below its root. */
function filling({ from, size }: { from: number; size: number }): Batch {
  const numbers = Array.from({ length: size }, (_, i) => from + i);
  const items = numbers.map((n) => [`${1000 + n}${LONG}`, bytes(3, n + size)] as const);
  return batch({ items });
}

/** Deletes every item and object. */
function clearing(model: Model): Batch {
  const objects = new Set([...model.blocks.keys()].map((at) => Number(at.split(':')[0])));
  return {
    items: new Map([...model.items.keys()].map((key) => [key, undefined])),
    discards: [...objects].map((object) => ({ object, from: 0, to: Infinity })),
    writes: [],
  };
}

/** Waits, a limited time, until what `isDone` asks for is so. */
export async function until(isDone: () => Promise<boolean>): Promise<void> {
  for (let turn = 0; turn < 2000; turn++) {
    if (await isDone()) return;
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  expect.unreachable('it did not come to an end');
}
