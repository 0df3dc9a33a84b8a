// What is there after the page has been left: all that was synced, and what becomes of a database
// that is locked, lost or unknown.

import type { Page } from 'playwright/test';
import { expect, test } from 'playwright/test';
import type { IdbfsOptions } from '../../src/api.ts';
import type { Failure } from './support/in-page.ts';
import { openKernelPage, startKernel } from './support/kernel-page.ts';

const SOURCE = 'spec';

test('everything about a tree outlives a reload', async ({ page }) => {
  await startKernel(page, SOURCE);
  const listing = (): Promise<unknown> =>
    page.evaluate(async () => {
      const { fs } = kernel;
      const rows: unknown[] = [];
      for (const path of await fs.readdir('/tree', { recursive: true })) {
        const stat = await fs.lstat(`/tree/${path}`);
        const { ino, mode, nlink, uid, gid, size, blocks } = stat;
        const times = [stat.mtimeNs, stat.ctimeNs, stat.birthtimeNs].map(String);
        const target = stat.isSymbolicLink() ? await fs.readlink(`/tree/${path}`) : null;
        rows.push({ path, ino, mode, nlink, uid, gid, size, blocks, times, target });
      }
      const large = await fs.readFile('/tree/large');
      const text = await fs.readFile('/tree/hard', 'utf8');
      return { rows, text, sum: large.reduce((sum, byte) => (sum * 31 + byte) % 1_000_003, 0) };
    });
  await page.evaluate(async () => {
    const { fs } = kernel;
    await fs.mkdir('/tree/empty', { recursive: true, mode: 0o711 });
    await fs.writeFile('/tree/file', 'text', { mode: 0o640 });
    await fs.link('/tree/file', '/tree/hard');
    await fs.symlink('../nowhere', '/tree/dangling');
    await fs.chown('/tree/file', 1000, 100);
    await fs.utimes('/tree/file', 4_000_000_000, 1_234_567_890_987_654_321n);
    await fs.writeFile('/tree/großer Name ✓', '');
    const large = Uint8Array.from({ length: 3_000_000 }, (_, index) => (index * index) % 253);
    await fs.writeFile('/tree/large', large);
    const sparse = await fs.open('/tree/sparse', 'w');
    await sparse.write('end', 10_000_000);
    await sparse.close();
    await kernel.sync();
  });
  const before = await listing();
  await startKernel(page, SOURCE);
  expect(await listing()).toEqual(before);
});

test('what a file handle synced is there, also without a shutdown', async ({ page }) => {
  await startKernel(page, SOURCE);
  await page.evaluate(async () => {
    const handle = await kernel.fs.open('/file', 'w');
    await handle.write('synced');
    await handle.sync();
    await kernel.fs.writeFile('/flushed', 'flushed', { flush: true });
    await handle.write(' and datasynced');
    await handle.datasync();
  });
  await startKernel(page, SOURCE);
  const found = await page.evaluate(async () => [
    await kernel.fs.readFile('/file', 'utf8'),
    await kernel.fs.readFile('/flushed', 'utf8'),
  ]);
  expect(found).toEqual(['synced and datasynced', 'flushed']);
});

test('a program that runs while the page is left does no harm', async ({ page }) => {
  await startKernel(page, SOURCE);
  await page.evaluate(async () => {
    await kernel.spawn(inPage.program('yes'), { stdout: { file: '/yes' } });
    await kernel.fs.writeFile('/file', 'synced', { flush: true });
  });
  await startKernel(page, SOURCE);
  const found = await page.evaluate(async () => {
    const yes = await kernel.fs.readFile('/yes', 'utf8').catch(() => '');
    return [await kernel.fs.readFile('/file', 'utf8'), /^(?:y\n)*y?$/.test(yes)];
  });
  expect(found).toEqual(['synced', true]);
});

/** Boots on `source` and shuts down again; how that failed. */
function bootFailure(page: Page, options: IdbfsOptions = {}): Promise<Failure | 'fulfilled'> {
  return page.evaluate(
    ([source, rest]) => {
      const alone = { sharing: 'none', ...rest } as const;
      const mounts = { '/': { type: 'idbfs', source, options: alone } } as const;
      return inPage.failureOf(inPage.boot({ mounts }).then((booted) => booted.shutdown()));
    },
    [SOURCE, options] as const,
  );
}

test('a second tab that shares nothing is told that the first one has the filesystem', async ({
  page,
  context,
}) => {
  await startKernel(page, SOURCE);
  const second = await context.newPage();
  await openKernelPage(second);
  const failure = await bootFailure(second, { lockTimeout: 100 });
  expect(failure).toEqual({
    name: 'KernelError',
    reason: 'locked',
    message:
      `Another tab or worker of this site has the filesystem "${SOURCE}" open ` +
      '(waited 0.1 s for it). Close it, or choose another source.',
  });
  // Another source is another matter.
  await startKernel(second, 'another');
});

for (const [how, leave] of [
  ['shuts its kernel down', (first: Page) => first.evaluate(() => kernel.shutdown())],
  ['is closed', (first: Page) => first.close()],
] as const) {
  test(`a second tab that shares nothing gets the filesystem when the first one ${how}`, async ({
    page,
    context,
  }) => {
    await startKernel(page, SOURCE);
    await page.evaluate(() => kernel.fs.writeFile('/file', 'of the first', { flush: true }));
    const second = await context.newPage();
    await openKernelPage(second);
    const waiting = second.evaluate(async (source) => {
      const options = { lockTimeout: 60_000, sharing: 'none' } as const;
      const booted = await inPage.boot({ mounts: { '/': { type: 'idbfs', source, options } } });
      return await booted.fs.readFile('/file', 'utf8');
    }, SOURCE);
    // It is in the queue of the lock by now.
    await expect
      .poll(() =>
        second.evaluate(async () => {
          const { pending } = await navigator.locks.query();
          return pending?.some(({ name }) => name === 'burrow:spec');
        }),
      )
      .toBe(true);
    await leave(page);
    expect(await waiting).toBe('of the first');
  });
}

