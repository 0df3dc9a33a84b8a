// Whatever happens, what is in the store is a state the filesystem really had: random histories,
// with a crash after every commit.

import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { linuxerr } from '../../src/abi/errno.ts';
import { anyAction, type HistoryOptions } from '../support/history/generate.ts';
import { fuzz, FUZZ_TIMEOUT } from '../support/history/settings.ts';
import { CrashRun, type Step } from './crash-run.ts';

vi.setConfig({ testTimeout: FUZZ_TIMEOUT });

const HISTORY: HistoryOptions = { writeMax: 5000, syncs: true };

const act = anyAction(HISTORY).map((action): Step => ({ kind: 'action', action }));
const advance = fc
  .constantFrom(1, 1, 300, 1000, 90_000_000)
  .map((ms): Step => ({ kind: 'advance', ms }));
const fail = fc
  .constantFrom(linuxerr.ENOSPC, linuxerr.EIO)
  .map((error): Step => ({ kind: 'fail', error }));
const remount = fc.constant<Step>({ kind: 'remount' });

const delays = fc.array(fc.nat(25), { minLength: 1, maxLength: 5 });

function steps(extra: fc.WeightedArbitrary<Step>[]): fc.Arbitrary<Step[]> {
  const step = fc.oneof(
    { weight: 40, arbitrary: act },
    { weight: 6, arbitrary: advance },
    ...extra,
  );
  return fc.array(step, { minLength: 1, maxLength: 90, size: 'max' });
}

const SETTINGS = fuzz(60);

test('a crash after any commit shows the tree of the moment the commit began', async () => {
  let commits = 0;
  const property = fc.asyncProperty(
    steps([{ weight: 1, arbitrary: remount }]),
    delays,
    async (history, commitDelays) => {
      const run = new CrashRun({ dirtyLimit: 1 << 30, commitDelays });
      await run.run(history);
      commits += run.commitCount;
    },
  );
  await fc.assert(property, SETTINGS);
  expect(commits).toBeGreaterThan(300);
});

test('a crash is as harmless when every change starts a commit', async () => {
  const property = fc.asyncProperty(steps([]), delays, (history, commitDelays) =>
    new CrashRun({ dirtyLimit: 1, commitDelays }).run(history),
  );
  await fc.assert(property, SETTINGS);
});

test('what a failed commit should have written is written by a later one', async () => {
  const property = fc.asyncProperty(
    steps([{ weight: 6, arbitrary: fail }]),
    delays,
    (history, commitDelays) => new CrashRun({ dirtyLimit: 1 << 30, commitDelays }).run(history),
  );
  await fc.assert(property, SETTINGS);
});
