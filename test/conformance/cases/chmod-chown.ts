// chmod(2), chown(2), and when set-user-ID and set-group-ID bits are cleared.

import type { Case } from '../case.ts';
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_SYMLINK_NOFOLLOW,
  O_PATH,
  O_RDONLY,
  O_TRUNC,
  O_WRONLY,
} from '../../../src/abi/fcntl.ts';
import { NO_ID } from '../../../src/auth/credentials.ts';
import { OTHER, USER } from '../case.ts';
import { equal, equalMode, expectError } from '../check.ts';

export const chmodCases: readonly Case[] = [
  {
    title: 'chmod sets all twelve permission bits and no others',
    origin: 'POSIX chmod',
    async run(t) {
      await t.createFile(t.path('file'));
      const { mode } = await t.stat(t.path('file'));
      for (const permissions of [0, 0o7777, 0o1234, 0o644]) {
        await t.chmod(t.path('file'), permissions);
        equalMode(await t.stat(t.path('file')), permissions);
      }
      await t.chmod(t.path('file'), 0o170644);
      equal((await t.stat(t.path('file'))).mode, mode);
    },
  },
  {
    title: 'chmod is not subject to the umask',
    origin: 'POSIX chmod',
    async run(t) {
      await t.umask(0o777);
      await t.createFile(t.path('file'));
      await t.chmod(t.path('file'), 0o666);
      equalMode(await t.stat(t.path('file')), 0o666);
    },
  },
  {
    title: 'chmod returns EPERM for a file of somebody else',
    origin: 'POSIX chmod, EPERM',
    async run(t) {
      const [user, other] = [await t.as(USER), await t.as(OTHER)];
      await user.createFile(t.path('file'), '', 0o666);
      await expectError('EPERM', other.chmod(t.path('file'), 0o777));
      await expectError('EPERM', other.chmod(t.path('file'), 0o666));
      equalMode(await t.stat(t.path('file')), 0o666);
      await user.chmod(t.path('file'), 0o600);
      await t.chmod(t.path('file'), 0o644);
    },
  },
  {
    title: 'fchmod changes the file of a read-only description',
    origin: 'POSIX fchmod',
    async run(t) {
      await t.createFile(t.path('file'));
      const fd = await t.open(t.path('file'), O_RDONLY);
      await t.unlink(t.path('file'));
      await t.fchmod(fd, 0o711);
      equalMode(await t.fstat(fd), 0o711);
    },
  },
  {
    title: 'fchmod and fchown return EBADF for a closed descriptor and an O_PATH one',
    origin: 'POSIX fchmod, EBADF; open(2), O_PATH',
    async run(t) {
      await t.createFile(t.path('file'));
      const fd = await t.open(t.path('file'), O_PATH);
      for (const bad of [fd, -1]) {
        await expectError('EBADF', t.fchmod(bad, 0o600));
        await expectError('EBADF', t.fchown(bad, 1, 1));
      }
    },
  },
  {
    title: 'chmod returns ENOENT, ENOTDIR and ENAMETOOLONG as any path does',
    origin: 'POSIX chmod',
    async run(t) {
      await t.createFile(t.path('file'));
      await expectError('ENOENT', t.chmod(t.path('missing'), 0o600));
      await expectError('ENOENT', t.chmod('', 0o600));
      await expectError('ENOTDIR', t.chmod(t.path('file/x'), 0o600));
      await expectError('ENAMETOOLONG', t.chmod(t.path('n'.repeat(256)), 0o600));
    },
  },
  {
    title: 'chmod by an owner outside the file’s group drops the setgid bit',
    origin: 'POSIX chmod',
    async run(t) {
      await t.createFile(t.path('file'));
      await t.chown(t.path('file'), 1000, 50);
      const user = await t.as(USER);
      const member = await t.as({ uid: 1000, gid: 1000, groups: [50] });
      await user.chmod(t.path('file'), 0o6755);
      equalMode(await t.stat(t.path('file')), 0o4755);
      await member.chmod(t.path('file'), 0o6755);
      equalMode(await t.stat(t.path('file')), 0o6755);
      await user.chmod(t.path('file'), 0o2644);
      equalMode(await t.stat(t.path('file')), 0o644);
    },
  },
  {
    title: 'chmod by root keeps the setgid bit whatever the group is',
    origin: 'capabilities(7), CAP_FSETID',
    async run(t) {
      await t.createFile(t.path('file'));
      await t.chown(t.path('file'), 1000, 50);
      await t.chmod(t.path('file'), 0o6755);
      equalMode(await t.stat(t.path('file')), 0o6755);
    },
  },
  {
    title: 'a user may set the sticky bit on a file and a directory of their own',
    origin: 'chmod(2)',
    async run(t) {
      const user = await t.as(USER);
      await user.createFile(t.path('file'));
      await user.mkdir(t.path('dir'));
      await user.chmod(t.path('file'), 0o1644);
      await user.chmod(t.path('dir'), 0o1777);
      equalMode(await t.stat(t.path('file')), 0o1644);
      equalMode(await t.stat(t.path('dir')), 0o1777);
    },
  },
];

