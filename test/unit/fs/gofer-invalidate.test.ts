// What a gofer's client keeps of a file, and what becomes of it when another client changes it.

import { lstat, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import {
  AT_FDCWD,
  AT_REMOVEDIR,
  O_CREAT,
  O_DIRECTORY,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  SEEK_END,
} from '../../../src/abi/fcntl.ts';
import { decodeUtf8, encodeUtf8 } from '../../../src/lib/text.ts';
import type { AsyncSyscalls } from '../../conformance/process.ts';
import { clientOf, endGofers, gofer, type GoferClient } from '../../support/gofer-kernels.ts';
import type { TestGofer } from '../../support/gofers.ts';
import { randomFrom } from '../../wire/message-checks.ts';

afterEach(endGofers);

interface Client extends GoferClient {
  readonly sys: AsyncSyscalls;
  /** All that the server has told before has come. */
  told(): Promise<void>;
}

async function client(
  server: TestGofer,
  cache: 'exclusive' | 'writethrough' | 'shared' | 'none',
  isSlow = false,
): Promise<Client> {
  const started = await clientOf(server, { cache, isSlow });
  const { sys } = await started.process();
  return {
    ...started,
    sys,
    told: async () => {
      await sys.statfs('/');
    },
  };
}

async function write(sys: AsyncSyscalls, path: string, text: string, flags = O_TRUNC) {
  const fd = await sys.openat(AT_FDCWD, path, O_CREAT | O_RDWR | flags, 0o644);
  await sys.write(fd, encodeUtf8(text));
  await sys.close(fd);
}

async function read(sys: AsyncSyscalls, path: string): Promise<string> {
  const fd = await sys.openat(AT_FDCWD, path, O_RDONLY, 0);
  try {
    return await readOpen(sys, fd);
  } finally {
    await sys.close(fd);
  }
}

async function readOpen(sys: AsyncSyscalls, fd: number): Promise<string> {
  const buffer = new Uint8Array(100_000);
  const count = await sys.pread(fd, buffer, 0);
  return decodeUtf8(buffer.subarray(0, count));
}

async function list(sys: AsyncSyscalls, path: string): Promise<string[]> {
  const fd = await sys.openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
  const names: string[] = [];
  for (;;) {
    const entries = await sys.getdents(fd, 65_536);
    if (entries.length === 0) break;
    names.push(...entries.map(({ name }) => name));
  }
  await sys.close(fd);
  return names.filter((name) => name !== '.' && name !== '..').toSorted();
}

describe.each(['exclusive', 'writethrough'] as const)('%s: forgets what was changed', (cache) => {
  async function two(): Promise<[Client, Client]> {
    const server = await gofer();
    await mkdir(join(server.folder, 'dir'));
    await writeFile(join(server.folder, 'dir', 'file'), 'first');
    await writeFile(join(server.folder, 'dir', 'other'), 'other');
    return [await client(server, cache), await client(server, 'shared')];
  }

  test('data and attributes, of open files too', async () => {
    const [a, b] = await two();
    const fd = await a.sys.openat(AT_FDCWD, '/dir/file', O_RDWR, 0);
    expect(await readOpen(a.sys, fd)).toBe('first');
    await write(b.sys, '/dir/file', 'second one');
    await a.told();
    expect(await readOpen(a.sys, fd)).toBe('second one');
    expect((await a.sys.fstat(fd)).size).toBe(10);
    expect(await a.sys.lseek(fd, 0, SEEK_END)).toBe(10);
    await b.sys.fchmodat(AT_FDCWD, '/dir/file', 0o600, 0);
    await a.told();
    expect((await a.sys.fstatat(AT_FDCWD, '/dir/file', 0)).mode & 0o777).toBe(0o600);
    await b.sys.truncate('/dir/file', 3);
    await a.told();
    expect(await read(a.sys, '/dir/file')).toBe('sec');
  });

  test('names that were made, removed and moved, and those that were not there', async () => {
    const [a, b] = await two();
    expect(await list(a.sys, '/dir')).toEqual(['file', 'other']);
    await expect(a.sys.fstatat(AT_FDCWD, '/dir/new', 0)).rejects.toBe(linuxerr.ENOENT);
    await write(b.sys, '/dir/new', 'made');
    await a.told();
    expect(await read(a.sys, '/dir/new')).toBe('made');
    expect(await list(a.sys, '/dir')).toEqual(['file', 'new', 'other']);
    await b.sys.unlinkat(AT_FDCWD, '/dir/file', 0);
    await a.told();
    await expect(read(a.sys, '/dir/file')).rejects.toBe(linuxerr.ENOENT);
    await b.sys.renameat2(AT_FDCWD, '/dir/other', AT_FDCWD, '/dir/new', 0);
    await a.told();
    expect(await read(a.sys, '/dir/new')).toBe('other');
    expect(await list(a.sys, '/dir')).toEqual(['new']);
  });

  test('nothing else', async () => {
    const [a, b] = await two();
    const untouched = async (): Promise<void> => {
      expect(await read(a.sys, '/dir/other')).toBe('other');
    };
    await list(a.sys, '/dir');
    await untouched();
    expect(await read(a.sys, '/dir/file')).toBe('first');
    await write(b.sys, '/dir/file', 'longer');
    await a.told();
    a.link.reset();
    await untouched();
    // Nothing was asked for, but FDs that aren't needed any more may be given back.
    expect(a.link.requests).toBe(0);
    expect(await read(a.sys, '/dir/file')).toBe('longer');
  });

  test('its own changes are no reason to forget', async () => {
    const [a] = await two();
    await write(a.sys, '/dir/file', 'its own');
    await a.sys.sync();
    await a.told();
    a.link.reset();
    expect(await read(a.sys, '/dir/file')).toBe('its own');
    expect(a.link.requests).toBe(0);
  });
});

test('exclusive: what was written here and not sent is not forgotten', async () => {
  const server = await gofer();
  await writeFile(join(server.folder, 'file'), 'a'.repeat(200_000));
  const [a, b] = [await client(server, 'exclusive'), await client(server, 'shared')];
  const fd = await a.sys.openat(AT_FDCWD, '/file', O_RDWR, 0);
  expect(await readOpen(a.sys, fd)).toBe('a'.repeat(100_000));
  await a.sys.pwrite(fd, encodeUtf8('here'), 10);
  const other = await b.sys.openat(AT_FDCWD, '/file', O_RDWR, 0);
  await b.sys.pwrite(other, encodeUtf8('there'), 10_000);
  await b.sys.close(other);
  await a.told();
  const text = `${'a'.repeat(10)}here${'a'.repeat(9986)}there`;
  expect((await readOpen(a.sys, fd)).slice(0, 10_005)).toBe(text);
  await a.sys.fsync(fd);
  expect((await readFile(join(server.folder, 'file'), 'utf8')).slice(0, 10_005)).toBe(text);
});

const NAMES = ['a', 'b', 'c'];

/** Changes something at random; what can't be done isn't. */
async function changeSomething(
  { sys }: Client,
  random: (limit: number) => number,
  step: number,
): Promise<void> {
  const path = (): string => `/${NAMES[random(3)]!}/${NAMES[random(3)]!}`;
  const changes: (() => Promise<unknown>)[] = [
    () => write(sys, path(), `step ${step} ${'x'.repeat(random(20))}`),
    () => write(sys, path(), `${step}`, 0),
    () => sys.unlinkat(AT_FDCWD, path(), 0),
    () => sys.renameat2(AT_FDCWD, path(), AT_FDCWD, path(), 0),
    () => sys.linkat(AT_FDCWD, path(), AT_FDCWD, path(), 0),
    () => sys.truncate(path(), random(30)),
    () => sys.fchmodat(AT_FDCWD, path(), 0o600 + random(0o100), 0),
    () => sys.mkdirat(AT_FDCWD, `/${NAMES[random(3)]!}`, 0o755, 0),
    () => sys.unlinkat(AT_FDCWD, `/${NAMES[random(3)]!}`, AT_REMOVEDIR),
    () => sys.renameat2(AT_FDCWD, `/${NAMES[random(3)]!}`, AT_FDCWD, `/${NAMES[random(3)]!}`, 0),
  ];
  await changes[random(changes.length)]!().catch(() => undefined);
}

async function viewOfHost(folder: string): Promise<Record<string, unknown>> {
  const view: Record<string, unknown> = {};
  for (const dir of await readdir(folder)) {
    const names = await readdir(join(folder, dir));
    view[dir] = names.toSorted();
    for (const name of names) {
      const path = join(folder, dir, name);
      const { size, mode, nlink } = await lstat(path);
      view[`${dir}/${name}`] = { size, mode, nlink, text: await readFile(path, 'utf8') };
    }
  }
  return view;
}

async function viewOf({ sys }: Client): Promise<Record<string, unknown>> {
  const view: Record<string, unknown> = {};
  for (const dir of await list(sys, '/')) {
    const names = await list(sys, `/${dir}`);
    view[dir] = names;
    for (const name of names) {
      const path = `/${dir}/${name}`;
      const { size, mode, nlink } = await sys.fstatat(AT_FDCWD, path, 0);
      view[`${dir}/${name}`] = { size, mode, nlink, text: await read(sys, path) };
    }
  }
  return view;
}

describe('many changes by two clients', () => {
  test.each([1, 2, 3, 4, 5, 6])('are seen by both, seed %i', async (seed) => {
    const random = randomFrom(seed);
    const server = await gofer();
    for (const name of NAMES.slice(0, 2)) await mkdir(join(server.folder, name));
    const clients = [await client(server, 'shared'), await client(server, 'none')];
    for (let step = 0; step < 60; step++) {
      await changeSomething(clients[random(2)]!, random, step);
      const expected = await viewOfHost(server.folder);
      for (const each of clients) expect(await viewOf(each), `step ${step}`).toEqual(expected);
    }
  });

  test.each([1, 2, 3])('are seen while others go on, seed %i', async (seed) => {
    const random = randomFrom(seed);
    const server = await gofer();
    await writeFile(join(server.folder, 'count'), '00000000');
    const writer = await client(server, 'shared');
    const readers = [await client(server, 'shared', true), await client(server, 'none')];
    let acknowledged = 0;
    let isDone = false;
    const follow = async ({ sys }: Client): Promise<number> => {
      const kept = await sys.openat(AT_FDCWD, '/count', O_RDONLY, 0);
      let looks = 0;
      while (!isDone) {
        const least = acknowledged;
        const text = looks++ % 2 === 0 ? await readOpen(sys, kept) : await read(sys, '/count');
        expect(Number(text.slice(0, 8))).toBeGreaterThanOrEqual(least);
        const size = acknowledged;
        expect((await sys.fstatat(AT_FDCWD, '/count', 0)).size).toBeGreaterThanOrEqual(8 + size);
        const made = acknowledged;
        if (made > 0) await sys.fstatat(AT_FDCWD, `/made-${made}`, 0);
      }
      return looks;
    };
    const following = readers.map(follow);
    const fd = await writer.sys.openat(AT_FDCWD, '/count', O_RDWR, 0);
    for (let step = 1; step <= 100; step++) {
      await writer.sys.pwrite(fd, encodeUtf8(String(step).padStart(8, '0')), 0);
      await writer.sys.pwrite(fd, encodeUtf8('x'), 7 + step);
      await write(writer.sys, `/made-${step}`, '');
      acknowledged = step;
      for (let wait = random(4); wait > 0; wait--) await writer.told();
    }
    isDone = true;
    for (const looks of await Promise.all(following)) expect(looks).toBeGreaterThan(3);
  });

  test.each([1, 2, 3, 4])('keep a cache right that is told of them, seed %i', async (seed) => {
    const random = randomFrom(seed);
    const server = await gofer();
    for (const name of NAMES.slice(0, 2)) await mkdir(join(server.folder, name));
    const writer = await client(server, 'shared');
    const cached = await client(server, 'writethrough');
    // Where nothing is listed each file has an FD there, and is told of.
    const look = async (): Promise<Record<string, unknown>> => {
      const view: Record<string, unknown> = {};
      for (const path of NAMES.flatMap((dir) => NAMES.map((name) => `${dir}/${name}`))) {
        const found = await cached.sys.fstatat(AT_FDCWD, `/${path}`, 0).catch(() => undefined);
        if (found === undefined) continue;
        const { size, mode, nlink } = found;
        view[path] = { size, mode, nlink, text: await read(cached.sys, `/${path}`) };
      }
      return view;
    };
    for (let step = 0; step < 60; step++) {
      await changeSomething(random(4) === 0 ? cached : writer, random, step);
      await cached.told();
      const host = await viewOfHost(server.folder);
      const files = Object.entries(host).filter(([path]) => path.includes('/'));
      expect(await look(), `step ${step}`).toEqual(Object.fromEntries(files));
    }
  });
});
