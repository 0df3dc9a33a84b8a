// Two operations at once on idbfs have the outcome of one after the other, in whatever order they
// get to go on.

import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import {
  AT_FDCWD,
  AT_REMOVEDIR,
  O_APPEND,
  O_CREAT,
  O_EXCL,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  RENAME_EXCHANGE,
  SEEK_DATA,
  SEEK_END,
} from '../../src/abi/fcntl.ts';
import { FakeClock } from '../../src/lib/clock.ts';
import { runSync } from '../../src/lib/op.ts';
import { act, type Action, perform, printAction } from '../support/history/action.ts';
import { newTask, openTmpfs } from '../support/history/session.ts';
import { fuzz, FUZZ_TIMEOUT } from '../support/history/settings.ts';
import { snapshotAfter } from '../support/history/snapshot.ts';
import { storeProblems } from '../support/history/store-check.ts';
import { readTree, treeInMemory, withoutAtime } from '../support/history/tree.ts';
import { Interleaving } from './interleaved.ts';

vi.setConfig({ testTimeout: FUZZ_TIMEOUT });

/** What is there before: /a/a/x, /a/c, /b/c, /c with data, /d a symlink. */
const PRELUDE: readonly Action[] = [
  act('mkdirat', AT_FDCWD, '/a', 0o755, 0),
  act('mkdirat', AT_FDCWD, '/a/a', 0o755, 0),
  act('mkdirat', AT_FDCWD, '/b', 0o755, 0),
  act('symlinkat', 'a/c', AT_FDCWD, '/d', 0),
  act('openat', AT_FDCWD, '/c', O_RDWR | O_CREAT, 0o644),
  act('openat', AT_FDCWD, '/a/c', O_RDWR | O_CREAT, 0o644),
  act('openat', AT_FDCWD, '/b/c', O_RDWR | O_CREAT, 0o644),
  act('pwrite', 0, { seed: 1, length: 100_000 }, 0),
  act('pwrite', 1, { seed: 2, length: 10_000 }, 0),
];

/** Every task has these first. */
const OPEN: readonly Action[] = [
  act('openat', AT_FDCWD, '/c', O_RDWR, 0),
  act('openat', AT_FDCWD, '/c', O_RDWR | O_APPEND, 0),
  act('openat', AT_FDCWD, '/a', O_RDONLY, 0),
];

const ACTIONS: readonly Action[] = [
  act('openat', AT_FDCWD, '/a/n', O_RDWR | O_CREAT | O_EXCL, 0o644),
  act('openat', AT_FDCWD, '/c', O_RDWR | O_TRUNC, 0),
  act('openat', AT_FDCWD, '/d', O_RDWR | O_CREAT, 0o600),
  act('mkdirat', AT_FDCWD, '/a/n', 0o755, 0),
  act('symlinkat', 'x', AT_FDCWD, '/a/a/n', 0),
  act('unlinkat', AT_FDCWD, '/a/c', 0),
  act('unlinkat', AT_FDCWD, '/c', 0),
  act('unlinkat', AT_FDCWD, '/a/a', AT_REMOVEDIR),
  act('linkat', AT_FDCWD, '/c', AT_FDCWD, '/a/n', 0),
  act('linkat', AT_FDCWD, '/a/c', AT_FDCWD, '/a/a/n', 0),
  act('renameat2', AT_FDCWD, '/a', AT_FDCWD, '/b/n', 0),
  act('renameat2', AT_FDCWD, '/b', AT_FDCWD, '/a/n', 0),
  act('renameat2', AT_FDCWD, '/b', AT_FDCWD, '/a/a', 0),
  act('renameat2', AT_FDCWD, '/a/c', AT_FDCWD, '/b/c', 0),
  act('renameat2', AT_FDCWD, '/b/c', AT_FDCWD, '/c', 0),
  act('renameat2', AT_FDCWD, '/a/c', AT_FDCWD, '/b/c', RENAME_EXCHANGE),
  act('fchmodat', AT_FDCWD, '/a/c', 0o600, 0),
  act('truncate', '/c', 8192),
  act('ftruncate', 0, 40_000),
  act('ftruncate', 0, 200_000),
  act('write', 0, { seed: 7, length: 50_000 }),
  act('write', 1, { seed: 8, length: 50_000 }),
  act('pwrite', 0, { seed: 9, length: 100 }, 60_000),
  act('pread', 0, { buffer: 100_000 }, 1000),
  act('lseek', 0, 0, SEEK_END),
  act('lseek', 0, 40_000, SEEK_DATA),
  act('fallocate', 0, 0, 90_000, 50_000),
  act('getdents', 2, 32_768),
  act('fstatat', AT_FDCWD, '/a/c', 0),
  act('readlinkat', AT_FDCWD, '/d', 0),
  act('fsync', 0),
];

