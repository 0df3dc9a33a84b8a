// When idbfs commits access times: later than anything else, and in portions, as a walk through a
// large tree changes one in many nodes of the store's tree.

import { expect, test } from 'vitest';
import { AT_FDCWD, O_CREAT, O_DIRECTORY, O_RDONLY, O_RDWR } from '../../../src/abi/fcntl.ts';
import { linuxerr } from '../../../src/abi/errno.ts';
import type { Idbfs } from '../../../src/fs/idbfs/idbfs.ts';
import { FakeClock } from '../../../src/lib/clock.ts';
import { type Op, runSync, WaitQueue } from '../../../src/lib/op.ts';
import { MemoryStore } from '../../../src/store/memory-store.ts';
import type { Batch, Durability } from '../../../src/store/store.ts';
import type { Syscalls } from '../../../src/syscalls/table.ts';
import { openIdbfs, type Session } from '../../support/history/session.ts';

class CountingStore extends MemoryStore {
  /** Number of items of each commit. */
  readonly commits: number[] = [];
  fails = false;
  /** Commits wait at it. */
  gate: WaitQueue | undefined;

  override *commit(batch: Batch, options: { readonly durability: Durability }): Op<void> {
    if (this.fails) throw linuxerr.EIO;
    if (this.gate !== undefined) yield this.gate;
    this.commits.push([...batch.items].length);
    yield* super.commit(batch, options);
  }
}

interface Setup extends Session<Idbfs> {
  readonly store: CountingStore;
  readonly clock: FakeClock;
}

function open(store = new CountingStore()): Setup {
  const clock = new FakeClock();
  clock.advance(1_000_000);
  return { ...runSync(openIdbfs({ clock, store })), clock, store };
}

/** What is in the store after a crash, mounted. */
function afterCrash(store: CountingStore): Setup {
  const copy = new CountingStore();
  copy.restore(store.snapshot());
  return open(copy);
}

/** Makes directories of 70 files each, and syncs. */
function makeTree({ sys, clock, store }: Setup, directories: number): void {
  for (let d = 0; d < directories; d++) {
    runSync(sys.mkdirat(AT_FDCWD, `/d${d}`, 0o755, 0));
    for (let f = 0; f < 70; f++) {
      const fd = runSync(sys.openat(AT_FDCWD, `/d${d}/f${f}`, O_RDWR | O_CREAT, 0o644));
      runSync(sys.close(fd));
    }
  }
  runSync(sys.sync());
  clock.advance(2000);
  store.commits.length = 0;
}

function list(sys: Syscalls, path: string): void {
  const fd = runSync(sys.openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0));
  while (runSync(sys.getdents(fd, 32_768)).length > 0);
  runSync(sys.close(fd));
}

function atimeOf(sys: Syscalls, path: string): number {
  return runSync(sys.fstatat(AT_FDCWD, path, 0)).atime.sec;
}

const settle = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });

test('they wait for half a minute, and are seen at once', async () => {
  const setup = open();
  const { sys, clock, store } = setup;
  makeTree(setup, 2);
  const before = atimeOf(sys, '/d0');
  list(sys, '/d0');
  const after = atimeOf(sys, '/d0');
  expect(after).toBeGreaterThan(before);
  clock.advance(29_000);
  await settle();
  expect(store.commits).toEqual([]);
  expect(atimeOf(afterCrash(store).sys, '/d0')).toBe(before);
  clock.advance(1000);
  await settle();
  expect(store.commits).toEqual([1]);
  expect(atimeOf(afterCrash(store).sys, '/d0')).toBe(after);
  clock.advance(100_000);
  await settle();
  expect(store.commits).toHaveLength(1);
});

test('other changes neither wait for them nor keep them waiting', async () => {
  const setup = open();
  const { sys, clock, store } = setup;
  makeTree(setup, 2);
  list(sys, '/d0');
  for (let second = 1; second <= 40; second++) {
    runSync(sys.fchmodat(AT_FDCWD, '/d1/f1', second % 2 === 0 ? 0o600 : 0o644, 0));
    clock.advance(1000);
    await settle();
    expect(store.commits).toHaveLength(second);
  }
  const after = atimeOf(sys, '/d0');
  expect(atimeOf(afterCrash(store).sys, '/d0')).toBe(after);
  expect(Math.max(...store.commits)).toBe(2);
});

