// Listing directories of the host through a lisafs server: in pieces, and going back.

import { lstatSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import { O_RDONLY } from '../../../src/abi/fcntl.ts';
import { direntType } from '../../../src/abi/stat.ts';
import type { ResponseOf } from '../../../src/lisafs/messages.ts';
import { type HostClient, useServedTree } from './served-support.ts';
import { WAYS } from './support.ts';

const COUNT = 3000;
const NAMES = Array.from({ length: COUNT }, (_, index) => `entry-${index}`);
/** More than the host is asked for at once. */
const SOME = NAMES.slice(0, 500);

type Dirent = ResponseOf<'Getdents64'>['dirents'][number];
type Entry = ResponseOf<'ListDir'>['entries'][number];

const namesOf = (entries: readonly (Dirent | Entry)[]): string[] =>
  entries.map(({ name }) => name as string);

async function getdents(client: HostClient, dirFD: number, count: number): Promise<Dirent[]> {
  const all: Dirent[] = [];
  for (let size = count; ; size = Math.abs(count)) {
    const { dirents } = await client.call('Getdents64', { dirFD, count: size });
    if (dirents.length === 0) return all;
    all.push(...dirents);
  }
}

async function listDir(client: HostClient, dirFD: number, cookie: number): Promise<Entry[]> {
  const all: Entry[] = [];
  for (let at = cookie; ; at = all.at(-1)!.cookie) {
    const wanted = { dirFD, cookie: at, maxBytes: 20_000, flags: 0 };
    const { entries, isEnd } = await client.call('ListDir', wanted);
    all.push(...entries);
    if (isEnd) return all;
  }
}

describe.each(WAYS)('$name', ({ access, calls }) => {
  const { tree, start } = useServedTree();
  const begin = (): Promise<HostClient> => start({ access, calls });

  function fill(names = NAMES): void {
    mkdirSync(tree().in('directory'));
    for (const name of names) writeFileSync(tree().in('directory', name), '');
  }

  test('thousands of entries, each once, with "." and ".."', async () => {
    fill();
    const client = await begin();
    const dirFD = await client.open(O_RDONLY, 'directory');
    const all = await getdents(client, dirFD, 5000);
    expect(namesOf(all).slice(0, 2)).toEqual(['.', '..']);
    expect(namesOf(all).slice(2).toSorted()).toEqual(NAMES.toSorted());
    const inoOf = (path: string): bigint => lstatSync(path, { bigint: true }).ino;
    expect(all.slice(0, 2).map(({ ino }) => ino)).toEqual([
      inoOf(tree().in('directory')),
      inoOf(tree().root),
    ]);
    for (const { name, ino, type } of all.slice(2)) {
      const stats = lstatSync(tree().in('directory', name as string), { bigint: true });
      expect([ino, type]).toEqual([stats.ino, direntType(Number(stats.mode))]);
    }
    expect(new Set(all.map(({ off }) => off)).size).toBe(COUNT + 2);
    // From the beginning once more.
    expect(await getdents(client, dirFD, -5000)).toEqual(all);
  });

  test('from any cookie on, also one long before', async () => {
    fill();
    const client = await begin();
    const dirFD = await client.fd('directory');
    const all = await listDir(client, dirFD, 0);
    expect(namesOf(all).toSorted()).toEqual(NAMES.toSorted());
    for (const from of [2990, 100, 1500, 1]) {
      expect(await listDir(client, dirFD, all[from - 1]!.cookie)).toEqual(all.slice(from));
    }
    // Within one listing, and so that it goes back behind what is kept.
    const some = async (index: number): Promise<Entry[]> => {
      const wanted = { dirFD, cookie: all[index]!.cookie, maxBytes: 2000, flags: 0 };
      return [...(await client.call('ListDir', wanted)).entries];
    };
    for (const index of [2900, 10, 1200, 1100, 0]) {
      const entries = await some(index);
      expect(entries).toEqual(all.slice(index + 1, index + 1 + entries.length));
      expect(entries.length).toBeGreaterThan(0);
    }
  });

  test('what was removed while it is listed hides nothing else', async () => {
    fill(SOME);
    const client = await begin();
    const dirFD = await client.open(O_RDONLY, 'directory');
    const seen: string[] = [];
    for (;;) {
      const { dirents } = await client.call('Getdents64', { dirFD, count: 3000 });
      if (dirents.length === 0) break;
      const names = namesOf(dirents).filter((name) => name.startsWith('entry'));
      for (const name of names) rmSync(tree().in('directory', name));
      seen.push(...names);
    }
    expect(seen.toSorted()).toEqual(SOME.toSorted());
    expect(readdirSync(tree().in('directory'))).toEqual([]);
    const rest = await getdents(client, dirFD, -3000);
    expect(namesOf(rest)).toEqual(['.', '..']);
    // An end is one only until the client begins again.
    writeFileSync(tree().in('directory', 'new'), '');
    expect(namesOf(await getdents(client, dirFD, -3000))).toEqual(['.', '..', 'new']);
  });

  test('".." of the root is the root, and of what was moved where it is now', async () => {
    mkdirSync(tree().in('a', 'moved'), { recursive: true });
    mkdirSync(tree().in('b'));
    const client = await begin();
    const parentOf = async (fd: number): Promise<bigint | undefined> => {
      const { openFD } = await client.call('OpenAt', { fd, flags: O_RDONLY });
      return (await getdents(client, openFD, 3000)).find(({ name }) => name === '..')?.ino;
    };
    const inoOf = (...names: string[]): bigint =>
      lstatSync(tree().in(...names), { bigint: true }).ino;
    const fd = await client.fd('a', 'moved');
    expect(await parentOf(client.rootFD)).toBe(inoOf());
    expect(await parentOf(fd)).toBe(inoOf('a'));
    const [oldDir, newDir] = [await client.fd('a'), await client.fd('b')];
    await client.call('RenameAt', { oldDir, oldName: 'moved', newDir, newName: 'm' });
    expect(await parentOf(fd)).toBe(inoOf('b'));
  });

  test('a directory that is open is synced, and is not read as a file', async () => {
    const client = await begin();
    const { openFD } = await client.call('OpenAt', { fd: client.rootFD, flags: O_RDONLY });
    await client.call('FSync', { fds: [openFD] });
    await client.call('Flush', { fd: openFD });
    await expect(client.read(openFD)).rejects.toBe(linuxerr.EISDIR);
    const { newFD } = await client.create('file');
    const list = client.call('Getdents64', { dirFD: newFD, count: 1000 });
    await expect(list).rejects.toBe(linuxerr.ENOTDIR);
  });

  test('a listing that fails has lost nothing when it goes on', async () => {
    fill(SOME);
    const client = await begin();
    const fd = await client.fd('directory');
    const { openFD: dirFD } = await client.call('OpenAt', { fd, flags: O_RDONLY });
    const { dirents } = await client.call('Getdents64', { dirFD, count: 3000 });
    // By paths, it isn't where it was.
    renameSync(tree().in('directory'), tree().at('away'));
    const later = await client.call('Getdents64', { dirFD, count: 10_000 }).catch(() => undefined);
    expect(later === undefined).toBe(access === 'paths');
    renameSync(tree().at('away'), tree().in('directory'));
    const rest = await getdents(client, dirFD, 10_000);
    const names = namesOf([...dirents, ...(later?.dirents ?? []), ...rest]).slice(2);
    expect(names.toSorted()).toEqual(SOME.toSorted());
  });
});
