// A worker that writes and reads large files persistently: with Burrow's core on idbfs, kept once
// (IndexedDB alone) or twice (mirrored), and with what the browser has underneath, one record or
// one piece of a file at a time. storage.ts says what is compared with what.

import { expose } from 'comlink';
import { promisifyRequest } from 'idb-keyval';
import { AT_FDCWD, O_CREAT, O_RDONLY, O_RDWR } from '../../src/abi/fcntl.ts';
import { ROOT_CREDENTIALS } from '../../src/auth/credentials.ts';
import { type Op, runAsync } from '../../src/lib/op.ts';
import type { AccessHandle } from '../../src/store/engine/opfs-device.ts';
import type { Media } from '../../src/store/media.ts';
import type { Syscalls } from '../../src/syscalls/table.ts';
import { makeTask } from '../support/kernels.ts';
import { timeOf } from './measure.ts';
import { bootStored, removeStored } from './stored-kernel.ts';

export const WORKS = ['write', 'read', 'overwrite', 'fsync', 'random read'] as const;
export type Work = (typeof WORKS)[number];

export interface StorageSizes {
  /** Of the file that is written and read from one end to the other, in MiB. */
  readonly sequentialMib: number;
  /** Of the file that is overwritten and read here and there, in MiB. */
  readonly randomMib: number;
  /** Blocks of 4 KiB that are overwritten, with an fsync each hundred. */
  readonly blocks: number;
  /** Blocks of 4 KiB that are read, each once, by subject. */
  readonly reads: Readonly<Record<string, number>>;
  readonly fsyncs: number;
}

/** Milliseconds of all of it; and of the first time, where there are warm-ups. */
export type WorkTimes = Partial<Record<Work | `${Work}, first`, number>>;

export interface StorageService {
  run(subject: string, sizes: StorageSizes, round: number): Promise<WorkTimes>;
}

const MIB = 2 ** 20;
const BLOCK = 4096;
const BLOCKS_PER_FSYNC = 100;
const WARM_UPS = 2;
/** What a bulk of records is: one transaction. */
const BULK_MIB = 16;

interface Subject {
  readonly works: Partial<Record<Work, () => Promise<void>>>;
  /**
   * The same with another file, before it is measured, in turns from 0 on: the first some thousand
   * times are those of code that isn't compiled yet.
   */
  readonly warmUps: Partial<Record<Work, (turn: number) => Promise<void>>>;
  /** Closes what is open and opens it again, with nothing in memory. */
  reopen(): Promise<void>;
  /** Makes the file that is read and overwritten here and there. */
  prepare(): Promise<void>;
  close(): Promise<void>;
}

interface MakeOptions {
  readonly sizes: StorageSizes;
  readonly reads: number;
}

/** Noise: what is stored is not to be compressed. */
const noise = new Uint8Array(MIB);
for (let at = 0; at < MIB; at += 65_536) crypto.getRandomValues(noise.subarray(at, at + 65_536));

/** The same blocks for all, in no order. */
function blockIndices({ blocks, randomMib }: StorageSizes): number[] {
  const count = (randomMib * MIB) / BLOCK;
  let state = 12_345;
  return Array.from({ length: blocks }, () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % count;
  });
}

/** Each block at most once, in no order, the same for all. */
function blocksToRead({ randomMib }: StorageSizes, count: number): number[] {
  const all = (randomMib * MIB) / BLOCK;
  // An odd factor visits all of a power of two.
  return Array.from({ length: Math.min(count, all) }, (_, i) => (i * 40_503 + 12_345) % all);
}

function checkLength(length: number | undefined, wanted: number): void {
  if (length !== wanted) throw new Error(`${length} bytes were read, and not ${wanted}`);
}

async function makeBurrow(source: string, options: MakeOptions, media: Media): Promise<Subject> {
  const { sizes, reads } = options;
  let kernel = await bootStored(source, media);
  let sys = makeTask(kernel, ROOT_CREDENTIALS);
  const buffer = new Uint8Array(MIB);

  function* read(): Op<void> {
    const fd = yield* sys.openat(AT_FDCWD, '/sequential', O_RDONLY, 0);
    for (let i = 0; i < sizes.sequentialMib; i++) {
      for (let done = 0; done < MIB;) {
        const count = yield* sys.read(fd, buffer.subarray(done));
        if (count === 0) throw new Error('the file has ended too early');
        done += count;
      }
    }
    yield* sys.close(fd);
  }
  function* overwrite(): Op<void> {
    const fd = yield* sys.openat(AT_FDCWD, '/random', O_RDWR, 0);
    for (const [i, index] of blockIndices(sizes).entries()) {
      yield* sys.pwrite(fd, noise.subarray(0, BLOCK), index * BLOCK);
      if ((i + 1) % BLOCKS_PER_FSYNC === 0) yield* sys.fsync(fd);
    }
    yield* sys.close(fd);
  }
  function* randomRead(path: string, start = 0): Op<void> {
    const fd = yield* sys.openat(AT_FDCWD, path, O_RDONLY, 0);
    for (const index of blocksToRead(sizes, reads)) {
      const at = start + index * BLOCK;
      checkLength(yield* sys.pread(fd, buffer.subarray(0, BLOCK), at), BLOCK);
    }
    yield* sys.close(fd);
  }
  return {
    works: {
      write: () => runAsync(fill(sys, '/sequential', sizes.sequentialMib)),
      read: () => runAsync(read()),
      overwrite: () => runAsync(overwrite()),
      fsync: () => runAsync(fsync(sys, '/small', sizes.fsyncs)),
      'random read': () => runAsync(randomRead('/random')),
    },
    warmUps: {
      fsync: () => runAsync(fsync(sys, '/other', sizes.fsyncs)),
      'random read': (turn) => runAsync(randomRead('/sequential', turn * sizes.randomMib * MIB)),
    },
    prepare: () => runAsync(fill(sys, '/random', sizes.randomMib)),
    reopen: async () => {
      await runAsync(kernel.shutdown());
      kernel = await bootStored(source, media);
      sys = makeTask(kernel, ROOT_CREDENTIALS);
    },
    close: () => runAsync(kernel.shutdown()),
  };
}

