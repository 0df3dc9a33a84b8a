// Makes tests of scenarios, and prints how much was explored.
//
//   BURROW_INTERLEAVING=all   the large scenarios, too, and then every interleaving of each with up
//                             to two preemptions, without any reduction

import { afterAll, test } from 'vitest';
import { checkScenario, type CheckOptions } from './check.ts';
import type { Caching, Scenario } from './scenario.ts';

const isThorough = process.env['BURROW_INTERLEAVING'] === 'all';

/** Most take less than a second; a busy machine is slower. */
const TIMEOUT_MS = isThorough ? 3_600_000 : 120_000;
const CACHINGS: readonly Caching[] = ['roomy', 'tiny'];
const BOUND = { preemptionsMax: 2 };

export function testScenarios(scenarios: readonly Scenario[]): void {
  const rows: string[] = [];
  for (const scenario of scenarios) {
    if (scenario.isLarge === true && !isThorough) continue;
    test(
      scenario.title,
      () => {
        for (const caching of CACHINGS) {
          rows.push(row(scenario, { caching }));
          if (isThorough) rows.push(row(scenario, { caching, full: BOUND }));
        }
      },
      TIMEOUT_MS,
    );
  }
  afterAll(() => {
    console.log(['interleavings (cut short)  outcomes  excused', ...rows].join('\n'));
  });
}

function row(scenario: Scenario, options: CheckOptions): string {
  const { interleavings, cutShort, outcomes, excused } = checkScenario(scenario, options);
  const counts = `${interleavings} (${cutShort})`.padEnd(15);
  const numbers = `${outcomes.size}`.padStart(4) + `${excused}`.padStart(7);
  const how = options.full === undefined ? '' : ' bounded';
  return `${counts}${numbers}  ${options.caching.padEnd(5)}${how}  ${scenario.title}`;
}
