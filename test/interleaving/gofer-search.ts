// Searches the executions of a scenario on a gofer mount, and compares what comes of each with what
// comes on idbfs of the calls made one after the other.
//
// There is no reduction, so the search is bounded: all calls one after the other, in each order;
// the executions that differ by few choices from the one in which what is under way goes on first
// (delay-bounded scheduling: Emmi, Qadeer, Rakamaric, POPL 2011); and some by chance.

import { randomFrom } from '../fuzz/gofer/steps.ts';
import { sceneOf } from './check.ts';
import {
  resultOf,
  textOf,
  textOfResult,
  type Told,
  treeOf,
  treeOfResult,
} from './gofer-outcome.ts';
import { Oracle } from './oracle.ts';
import {
  type Choice,
  type GoferMode,
  type GoferScenario,
  type GoferScene,
  SteppedGofer,
} from './stepped-gofer.ts';
import type { SteppedTree } from './stepped-tree.ts';
import type { Result } from './world.ts';

export interface GoferSearchOptions {
  /** Choices that are other than the first. */
  readonly delaysMax: number;
  /** Executions in which every choice is by chance. */
  readonly randomCount: number;
}

export interface GoferReport {
  readonly executions: number;
  readonly outcomes: ReadonlySet<string>;
  /** Executions whose outcome is that of no order of whole calls, but of one of their parts. */
  readonly excused: number;
}

export interface Execution {
  /** The tokens of what was chosen. */
  readonly schedule: string;
  /** At each step, the tokens of what could be. */
  readonly options: readonly string[];
  /** What happened, for people. */
  readonly trace: readonly string[];
  readonly told: Told;
}

type Choose = (choices: readonly Choice[], at: number) => Choice;

/** What goes on and on would be found here. */
const STEPS_MAX = 2000;

/** One execution. Errors: what is wrong, with the steps that led to it. */
export async function execute(scene: GoferScene, choose: Choose): Promise<Execution> {
  const world = await SteppedGofer.begin(scene);
  const trace: string[] = [];
  const options: string[] = [];
  let schedule = '';
  try {
    for (let { choices } = world; choices.length > 0; { choices } = world) {
      if (options.length >= STEPS_MAX) throw new Error('it goes on and on');
      const choice = choose(choices, options.length);
      options.push(choices.map(({ token }) => token).join(''));
      schedule += choice.token;
      trace.push(`${choice.token} ${choice.title}`);
      await world.step(choice);
    }
    return { schedule, options, trace, told: await world.end() };
  } catch (error) {
    throw goferFailure(error, { scene, schedule, trace });
  }
}

interface Failed {
  readonly scene: GoferScene;
  readonly schedule: string;
  readonly trace: readonly string[];
}

function goferFailure(cause: unknown, { scene, schedule, trace }: Failed): Error {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const where = `${scene.scenario.title}, ${scene.mode.title}: ${schedule}`;
  return new Error([reason, where, ...trace].join('\n'), { cause });
}

/** What `schedule` says, and after it, or where that can't be, the first. */
export function following(schedule: string): Choose {
  return (choices, at) => choices.find(({ token }) => token === schedule[at]) ?? choices[0]!;
}

/** A program's next call only when nothing is under way. */
function inOrder(order: readonly number[]): Choose {
  let at = 0;
  return (choices) => {
    const under = choices.find(({ isUnderWay }) => isUnderWay);
    if (under !== undefined) return under;
    const token = 'ABCDEF'[order[at]!];
    at++;
    return choices.find((choice) => choice.token === token) ?? choices[0]!;
  };
}

const judges = new WeakMap<GoferScenario, Judge>();
const trees = new WeakMap<GoferScenario, Promise<SteppedTree>>();

function judgeOf(scenario: GoferScenario): Judge {
  const known = judges.get(scenario) ?? new Judge(scenario);
  judges.set(scenario, known);
  return known;
}

