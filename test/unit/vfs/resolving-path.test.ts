// Resolution of paths across symlinks and mounts, and what must stay beneath a directory.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  AT_FDCWD,
  AT_REMOVEDIR,
  AT_RESOLVE_BENEATH,
  AT_SYMLINK_NOFOLLOW,
  O_CREAT,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_PATH,
  O_RDONLY,
  O_WRONLY,
} from '../../../src/abi/fcntl.ts';
import { MAX_SYMLINK_TRAVERSALS, NAME_MAX, PATH_MAX } from '../../../src/abi/limits.ts';
import { S_IFDIR, S_IFLNK, S_IFMT } from '../../../src/abi/stat.ts';
import type { Op } from '../../../src/lib/op.ts';
import { MemoryStore } from '../../../src/store/memory-store.ts';
import { type Actor, fails, Scene } from '../../support/scene.ts';

let scene: Scene;
let t: Actor;

beforeEach(async () => {
  scene = await Scene.open();
  t = await scene.newActor();
});

afterEach(() => scene.close());

/** /l1 → /l2 → … → `target`. */
async function chain(length: number, target: string, path = '/l'): Promise<void> {
  for (let index = 1; index < length; index++) {
    await t.symlink(`${path}${index + 1}`, `${path}${index}`);
  }
  await t.symlink(target, `${path}${length}`);
}

describe('symlinks', () => {
  test(`${MAX_SYMLINK_TRAVERSALS} are followed, and not one more`, async () => {
    await t.createFile('/f', 'the end');
    await chain(MAX_SYMLINK_TRAVERSALS, '/f');
    expect(await t.readFile('/l1')).toBe('the end');
    await t.symlink('/l1', '/l0');
    await fails('ELOOP', t.stat('/l0'));
    await fails('ELOOP', t.open('/l0', O_CREAT | O_WRONLY));
  });

  test('the count goes on across mounts, and over all components', async () => {
    await scene.mount('/m', { type: 'tmpfs' });
    await t.mkdir('/d');
    await chain(20, '/m/k1');
    await chain(19, '/d', '/m/k');
    await t.symlink('/', '/d/s');
    await t.createFile('/d/f', 'x');
    expect(await t.readFile('/l1/f')).toBe('x');
    expect(await t.list('/l1/s')).toContain('d');
    await fails('ELOOP', t.stat('/l1/s/d/s'));
  });

  test('a loop is ELOOP, unless the last link is not to be followed', async () => {
    await t.symlink('b', '/a');
    await t.symlink('a', '/b');
    await fails('ELOOP', t.stat('/a'));
    await fails('ELOOP', t.stat('/a/x'));
    expect((await t.lstat('/a')).mode & S_IFMT).toBe(S_IFLNK);
    await fails('ELOOP', t.lstat('/a/'));
  });

  test('a slash at the end follows, and wants a directory', async () => {
    await t.mkdir('/d');
    await t.createFile('/f');
    await t.symlink('d', '/to-d');
    await t.symlink('f', '/to-f');
    await t.symlink('d/', '/to-d-slash');
    expect((await t.lstat('/to-d/')).mode & S_IFMT).toBe(S_IFDIR);
    expect((await t.lstat('/to-d-slash')).mode & S_IFMT).toBe(S_IFLNK);
    expect((await t.stat('/to-d-slash')).mode & S_IFMT).toBe(S_IFDIR);
    await fails('ENOTDIR', t.lstat('/to-f/'));
    await fails('ELOOP', t.open('/to-d', O_RDONLY | O_NOFOLLOW));
    await t.close(await t.open('/to-d/', O_RDONLY | O_NOFOLLOW));
  });

  test('".." after a link is that of where it leads to', async () => {
    await t.mkdir('/d');
    await t.mkdir('/d/sub');
    await t.createFile('/d/f', 'of d');
    await t.symlink('d/sub', '/s');
    expect(await t.readFile('/s/../f')).toBe('of d');
  });

  test('lead into mounts and out of them', async () => {
    await scene.mount('/m', { type: 'tmpfs' });
    await t.createFile('/m/inside', 'inside');
    await t.createFile('/outside', 'outside');
    await t.symlink('m/inside', '/in');
    await t.symlink('/outside', '/m/absolute');
    await t.symlink('../outside', '/m/relative');
    expect(await t.readFile('/in')).toBe('inside');
    expect(await t.readFile('/m/absolute')).toBe('outside');
    expect(await t.readFile('/m/relative')).toBe('outside');
    await t.symlink('m/new', '/to-new');
    await t.close(await t.open('/to-new', O_CREAT | O_WRONLY));
    expect(await t.list('/m')).toContain('new');
  });

  test('several parts of a path may be links, one within another', async () => {
    await t.mkdir('/a');
    await t.mkdir('/a/b');
    await t.createFile('/a/b/c', 'found');
    await t.symlink('a', '/x');
    await t.symlink('x/b', '/y');
    await t.symlink('y/./c', '/z');
    expect(await t.readFile('/z')).toBe('found');
    expect(await t.readFile('/x/../y//c')).toBe('found');
  });
});

describe('text', () => {
  test('a name or path that is too long is refused, by its bytes', async () => {
    const name = 'é'.repeat((NAME_MAX - 1) / 2);
    await t.mkdir(`/${name}`);
    await fails('ENAMETOOLONG', t.mkdir(`/${name}é`));
    await fails('ENAMETOOLONG', t.stat(`/${name}éé`));
    const path = `/${'./'.repeat(PATH_MAX / 2 - 2)}`;
    expect((await t.stat(`${path}.`)).mode & S_IFMT).toBe(S_IFDIR);
    await fails('ENAMETOOLONG', t.stat(`${path}../`));
  });

  test('is never empty, has no NUL, and is well-formed', async () => {
    await fails('ENOENT', t.stat(''));
    await fails('EINVAL', t.stat('/a\0b'));
    await fails('EILSEQ', t.mkdir('/\ud800'));
    await fails('EILSEQ', t.symlink('\udfff', '/s'));
  });
});

