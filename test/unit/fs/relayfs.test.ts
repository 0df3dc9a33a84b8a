// An idbfs whose store another tab holds: what its medium does is told to this tab as well. What
// it does as a filesystem is in the conformance table, and test/fuzz/tabs.test.ts kills holders.

import { afterEach, describe, expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import { AT_FDCWD, LOCK_EX, LOCK_UN, O_CREAT, O_RDWR } from '../../../src/abi/fcntl.ts';
import { IN_CREATE, IN_ISDIR, IN_NONBLOCK } from '../../../src/abi/inotify.ts';
import { ST_RDONLY } from '../../../src/abi/stat.ts';
import type { Kernel } from '../../../src/kernel/kernel.ts';
import { FakeClock } from '../../../src/lib/clock.ts';
import { type Op, runAsync } from '../../../src/lib/op.ts';
import { MemoryStore } from '../../../src/store/memory-store.ts';
import type { Batch, Durability, Store } from '../../../src/store/store.ts';
import type { Syscalls } from '../../../src/syscalls/table.ts';
import { bootKernel } from '../../support/kernels.ts';
import { Site, type SiteOptions, type Tab } from '../../support/site.ts';
import { FakeQuota } from '../store/fake-quota.ts';
import { bytes, Origin } from '../store/support.ts';

const MIB = 1 << 20;
const spec = { type: 'idbfs', options: { commitInterval: 3_600_000 } } as const;

interface TabUnderTest {
  readonly tab: Tab;
  readonly kernel: Kernel;
  readonly sys: Syscalls;
}

const opened: Kernel[] = [];
let quota: FakeQuota | undefined;
afterEach(async () => {
  // A store that is gone can't be closed well.
  for (const kernel of opened.splice(0).reverse()) await runAsync(kernel.shutdown()).catch(() => 0);
  quota?.remove();
  quota = undefined;
});

async function openTab(
  site: Site,
  options: { readonly store?: Store; readonly clock?: FakeClock },
): Promise<TabUnderTest> {
  const tab = site.openTab();
  const kernel = await bootKernel(spec, { tabs: tab, ...options });
  opened.push(kernel);
  return { tab, kernel, sys: (await runAsync(kernel.createTask({}))).sys };
}

/** The tab that holds `store`, and another one. */
async function openTabs(
  store: Store,
  clock?: FakeClock,
  siteOptions: SiteOptions = {},
): Promise<{ holder: TabUnderTest; client: TabUnderTest }> {
  const site = new Site(siteOptions);
  const options = clock === undefined ? {} : { clock };
  const holder = await openTab(site, { store, ...options });
  return { holder, client: await openTab(site, { store, ...options }) };
}

function open({ sys }: TabUnderTest, path: string): Promise<number> {
  return runAsync(sys.openat(AT_FDCWD, path, O_RDWR | O_CREAT, 0o644));
}

function write(
  { sys }: TabUnderTest,
  fd: number,
  data: Uint8Array = new Uint8Array(1),
): Promise<number> {
  return runAsync(sys.pwrite(fd, data, 0));
}

function sync({ sys }: TabUnderTest, fd: number): Promise<void> {
  return runAsync(sys.fsync(fd));
}

function stateOf({ kernel }: TabUnderTest): Kernel['mounts'][number] {
  const [root] = kernel.mounts;
  if (root === undefined) throw new Error('nothing is mounted');
  return root;
}

/** Until what was posted by now has arrived, and been answered. */
const settle = (): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, 20);
  });

class FailingStore extends MemoryStore {
  isFailing = false;

  override *commit(batch: Batch, options: { readonly durability: Durability }): Op<void> {
    if (this.isFailing) throw linuxerr.EIO;
    yield* super.commit(batch, options);
  }

  override *log(batch: Batch): Op<boolean> {
    if (this.isFailing) throw linuxerr.EIO;
    return yield* super.log(batch);
  }
}

