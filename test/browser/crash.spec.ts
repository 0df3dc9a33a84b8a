// The short form of test/crash/kill.mjs: what was synced outlives a browser that is killed.

import { expect, test } from 'playwright/test';
import { killRounds } from '../crash/kill.mjs';

test('what was synced is there after the browser was killed', async ({ baseURL }) => {
  const lines: string[] = [];
  const say = (line: string): void => void lines.push(line);
  const { clean, dataLoss, hung } = await killRounds({ rounds: 3, address: baseURL!, say });
  // Chromium may lose a database by itself; that counts as long as it is told.
  expect(clean + dataLoss, lines.join('\n')).toBe(3);
  expect(hung).toBe(0);
});
