// Every case on the real Linux, the oracle: a case that fails here is wrong.

import { afterAll, beforeAll, describe, test } from 'vitest';
import type { Stage } from './case.ts';
import { allCases } from './all-cases.ts';
import { runCase } from './case.ts';
import { findLinuxDirectories, openLinuxStage } from '../support/linux/linux-stage.ts';

for (const { type, path } of await findLinuxDirectories()) {
  describe(`Linux ${type}`, () => {
    let stage: Stage;
    beforeAll(async () => {
      stage = await openLinuxStage(path);
    });
    afterAll(() => stage.close());
    for (const testCase of allCases) test(testCase.title, () => runCase(stage, testCase));
  });
}
