// A whole tree as lines of text, to be compared: everything a program could find out.

import { AT_FDCWD, AT_SYMLINK_NOFOLLOW, O_DIRECTORY, O_NOATIME } from '../../../src/abi/fcntl.ts';
import { O_RDONLY, SEEK_DATA, SEEK_HOLE } from '../../../src/abi/fcntl.ts';
import { linuxerr } from '../../../src/abi/errno.ts';
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG, type Stat } from '../../../src/abi/stat.ts';
import { statOf } from '../../../src/fs/shared/attributes.ts';
import { BLOCK_SIZE, CHUNK_SIZE } from '../../../src/fs/shared/file-data.ts';
import type { Inode, LocalDentry } from '../../../src/fs/shared/inode.ts';
import type { LocalFilesystem } from '../../../src/fs/shared/local-filesystem.ts';
import { assertDefined } from '../../../src/lib/assert.ts';
import type { Timespec } from '../../../src/lib/clock.ts';
import type { Op } from '../../../src/lib/op.ts';
import type { Syscalls } from '../../../src/syscalls/table.ts';
import { digest } from './action.ts';

const LISTING_SIZE = 32_768;

/** The line of one name. The access time comes last, behind ATIME_MARK. */
function lineOf(path: string, stat: Stat, contents: string): string {
  const time = ({ sec, nsec }: Timespec): string => `${sec}.${nsec}`;
  const { ino, mode, nlink, uid, gid, size } = stat;
  const times = [stat.mtime, stat.ctime, stat.btime].map(time).join(' ');
  const owner = `${uid}:${gid}`;
  const head = `${path} ino=${ino} ${mode.toString(8)} n=${nlink} ${owner} ${size} ${times}`;
  return `${head} ${contents}${ATIME_MARK}${time(stat.atime)}`;
}

const ATIME_MARK = ' @';

export function withoutAtime(tree: readonly string[]): string[] {
  return tree.map((line) => line.slice(0, line.lastIndexOf(ATIME_MARK)));
}

/** Collects the blocks that are not all zeros. */
class Blocks {
  readonly #digests = new Map<number, string>();

  add(index: number, bytes: Uint8Array): void {
    if (bytes.some((byte) => byte !== 0)) this.#digests.set(index, digest(bytes));
  }

  toString(): string {
    const sorted = [...this.#digests].sort(([a], [b]) => a - b);
    return `[${sorted.map(([index, hash]) => `${index}:${hash}`).join(' ')}]`;
  }
}

/** The tree as system calls see it, in the order of the listings. */
export function* readTree(sys: Syscalls): Op<string[]> {
  // First all attributes: reading what a symlink says changes its access time.
  const found: { path: string; stat: Stat }[] = [];
  yield* collect(sys, '', found);
  const lines: string[] = [];
  for (const { path, stat } of found) {
    const type = stat.mode & S_IFMT;
    let contents = '';
    if (type === S_IFLNK) contents = yield* sys.readlinkat(AT_FDCWD, path, 0);
    if (type === S_IFREG) contents = yield* readBlocks(sys, path, stat.size);
    lines.push(lineOf(path === '' ? '/' : path, stat, contents));
  }
  return lines;
}

function* collect(sys: Syscalls, path: string, found: { path: string; stat: Stat }[]): Op<void> {
  const stat = yield* sys.fstatat(AT_FDCWD, path === '' ? '/' : path, AT_SYMLINK_NOFOLLOW);
  found.push({ path, stat });
  if ((stat.mode & S_IFMT) !== S_IFDIR) return;
  const flags = O_RDONLY | O_DIRECTORY | O_NOATIME;
  const fd = yield* sys.openat(AT_FDCWD, path === '' ? '/' : path, flags, 0);
  for (;;) {
    const entries = yield* sys.getdents(fd, LISTING_SIZE);
    if (entries.length === 0) break;
    for (const { name } of entries) {
      if (name !== '.' && name !== '..') yield* collect(sys, `${path}/${name}`, found);
    }
  }
  yield* sys.close(fd);
}

function* readBlocks(sys: Syscalls, path: string, size: number): Op<string> {
  const fd = yield* sys.openat(AT_FDCWD, path, O_RDONLY | O_NOATIME, 0);
  const blocks = new Blocks();
  let at = 0;
  while (at < size) {
    try {
      at = yield* sys.lseek(fd, at, SEEK_DATA);
    } catch (error) {
      if (error === linuxerr.ENXIO) break;
      throw error;
    }
    const end = yield* sys.lseek(fd, at, SEEK_HOLE);
    for (; at < end; at += BLOCK_SIZE) {
      const bytes = new Uint8Array(Math.min(BLOCK_SIZE, end - at));
      yield* sys.pread(fd, bytes, at);
      blocks.add(at / BLOCK_SIZE, bytes);
    }
  }
  yield* sys.close(fd);
  return blocks.toString();
}

/** The blocks of a file, as readTree() shows them. */
export function describeBlocks(bytes: Uint8Array): string {
  const blocks = new Blocks();
  for (let at = 0; at < bytes.length; at += BLOCK_SIZE) {
    blocks.add(at / BLOCK_SIZE, bytes.subarray(at, at + BLOCK_SIZE));
  }
  return blocks.toString();
}

/** The tree of a filesystem in memory as it lies there. Changes nothing, not even a time. */
export function treeInMemory(filesystem: LocalFilesystem): string[] {
  const lines: string[] = [];
  const visit = (path: string, dentry: LocalDentry): void => {
    const { inode } = dentry;
    const contents = inode.isSymlink ? inode.target : inode.isRegular ? blocksOf(inode) : '';
    lines.push(lineOf(path === '' ? '/' : path, statOf(filesystem, inode), contents));
    for (const [name, child] of dentry.children ?? []) visit(`${path}/${name}`, child);
  };
  visit('', filesystem.root);
  return lines;
}

function blocksOf(inode: Inode): string {
  const blocks = new Blocks();
  const data = assertDefined(inode.data);
  for (const chunk of data.chunks.values()) {
    for (let block = 0; block < CHUNK_SIZE / BLOCK_SIZE; block++) {
      const at = chunk.index * CHUNK_SIZE + block * BLOCK_SIZE;
      if (at >= inode.size || !data.isWritten(at)) continue;
      const bytes = new Uint8Array(Math.min(BLOCK_SIZE, inode.size - at));
      data.read(bytes, at, bytes.length);
      blocks.add(at / BLOCK_SIZE, bytes);
    }
  }
  return blocks.toString();
}
