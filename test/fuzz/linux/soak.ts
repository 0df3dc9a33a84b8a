// A long run: fresh histories until the time is up, whatever they find.

import fc from 'fast-check';
import type { Step } from './step.ts';

export interface SoakOptions {
  readonly minutes: number;
  /** Of the first round; the others follow it. */
  readonly seed: number;
  readonly histories: fc.Arbitrary<Step[]>;
  /** Errors: whatever says that a history shows a difference. */
  readonly compare: (history: readonly Step[]) => Promise<void>;
  readonly print: (line: string) => void;
}

export interface SoakResult {
  readonly histories: number;
  readonly steps: number;
  readonly rounds: number;
  readonly differences: number;
}

/** Histories of one seed. A round ends with the first difference. */
const ROUND_SIZE = 200;
const MINUTE_MS = 60_000;

function totals({ histories, steps, rounds, differences }: SoakResult): string {
  return `${rounds} rounds, ${histories} histories, ${steps} steps, ${differences} differences`;
}

export async function soak(options: SoakOptions): Promise<SoakResult> {
  const { print, minutes } = options;
  const start = performance.now();
  const elapsed = (): number => (performance.now() - start) / MINUTE_MS;
  let result: SoakResult = { histories: 0, steps: 0, rounds: 0, differences: 0 };
  print(`seeds from ${options.seed} on, ${minutes} minutes`);
  while (elapsed() < minutes) {
    const seed = options.seed + result.rounds;
    let [histories, steps] = [0, 0];
    const property = fc.asyncProperty(options.histories, async (history) => {
      histories += 1;
      steps += history.length;
      await options.compare(history);
    });
    const details = await fc.check(property, { seed, numRuns: ROUND_SIZE });
    result = {
      histories: result.histories + histories,
      steps: result.steps + steps,
      rounds: result.rounds + 1,
      differences: result.differences + (details.failed ? 1 : 0),
    };
    if (details.failed) {
      const { counterexamplePath, errorInstance } = details;
      print(`seed ${seed}, path ${String(counterexamplePath)}: ${String(errorInstance)}`);
    }
    print(`${elapsed().toFixed(1)} min: ${totals(result)}`);
  }
  return result;
}
