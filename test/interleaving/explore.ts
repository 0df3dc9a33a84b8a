// Explores the interleavings of actors by running them over and over, each time with other choices
// of who goes on: stateless depth-first search.
//
// exploreReduced() runs one interleaving of each kind: interleavings that differ only in the order
// of independent steps are of one kind. It is source-DPOR (Abdulla, Aronis, Jonsson and Sagonas,
// Optimal Dynamic Partial Order Reduction, POPL 2014, algorithm 1): source sets and sleep sets.
// exploreAll() runs every one, or those with few preemptions.

import { areDependent, type Footprint } from './footprint.ts';

/** One execution. Deterministic: the same steps lead to the same state. */
export interface Machine {
  /** The actors that can go on, as bits. */
  readonly enabled: number;
  /** Of the last step. */
  readonly footprint: Footprint;
  /** Makes a step of one of them. */
  step(actor: number): void;
  /** Which step woke the actor the last time it waited; -1 if it never did. */
  wokenBy(actor: number): number;
  /** Throws if the last step left something wrong. Called only for steps that are new. */
  checkStep(): void;
  /** Nobody can go on. Throws if that or what came of it is wrong. */
  checkEnd(): void;
}

export interface MachineMaker {
  readonly actorCount: number;
  make(): Machine;
  /** What happened in an interleaving, for people. */
  describe(schedule: readonly number[]): string;
}

export interface Exploration {
  /** Run to their ends. */
  readonly interleavings: number;
  /** Given up part of the way: they would have been like others. */
  readonly cutShort: number;
}

/** What is wrong, and the interleaving that shows it. */
export class InterleavingFailure extends Error {
  override readonly name = 'InterleavingFailure';
  readonly schedule: readonly number[];

  constructor(maker: MachineMaker, schedule: readonly number[], cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    super(`${reason}\n${maker.describe(schedule)}`, { cause });
    this.schedule = schedule;
  }
}

/** A loop that never ends would be found here. */
const DEPTH_MAX = 400;

/** A state on the current path, and the step made from it. */
class Node {
  readonly enabled: number;
  /** Steps of these actors from here are covered by interleavings explored already. */
  readonly sleep: Map<number, Footprint>;
  /** Actors whose steps from here are to be explored. */
  backtrack = 0;
  actor = -1;
  footprint: Footprint = { reads: 0, writes: 0 };
  /** The how many-th step of its actor this is, from 1. */
  ordinal = 0;
  /** Per actor: how many of its steps happen before this one, or are this one. */
  clock: number[] = [];

  constructor(enabled: number, sleep: Map<number, Footprint>) {
    this.enabled = enabled;
    this.sleep = sleep;
  }

  happensBefore(later: Node): boolean {
    return (later.clock[this.actor] ?? 0) >= this.ordinal;
  }
}

export function exploreReduced(maker: MachineMaker): Exploration {
  const search = new ReducedSearch(maker);
  return search.run();
}

class ReducedSearch {
  readonly #maker: MachineMaker;
  readonly #path: Node[] = [];
  #interleavings = 0;
  #cutShort = 0;

  constructor(maker: MachineMaker) {
    this.#maker = maker;
  }

