// Pages of a browser that keeps a profile on disk, as users' browsers do. Playwright's own contexts
// are private windows: what they store is in memory, and counted another way.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { chromium, test } from 'playwright/test';

export const testInProfile = test.extend({
  context: async ({ baseURL, launchOptions }, use) => {
    const folder = mkdtempSync(`${tmpdir()}/burrow-profile-`);
    const context = await chromium.launchPersistentContext(folder, {
      ...launchOptions,
      baseURL: baseURL ?? '',
    });
    await use(context);
    await context.close();
    rmSync(folder, { recursive: true, force: true });
  },
});
