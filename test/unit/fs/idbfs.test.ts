// idbfs and its store: when it commits, what it does when the store fails, and what it makes of
// what it finds there.

import { describe, expect, test } from 'vitest';
import { AT_FDCWD, O_CREAT, O_RDWR, O_SYNC } from '../../../src/abi/fcntl.ts';
import { linuxerr } from '../../../src/abi/errno.ts';
import type { Idbfs } from '../../../src/fs/idbfs/idbfs.ts';
import type { IdbfsOptions } from '../../../src/fs/idbfs/options.ts';
import { encodeFilesystem, filesystemKey, inodeKey } from '../../../src/fs/idbfs/items.ts';
import { FakeClock } from '../../../src/lib/clock.ts';
import { type Op, runAsync, runSync, waitFor } from '../../../src/lib/op.ts';
import { MemoryStore } from '../../../src/store/memory-store.ts';
import type { Batch, Durability, Run } from '../../../src/store/store.ts';
import type { Syscalls } from '../../../src/syscalls/table.ts';
import { closeSession, openIdbfs, type Session } from '../../support/history/session.ts';
import { storeProblems } from '../../support/history/store-check.ts';

/** Notes what is asked of it, and may fail to read. */
class NotingStore extends MemoryStore {
  readonly commits: (Durability | 'log')[] = [];
  itemsWritten = 0;
  bytesRead = 0;
  reads = 0;
  failsToRead = false;
  /** Commits wait as long as it is set. */
  holdCommits = false;

  override *get(key: string): Op<Uint8Array | undefined> {
    if (this.failsToRead) throw linuxerr.EIO;
    return yield* super.get(key);
  }

  override *read(object: number, offset: number, length: number): Op<Run[]> {
    if (this.failsToRead) throw linuxerr.EIO;
    this.reads++;
    const runs = yield* super.read(object, offset, length);
    this.bytesRead += runs.reduce((sum, { bytes }) => sum + bytes.length, 0);
    return runs;
  }

  override *commit(batch: Batch, options: { readonly durability: Durability }): Op<void> {
    this.commits.push(options.durability);
    this.itemsWritten += [...batch.items].length;
    while (this.holdCommits) yield* waitFor(settle());
    yield* super.commit(batch, options);
  }

  override *log(batch: Batch): Op<boolean> {
    this.commits.push('log');
    return yield* super.log(batch);
  }
}

interface Setup extends Session<Idbfs> {
  readonly store: NotingStore;
  readonly clock: FakeClock;
}

function setUp(options: Partial<IdbfsOptions> & { store?: NotingStore } = {}): Setup {
  const clock = new FakeClock();
  const store = options.store ?? new NotingStore();
  return { ...runSync(openIdbfs({ ...options, clock, store })), clock, store };
}

/** The store goes on as if it had been closed and opened again. */
function reopen(store: NotingStore): NotingStore {
  store.restore(store.snapshot());
  return store;
}

function create(sys: Syscalls, path: string, flags = 0): number {
  return runSync(sys.openat(AT_FDCWD, path, O_RDWR | O_CREAT | flags, 0o644));
}

function exists(sys: Syscalls, path: string): boolean {
  try {
    runSync(sys.fstatat(AT_FDCWD, path, 0));
    return true;
  } catch (error) {
    if (error === linuxerr.ENOENT) return false;
    throw error;
  }
}

const settle = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });

