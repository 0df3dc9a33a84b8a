// Snapshots of a mounted filesystem: what they show, mounts beside each other, and rolling back
// beneath a kernel that goes on.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import { O_CREAT, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY } from '../../../src/abi/fcntl.ts';
import { IN_CREATE, IN_UNMOUNT } from '../../../src/abi/inotify.ts';
import { S_PERMISSIONS } from '../../../src/abi/stat.ts';
import { runAsync } from '../../../src/lib/op.ts';
import { MemoryDevice } from '../../../src/store/engine/memory-device.ts';
import type { SocketEndpoint } from '../../../src/vfs/socket.ts';
import { type Actor, fails, Scene } from '../../support/scene.ts';
import { checkImage, openEngine } from '../store/engine/support.ts';

let device: MemoryDevice;
let scene: Scene;
let t: Actor;

async function boot(): Promise<void> {
  const store = await openEngine(device);
  scene = await Scene.open({ type: 'idbfs' }, { store });
  t = await scene.newActor();
}

beforeEach(async () => {
  device = new MemoryDevice({ yields: true });
  await boot();
});

afterEach(async () => {
  await scene.close();
  await checkImage(device);
});

const take = (path: string, name: string, isWritable = false): Promise<void> =>
  runAsync(scene.kernel.snapshots.create(path, name, { isWritable }));
const rollback = (name: string, keepAs?: string | null): Promise<string | null> =>
  runAsync(scene.kernel.snapshots.rollback('/', name, { keepAs }));
const remove = (name: string): Promise<void> => runAsync(scene.kernel.snapshots.delete('/', name));
const list = async (): Promise<string[]> =>
  (await runAsync(scene.kernel.snapshots.list('/'))).map(({ name }) => name);
/** Writes a file, whether or not it is there. */
async function put(path: string, text: string): Promise<void> {
  const fd = await t.open(path, O_CREAT | O_TRUNC | O_WRONLY, 0o644);
  await t.write(fd, text);
  await t.close(fd);
}

const mountSnapshot = (path: string, snapshot: string): Promise<void> =>
  scene.mount(path, { type: 'idbfs', options: { snapshot } });

describe('a snapshot', () => {
  test('has all that was there, committed or not, and is mounted read-only', async () => {
    await put('/f', 'one');
    await take('/', 's');
    await put('/f', 'two');
    await put('/g', '');
    await mountSnapshot('/s', 's');
    expect(await t.list('/s')).toEqual(['f']);
    expect(await t.readFile('/s/f')).toBe('one');
    expect(await t.readFile('/f')).toBe('two');
    await fails('EROFS', put('/s/g', ''));
    await fails('EROFS', t.open('/s/f', O_RDWR));
    await runAsync(scene.kernel.remount('/s', { readOnly: false }));
    await fails('EROFS', put('/s/g', ''));
    expect(scene.kernel.mounts.find(({ path }) => path === '/s')).toMatchObject({
      snapshot: 's',
      readOnly: true,
    });
  });

  test('is read without changing it, times included', async () => {
    await put('/f', 'one');
    await take('/', 's');
    await mountSnapshot('/s', 's');
    scene.clock.advance(100_000_000);
    const before = (await t.stat('/s/f')).atime;
    await t.readFile('/s/f');
    expect((await t.stat('/s/f')).atime).toEqual(before);
  });

  test('outlives the kernel', async () => {
    await put('/f', 'one');
    await take('/', 's');
    await t.unlink('/f');
    await scene.close();
    device.restore(device.image);
    await boot();
    expect(await list()).toEqual(['s']);
    await mountSnapshot('/s', 's');
    expect(await t.readFile('/s/f')).toBe('one');
  });

  test('can hold a file that was open without a name, and be mounted', async () => {
    const fd = await t.open('/f', O_CREAT | O_RDWR, 0o600);
    await t.unlink('/f');
    await take('/', 's');
    await take('/', 'c', true);
    await t.close(fd);
    await mountSnapshot('/s', 's');
    await mountSnapshot('/c', 'c');
    expect(await t.list('/s')).toEqual([]);
    expect(await rollback('s', null)).toBeNull();
    expect(await t.list('/')).toEqual(['c', 's']);
  });

  test('cannot be deleted while it is mounted', async () => {
    await take('/', 's');
    await mountSnapshot('/s', 's');
    await fails('EBUSY', remove('s'));
    await fails('EBUSY', mountSnapshot('/t', 's'));
    await scene.umount('/s');
    await remove('s');
    expect(await list()).toEqual([]);
    await fails('ENOENT', mountSnapshot('/s', 's'));
    await fails('ENOENT', remove('s'));
  });

  test('has a name like a file', async () => {
    for (const name of ['', '.', '..', 'a/b', 'a\0']) await fails('EINVAL', take('/', name));
    await fails('ENAMETOOLONG', take('/', 'x'.repeat(256)));
    await take('/', 'x'.repeat(255));
    await fails('EEXIST', take('/', 'x'.repeat(255)));
  });

  test('there are none of other filesystems, and none on a read-only mount', async () => {
    await scene.mount('/tmp', { type: 'tmpfs' });
    await fails('EOPNOTSUPP', take('/tmp', 's'));
    await runAsync(scene.kernel.remount('/', { readOnly: true }));
    await fails('EROFS', take('/', 's'));
    expect(await list()).toEqual([]);
  });

  test('there are none in a store that can have none', async () => {
    const other = await Scene.open({ type: 'idbfs' });
    const made = runAsync(other.kernel.snapshots.create('/', 's', { isWritable: false }));
    await fails('EOPNOTSUPP', made);
    const mounted = other.mount('/s', { type: 'idbfs', source: 'x', options: { snapshot: 's' } });
    await fails('EOPNOTSUPP', mounted);
    await other.close();
  });

  test('is mounted by a program with subvol=, as a btrfs', async () => {
    await put('/f', 'one');
    await take('/', 'a=b');
    await t.mkdir('/s');
    await runAsync(t.sys.mount('default', '/s', 'idbfs', 0, 'subvol=a=b'));
    expect(await t.readFile('/s/f')).toBe('one');
    await fails('EINVAL', runAsync(t.sys.mount('default', '/s', 'idbfs', 0, 'size=1')));
  });
});

