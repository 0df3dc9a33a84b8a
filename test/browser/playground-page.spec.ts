// The playground around its panes: how it starts, why it doesn't, and what its status bar tells.

import type { Page } from 'playwright/test';
import { expect, test } from 'playwright/test';
import { isolationOf, kernelWorkerOf, openKernelPage } from './support/kernel-page.ts';
import { Playground } from './support/playground.ts';

test('the page starts, and says how it runs programs', async ({ page }, testInfo) => {
  const problems: string[] = [];
  page.on('pageerror', ({ message }) => problems.push(message));
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) problems.push(message.text());
  });
  const playground = await Playground.open(page);
  const isThreaded = isolationOf(testInfo) === 'worker';
  expect(await page.evaluate(() => crossOriginIsolated)).toBe(isThreaded);
  expect(await page.evaluate(() => burrow!.isolation)).toBe(isThreaded ? 'worker' : 'inline');
  await expect(page.locator('#status-isolation')).toHaveText(isThreaded ? 'threads' : 'inline');
  await expect(page.locator('#status-storage')).toHaveText(
    /^[\d.]+ \wB used, [\d.]+ GB available$/,
  );
  await expect(page.locator('#status-persistence')).toHaveText('may be evicted');
  await playground.run('echo hello');
  await playground.saved();
  expect(problems).toEqual([]);
});

test('?isolation=inline runs programs in the kernel worker', async ({ page }) => {
  const playground = await Playground.open(page, '?isolation=inline');
  await expect(page.locator('#status-isolation')).toHaveText('inline');
  expect((await playground.run('echo inline | cat')).output).toBe('inline');
});

test('?source= chooses the filesystem', async ({ page }) => {
  const playground = await Playground.open(page, '?source=one');
  await playground.run('echo one > file');
  await playground.saved();
  await Playground.open(page, '?source=two');
  expect((await playground.run('ls')).output).toBe('');
  await Playground.open(page, '?source=one');
  expect((await playground.run('cat file')).output).toBe('one');
});

test('what is written is counted as saved', async ({ page }) => {
  const playground = await Playground.open(page);
  const commit = page.locator('#status-commit');
  await playground.saved();
  await page.evaluate(async () => {
    // Chromium compresses what it keeps, and counts that.
    const bytes = new Uint8Array(3_000_000);
    for (let at = 0; at < bytes.length; at += 50_000) {
      crypto.getRandomValues(bytes.subarray(at, at + 50_000));
    }
    await burrow!.fs.writeFile('/home/user/large', bytes);
  });
  await expect(commit).toHaveText('saved');
  await expect(commit).toHaveAttribute('title', /^Last commit at .*, number [1-9]/);
  await expect(page.locator('#status-storage')).toHaveText(/^[3-9]\.\d MB used/);
});

const SCREEN = '#boot[data-state="failed"]';

test('a second tab shows the same files, and goes on when the first one is closed', async ({
  page,
  context,
}) => {
  const first = await Playground.open(page);
  await first.run('echo of the first > file');
  const second = await Playground.open(await context.newPage());
  expect((await second.run('cat file')).output).toBe('of the first');
  await second.run('echo of the second > other');
  expect((await first.run('cat other')).output).toBe('of the second');
  await page.close();
  expect((await second.run('cat file other')).output).toBe('of the first\nof the second');
});

