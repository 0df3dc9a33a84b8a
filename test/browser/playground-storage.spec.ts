// The status bar's buttons for the whole filesystem.

import { expect, test } from 'playwright/test';
import { Playground } from './support/playground.ts';

test('a check says that all is well, and an image is saved', async ({ page }) => {
  await Playground.open(page, `?source=${crypto.randomUUID()}`);
  await page.getByRole('button', { name: 'Check', exact: true }).click();
  await expect(page.locator('#toasts')).toContainText(/All is well with \d+ files and \d+ folders/);
  const download = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Download image' }).click();
  const saved = await download;
  expect(saved.suggestedFilename()).toBe('burrow.image.gz');
});
