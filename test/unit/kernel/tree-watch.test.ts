// TreeWatch: paths instead of watch descriptors, whatever happens to the tree meanwhile.

import { expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import { AT_FDCWD, AT_REMOVEDIR, O_CREAT, O_WRONLY } from '../../../src/abi/fcntl.ts';
import { Kernel } from '../../../src/kernel/kernel.ts';
import { type TreeEvent, TreeWatch } from '../../../src/kernel/tree-watch.ts';
import { FakeClock } from '../../../src/lib/clock.ts';
import { runAsync } from '../../../src/lib/op.ts';
import { MemoryStore } from '../../../src/store/memory-store.ts';
import type { Syscalls } from '../../../src/syscalls/table.ts';
import type { InotifyInstance } from '../../../src/vfs/inotify.ts';

interface Setup {
  readonly sys: Syscalls;
  watch(path: string, options?: { all?: boolean; recursive?: boolean }): Promise<TreeWatch>;
}

/** On idbfs over a store that always waits: what happens meanwhile happens. */
async function setUp(inotifyQueueMax?: number): Promise<Setup> {
  const platform = {
    clock: new FakeClock(),
    fillRandom: () => undefined,
    openStore: () => Promise.resolve(new MemoryStore({ yields: true })),
  };
  const kernel = await runAsync(Kernel.boot(platform, { type: 'idbfs' }, { inotifyQueueMax }));
  const { task, sys } = await runAsync(kernel.createTask({}));
  const find = (fd: number): InotifyInstance => task.fds.get(fd) as InotifyInstance;
  return {
    sys,
    watch: (path, { all = false, recursive = true } = {}) =>
      runAsync(TreeWatch.open(sys, find, path, { all, recursive })),
  };
}

const mkdir = (sys: Syscalls, path: string): Promise<void> =>
  runAsync(sys.mkdirat(AT_FDCWD, path, 0o755, 0));

const rename = (sys: Syscalls, from: string, to: string): Promise<void> =>
  runAsync(sys.renameat2(AT_FDCWD, from, AT_FDCWD, to, 0));

async function touch(sys: Syscalls, path: string): Promise<void> {
  await runAsync(sys.close(await runAsync(sys.openat(AT_FDCWD, path, O_WRONLY | O_CREAT, 0o644))));
}

/** Events up to the creation of `last`. */
async function eventsUntil(watch: TreeWatch, last: string): Promise<TreeEvent[]> {
  const all: TreeEvent[] = [];
  while (!all.some(({ type, path }) => type === 'create' && path === last)) {
    all.push(...(await runAsync(watch.next())));
  }
  return all;
}

const print = (events: readonly TreeEvent[]): string[] =>
  events.map(({ type, path }) => `${type} ${path}`);

test('what is made in a new directory is told of once', async () => {
  const { sys, watch } = await setUp();
  const tree = await watch('/');
  await mkdir(sys, '/a');
  await mkdir(sys, '/a/b');
  await touch(sys, '/a/b/c');
  await touch(sys, '/a/b/d');
  await touch(sys, '/end');
  const seen = print(await eventsUntil(tree, '/end'));
  expect(seen.toSorted()).toEqual([
    'create /a',
    'create /a/b',
    'create /a/b/c',
    'create /a/b/d',
    'create /end',
  ]);
});

test('a directory keeps being watched where it moves, and not when it leaves', async () => {
  const { sys, watch } = await setUp();
  for (const path of ['/tree', '/tree/a', '/tree/a/deep', '/tree/b', '/out']) {
    await mkdir(sys, path);
  }
  const tree = await watch('/tree');
  await rename(sys, '/tree/a', '/tree/b/moved');
  await touch(sys, '/tree/b/moved/deep/file');
  await touch(sys, '/tree/first');
  const first = await eventsUntil(tree, '/tree/first');
  await rename(sys, '/tree/b/moved', '/out/gone');
  await touch(sys, '/out/gone/deep/silent');
  await touch(sys, '/tree/end');
  const second = await eventsUntil(tree, '/tree/end');
  expect(print(first)).toEqual([
    'moved-from /tree/a',
    'moved-to /tree/b/moved',
    'create /tree/b/moved/deep/file',
    'create /tree/first',
  ]);
  expect(first[0]!.cookie).toBeGreaterThan(0);
  expect(first[0]!.cookie).toBe(first[1]!.cookie);
  expect(print(second)).toEqual(['moved-from /tree/b/moved', 'create /tree/end']);
});

test('lost events are told of, and the tree is watched all the same', async () => {
  const { sys, watch } = await setUp(3);
  const tree = await watch('/');
  // At once: the watch has no turn in between.
  await Promise.all(['/a', '/b', '/c', '/d', '/e'].map((path) => mkdir(sys, path)));
  const events: TreeEvent[] = [];
  while (!events.some(({ type }) => type === 'overflow')) {
    events.push(...(await runAsync(tree.next())));
  }
  await touch(sys, '/e/file');
  expect(print(await eventsUntil(tree, '/e/file'))).toContain('create /e/file');
});

test('one file, one directory; access only if it is asked for', async () => {
  const { sys, watch } = await setUp();
  await mkdir(sys, '/dir');
  await touch(sys, '/dir/file');
  const file = await watch('/dir/file', { all: true, recursive: false });
  const dir = await watch('/dir', { recursive: false });
  await touch(sys, '/dir/file');
  expect(print(await runAsync(file.next()))).toEqual(['open /dir/file', 'close /dir/file']);
  await runAsync(sys.unlinkat(AT_FDCWD, '/dir/file', 0));
  expect(print(await runAsync(file.next()))).toEqual(['attrib /dir/file', 'delete-self /dir/file']);
  expect(print(await runAsync(dir.next()))).toEqual(['delete /dir/file']);
  await runAsync(sys.unlinkat(AT_FDCWD, '/dir', AT_REMOVEDIR));
  expect(print(await runAsync(dir.next()))).toEqual(['delete-self /dir']);
});

test('closing ends whoever waits, and what is not there can not be watched', async () => {
  const { sys, watch } = await setUp();
  const tree = await watch('/');
  const waiting = runAsync(tree.next());
  await runAsync(tree.close());
  await runAsync(tree.close());
  expect(await waiting).toEqual([]);
  await expect(watch('/missing')).rejects.toBe(linuxerr.ENOENT);
  // The descriptor of the watch that failed is free again.
  expect(await runAsync(sys.inotify_init1(0))).toBe(0);
});

test('what a listing told of is told of again when something is moved over it', async () => {
  const { sys, watch } = await setUp();
  for (const path of ['/w', '/m', '/m/p']) await mkdir(sys, path);
  await touch(sys, '/m/p/f');
  const tree = await watch('/w');
  await rename(sys, '/m/p', '/w/p');
  await touch(sys, '/w/first');
  const first = print(await eventsUntil(tree, '/w/first'));
  expect(first.toSorted()).toEqual(['create /w/first', 'create /w/p/f', 'moved-to /w/p']);
  await touch(sys, '/m/g');
  await rename(sys, '/m/g', '/w/p/f');
  await touch(sys, '/w/second');
  const second = print(await eventsUntil(tree, '/w/second'));
  expect(second.toSorted()).toEqual(['create /w/second', 'moved-to /w/p/f']);
});

test('slashes at the end of the root say nothing', async () => {
  const { sys, watch } = await setUp();
  const tree = await watch('//');
  await mkdir(sys, '/a');
  expect(print(await eventsUntil(tree, '/a'))).toEqual(['create /a']);
});
