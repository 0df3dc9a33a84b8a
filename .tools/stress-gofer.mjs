// npm run stress:gofer: a long history on a gofer whose link is cut and whose server is killed.
// test/fuzz/gofer.test.ts does it; here are its options.

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import * as setup from './setup.mjs';

const HELP = `Usage: npm run stress:gofer -- [options]

Makes random calls on a folder that \`burrowfs gofer\` serves, by a link that is cut at random
bytes, and kills the server now and then; compares every outcome, and what is on the host, with
tmpfs.

  --operations <n>      calls in each cache mode; 20000 as a rule
  --disconnections <n>  200 as a rule
  --restarts <n>        times the server is killed; 20 as a rule
  --seed <n>            1 as a rule
  --cache <mode>        exclusive, writethrough or shared; otherwise exclusive, then shared
  --help                this text
`;

const OPTIONS = {
  operations: { type: 'string', default: '20000' },
  disconnections: { type: 'string', default: '200' },
  restarts: { type: 'string', default: '20' },
  seed: { type: 'string', default: '1' },
  cache: { type: 'string' },
  help: { type: 'boolean', default: false },
};

function main() {
  const { values } = parseArgs({ options: OPTIONS });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const { cache, operations, disconnections, restarts, seed } = values;
  const numbers = { operations, disconnections, restarts, seed };
  const isWrong = Object.values(numbers).some((text) => !/^\d+$/.test(text));
  if (isWrong || !['exclusive', 'writethrough', 'shared', undefined].includes(cache)) {
    process.stderr.write(HELP);
    return 2;
  }
  setup.ensureDependencies();
  const env = { ...process.env };
  for (const [name, text] of Object.entries(numbers)) {
    env[`BURROW_GOFER_${name.toUpperCase()}`] = text;
  }
  if (cache !== undefined) env.BURROW_GOFER_CACHE = cache;
  const vitest = join(setup.ROOT, 'node_modules', '.bin', 'vitest');
  const args = ['run', 'test/fuzz/gofer.test.ts', '--disable-console-intercept'];
  const { status } = spawnSync(vitest, args, { cwd: setup.ROOT, env, stdio: 'inherit' });
  return status ?? 1;
}

process.exitCode = main();
