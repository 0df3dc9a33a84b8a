// SteppedGofer: one execution of a scenario on a gofer mount. The real client and the real server
// are joined by a link on which every frame, of either direction, waits to be chosen; so does each
// call the server makes of the files, and each call of a program before it begins.
//
// Client and server use promises. After each step they run until they are at rest, which is the
// same every time: the clock stands still and the server's tree is in memory.

import type { Gofer } from '../../src/fs/gofer/gofer.ts';
import { FakeClock } from '../../src/lib/clock.ts';
import { type Op, runAsync } from '../../src/lib/op.ts';
import { PAYLOAD_SIZE_MAX } from '../../src/lisafs/frame.ts';
import { Server } from '../../src/lisafs/server.ts';
import { LoopbackLink } from '../../src/transport/loopback.ts';
import type { Transport } from '../../src/transport/transport.ts';
import { type Action, perform } from '../support/history/action.ts';
import { newTask, openGofer, type Session } from '../support/history/session.ts';
import { readTree } from '../support/history/tree.ts';
import { leakedReferences } from '../support/references.ts';
import { atRest } from './at-rest.ts';
import { checkCopy, knownFds } from './gofer-invariants.ts';
import { FrameGate } from './frame-gate.ts';
import type { Told } from './gofer-outcome.ts';
import { checkTreeInMemory } from './invariants.ts';
import { describeFiles, describeMounts } from './outcome.ts';
import { isDeed, printStep, type Scenario, type Step, type TimedOutcome } from './scenario.ts';
import { describeServed, SteppedTree } from './stepped-tree.ts';

/** What of the tree a gofer knows when the programs begin, and keeps. */
export interface GoferMode {
  readonly title: string;
  readonly cache: 'exclusive' | 'writethrough' | 'shared' | 'none';
  /** All has been looked at and read. */
  readonly isWarm?: boolean;
  /** Hardly anything is kept that nobody uses. */
  readonly isTiny?: boolean;
}

export interface GoferScenario extends Scenario {
  /** The programs that are on another mount of the same server. Default: none. */
  readonly elsewhere?: readonly number[];
}

/** What all executions of a scenario in a mode share. */
export interface GoferScene {
  readonly scenario: GoferScenario;
  readonly mode: GoferMode;
  /** Never changed. */
  readonly served: SteppedTree;
}

/** Who goes on, or what arrives. */
export interface Choice {
  /**
   * A, B … a program; > a frame for the server; 0, 1 … a call that the server makes, by age; < a
   * frame for the client; t the timer. Of the other mount, } and {.
   */
  readonly token: string;
  readonly title: string;
  /** Neither a program's next call nor the timer. */
  readonly isUnderWay: boolean;
  go(): void;
}

/** Room for the largest frame's header. */
const HEADER_SIZE_MAX = 16;
/** Until what is written is sent. */
const WRITE_BACK_MS = 1000;
/** Rounds in which what nothing holds up comes to an end; it takes one or two. */
const ROUNDS_MAX = 100;
const PROGRAMS = 'ABCDEF';
/** Tokens of frames, for each mount. */
const DIRECTIONS = ['><', '}{'];

export class SteppedGofer {
  readonly #scene: GoferScene;
  readonly #tree = new SteppedTree();
  /** Of each mount. */
  readonly #gates: FrameGate[] = [];
  #mounts: Session<Gofer>[] = [];
  readonly #clock = new FakeClock();
  readonly #errors: unknown[] = [];
  readonly #server: Server;
  readonly #calls: TimedOutcome[][];
  /** Programs that can begin their next call. */
  readonly #turns: Choice[] = [];
  #sessions: Session<Gofer>[] = [];
  #endedCount = 0;
  #stepCount = 0;
  #timersLeft: number;