describe('a clone', () => {
  test('changes on its own, and can be what a snapshot is taken of', async () => {
    await put('/f', 'one');
    await take('/', 'c', true);
    await mountSnapshot('/c', 'c');
    await put('/c/f', 'clone');
    await take('/c', 's');
    await put('/c/f', 'changed');
    await mountSnapshot('/s', 's');
    const texts = await Promise.all(['/f', '/c/f', '/s/f'].map((path) => t.readFile(path)));
    expect(texts).toEqual(['one', 'changed', 'clone']);
    await take('/s', 'again', true);
    await mountSnapshot('/again', 'again');
    await put('/again/g', '');
    expect(await t.list('/again')).toEqual(['f', 'g']);
  });

  test('the store stays open until the last of its mounts goes', async () => {
    const own = new MemoryDevice({ yields: true });
    const other = await Scene.open({ type: 'tmpfs' }, { store: await openEngine(own) });
    const actor = await other.newActor();
    await other.mount('/m', { type: 'idbfs' });
    await runAsync(other.kernel.snapshots.create('/m', 'c', { isWritable: true }));
    await other.mount('/c', { type: 'idbfs', options: { snapshot: 'c' } });
    await other.umount('/m');
    await actor.createFile('/c/f', 'text');
    await other.mount('/m', { type: 'idbfs' });
    expect(await actor.list('/m')).toEqual([]);
    await other.umount('/m');
    expect(own.isOpen).toBe(true);
    await other.umount('/c');
    expect(own.isOpen).toBe(false);
    await other.close();
  });
});

