// Checks, repairs and images of whole stores, as a page uses them.

import { expect } from 'playwright/test';
import { test } from './support/fixtures.ts';

test('a check tells what there is, and what is damaged', async ({ kernelPage }) => {
  const found = await kernelPage.evaluate(async () => {
    const { fs } = kernel;
    await fs.mkdir('/dir');
    await fs.writeFile('/dir/file', new Uint8Array(300_000).fill(1));
    const progress: number[] = [];
    const clean = await kernel.check('/', { onProgress: ({ bytes }) => progress.push(bytes) });
    const failures = [
      await inPage.failureOf(kernel.check('/tmp')),
      await inPage.failureOf(kernel.check('/nothing')),
      await inPage.failureOf(kernel.check('/', { signal: AbortSignal.abort() })),
    ];
    return { clean, failures, progress: progress.length };
  });
  // With the root, and where /dev and /tmp are mounted.
  expect(found.clean).toMatchObject({ problems: [], files: 1, directories: 4 });
  expect(found.clean.usedBytes).toBeGreaterThan(300_000);
  expect(found.progress).toBeGreaterThan(0);
  expect(found.failures).toMatchObject([
    { code: 'EOPNOTSUPP', syscall: 'check', path: '/tmp' },
    { code: 'ENOENT', path: '/nothing' },
    { name: 'AbortError' },
  ]);
});

test('a file that was written in many parts is put together after a while', async ({
  kernelPage,
}) => {
  const usedBytes = (): Promise<number> =>
    kernelPage.evaluate(async () => {
      const { usedBytes: used, problems } = await kernel.check('/');
      return problems.length === 0 ? used : Infinity;
    });
  await kernelPage.evaluate(async () => {
    const file = await kernel.fs.open('/data', 'w+');
    await file.write(new Uint8Array(1 << 20).fill(255), 0, 1 << 20, 0);
    await file.sync();
    for (let block = 1; block < 256; block += 2) {
      await file.write(new Uint8Array(4096).fill(block), 0, 4096, block * 4096);
      if (block % 16 === 1) await file.sync();
    }
    await file.sync();
    await file.close();
    await kernel.sync();
  });
  expect(await usedBytes()).toBeGreaterThan(1.4 * 2 ** 20);
  // A turn a second, and nothing for ten of them after a write.
  await expect.poll(usedBytes, { timeout: 60_000, intervals: [1000] }).toBeLessThan(1.2 * 2 ** 20);
  const isSame = await kernelPage.evaluate(async () => {
    const data = await kernel.fs.readFile('/data');
    return data.every((byte, at) => byte === ((at >> 12) % 2 === 0 ? 255 : at >> 12));
  });
  expect(isSame).toBe(true);
});

test('an image of one source makes another the same', async ({ kernelPage }) => {
  const found = await kernelPage.evaluate(async () => {
    const { fs } = kernel;
    await fs.mkdir('/dir');
    const large = Uint8Array.from({ length: 700_001 }, (_, index) => (index * index) % 251);
    await fs.writeFile('/dir/large', large, { mode: 0o640 });
    await fs.setxattr('/dir', 'user.colour', Uint8Array.of(0, 255));
    await fs.symlink('dir', '/link');
    const results: unknown[] = [];
    for (const gzip of [false, true]) {
      const source = `image-${crypto.randomUUID()}`;
      const image = kernel.exportImage('/', { gzip });
      const summary = await kernel.importImage(source, image);
      await kernel.mount('/copy', { type: 'idbfs', source });
      const back = await fs.readFile('/copy/dir/large');
      const { problems } = await kernel.check('/copy');
      const busy = await inPage.failureOf(kernel.importImage(source, new Uint8Array()));
      const repairBusy = await inPage.failureOf(kernel.repair(source));
      await kernel.umount('/copy');
      const full = await inPage.failureOf(kernel.importImage(source, new Uint8Array()));
      const none = await inPage.failureOf(
        kernel.importImage(source, new Uint8Array(100), { overwrite: true }),
      );
      const repaired = await kernel.repair(source, { dryRun: true });
      await kernel.mount('/copy', { type: 'idbfs', source });
      results.push({
        items: summary.items > 5,
        isSame: back.length === large.length && back.every((byte, at) => byte === large[at]),
        mode: (await fs.stat('/copy/dir/large')).mode & 0o777,
        link: await fs.readlink('/copy/link'),
        xattrs: await fs.listxattr('/copy/dir'),
        problems,
        repaired,
        failures: [busy, repairBusy, full, none],
      });
      await kernel.umount('/copy');
      await fs.rmdir('/copy');
    }
    return results;
  });
  const wanted = {
    items: true,
    isSame: true,
    mode: 0o640,
    link: 'dir',
    xattrs: ['user.colour'],
    problems: [],
    repaired: { repairs: [], problems: [], dryRun: true },
    failures: [
      { code: 'EBUSY', syscall: 'importImage' },
      { code: 'EBUSY', syscall: 'repair' },
      { code: 'ENOTEMPTY', message: expect.stringContaining('{ overwrite: true }') as unknown },
      { code: 'EINVAL', message: expect.stringContaining('no image') as unknown },
    ],
  };
  expect(found).toMatchObject([wanted, wanted]);
});

test('a damaged filesystem is repaired', async ({ kernelPage }) => {
  const found = await kernelPage.evaluate(async () => {
    const source = `broken-${crypto.randomUUID()}`;
    // With a copy in OPFS, nothing would be missing.
    const options = { media: 'indexeddb' } as const;
    await kernel.mount('/broken', { type: 'idbfs', source, options });
    for (let i = 0; i < 20; i++) await kernel.fs.writeFile(`/broken/${i}`, `${i}`.repeat(900));
    await kernel.umount('/broken');
    await new Promise<void>((resolve, reject) => {
      const request = indexedDB.open(`burrow:${source}`);
      request.onerror = () => {
        reject(new Error('open failed'));
      };
      request.onsuccess = () => {
        const transaction = request.result.transaction('records', 'readwrite');
        const records = transaction.objectStore('records');
        const get = records.get('superblock') as IDBRequest<{ root: Uint8Array }>;
        get.onsuccess = () => {
          const { root } = get.result;
          records.put({ ...get.result, root: root.with(50, root[50]! ^ 1) }, 'superblock');
        };
        transaction.oncomplete = () => {
          request.result.close();
          resolve();
        };
      };
    });
    const spec = { type: 'idbfs', source } as const;
    const failure = await inPage.failureOf(kernel.mount('/broken', spec));
    const planned = await kernel.repair(source, { dryRun: true });
    const still = await inPage.failureOf(kernel.mount('/broken', spec));
    const repaired = await kernel.repair(source);
    await kernel.mount('/broken', spec);
    const { problems } = await kernel.check('/broken');
    const text = await kernel.fs.readFile('/broken/7', 'utf8');
    await kernel.umount('/broken');
    return { failure, still, planned, repaired, problems, isSame: text === '7'.repeat(900) };
  });
  expect(found.failure).toMatchObject({ name: 'KernelError', reason: 'damaged' });
  expect(found.still).toEqual(found.failure);
  expect(found.planned.repairs).toEqual(found.repaired.repairs);
  expect(found.repaired.repairs[0]).toContain('the superblock is damaged');
  expect(found).toMatchObject({ problems: [], isSame: true });
});
