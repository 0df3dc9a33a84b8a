// chdir(2), fchdir(2), getcwd(2) and chroot(2): where a process is in the tree.

import type { Case } from '../case.ts';
import {
  AT_FDCWD,
  O_CREAT,
  O_DIRECTORY,
  O_PATH,
  O_RDONLY,
  O_WRONLY,
} from '../../../src/abi/fcntl.ts';
import { USER } from '../case.ts';
import { equal, expectError } from '../check.ts';

export const chdirCases: readonly Case[] = [
  {
    title: 'a process starts at the root directory',
    origin: 'POSIX getcwd',
    async run(t) {
      equal(await t.getcwd(), '/');
      equal((await t.stat('.')).ino, (await t.stat('/')).ino);
    },
  },
  {
    title: 'relative paths start at the working directory',
    origin: 'POSIX chdir',
    async run(t) {
      await t.mkdir(t.path('dir'));
      await t.chdir(t.path('dir'));
      await t.open('file', O_WRONLY | O_CREAT);
      await t.mkdir('../beside');
      equal(await t.list(t.path('dir')), ['file']);
      equal(await t.list(t.root), ['beside', 'dir']);
      await t.chdir('../beside');
      equal(await t.getcwd(), t.path('beside'));
      await t.chdir('..');
      equal(await t.getcwd(), t.root);
    },
  },
  {
    title: 'getcwd gives the path without symbolic links, dots and doubled slashes',
    origin: 'POSIX getcwd',
    async run(t) {
      await t.mkdir(t.path('dir'));
      await t.mkdir(t.path('dir/sub'));
      await t.symlink('dir', t.path('link'));
      await t.chdir(t.path('link//sub/../sub/.'));
      equal(await t.getcwd(), t.path('dir/sub'));
    },
  },
  {
    title: 'the working directory follows its directory through a rename',
    origin: 'POSIX rename, getcwd',
    async run(t) {
      await t.mkdir(t.path('a'));
      await t.mkdir(t.path('a/sub'));
      await t.mkdir(t.path('b'));
      await t.chdir(t.path('a/sub'));
      await t.rename(t.path('a'), t.path('b/moved'));
      equal(await t.getcwd(), t.path('b/moved/sub'));
      equal((await t.stat('../..')).ino, (await t.stat(t.path('b'))).ino);
    },
  },
  {
    title: 'chdir returns ENOENT, ENOTDIR, ELOOP and ENAMETOOLONG for such paths',
    origin: 'POSIX chdir',
    async run(t) {
      await t.createFile(t.path('file'));
      await t.symlink('loop', t.path('loop'));
      await expectError('ENOENT', t.chdir(t.path('missing')));
      await expectError('ENOENT', t.chdir(''));
      await expectError('ENOTDIR', t.chdir(t.path('file')));
      await expectError('ELOOP', t.chdir(t.path('loop')));
      await expectError('ENAMETOOLONG', t.chdir(t.path('n'.repeat(256))));
      equal(await t.getcwd(), '/');
    },
  },
  {
    title: 'chdir needs permission to search the directory, and none to read it',
    origin: 'POSIX chdir, EACCES',
    async run(t) {
      await t.mkdir(t.path('closed'), 0o766);
      await t.mkdir(t.path('open'), 0o711);
      const user = await t.as(USER);
      await t.chmod(t.path('closed'), 0o766);
      await expectError('EACCES', user.chdir(t.path('closed')));
      await user.chdir(t.path('open'));
      equal(await user.getcwd(), t.path('open'));
    },
  },
  {
    title: 'fchdir goes to an open directory, an O_PATH one too',
    origin: 'POSIX fchdir; open(2), O_PATH',
    async run(t) {
      await t.mkdir(t.path('dir'));
      for (const flags of [O_RDONLY, O_PATH]) {
        const fd = await t.open(t.path('dir'), flags | O_DIRECTORY);
        await t.fchdir(fd);
        equal(await t.getcwd(), t.path('dir'));
        await t.close(fd);
        equal(await t.getcwd(), t.path('dir'));
        await t.chdir('/');
      }
    },
  },
  {
    title: 'fchdir returns EBADF for no descriptor and ENOTDIR for a file',
    origin: 'POSIX fchdir, EBADF, ENOTDIR',
    async run(t) {
      const fd = await t.open(t.path('file'), O_WRONLY | O_CREAT);
      await expectError('ENOTDIR', t.fchdir(fd));
      await expectError('EBADF', t.fchdir(99));
      await expectError('EBADF', t.fchdir(-1));
    },
  },
  {
    title: 'fchdir needs permission to search the directory when it is called',
    origin: 'POSIX fchdir, EACCES',
    async run(t) {
      const user = await t.as(USER);
      await user.mkdir(t.path('dir'), 0o755);
      const fd = await user.open(t.path('dir'), O_RDONLY | O_DIRECTORY);
      await user.chmod(t.path('dir'), 0o600);
      await expectError('EACCES', user.fchdir(fd));
    },
  },
  {
    title: 'a working directory that may not be searched any more leads nowhere',
    origin: 'POSIX pathname resolution',
    async run(t) {
      const user = await t.as(USER);
      await user.mkdir(t.path('dir'), 0o755);
      await user.chdir(t.path('dir'));
      await user.chmod('.', 0o600);
      await expectError('EACCES', user.stat('file'));
      await expectError('EACCES', user.stat('.'));
      equal(await user.getcwd(), t.path('dir'));
      await user.chdir('/');
    },
  },
  {
    title: 'getcwd of a removed directory returns ENOENT',
    origin: 'getcwd(2), ENOENT',
    async run(t) {
      await t.mkdir(t.path('dir'));
      await t.chdir(t.path('dir'));
      await t.rmdir(t.path('dir'));
      await expectError('ENOENT', t.getcwd());
      await t.mkdir(t.path('dir'));
      await expectError('ENOENT', t.getcwd());
    },
  },
  {
    title: 'getcwd returns ENAMETOOLONG for a path of more than 4096 bytes',
    origin: 'getcwd(2), ENAMETOOLONG',
    async run(t) {
      await t.chdir(t.root);
      const name = 'n'.repeat(250);
      for (let depth = 0; depth < 17; depth += 1) {
        await t.mkdir(name);
        await t.chdir(name);
      }
      await expectError('ENAMETOOLONG', t.getcwd());
      // No path leads there from outside.
      for (let depth = 0; depth < 17; depth += 1) {
        await t.chdir('..');
        await t.rmdir(name);
      }
      equal(await t.getcwd(), t.root);
    },
  },
  {
    title: 'a removed working directory is there to be looked at, and takes nothing new',
    origin: 'POSIX rmdir',
    async run(t) {
      await t.mkdir(t.path('dir'));
      await t.chdir(t.path('dir'));
      await t.rmdir(t.path('dir'));
      equal((await t.stat('.')).nlink, 0);
      await expectError('ENOENT', t.open('file', O_WRONLY | O_CREAT));
      await expectError('ENOENT', t.mkdir('sub'));
      await expectError('ENOENT', t.stat('file'));
      equal((await t.stat('..')).ino, (await t.stat(t.root)).ino);
    },
  },
  {
    title: 'dot-dot leads out of a removed directory whose parent was removed too',
    origin: 'gVisor unlink.cc ChdirProcSelfFdParentDeleted',
    async run(t) {
      await t.mkdir(t.path('a'));
      await t.mkdir(t.path('a/b'));
      const fd = await t.open(t.path('a/b'), O_RDONLY | O_DIRECTORY);
      const { ino } = await t.stat(t.path('a'));
      await t.rmdir(t.path('a/b'));
      await t.rmdir(t.path('a'));
      await t.fchdir(fd);
      await t.chdir('..');
      equal((await t.stat('.')).ino, ino);
      await t.chdir('..');
      equal(await t.getcwd(), t.root);
    },
  },
  {
    title: 'AT_FDCWD is the working directory',
    origin: 'POSIX openat, AT_FDCWD; gVisor stat.cc StatxRelPathCwd',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      await t.chdir(t.root);
      const { ino } = await t.fstatat(AT_FDCWD, 'file', 0);
      equal((await t.statx(AT_FDCWD, 'file', 0, 0x7ff)).ino, ino);
      equal(await t.readFile('file'), 'text');
    },
  },
  {
    title: 'the working directory of one process does not concern another',
    origin: 'POSIX chdir',
    async run(t) {
      const user = await t.as(USER);
      await t.chdir(t.root);
      equal(await user.getcwd(), '/');
    },
  },
];