test('a tab waits at a screen until one that doesn’t share is closed', async ({
  page,
  context,
}) => {
  const first = await Playground.open(page);
  await first.run('echo kept > file');
  await first.saved();
  await openKernelPage(page);
  await page.evaluate(async () => {
    const options = { sharing: 'none' } as const;
    await inPage.boot({ mounts: { '/': { type: 'idbfs', source: 'playground', options } } });
  });
  const tab = await context.newPage();
  await tab.goto('/');
  await expect(tab.locator(SCREEN)).toContainText(
    'Another tab or worker of this site has the filesystem "playground" open',
  );
  await tab.getByRole('button', { name: 'Open another filesystem' }).click();
  await expect(tab).toHaveURL(/\?source=playground-2$/);
  await new Playground(tab).atPrompt();
  await tab.goto('/');
  await expect(tab.locator(SCREEN)).toBeVisible();
  await page.close();
  const retry = tab.getByRole('button', { name: 'Retry' });
  await expect(retry).toBeFocused();
  // Nothing of the page below can be reached.
  for (let count = 0; count < 4; count++) {
    await tab.keyboard.press('Tab');
    const isBelow = await tab.evaluate(
      () => document.activeElement?.closest('header, main, footer') !== null,
    );
    expect(isBelow).toBe(false);
  }
  await retry.click();
  const second = new Playground(tab);
  await second.atPrompt();
  expect((await second.run('cat file')).output).toBe('kept');
});

/** Uses the playground once, leaves it, and does something to its database. */
async function spoil(page: Page, run: (name: string) => Promise<void>): Promise<void> {
  const playground = await Playground.open(page);
  await playground.run('echo precious > file');
  await playground.saved();
  await openKernelPage(page);
  await page.evaluate(run, 'burrow:playground');
}

test('a filesystem that the browser lost is never shown as an empty one', async ({ page }) => {
  await spoil(page, async (name) => {
    await new Promise<void>((resolve, reject) => {
      const request = indexedDB.deleteDatabase(name);
      request.onsuccess = () => {
        resolve();
      };
      request.onerror = reject;
    });
    // The copy in OPFS, too: only the marker is left.
    const root = await navigator.storage.getDirectory();
    await root.removeEntry('burrow-stores', { recursive: true });
  });
  await page.goto('/');
  const screen = page.locator(SCREEN);
  const message = 'The browser reports that it lost the database "burrow:playground"';
  await expect(screen).toContainText(message);
  await screen.getByRole('button', { name: 'Retry' }).click();
  await expect(screen).toContainText(message);
  await page.reload();
  await expect(screen).toContainText(message);
  await screen.getByRole('button', { name: 'Start with an empty filesystem' }).click();
  const playground = new Playground(page);
  await playground.atPrompt();
  expect((await playground.run('ls')).output).toBe('');
  await playground.run('echo again > file');
  await playground.saved();
  await playground.reload();
  expect((await playground.run('cat file')).output).toBe('again');
});

test('a filesystem of a newer format is refused', async ({ page }) => {
  await spoil(
    page,
    (name) =>
      new Promise((resolve, reject) => {
        const opening = indexedDB.open(name);
        opening.onsuccess = () => {
          const transaction = opening.result.transaction('records', 'readwrite');
          const superblock = { magic: 'burrow', formatVersion: 99 };
          transaction.objectStore('records').put(superblock, 'superblock');
          transaction.oncomplete = () => {
            opening.result.close();
            resolve();
          };
        };
        opening.onerror = reject;
      }),
  );
  await page.goto('/');
  await expect(page.locator(SCREEN)).toContainText('found format version 99, and this version');
  await expect(page.locator(SCREEN).getByRole('button')).toHaveText(['Retry']);
});

test('a browser without storage is told what is missing', async ({ page }) => {
  await page.route(/kernel\.worker/, async (route) => {
    const response = await route.fetch();
    const cut = '\nObject.defineProperty(globalThis, "indexedDB", { value: undefined });';
    await route.fulfill({ response, body: (await response.text()) + cut });
  });
  await page.goto('/');
  await expect(page.locator(SCREEN)).toContainText('There is no IndexedDB here');
});

