// kernel.fs on the kernel's side: what is done with whole files and whole trees. As Node does it,
// where nothing else is said.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { O_CREAT, O_EXCL, O_RDONLY, O_TRUNC, O_WRONLY } from '../../../src/abi/fcntl.ts';
import { DT_DIR, DT_LNK, DT_REG } from '../../../src/abi/stat.ts';
import { type CopyOptions, FileService } from '../../../src/kernel/file-service.ts';
import { type Op, runAsync } from '../../../src/lib/op.ts';
import { decodeUtf8, encodeUtf8 } from '../../../src/lib/text.ts';
import { type Actor, fails, Scene } from '../../support/scene.ts';

let scene: Scene;
let t: Actor;
let fs: FileService;
let random: number[];

beforeEach(async () => {
  scene = await Scene.open();
  t = await scene.newActor();
  random = [];
  fs = new FileService(t.sys, () => random.shift() ?? 0);
});

afterEach(async () => {
  // Nothing it did left a descriptor behind.
  expect(t.task.fds.open).toEqual([]);
  await scene.close();
});

const run = <T>(op: Op<T>): Promise<T> => runAsync(op);

const write = (path: string, text: string): Promise<void> =>
  run(
    fs.writeFile(path, encodeUtf8(text), {
      flags: O_WRONLY | O_CREAT | O_TRUNC,
      mode: 0o666,
      flush: false,
    }),
  );
const read = async (path: string): Promise<string> =>
  decodeUtf8(await run(fs.readFile(path, O_RDONLY)));
const mkdirs = (path: string): Promise<string | undefined> =>
  run(fs.mkdir(path, { recursive: true, mode: 0o777 }));
const cp = (from: string, to: string, options: Partial<CopyOptions> = {}): Promise<void> =>
  run(
    fs.cp(from, to, {
      recursive: false,
      force: true,
      errorOnExist: false,
      preserveTimestamps: false,
      dereference: false,
      ...options,
    }),
  );

describe('files', () => {
  test('are read whole, also when their size is not known', async () => {
    await write('/f', 'x'.repeat(3_000_000));
    expect((await read('/f')).length).toBe(3_000_000);
    await scene.mount('/dev', { type: 'devfs' });
    expect(await read('/dev/null')).toBe('');
    await fails('EISDIR', read('/'));
    await fails('ENOENT', read('/missing'));
  });

  test('are written whole, cut first, appended to, or only made', async () => {
    await write('/f', 'a longer text');
    await write('/f', 'short');
    expect(await read('/f')).toBe('short');
    const how = { flags: O_WRONLY | O_CREAT | O_EXCL, mode: 0o600, flush: true };
    await fails('EEXIST', run(fs.writeFile('/f', encodeUtf8('x'), how)));
    await run(fs.writeFile('/g', encodeUtf8(''), how));
    expect((await run(fs.stat('/g'))).mode & 0o777).toBe(0o600);
  });

  test('a handle reads and writes at its offset or at a place', async () => {
    await write('/f', '0123456789');
    const fd = await run(fs.open('/f', 2, 0));
    expect(decodeUtf8(await run(fs.read(fd, new ArrayBuffer(3), 3, null)))).toBe('012');
    expect(decodeUtf8(await run(fs.read(fd, new ArrayBuffer(8), 3, 7)))).toBe('789');
    expect(await run(fs.write(fd, encodeUtf8('ab'), null))).toBe(2);
    expect(await run(fs.write(fd, encodeUtf8('yz'), 8))).toBe(2);
    expect(decodeUtf8(await run(fs.readRest(fd)))).toBe('567yz');
    await run(fs.close(fd));
    expect(await read('/f')).toBe('012ab567yz');
  });
});

describe('mkdir', () => {
  test('recursive tells the first directory it made', async () => {
    expect(await mkdirs('/a/b/c')).toBe('/a');
    expect(await mkdirs('/a/b/d/e/')).toBe('/a/b/d');
    expect(await mkdirs('/a/b/c')).toBeUndefined();
    expect(await mkdirs('relative//dir')).toBe('./relative');
  });

  test('recursive fails where a file is in the way', async () => {
    await write('/f', '');
    await fails('EEXIST', mkdirs('/f'));
    await fails('ENOTDIR', mkdirs('/f/g'));
    await fails('ENOENT', mkdirs(''));
  });

  test('not recursive makes one', async () => {
    const how = { recursive: false, mode: 0o700 };
    expect(await run(fs.mkdir('/d', how))).toBeUndefined();
    await fails('EEXIST', run(fs.mkdir('/d', how)));
    await fails('ENOENT', run(fs.mkdir('/x/y', how)));
    expect((await run(fs.stat('/d'))).mode & 0o777).toBe(0o700);
  });

  test('mkdtemp tries until a name is free', async () => {
    random = [0, 0, 0.5];
    expect(await run(fs.mkdtemp('/t-'))).toBe('/t-000000');
    const second = await run(fs.mkdtemp('/t-'));
    expect(second).toMatch(/^\/t-[0-9a-z]{6}$/);
    expect(second).not.toBe('/t-000000');
    expect((await run(fs.stat(second))).mode & 0o777).toBe(0o700);
    await fails('ENOENT', run(fs.mkdtemp('/missing/t-')));
  });
});