describe('beneath a directory', () => {
  let dir: number;

  beforeEach(async () => {
    await t.mkdir('/box');
    await t.mkdir('/box/sub');
    await t.createFile('/box/f', 'mine');
    await t.createFile('/secret', 'not yours');
    await scene.mount('/box/m', { type: 'tmpfs' });
    await t.createFile('/box/m/f', 'mounted');
    dir = await t.open('/box', O_RDONLY | O_DIRECTORY);
  });

  const stat = (path: string): Op<unknown> => t.sys.fstatat(dir, path, AT_RESOLVE_BENEATH);

  test.each(['f', 'sub/../f', './sub/.././f', 'm/../f', 'm/f', 'sub/../m/../m/f', '.'])(
    '%s is within',
    async (path) => {
      await scene.run(stat(path));
    },
  );

  test.each(['..', '../box/f', 'sub/../..', 'm/../..', 'm/../../box/f', '/box/f', '/'])(
    '%s leads out',
    async (path) => {
      await fails('ENOTCAPABLE', scene.run(stat(path)));
    },
  );

  test('links lead out as paths do', async () => {
    await t.symlink('f', '/box/ok');
    await t.symlink('../box/f', '/box/around');
    await t.symlink('/box/f', '/box/absolute');
    await t.symlink('around', '/box/chained');
    await t.symlink('../../secret', '/box/m/up');
    await t.symlink('../sub/../f', '/box/m/within');
    await scene.run(stat('ok'));
    await scene.run(stat('m/within'));
    for (const path of ['around', 'absolute', 'chained', 'm/up', 'absolute/', 'sub/../chained']) {
      await fails('ENOTCAPABLE', scene.run(stat(path)));
    }
    // A link that isn't followed is just a name.
    await scene.run(t.sys.fstatat(dir, 'absolute', AT_RESOLVE_BENEATH | AT_SYMLINK_NOFOLLOW));
  });

  test('no call gets out', async () => {
    const { sys } = t;
    const beneath = AT_RESOLVE_BENEATH;
    const now = { sec: 0, nsec: 0 };
    const calls: Op<unknown>[] = [
      sys.openat(dir, '../secret', O_RDONLY | beneath, 0),
      sys.openat(dir, '../new', O_CREAT | O_WRONLY | beneath, 0o644),
      sys.openat(dir, '..', O_PATH | beneath, 0),
      sys.fchmodat(dir, '../secret', 0, beneath),
      sys.fchownat(dir, '../secret', 1, 1, beneath),
      sys.utimensat(dir, '../secret', now, now, beneath),
      sys.faccessat(dir, '../secret', 0, beneath),
      sys.mkdirat(dir, '../new', 0o755, beneath),
      sys.symlinkat('x', dir, '../new', beneath),
      sys.readlinkat(dir, '../secret', beneath),
      sys.unlinkat(dir, '../secret', beneath),
      sys.unlinkat(dir, 'sub/../../box', AT_REMOVEDIR | beneath),
      sys.linkat(dir, '../secret', dir, 'new', beneath),
      sys.linkat(dir, 'f', dir, '../new', beneath),
      sys.renameat2(dir, '../secret', dir, 'new', beneath),
      sys.renameat2(dir, 'f', dir, '../new', beneath),
    ];
    for (const call of calls) await fails('ENOTCAPABLE', scene.run(call));
    expect(await t.list('/')).toEqual(['box', 'secret']);
  });

  test('a directory that is moved takes its bounds along', async () => {
    await t.rename('/box/sub', '/elsewhere');
    await fails('ENOTCAPABLE', scene.run(stat('../elsewhere')));
    const sub = await t.open('/elsewhere', O_RDONLY | O_DIRECTORY);
    await fails('ENOTCAPABLE', scene.run(t.sys.fstatat(sub, '..', AT_RESOLVE_BENEATH)));
  });

  test('a directory that is moved out while a path is walked in it does not lead out', async () => {
    const store = new MemoryStore({ yields: true });
    const prepared = await Scene.open({ type: 'idbfs' }, { store });
    const first = await prepared.newActor();
    for (const path of ['/box', '/box/sub', '/box/sub/x', '/secret']) await first.mkdir(path);
    await prepared.close();
    store.restore(store.snapshot());

    const cold = await Scene.open({ type: 'idbfs' }, { store });
    const actor = await cold.newActor();
    const box = await actor.open('/box', O_RDONLY | O_DIRECTORY);
    await actor.stat('/box/sub');
    // Waits for x to be read from the store; sub is elsewhere when it goes on.
    const walk = cold.run(actor.sys.fstatat(box, 'sub/x/../../secret', AT_RESOLVE_BENEATH));
    await actor.rename('/box/sub', '/out');
    await fails('ENOTCAPABLE', walk);
    await cold.close();
  });

  test('AT_FDCWD has bounds, too', async () => {
    const inside = await scene.newActor({ cwd: '/box' });
    await scene.run(inside.sys.fstatat(AT_FDCWD, 'f', AT_RESOLVE_BENEATH));
    await fails(
      'ENOTCAPABLE',
      scene.run(inside.sys.fstatat(AT_FDCWD, '../secret', AT_RESOLVE_BENEATH)),
    );
  });
});
