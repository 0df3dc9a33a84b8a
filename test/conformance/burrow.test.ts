// Every case on our filesystems. A known difference is a case that must fail: it can't outlive
// its reason.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Stage } from './case.ts';
import type { FilesystemRow } from './filesystems.ts';
import { allCases } from './all-cases.ts';
import { asyncSyscallsOf } from './burrow-subject.ts';
import { runCase } from './case.ts';
import { FILESYSTEMS } from './filesystems.ts';
import { Credentials } from '../../src/auth/credentials.ts';

async function openStage(row: FilesystemRow): Promise<Stage> {
  const filesystem = await row.create();
  return {
    directory: filesystem.directory,
    start: ({ uid, gid, groups }) =>
      Promise.resolve(asyncSyscallsOf(filesystem.makeTask(new Credentials(uid, gid, groups)))),
    endCase: () => Promise.resolve(),
    close: () => filesystem.close(),
  };
}

for (const row of FILESYSTEMS) {
  describe(row.name, () => {
    let stage: Stage;
    beforeAll(async () => {
      stage = await openStage(row);
    });
    afterAll(() => stage.close());
    for (const testCase of allCases) {
      const run = testCase.title in row.knownDifferences ? test.fails : test;
      run(testCase.title, () => runCase(stage, testCase));
    }
  });
}

test('every known difference names a case and gives a reason', () => {
  const titles = new Set(allCases.map(({ title }) => title));
  for (const { name, knownDifferences } of FILESYSTEMS) {
    for (const [title, reason] of Object.entries(knownDifferences)) {
      expect(titles, `${name}: ${title}`).toContain(title);
      expect(reason, `${name}: ${title}`).not.toBe('');
    }
  }
});

test('every case has a title of its own and an origin', () => {
  const titles = allCases.map(({ title }) => title);
  expect(titles.filter((title, index) => titles.indexOf(title) !== index)).toEqual([]);
  expect(allCases.filter(({ origin }) => origin === '')).toEqual([]);
  expect(allCases.length).toBeGreaterThanOrEqual(260);
});