describe('readdir', () => {
  test('lists names and types; recursive goes into directories, not through links', async () => {
    await mkdirs('/d/sub/deep');
    await write('/d/sub/f', '');
    await t.symlink('sub', '/d/link');
    expect(await run(fs.readdir('/d', { recursive: false }))).toEqual([
      { name: 'sub', type: DT_DIR, parentPath: '/d' },
      { name: 'link', type: DT_LNK, parentPath: '/d' },
    ]);
    expect(await run(fs.readdir('/d/', { recursive: true }))).toEqual([
      { name: 'sub', type: DT_DIR, parentPath: '/d/' },
      { name: 'deep', type: DT_DIR, parentPath: '/d/sub' },
      { name: 'f', type: DT_REG, parentPath: '/d/sub' },
      { name: 'link', type: DT_LNK, parentPath: '/d/' },
    ]);
    await fails('ENOTDIR', run(fs.readdir('/d/sub/f', { recursive: false })));
  });

  test('of thousands is complete', async () => {
    await mkdirs('/d');
    for (let index = 0; index < 3000; index++) await write(`/d/file-${index}`, '');
    const names = await run(fs.readdir('/d', { recursive: false }));
    expect(new Set(names.map(({ name }) => name)).size).toBe(3000);
  });
});

describe('rm', () => {
  const rm = (path: string, options: { recursive?: boolean; force?: boolean } = {}) =>
    run(fs.rm(path, { recursive: false, force: false, ...options }));

  test('removes a file or a link, and a tree only if recursive', async () => {
    await mkdirs('/d/sub');
    await write('/d/sub/f', '');
    await write('/kept', '');
    await t.symlink('/kept', '/d/link');
    await t.symlink('/d/sub', '/to-sub');
    await fails('EISDIR', rm('/d'));
    await rm('/to-sub', { recursive: true });
    await rm('/d', { recursive: true });
    expect(await t.list('/')).toEqual(['kept']);
    await rm('/kept');
    await fails('ENOENT', rm('/kept'));
  });

  test('force is for what does not exist, and nothing else', async () => {
    await rm('/missing', { force: true });
    await rm('/missing/deep', { force: true, recursive: true });
    await write('/f', '');
    await fails('ENOTDIR', rm('/f/x', { force: true }));
    await mkdirs('/d');
    await fails('EISDIR', rm('/d', { force: true }));
    await scene.mount('/d/m', { type: 'tmpfs' });
    await fails('EBUSY', rm('/d', { force: true, recursive: true }));
    await scene.umount('/d/m');
  });
});

describe('realpath', () => {
  test('has neither links nor dots', async () => {
    await mkdirs('/a/b');
    await write('/a/b/f', '');
    await t.symlink('a', '/x');
    await t.symlink('/x/b/../b', '/a/y');
    expect(await run(fs.realpath('/x/y/./f'))).toBe('/a/b/f');
    expect(await run(fs.realpath('/x/y/../..'))).toBe('/');
    expect(await run(fs.realpath('x/b//'))).toBe('/a/b');
    await fails('ENOENT', run(fs.realpath('/x/missing')));
    await fails('ENOTDIR', run(fs.realpath('/a/b/f/..')));
    await t.symlink('loop', '/loop');
    await fails('ELOOP', run(fs.realpath('/loop')));
  });
});

