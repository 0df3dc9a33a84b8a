// tmpfs and idbfs are the same to a program, however little idbfs may keep in memory and whenever
// it has to wait.

import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import type { IdbfsLimits } from '../../src/fs/idbfs/options.ts';
import { FakeClock } from '../../src/lib/clock.ts';
import { runAsync, runSync } from '../../src/lib/op.ts';
import { MemoryStore } from '../../src/store/memory-store.ts';
import { type Action, perform, printAction } from '../support/history/action.ts';
import { anyAction, type HistoryOptions, PRELUDE } from '../support/history/generate.ts';
import { closeSession, openIdbfs, openTmpfs } from '../support/history/session.ts';
import { fuzz, FUZZ_TIMEOUT } from '../support/history/settings.ts';
import { storeProblems } from '../support/history/store-check.ts';
import { readTree, treeInMemory } from '../support/history/tree.ts';

vi.setConfig({ testTimeout: FUZZ_TIMEOUT });

interface Variant {
  readonly store: MemoryStore;
  readonly cacheSize: number;
  readonly dirtyLimit: number;
  readonly limits?: IdbfsLimits;
}

/** Milliseconds between two actions: the write-back commits every third time or so. */
const STEP_MS = 300;

/** Runs a history on both and compares all outcomes, and the trees before and after a remount. */
async function compare(history: readonly Action[], variant: Variant) {
  const clocks = [new FakeClock(), new FakeClock()] as const;
  const model = openTmpfs(clocks[0]);
  const options = { ...variant, clock: clocks[1] };
  const session = await runAsync(openIdbfs(options));
  const log: string[] = [];
  for (const action of [...PRELUDE, ...history]) {
    const wanted = runSync(perform(model.sys, action));
    const outcome = await runAsync(perform(session.sys, action));
    log.push(`${printAction(action)} = ${outcome}`);
    if (outcome !== wanted) throw new Error(`${wanted} expected:\n${log.join('\n')}`);
    for (const clock of clocks) clock.advance(STEP_MS);
  }
  model.task.fds.closeAll();
  session.task.fds.closeAll();
  const tree = treeInMemory(model.filesystem);
  expect(await runAsync(readTree(session.sys)), log.join('\n')).toEqual(tree);
  await runAsync(closeSession(session));
  variant.store.restore(variant.store.snapshot());
  expect(storeProblems(variant.store.snapshot(), { orphans: 'none' })).toEqual([]);
  const again = await runAsync(openIdbfs({ ...options, clock: new FakeClock() }));
  // Looking at symlinks above changed their access times.
  expect(await runAsync(readTree(again.sys))).toEqual(
    tree.map((line): unknown => (line.includes(' 120777 ') ? expect.anything() : line)),
  );
}

const HISTORY: HistoryOptions = { writeMax: 80_000, syncs: true };
const histories = (options: HistoryOptions): fc.Arbitrary<Action[]> =>
  fc.array(anyAction(options), { maxLength: 90, size: 'max' });

test('idbfs does what tmpfs does when everything stays in memory', async () => {
  const property = fc.asyncProperty(histories(HISTORY), (history) =>
    compare(history, { store: new MemoryStore(), cacheSize: 1 << 30, dirtyLimit: 1 << 30 }),
  );
  await fc.assert(property, fuzz(100));
});

test('idbfs does what tmpfs does when next to nothing stays in memory', async () => {
  const limits = { dentries: 2, listingBatch: 2, cacheSizeMin: 0 };
  const property = fc.asyncProperty(histories(HISTORY), (history) =>
    compare(history, {
      store: new MemoryStore({ yields: true }),
      cacheSize: 40_000,
      dirtyLimit: 3000,
      limits,
    }),
  );
  await fc.assert(property, fuzz(100));
});
