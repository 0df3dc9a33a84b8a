// Files and directories of the host that are open: data, holes, and listings in pieces.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  O_APPEND,
  O_CREAT,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
  SEEK_DATA,
  SEEK_HOLE,
} from '../../../src/abi/fcntl.ts';
import { InvariantError } from '../../../src/lib/assert.ts';
import type { HostName } from '../../../src/fsgofer/host-name.ts';
import type { OpenHostDirectory } from '../../../src/fsgofer/open-directory.ts';
import { bytePath, failureOf, NOT_UTF8, openPathsIn, useTree, WAYS } from './support.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

async function listAll(directory: OpenHostDirectory, countMax: number): Promise<HostName[]> {
  const names: HostName[] = [];
  for (;;) {
    const entries = await directory.read(countMax);
    if (entries.length === 0) return names;
    expect(entries.length).toBeLessThanOrEqual(countMax);
    names.push(...entries.map(({ name }) => name));
  }
}

describe.each(WAYS)('$name', (way) => {
  const tree = useTree();

  test('data is read and written where it is said to be', async () => {
    writeFileSync(tree().in('file'), 'hello world');
    const root = await tree().open(way);
    const file = await (await tree().walk(root, 'file')).open(O_RDWR);
    expect(await file.write(bytes('W'), 6)).toBe(1);
    const buffer = new Uint8Array(100);
    expect(await file.read(buffer.subarray(0, 5), 6)).toBe(5);
    expect(new TextDecoder().decode(buffer.subarray(0, 5))).toBe('World');
    expect(await file.read(buffer, 11)).toBe(0);
    expect(await file.read(buffer.subarray(0, 0), 0)).toBe(0);
    // Far behind the end, where a position has more than 32 bits.
    expect(await file.write(bytes('!'), 2 ** 33)).toBe(1);
    expect((await file.stat()).size).toBe(2 ** 33 + 1);
    expect((await file.stat()).blocks * 512).toBeLessThan(1 << 20);
    await file.truncate(11);
    await file.fsync();
    await file.fdatasync();
    await file.close();
    expect(readFileSync(tree().in('file'), 'utf8')).toBe('hello World');
  });

  test('of the flags the access mode and O_TRUNC count', async () => {
    writeFileSync(tree().in('file'), 'hello');
    const root = await tree().open(way);
    const found = await tree().walk(root, 'file');
    const reader = await found.open(O_RDONLY);
    expect(await failureOf(reader.write(bytes('x'), 0))).toBe('EBADF');
    expect(await failureOf(reader.truncate(0))).toBe('EINVAL');
    await reader.close();
    // Of O_APPEND the client takes care.
    const writer = await found.open(O_WRONLY | O_APPEND | O_CREAT);
    expect(await failureOf(writer.read(new Uint8Array(1), 0))).toBe('EBADF');
    await writer.write(bytes('J'), 0);
    await writer.close();
    expect(readFileSync(tree().in('file'), 'utf8')).toBe('Jello');
    await (await found.open(O_RDWR | O_TRUNC)).close();
    expect(statSync(tree().in('file')).size).toBe(0);
    expect(await failureOf(found.open(3))).toBe('EINVAL');
    expect(await failureOf(root.open(O_RDONLY))).toBe('EISDIR');
  });

  test('a file that was removed can be used by who has it open', async () => {
    writeFileSync(tree().in('file'), 'hello');
    const root = await tree().open(way);
    const found = await tree().walk(root, 'file');
    const file = await found.open(O_RDWR);
    unlinkSync(tree().in('file'));
    await file.write(bytes('J'), 0);
    const buffer = new Uint8Array(5);
    await file.read(buffer, 0);
    expect(new TextDecoder().decode(buffer)).toBe('Jello');
    expect((await file.stat()).nlink).toBe(0);
    await file.close();
    // A path leads nowhere by now; a descriptor does.
    const reopening = found.open(O_RDONLY).then((open) => open.close());
    expect(await failureOf(reopening)).toBe(way.access === 'pinned' ? 'no failure' : 'ESTALE');
  });

  test('a file is closed once the calls under way are done', async () => {
    writeFileSync(tree().in('file'), new Uint8Array(1 << 20).fill(7));
    const root = await tree().open(way);
    const file = await (await tree().walk(root, 'file')).open(O_RDONLY);
    const buffers = Array.from({ length: 20 }, () => new Uint8Array(1 << 20));
    const reads = buffers.map((buffer) => file.read(buffer, 0));
    await file.close();
    expect(await Promise.all(reads)).toEqual(buffers.map(() => 1 << 20));
    expect(buffers.every((buffer) => buffer.every((byte) => byte === 7))).toBe(true);
    await expect(file.close()).rejects.toThrow(InvariantError);
  });

  test('a bad offset is a bug', async () => {
    writeFileSync(tree().in('file'), '');
    const root = await tree().open(way);
    const file = await (await tree().walk(root, 'file')).open(O_RDWR);
    for (const offset of [-1, 0.5, 2 ** 53, NaN]) {
      expect(() => file.read(new Uint8Array(1), offset)).toThrow(InvariantError);
      expect(() => file.write(new Uint8Array(1), offset)).toThrow(InvariantError);
    }
    await file.close();
  });

  test('holes are made and found where the host lets', async () => {
    const root = await tree().open(way);
    const made = await root.create('file', { mode: 0o600, flags: O_RDWR });
    tree().keep(made.file);
    const { open: file } = made;
    const size = 1 << 20;
    await file.write(new Uint8Array(size).fill(1), 0);
    const punch = {
      mode: FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
      offset: 65_536,
      length: 131_072,
    };
    if (way.calls.allocate === undefined || way.calls.seek === undefined) {
      expect(await failureOf(file.allocate(punch))).toBe('EOPNOTSUPP');
      expect(await failureOf(file.seek(0, SEEK_HOLE))).toBe('EOPNOTSUPP');
    } else {
      await file.allocate(punch);
      expect(await file.seek(0, SEEK_HOLE)).toBe(65_536);
      expect(await file.seek(65_536, SEEK_DATA)).toBe(196_608);
      expect(await file.seek(200_000, SEEK_HOLE)).toBe(size);
      expect(await failureOf(file.seek(size, SEEK_DATA))).toBe('ENXIO');
      await file.allocate({ mode: 0, offset: size, length: size });
      expect((await file.stat()).size).toBe(2 * size);
      expect(await failureOf(file.allocate({ mode: 0, offset: 0, length: 0 }))).toBe('EINVAL');
    }
    await file.close();
  });

  test('a listing comes in pieces, with the attributes of each entry', async () => {
    const names = Array.from({ length: 300 }, (_, index) => `file${index}`);
    for (const name of names) writeFileSync(tree().in(name), name);
    symlinkSync(tree().outside, tree().in('link'));
    mkdirSync(tree().in('directory'));
    writeFileSync(bytePath(tree().root, NOT_UTF8), '');
    const root = await tree().open(way);
    const directory = await root.list();
    const listed = await listAll(directory, 7);
    expect(listed).toHaveLength(303);
    expect(new Set(listed)).toEqual(new Set([...names, 'link', 'directory', NOT_UTF8]));
    expect(await directory.read(1)).toEqual([]);
    await directory.rewind();
    const entries = await directory.read(1000);
    expect(entries).toHaveLength(303);
    for (const { name, stat } of entries) {
      if (typeof name !== 'string') continue;
      const expected = lstatSync(tree().in(name), { bigint: true });
      expect([stat.ino, stat.mode]).toEqual([expected.ino, Number(expected.mode)]);
    }
    await directory.close();
    await expect(directory.read(1)).rejects.toThrow(InvariantError);
  });

  test('what is made and removed during a listing neither stops nor doubles it', async () => {
    const names = Array.from({ length: 50 }, (_, index) => `file${index}`);
    for (const name of names) writeFileSync(tree().in(name), '');
    const root = await tree().open(way);
    const directory = await root.list();
    const first = await directory.read(10);
    const seen = new Set(first.map(({ name }) => name));
    for (const name of names) if (!seen.has(name)) rmSync(tree().in(name));
    writeFileSync(tree().in('new'), '');
    const rest = await listAll(directory, 10);
    expect(rest.filter((name) => name !== 'new')).toEqual([]);
    await directory.rewind();
    expect(new Set(await listAll(directory, 10))).toEqual(new Set([...seen, 'new']));
    await directory.close();
  });

  test('reads of a listing at once take turns; closing waits for them', async () => {
    for (let i = 0; i < 30; i++) writeFileSync(tree().in(`file${i}`), '');
    const root = await tree().open(way);
    const directory = await root.list();
    const reads = [4, 5, 6, 30].map((count) => directory.read(count));
    const closing = directory.close();
    const entries = await Promise.all(reads);
    expect(entries.map(({ length }) => length)).toEqual([4, 5, 6, 15]);
    expect(new Set(entries.flat().map(({ name }) => name)).size).toBe(30);
    await closing;
    expect(openPathsIn(tree().root)).toEqual(way.access === 'pinned' ? [tree().root] : []);
  });

  test('an empty directory has no entries; its names can be made to last', async () => {
    const root = await tree().open(way);
    const directory = await root.list();
    expect(await directory.read(10)).toEqual([]);
    await directory.fsync();
    await directory.close();
    chmodSync(tree().root, 0o700);
  });
});

describe('a lease', () => {
  const tree = useTree();

  /** Has a lease for reading on a file, fcntl(2), and doesn't give it up when asked to. */
  const HOLDER = `
    const koffi = require('koffi');
    const { openSync } = require('node:fs');
    const [F_SETLEASE, F_RDLCK] = [1024, 0];
    process.on('SIGIO', () => {});
    const fcntl = koffi.load(null).func('int fcntl(int fd, int command, long argument)');
    const fd = openSync(process.argv[1], 'r');
    console.log(fcntl(fd, F_SETLEASE, F_RDLCK));
    process.stdin.resume();`;

  test.each(WAYS)('of somebody on the host is not waited for: $name', async (way) => {
    writeFileSync(tree().in('file'), 'x');
    const root = await tree().open(way);
    const file = await tree().walk(root, 'file');
    const holder = spawn(process.execPath, ['-e', HOLDER, tree().in('file')], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    try {
      const [answer] = (await once(holder.stdout, 'data')) as [Buffer];
      expect(String(answer)).toBe('0\n');
      expect(await failureOf(file.open(O_WRONLY))).toBe('EAGAIN');
    } finally {
      holder.stdin.end();
      await once(holder, 'exit');
    }
  });
});
