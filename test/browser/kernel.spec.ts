// boot(), mounts, shutdown() and the death of a kernel, in the page.

import type { Page, Worker } from 'playwright/test';
import { expect } from 'playwright/test';
import { test } from './support/fixtures.ts';
import { isolationOf, kernelWorkerOf } from './support/kernel-page.ts';

test('boot mounts a root, devices and a place for temporary files', async ({
  kernelPage,
}, testInfo) => {
  const found = await kernelPage.evaluate(async () => ({
    isolation: kernel.isolation,
    mounts: (await kernel.mounts()).map(({ path, type, readOnly, commit }) => [
      path,
      type,
      readOnly,
      commit === null,
    ]),
    tmp: (await kernel.fs.stat('/tmp')).mode,
    devices: (await kernel.fs.readdir('/dev')).includes('null'),
  }));
  expect(found).toEqual({
    isolation: isolationOf(testInfo),
    mounts: [
      ['/', 'idbfs', false, false],
      ['/dev', 'devfs', false, true],
      ['/tmp', 'tmpfs', false, true],
    ],
    tmp: 0o041777,
    devices: true,
  });
});

test('boot takes other mounts, and fails whole', async ({ kernelPage }) => {
  const found = await kernelPage.evaluate(async () => {
    const other = await inPage.boot({
      mounts: {
        '/': { type: 'tmpfs', options: { mode: 0o755 } },
        '/deep/below': { type: 'tmpfs' },
        '/deep': { type: 'tmpfs', options: { size: '1m', uid: 7 } },
        '/again': { type: 'bind', source: '/deep', options: { readOnly: true } },
      },
    });
    const seen = {
      mounts: (await other.mounts()).map(({ path, type }) => `${path} ${type}`),
      owner: (await other.fs.stat('/deep')).uid,
      readOnly: await inPage.failureOf(other.fs.writeFile('/again/file', '')),
      full: await inPage.failureOf(other.fs.writeFile('/deep/file', new Uint8Array(2_000_000))),
    };
    await other.shutdown();
    const mounts = {
      '/': { type: 'idbfs', source: 'half' },
      '/bound': { type: 'bind', source: '/none' },
    } as const;
    const failed = await inPage.failureOf(inPage.boot({ mounts }));
    // The root is free again: nothing of the attempt is left.
    const next = await inPage.failureOf(inPage.start('half').then((half) => half.shutdown()));
    return { ...seen, failed, next };
  });
  expect(found).toEqual({
    mounts: [
      '/ tmpfs',
      '/dev devfs',
      '/tmp tmpfs',
      '/deep tmpfs',
      '/again tmpfs',
      '/deep/below tmpfs',
    ],
    owner: 7,
    readOnly: expect.objectContaining({ code: 'EROFS' }),
    full: expect.objectContaining({ code: 'ENOSPC' }),
    failed: expect.objectContaining({ name: 'FsError', code: 'ENOENT', syscall: 'mount' }),
    next: 'fulfilled',
  });
});

test('mount, remount and umount', async ({ kernelPage }) => {
  const found = await kernelPage.evaluate(async () => {
    const { fs } = kernel;
    const { failureOf } = inPage;
    await fs.mkdir('/data');
    await fs.writeFile('/data/hidden', '');
    await kernel.mount('/data', { type: 'idbfs', source: 'second' });
    await fs.writeFile('/data/file', 'kept');
    const same = await failureOf(kernel.mount('/other', { type: 'idbfs', source: 'second' }));
    await kernel.remount('/data', { readOnly: true });
    const readOnly = await failureOf(fs.writeFile('/data/file', 'more'));
    await kernel.remount('/data', { readOnly: false });
    const handle = await fs.open('/data/file');
    const busy = await failureOf(kernel.umount('/data'));
    await handle.close();
    const across = await failureOf(fs.rename('/data/file', '/file'));
    const names = await fs.readdir('/data');
    await kernel.umount('/data');
    const after = await fs.readdir('/data');
    await kernel.mount('/elsewhere', { type: 'idbfs', source: 'second' });
    return {
      same,
      readOnly,
      busy,
      across,
      names,
      after,
      again: await fs.readFile('/elsewhere/file', 'utf8'),
      noMount: await failureOf(kernel.umount('/elsewhere/file')),
      root: await failureOf(kernel.umount('/')),
      unknown: await failureOf(kernel.mount('/x', { type: 'ext4' } as never)),
    };
  });
  expect(found).toEqual({
    same: expect.objectContaining({ code: 'EBUSY', syscall: 'mount', path: '/other' }),
    readOnly: expect.objectContaining({ code: 'EROFS' }),
    busy: expect.objectContaining({ code: 'EBUSY', path: '/data' }),
    across: expect.objectContaining({ code: 'EXDEV' }),
    names: ['file'],
    after: ['hidden'],
    again: 'kept',
    noMount: expect.objectContaining({ code: 'EINVAL' }),
    root: expect.objectContaining({ code: 'EINVAL' }),
    unknown: expect.objectContaining({ code: 'ENODEV' }),
  });
});