function* fill(sys: Syscalls, path: string, mib: number): Op<void> {
  const fd = yield* sys.openat(AT_FDCWD, path, O_CREAT | O_RDWR, 0o644);
  for (let i = 0; i < mib; i++) yield* sys.write(fd, noise);
  yield* sys.fsync(fd);
  yield* sys.close(fd);
}

function* fsync(sys: Syscalls, path: string, count: number): Op<void> {
  const fd = yield* sys.openat(AT_FDCWD, path, O_CREAT | O_RDWR, 0o644);
  for (let i = 0; i < count; i++) {
    yield* sys.pwrite(fd, noise.subarray(i, i + 100), 0);
    yield* sys.fsync(fd);
  }
  yield* sys.close(fd);
}

/** Records of 1 MiB and of a block. */
class Records {
  readonly #name: string;
  #db: IDBDatabase | undefined;

  constructor(name: string) {
    this.#name = name;
  }

  async open(): Promise<void> {
    const request = indexedDB.open(this.#name);
    request.onupgradeneeded = () => {
      for (const store of ['large', 'small']) request.result.createObjectStore(store);
    };
    this.#db = await promisifyRequest(request);
  }

  close(): void {
    this.#db?.close();
  }

  #transaction(
    store: string,
    mode: IDBTransactionMode,
    durability: IDBTransactionDurability,
  ): IDBTransaction {
    if (this.#db === undefined) throw new Error('the database is not open');
    return this.#db.transaction(store, mode, { durability });
  }

  /** One transaction. */
  async put(
    store: string,
    durability: IDBTransactionDurability,
    records: readonly (readonly [number, Uint8Array])[],
  ): Promise<void> {
    const transaction = this.#transaction(store, 'readwrite', durability);
    const target = transaction.objectStore(store);
    for (const [key, bytes] of records) target.put(bytes, key);
    transaction.commit();
    await promisifyRequest(transaction);
  }

  get(store: string, keys: readonly number[]): Promise<(Uint8Array | undefined)[]> {
    const source = this.#transaction(store, 'readonly', 'relaxed').objectStore(store);
    return Promise.all(
      keys.map((key) => promisifyRequest(source.get(key) as IDBRequest<Uint8Array>)),
    );
  }
}

/** The keys from 0 on, as many at once as `each` says. */
function bulksOf(count: number, each: number): number[][] {
  return Array.from({ length: Math.ceil(count / each) }, (_, bulk) =>
    Array.from({ length: Math.min(each, count - bulk * each) }, (_key, i) => bulk * each + i),
  );
}

/** A record of 1 MiB, or of a block, each: what there is to reach. */
async function makeIndexedDb(name: string, { sizes, reads }: MakeOptions): Promise<Subject> {
  const records = new Records(name);
  await records.open();
  const block = noise.slice(0, BLOCK);
  const large = bulksOf(sizes.sequentialMib, BULK_MIB);
  const small = bulksOf((sizes.randomMib * MIB) / BLOCK, (BULK_MIB * MIB) / BLOCK);
  type Pairs = readonly (readonly [number, Uint8Array])[];
  const withBytes = (keys: readonly number[], bytes: Uint8Array): Pairs =>
    keys.map((key) => [key, bytes]);
  const fsync = (key: number) => async (): Promise<void> => {
    for (let i = 0; i < sizes.fsyncs; i++) await records.put('small', 'strict', [[key, block]]);
  };
  return {
    works: {
      write: async () => {
        for (const keys of large.slice(0, -1)) {
          await records.put('large', 'relaxed', withBytes(keys, noise));
        }
        await records.put('large', 'strict', withBytes(large.at(-1) ?? [], noise));
      },
      read: async () => {
        for (const keys of large) {
          for (const record of await records.get('large', keys)) checkLength(record?.length, MIB);
        }
      },
      overwrite: async () => {
        const indices = blockIndices(sizes);
        for (let i = 0; i < indices.length; i += BLOCKS_PER_FSYNC) {
          const some = indices.slice(i, i + BLOCKS_PER_FSYNC);
          await records.put('small', 'strict', withBytes(some, block));
        }
      },
      fsync: fsync(-1),
      'random read': async () => {
        for (const index of blocksToRead(sizes, reads)) {
          const [record] = await records.get('small', [index]);
          checkLength(record?.length, BLOCK);
        }
      },
    },
    warmUps: { fsync: fsync(-2) },
    prepare: async () => {
      for (const keys of small) await records.put('small', 'relaxed', withBytes(keys, block));
    },
    reopen: async () => {
      records.close();
      await records.open();
    },
    close: () => {
      records.close();
      return Promise.resolve();
    },
  };
}

interface WorkerFile {
  createSyncAccessHandle(): Promise<AccessHandle>;
}

async function openHandle(root: FileSystemDirectoryHandle, name: string): Promise<AccessHandle> {
  const file = await root.getFileHandle(name, { create: true });
  // TypeScript's library for pages doesn't know what files are in a worker.
  return (file as unknown as WorkerFile).createSyncAccessHandle();
}

function flushEach(handle: AccessHandle, at: number, count: number): void {
  const block = noise.subarray(0, BLOCK);
  for (let i = 0; i < count; i++) {
    handle.write(block, { at });
    handle.flush();
  }
}

/** A file behind a handle, without names or a checksum. */
async function makeOpfs(name: string, { sizes, reads }: MakeOptions): Promise<Subject> {
  const root = await navigator.storage.getDirectory();
  let handle = await openHandle(root, name);
  const buffer = new Uint8Array(MIB);
  /** What is read and overwritten here and there lies behind the rest. */
  const start = sizes.sequentialMib * MIB;
  const fill = (mib: number, from: number): void => {
    for (let i = 0; i < mib; i++) handle.write(noise, { at: from + i * MIB });
    handle.flush();
  };
  const done =
    <A extends unknown[]>(run: (...args: A) => void) =>
    (...args: A): Promise<void> => {
      run(...args);
      return Promise.resolve();
    };
  const block = noise.subarray(0, BLOCK);
  const randomRead = (from: number): void => {
    for (const index of blocksToRead(sizes, reads)) {
      checkLength(handle.read(buffer.subarray(0, BLOCK), { at: from + index * BLOCK }), BLOCK);
    }
  };
  const fsync = (at: number): void => {
    flushEach(handle, at, sizes.fsyncs);
  };
  return {
    works: {
      write: done(() => {
        fill(sizes.sequentialMib, 0);
      }),
      read: done(() => {
        for (let i = 0; i < sizes.sequentialMib; i++) {
          checkLength(handle.read(buffer, { at: i * MIB }), MIB);
        }
      }),
      overwrite: done(() => {
        for (const [i, index] of blockIndices(sizes).entries()) {
          handle.write(block, { at: start + index * BLOCK });
          if ((i + 1) % BLOCKS_PER_FSYNC === 0) handle.flush();
        }
      }),
      fsync: done(() => {
        fsync(0);
      }),
      'random read': done(() => {
        randomRead(start);
      }),
    },
    warmUps: {
      fsync: done(() => {
        fsync(BLOCK);
      }),
      'random read': done((turn: number) => {
        randomRead(turn * sizes.randomMib * MIB);
      }),
    },
    prepare: done(() => {
      fill(sizes.randomMib, start);
    }),
    reopen: async () => {
      handle.close();
      handle = await openHandle(root, name);
    },
    close: async () => {
      handle.close();
      await root.removeEntry(name);
    },
  };
}

const MAKERS: Readonly<Record<string, (name: string, options: MakeOptions) => Promise<Subject>>> = {
  mirrored: (name, options) => makeBurrow(name, options, 'mirrored'),
  indexeddb: (name, options) => makeBurrow(name, options, 'indexeddb'),
  'raw indexeddb': makeIndexedDb,
  'raw opfs': makeOpfs,
};

async function removeAll(name: string): Promise<void> {
  await promisifyRequest(indexedDB.deleteDatabase(name));
  await removeStored(name);
}

const service: StorageService = {
  async run(kind, sizes, round) {
    const make = MAKERS[kind];
    if (make === undefined) throw new Error(`no subject ${kind}`);
    const name = `bench ${kind} ${round}`;
    const subject = await make(name, { sizes, reads: sizes.reads[kind] ?? 0 });
    const times: WorkTimes = {};
    const measure = async (work: Work): Promise<void> => {
      const warmUp = subject.warmUps[work];
      if (warmUp !== undefined) {
        times[`${work}, first`] = await timeOf(() => warmUp(0));
        for (let turn = 1; turn < WARM_UPS; turn++) await warmUp(turn);
      }
      times[work] = await timeOf(async () => subject.works[work]?.());
    };
    await measure('write');
    await subject.reopen();
    await measure('read');
    await subject.prepare();
    await subject.reopen();
    await measure('random read');
    await measure('overwrite');
    await measure('fsync');
    await subject.close();
    await removeAll(name);
    return times;
  },
};

expose(service);
