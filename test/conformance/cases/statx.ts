// statx(2).

import type { Case } from '../case.ts';
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_NO_AUTOMOUNT,
  AT_REMOVEDIR,
  AT_SYMLINK_NOFOLLOW,
  MS_BIND,
  O_CREAT,
  O_DIRECTORY,
  O_PATH,
  O_RDONLY,
  O_RDWR,
} from '../../../src/abi/fcntl.ts';
import {
  AT_STATX_DONT_SYNC,
  AT_STATX_FORCE_SYNC,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  STATX_BASIC_STATS,
  STATX_BTIME,
  STATX_MNT_ID,
  STATX_RESERVED,
} from '../../../src/abi/stat.ts';
import { USER } from '../case.ts';
import { equal, expectError, isTrue } from '../check.ts';

const ALL = STATX_BASIC_STATS | STATX_BTIME;

export const statxCases: readonly Case[] = [
  {
    title: 'statx tells what stat tells, and says so',
    origin: 'statx(2); gVisor stat.cc StatxAbsPath',
    async run(t) {
      await t.createFile(t.path('file'), 'text', 0o640);
      const { mask, mountId, ...rest } = await t.statx(AT_FDCWD, t.path('file'), 0, ALL);
      equal(rest, await t.stat(t.path('file')));
      equal(mask & ALL, ALL);
      isTrue(mountId >= 0, 'there is a mount');
      // An absolute path needs no descriptor.
      equal((await t.statx(-1, t.path('file'), 0, ALL)).ino, rest.ino);
    },
  },
  {
    title: 'statx resolves from a directory descriptor and, with AT_EMPTY_PATH, takes it itself',
    origin: 'statx(2); gVisor stat.cc StatxRelPathDirFD, StatxEmptyPath',
    async run(t) {
      const fd = await t.open(t.path('file'), O_RDWR | O_CREAT);
      const { ino } = await t.fstat(fd);
      const dir = await t.open(t.root, O_PATH | O_DIRECTORY);
      equal((await t.statx(dir, 'file', 0, ALL)).ino, ino);
      equal((await t.statx(fd, '', AT_EMPTY_PATH, ALL)).ino, ino);
      await expectError('ENOENT', t.statx(fd, '', 0, ALL));
      await expectError('ENOTDIR', t.statx(fd, 'file', 0, ALL));
      await expectError('EBADF', t.statx(99, 'file', 0, ALL));
      await t.unlink(t.path('file'));
      equal((await t.statx(fd, '', AT_EMPTY_PATH, ALL)).nlink, 0);
    },
  },
  {
    title: 'statx accepts every bit of a mask but the last',
    origin:
      'statx(2), EINVAL; gVisor stat.cc StatxDoesNotRejectExtraneousMaskBits, ' +
      'StatxRejectsReservedMaskBit',
    async run(t) {
      await t.createFile(t.path('file'));
      const { mode } = await t.statx(AT_FDCWD, t.path('file'), 0, 0x7fff_ffff);
      equal(mode & S_IFMT, S_IFREG);
      await t.statx(AT_FDCWD, t.path('file'), 0, 0);
      await expectError('EINVAL', t.statx(AT_FDCWD, t.path('file'), 0, STATX_RESERVED));
      await expectError('EINVAL', t.statx(AT_FDCWD, t.path('missing'), 0, STATX_RESERVED | ALL));
    },
  },
  {
    title: 'statx follows a symbolic link unless AT_SYMLINK_NOFOLLOW is given',
    origin: 'statx(2); gVisor stat.cc StatxSymlink',
    async run(t) {
      await t.createFile(t.path('file'));
      await t.symlink('file', t.path('link'));
      const followed = await t.statx(AT_FDCWD, t.path('link'), 0, ALL);
      equal(followed.mode & S_IFMT, S_IFREG);
      const link = await t.statx(AT_FDCWD, t.path('link'), AT_SYMLINK_NOFOLLOW, ALL);
      equal(link.mode & S_IFMT, S_IFLNK);
    },
  },
  {
    title: 'statx returns EINVAL for unknown flags and for both ways to sync at once',
    origin: 'statx(2), EINVAL; gVisor stat.cc StatxInvalidFlags',
    async run(t) {
      await t.createFile(t.path('file'));
      for (const flags of [AT_REMOVEDIR, 0x1, AT_STATX_FORCE_SYNC | AT_STATX_DONT_SYNC]) {
        await expectError('EINVAL', t.statx(AT_FDCWD, t.path('file'), flags, ALL));
        await expectError('EINVAL', t.statx(AT_FDCWD, t.path('missing'), flags, ALL));
      }
      await t.statx(AT_FDCWD, t.path('file'), AT_STATX_FORCE_SYNC, ALL);
      await t.statx(AT_FDCWD, t.path('file'), AT_STATX_DONT_SYNC, ALL);
    },
  },
  {
    title: 'statx and fstatat accept AT_NO_AUTOMOUNT',
    origin: 'statx(2); gVisor stat.cc StatIgnoreNoAutomount',
    async run(t) {
      await t.createFile(t.path('file'));
      const { ino } = await t.statx(AT_FDCWD, t.path('file'), AT_NO_AUTOMOUNT, ALL);
      equal((await t.fstatat(AT_FDCWD, t.path('file'), AT_NO_AUTOMOUNT)).ino, ino);
    },
  },
  {
    title: 'statx needs search permission on the way and none on the file',
    origin: 'statx(2), EACCES',
    async run(t) {
      await t.mkdir(t.path('dir'), 0o711);
      await t.createFile(t.path('dir/file'), '', 0);
      const user = await t.as(USER);
      await user.statx(AT_FDCWD, t.path('dir/file'), 0, ALL);
      await t.chmod(t.path('dir'), 0o700);
      await expectError('EACCES', user.statx(AT_FDCWD, t.path('dir/file'), 0, ALL));
    },
  },
  {
    title: 'statx tells when a file was made, which nothing changes',
    origin: 'statx(2), STATX_BTIME',
    async run(t) {
      await t.createFile(t.path('file'));
      const before = await t.statx(AT_FDCWD, t.path('file'), 0, ALL);
      equal(before.mask & STATX_BTIME, STATX_BTIME);
      await t.tick();
      await t.truncate(t.path('file'), 10);
      await t.chmod(t.path('file'), 0o600);
      await t.utimens(t.path('file'), { sec: 5, nsec: 0 }, { sec: 5, nsec: 0 });
      equal((await t.statx(AT_FDCWD, t.path('file'), 0, ALL)).btime, before.btime);
    },
  },
  {
    title: 'statx tells the mount, the same for all files of it',
    origin: 'statx(2), STATX_MNT_ID; gVisor stat.cc StatxMntId',
    async run(t) {
      await t.createFile(t.path('a'));
      const dir = await t.open(t.root, O_RDONLY | O_DIRECTORY);
      const first = await t.statx(AT_FDCWD, t.path('a'), 0, STATX_MNT_ID);
      const second = await t.statx(dir, '', AT_EMPTY_PATH, STATX_MNT_ID);
      equal(first.mask & STATX_MNT_ID, STATX_MNT_ID);
      isTrue(first.mountId > 0, 'it is a number above 0');
      equal(second.mountId, first.mountId);
    },
  },
  {
    title: 'statx tells two mounts of one directory apart',
    origin: 'statx(2), STATX_MNT_ID; gVisor stat.cc StatxMntIdBindMount',
    async run(t) {
      await t.mkdir(t.path('a'));
      await t.mkdir(t.path('b'));
      await t.mount(t.path('a'), t.path('b'), '', MS_BIND);
      const first = await t.statx(AT_FDCWD, t.path('a'), 0, ALL | STATX_MNT_ID);
      const second = await t.statx(AT_FDCWD, t.path('b'), 0, ALL | STATX_MNT_ID);
      await t.umount(t.path('b'));
      equal(second.ino, first.ino);
      isTrue(second.mountId !== first.mountId, 'the mounts differ');
    },
  },
];
