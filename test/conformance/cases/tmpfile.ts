// open(2) with O_TMPFILE, and linkat(2) with AT_EMPTY_PATH, which gives such a file a name.

import type { Case } from '../case.ts';
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_PATH,
  O_RDONLY,
  O_RDWR,
  O_TMPFILE,
  O_WRONLY,
} from '../../../src/abi/fcntl.ts';
import { S_IFMT, S_IFREG } from '../../../src/abi/stat.ts';
import type { Subject } from '../subject.ts';
import { USER } from '../case.ts';
import { equal, equalMode, expectError, isTrue } from '../check.ts';

/** Gives an open file a name. */
function name(subject: Subject, fd: number, path: string): Promise<void> {
  return subject.linkat(fd, '', AT_FDCWD, path, AT_EMPTY_PATH);
}

export const tmpfileCases: readonly Case[] = [
  {
    title: 'open with O_TMPFILE makes a regular file without a name',
    origin: 'open(2), O_TMPFILE',
    needs: ['files without a name'],
    async run(t) {
      const fd = await t.open(t.root, O_RDWR | O_TMPFILE, 0o640);
      const stat = await t.fstat(fd);
      equal([stat.mode & S_IFMT, stat.nlink, stat.size], [S_IFREG, 0, 0]);
      equalMode(stat, 0o640);
      equal(await t.list(t.root), []);
      equal(await t.write(fd, 'text'), 4);
      equal(await t.preadText(fd, 10, 0), 'text');
      await t.ftruncate(fd, 2);
      equal((await t.fstat(fd)).size, 2);
    },
  },
  {
    title: 'two files made with O_TMPFILE are two files',
    origin: 'open(2), O_TMPFILE',
    needs: ['files without a name'],
    async run(t) {
      const a = await t.open(t.root, O_RDWR | O_TMPFILE, 0o600);
      const b = await t.open(t.root, O_RDWR | O_TMPFILE, 0o600);
      await t.write(a, 'text');
      equal((await t.fstat(b)).size, 0);
      isTrue((await t.fstat(a)).ino !== (await t.fstat(b)).ino, 'their numbers differ');
    },
  },
  {
    title: 'O_TMPFILE takes the umask off the mode, which does not concern its maker',
    origin: 'open(2), O_TMPFILE',
    needs: ['files without a name'],
    async run(t) {
      const user = await t.as(USER);
      await user.umask(0o777);
      const fd = await user.open(t.root, O_RDWR | O_TMPFILE, 0o666);
      equalMode(await user.fstat(fd), 0);
      await user.write(fd, 'text');
      const { uid, gid } = await user.fstat(fd);
      equal([uid, gid], [USER.uid, USER.gid]);
    },
  },
  {
    title: 'O_TMPFILE returns EINVAL without writing, with O_CREAT, or without O_DIRECTORY',
    origin: 'open(2), EINVAL',
    async run(t) {
      await expectError('EINVAL', t.open(t.root, O_RDONLY | O_TMPFILE, 0o600));
      await expectError('EINVAL', t.open(t.root, O_RDWR | O_CREAT | O_TMPFILE, 0o600));
      await expectError('EINVAL', t.open(t.root, O_RDWR | (O_TMPFILE & ~O_DIRECTORY), 0o600));
    },
  },
  {
    title: 'O_TMPFILE needs a directory: ENOENT, ENOTDIR',
    origin: 'open(2), ENOENT, ENOTDIR',
    needs: ['files without a name'],
    async run(t) {
      await t.createFile(t.path('file'));
      await t.mkdir(t.path('dir'));
      await t.symlink('dir', t.path('link'));
      await expectError('ENOENT', t.open(t.path('missing'), O_RDWR | O_TMPFILE, 0o600));
      await expectError('ENOENT', t.open('', O_RDWR | O_TMPFILE, 0o600));
      await expectError('ENOTDIR', t.open(t.path('file'), O_RDWR | O_TMPFILE, 0o600));
      await t.open(t.path('link'), O_RDWR | O_TMPFILE, 0o600);
    },
  },
  {
    title: 'O_TMPFILE needs permission to write the directory',
    origin: 'open(2), EACCES',
    needs: ['files without a name'],
    async run(t) {
      await t.mkdir(t.path('dir'), 0o755);
      const user = await t.as(USER);
      await expectError('EACCES', user.open(t.path('dir'), O_RDWR | O_TMPFILE, 0o600));
      await t.chmod(t.path('dir'), 0o776);
      await expectError('EACCES', user.open(t.path('dir'), O_RDWR | O_TMPFILE, 0o600));
    },
  },
  {
    title: 'O_TMPFILE resolves from a directory descriptor, which may be an O_PATH one',
    origin: 'open(2), O_TMPFILE',
    needs: ['files without a name'],
    async run(t) {
      await t.mkdir(t.path('dir'));
      const dir = await t.open(t.root, O_PATH | O_DIRECTORY);
      const fd = await t.openat(dir, 'dir', O_RDWR | O_TMPFILE, 0o600);
      await name(t, fd, t.path('dir/file'));
      equal(await t.list(t.path('dir')), ['file']);
    },
  },
  {
    title: 'a file made with O_TMPFILE in a setgid directory gets the group of the directory',
    origin: 'Linux: fs/inode.c inode_init_owner()',
    needs: ['files without a name'],
    async run(t) {
      await t.mkdir(t.path('group'));
      await t.chown(t.path('group'), 0, 50);
      await t.chmod(t.path('group'), 0o2777);
      const user = await t.as(USER);
      equal((await user.fstat(await user.open(t.path('group'), O_RDWR | O_TMPFILE))).gid, 50);
    },
  },
  {
    title: 'the directory of a file made with O_TMPFILE can be removed',
    origin: 'open(2), O_TMPFILE',
    needs: ['files without a name'],
    async run(t) {
      await t.mkdir(t.path('dir'));
      const fd = await t.open(t.path('dir'), O_RDWR | O_TMPFILE, 0o600);
      await t.rmdir(t.path('dir'));
      await t.write(fd, 'text');
      await name(t, fd, t.path('file'));
      equal(await t.readFile(t.path('file')), 'text');
    },
  },
];