describe('commits', () => {
  test('a new filesystem is committed at once, strictly', () => {
    const { store } = setUp();
    expect(store.commits).toEqual(['strict']);
  });

  test('a change is committed within the interval; nothing is when nothing changes', async () => {
    const { sys, store, clock } = setUp({ commitInterval: 500 });
    clock.advance(5000);
    expect(store.commits).toHaveLength(1);
    create(sys, '/f');
    clock.advance(499);
    create(sys, '/g');
    expect(store.commits).toHaveLength(1);
    clock.advance(1);
    expect(store.commits).toEqual(['strict', 'relaxed']);
    await settle();
    clock.advance(5000);
    expect(store.commits).toHaveLength(2);
  });

  test('many changes are committed at once, but not in the middle of an operation', async () => {
    const { sys, store } = setUp({ dirtyLimit: 1000 });
    const fd = create(sys, '/f');
    runSync(sys.write(fd, new Uint8Array(5000)));
    expect(store.commits).toHaveLength(1);
    await settle();
    expect(store.commits).toEqual(['strict', 'relaxed']);
  });

  test('who waits for a commit goes on when the next has had its turn at the medium', async () => {
    const store = new NotingStore({ yields: true });
    const turns: number[] = [];
    const nextTurn = (): Promise<void> => {
      turns.push(store.commits.length);
      return settle();
    };
    const options = { store, clock: new FakeClock(), dirtyLimit: 100_000, nextTurn };
    const { sys } = await runAsync(openIdbfs(options));
    const fd = await runAsync(sys.openat(AT_FDCWD, '/f', O_CREAT | O_RDWR, 0o644));
    for (let i = 0; i < 10; i++) await runAsync(sys.pwrite(fd, new Uint8Array(200_000), i * 2e5));
    expect(turns.length).toBeGreaterThan(0);
    // The one it waited for was not the last that had begun.
    for (const [i, commits] of turns.entries()) expect(commits).toBeGreaterThan(i + 2);
    await runAsync(sys.fsync(fd));
  });

  test('who makes far more files than were committed waits', async () => {
    const store = new NotingStore({ yields: true });
    const options = { store, clock: new FakeClock(), dirtyLimit: 500_000 };
    const { sys, filesystem } = await runAsync(openIdbfs(options));
    let most = 0;
    function* createMany(): Op<void> {
      for (let i = 0; i < 6000; i++) {
        yield* sys.close(yield* sys.openat(AT_FDCWD, `/f${i}`, O_CREAT | O_RDWR, 0o644));
        most = Math.max(most, filesystem.commitStatus.dirtyBytes);
      }
    }
    await runAsync(createMany());
    // 2 MiB of memory: 2048 inodes.
    expect(most).toBeGreaterThan(1024 * 128);
    expect(most).toBeLessThan(2100 * 512);
    expect(store.commits.length).toBeLessThan(30);
  });

  test.each([
    ['removes', (sys: Syscalls, path: string) => sys.unlinkat(AT_FDCWD, path, 0)],
    ['changes', (sys: Syscalls, path: string) => sys.fchmodat(AT_FDCWD, path, 0o600, 0)],
  ])('who %s far more files than were committed waits', async (_, change) => {
    const store = new NotingStore({ yields: true });
    const options = { store, clock: new FakeClock(), dirtyLimit: 100_000 };
    const { sys, filesystem } = await runAsync(openIdbfs(options));
    let most = 0;
    function* changeAll(make: (path: string) => Op<unknown>): Op<void> {
      for (let i = 0; i < 6000; i++) {
        yield* make(`/f${i}`);
        most = Math.max(most, filesystem.commitStatus.dirtyBytes);
      }
    }
    await runAsync(changeAll((path) => sys.mknodat(AT_FDCWD, path, 0o100_644, 0)));
    await runAsync(sys.sync());
    most = 0;
    store.holdCommits = true;
    const changed = runAsync(changeAll((path) => change(sys, path)));
    for (let turn = 0; turn < 20; turn++) await settle();
    store.holdCommits = false;
    await changed;
    expect(most).toBeGreaterThan(100_000);
    expect(most).toBeLessThan(500_000);
  });

  test('sync after a relaxed commit is a barrier, and after a strict one nothing', async () => {
    const { sys, store, clock } = setUp({ commitInterval: 1 });
    create(sys, '/f');
    clock.advance(1);
    await settle();
    runSync(sys.sync());
    runSync(sys.sync());
    expect(store.commits).toEqual(['strict', 'relaxed', 'strict']);
  });

  test('those who sync while a commit is under way share the next one', async () => {
    const store = new NotingStore({ yields: true });
    const clock = new FakeClock();
    const { sys } = await runAsync(openIdbfs({ store, clock }));
    const fd = create(sys, '/f');
    const first = runAsync(sys.fsync(fd));
    create(sys, '/g');
    await Promise.all([first, ...[1, 2, 3].map(() => runAsync(sys.fsync(fd)))]);
    expect(store.commits).toEqual(['strict', 'log', 'log']);
  });

  test('O_SYNC commits with every write', () => {
    const { sys, store } = setUp();
    const fd = create(sys, '/f', O_SYNC);
    const before = store.commits.length;
    runSync(sys.write(fd, new Uint8Array(10)));
    runSync(sys.write(fd, new Uint8Array(10)));
    expect(store.commits.slice(before)).toEqual(['log', 'log']);
  });

  test('the status tells what is unwritten, and of the last commit', () => {
    const { filesystem, sys, clock } = setUp();
    expect(filesystem.commitStatus).toMatchObject({ dirtyBytes: 0, isCommitting: false });
    const fd = create(sys, '/f');
    runSync(sys.write(fd, new Uint8Array(5000)));
    expect(filesystem.commitStatus.dirtyBytes).toBeGreaterThanOrEqual(5000);
    clock.advance(100);
    runSync(sys.sync());
    const { dirtyBytes, commitCount, lastCommitMs, lastError } = filesystem.commitStatus;
    expect([dirtyBytes, commitCount, lastError]).toEqual([0, 2, undefined]);
    expect(lastCommitMs).toBe(clock.monotonicMs());
  });

  test('writing one byte again writes one block and few items', () => {
    const { sys, store } = setUp();
    const fd = create(sys, '/f');
    runSync(sys.write(fd, new Uint8Array(100_000)));
    runSync(sys.sync());
    const before = store.itemsWritten;
    runSync(sys.pwrite(fd, new Uint8Array(1), 50_000));
    runSync(sys.sync());
    expect(store.itemsWritten - before).toBe(1);
  });
});