test('a medium that fails is EIO for fsync in every tab; then all is EROFS, and said', async () => {
  const store = new FailingStore();
  const { holder, client } = await openTabs(store);
  const [there, here] = [await open(holder, '/f'), await open(client, '/f')];
  await sync(client, here);
  await write(client, here);
  store.isFailing = true;
  await expect(sync(client, here)).rejects.toBe(linuxerr.EIO);
  await expect(write(client, here)).rejects.toBe(linuxerr.EROFS);
  await expect(open(client, '/g')).rejects.toBe(linuxerr.EROFS);
  const { commit, readOnly } = stateOf(client);
  expect([commit?.health, readOnly]).toEqual(['read-only', true]);
  expect(commit?.lastError).toBe(stateOf(holder).commit?.lastError);
  expect((await runAsync(client.sys.statfs('/'))).flags & ST_RDONLY).toBe(ST_RDONLY);
  store.isFailing = false;
  await runAsync(client.sys.sync());
  // Each description that was open then is told once, whichever tab it is of.
  await expect(sync(holder, there)).rejects.toBe(linuxerr.EIO);
  await sync(holder, there);
  await sync(client, here);
  expect(stateOf(client)).toMatchObject({
    readOnly: false,
    commit: { health: 'good', lastError: undefined, dirtyBytes: 0 },
  });
  await write(client, here);
});

test('a commit that fails by itself is told to tabs that ask nothing', async () => {
  const store = new FailingStore();
  const { holder, client } = await openTabs(store);
  const fd = await open(holder, '/f');
  await runAsync(holder.sys.sync());
  await settle();
  await write(holder, fd);
  store.isFailing = true;
  await expect(sync(holder, fd)).rejects.toBe(linuxerr.EIO);
  await settle();
  expect(stateOf(client).commit?.health).toBe('read-only');
});

test('a watch that has been set tells of what another tab does right then', async () => {
  const { holder, client } = await openTabs(new MemoryStore(), undefined, { delays: [1000] });
  const fd = await runAsync(client.sys.inotify_init1(IN_NONBLOCK));
  await runAsync(client.sys.inotify_add_watch(fd, '/', IN_CREATE));
  await runAsync(holder.sys.mkdirat(AT_FDCWD, '/made', 0o755, 0));
  await settle();
  // Linux: struct inotify_event.
  const event = new Uint8Array(32);
  await runAsync(client.sys.read(fd, event));
  expect(new DataView(event.buffer).getUint32(4, true)).toBe(IN_CREATE | IN_ISDIR);
  expect(new TextDecoder().decode(event.subarray(16, 21))).toBe('made\0');
});

test('a full medium is ENOSPC of the call in every tab; removing makes room', async () => {
  quota = new FakeQuota(12 * MIB);
  const store = await new Origin().open({ estimate: quota.estimate });
  const { holder, client } = await openTabs(store);
  const fd = await open(client, '/f');
  let count = 0;
  const fill = async (): Promise<void> => {
    for (;;) count += await runAsync(client.sys.write(fd, bytes(MIB, count)));
  };
  await expect(fill()).rejects.toBe(linuxerr.ENOSPC);
  expect(count).toBeGreaterThan(4 * MIB);
  await sync(client, fd);
  expect(stateOf(client).commit).toMatchObject({ health: 'full' });
  expect(stateOf(client).commit?.lastError).toBe(stateOf(holder).commit?.lastError);
  const [here, there] = await Promise.all([
    runAsync(client.sys.statfs('/')),
    runAsync(holder.sys.statfs('/')),
  ]);
  expect([here.bavail, here.blocks]).toEqual([there.bavail, there.blocks]);
  expect(here.bavail).toBe(0);
  await runAsync(client.sys.close(fd));
  await runAsync(client.sys.unlinkat(AT_FDCWD, '/f', 0));
  await runAsync(client.sys.sync());
  await write(client, await open(client, '/g'), bytes(MIB, 1));
  await runAsync(client.sys.sync());
  expect(stateOf(client).commit).toMatchObject({ health: 'good', lastError: undefined });
});