export const chrootCases: readonly Case[] = [
  {
    title: 'chroot makes a directory the root of absolute paths, links and dot-dot',
    origin: 'chroot(2)',
    async run(t) {
      const jailed = await t.as({ uid: 0, gid: 0 });
      await t.mkdir(t.path('jail'));
      await t.createFile(t.path('jail/file'), 'inside');
      await t.createFile(t.path('file'), 'outside');
      await t.symlink('/file', t.path('jail/link'));
      await jailed.chroot(t.path('jail'));
      await jailed.chdir('/');
      equal(await jailed.getcwd(), '/');
      equal(await jailed.readFile('/file'), 'inside');
      equal(await jailed.readFile('/link'), 'inside');
      equal(await jailed.readFile('/../../file'), 'inside');
      equal(await jailed.readFile('../file'), 'inside');
      await expectError('ENOENT', jailed.stat(t.path('file')));
      equal(await t.readFile(t.path('file')), 'outside');
    },
  },
  {
    title: 'getcwd counts from the root directory of the process',
    origin: 'getcwd(2)',
    async run(t) {
      const jailed = await t.as({ uid: 0, gid: 0 });
      await t.mkdir(t.path('jail'));
      await t.mkdir(t.path('jail/sub'));
      await jailed.chroot(t.path('jail'));
      await jailed.chdir('/sub');
      equal(await jailed.getcwd(), '/sub');
    },
  },
  {
    title: 'chroot does not move the working directory, which may stay outside',
    origin: 'chroot(2); getcwd(2), (unreachable)',
    async run(t) {
      const jailed = await t.as({ uid: 0, gid: 0 });
      await t.mkdir(t.path('jail'));
      await t.createFile(t.path('file'), 'outside');
      await jailed.chdir(t.root);
      await jailed.chroot('jail');
      equal(await jailed.readFile('file'), 'outside');
      equal((await jailed.getcwd()).startsWith('(unreachable)/'), true);
      equal((await jailed.stat('..')).ino !== (await jailed.stat('/')).ino, true);
    },
  },
  {
    title: 'a descriptor of a directory outside leads out of a chroot',
    origin: 'chroot(2)',
    async run(t) {
      const jailed = await t.as({ uid: 0, gid: 0 });
      await t.mkdir(t.path('jail'));
      await t.createFile(t.path('file'), 'outside');
      const fd = await jailed.open(t.path('jail'), O_RDONLY | O_DIRECTORY);
      const above = await jailed.open(t.root, O_RDONLY | O_DIRECTORY);
      await jailed.chroot(t.path('jail'));
      equal(await jailed.readText(await jailed.openat(above, 'file', O_RDONLY)), 'outside');
      // The root directory itself is where dot-dot ends.
      await expectError('ENOENT', jailed.openat(fd, '../file', O_RDONLY));
    },
  },
  {
    title: 'chroot needs root: EPERM after the errors of the path',
    origin: 'chroot(2), EPERM',
    async run(t) {
      await t.mkdir(t.path('dir'));
      await t.createFile(t.path('file'));
      await t.mkdir(t.path('closed'), 0o700);
      const user = await t.as(USER);
      await expectError('EPERM', user.chroot(t.path('dir')));
      await expectError('ENOENT', user.chroot(t.path('missing')));
      await expectError('ENOTDIR', user.chroot(t.path('file')));
      await expectError('EACCES', user.chroot(t.path('closed')));
      await expectError('ENOTDIR', t.chroot(t.path('file')));
      await expectError('ENOENT', t.chroot(''));
    },
  },
  {
    title: 'a chroot within a chroot goes further in',
    origin: 'chroot(2)',
    async run(t) {
      const jailed = await t.as({ uid: 0, gid: 0 });
      await t.mkdir(t.path('a'));
      await t.mkdir(t.path('a/b'));
      await t.createFile(t.path('a/b/file'), 'text');
      await jailed.chroot(t.path('a'));
      await jailed.chdir('/b');
      await jailed.chroot('/b');
      equal(await jailed.getcwd(), '/');
      equal(await jailed.readFile('/file'), 'text');
    },
  },
];
