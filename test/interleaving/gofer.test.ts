// What only a gofer mount has, every frame a step; and that an execution is what its schedule says.

import { expect, test } from 'vitest';
import { assertDefined } from '../../src/lib/assert.ts';
import { create, mkdir, rename, stat } from './calls.ts';
import { DATA } from './data-scenarios.ts';
import { OTHERS } from './gofer-others-scenarios.ts';
import { textOf } from './gofer-outcome.ts';
import { execute, following, goferSceneOf, GoferSearch } from './gofer-search.ts';
import { ALL_MODES } from './gofer-suite.ts';
import { LOCKS } from './locks-scenarios.ts';
import { NAMES } from './names-scenarios.ts';
import { RENAMES } from './rename-scenarios.ts';
import type { Scenario } from './scenario.ts';
import type { GoferMode, GoferScenario } from './stepped-gofer.ts';

const [COLD] = ALL_MODES as readonly [GoferMode];

const TWO_RENAMES: Scenario = {
  title: 'two renames and a look',
  tree: [mkdir('/a'), create('/a/b')],
  programs: [[rename('/a/b', '/x')], [rename('/a/b', '/y'), stat('/y')]],
};

test.each(ALL_MODES)('an execution is the same each time it is run: $title', async (mode) => {
  const scene = await goferSceneOf(TWO_RENAMES, mode);
  const first = await execute(scene, (choices, at) => choices[(at * 7) % choices.length]!);
  const again = await execute(scene, following(first.schedule));
  expect(again.trace).toEqual(first.trace);
  expect(again.options).toEqual(first.options);
  expect(textOf(again.told)).toBe(textOf(first.told));
  // There was something to be chosen.
  expect(first.options.filter(({ length }) => length > 1).length).toBeGreaterThan(1);
});

test('each frame, call of the server and call of a program is a step', async () => {
  const scene = await goferSceneOf({ ...TWO_RENAMES, programs: [[stat('/a')]] }, COLD);
  const { schedule, trace } = await execute(scene, following(''));
  expect(schedule).toMatch(/^A>0<(>0+<)*$/);
  expect(trace[0]).toMatch(/^A fstatat/);
});

test('an outcome of no order of the calls is told, with the steps that led to it', async () => {
  const scene = await goferSceneOf(TWO_RENAMES, COLD);
  const other = { ...TWO_RENAMES, programs: [[rename('/a/b', '/z')], [stat('/a/b')]] };
  // Judged by what may come of other calls.
  const search = new GoferSearch(scene, other);
  await expect(search.try(following(''))).rejects.toThrow(
    /^no order has the outcome:[^]*two renames and a look, exclusive: A>[^]*\n> /,
  );
});

interface Kept {
  readonly scenarios: readonly GoferScenario[];
  readonly title: string;
  readonly cache: GoferMode['cache'];
  readonly isWarm?: boolean;
  readonly schedule: string;
}

/** After AB, B has to wait for what A is changing. */
const BOTH = { cache: 'exclusive', isWarm: true, schedule: 'AB' } as const;

/** What went wrong once. */
const KEPT: readonly Kept[] = [
  {
    ...BOTH,
    scenarios: RENAMES,
    title: 'two renames of files to each other leave one of them',
  },
  {
    ...BOTH,
    scenarios: RENAMES,
    title: 'what a rename puts into the place of another file is unlinked with its name',
  },
  {
    ...BOTH,
    scenarios: RENAMES,
    title: 'nothing is renamed into a directory that is removed',
    schedule: 'BA',
  },
  {
    ...BOTH,
    scenarios: RENAMES,
    title: 'a rename replaces no directory in which something is created',
  },
  {
    ...BOTH,
    scenarios: RENAMES,
    title: 'what is a mount point is not replaced by a rename',
  },
  {
    ...BOTH,
    scenarios: LOCKS,
    title: 'the events of two renames come in the order of the renames',
  },
  {
    ...BOTH,
    scenarios: NAMES,
    title: 'a file that is unlinked gets another name before, or none',
    schedule: 'BA',
  },
  {
    ...BOTH,
    scenarios: DATA,
    title: 'an extended attribute that is removed is gone, and the others stay',
    schedule: 'A>0<>0<>0B',
  },
  {
    scenarios: OTHERS,
    title: 'a symlink that is another one elsewhere by the time it is read is forgotten',
    cache: 'writethrough',
    schedule: 'B}00{A',
  },
  {
    scenarios: OTHERS,
    title: 'a directory that is moved elsewhere while a symlink in it is read is forgotten',
    cache: 'writethrough',
    schedule: 'B}000{A',
  },
  {
    scenarios: OTHERS,
    title: 'a symlink that is moved elsewhere while it is read is forgotten',
    cache: 'writethrough',
    schedule: 'B}0{B}0{A',
  },
];

test.each(KEPT)('$title: $schedule', async ({ scenarios, title, schedule, ...mode }) => {
  const scenario = assertDefined(scenarios.find((each) => each.title === title));
  const scene = await goferSceneOf(scenario, { ...mode, title: mode.cache });
  const execution = await new GoferSearch(scene).try(following(schedule));
  // It is still a schedule of it.
  expect(execution.schedule.slice(0, schedule.length)).toBe(schedule);
});