/** Has a filesystem with a file in it, closed. */
async function makeFilesystem(page: Page): Promise<void> {
  await startKernel(page, SOURCE);
  await page.evaluate(async () => {
    await kernel.fs.writeFile('/file', 'precious');
    await kernel.shutdown();
  });
}

function deleteDatabase(page: Page): Promise<void> {
  return page.evaluate(
    (name) =>
      new Promise<void>((resolve, reject) => {
        const request = indexedDB.deleteDatabase(name);
        request.onsuccess = () => {
          resolve();
        };
        request.onerror = () => {
          reject(request.error ?? new Error('the database was not deleted'));
        };
      }),
    `burrow:${SOURCE}`,
  );
}

/** What OPFS has of it. */
async function removeFile(page: Page): Promise<void> {
  await page.evaluate(async (source) => {
    const root = await navigator.storage.getDirectory();
    const folder = await root.getDirectoryHandle('burrow-stores');
    await folder.removeEntry(source);
  }, SOURCE);
}

test('a database that the browser lost is restored from OPFS', async ({ page }) => {
  await makeFilesystem(page);
  const mirror = async (): Promise<unknown> => {
    const state = await page.evaluate(async () => (await kernel.mounts())[0]?.commit?.mirror);
    return state && { leader: state.leader, state: state.state };
  };
  for (let i = 0; i < 2; i++) {
    await deleteDatabase(page);
    await startKernel(page, SOURCE);
    expect(await page.evaluate(() => kernel.fs.readFile('/file', 'utf8'))).toBe('precious');
    // Both are whole again, so the next loss does no harm, either.
    await expect.poll(mirror).toEqual({ leader: 'OPFS', state: 'whole' });
    await page.evaluate(() => kernel.shutdown());
  }
  await removeFile(page);
  await startKernel(page, SOURCE);
  expect(await page.evaluate(() => kernel.fs.readFile('/file', 'utf8'))).toBe('precious');
  await expect.poll(mirror).toEqual({ leader: 'OPFS', state: 'whole' });
});

test('a database that was closed under a mounted filesystem does no harm', async ({ page }) => {
  await startKernel(page, SOURCE);
  await page.evaluate(async () => {
    await kernel.fs.writeFile('/before', 'before');
    await kernel.sync();
  });
  // Another page deletes it; the kernel makes way.
  await deleteDatabase(page);
  await page.evaluate(async () => {
    await kernel.fs.writeFile('/after', 'after');
    await kernel.sync();
  });
  const states = await page.evaluate(async () => (await kernel.mounts())[0]?.commit?.mirror);
  expect(states).toMatchObject({ leader: 'OPFS', state: 'degraded' });
  await page.evaluate(() => kernel.shutdown());
  await startKernel(page, SOURCE);
  const texts = await page.evaluate(() =>
    Promise.all(['/before', '/after'].map((path) => kernel.fs.readFile(path, 'utf8'))),
  );
  expect(texts).toEqual(['before', 'after']);
});

test('a database without a mirror that was lost is not an empty filesystem', async ({ page }) => {
  const alone = { media: 'indexeddb' } as const;
  await makeFilesystem(page);
  expect(await bootFailure(page, alone)).toBe('fulfilled');
  await deleteDatabase(page);
  const lost = {
    name: 'KernelError',
    reason: 'data-loss',
    message: expect.stringMatching(
      /^The browser reports that it lost the database "burrow:spec" .*it is missing/,
    ) as unknown,
  };
  expect(await bootFailure(page, alone)).toEqual(lost);
  // Asking again, or in a new page, doesn't make it empty.
  expect(await bootFailure(page, alone)).toEqual(lost);
  await openKernelPage(page);
  expect(await bootFailure(page, alone)).toEqual(lost);
  expect(await bootFailure(page, { onDataLoss: 'format' })).toBe('fulfilled');
  await startKernel(page, SOURCE);
  const found = await page.evaluate(() => kernel.fs.readdir('/'));
  expect(found.sort()).toEqual(['dev', 'tmp']);
});

test('a newer format is refused and left as it is', async ({ page }) => {
  await makeFilesystem(page);
  const setVersion = (version: number): Promise<unknown> =>
    page.evaluate(changeSuperblock, [`burrow:${SOURCE}`, version] as const);
  await setVersion(99);
  expect(await bootFailure(page)).toEqual({
    name: 'KernelError',
    reason: 'unknown-format',
    message: expect.stringContaining('found format version 99') as unknown,
  });
  expect(await setVersion(3)).toBe(99);
  await startKernel(page, SOURCE);
  expect(await page.evaluate(() => kernel.fs.readFile('/file', 'utf8'))).toBe('precious');
});

/** Runs in the page: sets the format's version and resolves to the one before. */
function changeSuperblock([name, version]: readonly [string, number]): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open(name);
    opening.onerror = reject;
    opening.onsuccess = () => {
      const db = opening.result;
      const transaction = db.transaction('records', 'readwrite');
      const records = transaction.objectStore('records');
      const reading = records.get('superblock');
      reading.onsuccess = () => {
        const superblock = reading.result as { formatVersion: number };
        records.put({ ...superblock, formatVersion: version }, 'superblock');
      };
      transaction.oncomplete = () => {
        db.close();
        resolve((reading.result as { formatVersion: number }).formatVersion);
      };
      transaction.onerror = reject;
    };
  });
}
