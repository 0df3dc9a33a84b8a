// A file larger than memory should be: 5 GiB with a few bytes of data.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Browser } from 'playwright/test';
import { expect, test } from 'playwright/test';
import { startKernel } from './support/kernel-page.ts';

const MIB = 2 ** 20;

test('a sparse file of 5 GiB is written at both ends, read and truncated', async ({
  playwright,
  baseURL,
}) => {
  // A browser of its own: nothing that another test did counts.
  const browser = await playwright.chromium.launch();
  const page = await browser.newPage(baseURL === undefined ? {} : { baseURL });
  await startKernel(page);
  const found = await page.evaluate(async () => {
    const GIB = 2 ** 30;
    const { fs } = kernel;
    const handle = await fs.open('/sparse', 'w+');
    const read = async (position: number, length: number): Promise<string> => {
      const { bytesRead, buffer } = await handle.read(new Uint8Array(length), 0, length, position);
      return new TextDecoder().decode(buffer.subarray(0, bytesRead));
    };
    await handle.write('start', 0);
    await handle.write('the end', 5 * GIB - 7);
    await handle.sync();
    const { size, blocks } = await handle.stat();
    const parts = [
      await read(0, 7),
      await read(3 * GIB, 4),
      await read(5 * GIB - 9, 100),
      await read(5 * GIB, 1),
    ];
    await handle.truncate(4 * GIB + 3);
    await handle.write('!', 4 * GIB + 3);
    parts.push(await read(4 * GIB, 10));
    await handle.truncate(2);
    parts.push(await handle.readFile('utf8'));
    await handle.truncate(5 * GIB);
    parts.push(await read(5 * GIB - 8, 8));
    await handle.close();
    await kernel.sync();
    return { size, isSparse: blocks * 512 < 2 ** 20, parts };
  });
  expect(found).toEqual({
    size: 5 * 2 ** 30,
    isSparse: true,
    parts: ['start\0\0', '\0\0\0\0', '\0\0the end', '', '\0\0\0!', 'st', '\0'.repeat(8)],
  });
  // All the threads of the page, the browser's own code included, at their worst.
  expect(await peakMemory(browser)).toBeLessThan(300 * MIB);
  await browser.close();
});

/** The most memory that a page's process has had, in bytes; where that isn't known, what it has. */
async function peakMemory(browser: Browser): Promise<number> {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send('SystemInfo.getProcessInfo');
  await session.detach();
  const pages = processInfo.filter(({ type }) => type === 'renderer');
  expect(pages.length).toBeGreaterThan(0);
  return Math.max(...pages.map(({ id }) => memoryOf(id)));
}

function memoryOf(pid: number): number {
  if (process.platform === 'linux') {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)![1]) * 1024;
  }
  return Number(execFileSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8' })) * 1024;
}
