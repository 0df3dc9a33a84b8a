// Tar archives, compared with those of GNU tar: it unpacks what Burrow has packed, and the other
// way round. Needs root and python3, as the Linux side of the conformance suite does.

import { execFileSync, spawnSync } from 'node:child_process';
import {
  closeSync,
  ftruncateSync,
  openSync,
  readFileSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { S_IFDIR } from '../../../src/abi/stat.ts';
import { ByteReader } from '../../../src/archive/byte-reader.ts';
import { exportArchive } from '../../../src/archive/export-archive.ts';
import { readTar } from '../../../src/archive/tar-reader.ts';
import { timespecFromNs, timespecToNs } from '../../../src/lib/clock.ts';
import { hostDirectory, hostTree, Place, python, streamOfBytes, type Tree } from './support.ts';

let place: Place;

beforeEach(async () => {
  place = await Place.open();
});

afterEach(async () => {
  await place.close();
});

function tar(...args: string[]): void {
  execFileSync('tar', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}

/** A tree of the host's with something of everything, and its archive by GNU tar. */
function hostArchive(...options: string[]): { tree: Tree; bytes: Buffer } {
  const directory = hostDirectory();
  python('make', directory);
  const file = join(hostDirectory(), 'archive.tar');
  tar('--numeric-owner', '-cf', file, ...options, '-C', directory, '.');
  return { tree: hostTree(directory), bytes: readFileSync(file) };
}

/** Formats without pax records have whole seconds and no extended attributes. */
function inOldFormat(tree: Tree): Tree {
  return Object.fromEntries(
    Object.entries(tree).map(([path, told]) => {
      const { sec } = timespecFromNs(BigInt(told.mtime));
      const mtime = String(timespecToNs({ sec, nsec: 0 }));
      return [path, { ...told, xattrs: {}, mtime }];
    }),
  );
}

describe('what GNU tar packs is unpacked as it was', () => {
  test('with links, devices, owners, times and extended attributes, in pax format', async () => {
    const { tree, bytes } = hostArchive('--format=pax', '--xattrs');
    const summary = await place.unpack('/', bytes);
    expect(await place.tree('/')).toEqual(tree);
    expect(summary).toEqual({
      format: 'tar',
      entries: Object.keys(tree).length,
      bytes: bytes.length,
    });
  });

  test('with gzip', async () => {
    const { tree, bytes } = hostArchive('--format=pax', '--xattrs');
    const packed = gzipSync(bytes);
    const summary = await place.unpack('/', packed);
    expect(await place.tree('/')).toEqual(tree);
    expect(summary).toMatchObject({ format: 'tar', bytes: packed.length });
  });

  test('from a Blob', async () => {
    const { tree, bytes } = hostArchive('--format=pax', '--xattrs');
    await place.unpack('/', new Blob([new Uint8Array(bytes)]));
    expect(await place.tree('/')).toEqual(tree);
  });
});

describe('other formats of tar', () => {
  test('GNU: long names and links', async () => {
    const { tree, bytes } = hostArchive('--format=gnu');
    await place.unpack('/', bytes);
    expect(await place.tree('/')).toEqual(inOldFormat(tree));
  });

  test('ustar: names in two parts', async () => {
    const directory = hostDirectory();
    const deep = `${'d'.repeat(90)}/${'e'.repeat(60)}`;
    execFileSync('mkdir', ['-p', join(directory, deep)]);
    writeFileSync(join(directory, deep, 'f'.repeat(90)), 'text');
    const file = join(hostDirectory(), 'archive.tar');
    tar('--format=ustar', '-cf', file, '-C', directory, '.');
    await place.unpack('/', readFileSync(file));
    expect(await place.text(`/${deep}/${'f'.repeat(90)}`)).toBe('text');
  });

  test('v7: nothing but names, and no magic', async () => {
    const directory = hostDirectory();
    execFileSync('mkdir', [join(directory, 'dir')]);
    writeFileSync(join(directory, 'dir/file'), 'text');
    const file = join(hostDirectory(), 'archive.tar');
    tar('--format=v7', '-cf', file, '-C', directory, 'dir');
    await place.unpack('/', readFileSync(file));
    expect(await place.text('/dir/file')).toBe('text');
    expect(((await place.tree('/'))['dir']?.mode ?? 0) & S_IFDIR).toBe(S_IFDIR);
  });

  test.each([
    ['gnu', []],
    ['pax 0.0', ['--sparse-version=0.0']],
    ['pax 0.1', ['--sparse-version=0.1']],
    ['pax 1.0', ['--sparse-version=1.0']],
  ])('files with holes: %s', async (name, options) => {
    const directory = hostDirectory();
    const handle = openSync(join(directory, 'sparse'), 'w');
    writeSync(handle, 'start');
    // More parts than the header of the oldest format has room for.
    for (let part = 1; part <= 40; part++) {
      writeSync(handle, `part ${part}`, part * 4096 * 100);
    }
    ftruncateSync(handle, 40 << 20);
    closeSync(handle);
    writeFileSync(join(directory, 'then'), 'what comes behind');
    const archive = join(hostDirectory(), 'archive.tar');
    const format = name === 'gnu' ? 'gnu' : 'pax';
    tar(`--format=${format}`, ...options, '-S', '-cf', archive, '-C', directory, 'sparse', 'then');
    const bytes = readFileSync(archive);
    expect(bytes.length).toBeLessThan(1 << 20);
    await place.unpack('/', bytes);
    const told = hostTree(directory);
    const { sparse, then } = name === 'gnu' ? inOldFormat(told) : told;
    expect(await place.tree('/')).toMatchObject({ sparse, then });
    const { size, blocks } = await place.t.stat('/sparse');
    expect(size).toBe(40 << 20);
    expect(blocks * 512).toBeLessThan(8 << 20);
  });
});

describe('what Burrow packs', () => {
  test('GNU tar unpacks as it was', async () => {
    const { tree, bytes } = hostArchive('--format=pax', '--xattrs');
    await place.unpack('/', bytes);
    const file = join(hostDirectory(), 'archive.tar');
    writeFileSync(file, await place.pack('/', 'tar'));
    const directory = hostDirectory();
    tar('--xattrs', '--same-owner', '-xpf', file, '-C', directory);
    expect(hostTree(directory)).toEqual(tree);
    // And finds nothing to complain of.
    expect(execFileSync('tar', ['-df', file, '-C', directory], { encoding: 'utf8' })).toBe('');
  });

  test('is unpacked as it was', async () => {
    const { tree, bytes } = hostArchive('--format=pax', '--xattrs');
    await place.mkdir('/from');
    await place.mkdir('/to');
    await place.unpack('/from', bytes);
    await place.unpack('/to', await place.pack('/from', 'tar'));
    expect(await place.tree('/to')).toEqual(tree);
  });

  test('has access times, and does not change them', async () => {
    await place.put('/f', 'text');
    await place.run(place.fs.utimes('/f', { sec: 5, nsec: 6 }, { sec: 7, nsec: 8 }));
    const packed = await place.pack('/', 'tar');
    expect((await place.t.stat('/f')).atime).toEqual({ sec: 5, nsec: 6 });
    await place.mkdir('/to');
    await place.unpack('/to', packed);
    expect((await place.t.stat('/to/f')).atime).toEqual({ sec: 5, nsec: 6 });
  });

  test('is one entry for a file', async () => {
    await place.mkdir('/dir');
    await place.put('/dir/file', 'text');
    const file = join(hostDirectory(), 'archive.tar');
    writeFileSync(file, await place.pack('/dir/file', 'tar'));
    expect(execFileSync('tar', ['-tf', file], { encoding: 'utf8' })).toBe('file\n');
    await expect(place.pack('/missing', 'tar')).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('lacks sockets, and what is mounted beneath', async () => {
    await place.mkdir('/mnt');
    await place.scene.mount('/mnt', { type: 'tmpfs' });
    await place.put('/mnt/file', '');
    await place.t.mknod('/socket', 0o140666);
    await place.put('/last', '');
    const file = join(hostDirectory(), 'archive.tar');
    writeFileSync(file, await place.pack('/', 'tar'));
    expect(execFileSync('tar', ['-tf', file], { encoding: 'utf8' })).toBe('./\nmnt/\nlast\n');
  });

  test('goes as deep as there are directories', async () => {
    const deep = Array.from({ length: 300 }, (_, level) => `level-${level}`).join('/');
    await place.mkdir(`/${deep}`);
    await place.put(`/${deep}/f`, 'text');
    await place.mkdir('/to');
    await place.unpack('/to', await place.pack('/level-0', 'tar'));
    expect(await place.text(`/to/${deep.slice('level-0/'.length)}/f`)).toBe('text');
  });

  test('is complete where a directory is listed in several calls', async () => {
    await place.mkdir('/from');
    await place.mkdir('/to');
    for (let index = 0; index < 400; index++)
      await place.put(`/from/${'n'.repeat(240)}${index}`, '');
    const { entries } = await place.unpack('/to', await place.pack('/from', 'tar'));
    expect(entries).toBe(401);
    expect((await place.t.list('/to')).length).toBe(400);
  });

  test('has files of more than 8 GiB', async () => {
    await place.put('/huge', '');
    await place.t.truncate('/huge', 9 * 2 ** 30);
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const actor = await place.scene.newActor();
    const ended = exportArchive(actor.sys, '/huge', writable, { format: 'tar' });
    const reader = readable.getReader();
    const { value } = await reader.read();
    await Promise.all([reader.cancel('enough'), ended.catch(() => undefined)]);
    // It tells what it sees before it finds the end missing.
    const { stdout } = spawnSync('tar', ['-tvf', '-'], { input: value, encoding: 'utf8' });
    expect(stdout).toContain(` ${9 * 2 ** 30} `);
    const entries = readTar(new ByteReader(streamOfBytes(value!)));
    expect((await entries.next()).value).toMatchObject({ path: 'huge', size: 9 * 2 ** 30 });
    await entries.return(undefined);
  });
});
