// A worker that makes, reads and deletes many small files, persistently: with Burrow's core on
// idbfs, with idb-keyval (one record a file, nothing else), with ZenFS on IndexedDB and with
// LightningFS. Every run has a database of its own, which is deleted at the end.

import { expose } from 'comlink';
import { createStore, delMany, getMany, setMany, type UseStore } from 'idb-keyval';
import { AT_FDCWD, O_CREAT, O_EXCL, O_RDONLY, O_WRONLY } from '../../src/abi/fcntl.ts';
import { ROOT_CREDENTIALS } from '../../src/auth/credentials.ts';
import { type Op, runAsync } from '../../src/lib/op.ts';
import type { Syscalls } from '../../src/syscalls/table.ts';
import { makeTask } from '../support/kernels.ts';
import { timeOf } from './measure.ts';
import { bootStored } from './stored-kernel.ts';
import { openLightning, openZenfs, type Peer } from './stored-peers.ts';

export const PHASES = ['create', 'read', 'delete'] as const;
/** `create` and `delete` end when what they did is committed; `read` starts with nothing cached. */
export type Phase = (typeof PHASES)[number];

/** Milliseconds of each phase. */
export type PhaseTimes = Record<Phase, number>;

export interface RunTimes {
  /** In a worker that has just started: nothing is compiled yet. */
  readonly first: PhaseTimes;
  /** Once the engine has compiled what is run often. */
  readonly later: PhaseTimes;
}

export interface SmallFilesService {
  run(subject: string, fileCount: number, round: number): Promise<RunTimes>;
}

/** The browser goes on with what was there before: files to merge, to delete. */
const SETTLE_MS = 1000;
/** As calibrate() in measure.ts: what is compiled in the background is in use after two trials. */
const TRIALS = 2;

const FILE_SIZE = 1024;
const FILES_PER_FOLDER = 100;

interface Store {
  create(): Promise<void>;
  /** Closes what is open and opens it again, with nothing in memory. Not measured. */
  reopen(): Promise<void>;
  read(): Promise<void>;
  delete(): Promise<void>;
  close(): Promise<void>;
}

function folderPath(index: number): string {
  return `/d${Math.floor(index / FILES_PER_FOLDER)}`;
}

function pathsOf(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${folderPath(index)}/file${index}.txt`);
}

function foldersOf(count: number): string[] {
  return Array.from({ length: Math.ceil(count / FILES_PER_FOLDER) }, (_, index) =>
    folderPath(index * FILES_PER_FOLDER),
  );
}

const contents = new Uint8Array(FILE_SIZE).map((_, index) => index * 7);

function checkSize(size: number | undefined): void {
  if (size !== FILE_SIZE) throw new Error('a file is not what was written');
}

const MAKERS: Readonly<Record<string, (name: string, count: number) => Promise<Store>>> = {
  burrow: makeBurrow,
  'idb-keyval': (name, count) => makeRaw(name, count, 'relaxed'),
  'idb-keyval strict': (name, count) => makeRaw(name, count, 'strict'),
  'zenfs-indexeddb': (name, count) => makePeer(openZenfs(name), count),
  lightning: (name, count) => makePeer(openLightning(name), count),
};

async function makeBurrow(source: string, count: number): Promise<Store> {
  const paths = pathsOf(count);
  const buffer = new Uint8Array(FILE_SIZE);
  let kernel = await bootStored(source);
  let sys: Syscalls = makeTask(kernel, ROOT_CREDENTIALS);

  function* create(): Op<void> {
    for (const folder of foldersOf(count)) yield* sys.mkdirat(AT_FDCWD, folder, 0o755, 0);
    for (const path of paths) {
      const fd = yield* sys.openat(AT_FDCWD, path, O_CREAT | O_EXCL | O_WRONLY, 0o644);
      yield* sys.write(fd, contents);
      yield* sys.close(fd);
    }
    yield* sys.sync();
  }
  function* read(): Op<void> {
    for (const path of paths) {
      const fd = yield* sys.openat(AT_FDCWD, path, O_RDONLY, 0);
      checkSize(yield* sys.read(fd, buffer));
      yield* sys.close(fd);
    }
  }
  function* remove(): Op<void> {
    for (const path of paths) yield* sys.unlinkat(AT_FDCWD, path, 0);
    yield* sys.sync();
  }
  return {
    create: () => runAsync(create()),
    reopen: async () => {
      await runAsync(kernel.shutdown());
      kernel = await bootStored(source);
      sys = makeTask(kernel, ROOT_CREDENTIALS);
    },
    read: () => runAsync(read()),
    delete: () => runAsync(remove()),
    close: () => runAsync(kernel.shutdown()),
  };
}

async function makeRaw(
  name: string,
  count: number,
  durability: IDBTransactionDurability,
): Promise<Store> {
  const paths = pathsOf(count);
  // As idb-keyval's createStore(), which can neither be closed nor told how durable to be.
  await createStore(name, 'files')('readonly', () => undefined);
  const open = (): Promise<IDBDatabase> =>
    new Promise((resolve, reject) => {
      const request = indexedDB.open(name);
      request.onsuccess = () => {
        resolve(request.result);
      };
      request.onerror = () => {
        reject(request.error ?? new Error('the database could not be opened'));
      };
    });
  let db = await open();
  const store: UseStore = async (mode, callback) =>
    callback(db.transaction('files', mode, { durability }).objectStore('files'));
  return {
    create: () =>
      setMany(
        paths.map((path) => [path, contents.slice()]),
        store,
      ),
    reopen: async () => {
      db.close();
      db = await open();
    },
    read: async () => {
      for (const file of await getMany<Uint8Array>(paths, store)) checkSize(file?.length);
    },
    delete: () => delMany(paths, store),
    close: () => {
      db.close();
      return Promise.resolve();
    },
  };
}

async function makePeer(opened: Promise<Peer>, count: number): Promise<Store> {
  const peer = await opened;
  const paths = pathsOf(count);
  return {
    create: async () => {
      for (const folder of foldersOf(count)) await peer.fs.mkdir(folder);
      for (const path of paths) await peer.fs.writeFile(path, contents);
      await peer.flush();
    },
    reopen: () => peer.reopen(),
    read: async () => {
      for (const path of paths) checkSize((await peer.fs.readFile(path)).length);
    },
    delete: async () => {
      for (const path of paths) await peer.fs.unlink(path);
      await peer.flush();
    },
    close: () => Promise.resolve(),
  };
}

async function measure(subject: string, fileCount: number, name: string): Promise<PhaseTimes> {
  const make = MAKERS[subject];
  if (make === undefined) throw new Error(`no subject ${subject}`);
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const store = await make(name, fileCount);
  const create = await timeOf(() => store.create());
  await store.reopen();
  const read = await timeOf(() => store.read());
  const remove = await timeOf(() => store.delete());
  await store.close();
  for (const each of [name, `burrow:${name}`]) indexedDB.deleteDatabase(each);
  return { create, read, delete: remove };
}

const service: SmallFilesService = {
  async run(subject, fileCount, round) {
    const name = (run: number): string => `bench-${subject}-${round}-${run}`;
    const first = await measure(subject, fileCount, name(0));
    for (let run = 1; run < TRIALS; run++) await measure(subject, fileCount, name(run));
    return { first, later: await measure(subject, fileCount, name(TRIALS)) };
  },
};

expose(service);
