// Zip archives, compared with Python's zipfile, and with Info-ZIP where it is installed.

import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG } from '../../../src/abi/stat.ts';
import { ByteSink } from '../../../src/archive/byte-sink.ts';
import type { TreeEntry } from '../../../src/archive/entry.ts';
import { readZip } from '../../../src/archive/zip-reader.ts';
import { ZipWriter } from '../../../src/archive/zip-writer.ts';
import { timespecFromNs } from '../../../src/lib/clock.ts';
import { hostDirectory, hostTree, Place, python, type Tree } from './support.ts';

let place: Place;

beforeEach(async () => {
  place = await Place.open();
});

afterEach(async () => {
  await place.close();
});

/** What is left of a tree in a zip archive: whole seconds, and neither links nor xattrs. */
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
      const names = ['dir', 'link', 'large', 'sticky', 'grüße 😀'];
      execFileSync('zip', ['-q', '-r', '-y', file, ...names], { cwd: directory });
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

describe('zip64', () => {
  async function* streamed(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
    for (const piece of pieces) yield await Promise.resolve(piece);
  }

  const entryOf = (path: string, more: Partial<TreeEntry>): TreeEntry => ({
    path,
    type: S_IFDIR,
    permissions: 0o755,
    size: 0,
    uid: 0,
    gid: 0,
    mtime: { sec: 1_000_000_000, nsec: 0 },
    atime: undefined,
    target: '',
    linkTo: undefined,
    rdev: 0,
    xattrs: new Map(),
    content: () => streamed([]),
    ...more,
  });

  async function zipped(entries: Iterable<TreeEntry>): Promise<Blob> {
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const blob = new Response(readable as ReadableStream<Uint8Array<ArrayBuffer>>).blob();
    const sink = new ByteSink(writable);
    const writer = new ZipWriter(sink);
    for (const entry of entries) await writer.write(entry);
    await writer.finish();
    await sink.close();
    return await blob;
  }

  test('a file whose size may not fit the old fields', async () => {
    // It has been cut since.
    const content = () => streamed([new TextEncoder().encode('text')]);
    const blob = await zipped([
      entryOf('large', { type: S_IFREG, size: 5 * 2 ** 30, content }),
      entryOf('dir', {}),
    ]);
    await place.unpack('/', blob);
    expect(await place.text('/large')).toBe('text');
    const directory = hostDirectory();
    python('unzip', toHost(new Uint8Array(await blob.arrayBuffer())), directory);
    expect(readFileSync(join(directory, 'large'), 'utf8')).toBe('text');
  });

  test('more entries than the old record can count', async () => {
    function* entries(): Generator<TreeEntry> {
      for (let index = 0; index < 66_000; index++) yield entryOf(String(index), {});
    }
    const blob = await zipped(entries());
    const bytes = new Uint8Array(await blob.arrayBuffer());
    let count = 0;
    const access = {
      size: bytes.length,
      read: (offset: number, length: number) =>
        Promise.resolve(bytes.subarray(offset, offset + length)),
    };
    for await (const { path } of readZip(access)) expect(path).toBe(String(count++));
    expect(count).toBe(66_000);
    expect(python('count', toHost(bytes))).toBe('66000');
  }, 60_000);
});
