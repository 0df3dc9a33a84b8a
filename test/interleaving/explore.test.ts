// The reduction leaves nothing out: what every interleaving comes to, one of each kind comes to.

import { expect, test } from 'vitest';
import { RENAME_EXCHANGE } from '../../src/abi/fcntl.ts';
import { create, link, mkdir, open, pread, pwrite, rename, rmdir, stat, unlink } from './calls.ts';
import { checkScenario } from './check.ts';
import { exploreAll, exploreReduced, InterleavingFailure, type Machine } from './explore.ts';
import { Places } from './footprint.ts';
import type { Scenario } from './scenario.ts';

const TREE = [mkdir('/b'), create('/f'), pwrite(0, 1, 9000, 0), create('/x')];

const PAIRS: readonly Scenario['programs'][] = [
  [[rename('/b', '/c')], [create('/b/n')]],
  [[rename('/f', '/b', RENAME_EXCHANGE)], [unlink('/f')]],
  [[link('/f', '/b/g')], [rename('/b', '/c')]],
  [[rmdir('/b')], [rename('/f', '/b/f')]],
  [[open('/f'), pwrite(0, 2, 100, 8000)], [stat('/f')]],
  [[open('/f'), pread(0, 9000, 0)], [rename('/f', '/b/f')]],
  [[stat('/b')], [stat('/f')], [rmdir('/b')]],
];

/** With commits there are more, and one pair is enough. */
const COMMITTED = 4;

test.each(PAIRS.map((programs, index) => ({ programs, index })))(
  'outcomes of one interleaving of each kind are all there are: $index',
  ({ programs, index }) => {
    for (const caching of ['roomy', 'tiny'] as const) {
      for (const commitsMax of caching === 'roomy' && index === COMMITTED ? [0, 1] : [0]) {
        const scenario = { title: 'both ways', tree: TREE, programs, commitsMax };
        const reduced = checkScenario(scenario, { caching });
        const all = checkScenario(scenario, { caching, full: { interleavingsMax: 100_000 } });
        expect([...reduced.outcomes].sort()).toEqual([...all.outcomes].sort());
        expect(reduced.interleavings).toBeLessThanOrEqual(all.interleavings);
      }
    }
  },
  60_000,
);

/** Actors that each read or write one of a few variables a few times. */
class Toy implements Machine {
  readonly #programs: readonly (readonly string[])[];
  readonly #places: Places;
  readonly #done: number[];
  readonly state: Record<string, string> = {};
  readonly #onEnd: (toy: Toy) => void;
  footprint = { reads: 1, writes: 0 };

  constructor(programs: readonly (readonly string[])[], places: Places, onEnd: (toy: Toy) => void) {
    this.#programs = programs;
    this.#places = places;
    this.#done = programs.map(() => 0);
    this.#onEnd = onEnd;
  }

  get enabled(): number {
    let mask = 0;
    for (const [index, program] of this.#programs.entries()) {
      if (this.#done[index]! < program.length) mask |= 1 << index;
    }
    return mask;
  }

  /** 'x' reads x, '=x' appends to it what the actor is called. */
  step(actor: number): void {
    const code = this.#programs[actor]![this.#done[actor]!++]!;
    const variable = code.replace('=', '');
    const bit = this.#places.bitOf(variable);
    const isWrite = code.startsWith('=');
    if (isWrite) this.state[variable] = (this.state[variable] ?? '') + String(actor);
    else this.state[`seen by ${actor}`] = this.state[variable] ?? '';
    this.footprint = { reads: 1 | bit, writes: isWrite ? bit : 0 };
  }

  wokenBy(): number {
    return -1;
  }

  checkStep(): void {
    // Nothing can be wrong.
  }

  checkEnd(): void {
    this.#onEnd(this);
  }
}

function statesOf(
  programs: readonly (readonly string[])[],
  explore: typeof exploreAll,
): { readonly states: Set<string>; readonly count: number } {
  const states = new Set<string>();
  const places = new Places();
  const { interleavings } = explore({
    actorCount: programs.length,
    make: () => new Toy(programs, places, (toy) => states.add(JSON.stringify(toy.state, KEYS))),
    describe: () => '',
  });
  return { states, count: interleavings };
}

const KEYS = ['x', 'y', 'z', 'seen by 0', 'seen by 1', 'seen by 2'];

test.each([
  { programs: [['=x'], ['=x'], ['=x']], kinds: 6 },
  { programs: [['=x'], ['=y'], ['=z']], kinds: 1 },
  { programs: [['x'], ['x'], ['=x']], kinds: 4 },
  {
    programs: [
      ['=x', 'y'],
      ['=y', 'x'],
    ],
    kinds: 3,
  },
  {
    programs: [
      ['x', '=y'],
      ['y', '=z'],
      ['z', '=x'],
    ],
    kinds: undefined,
  },
  {
    programs: [
      ['=x', '=y', 'z'],
      ['=y', '=z', 'x'],
      ['=z', 'y'],
    ],
    kinds: undefined,
  },
])('the explorer finds every state of $programs', ({ programs, kinds }) => {
  const all = statesOf(programs, exploreAll);
  const reduced = statesOf(programs, exploreReduced);
  expect([...reduced.states].sort()).toEqual([...all.states].sort());
  if (kinds !== undefined) expect(reduced.count).toBe(kinds);
});

test('a bound on preemptions leaves only the switches where an actor ends', () => {
  const places = new Places();
  const programs = [['x', 'x'], ['y'], ['z']];
  const make = (): Toy => new Toy(programs, places, () => undefined);
  const maker = { actorCount: 3, make, describe: () => '' };
  expect(exploreAll(maker).interleavings).toBe(12);
  expect(exploreAll(maker, { preemptionsMax: 0 }).interleavings).toBe(6);
});

test('a failure names the interleaving that shows it', () => {
  const maker = {
    actorCount: 2,
    make: () =>
      new Toy([['=x'], ['=x']], new Places(), ({ state }) => {
        if (state['x'] === '10') throw new Error('the wrong way round');
      }),
    describe: (schedule: readonly number[]) => `schedule ${schedule.join('')}`,
  };
  expect(() => exploreReduced(maker)).toThrow(InterleavingFailure);
  expect(() => exploreReduced(maker)).toThrow('the wrong way round\nschedule 10');
});
