// Filesystems with functions like those of node:fs/promises: ZenFS on IndexedDB and LightningFS.

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

/** What the benchmark uses of node:fs/promises. */
export interface PromisedFs {
  mkdir(path: string): Promise<unknown>;
  writeFile(path: string, data: Uint8Array): Promise<unknown>;
  readFile(path: string): Promise<{ readonly length: number }>;
  stat(path: string): Promise<unknown>;
  readdir(path: string): Promise<{ readonly length: number }>;
  unlink(path: string): Promise<unknown>;
  rename(from: string, to: string): Promise<unknown>;
  readonly open?: (path: string, flags: string) => Promise<PromisedFile>;
}

export interface PromisedFile {
  read(buffer: Uint8Array, at: number, length: number, position: number): Promise<unknown>;
  write(buffer: Uint8Array, at: number, length: number, position: number): Promise<unknown>;
  close(): Promise<unknown>;
}

export async function makePromised(fs: PromisedFs): Promise<Subject> {
  await makeTree(fs);
  const withFiles = fs.open === undefined ? wholeFiles(fs) : await openFiles(fs.open.bind(fs));
  return {
    operations: {
      ...withFiles,
      stat: async (count) => {
        for (let i = 0; i < count; i++) await fs.stat(pick(FILES, i));
      },
      missing: async (count) => {
        for (let i = 0; i < count; i++) await fs.stat(ABSENT).then(refuse, ignoreAbsence);
      },
      readdir: async (count) => {
        for (let i = 0; i < count; i++) {
          const { length } = await fs.readdir(MANY);
          if (length < ENTRIES.length) throw new Error('entries are missing');
        }
      },
      create: async (count) => {
        for (let i = 0; i < count; i++) {
          await fs.writeFile(NEW, new Uint8Array());
          await fs.unlink(NEW);
        }
      },
      rename: async (count) => {
        for (let i = 0; i < twice(count); i++) {
          await fs.rename(pick(NAMES, i), pick(NAMES, i + 1));
        }
      },
    },
  };
}

async function openFiles(
  open: (path: string, flags: string) => Promise<PromisedFile>,
): Promise<Subject['operations']> {
  const data = await open(DATA, 'r+');
  const block = new Uint8Array(BLOCK_SIZE);
  return {
    open: async (count) => {
      for (let i = 0; i < count; i++) await (await open(pick(FILES, i), 'r')).close();
    },
    read: async (count) => {
      for (let i = 0; i < count; i++) {
        await data.read(block, 0, BLOCK_SIZE, (i % BLOCK_COUNT) * BLOCK_SIZE);
      }
    },
    write: async (count) => {
      for (let i = 0; i < count; i++) {
        await data.write(block, 0, BLOCK_SIZE, (i % BLOCK_COUNT) * BLOCK_SIZE);
      }
    },
  };
}

/** Without open files: reads and writes a whole file of 4 KiB. */
function wholeFiles(fs: PromisedFs): Subject['operations'] {
  const block = new Uint8Array(BLOCK_SIZE);
  return {
    read: async (count) => {
      for (let i = 0; i < count; i++) await fs.readFile(pick(FILES, i));
    },
    write: async (count) => {
      for (let i = 0; i < count; i++) await fs.writeFile(pick(FILES, i), block);
    },
  };
}

function refuse(): never {
  throw new Error('a file that is not there was found');
}

function ignoreAbsence(error: unknown): void {
  if ((error as { code?: unknown }).code !== 'ENOENT') throw error;
}
