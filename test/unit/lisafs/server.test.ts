// The lisafs server: what each message does.

import { afterEach, describe, expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import { AT_REMOVEDIR, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY } from '../../../src/abi/fcntl.ts';
import { STATX_MODE, STATX_SIZE } from '../../../src/abi/stat.ts';
import { decodeUtf8, encodeUtf8 } from '../../../src/lib/text.ts';
import { LIST_ATTRIBUTES, LIST_CONTROL_FDS } from '../../../src/lisafs/extensions.ts';
import {
  WALK_COMPONENT_DOES_NOT_EXIST,
  WALK_COMPONENT_SYMLINK,
  WALK_SUCCESS,
} from '../../../src/lisafs/records.ts';
import { client, create, end, mkdir, OWNER, read, root, served, start, write } from './fixture.ts';

afterEach(end);

describe('files', () => {
  test('are made, written, read and synced', async () => {
    await start();
    const { fd, openFD } = await create('file');
    expect(await write(openFD, 'hello')).toBe(5);
    expect(await write(openFD, 'p', 4)).toBe(1);
    expect(await read(openFD)).toBe('hellp');
    expect(await read(openFD, 2, 1)).toBe('el');
    expect(await read(openFD, 5, 9)).toBe('');
    await client.call('FSync', { fds: [openFD] });
    expect(served.tree.changes).toContain('sync');
    expect((await client.call('FStat', { fd })).statx.size).toBe(5);
    expect((await client.call('FStat', { fd: openFD })).statx.size).toBe(5);
    await expect(create('file')).rejects.toBe(linuxerr.EEXIST);
  });

  test('attributes are set', async () => {
    await start();
    const { fd, openFD } = await create('file');
    await write(openFD, 'hello');
    const time = { sec: 0, nsec: 0 };
    const none = { fd, ...OWNER, mode: 0, size: 0, atime: time, mtime: time };
    await client.call('SetStat', { ...none, mask: STATX_SIZE | STATX_MODE, size: 2, mode: 0o600 });
    const { statx } = await client.call('FStat', { fd });
    expect([statx.size, statx.mode & 0o7777]).toEqual([2, 0o600]);
    const unknown = client.call('SetStat', { ...none, mask: 0x1000 });
    await expect(unknown).rejects.toBe(linuxerr.EPERM);
  });

  test('extended attributes are kept', async () => {
    await start();
    const { fd } = await create('file');
    const name = 'user.a';
    await client.call('FSetXattr', { fd, flags: 0, name, value: encodeUtf8('value') });
    const { value } = await client.call('FGetXattr', { fd, bufSize: 0, name });
    expect(decodeUtf8(value)).toBe('value');
    expect((await client.call('FListXattr', { fd, size: 0 })).names).toEqual([name]);
    await client.call('FRemoveXattr', { fd, name });
    const gone = client.call('FGetXattr', { fd, bufSize: 0, name });
    await expect(gone).rejects.toBe(linuxerr.ENODATA);
  });

  test('what was opened for one thing does only that', async () => {
    await start();
    const { fd, openFD } = await create('file');
    await write(openFD, 'hello');
    const reader = (await client.call('OpenAt', { fd, flags: O_RDONLY })).openFD;
    const writer = (await client.call('OpenAt', { fd, flags: O_WRONLY })).openFD;
    expect(await read(reader)).toBe('hello');
    await expect(write(reader, 'x')).rejects.toBe(linuxerr.EBADF);
    await expect(read(writer)).rejects.toBe(linuxerr.EBADF);
    const range = { mode: 0, offset: 0, length: 10 };
    const refused = client.call('FAllocate', { fd: reader, ...range });
    await expect(refused).rejects.toBe(linuxerr.EBADF);
    await client.call('FAllocate', { fd: writer, ...range });
    expect((await client.call('FStat', { fd })).statx.size).toBe(10);
  });

  test('directories and symlinks are not opened as files are', async () => {
    await start();
    for (const flags of [O_WRONLY, O_RDWR, O_TRUNC]) {
      await expect(client.call('OpenAt', { fd: root, flags })).rejects.toBe(linuxerr.EISDIR);
    }
    const link = { dirFD: root, ...OWNER, name: 'link', target: '../etc/passwd' };
    const fd = (await client.call('SymlinkAt', link)).symlink.controlFD;
    await expect(client.call('OpenAt', { fd, flags: O_RDONLY })).rejects.toBe(linuxerr.EINVAL);
    expect((await client.call('ReadLinkAt', { fd })).target).toBe('../etc/passwd');
    await expect(client.call('ReadLinkAt', { fd: root })).rejects.toBe(linuxerr.EINVAL);
  });

  test('a file that was removed can be read on, but not by what needs its name', async () => {
    await start();
    const { fd, openFD } = await create('file');
    await write(openFD, 'hello');
    await client.call('UnlinkAt', { dirFD: root, flags: 0, name: 'file' });
    expect(await read(openFD)).toBe('hello');
    expect((await client.call('FStat', { fd })).statx.nlink).toBe(0);
    const link = client.call('LinkAt', { dirFD: root, targetFD: fd, name: 'again' });
    await expect(link).rejects.toBe(linuxerr.EINVAL);
    // As on Linux; gVisor's server answers EINVAL.
    expect((await client.call('FListXattr', { fd, size: 0 })).names).toEqual([]);
    // Another of that name has nothing to do with it.
    const { openFD: other } = await create('file');
    expect(await read(other)).toBe('');
  });
});

describe('walks', () => {
  async function tree(): Promise<void> {
    await start();
    const a = await mkdir('a');
    await mkdir('b', a);
    await create('file', a);
    await client.call('SymlinkAt', { dirFD: a, ...OWNER, name: 'link', target: 'b' });
  }

  test.each([
    [['a', 'b'], WALK_SUCCESS, 2],
    [[], WALK_SUCCESS, 0],
    [['a', 'none', 'b'], WALK_COMPONENT_DOES_NOT_EXIST, 1],
    [['a', 'link'], WALK_SUCCESS, 2],
    [['a', 'link', 'x'], WALK_COMPONENT_SYMLINK, 2],
  ] as const)('%j', async (path, status, count) => {
    await tree();
    const answer = await client.call('Walk', { dirFD: root, path });
    expect(answer.status).toBe(status);
    expect(answer.inodes).toHaveLength(count);
    const { stats } = await client.call('WalkStat', { dirFD: root, path });
    expect(stats.map(({ ino }) => ino)).toEqual(answer.inodes.map(({ statx }) => statx.ino));
    const withStart = await client.call('WalkStat', { dirFD: root, path: ['', ...path] });
    expect(withStart.stats).toHaveLength(count + 1);
  });

  test('through a file fail, and leave nothing', async () => {
    await tree();
    const before = served.tree.pinned;
    const through = client.call('Walk', { dirFD: root, path: ['a', 'file', 'x'] });
    await expect(through).rejects.toBe(linuxerr.ENOTDIR);
    const { inodes } = await client.call('Walk', { dirFD: root, path: ['a', 'file'] });
    const from = client.call('Walk', { dirFD: inodes[1]!.controlFD, path: ['x'] });
    await expect(from).rejects.toBe(linuxerr.ENOTDIR);
    await client.call('Close', { fds: inodes.map(({ controlFD }) => controlFD) });
    expect(served.tree.pinned).toBe(before);
  });

  test('that could not be answered in one reply are refused', async () => {
    await tree();
    const path = Array.from({ length: 20_000 }, () => 'a');
    for (const name of ['Walk', 'WalkStat'] as const) {
      await expect(client.call(name, { dirFD: root, path })).rejects.toBe(linuxerr.EIO);
    }
  });

  test('open and read what they find', async () => {
    await tree();
    const { inodes } = await client.call('Walk', { dirFD: root, path: ['a', 'file'] });
    const fd = inodes[1]!.controlFD;
    const { openFD } = await client.call('OpenAt', { fd, flags: O_RDWR });
    await write(openFD, 'content');
    const wanted = { dirFD: root, flags: O_RDONLY, path: ['a', 'file'] };
    const whole = await client.call('WalkOpenRead', { ...wanted, maxBytes: 100 });
    expect([whole.isWhole, decodeUtf8(whole.data)]).toEqual([true, 'content']);
    expect(await read(whole.openFD)).toBe('content');
    const part = await client.call('WalkOpenRead', { ...wanted, maxBytes: 3 });
    expect([part.isWhole, decodeUtf8(part.data)]).toEqual([false, 'con']);
    const none = await client.call('WalkOpenRead', { ...wanted, path: ['a', 'x'], maxBytes: 9 });
    expect([none.status, none.openFD]).toEqual([WALK_COMPONENT_DOES_NOT_EXIST, 0]);
    const refused = await client.call('WalkOpenRead', {
      ...wanted,
      path: ['a'],
      flags: O_RDWR,
      maxBytes: 9,
    });
    expect([refused.status, refused.openErrno]).toEqual([WALK_SUCCESS, linuxerr.EISDIR.errno]);
    const again = await client.call('OpenReadAt', { fd, flags: O_RDONLY, maxBytes: 100 });
    expect([again.statx.size, again.isWhole, decodeUtf8(again.data)]).toEqual([7, true, 'content']);
  });
});

describe('names', () => {
  test('are moved, with what is beneath them', async () => {
    await start();
    const from = await mkdir('from');
    const to = await mkdir('to');
    const inner = await mkdir('inner', from);
    const { openFD } = await create('file', inner);
    await write(openFD, 'hello');
    const names = { oldDir: from, newDir: to, oldName: 'inner', newName: 'moved' };
    await client.call('RenameAt', names);
    expect(served.tree.changes.filter((change) => change.startsWith('renamed'))).toEqual([
      'renamed moved',
      'renamed file',
    ]);
    // By its FD it is used on.
    await create('another', inner);
    const { status } = await client.call('Walk', { dirFD: to, path: ['moved', 'another'] });
    expect(status).toBe(WALK_SUCCESS);
    await expect(client.call('RenameAt', names)).rejects.toBe(linuxerr.ENOENT);
  });

  test('a file that was replaced is gone', async () => {
    await start();
    const { fd } = await create('old');
    await create('new');
    const names = { oldDir: root, newDir: root, oldName: 'new', newName: 'old' };
    await client.call('RenameAt2', { ...names, flags: 0 });
    const link = client.call('LinkAt', { dirFD: root, targetFD: fd, name: 'again' });
    await expect(link).rejects.toBe(linuxerr.EINVAL);
    // The same name is nothing to do.
    await client.call('RenameAt', { ...names, oldName: 'old' });
  });

  test('two that were exchanged are both there', async () => {
    await start();
    const a = await create('a');
    const b = await create('b');
    await write(a.openFD, 'of a');
    const names = { oldDir: root, newDir: root, oldName: 'a', newName: 'b' };
    await client.call('RenameAt2', { ...names, flags: 2 });
    expect(served.tree.changes.slice(-2)).toEqual(['renamed b', 'renamed a']);
    for (const { fd } of [a, b]) await client.call('FListXattr', { fd, size: 0 });
    const { inodes } = await client.call('Walk', { dirFD: root, path: ['b'] });
    expect(inodes[0]!.statx.size).toBe(4);
  });

  test('a directory that was removed takes no names', async () => {
    await start();
    const dir = await mkdir('dir');
    const rmdir = { dirFD: root, flags: AT_REMOVEDIR, name: 'dir' };
    await create('file', dir);
    await expect(client.call('UnlinkAt', rmdir)).rejects.toBe(linuxerr.ENOTEMPTY);
    await client.call('UnlinkAt', { dirFD: dir, flags: 0, name: 'file' });
    await client.call('UnlinkAt', rmdir);
    await expect(create('file', dir)).rejects.toBe(linuxerr.EINVAL);
    const walk = await client.call('Walk', { dirFD: dir, path: ['x'] });
    expect(walk.status).toBe(WALK_COMPONENT_DOES_NOT_EXIST);
    const odd = client.call('UnlinkAt', { ...rmdir, flags: 1 });
    await expect(odd).rejects.toBe(linuxerr.EINVAL);
  });

  test('hard links have no directories', async () => {
    await start();
    const dir = await mkdir('dir');
    const { fd } = await create('file');
    const { link } = await client.call('LinkAt', { dirFD: dir, targetFD: fd, name: 'same' });
    expect(link.statx.nlink).toBe(2);
    const ofDir = client.call('LinkAt', { dirFD: root, targetFD: dir, name: 'loop' });
    await expect(ofDir).rejects.toBe(linuxerr.EPERM);
  });
});

describe('listings', () => {
  async function filled(count: number): Promise<string[]> {
    await start();
    const names = Array.from({ length: count }, (_, index) => `file-${index}`);
    for (const name of names) await create(name);
    return names;
  }

  test('go on where they stood', async () => {
    const names = await filled(20);
    const { openFD } = await client.call('OpenAt', { fd: root, flags: O_RDONLY });
    const seen: unknown[] = [];
    for (;;) {
      const { dirents } = await client.call('Getdents64', { dirFD: openFD, count: 200 });
      if (dirents.length === 0) break;
      expect(dirents.length).toBeLessThan(8);
      seen.push(...dirents.map(({ name }) => name));
    }
    expect(seen).toEqual(['.', '..', ...names]);
    const again = await client.call('Getdents64', { dirFD: openFD, count: -60_000 });
    expect(again.dirents).toHaveLength(22);
    const small = client.call('Getdents64', { dirFD: openFD, count: -1 });
    await expect(small).rejects.toBe(linuxerr.EINVAL);
    const { openFD: file } = await create('last');
    const ofFile = client.call('Getdents64', { dirFD: file, count: 100 });
    await expect(ofFile).rejects.toBe(linuxerr.ENOTDIR);
  });

  test.each([
    ['names', 0, 0],
    ['attributes', LIST_ATTRIBUTES, 0],
    ['control FDs', LIST_CONTROL_FDS, 20],
  ])('tell %s', async (_, flags, fdCount) => {
    const names = await filled(20);
    const before = served.tree.pinned;
    const seen: unknown[] = [];
    const fds: number[] = [];
    let cookie = 0;
    for (;;) {
      const wanted = { dirFD: root, cookie, maxBytes: 1500, flags };
      const { isEnd, entries } = await client.call('ListDir', wanted);
      for (const { name, inode } of entries) {
        seen.push(name);
        expect(inode !== undefined).toBe(flags !== 0);
        if (inode !== undefined && inode.controlFD !== 0) fds.push(inode.controlFD);
      }
      if (isEnd) break;
      cookie = entries.at(-1)!.cookie;
    }
    expect(seen).toEqual(names);
    expect(fds).toHaveLength(fdCount);
    await client.call('Close', { fds });
    expect(served.tree.pinned).toBe(before);
  });

  test('that nobody ends are closed with their directory', async () => {
    await filled(20);
    await client.call('ListDir', { dirFD: root, cookie: 0, maxBytes: 300, flags: 0 });
    await client.call('Close', { fds: [root] });
  });
});
