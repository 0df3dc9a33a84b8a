// World: one execution of a scenario. Each program is an actor; so are the commit under way and
// the timer that begins one. A step goes on until its actor has to wait.
//
// Nothing here is asynchronous: what wakes a program only marks it as able to go on, and whether it
// does so next is the explorer's choice.

import type { Idbfs } from '../../src/fs/idbfs/idbfs.ts';
import type { IdbfsLimits } from '../../src/fs/idbfs/options.ts';
import type { Inode } from '../../src/fs/shared/inode.ts';
import type { Clock, Timespec } from '../../src/lib/clock.ts';
import { type Mutex, type Op, runSync } from '../../src/lib/op.ts';
import type { MemoryStoreSnapshot } from '../../src/store/memory-view.ts';
import { type Outcome, perform } from '../support/history/action.ts';
import { newTask, openIdbfs, type Session } from '../support/history/session.ts';
import { leakedReferences } from '../support/references.ts';
import type { Machine } from './explore.ts';
import { type Footprint, FootprintRecorder, type Places } from './footprint.ts';
import { observe, type Observer } from './instruments.ts';
import { checkTreeInMemory, Ledger } from './invariants.ts';
import { describeFiles, describeMounts, type StoreReader } from './outcome.ts';
import {
  type Caching,
  isDeed,
  printStep,
  type Scenario,
  type Step,
  type TimedOutcome,
} from './scenario.ts';
import { NEXT_STEP, SteppedStore } from './stepped-store.ts';

/** What all executions of a scenario share. */
export interface Scene {
  readonly scenario: Scenario;
  readonly caching: Caching;
  readonly snapshot: MemoryStoreSnapshot;
  readonly places: Places;
  readonly reader: StoreReader;
  /** Throws if the tree, as a mount after a crash shows it, is of no moment between two calls. */
  checkCommitted(tree: string): void;
}

/** What came of one execution. */
export interface Result {
  /** Everything that can be told from outside. */
  readonly text: string;
  readonly calls: readonly (readonly TimedOutcome[])[];
  /** What the tasks have open. */
  readonly files: string;
  readonly mounts: string;
  /** What a mount of the store shows then. */
  readonly tree: string;
}

const LIMITS: Readonly<Record<Caching, IdbfsLimits>> = {
  roomy: { dentries: 1000, listingBatch: 256, cacheSizeMin: 1 << 20 },
  tiny: { dentries: 1, listingBatch: 2, cacheSizeMin: 10_000 },
};

/** Later than anything in the tree. All at one moment: times must not tell orders apart. */
const NOW: Timespec = { sec: 1_700_000_100, nsec: 0 };

class TimerClock implements Clock {
  /** Begins a commit. */
  callback: (() => void) | undefined;

  now(): Timespec {
    return NOW;
  }

  seconds(): number {
    return NOW.sec;
  }

  monotonicMs(): number {
    return 0;
  }

  setTimer(_ms: number, callback: () => void): () => void {
    this.callback = callback;
    return () => {
      this.callback = undefined;
    };
  }
}

type State = 'ready' | 'waiting' | 'done';

class Runner {
  readonly op: Op<void>;
  state: State = 'ready';
  /** For more than its turn: what it does when it is woken, the instruments may not see. */
  hasWaited = false;
  /** The step that woke it last. */
  wokenBy = -1;
  /** Bits of the places it has looked at. */
  seen = 0;
  readonly held: Mutex[] = [];

  constructor(op: Op<void>) {
    this.op = op;
  }
}

export class World implements Machine, Observer {
  readonly #scene: Scene;
  readonly #clock = new TimerClock();
  readonly #store: SteppedStore;
  readonly #session: Session<Idbfs>;
  readonly #sessions: readonly Session[];
  readonly #runners: readonly Runner[];
  readonly #calls: TimedOutcome[][];
  readonly #recorder: FootprintRecorder;
  readonly #ledger: Ledger;
  readonly #deferred: (() => void)[] = [];
  /** Set to have what happens written down. */
  trace: string[] | undefined;
  footprint: Footprint = { reads: 0, writes: 0 };
  #current: Runner | undefined;
  #stepCount = 0;
  #commitsLeft: number;
  #problem: string | undefined;
  #committed: MemoryStoreSnapshot | undefined;

