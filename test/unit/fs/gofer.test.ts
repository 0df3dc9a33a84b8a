// A gofer's client, on a real folder of this host by a real WebSocket: how often it asks, what it
// does without waiting, and what becomes of a server that goes away. How it behaves otherwise is
// for test/conformance, where all cases run on it.

import fs from 'node:fs';
import { lstat, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import { AT_FDCWD, O_CREAT, O_RDONLY, O_RDWR, UTIME_NOW } from '../../../src/abi/fcntl.ts';
import { Credentials } from '../../../src/auth/credentials.ts';
import type { CacheMode } from '../../../src/fs/gofer/options.ts';
import type { Kernel } from '../../../src/kernel/kernel.ts';
import { decodeUtf8, encodeUtf8 } from '../../../src/lib/text.ts';
import { type AsyncSyscalls } from '../../conformance/process.ts';
import { asyncSyscallsOf } from '../../conformance/burrow-subject.ts';
import { startGofer, type TestGofer, type TestGoferOptions } from '../../support/gofers.ts';
import { bootKernel } from '../../support/kernels.ts';
import { SlowLink } from '../../support/slow-link.ts';
import { runAsync } from '../../../src/lib/op.ts';

interface Mounted {
  readonly gofer: TestGofer;
  readonly sys: AsyncSyscalls;
  readonly link: SlowLink;
}

async function taskOf(kernel: Kernel): Promise<AsyncSyscalls> {
  const { sys } = await runAsync(kernel.createTask({ creds: new Credentials(0, 0, []) }));
  return asyncSyscallsOf(sys);
}

const closers: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function mount(
  cache: CacheMode,
  options: TestGoferOptions & { readonly prepare?: (folder: string) => Promise<void> } = {},
): Promise<Mounted> {
  const gofer = await startGofer(options);
  closers.push(() => gofer.close());
  await options.prepare?.(gofer.folder);
  const link = new SlowLink();
  const spec = { type: 'gofer', source: gofer.url, options: { cache } } as const;
  const kernel = await bootKernel(spec, {
    connectGofer: async (asked) => link.wrap(await gofer.connect(asked)),
  });
  closers.push(() => runAsync(kernel.shutdown()));
  const sys = await taskOf(kernel);
  link.reset();
  return { gofer, sys, link };
}

async function create(sys: AsyncSyscalls, path: string, text: string): Promise<void> {
  const fd = await sys.openat(AT_FDCWD, path, O_CREAT | O_RDWR, 0o644);
  await sys.write(fd, encodeUtf8(text));
  await sys.close(fd);
}

async function read(sys: AsyncSyscalls, path: string): Promise<string> {
  const fd = await sys.openat(AT_FDCWD, path, O_RDONLY, 0);
  const buffer = new Uint8Array(100_000);
  const count = await sys.read(fd, buffer);
  await sys.close(fd);
  return decodeUtf8(buffer.subarray(0, count));
}

const DEEP = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];

async function deepTree(folder: string): Promise<void> {
  await mkdir(join(folder, ...DEEP), { recursive: true });
  await writeFile(join(folder, ...DEEP, 'file'), 'x'.repeat(4096));
}

describe('asks seldom', () => {
  test.each(['exclusive', 'writethrough'] as const)('%s: for a path once', async (cache) => {
    const { sys, link } = await mount(cache, { prepare: deepTree });
    const path = `/${DEEP.join('/')}/file`;
    expect((await sys.fstatat(AT_FDCWD, path, 0)).size).toBe(4096);
    expect(link.requests).toBe(1);
    await sys.fstatat(AT_FDCWD, path, 0);
    expect(link.requests).toBe(1);
  });

  test('shared: for a path as often as it is used', async () => {
    const { sys, link } = await mount('shared', { prepare: deepTree });
    const path = `/${DEEP.join('/')}/file`;
    await sys.fstatat(AT_FDCWD, path, 0);
    link.reset();
    await sys.fstatat(AT_FDCWD, path, 0);
    expect(link.requests).toBe(1);
  });

  test('a small file is found, opened and read in one round trip', async () => {
    const { sys, link } = await mount('exclusive', { prepare: deepTree });
    expect((await read(sys, `/${DEEP.join('/')}/file`)).length).toBe(4096);
    expect(link.rounds).toBe(1);
  });

  test('a directory is listed with the attributes of what is in it', async () => {
    const names = Array.from({ length: 1000 }, (_, index) => `file-${index}`);
    const { sys, link } = await mount('exclusive', {
      prepare: async (folder) => {
        for (const name of names) await writeFile(join(folder, name), name);
      },
    });
    const fd = await sys.openat(AT_FDCWD, '/', O_RDONLY, 0);
    const found: string[] = [];
    for (;;) {
      const entries = await sys.getdents(fd, 65_536);
      if (entries.length === 0) break;
      found.push(...entries.map(({ name }) => name));
    }
    const listed = found.filter((name) => name !== '.' && name !== '..');
    expect(listed.toSorted()).toEqual(names.toSorted());
    for (const name of names) {
      expect((await sys.fstatat(AT_FDCWD, `/${name}`, 0)).size).toBe(name.length);
    }
    expect(link.requests).toBeLessThanOrEqual(3);
  });

  test('files are made without waiting for each, and sync() makes them durable', async () => {
    const { gofer, sys, link } = await mount('exclusive');
    await sys.mkdirat(AT_FDCWD, '/dir', 0o755, 0);
    for (let index = 0; index < 1000; index++) {
      await create(sys, `/dir/file-${index}`, `content ${index}`);
    }
    await sys.sync();
    // It takes as long as the computing does, which on a busy machine is some hundreds of rounds,
    // and not a thousand ways there and back.
    expect(link.rounds).toBeLessThan(600);
    const names = await readdir(join(gofer.folder, 'dir'));
    expect(names.length).toBe(1000);
    for (const index of [0, 499, 999]) {
      const text = await readFile(join(gofer.folder, 'dir', `file-${index}`), 'utf8');
      expect(text).toBe(`content ${index}`);
    }
  });
});

