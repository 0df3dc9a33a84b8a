// What a lisafs client must not reach: anything outside of the folder that is served, whoever on
// the host puts symlinks in its way, and what does something to the host when it is opened.

import { execFileSync } from 'node:child_process';
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { describe, expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import { O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY } from '../../../src/abi/fcntl.ts';
import { S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK } from '../../../src/abi/stat.ts';
import { isRoot, WAYS } from './support.ts';
import { type HostClient, OWNER, useServedTree } from './served-support.ts';

describe.each(WAYS)('$name', ({ access, calls }) => {
  const { tree, start } = useServedTree();
  const begin = (): Promise<HostClient> => start({ access, calls });

  /** A directory that somebody on the host has just swapped for a link to another. */
  function swap(): void {
    renameSync(tree().in('directory'), tree().at('away'));
    symlinkSync(tree().outside, tree().in('directory'));
  }

  test.each(['', '.', '..', '../outside', '/etc', 'a/b', 'a\0b'])(
    'by the name %j',
    async (name) => {
      writeFileSync(tree().at('outside', 'secret'), 'secret');
      writeFileSync(tree().in('file'), '');
      const client = await begin();
      const { rootFD: dirFD } = client;
      const targetFD = await client.fd('file');
      const refused = [
        () => client.call('Walk', { dirFD, path: [name] }),
        () => client.call('WalkStat', { dirFD, path: ['file', name] }),
        () => client.create(name),
        () => client.mkdir(name),
        () => client.mknod(name, S_IFREG | 0o600),
        () => client.symlink(name, 'x'),
        () => client.call('LinkAt', { dirFD, targetFD, name }),
        () => client.call('UnlinkAt', { dirFD, flags: 0, name }),
        () =>
          client.call('RenameAt', { oldDir: dirFD, oldName: name, newDir: dirFD, newName: 'x' }),
        () =>
          client.call('RenameAt', { oldDir: dirFD, oldName: 'file', newDir: dirFD, newName: name }),
      ];
      for (const request of refused) await expect(request()).rejects.toBe(linuxerr.EINVAL);
      expect(readdirSync(tree().root)).toEqual(['file']);
      expect(readdirSync(tree().outside)).toEqual(['secret']);
    },
  );

  test('by a symlink, which is walked to and not through', async () => {
    symlinkSync(tree().outside, tree().in('link'));
    writeFileSync(tree().at('outside', 'secret'), 'secret');
    const client = await begin();
    const { statx, controlFD } = await client.walk('link');
    expect(statx.mode & S_IFMT).toBe(S_IFLNK);
    expect(statx.ino).toBe(lstatSync(tree().in('link'), { bigint: true }).ino);
    const opening = client.call('OpenAt', { fd: controlFD, flags: O_RDONLY });
    await expect(opening).rejects.toBe(linuxerr.EINVAL);
    const inside = client.call('Walk', { dirFD: controlFD, path: ['secret'] });
    await expect(inside).rejects.toBe(linuxerr.ENOTDIR);
    const { stats } = await client.call('WalkStat', { dirFD: client.rootFD, path: ['link', 'x'] });
    expect(stats).toHaveLength(1);
  });

  test('by a directory that becomes a symlink after it was walked to', async () => {
    mkdirSync(tree().in('directory'));
    writeFileSync(tree().in('directory', 'file'), 'mine');
    writeFileSync(tree().at('outside', 'file'), 'secret');
    const client = await begin();
    const dirFD = await client.fd('directory');
    const fd = await client.fd('directory', 'file');
    swap();
    const common = { dirFD, ...OWNER, mode: 0o644 };
    const attempts = [
      () => client.call('OpenCreateAt', { ...common, flags: O_RDWR, name: 'new' }),
      () => client.call('MkdirAt', { ...common, name: 'directory' }),
      () => client.call('SymlinkAt', { dirFD, ...OWNER, name: 'link', target: 'x' }),
      () => client.call('OpenAt', { fd, flags: O_WRONLY | O_TRUNC }),
      () => client.call('Walk', { dirFD, path: ['file'] }),
      () => client.call('UnlinkAt', { dirFD, flags: 0, name: 'file' }),
    ];
    for (const attempt of attempts) {
      if (access === 'pinned') await attempt();
      else await expect(attempt()).rejects.toBe(linuxerr.ESTALE);
    }
    expect(readdirSync(tree().outside)).toEqual(['file']);
    expect(readFileSync(tree().at('outside', 'file'), 'utf8')).toBe('secret');
    const expected = access === 'pinned' ? ['directory', 'link', 'new'] : ['file'];
    expect(readdirSync(tree().at('away')).toSorted()).toEqual(expected);
  });

  test('by a directory that becomes a symlink again and again, during walks', async () => {
    mkdirSync(tree().in('directory'));
    writeFileSync(tree().in('directory', 'file'), 'mine');
    writeFileSync(tree().at('outside', 'file'), 'a secret');
    const client = await begin();
    let isLink = false;
    let isDone = false;
    const swapping = (async () => {
      while (!isDone) {
        await new Promise((resolve) => setTimeout(resolve, 1));
        if (!isLink) swap();
        else {
          rmSync(tree().in('directory'));
          renameSync(tree().at('away'), tree().in('directory'));
        }
        isLink = !isLink;
      }
    })();
    let found = 0;
    for (let turn = 0; turn < 60; turn++) {
      const values = { dirFD: client.rootFD, path: ['directory', 'file'], flags: O_RDONLY };
      const { data, inodes } = await client
        .call('WalkOpenRead', { ...values, maxBytes: 100 })
        .catch((error: unknown) => {
          expect([linuxerr.ESTALE, linuxerr.ENOENT, linuxerr.ENOTDIR]).toContain(error);
          return { data: new Uint8Array(0), inodes: [] };
        });
      if (inodes.length === 2) found++;
      if (data.length > 0) expect(new TextDecoder().decode(data)).toBe('mine');
    }
    isDone = true;
    await swapping;
    expect(found).toBeGreaterThan(0);
  });
});

describe('what isn’t a file', () => {
  const { tree, start } = useServedTree();

  test('a FIFO and a socket are seen and never opened', async () => {
    execFileSync('mknod', [tree().in('fifo'), 'p']);
    const listener = createServer();
    await new Promise<void>((resolve) => listener.listen(tree().in('socket'), resolve));
    const client = await start();
    for (const [name, type] of [
      ['fifo', S_IFIFO],
      ['socket', S_IFSOCK],
    ] as const) {
      const { statx, controlFD: fd } = await client.walk(name);
      expect(statx.mode & S_IFMT).toBe(type);
      for (const flags of [O_RDONLY, O_WRONLY, O_RDWR | O_TRUNC]) {
        await expect(client.call('OpenAt', { fd, flags })).rejects.toBe(linuxerr.EPERM);
      }
    }
    await new Promise((resolve) => listener.close(resolve));
  });

  test('a device is seen and never opened; a block device isn’t even seen', async () => {
    // Only root makes others.
    const [major, minor] = isRoot ? [1, 3] : [0, 0];
    execFileSync('mknod', [tree().in('null'), 'c', String(major), String(minor)]);
    if (isRoot) execFileSync('mknod', [tree().in('disk'), 'b', '7', '200']);
    const client = await start();
    const { statx, controlFD: fd } = await client.walk('null');
    expect([statx.rdevMajor, statx.rdevMinor]).toEqual([major, minor]);
    for (const flags of [O_RDONLY, O_WRONLY]) {
      await expect(client.call('OpenAt', { fd, flags })).rejects.toBe(linuxerr.EPERM);
    }
    if (isRoot) await expect(client.walk('disk')).rejects.toBe(linuxerr.EPERM);
    const list = { dirFD: client.rootFD, cookie: 0, maxBytes: 10_000, flags: 2 };
    const { entries } = await client.call('ListDir', list);
    expect(entries.map(({ name }) => name)).toEqual(['null']);
  });

  test('FIFOs and sockets are made as names, devices not', async () => {
    const client = await start();
    const fifo = await client.mknod('fifo', S_IFIFO | 0o622);
    expect(fifo.statx.mode).toBe(S_IFIFO | 0o622);
    await client.mknod('socket', S_IFSOCK | 0o600);
    expect(lstatSync(tree().in('socket')).isSocket()).toBe(true);
    for (const type of [0o020000, 0o060000, S_IFDIR, S_IFLNK]) {
      await expect(client.mknod('node', type | 0o666)).rejects.toBe(linuxerr.EPERM);
    }
    expect(readdirSync(tree().root).toSorted()).toEqual(['fifo', 'socket']);
  });
});