  private constructor(scene: GoferScene) {
    const { scenario, served, mode } = scene;
    this.#scene = scene;
    this.#tree.copy(served);
    this.#calls = scenario.programs.map(() => []);
    this.#timersLeft = mode.cache === 'exclusive' ? (scenario.commitsMax ?? 0) : 0;
    let sessionCount = 0;
    this.#server = new Server({
      root: () => this.#tree.root(),
      clock: this.#clock,
      randomBytes: (size) => new Uint8Array(size).fill(++sessionCount),
      onError: (error) => this.#errors.push(error),
    });
  }

  /** Mounts, and keeps all back from then on. */
  static async begin(scene: GoferScene): Promise<SteppedGofer> {
    const world = new SteppedGofer(scene);
    await world.#setUp();
    return world;
  }

  async #setUp(): Promise<void> {
    const { scenario } = this.#scene;
    const { programs, elsewhere = [], isOneTask = false, opened = [], mounted = [] } = scenario;
    await this.#mount();
    if (elsewhere.length > 0) await this.#mount();
    const shared = this.#newTask(0);
    this.#sessions = programs.map((_, index) => {
      if (isOneTask) return shared;
      return this.#newTask(elsewhere.includes(index) ? 1 : 0);
    });
    for (const { task } of this.#mounts) task.end();
    if (!isOneTask) shared.task.end();
    for (const deed of mounted) await this.#run(deed.run(this.#sessions[0]!));
    for (const { sys } of new Set(this.#sessions)) {
      for (const action of opened) await this.#run(perform(sys, action));
    }
    await atRest();
    this.#isStepped = true;
    for (const [index, steps] of programs.entries()) {
      runAsync(this.#program(steps, index)).then(
        () => {
          this.#endedCount++;
        },
        (error: unknown) => this.#errors.push(error),
      );
    }
    await atRest();
  }

  #newTask(mount: number): Session<Gofer> {
    const session = this.#mounts[mount]!;
    return { ...session, ...newTask(session.vfs, this.#clock) };
  }

  set #isStepped(isStepped: boolean) {
    for (const each of [this.#tree, ...this.#gates]) each.isStepped = isStepped;
  }

  async #mount(): Promise<Session<Gofer>> {
    const { scenario, mode } = this.#scene;
    const { dirtyLimit } = scenario;
    const limits = mode.isTiny === true ? { dentry_cache_limit: 1, cacheSize: 10_000 } : {};
    const most = dirtyLimit === undefined ? {} : { dirtyLimit };
    const gate = new FrameGate();
    const connect = (): Promise<Transport> => {
      const messageSizeMax = PAYLOAD_SIZE_MAX + HEADER_SIZE_MAX;
      const link = new LoopbackLink({ clock: this.#clock, messageSizeMax });
      this.#server.accept(link.server);
      return Promise.resolve(gate.wrap(link.client));
    };
    const options = { cache: mode.cache, ...limits, ...most };
    const session = await this.#run(openGofer({ connect, clock: this.#clock }, options));
    this.#gates.push(gate);
    this.#mounts.push(session);
    if (mode.isWarm === true) await this.#run(readTree(session.sys));
    return session;
  }

  *#program(steps: readonly Step[], index: number): Op<void> {
    const session = this.#sessions[index]!;
    for (const step of steps) {
      yield* this.#turn(index, printStep(step));
      const call: TimedOutcome = { began: this.#stepCount, ended: -1, outcome: undefined };
      this.#calls[index]!.push(call);
      call.outcome = yield* isDeed(step) ? step.run(session) : perform(session.sys, step);
      call.ended = this.#stepCount;
    }
  }

  *#turn(index: number, title: string): Op<void> {
    let isChosen = false;
    let wakeUp: (() => void) | undefined;
    const turn: Choice = {
      token: PROGRAMS[index]!,
      title,
      isUnderWay: false,
      go: () => {
        this.#turns.splice(this.#turns.indexOf(turn), 1);
        isChosen = true;
        wakeUp?.();
      },
    };
    this.#turns.push(turn);
    const hasCome = (): boolean => isChosen;
    while (!hasCome()) {
      yield {
        subscribe: (wake) => {
          wakeUp = wake;
          return () => undefined;
        },
      };
    }
  }

  // Steps.

  /** What can be next. The first goes on with what is under way. */
  get choices(): Choice[] {
    const calls = this.#tree.calls.map((call, index) => choiceOf(`${index}`, call));
    const frames = [...this.#frames()];
    const turns = this.#turns.toSorted((a, b) => (a.token < b.token ? -1 : 1));
    const under = [...calls, ...frames, ...turns];
    const isOver = under.length === 0 && this.#endedCount === this.#calls.length;
    return this.#timersLeft === 0 || isOver ? under : [...under, this.#timer];
  }

  /** The first of each direction. */
  *#frames(): Iterable<Choice> {
    for (const [index, { toServer, toClient }] of this.#gates.entries()) {
      const [there = '', here = ''] = DIRECTIONS[index] ?? '';
      const [request] = toServer;
      if (request !== undefined) yield choiceOf(there, request);
      const [answer] = toClient;
      if (answer !== undefined) yield choiceOf(here, answer);
    }
  }

  get #timer(): Choice {
    return {
      token: 't',
      title: 'what was written is sent',
      isUnderWay: false,
      go: () => {
        this.#timersLeft--;
        this.#clock.advance(WRITE_BACK_MS);
      },
    };
  }

  async step(choice: Choice): Promise<void> {
    choice.go();
    await atRest();
    this.#stepCount++;
    this.#check();
  }

  #check(): void {
    if (this.#errors.length > 0) throw this.#errors[0] as Error;
    for (const { filesystem, vfs } of this.#mounts) {
      checkTreeInMemory(filesystem.root, vfs, { isCopy: true });
    }
    const { watch } = this.#scene.scenario;
    if (watch === undefined) return;
    const committedTree = describeServed(this.#tree.top).join('\n');
    const problem = watch({ calls: this.#calls, committedTree });
    if (problem !== undefined) throw new Error(problem);
  }

  // The end.

  /** Ends all tasks, unmounts. Throws if anything is left, or memory isn't as the server is. */
  async end(): Promise<Told> {
    const waiting = this.#calls.flatMap((calls, index) => {
      const { length } = this.#scene.scenario.programs[index]!;
      const isDone = calls.length === length && calls.every(({ ended }) => ended >= 0);
      return isDone ? [] : [PROGRAMS[index]!];
    });
    if (waiting.length > 0) throw new Error(`deadlock: ${waiting.join(' and ')} can't go on`);
    this.#isStepped = false;
    const tasks = new Set(this.#sessions.map(({ task }) => task));
    const files: string[] = [];
    for (const task of tasks) files.push(await this.#run(describeFiles(task)));
    const mounts = this.#mounts.map(({ vfs }) => describeMounts(vfs)).join('; ');
    for (const task of tasks) task.end();
    for (const mount of this.#mounts) await this.#checkMount(mount);
    this.#checkPinned();
    await this.#unmount();
    const tree = describeServed(this.#tree.top);
    return { calls: this.#calls, files: files.join('; '), mounts, tree };
  }

  async #checkMount({ vfs, filesystem }: Session<Gofer>): Promise<void> {
    await this.#run(filesystem.sync());
    await atRest();
    const leaks = leakedReferences(vfs);
    if (leaks.length > 0) throw new Error(`references: ${leaks.join(', ')}`);
    checkTreeInMemory(filesystem.root, vfs, { isCopy: true });
    const isShared = this.#mounts.length > 1;
    if (!filesystem.revalidates) checkCopy(filesystem.root, this.#tree.top, { isShared });
  }

  /** The server has nothing open for a client that the client doesn't know. */
  #checkPinned(): void {
    const known = this.#mounts.flatMap(({ filesystem }) => knownFds(filesystem));
    const { pinned } = this.#tree;
    if (pinned !== known.length) throw new Error(`${pinned} files are open, ${known.length} known`);
  }

  /** Runs what nothing holds up any more. */
  async #run<T>(op: Op<T>): Promise<T> {
    let isOver = false;
    const running = runAsync(op).finally(() => {
      isOver = true;
    });
    running.catch(() => undefined);
    for (let round = 0; round < ROUNDS_MAX && !isOver; round++) {
      await atRest();
      if (!isOver) this.#clock.advance(WRITE_BACK_MS);
    }
    if (!isOver) throw new Error('it does not end, though nothing holds it up');
    return await running;
  }

  async #unmount(): Promise<void> {
    for (const { vfs } of this.#mounts) await this.#run(vfs.namespace.shutdown());
    this.#server.stop();
    await atRest();
    if (this.#errors.length > 0) throw this.#errors[0] as Error;
    if (this.#tree.pinned > 0) throw new Error(`the server has ${this.#tree.pinned} files open`);
  }

  /** What a server has after some calls. Errors: Error if one of them fails. */
  static async treeAfter(actions: readonly Action[]): Promise<SteppedTree> {
    const scenario = { title: 'the scene', tree: [], programs: [] };
    const mode = { title: 'the scene', cache: 'writethrough' } as const;
    const world = new SteppedGofer({ scenario, mode, served: new SteppedTree() });
    const session = await world.#mount();
    for (const action of actions) {
      const outcome = await world.#run(perform(session.sys, action));
      if (/^E[A-Z]+$/.test(outcome)) throw new Error(`the scene: ${action.call}: ${outcome}`);
    }
    session.task.end();
    await world.#unmount();
    return world.#tree;
  }
}

function choiceOf(token: string, held: { readonly title: string; go(): void }): Choice {
  const { title } = held;
  return {
    token,
    title,
    isUnderWay: true,
    go: () => {
      held.go();
    },
  };
}
