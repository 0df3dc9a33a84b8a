// Gofers in the playground: the link in its address, the dialog, and what it says of a link that
// breaks.

import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Locator, Page } from 'playwright/test';
import { expect, test as base } from 'playwright/test';
import { TokenGofer } from '../support/token-gofer.ts';
import { Playground } from './support/playground.ts';

const test = base.extend<{ readonly gofer: TokenGofer }>({
  // Playwright wants to see what a fixture needs, and this one needs nothing.
  gofer: async ({ browserName: _ }, use) => {
    const gofer = await TokenGofer.start();
    await writeFile(join(gofer.folder, 'hello.txt'), 'from the host\n');
    await use(gofer);
    await gofer.close();
  },
});

const status = (page: Page): Locator => page.locator('#status-remote');
const dialog = (page: Page): Locator => page.getByRole('dialog', { name: 'Remote directories' });
const tokenOf = (address: string): string => address.replace(/^.*#token=/, '');

async function connect(page: Page, address: string, fill: Record<string, string> = {}) {
  await dialog(page).getByLabel('Address').fill(address);
  for (const [label, value] of Object.entries(fill)) {
    await dialog(page).getByLabel(label).fill(value);
  }
  await dialog(page).getByRole('button', { name: 'Connect', exact: true }).click();
}

test('?gofer= mounts at /remote, and keeps the token out of the address', async ({
  page,
  gofer,
}) => {
  const query = `?gofer=${gofer.url}#token=${tokenOf(gofer.address)}`;
  const playground = await Playground.open(page, query);
  await expect(status(page)).toHaveText(/^\/remote: connected \([\d.]+ ms\)$/);
  await expect(page.locator('#toasts')).toContainText(`/remote is the folder at ${gofer.url}`);
  expect(page.url()).not.toContain('token');
  expect((await playground.run('cat /remote/hello.txt')).output).toBe('from the host');
  await playground.runAll('echo from the page > /remote/made.txt');
  await expect
    .poll(() => readFile(join(gofer.folder, 'made.txt'), 'utf8').catch(() => ''))
    .toBe('from the page\n');
  // What is changed on the host is seen here: that is the page's default.
  await writeFile(join(gofer.folder, 'hello.txt'), 'changed on the host\n');
  expect((await playground.run('cat /remote/hello.txt')).output).toBe('changed on the host');
  // The tab knows the token.
  await playground.reload();
  await expect(status(page)).toHaveText(/^\/remote: connected/);
});

test('a link that is refused says why, and what to do', async ({ page, gofer }) => {
  await Playground.open(page, `?gofer=${gofer.url}#token=wrong`);
  await expect(dialog(page).getByRole('alert')).toContainText('Token refused');
  await expect(dialog(page)).toContainText('Use the whole address that burrowfs gofer');
  await expect(dialog(page).getByLabel('Address')).toHaveValue(gofer.url);
  // There is no directory that looks as if it were the remote one.
  expect(await page.evaluate(() => burrow!.fs.readdir('/'))).not.toContain('remote');
  await dialog(page).getByLabel('Token').fill(gofer.token);
  await dialog(page).getByLabel('Token').press('Enter');
  await expect(dialog(page).getByRole('listitem')).toContainText('connected');
});

test('the dialog connects, tells how the link is, and disconnects', async ({ page, gofer }) => {
  const playground = await Playground.open(page);
  await expect(status(page)).toHaveText('Connect…');
  await status(page).click();
  await expect(dialog(page).getByRole('listitem')).toHaveCount(0);

  await connect(page, 'ftp://example.org/');
  await expect(dialog(page).getByRole('alert')).toContainText('begins with ftp: and not ws:');
  await connect(page, 'ws://127.0.0.1:9/');
  await expect(dialog(page).getByRole('alert')).toContainText(
    'No connection to ws://127.0.0.1:9/.',
  );
  await expect(dialog(page)).toContainText(`start it with --origin ${new URL(page.url()).origin}`);
  await connect(page, gofer.address, { 'Mount point': 'elsewhere' });
  await expect(dialog(page).getByRole('alert')).toContainText('The mount point is a path');
  await connect(page, gofer.address, { 'Mount point': '/tmp' });
  await expect(dialog(page).getByRole('alert')).toContainText('mounted at /tmp already');

  await dialog(page).getByLabel('Cache').selectOption('exclusive');
  await connect(page, gofer.address, { 'Mount point': '/mnt/files' });
  const item = dialog(page).getByRole('listitem');
  await expect(item).toContainText('connected');
  await expect(item).toContainText(gofer.url);
  await expect(item).toContainText(/cache: exclusive · [\d.]+ ms · [1-9]\d* requests?,/);
  await expect(dialog(page).getByLabel('Token')).toHaveValue('');
  await dialog(page).getByRole('button', { name: 'Close' }).click();
  await expect(status(page)).toBeFocused();

  // What is known needn't be asked again, and that is counted.
  await playground.run('cat /mnt/files/hello.txt');
  const links = (): Promise<{ requests: number; requestsSaved: number }> =>
    page.evaluate(async () => {
      const { link } = (await burrow!.mounts()).find(({ path }) => path === '/mnt/files')!;
      return link!;
    });
  const before = await links();
  await page.evaluate(() => burrow!.fs.readFile('/mnt/files/hello.txt', 'utf8'));
  const after = await links();
  expect(after.requestsSaved).toBeGreaterThan(before.requestsSaved);

  await status(page).click();
  await dialog(page).getByRole('button', { name: 'Disconnect /mnt/files' }).click();
  await expect(item).toHaveCount(0);
  await expect(status(page)).toHaveText('Connect…');
  expect(await page.evaluate(() => burrow!.fs.readdir('/mnt'))).toEqual([]);
  expect(page.url()).not.toContain('gofer');
});

test('a link that breaks is shown, and goes on; the rest of the page goes on meanwhile', async ({
  page,
  gofer,
}) => {
  const playground = await Playground.open(
    page,
    `?gofer=${gofer.url}#token=${tokenOf(gofer.address)}`,
  );
  await expect(status(page)).toHaveText(/^\/remote: connected/);
  await playground.row('remote').click();
  await expect(playground.row('hello.txt')).toBeVisible();
  await gofer.stop();
  await expect(status(page)).toHaveText('/remote: reconnecting…');
  // The tree has a directory open that can't be read now.
  await playground.runAll('echo local > local.txt');
  await expect(playground.row('local.txt')).toBeVisible();
  await expect(page.locator('#status-commit')).toHaveText('saved');
  await status(page).click();
  const item = dialog(page).getByRole('listitem');
  await expect(item).toContainText('reconnecting…');
  await writeFile(join(gofer.folder, 'later.txt'), 'later\n');
  await gofer.restart();
  await item.getByRole('button', { name: 'Reconnect /remote now' }).click();
  await expect(item).toContainText('reconnected 1 time');
  await expect(item.getByRole('button', { name: 'Reconnect /remote now' })).toBeHidden();
  await dialog(page).getByRole('button', { name: 'Close' }).click();
  await expect(playground.row('later.txt')).toBeVisible();
});

test('one whose server is gone for good can be let go of', async ({ page, gofer }) => {
  const query = `?gofer=${gofer.url}#token=${tokenOf(gofer.address)}`;
  const playground = await Playground.open(page, query);
  await expect(status(page)).toHaveText(/^\/remote: connected/);
  // With another token it refuses the page, which is final.
  await gofer.restart('another');
  await expect(status(page)).toHaveText('/remote: not connected');
  await expect(page.locator('#toasts')).toContainText('/remote is not connected any more. Token');
  const failed = await playground.run('cat /remote/hello.txt');
  expect(failed.code).not.toBe(0);
  await status(page).click();
  await dialog(page).getByRole('button', { name: 'Disconnect /remote' }).click();
  const question = page.getByRole('dialog', { name: 'Disconnect /remote?' });
  await expect(question).toContainText('What was written and has not arrived there is lost');
  await question.getByRole('button', { name: 'Disconnect' }).click();
  await expect(dialog(page).getByRole('listitem')).toHaveCount(0);
  expect(existsSync(join(gofer.folder, 'hello.txt'))).toBe(true);
  expect(await page.evaluate(() => burrow!.fs.readdir('/'))).not.toContain('remote');
});

test('the dialog offers a place that is free', async ({ page, gofer }) => {
  const playground = await Playground.open(
    page,
    `?gofer=${gofer.url}#token=${tokenOf(gofer.address)}`,
  );
  await expect(status(page)).toHaveText(/^\/remote: connected/);
  await status(page).click();
  await expect(dialog(page).getByLabel('Mount point')).toHaveValue('/remote-2');
  await connect(page, gofer.address);
  await expect(dialog(page).getByLabel('Mount point')).toHaveValue('/remote-3');
  await page.keyboard.press('Escape');
  expect((await playground.run('cat /remote-2/hello.txt')).output).toBe('from the host');
});
