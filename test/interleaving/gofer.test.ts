// What only a gofer mount has, every frame a step; and that an execution is what its schedule says.

import { expect, test } from 'vitest';
import { create, mkdir, rename, stat } from './calls.ts';
import { textOf } from './gofer-outcome.ts';
import { execute, following, goferSceneOf, GoferSearch } from './gofer-search.ts';
import { ALL_MODES } from './gofer-suite.ts';
import type { Scenario } from './scenario.ts';
import type { GoferMode } from './stepped-gofer.ts';

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
