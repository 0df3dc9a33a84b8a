// A program on a gofer whose link is cut and whose server is killed, again and again, must not
// notice more than it has to. `npm run stress:gofer` makes it a long history.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { type BuiltCommand, buildCommand } from '../../.tools/gofer-command.mjs';
import { History } from './gofer/history.ts';
import { GOFER_STRESS } from './gofer/settings.ts';

let built: BuiltCommand | undefined;

beforeAll(async () => {
  built = await buildCommand();
}, 120_000);

afterAll(() => {
  built?.remove();
});

const { operations, disconnections, restarts, seed, timeoutMs, caches } = GOFER_STRESS;

test.each(caches)(
  '%s: calls on a bad link come to what they would',
  async (cache) => {
    const say = (line: string): void => {
      if (GOFER_STRESS.isLong) process.stdout.write(`${line}\n`);
    };
    const { script } = built!;
    const options = { script, cache, operations, disconnections, restarts, seed, say };
    const result = await History.play(options);
    say(`${cache}: ${JSON.stringify(result)}`);
    expect(result.operations).toBeGreaterThanOrEqual(operations);
    expect(result.disconnections).toBeGreaterThanOrEqual(disconnections);
    expect(result.restarts).toBe(restarts);
    expect(result.compared).toBeGreaterThan(restarts);
    if (cache === 'exclusive') expect(result.dataRestarts).toBeGreaterThan(0);
  },
  timeoutMs,
);
