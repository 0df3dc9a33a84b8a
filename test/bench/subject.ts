// What is compared: subjects that offer the same operations on the same small tree.
//
//   /bench/files/f00 … f15   4 KiB each
//   /bench/files/here        empty; renamed to "there" and back
//   /bench/many/e000 … e999  empty
//   /bench/data              64 KiB

export const OPERATIONS = [
  'stat',
  'missing',
  'open',
  'read',
  'write',
  'readdir',
  'create',
  'rename',
  'tell',
] as const;

/** `tell` asks for an offset: the smallest call there is. `open` closes again, `create` unlinks. */
export type Operation = (typeof OPERATIONS)[number];

export interface Subject {
  /** Each does its operation `count` times. What is missing can't be done, or not comparably. */
  readonly operations: Partial<Record<Operation, (count: number) => void | Promise<void>>>;
}

export const BLOCK_SIZE = 4096;
export const BLOCK_COUNT = 16;
export const FILES = Array.from(
  { length: 16 },
  (_, index) => `/bench/files/f${String(index).padStart(2, '0')}`,
);
export const ENTRIES = Array.from(
  { length: 1000 },
  (_, index) => `/bench/many/e${String(index).padStart(3, '0')}`,
);
export const DATA = '/bench/data';
export const MANY = '/bench/many';
export const ABSENT = '/bench/files/absent';
export const NEW = '/bench/files/new';
/** Where the file that is renamed is and where it goes, in turns. */
export const NAMES = ['/bench/files/here', '/bench/files/there'] as const;

/** One of `list`, going round. */
export function pick<T>(list: readonly T[], index: number): T {
  return list[index % list.length] as T;
}

/** What making the tree takes of a filesystem. */
export interface TreeWriter {
  mkdir(path: string): unknown;
  writeFile(path: string, data: Uint8Array): unknown;
}

export async function makeTree(writer: TreeWriter): Promise<void> {
  for (const path of ['/bench', '/bench/files', MANY]) await writer.mkdir(path);
  for (const path of FILES) await writer.writeFile(path, new Uint8Array(BLOCK_SIZE).fill(1));
  await writer.writeFile(DATA, new Uint8Array(BLOCK_SIZE * BLOCK_COUNT).fill(2));
  for (const path of [NAMES[0], ...ENTRIES]) await writer.writeFile(path, new Uint8Array());
}

/** Does something `count` times, rounded up to an even number. */
export function twice(count: number): number {
  return count + (count % 2);
}