test('a kernel that has died is not kept secret', async ({ page }) => {
  const playground = await Playground.open(page);
  await playground.run('mkdir folder && echo kept > kept');
  await playground.saved();
  await expect(playground.row('kept')).toBeVisible();
  await kernelWorkerOf(page).evaluate(() => {
    setTimeout(close);
  });
  await expect(page.locator('#status-commit')).toHaveText(
    'the kernel has stopped: its worker has ended',
  );
  // What was there is still shown, and the page says what to do.
  await expect(playground.row('user')).toBeVisible();
  await expect(playground.row('kept')).toBeVisible();
  await playground.row('folder').click();
  await expect(playground.row('kept')).toBeVisible();
  const banner = page.getByRole('alert');
  await expect(banner).toContainText('The kernel has stopped: its worker has ended');
  await expect(banner).toContainText('until the page is reloaded');
  await playground.enter('cat file');
  await playground.shows(/the kernel has stopped: its worker has ended/);
  await banner.getByRole('button', { name: 'Reload' }).click();
  await expect(banner).toBeHidden();
  await playground.atPrompt();
  expect((await playground.run('cat kept')).output).toBe('kept');
});

test('a text that is not saved survives the kernel, to be copied', async ({ page }) => {
  const playground = await Playground.open(page);
  await playground.run('echo old > file');
  await playground.row('file').click();
  const text = page.getByRole('textbox', { name: 'Text of file' });
  await expect(text).toBeFocused();
  await page.keyboard.type('new');
  await kernelWorkerOf(page).evaluate(() => {
    setTimeout(close);
  });
  const warning = 'The text in the editor is not saved: copy it first.';
  await expect(page.getByRole('alert').first()).toContainText(warning);
  await expect(text).toHaveText('newold');
});

/** Keeps the kernel from committing by itself, a second after a change. */
async function stopBackgroundCommits(page: Page): Promise<void> {
  await kernelWorkerOf(page).evaluate(() => {
    const { setTimeout: original } = globalThis;
    const held = (callback: () => void, ms = 0): number =>
      ms >= 1000 ? 0 : Number(original(callback, ms));
    Object.assign(globalThis, { setTimeout: held });
  });
}

const commitCount = (page: Page): Promise<number> =>
  page.evaluate(async () => {
    const counts = (await burrow!.mounts()).map(({ commit }) => commit?.commits ?? 0);
    return counts.reduce((sum, each) => sum + each, 0);
  });

test('what a command has changed is saved when it ends', async ({ page }) => {
  const playground = await Playground.open(page);
  await playground.saved();
  await stopBackgroundCommits(page);
  const before = await commitCount(page);
  await playground.run('echo text > file');
  await expect.poll(() => commitCount(page)).toBeGreaterThan(before);
  await playground.reload();
  expect((await playground.run('cat file')).output).toBe('text');
});

test('what has changed is saved when the page is left', async ({ page }) => {
  const playground = await Playground.open(page);
  await playground.saved();
  await stopBackgroundCommits(page);
  for (const event of ['beforeunload', 'pagehide']) {
    await playground.writeFile(`/home/user/${event}`, 'text');
    const before = await commitCount(page);
    await page.evaluate((type) => window.dispatchEvent(new Event(type)), event);
    await expect.poll(() => commitCount(page)).toBeGreaterThan(before);
  }
  await playground.reload();
  expect((await playground.run('ls')).output).toBe('beforeunload  pagehide');
});

test('a narrow window hides the file tree behind a button', async ({ page }) => {
  await page.setViewportSize({ width: 480, height: 800 });
  const playground = await Playground.open(page);
  const toggle = page.getByRole('button', { name: 'File tree' });
  await expect(page.locator('#sidebar')).toBeHidden();
  await playground.run('echo text > file');
  await toggle.click();
  await expect(toggle).toHaveAttribute('aria-expanded', 'true');
  await playground.row('file').click();
  await expect(page.locator('#sidebar')).toBeHidden();
  await expect(page.getByRole('textbox', { name: 'Text of file' })).toHaveText('text');
  // Nothing hangs out of the window.
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  expect(width).toBeLessThanOrEqual(480);
});
