// Every case on the real Linux, the oracle: a case that fails here is wrong.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Stage } from './case.ts';
import { allCases } from './all-cases.ts';
import { canRun, runCase } from './case.ts';
import { findLinuxDirectories, LINUX_TYPES, openLinuxStage } from '../support/linux/linux-stage.ts';

for (const { type, path, lacking } of await findLinuxDirectories()) {
  describe(`Linux ${type}`, () => {
    let stage: Stage;
    beforeAll(async () => {
      stage = await openLinuxStage(path);
    });
    afterAll(() => stage.close());
    for (const testCase of allCases) {
      if (canRun(testCase, lacking)) test(testCase.title, () => runCase(stage, testCase));
    }
  });
}

test('every case can run on tmpfs or on ext4', () => {
  const [tmpfs, ext4] = [LINUX_TYPES.get('tmpfs')!, LINUX_TYPES.get('ext4')!];
  const nowhere = allCases.filter((each) => !canRun(each, tmpfs) && !canRun(each, ext4));
  expect(nowhere).toEqual([]);
});
