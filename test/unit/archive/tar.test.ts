// Tar archives, compared with those of GNU tar: it unpacks what Burrow has packed, and the other
// way round. Needs root and python3, as the Linux side of the conformance suite does.

import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { S_IFDIR } from '../../../src/abi/stat.ts';
import { hostDirectory, hostTree, Place, python, type Tree } from './support.ts';

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
      const sec = BigInt.asIntN(64, BigInt(told.mtime)) / 1_000_000_000n;
      return [path, { ...told, xattrs: {}, mtime: String(sec * 1_000_000_000n) }];
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
