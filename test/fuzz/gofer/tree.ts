// Trees as they can be compared: what the host has, what the model has, and what a program sees.

import { lstat, readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import {
  AT_FDCWD,
  AT_SYMLINK_NOFOLLOW,
  O_CREAT,
  O_DIRECTORY,
  O_RDONLY,
  O_RDWR,
} from '../../../src/abi/fcntl.ts';
import { S_IFDIR, S_IFLNK, S_IFMT } from '../../../src/abi/stat.ts';
import { BLOCK_SIZE, CHUNK_SIZE } from '../../../src/fs/shared/file-data.ts';
import type { Inode, LocalDentry } from '../../../src/fs/shared/inode.ts';
import type { Tmpfs } from '../../../src/fs/tmpfs/tmpfs.ts';
import type { Op } from '../../../src/lib/op.ts';
import type { Syscalls } from '../../../src/syscalls/table.ts';

export type Entry =
  | { readonly kind: 'dir' }
  | { readonly kind: 'link'; readonly target: string }
  | { readonly kind: 'file'; readonly data: Uint8Array; readonly ino: number };

/** By path, without the root. */
export type Tree = ReadonlyMap<string, Entry>;

const DIRECTORY: Entry = { kind: 'dir' };
const LISTING_SIZE = 32_768;

/** What is there at the very moment, in the folder that is served. */
export async function hostTree(folder: string): Promise<Tree> {
  const tree = new Map<string, Entry>();
  const visit = async (path: string): Promise<void> => {
    for (const entry of await readdir(join(folder, path), { withFileTypes: true })) {
      const at = `${path}/${entry.name}`;
      const place = join(folder, at);
      if (entry.isDirectory()) {
        tree.set(at, DIRECTORY);
        await visit(at);
      } else if (entry.isSymbolicLink()) {
        tree.set(at, { kind: 'link', target: await readlink(place) });
      } else {
        const { ino } = await lstat(place);
        tree.set(at, { kind: 'file', data: await readFile(place), ino });
      }
    }
  };
  await visit('');
  return tree;
}

export function modelTree({ root }: Tmpfs): Tree {
  const tree = new Map<string, Entry>();
  const visit = (path: string, dir: LocalDentry): void => {
    for (const [name, child] of dir.children ?? []) {
      const at = `${path}/${name}`;
      const { inode } = child;
      if (inode.isDir) {
        tree.set(at, DIRECTORY);
        visit(at, child);
      } else if (inode.isSymlink) tree.set(at, { kind: 'link', target: inode.target });
      else tree.set(at, { kind: 'file', data: dataOf(inode), ino: inode.ino });
    }
  };
  visit('', root);
  return tree;
}

function dataOf({ data, size }: Inode): Uint8Array {
  const bytes = new Uint8Array(size);
  for (const chunk of data?.chunks.values() ?? []) {
    const start = chunk.index * CHUNK_SIZE;
    const end = Math.min(size, start + CHUNK_SIZE);
    for (let at = start; at < end; at += BLOCK_SIZE) {
      const block = bytes.subarray(at, Math.min(at + BLOCK_SIZE, end));
      if (data?.isWritten(at) === true) data.read(block, at, block.length);
    }
  }
  return bytes;
}

/** As a program finds it that looks at everything. */
export function* seenTree(sys: Syscalls): Op<Tree> {
  const tree = new Map<string, Entry>();
  const pending = [''];
  for (let dir = pending.pop(); dir !== undefined; dir = pending.pop()) {
    for (const name of yield* namesIn(sys, dir === '' ? '/' : dir)) {
      const at = `${dir}/${name}`;
      const stat = yield* sys.fstatat(AT_FDCWD, at, AT_SYMLINK_NOFOLLOW);
      const type = stat.mode & S_IFMT;
      if (type === S_IFDIR) {
        tree.set(at, DIRECTORY);
        pending.push(at);
      } else if (type === S_IFLNK) {
        tree.set(at, { kind: 'link', target: yield* sys.readlinkat(AT_FDCWD, at, 0) });
      } else tree.set(at, { kind: 'file', data: yield* contents(sys, at, stat.size), ino: 0 });
    }
  }
  return tree;
}

export function* namesIn(sys: Syscalls, path: string): Op<string[]> {
  const fd = yield* sys.openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
  const names: string[] = [];
  try {
    for (;;) {
      const entries = yield* sys.getdents(fd, LISTING_SIZE);
      if (entries.length === 0) break;
      for (const { name } of entries) if (name !== '.' && name !== '..') names.push(name);
    }
  } finally {
    yield* sys.close(fd);
  }
  return names.sort();
}

function* contents(sys: Syscalls, path: string, size: number): Op<Uint8Array> {
  const fd = yield* sys.openat(AT_FDCWD, path, O_RDONLY, 0);
  const bytes = new Uint8Array(size + 1);
  let done = 0;
  for (;;) {
    const count = yield* sys.pread(fd, bytes.subarray(done), done);
    if (count === 0) break;
    done += count;
  }
  yield* sys.close(fd);
  return bytes.slice(0, done);
}

/** Makes what a tree has. Names of one file are of one file again. */
export function* plant(sys: Syscalls, tree: Tree): Op<void> {
  const names = new Map<number, string>();
  for (const [path, entry] of tree) {
    if (entry.kind === 'dir') yield* sys.mkdirat(AT_FDCWD, path, 0o755, 0);
    else if (entry.kind === 'link') yield* sys.symlinkat(entry.target, AT_FDCWD, path, 0);
    else {
      const other = names.get(entry.ino);
      names.set(entry.ino, path);
      if (other !== undefined) yield* sys.linkat(AT_FDCWD, other, AT_FDCWD, path, 0);
      else yield* plantFile(sys, path, entry.data);
    }
  }
}

function* plantFile(sys: Syscalls, path: string, data: Uint8Array): Op<void> {
  const fd = yield* sys.openat(AT_FDCWD, path, O_RDWR | O_CREAT, 0o644);
  yield* sys.write(fd, data);
  yield* sys.close(fd);
}

/** What is other in `found` than in `wanted`. */
export function differences(found: Tree, wanted: Tree): string[] {
  const paths = new Set([...found.keys(), ...wanted.keys()]);
  return [...paths].flatMap((path) => {
    const [here, there] = [found.get(path), wanted.get(path)];
    if (isSame(here, there)) return [];
    return [`${path} is ${describe(here)}, and not ${describe(there)}${firstOther(here, there)}`];
  });
}

function isSame(a: Entry | undefined, b: Entry | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  if (a.kind === 'link') return b.kind === 'link' && a.target === b.target;
  if (a.kind === 'dir') return b.kind === 'dir';
  return b.kind === 'file' && Buffer.compare(a.data, b.data) === 0;
}

function describe(entry: Entry | undefined): string {
  if (entry === undefined) return 'nothing';
  if (entry.kind === 'link') return `a symlink to ${entry.target}`;
  return entry.kind === 'dir' ? 'a directory' : `a file of ${entry.data.length} bytes`;
}

function firstOther(a: Entry | undefined, b: Entry | undefined): string {
  if (a?.kind !== 'file' || b?.kind !== 'file') return '';
  const at = a.data.findIndex((byte, index) => byte !== b.data[index]);
  return ` (byte ${at}: ${a.data[at]}, ${b.data[at]})`;
}

/**
 * What of `found` can't have come of any of `versions`, of which the first was synced: each path
 * has what it had at some time, and each byte of a file likewise, or zero where it was longer.
 */
export function impossible(found: Tree, versions: readonly Tree[]): string[] {
  const paths = new Set([found, ...versions].flatMap((tree) => [...tree.keys()]));
  return [...paths].flatMap((path) => {
    const here = found.get(path);
    const had = versions.map((tree) => tree.get(path));
    if (had.some((entry) => isSame(here, entry))) return [];
    if (here?.kind === 'file' && isMixed(here.data, had)) return [];
    return [`${path} is ${describe(here)}, and was ${[...new Set(had.map(describe))].join(', ')}`];
  });
}

function isMixed(data: Uint8Array, had: readonly (Entry | undefined)[]): boolean {
  const files = had.flatMap((entry) => (entry?.kind === 'file' ? [entry.data] : []));
  if (files.length < 2) return false;
  const sizeMax = Math.max(...files.map(({ length }) => length));
  if (data.length > sizeMax) return false;
  return data.every((byte, at) => byte === 0 || files.some((file) => file[at] === byte));
}
