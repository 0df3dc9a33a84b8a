// idbfs on a medium that fails: each fault gives the error that src/fs/idbfs/README.md says, and
// what can recover does. On the real engine over IndexedDB, except where time has to stand still.

import { describe, expect, test, vi } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import { AT_FDCWD, O_CREAT, O_RDONLY, O_RDWR } from '../../../src/abi/fcntl.ts';
import { ST_RDONLY } from '../../../src/abi/stat.ts';
import type { Idbfs } from '../../../src/fs/idbfs/idbfs.ts';
import type { IdbfsOptions } from '../../../src/fs/idbfs/options.ts';
import { FakeClock, type Timespec } from '../../../src/lib/clock.ts';
import { type Interruption, type Op, runAsync, runSync } from '../../../src/lib/op.ts';
import { MemoryStore } from '../../../src/store/memory-store.ts';
import type { Batch, Durability, Store } from '../../../src/store/store.ts';
import type { Syscalls } from '../../../src/syscalls/table.ts';
import { closeSession, openIdbfs, type Session } from '../../support/history/session.ts';
import { failNextPut, failNextTransaction, Origin } from '../store/support.ts';

interface Setup extends Session<Idbfs> {
  readonly clock: FakeClock;
}

async function setUp(store: Store, options: Partial<IdbfsOptions> = {}): Promise<Setup> {
  const clock = new FakeClock();
  const session = await runAsync(openIdbfs({ clock, ...options, store }));
  return { ...session, clock };
}

function open(sys: Syscalls, path: string, flags = O_RDWR | O_CREAT): Promise<number> {
  return runAsync(sys.openat(AT_FDCWD, path, flags, 0o644));
}

async function exists(sys: Syscalls, path: string): Promise<boolean> {
  const stat = runAsync(sys.fstatat(AT_FDCWD, path, 0));
  return stat.then(
    () => true,
    (error: unknown) => {
      if (error !== linuxerr.ENOENT) throw error;
      return false;
    },
  );
}

const settle = (): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, 20);
  });

/** Everything that changes a tree, on one that has /f, open as `fd`, and the directory /d. */
function changes(sys: Syscalls, fd: number): Record<string, () => Op<unknown>> {
  return {
    create: () => sys.openat(AT_FDCWD, '/new', O_RDWR | O_CREAT, 0o644),
    'open for writing': () => sys.openat(AT_FDCWD, '/f', O_RDWR, 0),
    mkdir: () => sys.mkdirat(AT_FDCWD, '/new', 0o755, 0),
    symlink: () => sys.symlinkat('/f', AT_FDCWD, '/new', 0),
    link: () => sys.linkat(AT_FDCWD, '/f', AT_FDCWD, '/new', 0),
    unlink: () => sys.unlinkat(AT_FDCWD, '/f', 0),
    rename: () => sys.renameat2(AT_FDCWD, '/f', AT_FDCWD, '/new', 0),
    chmod: () => sys.fchmodat(AT_FDCWD, '/f', 0o600, 0),
    setxattr: () => sys.setxattr('/f', 'user.a', new Uint8Array(1), 0, 0),
    write: () => sys.write(fd, new Uint8Array(1)),
    pwrite: () => sys.pwrite(fd, new Uint8Array(1), 0),
    ftruncate: () => sys.ftruncate(fd, 1),
    fallocate: () => sys.fallocate(fd, 0, 0, 8192),
  };
}

async function outcomes(sys: Syscalls, fd: number): Promise<Record<string, unknown>> {
  const found: Record<string, unknown> = {};
  for (const [name, change] of Object.entries(changes(sys, fd))) {
    found[name] = await runAsync(change()).then(
      () => 'done',
      (error: unknown) => (error as { code?: string }).code,
    );
  }
  return found;
}

function allOf(code: string): Record<string, string> {
  const names = Object.keys(changes({} as Syscalls, 0));
  return Object.fromEntries(names.map((name) => [name, code]));
}

