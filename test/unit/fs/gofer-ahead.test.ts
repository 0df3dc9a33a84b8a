// How often a gofer's client asks when a whole tree is looked through, and how often it waits.

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import { AT_FDCWD, AT_SYMLINK_NOFOLLOW, O_DIRECTORY, O_RDONLY } from '../../../src/abi/fcntl.ts';
import { S_IFDIR, S_IFMT } from '../../../src/abi/stat.ts';
import { decodeUtf8 } from '../../../src/lib/text.ts';
import type { AsyncSyscalls } from '../../conformance/process.ts';
import { clientOf, endGofers, gofer, type GoferClient } from '../../support/gofer-kernels.ts';

afterEach(endGofers);

interface Started extends GoferClient {
  readonly sys: AsyncSyscalls;
}

async function start(
  cache: 'exclusive' | 'writethrough' | 'shared',
  prepare: (folder: string) => Promise<void>,
): Promise<Started> {
  const server = await gofer();
  await prepare(server.folder);
  const client = await clientOf(server, { cache, isSlow: true });
  const { sys } = await client.process();
  client.link.reset();
  return { ...client, sys };
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
  return names.filter((name) => name !== '.' && name !== '..');
}

/** As find(1): depth first, and each file is looked at. */
async function find(sys: AsyncSyscalls, path: string): Promise<string[]> {
  const found: string[] = [];
  for (const name of await list(sys, path === '' ? '/' : path)) {
    const child = `${path}/${name}`;
    found.push(child);
    const { mode } = await sys.fstatat(AT_FDCWD, child, AT_SYMLINK_NOFOLLOW);
    if ((mode & S_IFMT) === S_IFDIR) found.push(...(await find(sys, child)));
  }
  return found;
}

async function flatTree(folder: string): Promise<void> {
  for (let dir = 0; dir < 100; dir++) {
    const path = join(folder, `dir-${dir}`);
    await mkdir(path);
    const names = Array.from({ length: 100 }, (_, index) => join(path, `file-${index}`));
    await Promise.all(names.map((name) => writeFile(name, '')));
  }
}

async function deepTree(folder: string): Promise<void> {
  for (let dir = 0; dir < 10; dir++) {
    for (let sub = 0; sub < 10; sub++) {
      const path = join(folder, `dir-${dir}`, `sub-${sub}`);
      await mkdir(path, { recursive: true });
      await writeFile(join(path, 'file'), '');
    }
  }
}

describe.each(['exclusive', 'writethrough'] as const)('%s: find', (cache) => {
  test('asks once for each directory, for several at a time', async () => {
    const { sys, link } = await start(cache, flatTree);
    expect((await find(sys, '')).length).toBe(100 + 10_000);
    expect(link.requests).toBeLessThanOrEqual(1.2 * 101);
    // As many as the tree has levels.
    expect(link.chain).toBe(2);
  });

  test('does so in directories of directories', async () => {
    const { sys, link } = await start(cache, deepTree);
    expect((await find(sys, '')).length).toBe(10 + 100 + 100);
    expect(link.requests).toBeLessThanOrEqual(1.2 * 111);
    expect(link.chain).toBe(3);
  });

  test('who lists one directory only has no others listed', async () => {
    const { sys, link } = await start(cache, deepTree);
    const [, second] = await list(sys, '/');
    await list(sys, `/${second}`);
    await list(sys, `/${second}`);
    expect(link.requests).toBe(2);
  });
});

test('what was listed ahead is as new as if it had been listed then', async () => {
  const { sys } = await start('exclusive', deepTree);
  for (const name of (await list(sys, '/')).slice(0, 4)) await list(sys, `/${name}`);
  for (let dir = 0; dir < 10; dir++) {
    const path = `/dir-${dir}/made`;
    await sys.mkdirat(AT_FDCWD, path, 0o755, 0);
    await sys.unlinkat(AT_FDCWD, `/dir-${dir}/sub-0/file`, 0);
  }
  const found = await find(sys, '');
  expect(found.filter((path) => path.endsWith('/made')).length).toBe(10);
  expect(found.filter((path) => path.endsWith('sub-0/file'))).toEqual([]);
});

describe('a small file', () => {
  const tree = async (folder: string): Promise<void> => {
    await mkdir(join(folder, 'a', 'b'), { recursive: true });
    await writeFile(join(folder, 'a', 'b', 'file'), 'text');
  };

  async function read(sys: AsyncSyscalls, path: string): Promise<string> {
    const fd = await sys.openat(AT_FDCWD, path, O_RDONLY, 0);
    const buffer = new Uint8Array(100);
    const count = await sys.read(fd, buffer);
    await sys.close(fd);
    return decodeUtf8(buffer.subarray(0, count));
  }

  test.each(['exclusive', 'writethrough'] as const)(
    '%s: is found, opened and read at once',
    async (cache) => {
      const { sys, link } = await start(cache, tree);
      expect(await read(sys, '/a/b/file')).toBe('text');
      expect(link.requests).toBe(1);
      expect(link.rounds).toBe(1);
      expect(await read(sys, '/a/b/file')).toBe('text');
      expect(link.requests).toBe(1);
    },
  );

  test('shared: is found and opened at once', async () => {
    const { sys, link } = await start('shared', tree);
    const fd = await sys.openat(AT_FDCWD, '/a/b/file', O_RDONLY, 0);
    expect(link.rounds).toBeLessThanOrEqual(2);
    await sys.close(fd);
  });

  test('that is not there is told, and a directory opened', async () => {
    const { sys } = await start('exclusive', tree);
    await expect(read(sys, '/a/b/missing')).rejects.toBe(linuxerr.ENOENT);
    await expect(read(sys, '/a/b/file/below')).rejects.toBe(linuxerr.ENOTDIR);
    const fd = await sys.openat(AT_FDCWD, '/a/b', O_RDONLY, 0);
    expect((await sys.getdents(fd, 1000)).length).toBe(3);
    await sys.close(fd);
  });
});
