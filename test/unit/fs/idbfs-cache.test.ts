// idbfs with caches too small for what is asked of it, and what the store doesn't know yet.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test, vi } from 'vitest';
import {
  AT_FDCWD,
  FALLOC_FL_KEEP_SIZE,
  O_CREAT,
  O_RDWR,
  SEEK_DATA,
} from '../../../src/abi/fcntl.ts';
import { linuxerr } from '../../../src/abi/errno.ts';
import type { Idbfs } from '../../../src/fs/idbfs/idbfs.ts';
import { CHUNK_SIZE } from '../../../src/fs/shared/file-data.ts';
import { FakeClock } from '../../../src/lib/clock.ts';
import { type Op, runAsync } from '../../../src/lib/op.ts';
import { MemoryDevice } from '../../../src/store/engine/memory-device.ts';
import { MemoryStore } from '../../../src/store/memory-store.ts';
import type { Run } from '../../../src/store/store.ts';
import type { Syscalls } from '../../../src/syscalls/table.ts';
import { digest, makeData } from '../../support/history/action.ts';
import { closeSession, openIdbfs, type Session } from '../../support/history/session.ts';
import { openEngine } from '../store/engine/support.ts';

/** Room for one chunk. */
const LIMITS = { dentries: 2, listingBatch: 2, cacheSizeMin: 0 };

const ROOMY = { clock: new FakeClock(), cacheSize: 1 << 26 };

function open(store = new MemoryStore({ yields: true })): Promise<Session<Idbfs>> {
  const options = { store, clock: new FakeClock(), cacheSize: CHUNK_SIZE, limits: LIMITS };
  return runAsync(openIdbfs(options));
}

async function makeFile(sys: Syscalls, path: string, bytes: Uint8Array): Promise<number> {
  const fd = await runAsync(sys.openat(AT_FDCWD, path, O_RDWR | O_CREAT, 0o644));
  expect(await runAsync(sys.write(fd, bytes))).toBe(bytes.length);
  return fd;
}

async function readAt(sys: Syscalls, fd: number, at: number, size: number): Promise<Uint8Array> {
  const buffer = new Uint8Array(size);
  return buffer.subarray(0, await runAsync(sys.pread(fd, buffer, at)));
}

const DATA = makeData({ seed: 3, length: 5 * CHUNK_SIZE });

test('a read of more than the cache holds is complete', async () => {
  const { sys } = await open();
  const fd = await makeFile(sys, '/f', DATA);
  await runAsync(sys.sync());
  expect(digest(await readAt(sys, fd, 10, DATA.length))).toBe(digest(DATA.subarray(10)));
});

/** Reads whole records, as IndexedDB does, and tells which of them are still in memory. */
class RecordStore extends MemoryStore {
  readonly #read: WeakRef<ArrayBuffer>[] = [];

  override *read(object: number, offset: number, length: number): Op<Run[]> {
    const runs = yield* super.read(object, offset, length);
    return runs.map((run) => {
      const record = new Uint8Array(1 << 20);
      record.set(run.bytes, 4096);
      this.#read.push(new WeakRef(record.buffer));
      return { offset: run.offset, bytes: record.subarray(4096, 4096 + run.bytes.length) };
    });
  }

  async keptCount(): Promise<number> {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    // A WeakRef holds until the end of the job that made it.
    await new Promise((resolve) => {
      setTimeout(resolve);
    });
    collect();
    return this.#read.filter((each) => each.deref() !== undefined).length;
  }
}

test('a block that is kept keeps no more of the record it was read from', async () => {
  const store = new RecordStore();
  const { sys } = await runAsync(openIdbfs({ store, clock: new FakeClock(), cacheSize: 1 << 26 }));
  const data = makeData({ seed: 3, length: 32 * CHUNK_SIZE });
  const fd = await makeFile(sys, '/f', data);
  await runAsync(sys.sync());
  const other = await runAsync(openIdbfs({ store, clock: new FakeClock(), cacheSize: 1 << 26 }));
  const again = await runAsync(other.sys.openat(AT_FDCWD, '/f', O_RDWR, 0));
  for (let chunk = 31; chunk >= 0; chunk--) {
    const at = chunk * CHUNK_SIZE + 4096;
    const bytes = await readAt(other.sys, again, at, 4096);
    expect(digest(bytes)).toBe(digest(data.subarray(at, at + 4096)));
  }
  expect(await store.keptCount()).toBeLessThan(4);
  await runAsync(sys.close(fd));
});

test('a write across more chunks than the cache holds is complete', async () => {
  const { sys } = await open();
  const fd = await makeFile(sys, '/f', DATA);
  await runAsync(sys.sync());
  const more = makeData({ seed: 4, length: 4 * CHUNK_SIZE });
  expect(await runAsync(sys.pwrite(fd, more, 100))).toBe(more.length);
  expect(digest(await readAt(sys, fd, 100, more.length))).toBe(digest(more));
});