async function readText(sys: Syscalls, fd: number): Promise<string> {
  const buffer = new Uint8Array(100);
  const count = await runAsync(sys.pread(fd, buffer, 0));
  return new TextDecoder().decode(buffer.subarray(0, count));
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

/** A filesystem with /d and /f, which is committed, and "pending" written to /f since. */
async function withPending(origin: Origin, setup: Setup): Promise<number> {
  const { sys } = setup;
  await runAsync(sys.mkdirat(AT_FDCWD, '/d', 0o755, 0));
  const fd = await open(sys, '/f');
  await runAsync(sys.fsync(fd));
  await runAsync(sys.write(fd, text('pending')));
  expect(origin).toBeDefined();
  return fd;
}

describe.each([
  [
    'a transaction that the browser aborts',
    () => {
      failNextTransaction('AbortError');
    },
  ],
  [
    'a request that fails',
    () => {
      failNextPut('UnknownError');
    },
  ],
])('%s', (_title, fail) => {
  test('is EIO for fsync; then everything is EROFS, and readable', async () => {
    const origin = new Origin();
    const setup = await setUp(await origin.open());
    const { sys, filesystem } = setup;
    const fd = await withPending(origin, setup);
    fail();
    await expect(runAsync(sys.fsync(fd))).rejects.toBe(linuxerr.EIO);
    expect(await outcomes(sys, fd)).toEqual(allOf('EROFS'));
    expect(await readText(sys, fd)).toBe('pending');
    expect(await exists(sys, '/d')).toBe(true);
    const { health, lastError } = filesystem.commitStatus;
    expect(health).toBe('read-only');
    expect(lastError).toMatch(/EIO.* read-only/);
    expect((await runAsync(sys.statfs('/'))).flags & ST_RDONLY).toBe(ST_RDONLY);
  });

  test('is over once a commit succeeds: by itself, or when somebody syncs', async () => {
    for (const how of ['timer', 'sync'] as const) {
      const origin = new Origin();
      const store = await origin.open();
      const setup = await setUp(store);
      const { sys, filesystem, clock } = setup;
      const fd = await withPending(origin, setup);
      fail();
      await expect(runAsync(sys.fsync(fd))).rejects.toBe(linuxerr.EIO);
      if (how === 'timer') {
        clock.advance(1000);
        await vi.waitUntil(() => filesystem.commitStatus.health === 'good', 10_000);
      } else await runAsync(sys.sync());
      expect(filesystem.commitStatus).toMatchObject({ health: 'good', lastError: undefined });
      expect(await outcomes(sys, fd)).toMatchObject({
        create: 'done',
        write: 'done',
        fallocate: 'done',
      });
      await runAsync(closeSession(setup));
      const again = await setUp(await origin.open());
      expect(await exists(again.sys, '/d')).toBe(true);
      expect(await exists(again.sys, '/new')).toBe(true);
    }
  });
});

test('a medium that goes on failing is tried less and less often', async () => {
  class FailingStore extends MemoryStore {
    tries = 0;
    isFailing = false;

    override *commit(batch: Batch, options: { readonly durability: Durability }): Op<void> {
      this.tries++;
      if (this.isFailing) throw linuxerr.EIO;
      yield* super.commit(batch, options);
    }
  }
  const store = new FailingStore();
  const { sys, clock, filesystem } = await setUp(store);
  await open(sys, '/f');
  store.isFailing = true;
  store.tries = 0;
  const times: number[] = [];
  for (let second = 1; second <= 200; second++) {
    const before = store.tries;
    clock.advance(1000);
    await Promise.resolve();
    if (store.tries > before) times.push(second);
  }
  expect(times).toEqual([1, 2, 4, 8, 16, 32, 62, 92, 122, 152, 182]);
  store.isFailing = false;
  clock.advance(30_000);
  expect(filesystem.commitStatus.health).toBe('good');
});

test('a failed commit is told once by the next fsync of each description of a file', async () => {
  const origin = new Origin();
  const { sys, clock } = await setUp(await origin.open());
  const [changed, other] = [await open(sys, '/changed'), await open(sys, '/other')];
  const reader = await open(sys, '/changed', O_RDONLY);
  const dir = await open(sys, '/', O_RDONLY);
  await runAsync(sys.sync());
  await runAsync(sys.write(changed, text('text')));
  failNextTransaction('AbortError');
  clock.advance(1000);
  await settle();
  // By then the changes are saved; who was there is told all the same, as on Linux.
  clock.advance(1000);
  await settle();
  const sync = (fd: number): Promise<void> => runAsync(sys.fsync(fd));
  await sync(other);
  await sync(dir);
  await expect(sync(changed)).rejects.toBe(linuxerr.EIO);
  await sync(changed);
  const late = await open(sys, '/changed');
  await sync(late);
  await expect(runAsync(sys.fdatasync(reader))).rejects.toBe(linuxerr.EIO);
  await sync(reader);
});

describe('a database that goes away', () => {
  test.each<[string, (origin: Origin) => unknown]>([
    [
      'because somebody deletes it',
      (origin) =>
        new Promise((resolve) => {
          origin.factory.deleteDatabase('burrow:test').onsuccess = resolve;
        }),
    ],
    [
      'because the site’s data is cleared',
      (origin) => {
        origin.closeConnections();
      },
    ],
    [
      'because another tab takes the lock',
      (origin) => {
        origin.locks.steal();
      },
    ],
  ])('%s, is EIO, for good; what is in memory is readable', async (_title, take) => {
    const origin = new Origin();
    const setup = await setUp(await origin.open());
    const { sys, filesystem, clock } = setup;
    const fd = await withPending(origin, setup);
    await take(origin);
    await settle();
    expect(filesystem.commitStatus.health).toBe('lost');
    expect(await outcomes(sys, fd)).toEqual(allOf('EIO'));
    await expect(runAsync(sys.fsync(fd))).rejects.toBe(linuxerr.EIO);
    clock.advance(3_600_000);
    await settle();
    await expect(runAsync(sys.sync())).rejects.toBe(linuxerr.EIO);
    expect(await outcomes(sys, fd)).toEqual(allOf('EIO'));
    expect(await readText(sys, fd)).toBe('pending');
    expect(filesystem.commitStatus.lastError).toContain('closed or deleted');
    expect(await runAsync(sys.statfs('/'))).toMatchObject({ bfree: 0, bavail: 0 });
    // The end says that not all was saved.
    await expect(runAsync(closeSession(setup))).rejects.toBe(linuxerr.EIO);
  });
});

test('a transaction that never ends: fsync waits until it is killed, and reads go on', async () => {
  class StuckStore extends MemoryStore {
    isStuck = false;

    override *commit(batch: Batch, options: { readonly durability: Durability }): Op<void> {
      if (this.isStuck) yield { subscribe: () => () => undefined };
      yield* super.commit(batch, options);
    }

    override *log(batch: Batch): Op<boolean> {
      if (this.isStuck) yield { subscribe: () => () => undefined };
      return yield* super.log(batch);
    }
  }
  const store = new StuckStore();
  const { sys, filesystem } = await setUp(store, { dirtyLimit: 4 << 20 });
  const fd = await open(sys, '/f');
  runSync(sys.write(fd, text('pending')));
  store.isStuck = true;
  const kills: ((reason: Error) => void)[] = [];
  const interruption: Interruption = {
    subscribe: (onInterrupt) => {
      kills.push(onInterrupt);
      return () => undefined;
    },
  };
  const syncing = runAsync(sys.fsync(fd), interruption);
  expect(filesystem.commitStatus).toMatchObject({ isCommitting: true, health: 'good' });
  expect(await readText(sys, fd)).toBe('pending');
  // Others write on, as far as there is room in memory.
  const writing = runAsync(sys.pwrite(fd, new Uint8Array(30 << 20), 0), interruption);
  await settle();
  expect(filesystem.commitStatus.dirtyBytes).toBeLessThan(20 << 20);
  expect(await Promise.race([syncing, writing, settle().then(() => 'both wait')])).toBe(
    'both wait',
  );
  for (const kill of kills) kill(linuxerr.EINTR);
  await expect(syncing).rejects.toBe(linuxerr.EINTR);
  expect(await writing).toBeLessThan(30 << 20);
});

test('a clock that goes backwards stops nothing', async () => {
  class SetClock extends FakeClock {
    offsetSeconds = 0;

    override now(): Timespec {
      const { sec, nsec } = super.now();
      return { sec: sec + this.offsetSeconds, nsec };
    }
  }
  const clock = new SetClock();
  const store = new MemoryStore();
  const { sys, filesystem } = await setUp(store, { clock });
  const fd = await open(sys, '/f');
  clock.advance(1000);
  const { commitCount } = filesystem.commitStatus;
  const before = runSync(sys.fstat(fd));
  // Two days, behind the times in the store.
  clock.offsetSeconds = -172_800;
  runSync(sys.write(fd, text('text')));
  clock.advance(1000);
  expect(filesystem.commitStatus).toMatchObject({ commitCount: commitCount + 1, dirtyBytes: 0 });
  const after = runSync(sys.fstat(fd));
  // The times are what the clock says, as on Linux.
  expect(after.mtime.sec).toBeLessThan(before.mtime.sec);
  expect(await readText(sys, fd)).toBe('text');
  runSync(sys.fsync(fd));
  const again = await setUp(new Reopened(store), { clock });
  expect(await readText(again.sys, await open(again.sys, '/f'))).toBe('text');
});

/** What a store held. */
class Reopened extends MemoryStore {
  constructor(store: MemoryStore) {
    super();
    this.restore(store.snapshot());
  }
}
