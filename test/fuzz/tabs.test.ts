// Several tabs on one store, of which the one that holds it is killed at random moments: at any
// message, and while another takes over. Whoever lives on must not notice: every change that was
// asked for is made exactly once, and what was synced by whoever died is there.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { storeProblems } from '../support/history/store-check.ts';
import { Program, recordOf, STEP_KINDS, type StepKind } from './tabs/program.ts';
import { type OpenTab, World } from './tabs/world.ts';

interface Step {
  readonly kind: StepKind;
  readonly choice: number;
}

interface Scenario {
  readonly steps: readonly (readonly Step[])[];
  /** Messages, or twenty times the commits, between one kill and the next. */
  readonly kills: readonly number[];
  readonly commitInterval: number;
  readonly commitDelay: number;
  readonly delays: readonly number[];
  readonly losesMessages: boolean;
  readonly killsAtCommits: boolean;
}

const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom(...STEP_KINDS),
  choice: fc.nat(10_000),
});

const TABS = 4;

const scenario: fc.Arbitrary<Scenario> = fc.record({
  steps: fc.array(fc.array(step, { minLength: 4, maxLength: 30 }), {
    minLength: TABS,
    maxLength: TABS,
  }),
  kills: fc.array(fc.integer({ min: 1, max: 250 }), { minLength: 1, maxLength: TABS - 1 }),
  commitInterval: fc.constantFrom(1, 3, 20, 10_000),
  commitDelay: fc.constantFrom(1, 10, 60),
  // Some are longer than a commit takes.
  delays: fc.array(fc.constantFrom(1, 2, 7, 40, 200), { minLength: 1, maxLength: 5 }),
  losesMessages: fc.boolean(),
  killsAtCommits: fc.boolean(),
});

interface Runner {
  readonly opened: OpenTab;
  readonly program: Program;
  readonly done: Promise<void>;
}

/** Does its steps while the tab lives. A dead tab's never end. */
async function run({ tab }: OpenTab, program: Program, steps: readonly Step[]): Promise<void> {
  for (const { kind, choice } of steps) {
    try {
      await program.step(kind, choice);
    } catch (error) {
      if (tab.isAlive) throw error;
    }
    if (!tab.isAlive) return;
  }
}

function countOf(log: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const record of log) counts.set(record, (counts.get(record) ?? 0) + 1);
  return counts;
}

/** What is wrong with the log, as far as one tab's records go. */
function logProblems(log: readonly string[], { opened, program }: Runner): string[] {
  const counts = countOf(log);
  const { appended, syncedCount, name } = program;
  const { isAlive } = opened.tab;
  const certain = isAlive ? appended.length : syncedCount;
  const wrong: string[] = [];
  for (const [number, record] of appended.entries()) {
    const count = counts.get(record) ?? 0;
    if (count > 1) wrong.push(`record ${number} of ${name} is there ${count} times`);
    if (count === 0 && number < certain) wrong.push(`record ${number} of ${name} is missing`);
  }
  const next = counts.get(recordOf(name, appended.length)) ?? 0;
  if (next > 1) wrong.push(`a record of ${name} that was not answered is there ${next} times`);
  return wrong;
}

/**
 * Kills whoever has the lock on the store, each time after so many messages, or commits. After a
 * commit replies to what it has are still under way.
 */
function killAt(world: World, { kills, killsAtCommits }: Scenario): () => void {
  const times = [...kills];
  let left = times.shift() ?? Infinity;
  const count = (): void => {
    if (--left > 0 || world.living.length <= 1) return;
    left = times.shift() ?? Infinity;
    world.site.ownerOf('burrow:shared')?.kill();
  };
  if (killsAtCommits) world.onCommit = count;
  else world.site.onMessage = count;
  return () => {
    left = Infinity;
  };
}

async function play(played: Scenario): Promise<string[]> {
  const { steps, kills, killsAtCommits, ...options } = played;
  const world = new World(options);
  const runners: Runner[] = [];
  const opened: OpenTab[] = [];
  for (let i = 0; i < TABS; i++) opened.push(await world.openTab());
  const programs: Program[] = [];
  for (const [i, { actor }] of opened.entries()) {
    const program = new Program(actor, String.fromCharCode(97 + i));
    await program.begin();
    programs.push(program);
    // What the holder made, and all stand on, is not to be lost with it.
    if (i === 0) await actor.sync();
  }
  const times = killsAtCommits ? kills.map((after) => Math.ceil(after / 20)) : kills;
  const stopKilling = killAt(world, { ...played, kills: times });
  for (const [i, each] of opened.entries()) {
    const program = programs[i]!;
    runners.push({ opened: each, program, done: run(each, program, steps[i]!) });
  }
  // Dead ones never end, and there may be more of them by the time the others have.
  for (let waited = -1; waited !== world.living.length;) {
    waited = world.living.length;
    await Promise.all(runners.map(({ done, opened: { tab } }) => Promise.race([done, tab.killed])));
  }
  stopKilling();
  const living = runners.filter(({ opened: { tab } }) => tab.isAlive);
  const wrong: string[] = [];
  const logs = await Promise.all(living.map(({ program }) => program.readLog()));
  for (const log of logs) if (log.join() !== logs[0]!.join()) wrong.push('the views differ');
  for (const runner of runners) wrong.push(...logProblems(logs[0]!, runner));
  for (const { program } of living) wrong.push(...(await program.check()));
  const snapshot = await world.end();
  wrong.push(...storeProblems(snapshot, { orphans: 'none' }));
  return wrong;
}

test('tabs go on without noticing when the holder is killed', { timeout: 120_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(scenario, async (played) => {
      expect(await play(played)).toEqual([]);
    }),
    { numRuns: 80, seed: 1, endOnFailure: true },
  );
});