export const emptyPathLinkCases: readonly Case[] = [
  {
    title: 'linkat with AT_EMPTY_PATH gives a file made with O_TMPFILE its name',
    origin: 'open(2), O_TMPFILE; linkat(2), AT_EMPTY_PATH',
    needs: ['files without a name'],
    async run(t) {
      const fd = await t.open(t.root, O_WRONLY | O_TMPFILE, 0o644);
      await t.write(fd, 'text');
      await name(t, fd, t.path('file'));
      equal((await t.fstat(fd)).nlink, 1);
      equal((await t.stat(t.path('file'))).ino, (await t.fstat(fd)).ino);
      await name(t, fd, t.path('second'));
      equal((await t.fstat(fd)).nlink, 2);
      await t.close(fd);
      equal(await t.readFile(t.path('file')), 'text');
    },
  },
  {
    title: 'a user may name its own file made with O_TMPFILE',
    origin:
      'Linux 6.10: linkat(2), AT_EMPTY_PATH; gVisor link.cc ' +
      'LinkAtWithEmptyPathNeedsNoCapForSameCreds',
    needs: ['files without a name'],
    async run(t) {
      const user = await t.as(USER);
      const fd = await user.open(t.root, O_WRONLY | O_TMPFILE, 0o644);
      await name(user, fd, t.path('file'));
      equal((await t.stat(t.path('file'))).uid, USER.uid);
    },
  },
  {
    title: 'a file made with O_TMPFILE and O_EXCL never gets a name: ENOENT',
    origin: 'open(2), O_TMPFILE, O_EXCL',
    needs: ['files without a name'],
    async run(t) {
      const fd = await t.open(t.root, O_WRONLY | O_TMPFILE | O_EXCL, 0o644);
      await expectError('ENOENT', name(t, fd, t.path('file')));
      equal(await t.list(t.root), []);
    },
  },
  {
    title: 'a file that lost its last name does not get another: ENOENT',
    origin: 'linkat(2), ENOENT; Linux: fs/namei.c vfs_link()',
    needs: ['files without a name'],
    async run(t) {
      const fd = await t.open(t.path('file'), O_RDWR | O_CREAT);
      await t.unlink(t.path('file'));
      await expectError('ENOENT', name(t, fd, t.path('file')));
      const anonymous = await t.open(t.root, O_RDWR | O_TMPFILE, 0o644);
      await name(t, anonymous, t.path('file'));
      await t.unlink(t.path('file'));
      await expectError('ENOENT', name(t, anonymous, t.path('file')));
    },
  },
  {
    title: 'linkat with AT_EMPTY_PATH returns EEXIST for a name there is',
    origin: 'linkat(2), EEXIST',
    needs: ['files without a name'],
    async run(t) {
      await t.createFile(t.path('file'), 'old');
      const fd = await t.open(t.root, O_WRONLY | O_TMPFILE, 0o644);
      await expectError('EEXIST', name(t, fd, t.path('file')));
      equal(await t.readFile(t.path('file')), 'old');
    },
  },
  {
    title: 'linkat with AT_EMPTY_PATH links what an O_PATH descriptor stands for, but no directory',
    origin: 'linkat(2), AT_EMPTY_PATH, EPERM',
    async run(t) {
      await t.createFile(t.path('file'));
      const fd = await t.open(t.path('file'), O_PATH);
      await name(t, fd, t.path('link'));
      equal((await t.stat(t.path('link'))).nlink, 2);
      const dir = await t.open(t.root, O_RDONLY | O_DIRECTORY);
      await expectError('EPERM', name(t, dir, t.path('dir')));
      await expectError('EBADF', name(t, 99, t.path('other')));
    },
  },
  {
    title: 'linkat with AT_EMPTY_PATH takes a path that is not empty as any other',
    origin: 'linkat(2), AT_EMPTY_PATH; gVisor link.cc LinkAtWithEmptyPathNeedsNoCapForAtFcwd',
    async run(t) {
      const user = await t.as(USER);
      await user.createFile(t.path('file'));
      await user.linkat(AT_FDCWD, t.path('file'), AT_FDCWD, t.path('link'), AT_EMPTY_PATH);
      equal((await t.stat(t.path('link'))).nlink, 2);
    },
  },
];
