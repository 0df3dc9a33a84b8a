// Zip archives, compared with Python's zipfile, and with Info-ZIP where it is installed.

import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { S_IFIFO, S_IFLNK, S_IFMT } from '../../../src/abi/stat.ts';
import { timespecFromNs } from '../../../src/lib/clock.ts';
import { hostDirectory, hostTree, Place, python, type Tree } from './support.ts';

let place: Place;

beforeEach(async () => {
  place = await Place.open();
});

afterEach(async () => {
  await place.close();
});

/** The tree of the tests, as it is in a zip archive: whole seconds, and neither links nor xattrs. */
function inZip(tree: Tree): Record<string, { mode: number; sec: number; content?: string }> {
  return Object.fromEntries(
    Object.entries(tree)
      .filter(([path]) => path !== '.')
      .map(([path, { mode, mtime, hash, target }]) => {
        const { sec } = timespecFromNs(BigInt(mtime));
        return [path, { mode: mode & ~0o6000, sec, content: hash ?? target ?? '' }];
      }),
  );
}

/** A tree that zip has entries for. */
async function makeTree(): Promise<void> {
  await place.mkdir('/from/dir/sub');
  await place.put('/from/dir/file', 'text\n'.repeat(1000));
  await place.put('/from/dir/empty', '');
  await place.put('/from/grüße 😀', 'utf-8');
  await place.put('/from/large', crypto.getRandomValues(new Uint8Array(60_000)));
  await place.put('/from/zeros', new Uint8Array(3_000_000));
  await place.t.symlink('dir/file', '/from/link');
  const times = [
    ['/from/dir/file', 1_500_000_001n],
    ['/from/dir/empty', -86_400n],
    ['/from/dir/sub', 1_600_000_000n],
    ['/from/dir', 1_234_567_891n],
    ['/from/link', 1_234_567_890n],
  ] as const;
  for (const [path, sec] of times) {
    const time = timespecFromNs(sec * 1_000_000_000n);
    await place.run(place.fs.lutimes(path, time, time));
  }
  await place.run(place.fs.chmod('/from/dir/file', 0o751));
  await place.run(place.fs.chmod('/from/dir/sub', 0o500));
}

function toHost(bytes: Uint8Array): string {
  const file = join(hostDirectory(), 'archive.zip');
  writeFileSync(file, bytes);
  return file;
}

describe('what Burrow packs', () => {
  test("Python's zipfile unpacks, and finds the checksums right", async () => {
    await makeTree();
    const file = toHost(await place.pack('/from', 'zip'));
    const directory = hostDirectory();
    python('unzip', file, directory);
    const found = hostTree(directory);
    const { link, ...expected } = await place.tree('/from');
    for (const [path, { hash }] of Object.entries(expected)) expect(found[path]?.hash).toBe(hash);
    // It makes files of symlinks.
    expect(readFileSync(join(directory, 'link'), 'utf8')).toBe(link?.target);
  });

  test('is unpacked as it was, from a stream and from a Blob', async () => {
    await makeTree();
    const packed = await place.pack('/from', 'zip');
    const expected = inZip(await place.tree('/from'));
    for (const source of [packed, new Blob([packed])]) {
      await place.mkdir('/to');
      expect(await place.unpack('/to', source)).toEqual({
        format: 'zip',
        entries: 8,
        bytes: packed.length,
      });
      expect(inZip(await place.tree('/to'))).toEqual(expected);
      await place.run(place.fs.rm('/to', { recursive: true, force: false }));
    }
  });

  test('Info-ZIP unpacks as it was, where it is installed', async () => {
    await makeTree();
    const file = toHost(await place.pack('/from', 'zip'));
    const directory = hostDirectory();
    try {
      execFileSync('unzip', ['-q', '-X', file, '-d', directory]);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      return;
    }
    const expected = inZip(await place.tree('/from'));
    const found = inZip(hostTree(directory));
    // It takes no times before 1980, and doesn't set those of symlinks.
    for (const [path, told] of Object.entries(expected)) {
      const isTimeless = path === 'link' || path === 'dir/empty';
      const sec = isTimeless ? found[path]?.sec : told.sec;
      expect([path, found[path]]).toEqual([path, { ...told, sec }]);
    }
  });

  test('lacks FIFOs, devices and sockets', async () => {
    await place.mkdir('/from');
    await place.t.mknod('/from/fifo', S_IFIFO | 0o666);
    await place.put('/from/file', '');
    await place.mkdir('/to');
    const { entries } = await place.unpack('/to', await place.pack('/from', 'zip'));
    expect(entries).toBe(1);
    expect(await place.t.list('/to')).toEqual(['file']);
  });

  test('an archive of nothing is one', async () => {
    await place.mkdir('/from');
    await place.mkdir('/to');
    const packed = await place.pack('/from', 'zip');
    expect(packed.length).toBe(22);
    expect((await place.unpack('/to', packed)).entries).toBe(0);
  });
});

describe('what others pack', () => {
  test("Python's zipfile", async () => {
    const directory = hostDirectory();
    python('make', directory);
    const file = join(hostDirectory(), 'archive.zip');
    const names = ['dir', 'dir/file', 'dir/empty', 'large', 'grüße 😀', 'set-id'];
    python('zip', file, directory, ...names);
    await place.unpack('/', readFileSync(file));
    const expected = hostTree(directory);
    const found = await place.tree('/');
    for (const path of names) {
      expect(found[path]?.hash).toBe(expected[path]?.hash);
      // A zip archive names no owner that a file could be set to.
      expect(found[path]?.mode).toBe(expected[path]!.mode & ~0o6000);
    }
  });

  test('Info-ZIP, where it is installed: symlinks, and data behind something else', async () => {
    const directory = hostDirectory();
    python('make', directory);
    const file = join(hostDirectory(), 'archive.zip');
    try {
      execFileSync('zip', ['-q', '-r', '-y', file, 'dir', 'link', 'large', 'sticky', 'grüße 😀'], {
        cwd: directory,
      });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      return;
    }
    const bytes = readFileSync(file);
    const prefixed = Buffer.concat([Buffer.from('#!/bin/sh\nexit\n'), bytes]);
    const expected = inZip(hostTree(directory));
    for (const [source, options] of [
      [bytes, {}],
      [prefixed, { format: 'zip' }],
    ] as const) {
      await place.unpack('/', source, options);
      const found = inZip(await place.tree('/'));
      expect(Object.keys(found).length).toBe(7);
      for (const [path, told] of Object.entries(found))
        expect([path, told]).toEqual([path, expected[path]]);
      expect(found['link']!.mode & S_IFMT).toBe(S_IFLNK);
    }
  });
});