test('the state of commits is told', async ({ kernelPage }) => {
  const state = (page: Page): Promise<{ dirtyBytes: number; isRecent: boolean; error: unknown }> =>
    page.evaluate(async () => {
      const { dirtyBytes, lastCommit, error } = (await kernel.mounts())[0]!.commit!;
      return { dirtyBytes, isRecent: Math.abs(Date.now() - (lastCommit ?? 0)) < 60_000, error };
    });
  await kernelPage.evaluate(() => kernel.fs.writeFile('/file', 'x'.repeat(100_000)));
  expect((await state(kernelPage)).dirtyBytes).toBeGreaterThanOrEqual(100_000);
  // In the background, without sync().
  await expect
    .poll(() => state(kernelPage))
    .toEqual({ dirtyBytes: 0, isRecent: true, error: null });
});

test('booting can be aborted, and an isolation the page lacks is refused', async ({
  kernelPage,
}, testInfo) => {
  const found = await kernelPage.evaluate(async (source) => {
    const abort = new AbortController();
    const mounts = { '/': { type: 'idbfs', source, options: { lockTimeout: 60_000 } } } as const;
    // Its lock is held by this page's own kernel.
    const waiting = inPage.failureOf(inPage.boot({ mounts, signal: abort.signal }));
    abort.abort(new Error('changed my mind'));
    const isolation = inPage.boot({ mounts: { '/': { type: 'tmpfs' } }, isolation: 'worker' });
    return {
      aborted: await waiting,
      early: await inPage.failureOf(inPage.boot({ mounts, signal: abort.signal })),
      isolation: await inPage.failureOf(isolation),
    };
  }, testInfo.testId);
  const aborted = { name: 'Error', message: 'changed my mind' };
  expect(found).toMatchObject({ aborted, early: aborted });
  if (isolationOf(testInfo) === 'worker') expect(found.isolation).toBe('fulfilled');
  else
    expect(found.isolation).toMatchObject({
      message: expect.stringContaining('Cross-Origin-Opener-Policy'),
    });
});

test('after shutdown() every call is rejected', async ({ kernelPage }, testInfo) => {
  const found = await kernelPage.evaluate(async (source) => {
    const cat = await kernel.spawn(inPage.program('cat'), { stdin: 'pipe' });
    const handle = await kernel.fs.open('/file', 'w');
    await handle.write('written before');
    await kernel.shutdown();
    const later = {
      exited: await cat.exited,
      handle: await inPage.failureOf(handle.write('after')),
      fs: await inPage.failureOf(kernel.fs.readFile('/file')),
      mounts: await inPage.failureOf(kernel.mounts()),
      spawn: await inPage.failureOf(kernel.spawn('/file')),
      sync: await inPage.failureOf(kernel.sync()),
      again: await inPage.failureOf(kernel.shutdown()),
    };
    const next = await inPage.start(source);
    return { later, file: await next.fs.readFile('/file', 'utf8') };
  }, testInfo.testId);
  const stopped = {
    name: 'KernelError',
    reason: 'stopped',
    message: 'the kernel has been shut down',
  };
  expect(found).toEqual({
    later: {
      exited: { code: 137, signal: 'SIGKILL', error: null },
      handle: stopped,
      fs: stopped,
      mounts: stopped,
      spawn: stopped,
      sync: stopped,
      again: stopped,
    },
    file: 'written before',
  });
});

/** Has a call that never ends and then lets the kernel's worker die. How the calls ended. */
async function failureOfPending(
  page: Page,
  die: (worker: Worker) => Promise<unknown>,
): Promise<unknown> {
  const pending = page.evaluate(async () => {
    const cat = await kernel.spawn(inPage.program('cat'), { stdin: 'pipe' });
    document.title = 'waiting';
    const ends = [cat.exited, cat.stdout!.getReader().read(), cat.stdin!.getWriter().closed];
    const failures = await Promise.all(ends.map((end) => inPage.failureOf(end)));
    document.title = '';
    return [...failures, await inPage.failureOf(kernel.fs.readFile('/file'))];
  });
  await expect(page).toHaveTitle('waiting');
  await die(kernelWorkerOf(page));
  return await pending;
}

test('an error in the kernel worker rejects what is pending', async ({ kernelPage }) => {
  const found = await failureOfPending(kernelPage, (worker) =>
    worker.evaluate(() => {
      setTimeout(() => {
        throw new Error('thrown by a spec');
      });
    }),
  );
  const message = expect.stringMatching(/^the kernel has stopped: .*thrown by a spec/) as unknown;
  const failure = { name: 'KernelError', reason: 'stopped', message };
  expect(found).toEqual([failure, failure, failure, failure]);
});

test('a broken promise in the kernel worker is a bug, and said to be one', async ({
  kernelPage,
}) => {
  const found = await failureOfPending(kernelPage, (worker) =>
    worker.evaluate(() => void Promise.reject(new Error('rejected by a spec'))),
  );
  const message = expect.stringMatching(
    /^the kernel has stopped because of a bug in Burrow: Error: rejected by a spec/,
  ) as unknown;
  const failure = { name: 'KernelError', reason: 'stopped', message };
  expect(found).toEqual([failure, failure, failure, failure]);
});

test('a kernel worker that ends in silence rejects what is pending', async ({ kernelPage }) => {
  const found = await failureOfPending(kernelPage, (worker) =>
    worker.evaluate(() => {
      setTimeout(close);
    }),
  );
  const message = 'the kernel has stopped: its worker has ended';
  const failure = { name: 'KernelError', reason: 'stopped', message };
  expect(found).toEqual([failure, failure, failure, failure]);
});