describe('what the server refuses', () => {
  test('is told at once, though later requests are not waited for', async () => {
    const { sys } = await mount('exclusive', { isReadOnly: true });
    await expect(create(sys, '/file', 'x')).rejects.toBe(linuxerr.EROFS);
    await expect(sys.mkdirat(AT_FDCWD, '/dir', 0o755, 0)).rejects.toBe(linuxerr.EROFS);
  });

  test('an option that makes no sense is refused in words', async () => {
    const gofer = await startGofer();
    closers.push(() => gofer.close());
    const boot = (options: object): Promise<Kernel> =>
      bootKernel({ type: 'gofer', source: gofer.url, options }, { connectGofer: gofer.connect });
    await expect(boot({ cache: 'weird' })).rejects.toThrow(/cache="weird".*exclusive/);
    await expect(boot({ aname: 'relative' })).rejects.toThrow(/absolute/);
    await expect(boot({ cacheSize: -1 })).rejects.toThrow(/cacheSize=-1/);
    await expect(boot({ aname: '/missing' })).rejects.toThrow(/no such file/);
  });
});

/** Inodes of what this process syncs from now on. */
function observeSyncs(): bigint[] {
  const synced: bigint[] = [];
  const { fsync } = fs;
  // The real one is called.
  const observed = (fd: number, done: fs.NoParamCallback): void => {
    synced.push(fs.fstatSync(fd, { bigint: true }).ino);
    fsync(fd, done);
  };
  const replace = (by: unknown): void => {
    Object.assign(fs, { fsync: by });
    syncBuiltinESMExports();
  };
  replace(observed);
  closers.push(() => {
    replace(fsync);
    return Promise.resolve();
  });
  return synced;
}

describe('what gets to the host', () => {
  test.each(['exclusive', 'shared'] as const)('%s: fsync of a directory', async (cache) => {
    const { gofer, sys } = await mount(cache);
    await sys.mkdirat(AT_FDCWD, '/dir', 0o755, 0);
    await create(sys, '/dir/file', 'x');
    await sys.sync();
    const synced = observeSyncs();
    const fd = await sys.openat(AT_FDCWD, '/dir', O_RDONLY, 0);
    await sys.fsync(fd);
    await sys.close(fd);
    expect(synced).toEqual([fs.lstatSync(join(gofer.folder, 'dir'), { bigint: true }).ino]);
  });

  test('times that are set to now are the same here and there', async () => {
    const { gofer, sys } = await mount('exclusive', {
      prepare: (folder) => writeFile(join(folder, 'file'), 'x'),
    });
    const now = { sec: 0, nsec: UTIME_NOW };
    await sys.utimensat(AT_FDCWD, '/file', now, now, 0);
    await sys.sync();
    const { atime, mtime } = await sys.fstatat(AT_FDCWD, '/file', 0);
    const there = await lstat(join(gofer.folder, 'file'), { bigint: true });
    const nsOf = ({ sec, nsec }: typeof now): bigint => BigInt(sec) * 1_000_000_000n + BigInt(nsec);
    expect(there.atimeNs).toBe(nsOf(atime));
    expect(there.mtimeNs).toBe(nsOf(mtime));
  });
});

describe('a server that is started anew', () => {
  test.each(['exclusive', 'writethrough', 'shared', 'none'] as const)(
    '%s: files that are open stay so',
    async (cache) => {
      const first = await startGofer();
      let { connect } = first;
      const spec = { type: 'gofer', source: first.url, options: { cache } } as const;
      const kernel = await bootKernel(spec, { connectGofer: (link) => connect(link) });
      let server = first;
      closers.push(() => rm(first.folder, { recursive: true }));
      closers.push(() => server.stop());
      closers.push(() => runAsync(kernel.shutdown()));
      const sys = await taskOf(kernel);
      await sys.mkdirat(AT_FDCWD, '/dir', 0o755, 0);
      const fd = await sys.openat(AT_FDCWD, '/dir/file', O_CREAT | O_RDWR, 0o644);
      await sys.write(fd, encodeUtf8('before'));
      await sys.fsync(fd);
      await first.stop();
      server = await startGofer({ folder: first.folder, port: first.port });
      ({ connect } = server);
      await sys.write(fd, encodeUtf8(' and after'));
      await sys.fsync(fd);
      expect(await readFile(join(first.folder, 'dir', 'file'), 'utf8')).toBe('before and after');
      await create(sys, '/dir/other', 'made later');
      expect(await read(sys, '/dir/other')).toBe('made later');
      await sys.close(fd);
    },
  );
});