describe('a store that fails', () => {
  test('its error reaches fsync; a later one writes everything', async () => {
    const { sys, store, filesystem, task } = setUp();
    const fd = create(sys, '/f');
    runSync(sys.write(fd, new Uint8Array([1, 2, 3])));
    store.failNextCommit(linuxerr.ENOSPC);
    expect(() => {
      runSync(sys.fsync(fd));
    }).toThrow(linuxerr.ENOSPC);
    expect(filesystem.commitStatus.lastError).toContain('no more storage');
    const buffer = new Uint8Array(10);
    expect(runSync(sys.pread(fd, buffer, 0))).toBe(3);
    runSync(sys.fsync(fd));
    expect(filesystem.commitStatus.lastError).toBeUndefined();
    task.fds.closeAll();
    const again = setUp({ store: reopen(store) });
    const second = create(again.sys, '/f');
    expect(runSync(again.sys.pread(second, buffer, 0))).toBe(3);
    await settle();
  });

  test('a failed commit in the background is tried again, by the timer only', async () => {
    const { sys, store, clock } = setUp({ commitInterval: 1000, dirtyLimit: 100 });
    store.failNextCommit(linuxerr.ENOSPC);
    create(sys, '/f');
    await settle();
    expect(store.commits).toHaveLength(2);
    create(sys, '/g');
    await settle();
    expect(store.commits).toHaveLength(2);
    clock.advance(1000);
    expect(store.commits).toHaveLength(3);
    expect(storeProblems(store.snapshot(), { orphans: 'none' })).toEqual([]);
  });

  test('who writes far more than can be written back is told', async () => {
    const { sys, store } = setUp({ dirtyLimit: 1000 });
    const fd = create(sys, '/f');
    await settle();
    runSync(sys.write(fd, new Uint8Array(50_000)));
    store.failNextCommit(linuxerr.ENOSPC);
    expect(() => runSync(sys.write(fd, new Uint8Array(1)))).toThrow(linuxerr.ENOSPC);
    // Nothing is lost: it is written when there is space again.
    expect(runSync(sys.write(fd, new Uint8Array(1)))).toBe(1);
    expect(runSync(sys.fstat(fd)).size).toBe(50_001);
  });

  test('a read that fails is EIO, and the next one may succeed', () => {
    const { sys, store, task, vfs } = setUp();
    runSync(sys.write(create(sys, '/f'), new Uint8Array([7])));
    runSync(closeSession({ sys, task, vfs } as Session));
    const cold = setUp({ store: reopen(store) });
    cold.store.failsToRead = true;
    const stat = (): unknown => runSync(cold.sys.fstatat(AT_FDCWD, '/f', 0));
    expect(stat).toThrow(linuxerr.EIO);
    cold.store.failsToRead = false;
    expect(stat).not.toThrow();
    const fd = create(cold.sys, '/f');
    const read = (): number => runSync(cold.sys.pread(fd, new Uint8Array(5), 0));
    cold.store.failsToRead = true;
    expect(read).toThrow(linuxerr.EIO);
    cold.store.failsToRead = false;
    expect(read()).toBe(1);
  });
});

