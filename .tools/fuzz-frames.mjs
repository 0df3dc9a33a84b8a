// npm run fuzz:frames: fuzzed frames for the decoders of lisafs and 9P. test/fuzz/frames.test.ts
// does it; here are its options.

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import * as setup from './setup.mjs';

const HELP = `Usage: npm run fuzz:frames -- [options]

Decodes valid frames that were changed, and random ones. Prints how many were decoded and refused,
or the first that did more than that, with its seed and bytes.

  --frames <n>  of each of the two decoders; 1000000 as a rule
  --seed <n>    otherwise a fresh one
  --help        this text
`;

const OPTIONS = {
  frames: { type: 'string', default: '1000000' },
  // Seconds since 1970: every run has a seed of its own.
  seed: { type: 'string', default: String(Math.floor(Date.now() / 1000)) },
  help: { type: 'boolean', default: false },
};

function main() {
  const { values } = parseArgs({ options: OPTIONS });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const { frames, seed } = values;
  const isRight = Number.isInteger(Number(frames)) && Number(frames) >= 10_000;
  if (!isRight || !Number.isInteger(Number(seed))) {
    process.stderr.write(HELP);
    return 2;
  }
  setup.ensureDependencies();
  const env = { ...process.env, BURROW_FUZZ_FRAMES: frames, BURROW_FUZZ_SEED: seed };
  const vitest = join(setup.ROOT, 'node_modules', '.bin', 'vitest');
  const args = ['run', 'test/fuzz/frames.test.ts'];
  const { status } = spawnSync(vitest, args, { cwd: setup.ROOT, env, stdio: 'inherit' });
  return status ?? 1;
}

process.exitCode = main();
