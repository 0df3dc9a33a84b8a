// openat(2) and the numbers of descriptors; close(2).

import type { Case } from '../case.ts';
import { AT_FDCWD, O_DIRECTORY, O_RDONLY } from '../../../src/abi/fcntl.ts';
import { USER } from '../case.ts';
import { equal, expectError } from '../check.ts';

export const openatCases: readonly Case[] = [
  {
    title: 'open returns the lowest free descriptor',
    origin: 'POSIX open, file descriptor allocation',
    async run(t) {
      await t.createFile(t.path('file'));
      const first = await t.open(t.path('file'), O_RDONLY);
      const second = await t.open(t.path('file'), O_RDONLY);
      equal(second, first + 1);
      await t.close(first);
      equal(await t.open(t.path('file'), O_RDONLY), first);
    },
  },
  {
    title: 'a failed open uses up no descriptor',
    origin: 'POSIX open, file descriptor allocation',
    async run(t) {
      await t.createFile(t.path('file'));
      const first = await t.open(t.path('file'), O_RDONLY);
      await expectError('ENOENT', t.open(t.path('missing'), O_RDONLY));
      equal(await t.open(t.path('file'), O_RDONLY), first + 1);
    },
  },
  {
    title: 'openat resolves a relative path from the directory descriptor',
    origin: 'POSIX openat; gVisor open.cc AtRelPath',
    async run(t) {
      await t.mkdir(t.path('dir'));
      await t.createFile(t.path('dir/file'), 'text');
      const dir = await t.open(t.path('dir'), O_RDONLY | O_DIRECTORY);
      equal(await t.readText(await t.openat(dir, 'file', O_RDONLY)), 'text');
    },
  },
  {
    title: 'openat follows a directory descriptor after the directory was renamed',
    origin: 'POSIX openat',
    async run(t) {
      await t.mkdir(t.path('old'));
      await t.createFile(t.path('old/file'), 'text');
      const dir = await t.open(t.path('old'), O_RDONLY | O_DIRECTORY);
      await t.rename(t.path('old'), t.path('new'));
      equal(await t.readText(await t.openat(dir, 'file', O_RDONLY)), 'text');
      equal((await t.fstatat(dir, '..', 0)).ino, (await t.stat(t.root)).ino);
    },
  },
  {
    title: 'openat ignores the descriptor when the path is absolute',
    origin: 'POSIX openat; gVisor open.cc AtAbsPath',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      equal(await t.readText(await t.openat(-1, t.path('file'), O_RDONLY)), 'text');
    },
  },
  {
    title: 'openat with AT_FDCWD resolves from the working directory',
    origin: 'POSIX openat, AT_FDCWD',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      const relative = t.path('file').slice(1);
      equal(await t.readText(await t.openat(AT_FDCWD, relative, O_RDONLY)), 'text');
    },
  },
  {
    title: 'openat returns EBADF for a relative path and a closed descriptor',
    origin: 'POSIX openat, EBADF',
    async run(t) {
      const fd = await t.open(t.root, O_RDONLY);
      await t.close(fd);
      await expectError('EBADF', t.openat(fd, 'file', O_RDONLY));
      await expectError('EBADF', t.openat(-1, 'file', O_RDONLY));
    },
  },
  {
    title: 'openat returns ENOENT for the empty path before it looks at the descriptor',
    origin: 'Linux: fs/namei.c getname_flags()',
    async run(t) {
      await expectError('ENOENT', t.openat(-1, '', O_RDONLY));
    },
  },
  {
    title: 'openat returns ENOTDIR for a relative path and the descriptor of a file',
    origin: 'POSIX openat, ENOTDIR',
    async run(t) {
      await t.createFile(t.path('file'));
      const fd = await t.open(t.path('file'), O_RDONLY);
      await expectError('ENOTDIR', t.openat(fd, 'child', O_RDONLY));
      await expectError('ENOTDIR', t.openat(fd, '.', O_RDONLY));
      await expectError('ENOTDIR', t.openat(fd, '..', O_RDONLY));
    },
  },
  {
    title: 'the parent of the root directory is the root directory',
    origin: 'POSIX pathname resolution; gVisor open.cc DotsFromRoot',
    async run(t) {
      const root = await t.open('/', O_RDONLY | O_DIRECTORY);
      const parent = await t.openat(root, '../..', O_RDONLY | O_DIRECTORY);
      const [stat, parentStat] = [await t.fstat(root), await t.fstat(parent)];
      equal([parentStat.dev, parentStat.ino], [stat.dev, stat.ino]);
    },
  },
  {
    title: 'close returns EBADF for a descriptor that is not open',
    origin: 'POSIX close, EBADF',
    async run(t) {
      const fd = await t.open(t.root, O_RDONLY);
      await t.close(fd);
      await expectError('EBADF', t.close(fd));
      await expectError('EBADF', t.close(-1));
    },
  },
  {
    title: 'the descriptor of one process means nothing in another',
    origin: 'POSIX file descriptor',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      const fd = await t.open(t.path('file'), O_RDONLY);
      const user = await t.as(USER);
      await expectError('EBADF', user.fstat(fd));
      equal(await t.readText(fd), 'text');
    },
  },
];
