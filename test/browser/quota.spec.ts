// A quota that is used up, for real: what is told, what stays, and how it goes on.

import type { Page } from 'playwright/test';
import { expect, test as privateTest } from 'playwright/test';
import { openKernelPage, startKernel } from './support/kernel-page.ts';
import { testInProfile } from './support/profile.ts';

const SOURCE = 'quota';
const MIB = 2 ** 20;

/** Gives the page's origin so many bytes more than it uses. */
async function limitQuota(page: Page, leftBytes: number): Promise<void> {
  const usage = await page.evaluate(async () => (await navigator.storage.estimate()).usage ?? 0);
  const client = await page.context().newCDPSession(page);
  const { origin } = new URL(page.url());
  await client.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: usage + leftBytes });
}

/** Puts a function into the page that makes a MiB which browsers can't compress. */
function addNoise(page: Page): Promise<void> {
  return page.evaluate(() => {
    const noise = (seed: number): Uint8Array => {
      const words = new Uint32Array(2 ** 18);
      let state = seed * 2_654_435_761 + 1;
      for (let i = 0; i < words.length; i++) {
        state ^= state << 13;
        state ^= state >>> 17;
        state ^= state << 5;
        words[i] = state;
      }
      return new Uint8Array(words.buffer);
    };
    Object.assign(globalThis, { noise });
  });
}

declare const noise: (seed: number) => Uint8Array;

/** Writes files of 1 MiB, each of them synced, until there is no room. How many there are. */
function fill(page: Page): Promise<{ count: number; code: string }> {
  return page.evaluate(async () => {
    for (let count = 0; ; count++) {
      try {
        await kernel.fs.writeFile(`/f${count}`, noise(count), { flush: true });
      } catch (error) {
        await kernel.fs.rm(`/f${count}`, { force: true });
        return { count, code: (error as { code: string }).code };
      }
    }
  });
}

/** How many of the files are as they were written. */
async function intact(page: Page, count: number): Promise<number> {
  await addNoise(page);
  return page.evaluate(async (files) => {
    let good = 0;
    for (let i = 0; i < files; i++) {
      const data = await kernel.fs.readFile(`/f${i}`);
      const wanted = noise(i);
      const isSame = data.every((byte, index) => byte === wanted[index]);
      if (data.length === wanted.length && isSame) good++;
    }
    return good;
  }, count);
}

const health = (page: Page): Promise<string | undefined> =>
  page.evaluate(async () => (await kernel.mounts())[0]?.commit?.health);

const start = (page: Page, media: 'mirrored' | 'indexeddb'): Promise<void> =>
  page.evaluate(([source, options]) => inPage.start(source, options).then(() => undefined), [
    SOURCE,
    { media },
  ] as const);

// What is kept twice has half the room. In a profile Chromium counts files in powers of two: what
// is held, and so available, may be half of what is left.
for (const [where, media, roomMib, availableMib, moreMib] of [
  ['private window', 'indexeddb', 24, 4, 4],
  ['private window', 'mirrored', 12, 4, 4],
  ['profile', 'indexeddb', 24, 2, 4],
  ['profile', 'mirrored', 8, 2, 2],
] as const) {
  const test = where === 'profile' ? testInProfile : privateTest;
  const given = `in a ${where} on ${media}`;
  test(`${given}, writes fail with ENOSPC, what was synced stays, removing makes room`, async ({
    page,
  }) => {
    await openKernelPage(page);
    await limitQuota(page, 24 * MIB);
    await start(page, media);
    await addNoise(page);
    const { count, code } = await fill(page);
    expect(code).toBe('ENOSPC');
    expect(count).toBeGreaterThan(roomMib * 0.6);
    const full = await page.evaluate(async () => {
      const { bavail, bfree } = await kernel.fs.statfs('/');
      return { bavail, bfree };
    });
    expect(full.bavail).toBeLessThan((2 * MIB) / 4096);
    expect(await intact(page, count)).toBe(count);
    // All of it can be saved, and is.
    await page.evaluate(() => kernel.sync());
    await startKernel(page, SOURCE, { media });
    expect(await intact(page, count)).toBe(count);
    const again = await page.evaluate(async (mib) => {
      const { fs } = kernel;
      const pieces = [1, 2, 3, 4].map((seed) => noise(seed) as Uint8Array<ArrayBuffer>);
      const bytes = new Uint8Array(await new Blob(pieces).arrayBuffer());
      const write = (length: number): Promise<void> =>
        fs.writeFile('/more', bytes.subarray(0, length), { flush: true });
      const first = await inPage.failureOf(write(bytes.length));
      await fs.rm('/more', { force: true });
      for (let i = 0; i < 6; i++) await fs.unlink(`/f${i}`);
      await kernel.sync();
      const { bavail } = await fs.statfs('/');
      await write(mib * 2 ** 20);
      return { first, bavail };
    }, moreMib);
    expect(again.first).toMatchObject({ name: 'FsError', code: 'ENOSPC' });
    expect(again.bavail).toBeGreaterThan((availableMib * MIB) / 4096);
    await startKernel(page, SOURCE, { media });
    const found = await page.evaluate(async () => (await kernel.fs.readFile('/more')).length);
    expect(found).toBe(moreMib * MIB);
  });

  test(`${given}, a program is told, and what it wrote until then can be synced`, async ({
    page,
  }) => {
    await openKernelPage(page);
    await limitQuota(page, 12 * MIB);
    await start(page, media);
    await addNoise(page);
    const { code, stderr, size } = await page.evaluate(async () => {
      for (let i = 0; i < 16; i++) await kernel.fs.appendFile('/tmp/noise', noise(i));
      const io = { args: ['/tmp/noise'], stdout: { file: '/noise' } };
      const outcome = await inPage.run(inPage.program('cat'), io);
      return { ...outcome, size: (await kernel.fs.stat('/noise')).size };
    });
    expect(code).not.toBe(0);
    expect(stderr).toContain('o space left on device');
    expect(size).toBeGreaterThan(roomMib * 0.2 * MIB);
    expect(await health(page)).toBe('full');
    await page.evaluate(() => kernel.sync());
    await startKernel(page, SOURCE, { media });
    const found = await page.evaluate(async () => (await kernel.fs.readFile('/noise')).length);
    expect(found).toBe(size);
    await page.evaluate(() => kernel.fs.unlink('/noise').then(() => kernel.sync()));
    // Chromium looks at what a database takes once in half a minute.
    await expect.poll(() => health(page), { timeout: 75_000 }).toBe('good');
  });
}
