// Checks a scenario: runs its interleavings and compares each with the calls made one after the
// other, in every order that respects which of them had ended before another began.

import { snapshotAfter } from '../support/history/snapshot.ts';
import { withoutAtime } from '../support/history/tree.ts';
import {
  exploreAll,
  exploreReduced,
  type Exploration,
  type FullSearchOptions,
  type Machine,
} from './explore.ts';
import { Places } from './footprint.ts';
import { Oracle } from './oracle.ts';
import { StoreReader } from './outcome.ts';
import { type Caching, type Scenario } from './scenario.ts';
import { type Scene, World } from './world.ts';

export interface Report extends Exploration {
  /** Different outcomes. */
  readonly outcomes: ReadonlySet<string>;
  /** Interleavings whose outcome is that of no order of whole calls, but of one of their parts. */
  readonly excused: number;
}

export interface CheckOptions {
  readonly caching: Caching;
  /** Run every interleaving, or those with few preemptions, instead of one of each kind. */
  readonly full?: FullSearchOptions;
}

export function checkScenario(scenario: Scenario, options: CheckOptions): Report {
  return new ScenarioCheck(scenario, options).run();
}

class ScenarioCheck {
  readonly #scene: Scene;
  readonly #options: CheckOptions;
  readonly #oracle: Oracle;
  /** The trees between two calls, in whatever order they are made. */
  #moments: Set<string> | undefined;
  readonly #outcomes = new Set<string>();
  #excused = 0;

  constructor(scenario: Scenario, options: CheckOptions) {
    this.#options = options;
    this.#scene = sceneOf(scenario, options.caching, (tree) => {
      this.#moments ??= new Set([...this.#oracle.moments()].map((each) => timeless(each.tree)));
      if (!this.#moments.has(timeless(tree))) throw new Error(`committed:\n${tree}`);
    });
    this.#oracle = new Oracle(this.#scene);
  }

  run(): Report {
    const maker = {
      // The commit under way and the timer are actors, too.
      actorCount: this.#scene.scenario.programs.length + 2,
      make: () => this.#machine(new World(this.#scene)),
      describe: (schedule: readonly number[]) => this.#describe(schedule),
    };
    const { full } = this.#options;
    const explored = full === undefined ? exploreReduced(maker) : exploreAll(maker, full);
    return { ...explored, outcomes: this.#outcomes, excused: this.#excused };
  }

  #machine(world: World): Machine {
    const checkEnd = world.checkEnd.bind(world);
    world.checkEnd = () => {
      checkEnd();
      const result = world.result();
      this.#outcomes.add(result.text);
      if (this.#oracle.judge(result) === 'excused') this.#excused++;
    };
    return world;
  }

  #describe(schedule: readonly number[]): string {
    const world = new World(this.#scene);
    world.trace = [];
    try {
      for (const actor of schedule) world.step(actor);
    } catch {
      // It is about to be reported.
    }
    return `${this.#scene.scenario.title}: ${schedule.join('')}\n${world.trace.join('\n')}`;
  }
}

/** What executions of a scenario on idbfs share. */
export function sceneOf(
  scenario: Scenario,
  caching: Caching,
  checkCommitted: Scene['checkCommitted'] = () => undefined,
): Scene {
  return {
    scenario,
    caching,
    snapshot: snapshotAfter(scenario.tree),
    places: new Places(),
    reader: new StoreReader(),
    checkCommitted,
  };
}

/** Access times may change in the middle of a call. */
function timeless(tree: string): string {
  return withoutAtime(tree.split('\n')).join('\n');
}
