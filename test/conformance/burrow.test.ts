// Every case on our filesystems. A known difference is a case that must fail: it can't outlive
// its reason.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Stage } from './case.ts';
import type { FilesystemRow } from './filesystems.ts';
import { allCases } from './all-cases.ts';
import { type Front, FRONTS, type TaskUnderTest } from './burrow-process.ts';
import { canRun, runCase } from './case.ts';
import { FILESYSTEMS } from './filesystems.ts';
import { Credentials } from '../../src/auth/credentials.ts';

async function openStage(row: FilesystemRow, front: Front): Promise<Stage> {
  const filesystem = await row.create();
  const tasks: TaskUnderTest[] = [];
  return {
    directory: filesystem.directory,
    start: async ({ uid, gid, groups }) => {
      const task = await filesystem.makeTask(new Credentials(uid, gid, groups));
      tasks.push(task);
      return front.open(task);
    },
    endCase: () => {
      for (const task of tasks.splice(0)) task.end();
      return Promise.resolve();
    },
    close: () => filesystem.close(),
  };
}

for (const front of FRONTS) {
  for (const row of FILESYSTEMS) {
    if (row.fronts?.includes(front.name) === false) continue;
    describe(`${row.name}, ${front.name}`, () => {
      if (row.whyNot !== undefined) {
        const { whyNot } = row;
        test('its cases', ({ skip }) => skip(whyNot));
        return;
      }
      let stage: Stage;
      beforeAll(async () => {
        stage = await openStage(row, front);
      });
      afterAll(() => stage.close());
      for (const testCase of allCases.filter((each) => canRun(each, row.lacking))) {
        const run = testCase.title in row.knownDifferences ? test.fails : test;
        run(testCase.title, () => runCase(stage, testCase));
      }
    });
  }
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
  expect(allCases.length).toBeGreaterThanOrEqual(560);
});
