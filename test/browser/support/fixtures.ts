// Fixtures: a page with a kernel on a store of its own. One page serves all the tests of a worker,
// as loading it takes longer than most of them.

import type { Page } from 'playwright/test';
import { test as base } from 'playwright/test';
import { openKernelPage } from './kernel-page.ts';

interface TestFixtures {
  /** kernel-page.html with a new kernel, which is shut down afterwards. */
  readonly kernelPage: Page;
}

interface WorkerFixtures {
  readonly sharedPage: Page;
}

export const test = base.extend<TestFixtures, WorkerFixtures>({
  sharedPage: [
    async ({ browser }, use, { project }) => {
      const { baseURL } = project.use;
      const context = await browser.newContext(baseURL === undefined ? {} : { baseURL });
      const page = await context.newPage();
      await openKernelPage(page);
      await use(page);
      await context.close();
    },
    { scope: 'worker' },
  ],
  kernelPage: async ({ sharedPage }, use, { testId }) => {
    await sharedPage.evaluate((source) => inPage.start(source).then(() => undefined), testId);
    await use(sharedPage);
    // A test may have shut it down itself.
    await sharedPage.evaluate(() => inPage.failureOf(kernel.shutdown()).then(() => undefined));
  },
});
