// How much is tried, and from which seed: always the same, unless somebody wants more.
//
//   BURROW_FUZZ_FACTOR=50    so many times as many histories
//   BURROW_FUZZ_SEED=7       others

const factor = Number(process.env['BURROW_FUZZ_FACTOR'] ?? 1);
const seed = Number(process.env['BURROW_FUZZ_SEED'] ?? 20);

/** Settings for fast-check. */
export function fuzz(numRuns: number): { readonly seed: number; readonly numRuns: number } {
  return { seed, numRuns: numRuns * factor };
}

/** Milliseconds for a test that takes a few seconds as a rule. */
export const FUZZ_TIMEOUT = 60_000 * factor;