describe('rolling back "/"', () => {
  beforeEach(async () => {
    await scene.mount('/tmp', { type: 'tmpfs' });
    await t.mkdir('/d');
    await put('/d/f', 'one');
    await take('/', 's');
    await put('/d/f', 'two');
    await put('/g', '');
  });

  test('brings back what was, and keeps what is', async () => {
    scene.clock.advance(1000);
    const before = await rollback('s');
    expect(before).toMatch(/^before-rollback-\d{4}-\d\d-\d\dT/);
    expect(await t.readFile('/d/f')).toBe('one');
    expect(await t.list('/')).toEqual(['d', 'tmp']);
    await mountSnapshot('/before', before ?? '');
    expect(await t.readFile('/before/d/f')).toBe('two');
    const [again, once] = [await rollback('s'), await rollback('s')];
    expect(new Set([before, again, once]).size).toBe(3);
  });

  test('goes on from there: new files get numbers of their own, and stay', async () => {
    await rollback('s', 'before');
    for (let i = 0; i < 20; i++) await put(`/d/n${i}`, `${i}`);
    await put('/d/f', 'three');
    await scene.close();
    device.restore(device.image);
    await boot();
    expect(await t.readFile('/d/f')).toBe('three');
    expect(await t.readFile('/d/n19')).toBe('19');
    const inos = await Promise.all(
      (await t.list('/d')).map(async (n) => (await t.stat(`/d/${n}`)).ino),
    );
    expect(new Set(inos).size).toBe(21);
    await mountSnapshot('/s', 's');
    expect(await t.readFile('/s/d/f')).toBe('one');
  });

  test('as many new files as there were since get numbers that stay theirs', async () => {
    await runAsync(t.sys.sync());
    await rollback('s', null);
    // As '/g' was.
    await put('/new', '');
    await scene.close();
    device.restore(device.image);
    await boot();
    await put('/newer', '');
    expect((await t.stat('/newer')).ino).not.toBe((await t.stat('/new')).ino);
  });

  test('what is mounted within stays, and missing mount points are made', async () => {
    await put('/tmp/t', 'temporary');
    await scene.mount('/new/place', { type: 'tmpfs' });
    await put('/new/place/x', 'x');
    await scene.mount('/new/place/deeper', { type: 'tmpfs' });
    await rollback('s', null);
    expect(await t.readFile('/tmp/t')).toBe('temporary');
    expect(await t.readFile('/new/place/x')).toBe('x');
    expect(await t.list('/')).toEqual(['d', 'new', 'tmp']);
    expect(await t.list('/tmp/..')).toEqual(['d', 'new', 'tmp']);
    await scene.umount('/new/place/deeper');
    await scene.umount('/new/place');
    expect(await t.list('/new')).toEqual(['place']);
  });

  test('attributes of the root are those of the snapshot', async () => {
    await t.chmod('/', 0o700);
    await rollback('s', null);
    expect((await t.stat('/')).mode & S_PERMISSIONS).toBe(0o755);
  });

  test('EBUSY, and nothing changes, while something is in use', async () => {
    const busy = async (): Promise<void> => {
      await fails('EBUSY', rollback('s', null));
      expect(await t.readFile('/d/f')).toBe('two');
    };
    const fd = await t.open('/d/f', O_RDONLY, 0);
    await busy();
    await t.close(fd);
    await t.chdir('/d');
    await busy();
    await t.chdir('/');
    await scene.mount('/bound', { type: 'bind', source: '/d' });
    await busy();
    await scene.umount('/bound');
    await take('/', 'c', true);
    await mountSnapshot('/c', 'c');
    await fails('EBUSY', runAsync(scene.kernel.snapshots.rollback('/', 'c', { keepAs: null })));
    await scene.umount('/c');
    let close = (): void => undefined;
    const endpoint: SocketEndpoint = {
      bound: (unbind) => {
        close = unbind;
      },
      connect: () => {
        throw linuxerr.ECONNREFUSED;
      },
    };
    await runAsync(scene.kernel.bind('/socket', { mode: 0o600, endpoint }));
    await busy();
    close();
    await rollback('s', null);
    expect(await t.readFile('/d/f')).toBe('one');
  });

  test('EBUSY if something is mounted where the snapshot has a file', async () => {
    await t.unlink('/g');
    await put('/g', '');
    await take('/', 'file');
    await t.unlink('/g');
    await scene.mount('/g', { type: 'tmpfs' });
    await fails('EBUSY', runAsync(scene.kernel.snapshots.rollback('/', 'file', { keepAs: null })));
    await scene.umount('/g');
    await scene.mount('/g/h', { type: 'tmpfs' });
    await fails('EBUSY', runAsync(scene.kernel.snapshots.rollback('/', 'file', { keepAs: null })));
  });

  test('EINVAL on a snapshot, ENOENT for none, EEXIST for a name that is taken', async () => {
    await mountSnapshot('/s', 's');
    await fails('EINVAL', runAsync(scene.kernel.snapshots.rollback('/s', 's', { keepAs: null })));
    await fails('ENOENT', rollback('nothing'));
    await fails('EEXIST', rollback('s', 's'));
    await fails('EINVAL', rollback('s', 'a/b'));
    expect(await t.readFile('/d/f')).toBe('two');
  });

  test('a failed commit leaves everything as it is', async () => {
    await runAsync(t.sys.sync());
    device.failNextCommit(linuxerr.ENOSPC);
    await fails('ENOSPC', rollback('s'));
    expect(await t.readFile('/d/f')).toBe('two');
    expect(await list()).toEqual(['s']);
    await put('/d/f', 'three');
    await rollback('s');
    expect(await t.readFile('/d/f')).toBe('one');
  });

  test('whoever comes meanwhile waits, and finds the new tree', async () => {
    const done = rollback('s', null);
    const read = t.readFile('/d/f');
    const made = put('/h', 'made');
    await done;
    expect(await read).toBe('one');
    await made;
    expect(await t.list('/')).toEqual(['d', 'h', 'tmp']);
  });

  test('watches end as if it had been unmounted', async () => {
    const fd = await runAsync(t.sys.inotify_init1(0));
    await runAsync(t.sys.inotify_add_watch(fd, '/d', IN_CREATE));
    await rollback('s', null);
    const event = new Uint8Array(64);
    await runAsync(t.sys.read(fd, event));
    expect(new DataView(event.buffer).getUint32(4, true)).toBe(IN_UNMOUNT);
    await put('/d/new', '');
  });
});
