// A server that is started anew under a mounted gofer: which open files are found again, and how
// often it is told that one isn't.

import { link, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import { AT_FDCWD, O_CREAT, O_RDWR } from '../../../src/abi/fcntl.ts';
import { Credentials } from '../../../src/auth/credentials.ts';
import type { CacheMode } from '../../../src/fs/gofer/options.ts';
import { runAsync } from '../../../src/lib/op.ts';
import { decodeUtf8, encodeUtf8 } from '../../../src/lib/text.ts';
import { asyncSyscallsOf } from '../../conformance/burrow-subject.ts';
import type { AsyncSyscalls } from '../../conformance/process.ts';
import { startGofer } from '../../support/gofers.ts';
import { bootKernel } from '../../support/kernels.ts';

const closers: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

interface Mounted {
  readonly folder: string;
  readonly sys: AsyncSyscalls;
  /** Ends the server as a kill does, and starts another one on the same folder. */
  restart(): Promise<void>;
}

async function mount(cache: CacheMode): Promise<Mounted> {
  let server = await startGofer();
  const { folder, url, port } = server;
  const kernel = await bootKernel(
    { type: 'gofer', source: url, options: { cache } },
    { connectGofer: (asked) => server.connect(asked) },
  );
  closers.push(() => rm(folder, { recursive: true }));
  closers.push(() => server.stop());
  closers.push(() => runAsync(kernel.shutdown()));
  const { sys } = await runAsync(kernel.createTask({ creds: new Credentials(0, 0, []) }));
  const restart = async (): Promise<void> => {
    await server.stop();
    server = await startGofer({ folder, port });
  };
  return { folder, sys: asyncSyscallsOf(sys), restart };
}

async function create(sys: AsyncSyscalls, path: string): Promise<number> {
  const fd = await sys.openat(AT_FDCWD, path, O_CREAT | O_RDWR, 0o644);
  await sys.write(fd, encodeUtf8(path));
  await sys.fsync(fd);
  return fd;
}

async function read(sys: AsyncSyscalls, fd: number): Promise<string> {
  const buffer = new Uint8Array(100);
  return decodeUtf8(buffer.subarray(0, await sys.pread(fd, buffer, 0)));
}

const MODES = ['exclusive', 'shared'] as const;

test.each(MODES)('%s: a file is linked by the name that is left of it', async (cache) => {
  const { sys, folder } = await mount(cache);
  const fd = await create(sys, '/first');
  await sys.linkat(AT_FDCWD, '/first', AT_FDCWD, '/second', 0);
  await sys.unlinkat(AT_FDCWD, '/first', 0);
  await sys.linkat(AT_FDCWD, '/second', AT_FDCWD, '/third', 0);
  expect((await sys.fstat(fd)).nlink).toBe(2);
  expect(await readFile(join(folder, 'third'), 'utf8')).toBe('/first');
});

test('what is done with a file that lost its first name keeps its order', async () => {
  const { sys, folder } = await mount('exclusive');
  const fd = await create(sys, '/first');
  await sys.linkat(AT_FDCWD, '/first', AT_FDCWD, '/second', 0);
  await sys.unlinkat(AT_FDCWD, '/first', 0);
  await sys.linkat(AT_FDCWD, '/second', AT_FDCWD, '/third', 0);
  for (let round = 0; round < 100; round++) {
    // Neither is waited for.
    await sys.ftruncate(fd, round);
    await sys.pwrite(fd, encodeUtf8(`round ${round}`), 1000 + round);
    await sys.fsync(fd);
    const text = await readFile(join(folder, 'third'), 'utf8');
    expect(text.slice(1000 + round)).toBe(`round ${round}`);
  }
});

test.each(MODES)('%s: an open file is found by the name that is left of it', async (cache) => {
  const { sys, restart } = await mount(cache);
  const fd = await create(sys, '/first');
  await sys.linkat(AT_FDCWD, '/first', AT_FDCWD, '/second', 0);
  await sys.unlinkat(AT_FDCWD, '/first', 0);
  await sys.fstatat(AT_FDCWD, '/second', 0);
  // What is under way as a server ends may fail.
  await sys.sync();
  await restart();
  await sys.pwrite(fd, encodeUtf8('again'), 0);
  await sys.fsync(fd);
  expect(await read(sys, fd)).toBe('againt');
});

test.each(MODES)('%s: a file that has no name is lost, which a sync tells once', async (cache) => {
  const { sys, restart } = await mount(cache);
  const fd = await create(sys, '/nameless');
  await sys.pwrite(fd, encodeUtf8('x'), 0);
  await sys.unlinkat(AT_FDCWD, '/nameless', 0);
  await restart();
  await expect(sys.fsync(fd)).rejects.toBe(linuxerr.ESTALE);
  await sys.sync().catch(() => undefined);
  await sys.sync();
  await sys.close(fd);
});

test('a file that was lost and has a name after all is opened again', async () => {
  const { sys, restart, folder } = await mount('shared');
  const fd = await create(sys, '/name');
  // Nobody here knows of the other name.
  await link(join(folder, 'name'), join(folder, 'other'));
  await sys.unlinkat(AT_FDCWD, '/name', 0);
  await restart();
  await expect(sys.pwrite(fd, encodeUtf8('x'), 0)).rejects.toBe(linuxerr.ESTALE);
  const again = await sys.openat(AT_FDCWD, '/other', O_RDWR, 0);
  await sys.pwrite(again, encodeUtf8('N'), 1);
  expect(await readFile(join(folder, 'other'), 'utf8')).toBe('/Name');
});
