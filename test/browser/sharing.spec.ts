// Several tabs on one store: they see what each other does at once, and go on when the one that
// has the store is gone.

import type { BrowserContext, Page } from 'playwright/test';
import { expect, test } from 'playwright/test';
import { stressTabs } from '../crash/tabs.mjs';
import { kernelWorkerOf, openKernelPage, startKernel } from './support/kernel-page.ts';

const SOURCE = 'shared';

async function openTab(context: BrowserContext): Promise<Page> {
  const page = await context.newPage();
  await startKernel(page, SOURCE);
  return page;
}

function holderOf(page: Page): Promise<string | null | undefined> {
  return page.evaluate(async () => {
    const mounts = await kernel.mounts();
    return mounts.find(({ path }) => path === '/')?.holder;
  });
}

function write(page: Page, path: string, text: string): Promise<void> {
  return page.evaluate(([name, data]) => kernel.fs.writeFile(name, data), [path, text] as const);
}

function read(page: Page, path: string): Promise<string> {
  return page.evaluate((name) => kernel.fs.readFile(name, 'utf8'), path);
}

test('two tabs see the same files at once', async ({ context }) => {
  const first = await openTab(context);
  const second = await openTab(context);
  expect([await holderOf(first), await holderOf(second)]).toEqual(['this-tab', 'other-tab']);
  await write(first, '/a', 'of the first');
  expect(await read(second, '/a')).toBe('of the first');
  await write(second, '/b', 'of the second');
  expect(await read(first, '/b')).toBe('of the second');
  await first.evaluate(() => kernel.fs.rename('/b', '/c'));
  const names = await second.evaluate(() => kernel.fs.readdir('/'));
  expect(names.sort()).toEqual(['a', 'c', 'dev', 'tmp']);
});

test('a program in one tab reads what one in another has written', async ({ context }) => {
  const first = await openTab(context);
  const second = await openTab(context);
  const run = (page: Page, name: string, args: string[]): Promise<unknown> =>
    page.evaluate(
      async ([program, words]) => {
        const { code, stdout } = await inPage.run(inPage.program(program), { args: words });
        return { code, stdout };
      },
      [name, args] as const,
    );
  await write(second, '/from', 'some text');
  expect(await run(second, 'cp', ['/from', '/to'])).toEqual({ code: 0, stdout: '' });
  expect(await run(first, 'cat', ['/to'])).toEqual({ code: 0, stdout: 'some text' });
  expect(await run(second, 'cat', ['/to'])).toEqual({ code: 0, stdout: 'some text' });
});

test('locks and watches reach across tabs', async ({ context }) => {
  const first = await openTab(context);
  const second = await openTab(context);
  await write(first, '/file', 'x');
  await first.evaluate(async () => {
    const handle = await kernel.fs.open('/file', 'r+');
    await handle.flock('exclusive');
    Object.assign(globalThis, { locked: handle });
  });
  const failure = await second.evaluate(async () => {
    const handle = await kernel.fs.open('/file', 'r+');
    return await inPage.failureOf(handle.flock('exclusive', { wait: false }));
  });
  expect(failure).toMatchObject({ code: 'EAGAIN' });
  const waiting = second.evaluate(async () => {
    const handle = await kernel.fs.open('/file', 'r+');
    await handle.flock('exclusive');
    return 'locked';
  });
  await first.evaluate(async () => {
    await (globalThis as unknown as { locked: { close(): Promise<void> } }).locked.close();
  });
  expect(await waiting).toBe('locked');

  const seen = second.evaluate(async () => {
    const watcher = kernel.fs.watch('/');
    await watcher.ready;
    Object.assign(globalThis, { isWatching: true });
    for await (const { type, path } of watcher) return [type, path];
    return [];
  });
  await second.waitForFunction(() => 'isWatching' in globalThis);
  await write(first, '/made', '');
  expect(await seen).toEqual(['create', '/made']);
});

for (const [how, leave] of [
  ['is closed', (page: Page) => page.close()],
  ['shuts its kernel down', (page: Page) => page.evaluate(() => kernel.shutdown())],
] as const) {
  test(`the second tab goes on when the first one ${how}`, async ({ context }) => {
    const first = await openTab(context);
    const second = await context.newPage();
    await openKernelPage(second);
    await second.evaluate(async (source) => {
      const holders: string[] = [];
      const onHolderChange = ({ holder }: { holder: string }): void => {
        holders.push(holder);
      };
      Object.assign(globalThis, { holders });
      await inPage.start(source, { onHolderChange });
    }, SOURCE);
    const third = await openTab(context);
    await second.evaluate(async () => {
      const handle = await kernel.fs.open('/open', 'w+');
      await handle.write('before');
      Object.assign(globalThis, { handle });
    });
    await write(third, '/unsynced', 'of the third');
    await leave(first);
    // It doesn't wait for a sync: what it has written is written.
    const text = await second.evaluate(async () => {
      const { handle } = globalThis as unknown as {
        handle: { write(text: string): Promise<void>; sync(): Promise<void> };
      };
      await handle.write(' and after');
      await handle.sync();
      return await kernel.fs.readFile('/open', 'utf8');
    });
    expect(text).toBe('before and after');
    expect(await read(third, '/open')).toBe('before and after');
    expect(await read(third, '/unsynced')).toBe('of the third');
    const holders = [await holderOf(second), await holderOf(third)].sort();
    expect(holders).toEqual(['other-tab', 'this-tab']);
    const told = await second.evaluate(
      () => (globalThis as unknown as { holders: string[] }).holders,
    );
    expect(told.slice(0, 2)).toEqual(['other-tab', 'none']);
    expect(told.at(-1)).toBe(await holderOf(second));
  });
}

for (const isClosed of [false, true]) {
  const end = isClosed ? 'takes over when it is closed' : 'goes on with it';
  test(`a tab says that it waits for one that hangs, and ${end}`, async ({ context }) => {
    const first = await openTab(context);
    const second = await openTab(context);
    await write(second, '/before', 'text');
    // As one that is frozen, which a browser without windows can't be made to do.
    const hanging = kernelWorkerOf(first)
      .evaluate((ms) => {
        for (const until = Date.now() + ms; Date.now() < until;);
      }, 18_000)
      .catch(() => undefined);
    // Until one of them has to wait.
    const writing = second.evaluate(async () => {
      while (!('isDone' in globalThis)) await kernel.fs.writeFile('/during', 'text');
    });
    const state = (): Promise<{ holder: string | null; error: string | null | undefined }> =>
      second.evaluate(async () => {
        const root = (await kernel.mounts()).find(({ path }) => path === '/')!;
        return { holder: root.holder, error: root.commit?.error };
      });
    await expect.poll(async () => (await state()).holder, { timeout: 17_000 }).toBe('silent');
    expect((await state()).error).toContain("doesn't answer");
    await second.evaluate(() => Object.assign(globalThis, { isDone: true }));
    await (isClosed ? first.close() : hanging);
    await writing;
    const holder = isClosed ? 'this-tab' : 'other-tab';
    expect(await state()).toEqual({ holder, error: null });
    const third = await openTab(context);
    expect(await read(third, '/during')).toBe('text');
    expect(await read(third, '/before')).toBe('text');
  });
}

test('nothing is lost or done twice while holders are closed', async ({ context, baseURL }) => {
  const lines: string[] = [];
  const say = (line: string): void => void lines.push(line);
  const amount = { operations: 400, kills: 3, tabs: 3, seed: 1 };
  const { wrong } = await stressTabs({ context, address: baseURL!, ...amount, say });
  expect(wrong, lines.join('\n')).toEqual([]);
});
