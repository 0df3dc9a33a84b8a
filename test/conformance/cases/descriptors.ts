// dup(2), fcntl(2) flags, O_PATH descriptors, and the calls that synchronise.

import type { Case } from '../case.ts';
import {
  O_ACCMODE,
  O_APPEND,
  O_CLOEXEC,
  O_CREAT,
  O_DIRECTORY,
  O_DSYNC,
  O_LARGEFILE,
  O_NOATIME,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_PATH,
  O_RDONLY,
  O_RDWR,
  O_SYNC,
  O_TRUNC,
  O_WRONLY,
  SEEK_CUR,
  SEEK_SET,
  AT_FDCWD,
} from '../../../src/abi/fcntl.ts';
import { OTHER, USER } from '../case.ts';
import { equal, expectError } from '../check.ts';

/** What F_GETFL says of flags a program asked for. O_LARGEFILE is added on 64-bit machines only. */
function withoutLargefile(flags: number): number {
  return flags & ~O_LARGEFILE;
}

export const dupCases: readonly Case[] = [
  {
    title: 'dup returns the lowest free descriptor, which shares the offset',
    origin: 'POSIX dup; gVisor lseek.cc EtcPasswdDup',
    async run(t) {
      await t.createFile(t.path('file'), 'abcdef');
      const fd = await t.open(t.path('file'), O_RDWR);
      const copy = await t.dup(fd);
      equal(copy, fd + 1);
      equal(await t.readText(fd, 2), 'ab');
      equal(await t.readText(copy, 2), 'cd');
      await t.lseek(copy, 1, SEEK_SET);
      equal(await t.readText(fd, 1), 'b');
    },
  },
  {
    title: 'a description lives until its last descriptor is closed',
    origin: 'POSIX close',
    async run(t) {
      await t.createFile(t.path('file'), 'abcdef');
      const fd = await t.open(t.path('file'), O_RDONLY);
      const copy = await t.dup(fd);
      await t.unlink(t.path('file'));
      await t.readText(fd, 3);
      await t.close(fd);
      equal(await t.readText(copy, 3), 'def');
    },
  },
  {
    title: 'dup’ed descriptors share their status flags',
    origin: 'POSIX dup; fcntl(2), F_SETFL',
    async run(t) {
      await t.createFile(t.path('file'), 'abc');
      const fd = await t.open(t.path('file'), O_RDWR);
      const copy = await t.dup(fd);
      await t.setfl(copy, O_APPEND);
      equal(withoutLargefile(await t.getfl(fd)), O_RDWR | O_APPEND);
      await t.write(fd, 'd');
      equal(await t.readFile(t.path('file')), 'abcd');
    },
  },
  {
    title: 'dup returns EBADF for a descriptor that is not open',
    origin: 'POSIX dup, EBADF',
    async run(t) {
      await expectError('EBADF', t.dup(-1));
      await expectError('EBADF', t.dup(3999));
    },
  },
  {
    title: 'dup3 makes the descriptor that was asked for',
    origin: 'dup3(2)',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      const fd = await t.open(t.path('file'), O_RDONLY);
      equal(await t.dup3(fd, 100, 0), 100);
      equal(await t.readText(100, 2), 'te');
      equal(await t.lseek(fd, 0, SEEK_CUR), 2);
      equal(await t.dup(fd), fd + 1);
    },
  },
  {
    title: 'dup3 closes what the new descriptor was before',
    origin: 'dup3(2)',
    async run(t) {
      await t.createFile(t.path('a'), 'of a');
      await t.createFile(t.path('b'), 'of b');
      const a = await t.open(t.path('a'), O_RDONLY);
      const b = await t.open(t.path('b'), O_RDONLY);
      equal(await t.dup3(a, b, O_CLOEXEC), b);
      equal(await t.readText(b), 'of a');
      equal((await t.fstat(b)).ino, (await t.stat(t.path('a'))).ino);
    },
  },
  {
    title: 'dup3 returns EINVAL for equal descriptors and unknown flags',
    origin: 'dup3(2), EINVAL',
    async run(t) {
      const fd = await t.open(t.root, O_RDONLY);
      await expectError('EINVAL', t.dup3(fd, fd, 0));
      await expectError('EINVAL', t.dup3(-1, -1, 0));
      await expectError('EINVAL', t.dup3(fd, fd + 1, O_APPEND));
      await expectError('EBADF', t.fstat(fd + 1));
    },
  },
  {
    title: 'dup3 returns EBADF for a closed source or a negative target, which stays as it is',
    origin: 'dup3(2), EBADF',
    async run(t) {
      const fd = await t.open(t.root, O_RDONLY);
      await expectError('EBADF', t.dup3(fd, -1, 0));
      await expectError('EBADF', t.dup3(3999, fd, 0));
      await t.fstat(fd);
    },
  },
];