describe('what a mount finds', () => {
  test('files that were unlinked and open are removed, with their data', () => {
    const { sys, store } = setUp();
    for (const name of ['a', 'b', 'c']) {
      const fd = create(sys, `/${name}`);
      runSync(sys.write(fd, new Uint8Array(40_000)));
      runSync(sys.unlinkat(AT_FDCWD, `/${name}`, 0));
    }
    runSync(sys.sync());
    expect(storeProblems(store.snapshot(), { orphans: 'none' })).toEqual(['there are orphans']);
    const limits = { dentries: 10, listingBatch: 2, cacheSizeMin: 0 };
    setUp({ store: reopen(store), limits });
    expect(storeProblems(store.snapshot(), { orphans: 'none' })).toEqual([]);
    expect([...store.snapshot().objects.values()].every(({ size }) => size === 0)).toBe(true);
  });

  test('a format of another version is refused, and nothing changes', () => {
    const store = new NotingStore();
    const header = encodeFilesystem(5);
    new DataView(header.buffer).setUint32(0, 99, true);
    const items = new Map([[filesystemKey, header]]);
    runSync(store.commit({ items, discards: [], writes: [] }, { durability: 'strict' }));
    const before = store.snapshot();
    expect(() => setUp({ store })).toThrow(linuxerr.EINVAL);
    expect(store.snapshot()).toBe(before);
  });

  test('damage is EIO: a header without a root, a name without an inode', () => {
    const { sys, store, task, vfs } = setUp();
    const { ino } = runSync(sys.fstat(create(sys, '/f')));
    runSync(closeSession({ sys, task, vfs } as Session));
    const remove = (key: string): void => {
      const items = new Map([[key, undefined]]);
      reopen(store);
      runSync(store.commit({ items, discards: [], writes: [] }, { durability: 'strict' }));
    };
    remove(inodeKey(ino));
    const damaged = setUp({ store });
    expect(() => exists(damaged.sys, '/f')).toThrow(linuxerr.EIO);
    remove(inodeKey(1));
    expect(() => setUp({ store })).toThrow(linuxerr.EIO);
  });

  test('numbers of inodes are not used again', () => {
    const { sys, store, task, vfs } = setUp();
    const first = runSync(sys.fstat(create(sys, '/f'))).ino;
    runSync(sys.unlinkat(AT_FDCWD, '/f', 0));
    runSync(closeSession({ sys, task, vfs } as Session));
    const again = setUp({ store: reopen(store) });
    expect(runSync(again.sys.fstat(create(again.sys, '/g'))).ino).toBe(first + 1);
  });
});

describe('a file of 20 MiB that is not in memory', () => {
  const MIB = 1 << 20;

  function openCold(): Setup & { readonly fd: number } {
    const { sys, store, task, vfs } = setUp();
    const fd = create(sys, '/f');
    for (let index = 0; index < 20; index++) {
      runSync(sys.write(fd, new Uint8Array(MIB).fill(index + 1)));
    }
    runSync(closeSession({ sys, task, vfs } as Session));
    const cold = setUp({ store: reopen(store) });
    return { ...cold, fd: create(cold.sys, '/f') };
  }

  test('a byte is read with its block', () => {
    const { sys, store, fd } = openCold();
    const byte = new Uint8Array(1);
    runSync(sys.pread(fd, byte, 10 * MIB + 10_000));
    expect([byte[0], store.bytesRead]).toEqual([11, 4096]);
    runSync(sys.pread(fd, byte, 10 * MIB + 10_001));
    expect(store.bytesRead).toBe(4096);
    // Another block of the same 32 KiB, before and far behind.
    runSync(sys.pread(fd, byte, 10 * MIB));
    runSync(sys.pread(fd, byte, 10 * MIB + 30_000));
    expect([byte[0], store.bytesRead]).toEqual([11, 3 * 4096]);
  });

  test('blocks that are overwritten as a whole are not read', () => {
    const { sys, store, fd } = openCold();
    runSync(sys.pwrite(fd, new Uint8Array(8192).fill(99), 5 * MIB));
    expect(store.bytesRead).toBe(0);
    runSync(sys.pwrite(fd, new Uint8Array(8192).fill(98), 6 * MIB + 100));
    expect(store.bytesRead).toBe(2 * 4096);
    const found = new Uint8Array(3 * 4096);
    runSync(sys.pread(fd, found, 6 * MIB));
    expect([found[99], found[100], found[8291], found[8292]]).toEqual([7, 98, 98, 7]);
    runSync(sys.pread(fd, found, 5 * MIB));
    expect([found[8191], found[8192]]).toEqual([99, 6]);
  });

  test('reading on and on reads ahead, and nothing twice', async () => {
    const { sys, store, fd } = openCold();
    const piece = new Uint8Array(10_000);
    let done = 0;
    for (let count = 1; count > 0; done += count) {
      count = await runAsync(sys.read(fd, piece));
      for (const at of [0, count - 1]) {
        if (count > 0) expect(piece[at]).toBe(Math.floor((done + at) / MIB) + 1);
      }
    }
    expect(done).toBe(20 * MIB);
    expect(store.bytesRead).toBe(20 * MIB);
    expect(store.reads).toBeLessThan(30);
  });
});

