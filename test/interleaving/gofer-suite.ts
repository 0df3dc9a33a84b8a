// Makes tests of scenarios on gofer mounts, and prints how much was run.
//
//   BURROW_INTERLEAVING=all   two choices that differ instead of one, more by chance, and each
//                             scenario in all modes

import { afterAll, describe, test } from 'vitest';
import { GoferSearch, type GoferSearchOptions, goferSceneOf } from './gofer-search.ts';
import type { GoferMode, GoferScenario } from './stepped-gofer.ts';

const isThorough = process.env['BURROW_INTERLEAVING'] === 'all';

/** Most take less than a second; a busy machine is slower. */
const TIMEOUT_MS = isThorough ? 24 * 3_600_000 : 120_000;
const SEARCH: GoferSearchOptions = isThorough
  ? { delaysMax: 2, randomCount: 1000 }
  : { delaysMax: 1, randomCount: 10 };

const MODES: readonly GoferMode[] = [
  { title: 'exclusive', cache: 'exclusive' },
  { title: 'exclusive, all known', cache: 'exclusive', isWarm: true },
  { title: 'writethrough', cache: 'writethrough' },
  { title: 'shared', cache: 'shared' },
];
const MORE_MODES: readonly GoferMode[] = [
  { title: 'exclusive, little kept', cache: 'exclusive', isWarm: true, isTiny: true },
  { title: 'writethrough, all known', cache: 'writethrough', isWarm: true },
  { title: 'writethrough, little kept', cache: 'writethrough', isWarm: true, isTiny: true },
  { title: 'shared, all known', cache: 'shared', isWarm: true },
  { title: 'shared, little kept', cache: 'shared', isWarm: true, isTiny: true },
  { title: 'none', cache: 'none' },
];
export const ALL_MODES: readonly GoferMode[] = [...MODES, ...MORE_MODES];

export function testOnGofers(
  scenarios: readonly GoferScenario[],
  modes: readonly GoferMode[] = isThorough ? ALL_MODES : MODES,
): void {
  const rows: string[] = [];
  describe.each(modes)('$title', (mode) => {
    test.each(scenarios)(
      '$title',
      async (scenario) => {
        const search = new GoferSearch(await goferSceneOf(scenario, mode));
        const { executions, outcomes, excused } = await search.run(SEARCH);
        const numbers = `${executions}`.padStart(8) + `${outcomes.size}`.padStart(9);
        rows.push(`${numbers}${`${excused}`.padStart(9)}  ${mode.title}: ${scenario.title}`);
      },
      TIMEOUT_MS,
    );
  });
  afterAll(() => {
    console.log(['   times outcomes  excused', ...rows].join('\n'));
  });
}
