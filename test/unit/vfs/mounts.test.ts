// Mounts: what is seen where, what keeps a mount busy, and what its points are safe from.

import { afterEach, beforeEach, expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import { MNT_DETACH, O_CREAT, O_PATH, O_RDONLY, O_RDWR, O_WRONLY } from '../../../src/abi/fcntl.ts';
import { RENAME_EXCHANGE } from '../../../src/abi/fcntl.ts';
import { ST_NOATIME, ST_RDONLY } from '../../../src/abi/stat.ts';
import { Credentials } from '../../../src/auth/credentials.ts';
import { runAsync } from '../../../src/lib/op.ts';
import { MemoryStore } from '../../../src/store/memory-store.ts';
import { type Actor, fails, Scene } from '../../support/scene.ts';

let scene: Scene;
let t: Actor;

beforeEach(async () => {
  scene = await Scene.open();
  t = await scene.newActor();
});

afterEach(() => scene.close());

const readOnly = { options: { readOnly: true } } as const;

test('a mount covers what was there, and uncovers it when it goes', async () => {
  await t.mkdir('/m');
  await t.createFile('/m/below');
  await scene.mount('/m', { type: 'tmpfs' });
  expect(await t.list('/m')).toEqual([]);
  await t.createFile('/m/above');
  await scene.umount('/m');
  expect(await t.list('/m')).toEqual(['below']);
});

test('the mount point is made if it is missing, and its directories', async () => {
  await scene.mount('/x/y/z', { type: 'tmpfs' });
  expect(await t.list('/x/y')).toEqual(['z']);
});

test('stat of a mount point is that of the mounted root', async () => {
  await t.mkdir('/m');
  const before = await t.stat('/m');
  await scene.mount('/m', { type: 'tmpfs', options: { mode: 0o700 } });
  const after = await t.stat('/m');
  expect(after.dev).not.toBe(before.dev);
  expect(after.mode & 0o777).toBe(0o700);
});

test('".." leads out of a mount to the parent of its point', async () => {
  await t.mkdir('/d');
  await t.createFile('/d/f', 'found');
  await scene.mount('/d/m', { type: 'tmpfs' });
  await t.mkdir('/d/m/sub');
  expect(await t.readFile('/d/m/sub/../../f')).toBe('found');
  expect(await t.readFile('/d/m/../m/sub/../../f')).toBe('found');
});

test('".." stops at the root, whatever is mounted there', async () => {
  await t.createFile('/f', 'old root');
  await scene.mount('/', { type: 'tmpfs' });
  // The task keeps the root it was started with.
  expect(await t.readFile('/../../f')).toBe('old root');
  const later = await scene.newActor();
  await later.createFile('/f', 'new root');
  expect(await later.readFile('/../f')).toBe('new root');
});

test('mounts at one point are a stack', async () => {
  await scene.mount('/m', { type: 'tmpfs' });
  await t.createFile('/m/first');
  await scene.mount('/m', { type: 'tmpfs' });
  await t.createFile('/m/second');
  expect(await t.list('/m')).toEqual(['second']);
  expect(await t.list('/m/..')).toEqual(['m']);
  await scene.umount('/m');
  expect(await t.list('/m')).toEqual(['first']);
});

test('a bind mount shows the same files, and not what is mounted among them', async () => {
  await t.mkdir('/a');
  await t.mkdir('/a/inner');
  await t.createFile('/a/inner/covered');
  await scene.mount('/a/inner', { type: 'tmpfs' });
  await scene.mount('/b', { type: 'bind', source: '/a' });
  await t.createFile('/b/f', 'through b');
  expect(await t.readFile('/a/f')).toBe('through b');
  expect(await t.list('/b/inner')).toEqual(['covered']);
  expect((await t.stat('/a/f')).ino).toBe((await t.stat('/b/f')).ino);
});

test('a file can be bound over a file, and nothing else over it', async () => {
  await t.createFile('/a', 'bound');
  await t.createFile('/b', 'covered');
  await scene.mount('/b', { type: 'bind', source: '/a' });
  expect(await t.readFile('/b')).toBe('bound');
  await t.mkdir('/d');
  await fails('ENOTDIR', scene.mount('/d', { type: 'bind', source: '/a' }));
  await fails('ENOTDIR', scene.mount('/a', { type: 'tmpfs' }));
  await fails('ENOENT', scene.mount('/missing', { type: 'bind', source: '/a' }));
});

test('names in different mounts are on different devices, even of one filesystem', async () => {
  await t.mkdir('/a');
  await t.createFile('/a/f');
  await scene.mount('/b', { type: 'bind', source: '/a' });
  await scene.mount('/c', { type: 'tmpfs' });
  await fails('EXDEV', t.rename('/a/f', '/b/g'));
  await fails('EXDEV', t.link('/a/f', '/b/g'));
  await fails('EXDEV', t.rename('/a/f', '/c/f'));
  await fails('EXDEV', t.link('/b/f', '/a/g'));
});

test('a read-only mount of a filesystem that is writable elsewhere', async () => {
  await t.mkdir('/a');
  await t.createFile('/a/f', 'x');
  await scene.mount('/ro', { type: 'bind', source: '/a', ...readOnly });
  expect(await t.readFile('/ro/f')).toBe('x');
  await fails('EROFS', t.open('/ro/f', O_RDWR));
  await fails('EROFS', t.open('/ro/new', O_CREAT | O_WRONLY));
  await fails('EROFS', t.mkdir('/ro/d'));
  await fails('EROFS', t.unlink('/ro/f'));
  await fails('EROFS', t.rename('/ro/f', '/ro/g'));
  await fails('EROFS', t.chmod('/ro/f', 0o600));
  await fails('EROFS', t.truncate('/ro/f', 0));
  await fails('EROFS', t.symlink('x', '/ro/s'));
  await fails('EROFS', t.link('/ro/f', '/ro/g'));
  await fails('EROFS', t.access('/ro/f', 2));
  await t.chmod('/a/f', 0o600);
  expect((await t.statfs('/ro')).flags).toBe(ST_RDONLY);
  expect((await t.statfs('/a')).flags).toBe(0);
});

test('a remount to read-only is EBUSY while a file is open for writing', async () => {
  await scene.mount('/m', { type: 'tmpfs' });
  const fd = await t.open('/m/f', O_CREAT | O_WRONLY);
  const copy = await t.dup(fd);
  const reader = await t.open('/m/f', O_RDONLY);
  const remount = (options: { readOnly?: boolean; noatime?: boolean }): Promise<void> =>
    scene.run(scene.kernel.remount('/m', options));
  await fails('EBUSY', remount({ readOnly: true }));
  await t.close(fd);
  await fails('EBUSY', remount({ readOnly: true }));
  await t.close(copy);
  await remount({ readOnly: true });
  await fails('EROFS', t.unlink('/m/f'));
  expect(await t.read(reader, 10)).toHaveLength(0);
  await remount({ noatime: true });
  await t.unlink('/m/f');
  expect((await t.statfs('/m')).flags).toBe(ST_NOATIME);
  await t.mkdir('/m/d');
  await fails('EINVAL', scene.run(scene.kernel.remount('/m/d', {})));
});

test('umount is EBUSY while a file, a directory or only a place is open in it', async () => {
  await scene.mount('/m', { type: 'tmpfs' });
  await t.createFile('/m/f');
  for (const [path, flags] of [
    ['/m/f', O_RDONLY],
    ['/m', O_RDONLY],
    ['/m', O_PATH],
  ] as const) {
    const fd = await t.open(path, flags);
    await fails('EBUSY', scene.umount('/m'));
    await t.close(fd);
  }
  const fd = await t.open('/m/f', O_RDONLY);
  await t.unlink('/m/f');
  await fails('EBUSY', scene.umount('/m'));
  await t.close(fd);
  await scene.umount('/m');
});

test('umount is EBUSY while it is the working directory of a task', async () => {
  await scene.mount('/m/sub', { type: 'tmpfs' });
  const other = await scene.newActor({ cwd: '/m/sub' });
  await fails('EBUSY', scene.umount('/m/sub'));
  scene.kernel.endTask(other.task);
  await scene.umount('/m/sub');
});

test('umount is EBUSY while something is mounted in it', async () => {
  await scene.mount('/m', { type: 'tmpfs' });
  await scene.mount('/m/inner', { type: 'tmpfs' });
  await fails('EBUSY', scene.umount('/m'));
  await scene.umount('/m/inner');
  await scene.umount('/m');
});

test('umount is EBUSY while an operation waits in it', async () => {
  const store = new MemoryStore({ yields: true });
  await scene.close();
  scene = await Scene.open({ type: 'tmpfs' }, { store });
  t = await scene.newActor();
  await scene.mount('/m', { type: 'idbfs' });
  await t.mkdir('/m/d');
  await scene.umount('/m');
  // What is in memory needs no waiting: begin with nothing there.
  store.restore(store.snapshot());
  await scene.mount('/m', { type: 'idbfs' });
  const waiting = t.stat('/m/missing');
  await fails('EBUSY', scene.umount('/m'));
  await fails('ENOENT', waiting);
  await scene.umount('/m');
});

test('only the root of a mount can be unmounted, and not that of all', async () => {
  await scene.mount('/m', { type: 'tmpfs' });
  await t.mkdir('/m/d');
  await fails('EINVAL', scene.umount('/m/d'));
  await fails('EINVAL', scene.umount('/'));
  await fails('ENOENT', scene.umount('/missing'));
  await scene.umount('/m');
  await fails('EINVAL', scene.umount('/m'));
});

test('a mount point can be neither removed nor renamed nor replaced', async () => {
  await scene.mount('/m', { type: 'tmpfs' });
  await t.mkdir('/d');
  await fails('EBUSY', t.rmdir('/m'));
  await fails('EBUSY', t.rename('/m', '/n'));
  await fails('EBUSY', t.rename('/d', '/m'));
  await fails('EBUSY', t.rename2('/d', '/m', RENAME_EXCHANGE));
  await fails('EBUSY', t.rename2('/m', '/d', RENAME_EXCHANGE));
  await t.createFile('/f');
  await t.createFile('/g');
  await scene.mount('/f', { type: 'bind', source: '/g' });
  await fails('EBUSY', t.unlink('/f'));
  await fails('EBUSY', t.rename('/g', '/f'));
  await scene.umount('/m');
  await scene.umount('/f');
  await t.rename('/d', '/m');
  await t.unlink('/f');
});

test('what lies above a mount point can be renamed, and the mount goes along', async () => {
  await scene.mount('/a/m', { type: 'tmpfs' });
  await t.createFile('/a/m/f', 'here');
  await t.rename('/a', '/b');
  expect(await t.readFile('/b/m/f')).toBe('here');
  expect(scene.kernel.mounts.map(({ path }) => path)).toEqual(['/', '/b/m']);
  await scene.umount('/b/m');
});

test('a directory that is bound elsewhere can be removed here', async () => {
  await t.mkdir('/a');
  await scene.mount('/b', { type: 'bind', source: '/a' });
  await t.rmdir('/a');
  await fails('ENOENT', t.mkdir('/b/x'));
  expect((await t.stat('/b')).nlink).toBe(0);
  await scene.umount('/b');
});

test('mounting and unmounting are for root', async () => {
  const creds = new Credentials(1000, 1000);
  const { vfs } = scene.kernel;
  const { root } = vfs.namespace;
  const operation = { root, start: root, path: '/', followFinalSymlink: true };
  const { filesystem } = root.mount;
  const flags = { readOnly: false, noatime: false };
  const source = { filesystem, root: filesystem.root, source: '', flags };
  await fails('EPERM', scene.run(vfs.mount(creds, operation, source)));
  await fails('EPERM', scene.run(vfs.umount(creds, operation)));
  await fails('EPERM', scene.run(vfs.remount(creds, operation, flags)));
});

test('a filesystem is not mounted over its own root there', async () => {
  await scene.mount('/m', { type: 'tmpfs' });
  await fails('EBUSY', scene.mount('/m', { type: 'bind', source: '/m' }));
});

test('the last unmount of a filesystem commits it and gives up its store', async () => {
  const store = new MemoryStore();
  await scene.close();
  scene = await Scene.open({ type: 'tmpfs' }, { store });
  t = await scene.newActor();
  await scene.mount('/m', { type: 'idbfs', source: 's' });
  await scene.mount('/n', { type: 'bind', source: '/m' });
  await t.createFile('/m/f', 'kept');
  await fails('EBUSY', scene.mount('/o', { type: 'idbfs', source: 's' }));
  await scene.umount('/m');
  expect(await t.readFile('/n/f')).toBe('kept');
  await scene.umount('/n');
  await fails('EIO', scene.run(store.get('')));
  store.restore(store.snapshot());
  await scene.mount('/o', { type: 'idbfs', source: 's' });
  expect(await t.readFile('/o/f')).toBe('kept');
});

test('a filesystem detached in use, bound within itself, is released once', async () => {
  const store = new MemoryStore();
  await scene.close();
  scene = await Scene.open({ type: 'tmpfs' }, { store });
  t = await scene.newActor();
  await scene.mount('/m', { type: 'idbfs', source: 's' });
  await scene.mount('/m/again', { type: 'bind', source: '/m' });
  const fd = await t.open('/m/f', O_CREAT | O_RDWR);
  await runAsync(t.sys.umount2('/m', MNT_DETACH));
  await fails('EBUSY', scene.mount('/o', { type: 'idbfs', source: 's' }));
  await t.write(fd, 'kept');
  await t.fsync(fd);
  await t.close(fd);
  await fails('EIO', scene.run(store.get('')));
  store.restore(store.snapshot());
  await scene.mount('/o', { type: 'idbfs', source: 's' });
  expect(await t.readFile('/o/f')).toBe('kept');
});

test('a shutdown ends with what was detached in use, too', async () => {
  const store = new MemoryStore({ yields: true });
  const other = await Scene.open({ type: 'tmpfs' }, { store });
  const actor = await other.newActor();
  await other.mount('/m', { type: 'idbfs' });
  const fd = await actor.open('/m/f', O_CREAT | O_RDWR);
  await runAsync(actor.sys.umount2('/m', MNT_DETACH));
  await actor.write(fd, 'kept');
  await other.close();
  store.restore(store.snapshot());
  await scene.close();
  scene = await Scene.open({ type: 'tmpfs' }, { store });
  t = await scene.newActor();
  await scene.mount('/m', { type: 'idbfs' });
  expect(await t.readFile('/m/f')).toBe('kept');
});

test('what can not be mounted is given up again', async () => {
  const store = new MemoryStore();
  await scene.close();
  scene = await Scene.open({ type: 'tmpfs' }, { store });
  t = await scene.newActor();
  await t.createFile('/f');
  await fails('ENOTDIR', scene.mount('/f', { type: 'idbfs' }));
  await fails('EIO', scene.run(store.get('')));
  store.restore(store.snapshot());
  await scene.mount('/d', { type: 'idbfs' });
});

test('a shutdown ends tasks and unmounts everything, also when a filesystem fails', async () => {
  const store = new MemoryStore();
  const other = await Scene.open({ type: 'tmpfs' }, { store });
  const actor = await other.newActor();
  await other.mount('/m', { type: 'idbfs' });
  await other.mount('/m/inner', { type: 'tmpfs' });
  await actor.open('/m/f', O_CREAT | O_RDWR);
  store.failNextCommit(linuxerr.ENOSPC);
  await fails('ENOSPC', other.close());
  expect(other.kernel.mounts).toEqual([]);
  await fails('EIO', other.run(store.get('')));
});

test('the mount table has a row for each, parents first', async () => {
  await scene.mount('/m', { type: 'tmpfs', options: { readOnly: true } });
  await scene.mount('/dev', { type: 'devfs' });
  const rows = scene.kernel.mounts.map(({ path, type, source, readOnly: isReadOnly, commit }) => [
    path,
    type,
    source,
    isReadOnly,
    commit,
  ]);
  expect(rows).toEqual([
    ['/', 'tmpfs', 'tmpfs', false, undefined],
    ['/m', 'tmpfs', 'tmpfs', true, undefined],
    ['/dev', 'devfs', 'devfs', false, undefined],
  ]);
});