export const chownCases: readonly Case[] = [
  {
    title: 'chown by root sets user and group, -1 leaves one as it is',
    origin: 'POSIX chown',
    async run(t) {
      await t.createFile(t.path('file'));
      const ids = async () => {
        const { uid, gid } = await t.stat(t.path('file'));
        return [uid, gid];
      };
      await t.chown(t.path('file'), 10, 20);
      equal(await ids(), [10, 20]);
      await t.chown(t.path('file'), NO_ID, 30);
      equal(await ids(), [10, 30]);
      await t.chown(t.path('file'), 40, NO_ID);
      equal(await ids(), [40, 30]);
      await t.chown(t.path('file'), NO_ID, NO_ID);
      equal(await ids(), [40, 30]);
    },
  },
  {
    title: 'chown accepts ids of 32 bits',
    origin: 'chown(2)',
    async run(t) {
      await t.createFile(t.path('file'));
      await t.chown(t.path('file'), 0xffff_fffe, 0x8000_0000);
      const { uid, gid } = await t.stat(t.path('file'));
      equal([uid, gid], [0xffff_fffe, 0x8000_0000]);
    },
  },
  {
    title: 'chown returns EPERM when a user gives a file away',
    origin: 'POSIX chown, EPERM',
    async run(t) {
      const user = await t.as(USER);
      await user.createFile(t.path('file'));
      await expectError('EPERM', user.chown(t.path('file'), 1001, NO_ID));
      await expectError('EPERM', user.chown(t.path('file'), 0, 1000));
      equal((await t.stat(t.path('file'))).uid, 1000);
      await user.chown(t.path('file'), 1000, NO_ID);
    },
  },
  {
    title: 'chown lets an owner change the group to one of their own',
    origin: 'POSIX chown, EPERM',
    async run(t) {
      const user = await t.as({ uid: 1000, gid: 1000, groups: [50] });
      await user.createFile(t.path('file'));
      await user.chown(t.path('file'), NO_ID, 50);
      equal((await t.stat(t.path('file'))).gid, 50);
      await user.chown(t.path('file'), 1000, 1000);
      equal((await t.stat(t.path('file'))).gid, 1000);
      await expectError('EPERM', user.chown(t.path('file'), NO_ID, 51));
    },
  },
  {
    title: 'chown lets an owner keep a group that is not theirs',
    origin: 'Linux: fs/attr.c chgrp_ok()',
    async run(t) {
      await t.createFile(t.path('file'));
      await t.chown(t.path('file'), 1000, 51);
      const user = await t.as(USER);
      await user.chown(t.path('file'), NO_ID, 51);
      equal((await t.stat(t.path('file'))).gid, 51);
    },
  },
  {
    title: 'chown returns EPERM for a file of somebody else, to the same ids too',
    origin: 'POSIX chown, EPERM',
    async run(t) {
      const [user, other] = [await t.as(USER), await t.as(OTHER)];
      await user.createFile(t.path('file'), '', 0o666);
      await expectError('EPERM', other.chown(t.path('file'), 1000, 1000));
      await expectError('EPERM', other.chown(t.path('file'), 1001, 1001));
      await expectError('EPERM', other.chown(t.path('file'), NO_ID, 1001));
    },
  },
  {
    title: 'chown by anybody with both ids -1 succeeds',
    origin: 'Linux: fs/open.c chown_common()',
    async run(t) {
      await t.createFile(t.path('file'));
      const user = await t.as(USER);
      await user.chown(t.path('file'), NO_ID, NO_ID);
      const { uid, gid } = await t.stat(t.path('file'));
      equal([uid, gid], [0, 0]);
    },
  },
  {
    title: 'chown clears setuid and, of an executable, setgid, for root too',
    origin: 'chown(2)',
    async run(t) {
      await t.createFile(t.path('both'), '', 0o6755);
      await t.createFile(t.path('lock'), '', 0o6745);
      await t.chown(t.path('both'), 5, 5);
      await t.chown(t.path('lock'), 5, 5);
      equalMode(await t.stat(t.path('both')), 0o755);
      equalMode(await t.stat(t.path('lock')), 0o2745);
    },
  },
  {
    title: 'chown to the same ids clears setuid',
    origin: 'Linux: fs/open.c chown_common()',
    async run(t) {
      const user = await t.as(USER);
      await user.createFile(t.path('file'), '', 0o4755);
      await user.chown(t.path('file'), 1000, 1000);
      equalMode(await t.stat(t.path('file')), 0o755);
    },
  },
  {
    title: 'chown of a directory keeps its setuid and setgid bits',
    origin: 'chown(2)',
    async run(t) {
      await t.mkdir(t.path('dir'));
      await t.chmod(t.path('dir'), 0o6755);
      await t.chown(t.path('dir'), 5, 5);
      equalMode(await t.stat(t.path('dir')), 0o6755);
    },
  },
  {
    title: 'fchown and fchownat with AT_EMPTY_PATH change the file of a descriptor',
    origin: 'POSIX fchown; fchownat(2), AT_EMPTY_PATH',
    async run(t) {
      await t.createFile(t.path('file'));
      const fd = await t.open(t.path('file'), O_RDONLY);
      await t.fchown(fd, 3, 4);
      equal((await t.fstat(fd)).uid, 3);
      const path = await t.open(t.path('file'), O_PATH);
      await t.fchownat(path, '', 5, 6, AT_EMPTY_PATH);
      equal((await t.fstat(fd)).uid, 5);
      await expectError('ENOENT', t.fchownat(path, '', 5, 6, 0));
    },
  },
  {
    title: 'fchownat returns EINVAL for unknown flags before anything else',
    origin: 'POSIX fchownat, EINVAL',
    async run(t) {
      await expectError('EINVAL', t.fchownat(-1, '', 1, 1, 0x2));
      await t.symlink('missing', t.path('link'));
      await t.fchownat(AT_FDCWD, t.path('link'), 1, 2, AT_SYMLINK_NOFOLLOW);
      equal((await t.lstat(t.path('link'))).uid, 1);
    },
  },
];