export const flagCases: readonly Case[] = [
  {
    title: 'F_GETFL returns the access mode and the status flags',
    origin: 'POSIX fcntl, F_GETFL; gVisor fcntl.cc GetAllFlags',
    async run(t) {
      await t.createFile(t.path('file'));
      for (const flags of [
        O_RDONLY,
        O_WRONLY,
        O_RDWR,
        O_ACCMODE,
        O_RDWR | O_APPEND,
        O_WRONLY | O_NONBLOCK,
        O_RDWR | O_DSYNC,
        O_RDWR | O_SYNC | O_APPEND | O_NONBLOCK,
        O_RDONLY | O_NOATIME,
      ]) {
        const fd = await t.open(t.path('file'), flags);
        equal(withoutLargefile(await t.getfl(fd)).toString(8), flags.toString(8));
      }
    },
  },
  {
    title: 'F_GETFL leaves out the flags that only concern opening',
    origin: 'POSIX fcntl, F_GETFL',
    async run(t) {
      const fd = await t.open(t.path('file'), O_RDWR | O_CREAT | O_TRUNC);
      equal(withoutLargefile(await t.getfl(fd)), O_RDWR);
    },
  },
  {
    title: 'F_SETFL sets and clears O_APPEND and O_NONBLOCK',
    origin: 'POSIX fcntl, F_SETFL; gVisor fcntl.cc SetFlags',
    async run(t) {
      await t.createFile(t.path('file'), 'abc');
      const fd = await t.open(t.path('file'), O_RDWR);
      await t.setfl(fd, O_APPEND | O_NONBLOCK);
      equal(withoutLargefile(await t.getfl(fd)), O_RDWR | O_APPEND | O_NONBLOCK);
      await t.write(fd, 'd');
      await t.setfl(fd, 0);
      equal(withoutLargefile(await t.getfl(fd)), O_RDWR);
      await t.lseek(fd, 0, SEEK_SET);
      await t.write(fd, 'A');
      equal(await t.readFile(t.path('file')), 'Abcd');
    },
  },
  {
    title: 'F_SETFL ignores the access mode, O_SYNC and the flags of opening',
    origin: 'fcntl(2), F_SETFL; gVisor fcntl.cc SetFlags',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      const fd = await t.open(t.path('file'), O_RDONLY);
      await t.setfl(fd, O_RDWR | O_SYNC | O_TRUNC | O_CREAT | O_APPEND);
      equal(withoutLargefile(await t.getfl(fd)), O_RDONLY | O_APPEND);
      await expectError('EBADF', t.write(fd, 'x'));
      equal((await t.fstat(fd)).size, 4);
    },
  },
  {
    title: 'F_SETFL with O_NOATIME returns EPERM for a file of somebody else',
    origin: 'fcntl(2), EPERM',
    async run(t) {
      const [user, other] = [await t.as(USER), await t.as(OTHER)];
      await user.createFile(t.path('file'));
      const theirs = await other.open(t.path('file'), O_RDONLY);
      await expectError('EPERM', other.setfl(theirs, O_NOATIME));
      equal(withoutLargefile(await other.getfl(theirs)), O_RDONLY);
      await user.setfl(await user.open(t.path('file'), O_RDONLY), O_NOATIME);
    },
  },
  {
    title: 'F_GETFL and F_SETFL return EBADF for a descriptor that is not open',
    origin: 'POSIX fcntl, EBADF',
    async run(t) {
      await expectError('EBADF', t.getfl(-1));
      await expectError('EBADF', t.setfl(-1, 0));
    },
  },
  {
    title: 'F_GETFL of an O_PATH descriptor keeps O_PATH, O_NOFOLLOW and O_DIRECTORY only',
    origin: 'open(2), O_PATH; gVisor fcntl.cc GetOpathFlag',
    async run(t) {
      const kept = O_PATH | O_NOFOLLOW | O_DIRECTORY;
      const fd = await t.open(t.root, kept | O_RDWR | O_APPEND | O_TRUNC | O_SYNC);
      equal((await t.getfl(fd)).toString(8), kept.toString(8));
      equal(await t.getfl(await t.dup(fd)), kept);
      await expectError('EBADF', t.setfl(fd, O_APPEND));
    },
  },
];

