// A folder of this host in a page, by a real WebSocket.

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'playwright/test';
import { startGofer } from '../support/gofers.ts';
import { test } from './support/fixtures.ts';

test('a folder of another machine is mounted, read and written', async ({ kernelPage }) => {
  const gofer = await startGofer();
  try {
    await writeFile(join(gofer.folder, 'hello.txt'), 'from the host');
    const found = await kernelPage.evaluate(async (source) => {
      const { fs } = kernel;
      await fs.mkdir('/remote');
      await kernel.mount('/remote', { type: 'gofer', source });
      const text = await fs.readFile('/remote/hello.txt', 'utf8');
      await fs.mkdir('/remote/dir');
      await fs.writeFile('/remote/dir/made.txt', 'from the page');
      await kernel.sync();
      const names = await fs.readdir('/remote');
      return { text, names, mount: (await kernel.mounts()).find(({ path }) => path === '/remote') };
    }, `${gofer.url}#token=secret`);
    expect(found).toMatchObject({
      text: 'from the host',
      mount: { type: 'gofer', source: gofer.url },
    });
    expect(found.names.toSorted()).toEqual(['dir', 'hello.txt']);
    expect(await readFile(join(gofer.folder, 'dir', 'made.txt'), 'utf8')).toBe('from the page');
    await kernelPage.evaluate(() => kernel.umount('/remote'));
  } finally {
    await gofer.close();
  }
});

test('what happens on the host is told to who watches', async ({ kernelPage }) => {
  const gofer = await startGofer();
  try {
    await mkdir(join(gofer.folder, 'dir'));
    await kernelPage.evaluate(async (source) => {
      await kernel.fs.mkdir('/remote');
      await kernel.mount('/remote', { type: 'gofer', source });
      const seen: string[] = [];
      const abort = new AbortController();
      const watcher = kernel.fs.watch('/remote', { recursive: true, signal: abort.signal });
      const done = (async () => {
        for await (const { type, path } of watcher) seen.push(`${type} ${path}`);
      })();
      Object.assign(globalThis, { seen, stop: () => (abort.abort(), done) });
    }, gofer.url);
    const seen = (): Promise<string[]> =>
      kernelPage.evaluate(() => (globalThis as unknown as { seen: string[] }).seen);
    // Once the watch is set.
    await expect
      .poll(async () => {
        await writeFile(join(gofer.folder, 'dir', 'file'), 'from the host');
        return seen();
      })
      .toContain('modify /remote/dir/file');
    // What the page does itself is told once.
    await kernelPage.evaluate(async () => {
      await kernel.fs.writeFile('/remote/dir/own', 'from the page');
      await kernel.sync();
    });
    await mkdir(join(gofer.folder, 'dir', 'mark'));
    await expect.poll(seen).toContain('create /remote/dir/mark');
    const own = (await seen()).filter((each) => each.endsWith('/own'));
    expect(own).toEqual(['create /remote/dir/own', 'modify /remote/dir/own']);
    await kernelPage.evaluate(() =>
      (globalThis as unknown as { stop: () => Promise<void> }).stop(),
    );
    await kernelPage.evaluate(() => kernel.umount('/remote'));
  } finally {
    await gofer.close();
  }
});

test('what cannot be mounted is told in words', async ({ kernelPage }) => {
  const messages = await kernelPage.evaluate(async () => {
    await kernel.fs.mkdir('/remote');
    const messageOf = async (source: string): Promise<string> => {
      try {
        await kernel.mount('/remote', { type: 'gofer', source });
        return 'mounted';
      } catch (error) {
        return String(error);
      }
    };
    return [await messageOf('ftp://example.org/'), await messageOf('ws://127.0.0.1:9/')];
  });
  expect(messages[0]).toContain('begins with ftp: and not ws: or wss:');
  expect(messages[1]).toContain('ws://127.0.0.1:9/');
});
