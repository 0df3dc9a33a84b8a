// Snapshots and clones in a page: taken, mounted, rolled back to and deleted, also after a reload.

import { expect, test } from 'playwright/test';
import { startKernel } from './support/kernel-page.ts';

const SOURCE = 'snapshots';

test('a snapshot outlives a reload, and is mounted beside the tree it is of', async ({ page }) => {
  await startKernel(page, SOURCE);
  await page.evaluate(async () => {
    await kernel.fs.writeFile('/file', 'one');
    await kernel.snapshot('/', 'first');
    await kernel.fs.writeFile('/file', 'two');
    await kernel.snapshot('/', 'clone', { writable: true });
    await kernel.sync();
  });
  await startKernel(page, SOURCE);
  const found = await page.evaluate(async (source) => {
    const list = await kernel.snapshots('/');
    const at = (snapshot: string): Promise<void> =>
      kernel.mount(`/mnt/${snapshot}`, { type: 'idbfs', source, options: { snapshot } });
    await at('first');
    await at('clone');
    await kernel.fs.writeFile('/mnt/clone/file', 'three');
    const paths = ['/file', '/mnt/first/file', '/mnt/clone/file'];
    const texts = await Promise.all(paths.map((path) => kernel.fs.readFile(path, 'utf8')));
    const codes: unknown[] = [];
    const attempts = [
      () => kernel.fs.writeFile('/mnt/first/file', ''),
      () => kernel.deleteSnapshot('/', 'first'),
      () => kernel.snapshot('/', 'first'),
      () => kernel.snapshot('/tmp', 'other'),
      () => kernel.rollback('/', 'nothing'),
    ];
    for (const attempt of attempts) {
      await attempt().catch((error: unknown) => codes.push((error as { code: string }).code));
    }
    const mounts = (await kernel.mounts()).map(({ path, snapshot, readOnly }) => ({
      path,
      snapshot,
      readOnly,
    }));
    return {
      names: list.map(({ name, isWritable }) => [name, isWritable]),
      isRecent: list.every(({ createdAt }) => Math.abs(Date.now() - createdAt) < 600_000),
      texts,
      codes,
      mounts: mounts.filter(({ snapshot }) => snapshot !== null),
    };
  }, SOURCE);
  expect(found).toEqual({
    names: [
      ['clone', true],
      ['first', false],
    ],
    isRecent: true,
    texts: ['two', 'one', 'three'],
    codes: ['EROFS', 'EBUSY', 'EEXIST', 'EOPNOTSUPP', 'ENOENT'],
    mounts: [
      { path: '/mnt/first', snapshot: 'first', readOnly: true },
      { path: '/mnt/clone', snapshot: 'clone', readOnly: false },
    ],
  });
});

test('"/" is rolled back beneath a kernel that goes on', async ({ page }) => {
  await startKernel(page, SOURCE);
  const found = await page.evaluate(async () => {
    const { fs } = kernel;
    await fs.writeFile('/file', 'good');
    await fs.writeFile('/tmp/file', 'temporary');
    await kernel.snapshot('/', 'good');
    await fs.writeFile('/file', 'bad');
    await fs.mkdir('/made/later', { recursive: true });
    const file = await fs.open('/file', 'r');
    const busy = await kernel.rollback('/', 'good').catch((error: unknown) => error);
    await file.close();
    const kept = await kernel.rollback('/', 'good', { keepAs: 'bad' });
    await fs.writeFile('/new', 'new');
    return {
      busy: (busy as { code: string }).code,
      kept,
      text: await fs.readFile('/file', 'utf8'),
      names: await fs.readdir('/'),
      temporary: await fs.readFile('/tmp/file', 'utf8'),
    };
  });
  expect(found).toMatchObject({ busy: 'EBUSY', kept: 'bad', text: 'good', temporary: 'temporary' });
  expect(found.names).not.toContain('made');
  await page.evaluate(() => kernel.sync());
  await startKernel(page, SOURCE);
  const later = await page.evaluate(async () => {
    const before = [await kernel.fs.readFile('/file', 'utf8'), await kernel.rollback('/', 'bad')];
    const after = await kernel.fs.readFile('/file', 'utf8');
    const names = (await kernel.snapshots('/')).map(({ name }) => name);
    for (const name of names) await kernel.deleteSnapshot('/', name);
    return { before, after, names, left: await kernel.snapshots('/') };
  });
  expect(later).toMatchObject({ after: 'bad', left: [] });
  expect(later.before[0]).toBe('good');
  expect(later.names).toEqual(['bad', later.before[1], 'good']);
});

test('a program that runs on it is in the way of a rollback', async ({ page }) => {
  await startKernel(page, SOURCE);
  const codes = await page.evaluate(async () => {
    await kernel.snapshot('/', 's');
    const program = new URL('/programs/cat.wasm', location.href);
    const process = await kernel.spawn(program, { stdin: 'pipe' });
    const busy = await kernel.rollback('/', 's').catch((error: unknown) => error);
    await process.stdin?.close();
    await process.exited;
    return { busy: (busy as { code: string }).code, kept: await kernel.rollback('/', 's') };
  });
  expect(codes.busy).toBe('EBUSY');
  expect(codes.kept).toContain('before-rollback-');
});
