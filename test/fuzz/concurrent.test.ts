// Dozens of operations in flight at once on few names: whatever each of them comes to, the tree is
// a tree, all counts are right, and a remount shows the same.

import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { FakeClock } from '../../src/lib/clock.ts';
import { runAsync, runSync } from '../../src/lib/op.ts';
import { MemoryStore } from '../../src/store/memory-store.ts';
import { type Action, perform } from '../support/history/action.ts';
import { anyAction, PRELUDE } from '../support/history/generate.ts';
import { closeSession, newTask, openIdbfs } from '../support/history/session.ts';
import { fuzz, FUZZ_TIMEOUT } from '../support/history/settings.ts';
import { storeProblems } from '../support/history/store-check.ts';
import { readTree } from '../support/history/tree.ts';
import { leakedReferences } from '../support/references.ts';
import { Interleaving } from './interleaved.ts';

vi.setConfig({ testTimeout: FUZZ_TIMEOUT });

const LIMITS = { dentries: 2, listingBatch: 2, cacheSizeMin: 40_000 };

/** One task each, whose calls come one after the other. */
const programs = fc.array(
  fc.array(anyAction({ writeMax: 50_000, syncs: true }), {
    minLength: 1,
    maxLength: 12,
  }),
  { minLength: 2, maxLength: 12, size: 'max' },
);
const choices = fc.array(fc.nat(11), { maxLength: 400, size: 'max' });

async function runAll(lists: readonly Action[][], order: readonly number[]): Promise<void> {
  const clock = new FakeClock();
  const snapshot = new MemoryStore().snapshot();
  const run = new Interleaving({ snapshot, clock, commitSteps: 9, limits: LIMITS });
  await run.mount();
  const { vfs, filesystem, task } = run.session;
  const tasks = lists.map(() => newTask(vfs, clock));
  for (const [index, { sys }] of tasks.entries()) {
    for (const action of index === 0 ? PRELUDE : PRELUDE.slice(4)) {
      await run.finish(perform(sys, action));
    }
  }
  const ops = lists.map(function* (actions, index) {
    for (const action of actions) yield* perform(tasks[index]!.sys, action);
  });
  await run.run(ops, order);
  for (const each of tasks) each.task.end();
  const tree = await run.finish(readTree(run.session.sys));
  task.end();
  expect(leakedReferences(vfs)).toEqual([]);
  await run.finish(filesystem.sync());
  expect(storeProblems(run.store.snapshot(), { orphans: 'none' })).toEqual([]);
  for (const crashed of run.store.snapshots) {
    expect(storeProblems(crashed, { orphans: 'listed' })).toEqual([]);
  }

  const store = new MemoryStore();
  store.restore(run.store.snapshot());
  const session = await runAsync(openIdbfs({ store, clock: new FakeClock() }));
  const symlink = / 120777 /;
  // Their access times were changed by looking at them.
  const stable = (lines: string[]): string[] => lines.filter((line) => !symlink.test(line));
  expect(stable(runSync(readTree(session.sys)))).toEqual(stable(tree));
  await runAsync(closeSession(session));
}

test('many operations at once leave a tree that is right', async () => {
  await fc.assert(fc.asyncProperty(programs, choices, runAll), fuzz(60));
});