/**
 * What may come of a scenario. Whoever is elsewhere is told of a change some time later: then each
 * call by itself has to come to what it may come to, and the server's tree is compared.
 */
class Judge {
  readonly oracle: Oracle;
  readonly #isApart: boolean;
  /** Of each call, as `program.index`: what it comes to in some order. */
  readonly #results = new Map<string, Set<string>>();

  constructor(scenario: GoferScenario) {
    this.#isApart = scenario.elsewhere !== undefined;
    const textOfApart = (result: Result): string => {
      for (const [key, text] of resultsOf(result)) {
        this.#results.set(key, (this.#results.get(key) ?? new Set()).add(text));
      }
      return treeOfResult(result);
    };
    const scene = sceneOf(scenario, 'roomy');
    this.oracle = new Oracle(scene, this.#isApart ? textOfApart : textOfResult);
  }

  textOf(told: Told): string {
    return this.#isApart ? treeOf(told) : textOf(told);
  }

  /** Errors: it may not come to that. */
  judge(told: Told): 'in order' | 'excused' {
    if (this.#isApart) {
      for (const [key, text] of resultsOf(told)) {
        if (this.#results.get(key)?.has(text) !== true) throw new Error(`call ${key}: ${text}`);
      }
    }
    return this.oracle.judge({ text: this.textOf(told), calls: told.calls });
  }
}

function resultsOf({ calls }: Pick<Told, 'calls'>): (readonly [string, string])[] {
  return calls.flatMap((program, index) =>
    program.map((call, at) => [`${index}.${at}`, resultOf(call)] as const),
  );
}

export async function goferSceneOf(scenario: GoferScenario, mode: GoferMode): Promise<GoferScene> {
  const made = trees.get(scenario) ?? SteppedGofer.treeAfter(scenario.tree);
  trees.set(scenario, made);
  return { scenario, mode, served: await made };
}

export class GoferSearch {
  readonly #scene: GoferScene;
  readonly #judge: Judge;
  readonly #outcomes = new Set<string>();
  #executions = 0;
  #excused = 0;

  /** `judgedBy`: the scenario whose outcomes may come of it, if it is another. */
  constructor(scene: GoferScene, judgedBy: GoferScenario = scene.scenario) {
    this.#scene = scene;
    this.#judge = judgeOf(judgedBy);
  }

  async run({ delaysMax, randomCount }: GoferSearchOptions): Promise<GoferReport> {
    const { oracle } = this.#judge;
    for (const order of oracle.orders) await this.try(inOrder(order));
    for (const outcome of oracle.outcomes) {
      if (!this.#outcomes.has(outcome)) throw new Error(`it never comes to:\n${outcome}`);
    }
    await this.#vary('', delaysMax);
    for (let seed = 1; seed <= randomCount; seed++) {
      const random = randomFrom(seed);
      await this.try((choices) => choices[random(choices.length)]!);
    }
    const [outcomes, executions, excused] = [this.#outcomes, this.#executions, this.#excused];
    return { outcomes, executions, excused };
  }

  async #vary(prefix: string, delays: number): Promise<void> {
    const { schedule, options } = await this.try(following(prefix));
    if (delays === 0) return;
    for (let at = prefix.length; at < options.length; at++) {
      for (const token of options[at]!) {
        if (token !== schedule[at]) await this.#vary(schedule.slice(0, at) + token, delays - 1);
      }
    }
  }

  /** One execution. Errors: it comes of no order of calls. */
  async try(choose: Choose): Promise<Execution> {
    const execution = await execute(this.#scene, choose);
    const { told, schedule, trace } = execution;
    this.#executions++;
    this.#outcomes.add(this.#judge.textOf(told));
    try {
      if (this.#judge.judge(told) === 'excused') this.#excused++;
    } catch (error) {
      throw goferFailure(error, { scene: this.#scene, schedule, trace });
    }
    return execution;
  }
}
