// Filesystems with the synchronous functions of node:fs: memfs and ZenFS.

import {
  ABSENT,
  BLOCK_COUNT,
  BLOCK_SIZE,
  DATA,
  ENTRIES,
  FILES,
  makeTree,
  MANY,
  NAMES,
  NEW,
  pick,
  type Subject,
  twice,
} from '../subject.ts';

/** What the benchmark uses of node:fs. */
export interface NodeLikeFs {
  mkdirSync(path: string): unknown;
  writeFileSync(path: string, data: Uint8Array): unknown;
  statSync(path: string): unknown;
  openSync(path: string, flags: string): number;
  closeSync(fd: number): unknown;
  readSync(fd: number, buffer: Uint8Array, at: number, length: number, position: number): number;
  writeSync(fd: number, buffer: Uint8Array, at: number, length: number, position: number): number;
  readdirSync(path: string): { readonly length: number };
  unlinkSync(path: string): unknown;
  renameSync(from: string, to: string): unknown;
}

/** Under types of their own, functions that are node:fs's all the same. */
export function nodeLike(fs: object): NodeLikeFs {
  return fs as NodeLikeFs;
}

export async function makeNodeLike(fs: NodeLikeFs): Promise<Subject> {
  await makeTree({
    mkdir: (path) => fs.mkdirSync(path),
    writeFile: (path, bytes) => fs.writeFileSync(path, bytes),
  });
  const data = fs.openSync(DATA, 'r+');
  const block = new Uint8Array(BLOCK_SIZE);
  return {
    operations: {
      stat: (count) => {
        for (let i = 0; i < count; i++) fs.statSync(pick(FILES, i));
      },
      missing: (count) => {
        for (let i = 0; i < count; i++) {
          try {
            fs.statSync(ABSENT);
          } catch (error) {
            if ((error as { code?: unknown }).code !== 'ENOENT') throw error;
          }
        }
      },
      open: (count) => {
        for (let i = 0; i < count; i++) fs.closeSync(fs.openSync(pick(FILES, i), 'r'));
      },
      read: (count) => {
        for (let i = 0; i < count; i++) {
          fs.readSync(data, block, 0, BLOCK_SIZE, (i % BLOCK_COUNT) * BLOCK_SIZE);
        }
      },
      write: (count) => {
        for (let i = 0; i < count; i++) {
          fs.writeSync(data, block, 0, BLOCK_SIZE, (i % BLOCK_COUNT) * BLOCK_SIZE);
        }
      },
      readdir: (count) => {
        for (let i = 0; i < count; i++) {
          if (fs.readdirSync(MANY).length < ENTRIES.length) throw new Error('entries are missing');
        }
      },
      create: (count) => {
        for (let i = 0; i < count; i++) {
          fs.closeSync(fs.openSync(NEW, 'wx'));
          fs.unlinkSync(NEW);
        }
      },
      rename: (count) => {
        for (let i = 0; i < twice(count); i++) fs.renameSync(pick(NAMES, i), pick(NAMES, i + 1));
      },
    },
  };
}