export const setidCases: readonly Case[] = [
  {
    title: 'a write by somebody without privilege clears setuid and setgid',
    origin: 'POSIX write',
    async run(t) {
      await t.createFile(t.path('file'), 'text', 0o6777);
      const user = await t.as(USER);
      await user.write(await user.open(t.path('file'), O_WRONLY), 'x');
      equalMode(await t.stat(t.path('file')), 0o777);
    },
  },
  {
    title: 'a write by the owner clears setuid, and setgid only of an executable',
    origin: 'POSIX write',
    async run(t) {
      const user = await t.as(USER);
      await user.createFile(t.path('file'), 'text', 0o6765);
      await user.chmod(t.path('file'), 0o6766);
      await user.pwrite(await user.open(t.path('file'), O_WRONLY), 'x', 1);
      equalMode(await t.stat(t.path('file')), 0o2766);
    },
  },
  {
    title: 'a write of no bytes keeps setuid',
    origin: 'POSIX write',
    async run(t) {
      await t.createFile(t.path('file'), 'text', 0o4777);
      const user = await t.as(USER);
      await user.write(await user.open(t.path('file'), O_WRONLY), '');
      equalMode(await t.stat(t.path('file')), 0o4777);
    },
  },
  {
    title: 'a write and a truncation by root keep setuid and setgid',
    origin: 'capabilities(7), CAP_FSETID',
    async run(t) {
      await t.createFile(t.path('file'), 'text', 0o6755);
      await t.write(await t.open(t.path('file'), O_WRONLY), 'x');
      await t.truncate(t.path('file'), 1);
      equalMode(await t.stat(t.path('file')), 0o6755);
    },
  },
  {
    title: 'truncate, ftruncate and O_TRUNC by somebody without privilege clear setuid',
    origin: 'POSIX truncate',
    async run(t) {
      const user = await t.as(USER);
      for (const name of ['a', 'b', 'c']) await user.createFile(t.path(name), 'text', 0o4755);
      await user.truncate(t.path('a'), 1);
      const fd = await user.open(t.path('b'), O_WRONLY);
      equalMode(await user.fstat(fd), 0o4755);
      await user.ftruncate(fd, 1);
      await user.open(t.path('c'), O_WRONLY | O_TRUNC);
      for (const name of ['a', 'b', 'c']) equalMode(await t.stat(t.path(name)), 0o755);
    },
  },
  {
    title: 'reading, renaming and linking keep setuid',
    origin: 'Linux: fs/inode.c file_remove_privs(), which only changes of the file call',
    async run(t) {
      const user = await t.as(USER);
      await user.createFile(t.path('file'), 'text', 0o4755);
      await user.readFile(t.path('file'));
      await user.link(t.path('file'), t.path('link'));
      await user.rename(t.path('file'), t.path('moved'));
      equalMode(await t.stat(t.path('moved')), 0o4755);
    },
  },
];
