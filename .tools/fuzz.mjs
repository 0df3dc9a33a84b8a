// npm run fuzz: fresh histories on the real Linux and on our filesystems, until the time is up.
// test/fuzz/linux.test.ts does it; here are its options.

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import * as setup from './setup.mjs';

const HELP = `Usage: npm run fuzz -- [options]

Compares histories of system calls with the real kernel. Prints the seeds, how many histories and
steps there were, and every difference as lines for a conformance case.

  --minutes <n>         how long; 30 as a rule
  --seed <n>            the first seed; otherwise a fresh one
  --filesystem <type>   tmpfs or idbfs; otherwise both, each for its share of the time
  --help                this text
`;

const OPTIONS = {
  minutes: { type: 'string', default: '30' },
  // Seconds since 1970: every run has seeds of its own.
  seed: { type: 'string', default: String(Math.floor(Date.now() / 1000)) },
  filesystem: { type: 'string' },
  help: { type: 'boolean', default: false },
};

function main() {
  const { values } = parseArgs({ options: OPTIONS });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const { minutes, seed, filesystem } = values;
  const isType = filesystem === undefined || filesystem === 'tmpfs' || filesystem === 'idbfs';
  if (!(Number(minutes) > 0) || !Number.isInteger(Number(seed)) || !isType) {
    process.stderr.write(HELP);
    return 2;
  }
  setup.ensureDependencies();
  const env = { ...process.env, BURROW_FUZZ_MINUTES: minutes, BURROW_FUZZ_SEED: seed };
  if (filesystem !== undefined) env.BURROW_FUZZ_FILESYSTEM = filesystem;
  const vitest = join(setup.ROOT, 'node_modules', '.bin', 'vitest');
  const args = ['run', 'test/fuzz/linux.test.ts'];
  const { status } = spawnSync(vitest, args, { cwd: setup.ROOT, env, stdio: 'inherit' });
  return status ?? 1;
}

process.exitCode = main();
