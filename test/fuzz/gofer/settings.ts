// How long a history on a gofer is. `npm run stress:gofer` sets those of a long one:
//
//   BURROW_GOFER_OPERATIONS=20000
//   BURROW_GOFER_DISCONNECTIONS=200
//   BURROW_GOFER_RESTARTS=20
//   BURROW_GOFER_SEED=1
//   BURROW_GOFER_CACHE=exclusive    or shared, writethrough; exclusive and shared as a rule

import type { CacheMode } from '../../../src/fs/gofer/options.ts';

const read = (name: string, otherwise: number): number =>
  Number(process.env[`BURROW_GOFER_${name}`] ?? otherwise);

const operations = read('OPERATIONS', 1500);
const cache = process.env['BURROW_GOFER_CACHE'] as CacheMode | undefined;
const caches: CacheMode[] = cache === undefined ? ['exclusive', 'shared'] : [cache];

export const GOFER_STRESS = {
  operations,
  disconnections: read('DISCONNECTIONS', 15),
  restarts: read('RESTARTS', 2),
  seed: read('SEED', 1),
  caches,
  isLong: process.env['BURROW_GOFER_OPERATIONS'] !== undefined,
  /** Some seconds as a rule; a call waits for a server on whatever machine this is. */
  timeoutMs: 120_000 + operations * 200,
};