test('what was cut off stays away when its chunk is read again before a commit', async () => {
  const { sys } = await open();
  const fd = await makeFile(sys, '/f', DATA);
  const other = await makeFile(sys, '/g', DATA);
  await runAsync(sys.sync());
  await readAt(sys, fd, 0, 1);
  await runAsync(sys.ftruncate(fd, 8192));
  // Pushes the chunk out of the cache; the store still has all of it.
  for (let index = 0; index < 4; index++) await readAt(sys, other, index * CHUNK_SIZE, 1);
  await readAt(sys, fd, 0, 1);
  await runAsync(sys.ftruncate(fd, DATA.length));
  const [a = 0, b = 0] = DATA.subarray(8190);
  expect([...(await readAt(sys, fd, 8190, 5))]).toEqual([a, b, 0, 0, 0]);
  await expect(runAsync(sys.lseek(fd, 8192, SEEK_DATA))).rejects.toBe(linuxerr.ENXIO);
  await runAsync(sys.sync());
  expect(await readAt(sys, fd, 8192, 4096)).toEqual(new Uint8Array(4096));
});

async function remount(session: Session<Idbfs>, store: MemoryStore): Promise<Session<Idbfs>> {
  await runAsync(closeSession(session));
  store.restore(store.snapshot());
  return open(store);
}

/** A file of 6 blocks in 3 chunks far from each other, of which nothing is in memory. */
async function openSparse(): Promise<{ sys: Syscalls; fd: number }> {
  const store = new MemoryStore({ yields: true });
  const first = await open(store);
  const made = await makeFile(first.sys, '/f', makeData({ seed: 1, length: 8192 }));
  await runAsync(first.sys.pwrite(made, makeData({ seed: 2, length: 8192 }), 3 * CHUNK_SIZE));
  await runAsync(first.sys.pwrite(made, makeData({ seed: 3, length: 8192 }), 9000 * CHUNK_SIZE));
  const { sys } = await remount(first, store);
  return { sys, fd: await runAsync(sys.openat(AT_FDCWD, '/f', O_RDWR, 0)) };
}

test.each([
  [0, 0],
  [1, 1],
  [4096, 1],
  [4097, 2],
  [CHUNK_SIZE, 2],
  [3 * CHUNK_SIZE, 2],
  [3 * CHUNK_SIZE + 1, 3],
  [9000 * CHUNK_SIZE, 4],
  [9000 * CHUNK_SIZE + 8192, 6],
  [10_000 * CHUNK_SIZE, 6],
])('a file that is cut to %i bytes has %i blocks', async (size, blocks) => {
  const { sys, fd } = await openSparse();
  await runAsync(sys.ftruncate(fd, size));
  expect((await runAsync(sys.fstat(fd))).blocks * 512).toBe(blocks * 4096);
});

test('blocks behind the end of a file are known after a mount', async () => {
  const store = new MemoryStore({ yields: true });
  const first = await open(store);
  const made = await makeFile(first.sys, '/f', makeData({ seed: 1, length: 100 }));
  await runAsync(first.sys.fallocate(made, FALLOC_FL_KEEP_SIZE, 5 * CHUNK_SIZE, 8192));
  const { sys } = await remount(first, store);
  const fd = await runAsync(sys.openat(AT_FDCWD, '/f', O_RDWR, 0));
  const blocksOf = async (): Promise<number> => (await runAsync(sys.fstat(fd))).blocks / 8;
  expect(await blocksOf()).toBe(3);
  // One of them is there, the next is not.
  await runAsync(sys.pwrite(fd, makeData({ seed: 2, length: 8192 }), 5 * CHUNK_SIZE + 4096));
  expect(await blocksOf()).toBe(4);
  await runAsync(sys.ftruncate(fd, 100));
  expect(await blocksOf()).toBe(1);
});

test('a block that is read here and there is kept when it is read again', async () => {
  const device = new MemoryDevice();
  const first = await runAsync(openIdbfs({ store: await openEngine(device), ...ROOMY }));
  await makeFile(first.sys, '/f', DATA);
  await runAsync(closeSession(first));
  device.restore(device.image);
  const store = await openEngine(device);
  const readInto = vi.spyOn(store, 'readInto');
  const readAtOnce = vi.spyOn(store, 'readAtOnce');
  const { sys } = await runAsync(openIdbfs({ store, ...ROOMY }));
  const fd = await runAsync(sys.openat(AT_FDCWD, '/f', O_RDWR, 0));
  const readBlocks = async (): Promise<number[]> => {
    for (const block of [20, 9, 31, 14]) {
      const at = block * 4096;
      expect(digest(await readAt(sys, fd, at, 4096))).toBe(digest(DATA.subarray(at, at + 4096)));
    }
    return [readInto.mock.calls.length, readAtOnce.mock.calls.length];
  };
  // The first of them brings the tree's node.
  const [past] = await readBlocks();
  expect(past).toBeGreaterThanOrEqual(3);
  await readBlocks();
  const counts = [readInto.mock.calls.length, readAtOnce.mock.calls.length];
  expect(counts[1]).toBeGreaterThanOrEqual(3);
  // Everything is in memory now.
  expect(await readBlocks()).toEqual(counts);
});
