// A worker that makes a tree of many empty files, and lists all of it with nothing in memory, as
// `find /` does; beside it, what the browser takes to read the same database with getAll().

import { expose } from 'comlink';
import { promisifyRequest } from 'idb-keyval';
import { AT_FDCWD, O_CREAT, O_DIRECTORY, O_RDONLY, O_WRONLY } from '../../src/abi/fcntl.ts';
import { DT_DIR } from '../../src/abi/stat.ts';
import { ROOT_CREDENTIALS } from '../../src/auth/credentials.ts';
import { type Op, runAsync } from '../../src/lib/op.ts';
import type { Media } from '../../src/store/media.ts';
import type { Syscalls } from '../../src/syscalls/table.ts';
import { nextMacrotask } from '../../src/lib/macrotask.ts';
import { makeTask } from '../support/kernels.ts';
import { timeOf } from './measure.ts';
import { bootStored, removeStored } from './stored-kernel.ts';

/** Milliseconds. */
export interface TreeTimes {
  /** Of a mount and the first stat of a deep path. */
  readonly stat: number;
  readonly find: number;
  /** Of reading all records of the database, if that is measured. */
  readonly getAll?: number;
}

export interface TreeWork {
  readonly media: Media;
  readonly files: number;
  /** Is getAll() measured? */
  readonly withFloor: boolean;
}

export interface TreeService {
  run(work: TreeWork, round: number): Promise<TreeTimes>;
}

const PER_DIRECTORY = 100;
const LISTING_SIZE = 32_768;

function* make(sys: Syscalls, files: number): Op<void> {
  for (let at = 0; at < files / PER_DIRECTORY; at++) {
    const outer = `/d${Math.floor(at / PER_DIRECTORY)}`;
    if (at % PER_DIRECTORY === 0) yield* sys.mkdirat(AT_FDCWD, outer, 0o755, 0);
    const inner = `${outer}/e${at % PER_DIRECTORY}`;
    yield* sys.mkdirat(AT_FDCWD, inner, 0o755, 0);
    for (let i = 0; i < PER_DIRECTORY; i++) {
      const fd = yield* sys.openat(AT_FDCWD, `${inner}/f${i}`, O_CREAT | O_WRONLY, 0o644);
      yield* sys.close(fd);
    }
  }
  yield* sys.sync();
}

/** Number of entries of a directory, and the directories among them. */
function* list(sys: Syscalls, path: string): Op<{ count: number; directories: string[] }> {
  const fd = yield* sys.openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
  const directories: string[] = [];
  let count = 0;
  for (;;) {
    const batch = yield* sys.getdents(fd, LISTING_SIZE);
    if (batch.length === 0) break;
    for (const { name, type } of batch) {
      if (name === '.' || name === '..') continue;
      count++;
      if (type === DT_DIR) directories.push(name);
    }
  }
  yield* sys.close(fd);
  return { count, directories };
}

/** As long as a program may run before others get their turn, in milliseconds. */
const SLICE_MS = 8;
let sliceStart = 0;

/** Lets the event loop run now and then, as the kernel does between a program's calls. */
async function breathe(): Promise<void> {
  if (performance.now() - sliceStart < SLICE_MS) return;
  await nextMacrotask();
  sliceStart = performance.now();
}

/** Number of entries in and below a directory. */
async function find(sys: Syscalls, path: string): Promise<number> {
  await breathe();
  const { count, directories } = await runAsync(list(sys, path));
  let all = count;
  for (const name of directories) all += await find(sys, `${path === '/' ? '' : path}/${name}`);
  return all;
}

async function readAll(database: string): Promise<void> {
  const db = await promisifyRequest(indexedDB.open(database));
  const store = db.transaction('records', 'readonly').objectStore('records');
  const records = await promisifyRequest(store.getAll());
  if (records.length === 0) throw new Error('there are no records');
  db.close();
}

const service: TreeService = {
  async run({ media, files, withFloor }, round) {
    const source = `bench tree ${media} ${round}`;
    const filled = await bootStored(source, media);
    await runAsync(make(makeTask(filled, ROOT_CREDENTIALS), files));
    await runAsync(filled.shutdown());
    const floor = withFloor ? { getAll: await timeOf(() => readAll(`burrow:${source}`)) } : {};
    const begin = performance.now();
    const first = await bootStored(source, media);
    const path = '/d0/e50/f50';
    await runAsync(makeTask(first, ROOT_CREDENTIALS).fstatat(AT_FDCWD, path, 0));
    const stat = performance.now() - begin;
    await runAsync(first.shutdown());
    const kernel = await bootStored(source, media);
    const sys = makeTask(kernel, ROOT_CREDENTIALS);
    const listing = await timeOf(async () => {
      const found = await find(sys, '/');
      if (found < files) throw new Error(`${found} entries were found`);
    });
    await runAsync(kernel.shutdown());
    await removeStored(source);
    return { stat, find: listing, ...floor };
  },
};

expose(service);