test('a file larger than the cache is read on and on as it was written, twice', async () => {
  const MIB = 1 << 20;
  const { sys } = setUp({ cacheSize: 32 * MIB });
  const fd = create(sys, '/f');
  for (let index = 0; index < 48; index++) {
    await runAsync(sys.write(fd, new Uint8Array(MIB).fill(index + 1)));
  }
  await runAsync(sys.fsync(fd));
  const piece = new Uint8Array(3 * MIB);
  for (const round of [1, 2]) {
    await runAsync(sys.lseek(fd, 0, 0));
    for (let done = 0; done < 48 * MIB;) {
      const count = await runAsync(sys.read(fd, piece));
      const expected = piece.slice(0, count);
      for (let at = 0; at < count; at += 4096) {
        expected.fill(Math.floor((done + at) / MIB) + 1, at, at + 4096);
      }
      expect(Buffer.compare(piece.subarray(0, count), expected), `${round}: ${done}`).toBe(0);
      done += count;
    }
  }
});

describe('fsync', () => {
  test('of a small change logs it; the interval’s commit puts it where it belongs', async () => {
    const { sys, store, clock, filesystem } = setUp({ commitInterval: 500 });
    const fd = create(sys, '/f');
    runSync(sys.write(fd, new Uint8Array(100)));
    runSync(sys.fsync(fd));
    expect(store.commits).toEqual(['strict', 'log']);
    expect(filesystem.commitStatus).toMatchObject({ dirtyBytes: 0, lastError: undefined });
    runSync(sys.fsync(fd));
    expect(store.commits).toHaveLength(2);
    clock.advance(500);
    expect(store.commits).toEqual(['strict', 'log', 'relaxed']);
    await settle();
    clock.advance(5000);
    expect(store.commits).toHaveLength(3);
  });

  test('what it logged is there after a crash, with all that came before it', () => {
    const { sys, store } = setUp();
    const fd = create(sys, '/f');
    create(sys, '/g');
    runSync(sys.unlinkat(AT_FDCWD, '/g', 0));
    runSync(sys.write(fd, new Uint8Array(5000).fill(7)));
    runSync(sys.fsetxattr(fd, 'user.a', new Uint8Array(10), 0));
    runSync(sys.fsync(fd));
    runSync(sys.ftruncate(fd, 100));
    runSync(sys.fsync(fd));
    create(sys, '/unsynced');
    const again = setUp({ store: reopen(store) });
    const found = runSync(again.sys.fstatat(AT_FDCWD, '/f', 0));
    expect([found.size, found.blocks]).toEqual([100, 8]);
    expect(exists(again.sys, '/g')).toBe(false);
    expect(exists(again.sys, '/unsynced')).toBe(false);
    expect(storeProblems(store.snapshot(), { orphans: 'none' })).toEqual([]);
  });

  test('of much commits it', () => {
    const { sys, store } = setUp();
    const fd = create(sys, '/f');
    runSync(sys.write(fd, new Uint8Array(100_000)));
    runSync(sys.fsync(fd));
    expect(store.commits).toEqual(['strict', 'strict']);
  });

  test('sync() commits all there is', () => {
    const { sys, store } = setUp();
    const fd = create(sys, '/f');
    runSync(sys.fsync(fd));
    runSync(sys.sync());
    expect(store.commits).toEqual(['strict', 'log', 'strict']);
  });
});

test('after the release nothing is committed any more', async () => {
  const { sys, store, clock, task, vfs } = setUp();
  create(sys, '/f');
  await runAsync(closeSession({ sys, task, vfs } as Session));
  const { length } = store.commits;
  clock.advance(10_000);
  expect(store.commits).toHaveLength(length);
});