  run(): Exploration {
    do {
      if (this.#execute()) this.#interleavings++;
      else this.#cutShort++;
    } while (this.#retreat());
    return { interleavings: this.#interleavings, cutShort: this.#cutShort };
  }

  /** Goes back to the last state with something left to explore. False if there is none. */
  #retreat(): boolean {
    for (let node = this.#path.at(-1); node !== undefined; node = this.#path.at(-1)) {
      node.sleep.set(node.actor, node.footprint);
      const next = firstBit(node.backtrack & ~maskOf(node.sleep));
      if (next >= 0) {
        node.actor = next;
        return true;
      }
      this.#path.pop();
    }
    return false;
  }

  /** Runs the current path, then to the end. False if it is cut short. */
  #execute(): boolean {
    const machine = this.#maker.make();
    const path = this.#path;
    try {
      for (const node of path.slice(0, -1)) machine.step(node.actor);
      const last = path.at(-1);
      if (last !== undefined) this.#step(machine, last);
      for (;;) {
        const { enabled } = machine;
        if (enabled === 0) break;
        if (path.length >= DEPTH_MAX) throw new Error('it goes on and on');
        const node = new Node(enabled, this.#sleepAfter(path.at(-1)));
        const awake = enabled & ~maskOf(node.sleep);
        if (awake === 0) return false;
        const previous = path.at(-1)?.actor ?? -1;
        const goesOn = previous >= 0 && (awake & (1 << previous)) !== 0;
        node.actor = goesOn ? previous : firstBit(awake);
        node.backtrack = 1 << node.actor;
        path.push(node);
        this.#step(machine, node);
      }
      machine.checkEnd();
      return true;
    } catch (error) {
      const schedule = path.map(({ actor }) => actor);
      throw new InterleavingFailure(this.#maker, schedule, error);
    }
  }

  #sleepAfter(node: Node | undefined): Map<number, Footprint> {
    const sleep = new Map<number, Footprint>();
    if (node === undefined) return sleep;
    for (const [actor, footprint] of node.sleep) {
      if (!areDependent(footprint, node.footprint)) sleep.set(actor, footprint);
    }
    return sleep;
  }

  #step(machine: Machine, node: Node): void {
    machine.step(node.actor);
    machine.checkStep();
    node.footprint = machine.footprint;
    const index = this.#path.length - 1;
    for (const earlier of this.#order(index, machine.wokenBy(node.actor))) {
      this.#reverse(earlier, index);
    }
  }

  /** Sets the clock of a step. Returns the steps that it might as well have come before. */
  #order(index: number, wokenBy: number): number[] {
    const path = this.#path;
    const node = path[index]!;
    const { actor } = node;
    const previous = path.findLast((other, at) => at < index && other.actor === actor);
    const clock = previous?.clock.slice() ?? new Array<number>(this.#maker.actorCount).fill(0);
    node.ordinal = (previous?.ordinal ?? 0) + 1;
    node.clock = clock;
    const races: number[] = [];
    for (let at = index - 1; at >= 0; at--) {
      const other = path[at]!;
      if (other.happensBefore(node)) continue;
      const isWaker = at === wokenBy;
      if (!isWaker && !areDependent(other.footprint, node.footprint)) continue;
      // Before its waker it could not have come.
      if (!isWaker) races.push(at);
      for (let i = 0; i < clock.length; i++) clock[i] = Math.max(clock[i]!, other.clock[i] ?? 0);
    }
    clock[actor] = node.ordinal;
    return races;
  }

  /** Sees to it that something is explored in which the step `index` comes before `earlier`. */
  #reverse(earlier: number, index: number): void {
    const path = this.#path;
    const node = path[earlier]!;
    const between = path.slice(earlier + 1, index).filter((other) => !node.happensBefore(other));
    between.push(path[index]!);
    let seen = 0;
    let initials = 0;
    for (const [at, step] of between.entries()) {
      const bit = 1 << step.actor;
      if ((seen & bit) !== 0) continue;
      seen |= bit;
      if (!between.some((other, i) => i < at && other.happensBefore(step))) initials |= bit;
    }
    if ((initials & node.backtrack) !== 0) return;
    const possible = initials & node.enabled;
    node.backtrack |= possible === 0 ? node.enabled : 1 << firstBit(possible);
  }
}

export interface FullSearchOptions {
  /** How often an actor that could go on is made to wait for another. Default: no limit. */
  readonly preemptionsMax?: number;
  /** Give up, with an error, after so many. */
  readonly interleavingsMax?: number;
}

interface Choice {
  readonly actor: number;
  /** Who could have gone on. */
  readonly enabled: number;
  /** Actors still to be tried instead. */
  left: number;
  readonly preemptions: number;
}

export function exploreAll(maker: MachineMaker, options: FullSearchOptions = {}): Exploration {
  const path: Choice[] = [];
  const preemptionsMax = options.preemptionsMax ?? Infinity;
  let interleavings = 0;
  for (;;) {
    executeAll(maker, path, preemptionsMax);
    interleavings++;
    if (interleavings >= (options.interleavingsMax ?? Infinity)) throw new Error('too many');
    while (path.at(-1)?.left === 0) path.pop();
    const last = path.pop();
    if (last === undefined) return { interleavings, cutShort: 0 };
    const actor = firstBit(last.left);
    const { enabled } = last;
    const before = path.at(-1);
    const isPreemption = before !== undefined && (enabled & (1 << before.actor)) !== 0;
    const preemptions = (before?.preemptions ?? 0) + (isPreemption ? 1 : 0);
    path.push({ actor, enabled, left: last.left & ~(1 << actor), preemptions });
  }
}

function executeAll(maker: MachineMaker, path: Choice[], preemptionsMax: number): void {
  const machine = maker.make();
  const checked = path.length - 1;
  try {
    for (const [index, { actor }] of path.entries()) {
      machine.step(actor);
      if (index >= checked) machine.checkStep();
    }
    for (let { enabled } = machine; enabled !== 0; { enabled } = machine) {
      if (path.length >= DEPTH_MAX) throw new Error('it goes on and on');
      const last = path.at(-1);
      const goesOn = last !== undefined && (enabled & (1 << last.actor)) !== 0;
      const actor = goesOn ? last.actor : firstBit(enabled);
      const preemptions = last?.preemptions ?? 0;
      const mayPreempt = !goesOn || preemptions < preemptionsMax;
      const left = mayPreempt ? enabled & ~(1 << actor) : 0;
      path.push({ actor, enabled, left, preemptions });
      machine.step(actor);
      machine.checkStep();
    }
    machine.checkEnd();
  } catch (error) {
    throw new InterleavingFailure(
      maker,
      path.map(({ actor }) => actor),
      error,
    );
  }
}

function firstBit(mask: number): number {
  return mask === 0 ? -1 : 31 - Math.clz32(mask & -mask);
}

function maskOf(actors: ReadonlyMap<number, unknown>): number {
  let mask = 0;
  for (const actor of actors.keys()) mask |= 1 << actor;
  return mask;
}