test('sync() and fsync() of the file write them; fsync() of another file does not', () => {
  const setup = open();
  const { sys, store } = setup;
  makeTree(setup, 2);
  list(sys, '/d0');
  list(sys, '/d1');
  const [first, second] = [atimeOf(sys, '/d0'), atimeOf(sys, '/d1')];
  const other = runSync(sys.openat(AT_FDCWD, '/d0/f0', O_RDWR, 0));
  runSync(sys.write(other, new Uint8Array(10)));
  runSync(sys.fsync(other));
  const now = afterCrash(store);
  expect(runSync(now.sys.fstatat(AT_FDCWD, '/d0/f0', 0)).size).toBe(10);
  expect(atimeOf(now.sys, '/d0')).toBeLessThan(first);
  const dir = runSync(sys.openat(AT_FDCWD, '/d0', O_RDONLY | O_DIRECTORY, 0));
  runSync(sys.fsync(dir));
  expect(atimeOf(afterCrash(store).sys, '/d0')).toBe(first);
  expect(atimeOf(afterCrash(store).sys, '/d1')).toBeLessThan(second);
  runSync(sys.sync());
  expect(atimeOf(afterCrash(store).sys, '/d1')).toBe(second);
});

test('many of them are written in portions, of which a failure loses none', async () => {
  const setup = open();
  const { sys, clock, store, filesystem } = setup;
  const count = 400;
  makeTree(setup, count);
  for (let d = 0; d < count; d++) list(sys, `/d${d}`);
  await settle();
  expect(store.commits).toEqual([]);
  expect(filesystem.commitStatus.dirtyBytes).toBe(0);
  store.fails = true;
  expect(() => {
    runSync(sys.sync());
  }).toThrow(linuxerr.EIO);
  store.fails = false;
  clock.advance(60_000);
  await settle();
  runSync(sys.sync());
  expect(store.commits.length).toBeGreaterThan(2);
  expect(store.commits.reduce((sum, items) => sum + items, 0)).toBe(count);
  const again = afterCrash(store);
  for (let d = 0; d < count; d++) {
    expect(atimeOf(again.sys, `/d${d}`)).toBe(atimeOf(sys, `/d${d}`));
  }
});

/** Reads the first files, which changes their access times. */
async function readFiles(sys: Syscalls, count: number): Promise<void> {
  const byte = new Uint8Array(1);
  for (let i = 0; i < count; i++) {
    const path = `/d${Math.floor(i / 70)}/f${i % 70}`;
    const fd = runSync(sys.openat(AT_FDCWD, path, O_RDONLY, 0));
    runSync(sys.read(fd, byte));
    runSync(sys.close(fd));
    if (i % 100 === 0) await settle();
  }
}

test('so many that they fill the memory are written at once', async () => {
  const setup = open();
  const { sys, store } = setup;
  makeTree(setup, 300);
  const files = 300 * 70;
  await readFiles(sys, files);
  const written = store.commits.reduce((sum, items) => sum + items, 0);
  expect(written).toBeGreaterThan(16_000);
  expect(written).toBeLessThan(files);
});

test('so many of them while a commit is under way are written by the next', async () => {
  const setup = open();
  const { sys, clock, store } = setup;
  makeTree(setup, 300);
  const gate = new WaitQueue();
  store.gate = gate;
  runSync(sys.mkdirat(AT_FDCWD, '/new', 0o755, 0));
  clock.advance(2000);
  await settle();
  await readFiles(sys, 17_000);
  expect(store.commits).toEqual([]);
  store.gate = undefined;
  gate.wakeAll();
  for (let i = 0; i < 20; i++) await settle();
  expect(store.commits.reduce((sum, items) => sum + items, 0)).toBeGreaterThan(16_000);
  // The one that was under way, portions, and what was left.
  expect(store.commits.length).toBeLessThan(8);
});
