// The browser's storage as it is: asked to be kept, cleared and deleted underneath.

import type { Page } from 'playwright/test';
import { expect, test } from 'playwright/test';
import type { StartOptions } from './support/in-page.ts';
import { openKernelPage, startKernel } from './support/kernel-page.ts';

const SOURCE = 'storage';

test('the browser is asked once to keep what is stored, and its answer is told', async ({
  page,
}) => {
  await openKernelPage(page);
  const found = await page.evaluate(async (source) => {
    let asked = 0;
    const { storage } = navigator;
    const persist = storage.persist.bind(storage);
    storage.persist = () => {
      asked++;
      return persist();
    };
    const counts: number[] = [];
    const memory = { mounts: { '/': { type: 'tmpfs' } } } as const;
    const first = await inPage.boot(memory);
    counts.push(asked);
    await first.mount('/kept', { type: 'idbfs', source });
    counts.push(asked);
    await first.shutdown();
    const second = await inPage.start(source);
    counts.push(asked);
    return { counts, info: await second.storage(), persisted: await storage.persisted() };
  }, SOURCE);
  expect(found.counts).toEqual([0, 1, 1]);
  expect(found.info.persisted).toBe(found.persisted);
  expect(found.info.usedBytes).toBeGreaterThan(0);
  expect(found.info.quotaBytes).toBeGreaterThan(found.info.usedBytes ?? Infinity);
});

test('it is not asked if the page says so', async ({ page }) => {
  await openKernelPage(page);
  const asked = await page.evaluate(async (source) => {
    let count = 0;
    navigator.storage.persist = () => Promise.resolve(++count > 0);
    const options = { persist: false, mounts: { '/': { type: 'idbfs', source } } } as const;
    const booted = await inPage.boot(options);
    await booted.shutdown();
    return count;
  }, SOURCE);
  expect(asked).toBe(0);
});

/** What is said and what works once the storage has gone. */
async function expectLost(page: Page): Promise<void> {
  await expect
    .poll(() => page.evaluate(async () => (await kernel.mounts())[0]?.commit?.health))
    .toBe('lost');
  const found = await page.evaluate(async () => {
    const { fs } = kernel;
    const [root] = await kernel.mounts();
    return {
      readOnly: root?.readOnly,
      error: root?.commit?.error,
      text: await fs.readFile('/unsaved', 'utf8'),
      write: await inPage.failureOf(fs.writeFile('/new', '')),
      sync: await inPage.failureOf(kernel.sync()),
      statfs: (await fs.statfs('/')).bavail,
      tmp: await inPage.failureOf(fs.writeFile('/tmp/new', '')),
    };
  });
  expect(found).toMatchObject({
    readOnly: true,
    error: expect.stringContaining('load the page again'),
    text: 'in memory',
    write: { code: 'EIO' },
    sync: { code: 'EIO' },
    statfs: 0,
    tmp: 'fulfilled',
  });
}

async function startWithUnsaved(page: Page, options: StartOptions = {}): Promise<void> {
  await startKernel(page, SOURCE, options);
  await page.evaluate(async () => {
    await kernel.fs.writeFile('/saved', 'saved', { flush: true });
    await kernel.fs.writeFile('/unsaved', 'in memory');
  });
}

test('a database that another page deletes is told of', async ({ page, context }) => {
  await startWithUnsaved(page, { media: 'indexeddb' });
  const second = await context.newPage();
  await openKernelPage(second);
  await second.evaluate(
    (name) =>
      new Promise<void>((resolve, reject) => {
        const request = indexedDB.deleteDatabase(name);
        request.onsuccess = () => {
          resolve();
        };
        request.onerror = reject;
      }),
    `burrow:${SOURCE}`,
  );
  await expectLost(page);
});

test('site data that the user clears are told of', async ({ page }) => {
  await startWithUnsaved(page);
  const client = await page.context().newCDPSession(page);
  const { origin } = new URL(page.url());
  await client.send('Storage.clearDataForOrigin', { origin, storageTypes: 'all' });
  await expectLost(page);
  // The next visit starts anew: the marker went as well.
  await startKernel(page, SOURCE);
  expect((await page.evaluate(() => kernel.fs.readdir('/'))).sort()).toEqual(['dev', 'tmp']);
});

test('large records of the database are blobs, and are read after a reload', async ({ page }) => {
  await startKernel(page, SOURCE, { media: 'indexeddb' });
  const stored = await page.evaluate(async (name) => {
    const bytes = new Uint8Array(8 * 2 ** 20);
    for (let i = 0; i < bytes.length; i += 65_536) {
      crypto.getRandomValues(bytes.subarray(i, i + 65_536));
    }
    await kernel.fs.writeFile('/large', bytes, { flush: true });
    await kernel.fs.writeFile('/small', bytes.subarray(0, 4096));
    await kernel.sync();
    const database = await new Promise<IDBDatabase>((resolve, reject) => {
      const request = indexedDB.open(name);
      request.onsuccess = () => {
        resolve(request.result);
      };
      request.onerror = reject;
    });
    const records = await new Promise<unknown[]>((resolve, reject) => {
      const request = database.transaction('records').objectStore('records').getAll();
      request.onsuccess = () => {
        resolve(request.result);
      };
      request.onerror = reject;
    });
    database.close();
    const blobs = records.filter((record) => record instanceof Blob);
    const size = blobs.reduce((sum, blob) => sum + blob.size, 0);
    return { size, others: records.filter((record) => record instanceof Uint8Array).length };
  }, `burrow:${SOURCE}`);
  expect(stored.size).toBe(8 * 2 ** 20);
  expect(stored.others).toBeGreaterThan(0);
  await startKernel(page, SOURCE, { media: 'indexeddb' });
  const isSame = await page.evaluate(async () => {
    const [large, small] = [await kernel.fs.readFile('/large'), await kernel.fs.readFile('/small')];
    return large.length === 8 * 2 ** 20 && small.every((byte, i) => byte === large[i]);
  });
  expect(isSame).toBe(true);
  expect((await page.evaluate(() => kernel.check('/'))).problems).toEqual([]);
});