/**
 * A file loses its last name to a rename between the moment link() has found it and the moment it
 * gives it another: ENOENT, as from Linux's vfs_link(), though at any moment there was a file.
 */
const isLinkRace = (actions: readonly Action[], outcomes: readonly string[]): boolean =>
  actions[0]?.call === 'linkat' && actions[1]?.call === 'renameat2' && outcomes[0] === 'ENOENT';

const base = snapshotAfter(PRELUDE);

/**
 * Outcomes and tree as one text. Which error it is when a path changes while it is being resolved,
 * and the order of a listing, may be of neither order: Linux looks paths up before it locks, too.
 * Parts of a read of more than the cache holds may be from before and from after a write: Linux's
 * reads take no lock either. How much was read is compared.
 */
function print(outcomes: readonly string[], tree: readonly string[]): string {
  const results = outcomes.map((outcome) => {
    if (/^E[A-Z]+$/.test(outcome)) return 'failed';
    return outcome.startsWith('99000 ') ? '99000' : outcome;
  });
  return [...results, ...withoutAtime(tree).sort()].join('\n');
}

/** `actions` in the order `order`, on tmpfs. */
function inTurn(actions: readonly Action[], order: readonly number[]): string {
  const clock = new FakeClock();
  const { filesystem, vfs, sys, task } = openTmpfs(clock);
  for (const action of PRELUDE) runSync(perform(sys, action));
  task.fds.closeAll();
  const tasks = actions.map(() => newTask(vfs, clock).sys);
  for (const each of tasks) for (const action of OPEN) runSync(perform(each, action));
  const outcomes: string[] = [];
  for (const index of order) {
    outcomes[index] = runSync(perform(tasks[index]!, actions[index]!));
  }
  return print(outcomes, treeInMemory(filesystem));
}

async function atOnce(
  actions: readonly Action[],
  choices: readonly number[],
): Promise<{ readonly result: string; readonly isExcused: boolean }> {
  const clock = new FakeClock();
  const limits = { dentries: 1, listingBatch: 256, cacheSizeMin: 40_000 };
  const run = new Interleaving({ snapshot: base, clock, commitSteps: 5, limits });
  await run.mount();
  const tasks = actions.map(() => run.newTask());
  for (const task of tasks) {
    for (const action of OPEN) await run.finish(perform(task, action));
  }
  const ops = actions.map((action, index) => perform(tasks[index]!, action));
  const outcomes = await run.run(ops, choices);
  const tree = await run.finish(readTree(run.session.sys));
  await run.finish(run.session.filesystem.sync());
  expect(storeProblems(run.store.snapshot(), { orphans: 'listed' })).toEqual([]);
  return { result: print(outcomes, tree), isExcused: isLinkRace(actions, outcomes) };
}

const pairs = ACTIONS.flatMap((first, index) =>
  ACTIONS.slice(index).map((second): Action[] => [first, second]),
);

test('two operations at once are as one after the other', async () => {
  const { seed, numRuns } = fuzz(2);
  const schedules = fc.array(fc.nat(1), { minLength: 4, maxLength: 24, size: 'max' });
  for (const [index, actions] of pairs.entries()) {
    const wanted = [inTurn(actions, [0, 1]), inTurn(actions, [1, 0])];
    for (const choices of fc.sample(schedules, { seed: seed + index, numRuns })) {
      const { result, isExcused } = await atOnce(actions, choices);
      if (wanted.includes(result) || isExcused) continue;
      expect(result, `${actions.map(printAction).join(' and ')}: ${choices.join('')}`).toBe(
        wanted[0],
      );
    }
  }
});
