// One run of a history on idbfs, with a model beside it, and a crash after every commit.
//
// The model is a tmpfs that does the same. Whenever a commit begins, what the model holds at that
// moment is what the store has to hold once the commit has succeeded, and what a mount after a
// crash has to show. Access times may be older than that: only sync() and unmounting write all.

import { expect } from 'vitest';
import type { LinuxError } from '../../src/abi/errno.ts';
import type { Idbfs } from '../../src/fs/idbfs/idbfs.ts';
import type { IdbfsLimits } from '../../src/fs/idbfs/options.ts';
import { FakeClock } from '../../src/lib/clock.ts';
import { type Op, runAsync, runSync, waitFor } from '../../src/lib/op.ts';
import { MemoryStore } from '../../src/store/memory-store.ts';
import type { MemoryStoreSnapshot } from '../../src/store/memory-view.ts';
import type { Batch, Durability } from '../../src/store/store.ts';
import {
  type Action,
  digest,
  type Outcome,
  perform,
  printAction,
} from '../support/history/action.ts';
import { PRELUDE } from '../support/history/generate.ts';
import { closeSession, openIdbfs, openTmpfs, type Session } from '../support/history/session.ts';
import { storeProblems } from '../support/history/store-check.ts';
import { readTree, treeInMemory, withoutAtime } from '../support/history/tree.ts';

export type Step =
  | { readonly kind: 'action'; readonly action: Action }
  /** Lets time pass: timers of the write-back go off. */
  | { readonly kind: 'advance'; readonly ms: number }
  /** The next commit fails. */
  | { readonly kind: 'fail'; readonly error: LinuxError }
  | { readonly kind: 'remount' };

export interface CrashOptions {
  readonly dirtyLimit: number;
  /** Turns of the microtask queue that each commit in turn takes before it happens. */
  readonly commitDelays: readonly number[];
  readonly limits?: IdbfsLimits;
}

/** What a commit has to bring into the store: one of `trees`. */
interface Expectation {
  readonly trees: string[][];
}

interface Commit {
  readonly snapshot: MemoryStoreSnapshot;
  readonly expectation: Expectation;
}

/** A store that reports its commits, takes its time for them, and looks after its batches. */
class CrashStore extends MemoryStore {
  readonly #delays: readonly number[];
  #commitCount = 0;
  /** No batch changed before its commit had ended. */
  isBatchIntact = true;
  onBegin: () => void = () => undefined;
  onSuccess: () => void = () => undefined;

  constructor(delays: readonly number[]) {
    super({ yields: true });
    this.#delays = delays;
  }

  override *commit(batch: Batch, options: { readonly durability: Durability }): Op<void> {
    yield* this.#begin(batch);
    yield* super.commit(batch, options);
    this.onSuccess();
  }

  override *log(batch: Batch): Op<boolean> {
    yield* this.#begin(batch);
    const isLogged = yield* super.log(batch);
    this.onSuccess();
    return isLogged;
  }

  *#begin(batch: Batch): Op<void> {
    this.onBegin();
    const before = printBatch(batch);
    const delay = this.#delays[this.#commitCount++ % this.#delays.length] ?? 0;
    for (let turn = 0; turn < delay; turn++) yield* waitFor(Promise.resolve());
    if (printBatch(batch) !== before) this.isBatchIntact = false;
  }
}

function printBatch({ items, writes }: Batch): string {
  const values = [...items].map(([key, value]) => [key, value === undefined ? '' : digest(value)]);
  const runs = writes.map(({ object, run }) => [object, run.offset, digest(run.bytes)]);
  return JSON.stringify([values, runs]);
}

export class CrashRun {
  readonly #store: CrashStore;
  readonly #clock = new FakeClock();
  readonly #modelClock = new FakeClock();
  readonly #options: CrashOptions;
  readonly #model: Session;
  #session!: Session<Idbfs>;
  /** Of the commit under way. */
  #expectation: Expectation | undefined;
  #isActing = false;
  /** Access times may differ from those of the model from here on. */
  #hasOtherAtimes = false;
  /** Began in the action under way: the tree after it is as good as the one before. */
  #openExpectations: Expectation[] = [];
  readonly #commits: Commit[] = [];
  readonly #log: string[] = [];

