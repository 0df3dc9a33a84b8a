// Making, linking, renaming and removing names of the host.

import { Buffer } from 'node:buffer';
import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
  RENAME_EXCHANGE,
  RENAME_NOREPLACE,
  RENAME_WHITEOUT,
} from '../../../src/abi/fcntl.ts';
import { S_IFCHR, S_IFIFO, S_IFREG, S_ISGID, S_PERMISSIONS } from '../../../src/abi/stat.ts';
import type { HostFile } from '../../../src/fsgofer/host-file.ts';
import { loadKoffiCalls } from '../../../src/fsgofer/koffi-calls.ts';
import { asOrdinaryUser, failureOf, isRoot, koffiCalls, useTree, WAYS } from './support.ts';

const permissionsOf = (path: string): number => lstatSync(path).mode & S_PERMISSIONS;

/** Who a gofer may give files to: anybody if it is root's. */
const otherId = isRoot ? 1234 : process.getuid!();

describe.each(WAYS)('$name', (way) => {
  const tree = useTree();

  test('create opens what it makes, also what its permissions forbid to open', async () => {
    chmodSync(tree().path, 0o755);
    chmodSync(tree().root, 0o777);
    await asOrdinaryUser(async () => {
      const root = await tree().open(way);
      const made = await root.create('file', { mode: 0o444, flags: O_RDWR | O_TRUNC });
      tree().keep(made.file);
      expect(made.stat.mode).toBe(S_IFREG | 0o444);
      expect(await made.open.write(new TextEncoder().encode('hello'), 0)).toBe(5);
      expect(await made.open.read(new Uint8Array(10), 1)).toBe(4);
      await made.open.truncate(2);
      await made.open.close();
      expect((await made.file.stat()).size).toBe(2);
    });
    expect(readFileSync(tree().in('file'), 'utf8')).toBe('he');
  });

  test('create is exclusive, and follows nothing', async () => {
    writeFileSync(tree().in('file'), 'old');
    symlinkSync(tree().at('outside', 'new'), tree().in('link'));
    const root = await tree().open(way);
    for (const name of ['file', 'link']) {
      const options = { mode: 0o600, flags: O_RDWR | O_TRUNC };
      expect(await failureOf(root.create(name, options))).toBe('EEXIST');
      expect(await failureOf(root.mkdir(name, { mode: 0o700 }))).toBe('EEXIST');
      expect(await failureOf(root.symlink(name, { target: 'x' }))).toBe('EEXIST');
    }
    expect(readdirSync(tree().outside)).toEqual([]);
    expect(readFileSync(tree().in('file'), 'utf8')).toBe('old');
  });

  test('what is made has owner and permissions as asked for, whatever the umask', async () => {
    const root = await tree().open(way);
    const owner = { uid: otherId, gid: otherId };
    const umask = process.umask(0o077);
    try {
      const file = await root.create('file', { mode: 0o4766, flags: O_WRONLY, ...owner });
      await file.open.close();
      const directory = await root.mkdir('directory', { mode: 0o1777, ...owner });
      const link = await root.symlink('link', { target: 'x', ...owner });
      const node = await root.mknod('node', {
        mode: S_IFREG | 0o666,
        rdevMajor: 0,
        rdevMinor: 0,
        ...owner,
      });
      for (const { file: made, stat } of [file, directory, link, node]) {
        expect([stat.uid, stat.gid]).toEqual([otherId, otherId]);
        expect(await tree().keep(made).stat()).toEqual(stat);
      }
    } finally {
      process.umask(umask);
    }
    expect(permissionsOf(tree().in('file'))).toBe(0o4766);
    expect(permissionsOf(tree().in('directory'))).toBe(0o1777);
    expect(permissionsOf(tree().in('node'))).toBe(0o666);
    expect(lstatSync(tree().in('link')).uid).toBe(otherId);
  });

  test('a directory inherits the set-group-ID bit', async () => {
    mkdirSync(tree().in('parent'));
    chmodSync(tree().in('parent'), 0o2777);
    const root = await tree().open(way);
    const parent = await tree().walkDirectory(root, 'parent');
    const { file, stat } = await parent.mkdir('child', { mode: 0o750 });
    tree().keep(file);
    expect(stat.mode & S_PERMISSIONS).toBe(S_ISGID | 0o750);
  });

  test('what can not be given away is not made', async () => {
    chmodSync(tree().path, 0o755);
    chmodSync(tree().root, 0o777);
    await asOrdinaryUser(async () => {
      const root = await tree().open(way);
      const owner = { uid: 0, gid: 0 };
      const created = root.create('file', { mode: 0o666, flags: O_RDWR, ...owner });
      expect(await failureOf(created)).toBe('EPERM');
      expect(await failureOf(root.mkdir('directory', { mode: 0o777, ...owner }))).toBe('EPERM');
      expect(await failureOf(root.symlink('link', { target: 'x', ...owner }))).toBe('EPERM');
    });
    expect(readdirSync(tree().root)).toEqual([]);
  });

  test('mknod makes regular files and nothing that does something', async () => {
    const root = await tree().open(way);
    const { file } = await root.mknod('file', { mode: 0o640, rdevMajor: 9, rdevMinor: 9 });
    expect(tree().keep(file).type).toBe(S_IFREG);
    for (const [type, rdevMinor] of [
      [S_IFIFO, 0],
      [S_IFCHR, 3],
    ] as const) {
      const options = { mode: type | 0o666, rdevMajor: 0, rdevMinor };
      expect(await failureOf(root.mknod('node', options))).toBe('EPERM');
    }
    expect(readdirSync(tree().root)).toEqual(['file']);
  });

  test('a target may be any text but none, one with a NUL, or one too long', async () => {
    const root = await tree().open(way);
    expect(await failureOf(root.symlink('link', { target: '' }))).toBe('ENOENT');
    expect(await failureOf(root.symlink('link', { target: 'a\0b' }))).toBe('EINVAL');
    expect(await failureOf(root.symlink('link', { target: 'a'.repeat(4096) }))).toBe(
      'ENAMETOOLONG',
    );
    expect(readdirSync(tree().root)).toEqual([]);
    const long = `/${'a/'.repeat(2000)}ä`;
    const { file } = await root.symlink('link', { target: long });
    expect(await tree().keep(file).readlink()).toBe(long);
    expect(readlinkSync(tree().in('link'))).toBe(long);
  });

  test('link gives a file, also a symbolic link, another name', async () => {
    writeFileSync(tree().in('file'), 'x');
    symlinkSync('file', tree().in('link'));
    mkdirSync(tree().in('directory'));
    const root = await tree().open(way);
    const directory = await tree().walkDirectory(root, 'directory');
    for (const name of ['file', 'link']) {
      const file = await tree().walk(root, name);
      const source = { file, directory: root, name };
      const linked = await directory.link(name, source);
      expect(linked.stat.ino).toBe((await file.stat()).ino);
      expect(linked.stat.nlink).toBe(2);
      expect(tree().keep(linked.file).type).toBe(file.type);
      expect(await failureOf(directory.link(name, source))).toBe('EEXIST');
    }
    const source = { file: directory as HostFile, directory: root, name: 'directory' };
    expect(await failureOf(root.link('again', source))).toBe('EPERM');
  });

  test('link of a file whose name is another file by now', async () => {
    writeFileSync(tree().in('file'), 'mine');
    const root = await tree().open(way);
    const file = await tree().walk(root, 'file');
    renameSync(tree().in('file'), tree().in('moved'));
    writeFileSync(tree().in('file'), 'theirs');
    const linking = root.link('again', { file, directory: root, name: 'file' });
    if (way.calls.link === undefined) {
      expect(await failureOf(linking)).toBe('ESTALE');
      expect(readdirSync(tree().root).toSorted()).toEqual(['file', 'moved']);
    } else {
      tree().keep((await linking).file);
      expect(readFileSync(tree().in('again'), 'utf8')).toBe('mine');
    }
  });

  test('unlink and rmdir remove names, each of its own kind', async () => {
    writeFileSync(tree().in('file'), '');
    mkdirSync(tree().in('empty'));
    mkdirSync(tree().in('full', 'inner'), { recursive: true });
    writeFileSync(tree().at('outside', 'secret'), '');
    symlinkSync(tree().outside, tree().in('link'));
    const root = await tree().open(way);
    expect(await failureOf(root.unlink('empty'))).toBe('EISDIR');
    expect(await failureOf(root.rmdir('file'))).toBe('ENOTDIR');
    expect(await failureOf(root.rmdir('link'))).toBe('ENOTDIR');
    expect(await failureOf(root.rmdir('full'))).toBe('ENOTEMPTY');
    expect(await failureOf(root.unlink('none'))).toBe('ENOENT');
    await root.unlink('file');
    await root.unlink('link');
    await root.rmdir('empty');
    expect(readdirSync(tree().root)).toEqual(['full']);
    expect(readdirSync(tree().outside)).toEqual(['secret']);
  });

  test('rename moves names between directories, and replaces', async () => {
    writeFileSync(tree().in('file'), 'new');
    mkdirSync(tree().in('directory'));
    writeFileSync(tree().in('directory', 'file'), 'old');
    const root = await tree().open(way);
    const directory = await tree().walkDirectory(root, 'directory');
    const file = await tree().walk(root, 'file');
    await root.rename('file', directory, { newName: 'file' });
    file.moved(directory, 'file');
    expect(readFileSync(tree().in('directory', 'file'), 'utf8')).toBe('new');
    expect((await file.stat()).size).toBe(3);
    expect(await failureOf(root.rename('file', root, { newName: 'x' }))).toBe('ENOENT');
    const intoItself = root.rename('directory', directory, { newName: 'x' });
    expect(await failureOf(intoItself)).toBe('EINVAL');
    await root.rename('directory', root, { newName: 'moved' });
    directory.moved(root, 'moved');
    // Whoever is in it has moved along.
    const open = await file.open(O_RDONLY);
    await open.close();
    expect(readdirSync(tree().root)).toEqual(['moved']);
  });

  test('rename with RENAME_NOREPLACE replaces nothing', async () => {
    writeFileSync(tree().in('file'), 'new');
    writeFileSync(tree().in('other'), 'old');
    symlinkSync('other', tree().in('link'));
    const root = await tree().open(way);
    const flags = RENAME_NOREPLACE;
    for (const newName of ['other', 'link']) {
      expect(await failureOf(root.rename('file', root, { newName, flags }))).toBe('EEXIST');
    }
    expect(await failureOf(root.rename('none', root, { newName: 'x', flags }))).toBe('ENOENT');
    await root.rename('file', root, { newName: 'x', flags });
    await root.rename('link', root, { newName: 'y', flags });
    expect(readdirSync(tree().root).toSorted()).toEqual(['other', 'x', 'y']);
    expect(readFileSync(tree().in('x'), 'utf8')).toBe('new');
    expect(readlinkSync(tree().in('y'))).toBe('other');
  });

  test('what the host can not do with a directory or by exchange is EINVAL', async () => {
    mkdirSync(tree().in('directory'));
    writeFileSync(tree().in('file'), '');
    const root = await tree().open(way);
    const noReplace = root.rename('directory', root, { newName: 'x', flags: RENAME_NOREPLACE });
    const hasCall = way.calls.rename !== undefined;
    expect(await failureOf(noReplace)).toBe(hasCall ? 'no failure' : 'EINVAL');
    const names = readdirSync(tree().root);
    const [other] = names.filter((name) => name !== 'file');
    const exchange = root.rename('file', root, { newName: other!, flags: RENAME_EXCHANGE });
    expect(await failureOf(exchange)).toBe(hasCall ? 'no failure' : 'EINVAL');
    expect(readdirSync(tree().root)).toEqual(names);
    expect(lstatSync(tree().in('file')).isDirectory()).toBe(hasCall);
    for (const flags of [
      8,
      RENAME_EXCHANGE | RENAME_NOREPLACE,
      RENAME_EXCHANGE | RENAME_WHITEOUT,
    ]) {
      const renaming = root.rename('file', root, { newName: 'x', flags });
      expect(await failureOf(renaming)).toBe('EINVAL');
    }
  });
});