  constructor(scene: Scene) {
    const { scenario, snapshot } = scene;
    this.#scene = scene;
    this.#recorder = new FootprintRecorder(scene.places);
    this.#ledger = new Ledger(snapshot.items);
    this.#commitsLeft = scenario.commitsMax ?? 0;
    this.#store = new SteppedStore(this, (committed) => {
      this.#committed = committed;
    });
    this.#store.restore(snapshot);
    this.#store.hasCommits = this.#commitsLeft > 0;
    this.#session = this.#observed(() => this.#mount());
    const { vfs } = this.#session;
    const { programs, opened = [], mounted = [] } = scenario;
    const first = newTask(vfs, this.#clock);
    this.#sessions = programs.map((_, index) => ({
      ...this.#session,
      ...(index === 0 || scenario.isOneTask === true ? first : newTask(vfs, this.#clock)),
    }));
    this.#session.task.end();
    this.#observed(() => {
      for (const deed of mounted) runSync(deed.run(this.#sessions[0]!));
      for (const session of new Set(scenario.isOneTask === true ? [first] : this.#sessions)) {
        for (const action of opened) runSync(perform(session.sys, action));
      }
    });
    this.#calls = programs.map(() => []);
    this.#runners = programs.map((steps, index) => new Runner(this.#program(steps, index)));
  }

  #mount(): Session<Idbfs> {
    const { caching, scenario } = this.#scene;
    const options = { store: this.#store, clock: this.#clock, limits: LIMITS[caching] };
    const dirtyLimit = scenario.dirtyLimit ?? 1 << 30;
    return runSync(openIdbfs({ ...options, cacheSize: 0, dirtyLimit }));
  }

  *#program(steps: readonly Step[], index: number): Op<void> {
    for (const [at, step] of steps.entries()) {
      if (at > 0) yield NEXT_STEP;
      yield* this.#perform(step, index);
    }
  }

  *#perform(step: Step, index: number): Op<void> {
    const session = this.#sessions[index]!;
    const call: TimedOutcome = { began: this.#stepCount, ended: -1, outcome: undefined };
    this.#calls[index]!.push(call);
    call.outcome = yield* isDeed(step) ? step.run(session) : perform(session.sys, step);
    // What a deed does it does in its last step.
    if (isDeed(step)) this.#recorder.writeEverything();
    call.ended = this.#stepCount;
    this.trace?.push(`    ${call.outcome}`);
  }

  // One after the other.

  /** Makes all calls, none of which waits: `order` says whose next call is the next one. */
  runInOrder(order: readonly number[]): void {
    const { programs } = this.#scene.scenario;
    const done = programs.map(() => 0);
    for (const index of order) {
      this.#observed(() => {
        runSync(this.#perform(programs[index]![done[index]!++]!, index));
      });
      this.#runDeferred();
      this.#stepCount++;
    }
  }

  /** A program whose calls `take` apart: it yields between two parts, and none of them waits. */
  *programInParts(
    index: number,
    take: (step: Step, session: Session) => Generator<void, Outcome, void>,
  ): Generator<void, void, void> {
    for (const [at, step] of this.#scene.scenario.programs[index]!.entries()) {
      if (at > 0) yield;
      const call: TimedOutcome = { began: this.#stepCount, ended: -1, outcome: undefined };
      this.#calls[index]!.push(call);
      call.outcome = yield* take(step, this.#sessions[index]!);
      call.ended = this.#stepCount;
    }
  }

  runPart(part: () => void): void {
    this.#observed(part);
    this.#runDeferred();
    this.#stepCount++;
  }

  // Interleaved.

  get enabled(): number {
    this.#store.isStepped = true;
    let mask = 0;
    for (const [index, { state }] of this.#runners.entries()) {
      if (state === 'ready') mask |= 1 << index;
    }
    const count = this.#runners.length;
    if (this.#store.resumeCommit !== undefined) mask |= 1 << count;
    if (this.#mayBeginCommit) mask |= 1 << (count + 1);
    return mask;
  }

  get #mayBeginCommit(): boolean {
    if (this.#commitsLeft === 0 || this.#clock.callback === undefined) return false;
    const { dirtyBytes, isCommitting } = this.#session.filesystem.commitStatus;
    return dirtyBytes > 0 && !isCommitting;
  }

  step(actor: number): void {
    const runner = this.#runners[actor];
    this.#store.isStepped = true;
    this.#current = runner;
    this.#recorder.begin(runner?.seen ?? 0);
    const hasWaited = runner?.hasWaited === true;
    this.trace?.push(this.#nameOf(actor));
    this.#observed(() => {
      if (runner !== undefined) this.#resume(runner);
      else if (actor === this.#runners.length) this.#resumeCommit();
      else this.#beginCommit();
    });
    const isShared = this.#scene.scenario.isOneTask === true;
    if (runner === undefined || hasWaited || isShared) this.#recorder.writeEverything();
    this.#runDeferred();
    this.footprint = this.#recorder.end();
    if (runner !== undefined) runner.seen |= this.#recorder.seen;
    this.#stepCount++;
  }

  #resume(runner: Runner): void {
    const next = runner.op.next();
    runner.hasWaited = false;
    if (next.done === true) {
      runner.state = 'done';
      return;
    }
    if (next.value === NEXT_STEP) return;
    runner.state = 'waiting';
    runner.hasWaited = true;
    this.trace?.push('    waits');
    next.value.subscribe(() => {
      runner.state = 'ready';
      runner.wokenBy = this.#stepCount;
    });
  }

  #resumeCommit(): void {
    const resume = this.#store.resumeCommit!;
    this.#store.resumeCommit = undefined;
    resume();
  }

  #beginCommit(): void {
    const callback = this.#clock.callback!;
    this.#clock.callback = undefined;
    this.#commitsLeft--;
    callback();
  }

  wokenBy(actor: number): number {
    return this.#runners[actor]?.wokenBy ?? -1;
  }

  #nameOf(actor: number): string {
    if (actor === this.#runners.length) return 'the commit goes on';
    if (actor > this.#runners.length) return 'a commit begins';
    const steps = this.#scene.scenario.programs[actor]!;
    return `${'ABCDEF'[actor]}: ${printStep(steps[this.#calls[actor]!.length - 1] ?? steps[0]!)}`;
  }

  /** Runs what is ours to observe. Returns what it returns. */
  #observed<T>(run: () => T): T {
    const before = observe(this);
    try {
      return run();
    } finally {
      observe(before);
    }
  }

  #runDeferred(): void {
    for (let task = this.#deferred.shift(); task !== undefined; task = this.#deferred.shift()) {
      this.#observed(task);
    }
  }

  // Checks.

  checkStep(): void {
    if (this.#problem !== undefined) throw new Error(this.#problem);
    const { filesystem, vfs } = this.#session;
    checkTreeInMemory(filesystem.root, vfs);
    if (this.#recorder.changedEverything) this.#ledger.check();
    const { reader, scenario } = this.#scene;
    if (this.#committed !== undefined) {
      this.#scene.checkCommitted(reader.treeOf(this.#committed, 'listed'));
      this.#committed = undefined;
    }
    if (scenario.watch === undefined) return;
    const committedTree = reader.treeOf(this.#store.snapshot(), 'listed');
    const problem = scenario.watch({ calls: this.#calls, committedTree });
    if (problem !== undefined) throw new Error(problem);
  }

  checkEnd(): void {
    const waiting = this.#runners.flatMap(({ state }, index) =>
      state === 'done' ? [] : ['ABCDEF'[index]!],
    );
    if (waiting.length > 0) throw new Error(`deadlock: ${waiting.join(' and ')} can't go on`);
  }

  /** Ends all tasks and commits. Throws if a reference is left. */
  result(): Result {
    this.#store.isStepped = false;
    const { vfs, filesystem } = this.#session;
    const tasks = new Set(this.#sessions.map(({ task }) => task));
    const files = [...tasks].map((task) => runSync(describeFiles(task))).join('; ');
    const mounts = describeMounts(vfs);
    this.#observed(() => {
      if (this.#store.resumeCommit !== undefined) this.#resumeCommit();
      for (const task of tasks) task.end();
      runSync(filesystem.sync());
    });
    this.#runDeferred();
    const leaks = leakedReferences(vfs);
    if (leaks.length > 0) throw new Error(`references: ${leaks.join(', ')}`);
    checkTreeInMemory(filesystem.root, vfs);
    this.#ledger.check();
    const tree = this.#scene.reader.treeOf(this.#store.snapshot(), 'none');
    const results = this.#calls.map((calls) => calls.map(({ outcome }) => outcome).join(' '));
    const text = `${results.join('\n')}\nopen: ${files}\nmounts: ${mounts}\n${tree}`;
    return { text, calls: this.#calls, files, mounts, tree };
  }

  // What the instruments tell.

  read(place: string): void {
    this.#recorder.read(place);
  }

  write(place: string): void {
    this.#recorder.write(place);
  }

  writeEverything(): void {
    this.#recorder.writeEverything();
  }

  evicts(cache: 'names' | 'data', size: number): void {
    const { dentries, cacheSizeMin } = LIMITS[this.#scene.caching];
    if (size > (cache === 'names' ? dentries : cacheSizeMin)) this.writeEverything();
  }

  itemChanged(key: string, value: Uint8Array | undefined): void {
    this.#ledger.itemChanged(key, value);
  }

  inodeChanged(inode: Inode): void {
    this.#ledger.inodeChanged(inode);
  }

  lockWanted(mutex: Mutex): void {
    const worse = this.#current?.held.find(({ rank }) => rank >= mutex.rank);
    if (worse !== undefined) {
      this.#problem ??= `a lock of rank ${mutex.rank} is wanted under one of rank ${worse.rank}`;
    }
  }

  lockTaken(mutex: Mutex): void {
    this.#current?.held.push(mutex);
  }

  lockGivenBack(mutex: Mutex): void {
    const held = this.#current?.held;
    const at = held?.indexOf(mutex) ?? -1;
    if (at >= 0) held!.splice(at, 1);
  }

  waitsForStore(access: string, place: string): void {
    this.trace?.push(`    ${access} ${printPlace(place)}`);
  }

  defer(task: () => void): void {
    this.#deferred.push(task);
  }
}

/** A key of idbfs, or another place, so that it can be read. */
function printPlace(place: string): string {
  return place.startsWith('\0') ? `${place.charCodeAt(3)} ${place.slice(4)}` : place;
}