export const opathCases: readonly Case[] = [
  {
    title: 'open with O_PATH needs no permission on the object',
    origin: 'open(2), O_PATH; gVisor open.cc OpenWithOpath',
    async run(t) {
      await t.createFile(t.path('file'), 'text', 0);
      await t.mkdir(t.path('dir'), 0);
      const user = await t.as(USER);
      equal((await user.fstat(await user.open(t.path('file'), O_PATH))).size, 4);
      await user.open(t.path('dir'), O_PATH | O_DIRECTORY);
      await expectError('EACCES', user.open(t.path('dir/x'), O_PATH));
    },
  },
  {
    title: 'open with O_PATH and O_DIRECTORY returns ENOTDIR for a file',
    origin: 'open(2), O_PATH; gVisor open.cc OPathWithODirectory',
    async run(t) {
      await t.createFile(t.path('file'));
      await t.symlink('file', t.path('link'));
      await expectError('ENOTDIR', t.open(t.path('file'), O_PATH | O_DIRECTORY));
      await expectError('ENOTDIR', t.open(t.path('link'), O_PATH | O_DIRECTORY | O_NOFOLLOW));
    },
  },
  {
    title: 'open with O_PATH ignores O_CREAT and O_TRUNC',
    origin: 'open(2), O_PATH',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      await expectError('ENOENT', t.open(t.path('missing'), O_PATH | O_CREAT | O_RDWR));
      await t.open(t.path('file'), O_PATH | O_TRUNC | O_RDWR);
      equal(await t.readFile(t.path('file')), 'text');
      equal(await t.list(t.root), ['file']);
    },
  },
  {
    title: 'open with O_PATH follows a symbolic link unless O_NOFOLLOW is given',
    origin: 'open(2), O_PATH',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      await t.symlink('file', t.path('link'));
      equal((await t.fstat(await t.open(t.path('link'), O_PATH))).size, 4);
      const link = await t.open(t.path('link'), O_PATH | O_NOFOLLOW);
      equal((await t.fstat(link)).ino, (await t.lstat(t.path('link'))).ino);
    },
  },
  {
    title: 'an O_PATH descriptor of a file keeps naming it after rename and unlink',
    origin: 'open(2), O_PATH',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      const fd = await t.open(t.path('file'), O_PATH);
      const { ino } = await t.fstat(fd);
      await t.rename(t.path('file'), t.path('moved'));
      equal((await t.fstat(fd)).ino, ino);
      await t.unlink(t.path('moved'));
      equal((await t.fstat(fd)).nlink, 0);
    },
  },
];

export const syncCases: readonly Case[] = [
  {
    title: 'fsync and fdatasync succeed for files, read-only ones too, and directories',
    origin: 'POSIX fsync; gVisor fsync.cc TempFileSucceeds, TempDirSucceeds',
    async run(t) {
      await t.createFile(t.path('file'));
      const writer = await t.open(t.path('file'), O_WRONLY);
      await t.write(writer, 'text');
      const reader = await t.open(t.path('file'), O_RDONLY);
      const dir = await t.open(t.root, O_RDONLY | O_DIRECTORY);
      for (const fd of [writer, reader, dir]) {
        await t.fsync(fd);
        await t.fdatasync(fd);
        await t.syncfs(fd);
      }
      equal(await t.readFile(t.path('file')), 'text');
    },
  },
  {
    title: 'fsync of an unlinked file succeeds',
    origin: 'POSIX fsync',
    async run(t) {
      const fd = await t.open(t.path('file'), O_RDWR | O_CREAT);
      await t.write(fd, 'text');
      await t.unlink(t.path('file'));
      await t.fsync(fd);
      equal(await t.preadText(fd, 10, 0), 'text');
    },
  },
  {
    title: 'writes with O_SYNC and O_DSYNC succeed and are read back',
    origin: 'POSIX open, O_DSYNC; gVisor fsync.cc ODsyncWriteSucceeds',
    async run(t) {
      for (const flag of [O_SYNC, O_DSYNC]) {
        const fd = await t.open(t.path(`file-${flag}`), O_WRONLY | O_CREAT | flag);
        equal(await t.write(fd, 'text'), 4);
        equal(await t.readFile(t.path(`file-${flag}`)), 'text');
      }
    },
  },
  {
    title: 'sync succeeds and changes nothing that can be seen',
    origin: 'POSIX sync; gVisor sync.cc SyncEverything',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      const before = await t.stat(t.path('file'));
      await t.sync();
      equal(await t.stat(t.path('file')), before);
      equal(await t.readFile(t.path('file')), 'text');
    },
  },
  {
    title: 'fsync, fdatasync and syncfs return EBADF for closed and O_PATH descriptors',
    origin: 'POSIX fsync, EBADF; gVisor sync.cc CannotSyncFileSystemAtOpathFD',
    async run(t) {
      const path = await t.openat(AT_FDCWD, t.root, O_PATH);
      for (const fd of [path, -1, 3999]) {
        await expectError('EBADF', t.fsync(fd));
        await expectError('EBADF', t.fdatasync(fd));
        await expectError('EBADF', t.syncfs(fd));
      }
    },
  },
];
