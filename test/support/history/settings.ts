// How much is tried, and from which seed: always the same, unless somebody wants more.
//
//   BURROW_FUZZ_FACTOR=50    so many times as many histories
//   BURROW_FUZZ_SEED=7       others
//
// `npm run fuzz` sets those of a long run against the real Linux:
//
//   BURROW_FUZZ_MINUTES=30
//   BURROW_FUZZ_FILESYSTEM=tmpfs    or idbfs; both as a rule

const factor = Number(process.env['BURROW_FUZZ_FACTOR'] ?? 1);
const seed = Number(process.env['BURROW_FUZZ_SEED'] ?? 20);
const minutes = Number(process.env['BURROW_FUZZ_MINUTES'] ?? 0);
const filesystem = process.env['BURROW_FUZZ_FILESYSTEM'];

/** Settings for fast-check. */
export function fuzz(numRuns: number): { readonly seed: number; readonly numRuns: number } {
  return { seed, numRuns: numRuns * factor };
}

/** What a long run is to do, if this is one. */
export const SOAK = minutes > 0 ? { minutes, seed, filesystem } : undefined;

/**
 * Milliseconds for a test that takes a few seconds as a rule. A long run ends by itself, but what
 * it finds at the end it makes smaller first.
 */
export const FUZZ_TIMEOUT = SOAK === undefined ? 60_000 * factor : (minutes + 30) * 60_000;