test('a store that is gone is EIO in every tab', async () => {
  const origin = new Origin();
  const { client } = await openTabs(await origin.open());
  const fd = await open(client, '/f');
  await sync(client, fd);
  await write(client, fd);
  origin.closeConnections();
  await settle();
  await expect(write(client, fd)).rejects.toBe(linuxerr.EIO);
  // Known with the answer, before any commit has failed.
  const { commit } = stateOf(client);
  expect(commit?.health).toBe('lost');
  expect(commit?.lastError).toContain('closed or deleted');
  await expect(sync(client, fd)).rejects.toBe(linuxerr.EIO);
});

test('the state of the mirror is told, and counted anew for whoever looks again', async () => {
  class MirroredStore extends MemoryStore {
    behindBytes = 0;

    get mirror(): Store['mirror'] {
      const { behindBytes } = this;
      const sides = { leader: 'OPFS', follower: 'IndexedDB' };
      return { ...sides, state: 'whole', behindBytes, copiedBytes: 0, reason: undefined };
    }
  }
  const store = new MirroredStore();
  const { client } = await openTabs(store);
  expect(stateOf(client).commit?.mirror).toMatchObject({ leader: 'OPFS', behindBytes: 0 });
  store.behindBytes = 4096;
  expect(stateOf(client).commit?.mirror).toMatchObject({ behindBytes: 0 });
  await settle();
  expect(stateOf(client).commit?.mirror).toMatchObject({ behindBytes: 4096 });
});

describe('a holder that is frozen', () => {
  async function withFrozen(): Promise<{
    readonly holder: TabUnderTest;
    readonly client: TabUnderTest;
    readonly clock: FakeClock;
    readonly writing: Promise<number>;
    readonly store: MemoryStore;
  }> {
    const clock = new FakeClock();
    const store = new MemoryStore();
    const tabs = await openTabs(store, clock);
    const fd = await open(tabs.client, '/f');
    await sync(tabs.client, fd);
    tabs.holder.tab.freeze();
    const writing = write(tabs.client, fd);
    await pass(clock, 6000);
    expect(stateOf(tabs.client).holder).toBe('other-tab');
    await pass(clock, 2000);
    expect(stateOf(tabs.client).holder).toBe('silent');
    expect(stateOf(tabs.client).commit?.lastError).toContain("doesn't answer");
    return { ...tabs, clock, writing, store };
  }

  async function pass(clock: FakeClock, ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 1000) {
      clock.advance(1000);
      await settle();
    }
  }

  test('is waited for, which is said', async () => {
    const { holder, client, writing } = await withFrozen();
    holder.tab.thaw();
    expect(await writing).toBe(1);
    expect(stateOf(client)).toMatchObject({
      holder: 'other-tab',
      commit: { lastError: undefined },
    });
  });

  test('is followed by another when it is closed', async () => {
    const { holder, client, writing, store } = await withFrozen();
    holder.tab.kill();
    // As after a crash: what was logged is there.
    store.restore(store.snapshot());
    holder.tab.thaw();
    expect(await writing).toBe(1);
    expect(stateOf(client).holder).toBe('this-tab');
  });

  test('is not one whose answer takes its time', async () => {
    const clock = new FakeClock();
    const { holder, client } = await openTabs(new MemoryStore(), clock);
    const [there, here] = [await open(holder, '/f'), await open(client, '/f')];
    await runAsync(holder.sys.flock(there, LOCK_EX));
    const locking = runAsync(client.sys.flock(here, LOCK_EX));
    // Nobody looks meanwhile, as that asks, too.
    await pass(clock, 20_000);
    expect(stateOf(client).holder).toBe('other-tab');
    await runAsync(holder.sys.flock(there, LOCK_UN));
    await locking;
  });
});