describe('copyFile', () => {
  const copy = (from: string, to: string, isExclusive = false): Promise<void> =>
    run(fs.copyFile(from, to, { isExclusive }));

  test('copies data and permissions over what is there', async () => {
    await write('/a', 'data'.repeat(500_000));
    await t.chmod('/a', 0o751);
    await write('/b', 'longer than it will be');
    await copy('/a', '/b');
    expect(await read('/b')).toBe('data'.repeat(500_000));
    expect((await t.stat('/b')).mode & 0o777).toBe(0o751);
  });

  test('onto itself changes nothing, under whatever name', async () => {
    await write('/a', 'data');
    await t.link('/a', '/hard');
    await t.symlink('a', '/soft');
    for (const path of ['/a', '/hard', '/soft']) await copy('/a', path);
    expect(await read('/a')).toBe('data');
  });

  test('exclusive wants a new file', async () => {
    await write('/a', 'data');
    await fails('EEXIST', copy('/a', '/a', true));
    await copy('/a', '/b', true);
    expect(await read('/b')).toBe('data');
  });

  test('is for files', async () => {
    await mkdirs('/d');
    await write('/a', 'data');
    await fails('EISDIR', copy('/d', '/e'));
    await fails('EISDIR', copy('/a', '/d'));
    await fails('ENOENT', copy('/missing', '/b'));
    await fails('ENOENT', copy('/a', '/missing/b'));
    expect(await t.exists('/e')).toBe(false);
  });
});

describe('cp', () => {
  beforeEach(async () => {
    await mkdirs('/d/sub');
    await write('/d/f', 'of d');
    await write('/d/sub/g', 'of sub');
    await t.symlink('f', '/d/link');
  });

  test('copies a tree with its modes, and links as links', async () => {
    await t.chmod('/d/sub', 0o555);
    await t.chmod('/d/f', 0o600);
    await cp('/d', '/e', { recursive: true });
    expect(await read('/e/sub/g')).toBe('of sub');
    expect(await t.readlink('/e/link')).toBe('f');
    expect((await t.stat('/e/sub')).mode & 0o777).toBe(0o555);
    expect((await t.stat('/e/f')).mode & 0o777).toBe(0o600);
    await fails('EISDIR', cp('/d', '/x'));
  });

  test('dereference copies what links point to', async () => {
    await cp('/d', '/e', { recursive: true, dereference: true });
    expect(await t.readFile('/e/link')).toBe('of d');
    await fails('EINVAL', t.readlink('/e/link'));
  });

  test('merges into a directory that is there, and makes those that lead to it', async () => {
    await mkdirs('/e/sub');
    await write('/e/f', 'old');
    await write('/e/own', 'stays');
    await cp('/d', '/e', { recursive: true });
    expect([await read('/e/f'), await read('/e/own')]).toEqual(['of d', 'stays']);
    await cp('/d/f', '/new/dirs/copy');
    expect(await read('/new/dirs/copy')).toBe('of d');
  });

  test('without force it leaves what is there, or says so', async () => {
    await write('/e', 'old');
    await cp('/d/f', '/e', { force: false });
    expect(await read('/e')).toBe('old');
    await fails('EEXIST', cp('/d/f', '/e', { force: false, errorOnExist: true }));
    await cp('/d/f', '/e', { errorOnExist: true });
    expect(await read('/e')).toBe('of d');
  });

  test('a link that is in the way is replaced, not written through', async () => {
    await write('/target', 'untouched');
    await t.symlink('target', '/e');
    await cp('/d/f', '/e');
    expect(await read('/target')).toBe('untouched');
    expect(await read('/e')).toBe('of d');
    // A file is not replaced by a link, as in Node.
    await fails('EEXIST', cp('/d/link', '/e'));
  });

  test('preserves times when asked', async () => {
    const time = { sec: 1234, nsec: 567_000_000 };
    await t.utimens('/d/f', time, time);
    await t.utimens('/d/sub', time, time);
    await cp('/d', '/e', { recursive: true, preserveTimestamps: true });
    expect((await t.stat('/e/f')).mtime).toEqual(time);
    expect((await t.stat('/e/sub')).mtime).toEqual(time);
    await cp('/d/f', '/new');
    expect((await t.stat('/new')).mtime).not.toEqual(time);
  });

  test('onto or into itself is EINVAL, and leaves nothing behind', async () => {
    await t.symlink('/d/sub', '/to-sub');
    for (const to of ['/d', '/d/x', '/d/x/y', '/d/sub', '/d/sub/../z', '/to-sub/n', '/d/']) {
      await fails('EINVAL', cp('/d', to, { recursive: true }));
    }
    await fails('EINVAL', cp('/d/f', '/d/f'));
    await fails('EINVAL', cp('/', '/copy', { recursive: true }));
    expect(await t.list('/d')).toEqual(['f', 'link', 'sub']);
    await cp('/d', '/dd', { recursive: true });
  });

  test('a directory does not replace a file, nor a file a directory', async () => {
    await write('/e', 'file');
    await fails('EEXIST', cp('/d', '/e', { recursive: true }));
    await fails('EISDIR', cp('/e', '/d'));
    await fails('ENOENT', cp('/missing', '/x'));
  });
});
