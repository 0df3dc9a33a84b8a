// Oracle: what may come of a scenario: what comes of its calls made one after the other, in every
// order that respects which of them had ended before another began; or else of their parts.

import { WouldWait } from '../../src/lib/op.ts';
import { exploreAll, type Machine } from './explore.ts';
import { inParts } from './parts.ts';
import type { TimedOutcome } from './scenario.ts';
import { type Result, type Scene, World } from './world.ts';

/** One call of one program. */
interface CallId {
  readonly program: number;
  readonly at: number;
}

/** What came of an execution: the result of each call, and all that can be told from outside. */
export interface Judged {
  readonly text: string;
  readonly calls: readonly (readonly TimedOutcome[])[];
}

export class Oracle {
  readonly #scene: Scene;
  readonly #textOf: (result: Result) => string;
  /** Outcome → the orders of calls that have it. */
  readonly #serial = new Map<string, CallId[][]>();
  /** The same for orders of parts of calls: per order, which calls came before which. */
  #inParts: Map<string, Map<string, ReadonlySet<string>>> | undefined;

  /** `textOf`: as what a result is compared with others. */
  constructor(scene: Scene, textOf: (result: Result) => string = ({ text }) => text) {
    this.#scene = scene;
    this.#textOf = textOf;
    for (const order of this.#orders()) {
      const result = this.#inOrder(order);
      if (result === undefined) continue;
      const text = textOf(result);
      this.#serial.set(text, [...(this.#serial.get(text) ?? []), order]);
    }
  }

  /** What calls one after the other come to. */
  get outcomes(): ReadonlySet<string> {
    return new Set(this.#serial.keys());
  }

  /** The orders in which no call waits for a later one: whose call comes next. */
  get orders(): readonly (readonly number[])[] {
    return [...this.#serial.values()].flat().map((order) => order.map(({ program }) => program));
  }

  #orders(): CallId[][] {
    return orders(this.#scene.scenario.programs.map(({ length }) => length));
  }

  /** Undefined if it is no order: a call waits for one that comes later. */
  #inOrder(order: readonly CallId[]): Result | undefined {
    const world = new World(this.#scene);
    try {
      world.runInOrder(order.map(({ program }) => program));
    } catch (error) {
      if (error instanceof WouldWait) return undefined;
      throw error;
    }
    return world.result();
  }

  /** What there is between two calls, in whatever order they are made. */
  *moments(): Iterable<Result> {
    for (const order of this.#orders()) {
      for (let count = 0; count <= order.length; count++) {
        const result = this.#inOrder(order.slice(0, count));
        if (result !== undefined) yield result;
      }
    }
  }

  /** Throws if it comes of no order. Returns whether only one of the parts of calls explains it. */
  judge({ text, calls }: Judged): 'in order' | 'excused' {
    const matching = this.#serial.get(text);
    if (matching?.some((order) => respects(order, calls)) === true) return 'in order';
    this.#inParts ??= this.#outcomesInParts();
    const needed = precedences(calls);
    for (const given of this.#inParts.get(text)?.values() ?? []) {
      if ([...needed].every((pair) => given.has(pair))) return 'excused';
    }
    const wanted = [...this.#serial].map(
      ([outcome, [order]]) => `in the order ${printOrder(order!)}:\n${outcome}`,
    );
    const why = matching === undefined ? 'no order has' : 'only an order that can not be has';
    throw new Error(`${why} the outcome:\n${text}\n\n${wanted.join('\n')}\n`);
  }

  /** What may come out if the calls are taken apart as Linux takes them apart. */
  #outcomesInParts(): Map<string, Map<string, ReadonlySet<string>>> {
    const outcomes = new Map<string, Map<string, ReadonlySet<string>>>();
    const take = (result: Result): void => {
      const text = this.#textOf(result);
      const given = precedences(result.calls);
      const known = outcomes.get(text) ?? new Map<string, ReadonlySet<string>>();
      outcomes.set(text, known.set([...given].join(), given));
    };
    exploreAll({
      actorCount: this.#scene.scenario.programs.length,
      make: () => new MachineInParts(this.#scene, take),
      describe: (schedule) => `in parts: ${schedule.join(' ')}`,
    });
    return outcomes;
  }
}

/** Runs the parts of the calls, each of them in one go. */
class MachineInParts implements Machine {
  readonly #world: World;
  readonly #ops: Generator<void, void, void>[];
  readonly #take: (result: Result) => void;
  readonly footprint = { reads: 0, writes: 0 };
  enabled: number;
  #isOrder = true;

  constructor(scene: Scene, take: (result: Result) => void) {
    this.#world = new World(scene);
    this.#take = take;
    this.#ops = scene.scenario.programs.map((_, index) =>
      this.#world.programInParts(index, inParts),
    );
    this.enabled = (1 << this.#ops.length) - 1;
  }

  step(actor: number): void {
    try {
      this.#world.runPart(() => {
        if (this.#ops[actor]!.next().done === true) this.enabled &= ~(1 << actor);
      });
    } catch (error) {
      if (!(error instanceof WouldWait)) throw error;
      // No order: it waits for one that comes later.
      this.enabled = 0;
      this.#isOrder = false;
    }
  }

  wokenBy(): number {
    return -1;
  }

  checkStep(): void {
    // The calls are those of the serial orders.
  }

  checkEnd(): void {
    if (this.#isOrder) this.#take(this.#world.result());
  }
}

/** All orders of the calls that keep those of each program in theirs. */
function orders(lengths: readonly number[]): CallId[][] {
  const found: CallId[][] = [];
  const extend = (order: readonly CallId[], done: readonly number[]): void => {
    let isEnd = true;
    for (const [program, length] of lengths.entries()) {
      const at = done[program]!;
      if (at === length) continue;
      isEnd = false;
      extend(
        [...order, { program, at }],
        done.map((count, other) => (other === program ? count + 1 : count)),
      );
    }
    if (isEnd) found.push([...order]);
  };
  extend(
    [],
    lengths.map(() => 0),
  );
  return found;
}

/** Which calls had ended when which began, as pairs. */
function precedences(calls: readonly (readonly TimedOutcome[])[]): ReadonlySet<string> {
  const named = calls.flatMap((of, program) =>
    of.map((call, at) => ({ call, name: [program, at] })),
  );
  const pairs = new Set<string>();
  for (const { call: earlier, name } of named) {
    for (const { call: later, name: laterName } of named) {
      if (earlier.ended >= later.began) continue;
      pairs.add(`${name.join('.')}<${laterName.join('.')}`);
    }
  }
  return pairs;
}

/** Does no call come after one that began only when it had ended? */
function respects(order: readonly CallId[], calls: readonly (readonly TimedOutcome[])[]): boolean {
  const timeOf = ({ program, at }: CallId): TimedOutcome => calls[program]![at]!;
  return order.every((later, index) =>
    order.slice(0, index).every((earlier) => timeOf(later).ended >= timeOf(earlier).began),
  );
}

function printOrder(order: readonly CallId[]): string {
  return order.map(({ program, at }) => `${'ABCDEF'[program]}${at + 1}`).join(' ');
}
