// The origin private file system with its synchronous access handles, used as it is: paths are
// resolved by the caller, so a file is looked up in its directory only.

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

/** What files are in a worker. TypeScript's library for pages doesn't know it. */
interface FileHandle extends FileSystemFileHandle {
  createSyncAccessHandle(): Promise<AccessHandle>;
  move(name: string): Promise<void>;
}

interface AccessHandle {
  read(buffer: Uint8Array, options?: { readonly at: number }): number;
  write(bytes: Uint8Array, options?: { readonly at: number }): number;
  close(): void;
}

async function fileIn(
  folder: FileSystemDirectoryHandle,
  path: string,
  options?: FileSystemGetFileOptions,
): Promise<FileHandle> {
  return (await folder.getFileHandle(nameOf(path), options)) as FileHandle;
}

const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

export async function makeOpfs(): Promise<Subject> {
  const root = await navigator.storage.getDirectory();
  const folderOf = async (path: string): Promise<FileSystemDirectoryHandle> => {
    let folder = root;
    for (const name of path.split('/').slice(1, -1)) {
      folder = await folder.getDirectoryHandle(name, { create: true });
    }
    return folder;
  };
  await makeTree({
    mkdir: (path) => folderOf(`${path}/`),
    writeFile: async (path, bytes) => {
      const folder = await folderOf(path);
      const handle = await fileIn(folder, path, { create: true });
      if (bytes.length === 0) return;
      const file = await handle.createSyncAccessHandle();
      file.write(bytes);
      file.close();
    },
  });
  const files = await folderOf(pick(FILES, 0));
  const many = await folderOf(`${MANY}/`);
  const dataHandle = await fileIn(await folderOf(DATA), DATA);
  const data = await dataHandle.createSyncAccessHandle();
  const block = new Uint8Array(BLOCK_SIZE);
  return {
    operations: {
      stat: async (count) => {
        for (let i = 0; i < count; i++) {
          await (await fileIn(files, pick(FILES, i))).getFile();
        }
      },
      missing: async (count) => {
        for (let i = 0; i < count; i++) {
          await fileIn(files, ABSENT).then(refuse, ignoreAbsence);
        }
      },
      open: async (count) => {
        for (let i = 0; i < count; i++) {
          const handle = await fileIn(files, pick(FILES, i));
          (await handle.createSyncAccessHandle()).close();
        }
      },
      read: (count) => {
        for (let i = 0; i < count; i++) data.read(block, { at: (i % BLOCK_COUNT) * BLOCK_SIZE });
      },
      write: (count) => {
        for (let i = 0; i < count; i++) data.write(block, { at: (i % BLOCK_COUNT) * BLOCK_SIZE });
      },
      readdir: async (count) => {
        for (let i = 0; i < count; i++) await listAll(many);
      },
      create: async (count) => {
        for (let i = 0; i < count; i++) {
          await fileIn(files, NEW, { create: true });
          await files.removeEntry(nameOf(NEW));
        }
      },
      rename: async (count) => {
        for (let i = 0; i < twice(count); i++) {
          await (await fileIn(files, pick(NAMES, i))).move(nameOf(pick(NAMES, i + 1)));
        }
      },
    },
  };
}

async function listAll(folder: FileSystemDirectoryHandle): Promise<void> {
  let entries = 0;
  for await (const _ of folder.keys()) entries++;
  if (entries < ENTRIES.length) throw new Error('entries are missing');
}

function refuse(): never {
  throw new Error('a file that is not there was found');
}

function ignoreAbsence(error: unknown): void {
  if (!(error instanceof DOMException) || error.name !== 'NotFoundError') throw error;
}