  constructor(options: CrashOptions) {
    this.#options = options;
    this.#store = new CrashStore(options.commitDelays);
    this.#model = openTmpfs(this.#modelClock);
    this.#store.onBegin = () => {
      this.#begin();
    };
    this.#store.onSuccess = () => {
      const expectation = this.#expectation;
      this.#expectation = undefined;
      if (expectation === undefined) throw new Error('a commit ended that had not begun');
      this.#commits.push({ snapshot: this.#store.snapshot(), expectation });
    };
  }

  #begin(): void {
    const expectation = {
      trees: [treeInMemory(this.#model.filesystem)],
    };
    this.#expectation = expectation;
    if (this.#isActing) this.#openExpectations.push(expectation);
  }

  async run(steps: readonly Step[]): Promise<void> {
    await this.#mount();
    for (const action of PRELUDE) await this.#act(action);
    for (const step of steps) await this.#step(step);
    const { filesystem } = this.#session;
    this.#disarm();
    await runAsync(filesystem.sync());
    await this.#expectCommitted('after the last sync');
    await runAsync(closeSession(this.#session));
    expect(this.#store.isBatchIntact, this.#log.join('\n')).toBe(true);
    for (const commit of this.#commits) await this.#checkCommit(commit);
  }

  get commitCount(): number {
    return this.#commits.length;
  }

  async #mount(): Promise<void> {
    const { dirtyLimit, limits } = this.#options;
    const options = { store: this.#store, clock: this.#clock, dirtyLimit, limits };
    this.#session = await runAsync(openIdbfs(options));
  }

  /** What was to fail and has not yet does not any more. */
  #disarm(): void {
    this.#store.restore(this.#store.snapshot());
  }

  async #step(step: Step): Promise<void> {
    switch (step.kind) {
      case 'advance':
        this.#clock.advance(step.ms);
        this.#modelClock.advance(step.ms);
        return;
      case 'fail':
        this.#store.failNextCommit(step.error);
        return;
      case 'remount':
        await this.#remount();
        return;
      case 'action':
        await this.#act(step.action);
    }
  }

  async #remount(): Promise<void> {
    this.#disarm();
    this.#model.task.fds.closeAll();
    this.#session.task.fds.closeAll();
    await runAsync(closeSession(this.#session));
    this.#store.restore(this.#store.snapshot());
    await this.#mount();
  }

  /** A medium that failed lets nobody write until a commit succeeds: the next one does. */
  async #recover(): Promise<void> {
    const { filesystem } = this.#session;
    if (!filesystem.isReadOnly) return;
    this.#disarm();
    await runAsync(filesystem.sync());
    expect(filesystem.isReadOnly).toBe(false);
  }

  async #act(action: Action): Promise<void> {
    await this.#recover();
    this.#isActing = true;
    let outcome = await runAsync(perform(this.#session.sys, action));
    // A commit that was under way failed in the meantime: nothing is changed any more then, by a
    // read as little as by a call that says so.
    if (this.#session.filesystem.isReadOnly) this.#hasOtherAtimes = true;
    if (outcome === 'EROFS') {
      await this.#recover();
      outcome = await runAsync(perform(this.#session.sys, action));
    }
    this.#isActing = false;
    const wanted = runSync(perform(this.#model.sys, action));
    this.#log.push(`${printAction(action)} = ${outcome}`);
    for (const expectation of this.#openExpectations) {
      expectation.trees.push(treeInMemory(this.#model.filesystem));
    }
    this.#openExpectations = [];
    const isSync = ['fsync', 'fdatasync', 'sync', 'syncfs'].includes(action.call);
    if (isSync && isCommitError(outcome)) return;
    this.#expectSame(outcome, wanted);
    if (!isSync || outcome !== '"done"') return;
    const hasAtimes = action.call === 'sync' || action.call === 'syncfs';
    await this.#expectCommitted(printAction(action), { hasAtimes });
  }

  #expectSame(outcome: Outcome, wanted: Outcome): void {
    const strip = (each: Outcome): Outcome =>
      this.#hasOtherAtimes ? each.replace(/"atime":{[^}]*}/, '') : each;
    if (strip(outcome) === strip(wanted)) return;
    throw new Error(`${wanted} expected:\n${this.#log.join('\n')}`);
  }

  /** What a mount shows now is what the model has. */
  async #expectCommitted(when: string, { hasAtimes = true } = {}): Promise<void> {
    const strip = (tree: string[]): string[] =>
      hasAtimes ? this.#comparable(tree) : withoutAtime(tree);
    const tree = strip(await this.#mountCopy(this.#store.snapshot()));
    const wanted = strip(treeInMemory(this.#model.filesystem));
    expect(tree, `${when}:\n${this.#log.join('\n')}`).toEqual(wanted);
  }

  async #checkCommit({ snapshot, expectation }: Commit): Promise<void> {
    expect(storeProblems(snapshot, { orphans: 'listed' }), this.#log.join('\n')).toEqual([]);
    const { trees } = expectation;
    const strip = (tree: string[]): string => withoutAtime(tree).join('\n');
    const tree = strip(await this.#mountCopy(snapshot));
    const wanted = trees.map(strip);
    if (!wanted.includes(tree)) expect(tree, this.#log.join('\n')).toEqual(wanted[0]);
  }

  #comparable(tree: string[]): string[] {
    return this.#hasOtherAtimes ? withoutAtime(tree) : tree;
  }

  /** Mounts a copy of the store as after a crash. Returns its tree. */
  async #mountCopy(snapshot: MemoryStoreSnapshot): Promise<string[]> {
    const store = new MemoryStore();
    store.restore(snapshot);
    const session = await runAsync(openIdbfs({ store, clock: new FakeClock() }));
    const tree = runSync(readTree(session.sys));
    await runAsync(closeSession(session));
    expect(storeProblems(store.snapshot(), { orphans: 'none' })).toEqual([]);
    return tree;
  }
}

function isCommitError(outcome: Outcome): boolean {
  return outcome === 'ENOSPC' || outcome === 'EIO';
}
