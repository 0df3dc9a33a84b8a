// The browser tests: every spec runs on a page that is cross-origin isolated, where programs have
// threads of their own, and on one that is not, where they run inline.

import { defineConfig } from 'playwright/test';
import { CHROMIUM_FLAGS, ensureBrowser } from './.tools/setup.mjs';

/** BURROW_TEST_PORT lets two runs share a machine. */
const firstPort = Number(process.env['BURROW_TEST_PORT'] ?? 5183);

const PAGES = [
  { name: 'isolated', port: firstPort, option: '' },
  { name: 'inline', port: firstPort + 1, option: ' --no-isolation' },
];

const urlOf = (port: number): string => `http://localhost:${port}/`;

export default defineConfig({
  testDir: 'test/browser',
  testMatch: '*.spec.ts',
  outputDir: 'test-results',
  // Programs are downloaded and compiled in the page, on whatever machine this is.
  timeout: 120_000,
  expect: { timeout: 30_000 },
  fullyParallel: false,
  workers: 1,
  retries: 0,
  forbidOnly: true,
  reporter: [['line'], ['json', { outputFile: '.cache/reports/playwright.json' }]],
  use: {
    browserName: 'chromium',
    headless: true,
    trace: 'off',
    screenshot: 'only-on-failure',
    launchOptions: {
      executablePath: await ensureBrowser(),
      args: [...CHROMIUM_FLAGS],
    },
  },
  projects: PAGES.map(({ name, port }) => ({ name, use: { baseURL: urlOf(port) } })),
  webServer: PAGES.map(({ port, option }) => ({
    command: `node .tools/start.mjs --page-only${option}`,
    env: { PORT: String(port) },
    url: urlOf(port),
    reuseExistingServer: false,
    timeout: 60_000,
  })),
});