describe('with all calls', () => {
  const tree = useTree();

  test('there are all calls where these tests run', () => {
    const names = ['allocate', 'inotify', 'link', 'mknod', 'readlink', 'rename', 'seek'];
    expect(Object.keys(koffiCalls).toSorted()).toEqual([...names, 'setTimes', 'xattrs']);
  });

  test('a whiteout is a character device 0:0', async () => {
    const root = await tree().open(WAYS[0]!);
    const options = { mode: S_IFCHR, rdevMajor: 0, rdevMinor: 0 };
    const { file, stat } = await root.mknod('whiteout', options);
    tree().keep(file);
    expect([file.type, stat.rdevMajor, stat.rdevMinor]).toEqual([S_IFCHR, 0, 0]);
    expect(lstatSync(tree().in('whiteout')).isCharacterDevice()).toBe(true);
    const without = await tree().open(WAYS[1]!);
    expect(await failureOf(without.mknod('other', options))).toBe('EOPNOTSUPP');
  });

  test('a file without a name is linked no more', async () => {
    writeFileSync(tree().in('file'), '');
    const root = await tree().open(WAYS[0]!);
    const file = await tree().walk(root, 'file');
    linkSync(tree().in('file'), tree().in('again'));
    await root.unlink('file');
    const source = { file, directory: root, name: 'file' };
    tree().keep((await root.link('third', source)).file);
    await root.unlink('again');
    await root.unlink('third');
    expect(await failureOf(root.link('fourth', source))).toBe('ENOENT');
  });

  test('very many calls at once all come to an end, each with its own result', async () => {
    writeFileSync(tree().in('file'), '');
    const root = await tree().open(WAYS[0]!);
    const file = await tree().walk(root, 'file');
    const directory = root as HostFile;
    const results = await Promise.all(
      Array.from({ length: 600 }, (_, index) => {
        if (index % 3 === 0) return failureOf(file.getXattr('user.none'));
        if (index % 3 === 1) return failureOf(directory.getXattr('strange.name'));
        return failureOf(root.rename('none', root, { newName: 'x', flags: RENAME_NOREPLACE }));
      }),
    );
    const expected = ['ENODATA', 'EOPNOTSUPP', 'ENOENT'];
    expect(results).toEqual(results.map((_, index) => expected[index % 3]));
  });

  test('very many calls at once, of several that loaded them', async () => {
    writeFileSync(tree().in('file'), '');
    const loaded = await Promise.all(Array.from({ length: 6 }, loadKoffiCalls));
    const path = Buffer.from(tree().in('file'));
    const name = Buffer.from('user.none');
    const results = await Promise.all(
      loaded.flatMap(({ xattrs }) =>
        Array.from({ length: 64 }, () => failureOf(xattrs!.get(path, name, Buffer.alloc(1)))),
      ),
    );
    expect(results).toEqual(results.map(() => 'ENODATA'));
  });
});
