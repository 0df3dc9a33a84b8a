// link(2), linkat(2).

import type { Case } from '../case.ts';
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_SYMLINK_FOLLOW,
  O_DIRECTORY,
  O_PATH,
  O_RDONLY,
  O_RDWR,
} from '../../../src/abi/fcntl.ts';
import { S_IFLNK, S_IFMT } from '../../../src/abi/stat.ts';
import { USER } from '../case.ts';
import { equal, equalMode, expectError, isLater } from '../check.ts';

export const linkCases: readonly Case[] = [
  {
    title: 'link gives a file a second name and unlink takes it away',
    origin: 'POSIX link; gVisor link.cc CanCreateLinkFile',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      await t.link(t.path('file'), t.path('link'));
      const [file, link] = [await t.stat(t.path('file')), await t.stat(t.path('link'))];
      equal([link.dev, link.ino, link.nlink, file.nlink], [file.dev, file.ino, 2, 2]);
      await t.unlink(t.path('file'));
      equal((await t.stat(t.path('link'))).nlink, 1);
      equal(await t.readFile(t.path('link')), 'text');
    },
  },
  {
    title: 'what is written through one link is read through the other',
    origin: 'POSIX link',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      await t.mkdir(t.path('dir'));
      await t.link(t.path('file'), t.path('dir/link'));
      const fd = await t.open(t.path('dir/link'), O_RDWR);
      await t.write(fd, 'TEXT');
      equal(await t.readFile(t.path('file')), 'TEXT');
    },
  },
  {
    title: 'chmod and chown through one link show through the other',
    origin: 'gVisor link.cc HardlinkChangeMode',
    async run(t) {
      await t.createFile(t.path('file'));
      await t.link(t.path('file'), t.path('link'));
      await t.chmod(t.path('link'), 0o604);
      await t.chown(t.path('file'), 7, 8);
      const stat = await t.stat(t.path('link'));
      equalMode(await t.stat(t.path('file')), 0o604);
      equal([stat.uid, stat.gid], [7, 8]);
    },
  },
  {
    title: 'link changes the ctime of the file and the times of the directory',
    origin: 'POSIX link',
    async run(t) {
      await t.createFile(t.path('file'));
      await t.mkdir(t.path('dir'));
      const [file, dir] = [await t.stat(t.path('file')), await t.stat(t.path('dir'))];
      await t.tick();
      await t.link(t.path('file'), t.path('dir/link'));
      const [file2, dir2] = [await t.stat(t.path('file')), await t.stat(t.path('dir'))];
      isLater(file2.ctime, file.ctime, 'ctime of the file');
      equal(file2.mtime, file.mtime);
      isLater(dir2.mtime, dir.mtime, 'mtime of the directory');
      isLater(dir2.ctime, dir.ctime, 'ctime of the directory');
    },
  },
  {
    title: 'link returns EPERM for a directory',
    origin: 'POSIX link, EPERM; gVisor link.cc CannotLinkDirectory',
    async run(t) {
      await t.mkdir(t.path('dir'));
      await expectError('EPERM', t.link(t.path('dir'), t.path('link')));
      await expectError('EPERM', t.link(t.path('dir'), t.path('dir/link')));
      equal((await t.stat(t.path('dir'))).nlink, 2);
    },
  },
  {
    title: 'link returns EEXIST when the new name exists',
    origin: 'POSIX link, EEXIST',
    async run(t) {
      await t.createFile(t.path('file'));
      await t.createFile(t.path('other'));
      await t.mkdir(t.path('dir'));
      await t.symlink('missing', t.path('dangling'));
      for (const name of ['file', 'other', 'dir', 'dangling', '.', '..', 'dir/']) {
        await expectError('EEXIST', t.link(t.path('file'), t.path(name)));
      }
      equal((await t.stat(t.path('file'))).nlink, 1);
    },
  },
  {
    title: 'link returns EEXIST before EPERM for a directory',
    origin: 'Linux: fs/namei.c do_linkat()',
    async run(t) {
      await t.mkdir(t.path('dir'));
      await t.createFile(t.path('file'));
      await expectError('EEXIST', t.link(t.path('dir'), t.path('file')));
    },
  },
  {
    title: 'link returns ENOENT when either path is missing or empty',
    origin: 'POSIX link, ENOENT; gVisor link.cc OldnameDoesNotExist, NewnameCannotExist',
    async run(t) {
      await t.createFile(t.path('file'));
      await expectError('ENOENT', t.link(t.path('missing'), t.path('link')));
      await expectError('ENOENT', t.link('', t.path('link')));
      await expectError('ENOENT', t.link(t.path('file'), ''));
      await expectError('ENOENT', t.link(t.path('file'), t.path('missing/link')));
      equal(await t.list(t.root), ['file']);
    },
  },
  {
    title: 'link resolves the old path first: its ENOENT comes before EEXIST',
    origin: 'Linux: fs/namei.c do_linkat()',
    async run(t) {
      await t.createFile(t.path('file'));
      await expectError('ENOENT', t.link(t.path('missing'), t.path('file')));
    },
  },
  {
    title: 'link returns ENOENT for a new name with a trailing slash',
    origin: 'gVisor link.cc CannotLinkWithSlash',
    async run(t) {
      await t.createFile(t.path('file'));
      await expectError('ENOENT', t.link(t.path('file'), t.path('link/')));
      equal(await t.list(t.root), ['file']);
    },
  },
  {
    title: 'link returns ENOTDIR for an old path that is a file with a trailing slash',
    origin: 'POSIX link, ENOTDIR',
    async run(t) {
      await t.createFile(t.path('file'));
      await expectError('ENOTDIR', t.link(t.path('file/'), t.path('link')));
      await expectError('ENOTDIR', t.link(t.path('file/x'), t.path('link')));
      await expectError('ENOTDIR', t.link(t.path('file'), t.path('file/link')));
    },
  },
  {
    title: 'link returns ENAMETOOLONG for a new name of 256 bytes',
    origin: 'POSIX link, ENAMETOOLONG',
    async run(t) {
      await t.createFile(t.path('file'));
      await expectError('ENAMETOOLONG', t.link(t.path('file'), t.path('n'.repeat(256))));
      equal((await t.stat(t.path('file'))).nlink, 1);
    },
  },
  {
    title: 'link makes a second name of a symbolic link and does not follow it',
    origin: 'link(2); gVisor link.cc LinkDoesNotFollowSymlinks',
    async run(t) {
      await t.createFile(t.path('file'));
      await t.symlink('file', t.path('symlink'));
      await t.link(t.path('symlink'), t.path('link'));
      const [stat, symlink] = [await t.lstat(t.path('link')), await t.lstat(t.path('symlink'))];
      equal([stat.mode & S_IFMT, stat.ino, stat.nlink], [S_IFLNK, symlink.ino, 2]);
      equal(await t.readlink(t.path('link')), 'file');
      equal((await t.stat(t.path('file'))).nlink, 1);
    },
  },
  {
    title: 'link makes a second name of a dangling symbolic link',
    origin: 'link(2)',
    async run(t) {
      await t.symlink('missing', t.path('symlink'));
      await t.link(t.path('symlink'), t.path('link'));
      equal(await t.readlink(t.path('link')), 'missing');
    },
  },
  {
    title: 'linkat with AT_SYMLINK_FOLLOW links the target of a symbolic link',
    origin: 'POSIX linkat; gVisor link.cc LinkatWithSymlinkFollow',
    async run(t) {
      await t.createFile(t.path('file'));
      await t.symlink('file', t.path('symlink'));
      const [from, to] = [t.path('symlink'), t.path('link')];
      await t.linkat(AT_FDCWD, from, AT_FDCWD, to, AT_SYMLINK_FOLLOW);
      equal((await t.lstat(to)).ino, (await t.stat(t.path('file'))).ino);
      equal((await t.stat(t.path('file'))).nlink, 2);
    },
  },
  {
    title: 'linkat with AT_SYMLINK_FOLLOW returns ENOENT for a dangling symbolic link',
    origin: 'POSIX linkat, ENOENT',
    async run(t) {
      await t.symlink('missing', t.path('symlink'));
      const [from, to] = [t.path('symlink'), t.path('link')];
      await expectError('ENOENT', t.linkat(AT_FDCWD, from, AT_FDCWD, to, AT_SYMLINK_FOLLOW));
    },
  },
  {
    title: 'linkat resolves both paths from directory descriptors, O_PATH ones too',
    origin: 'POSIX linkat; gVisor link.cc WithOldDirFD, NewDirFDWithOpath',
    async run(t) {
      await t.mkdir(t.path('a'));
      await t.mkdir(t.path('b'));
      await t.createFile(t.path('a/file'));
      const a = await t.open(t.path('a'), O_RDONLY | O_DIRECTORY);
      const b = await t.open(t.path('b'), O_PATH);
      await t.linkat(a, 'file', b, 'link', 0);
      equal(await t.list(t.path('b')), ['link']);
      await t.linkat(-1, t.path('a/file'), -1, t.path('link'), 0);
      equal((await t.stat(t.path('link'))).nlink, 3);
    },
  },
  {
    title: 'linkat returns ENOTDIR for relative paths and the descriptor of a file',
    origin: 'POSIX linkat, ENOTDIR; gVisor link.cc RelPathsWithNonDirFDs',
    async run(t) {
      await t.createFile(t.path('file'));
      for (const flags of [O_RDONLY, O_PATH]) {
        const fd = await t.open(t.path('file'), flags);
        await expectError('ENOTDIR', t.linkat(fd, 'x', AT_FDCWD, t.path('link'), 0));
        await expectError('ENOTDIR', t.linkat(AT_FDCWD, t.path('file'), fd, 'x', 0));
      }
    },
  },
  {
    title: 'linkat returns EINVAL for unknown flags before it looks at descriptors or paths',
    origin: 'POSIX linkat, EINVAL; gVisor link.cc BogusFlags',
    async run(t) {
      await expectError('EINVAL', t.linkat(-1, '', -1, '', 3));
    },
  },
  {
    title: 'linkat with AT_EMPTY_PATH links the file of a descriptor',
    origin: 'linkat(2), AT_EMPTY_PATH; gVisor link.cc LinkAtWithEmptyPath…',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      const fd = await t.open(t.path('file'), O_RDONLY);
      await t.linkat(fd, '', AT_FDCWD, t.path('link'), AT_EMPTY_PATH);
      equal((await t.fstat(fd)).nlink, 2);
      equal(await t.readFile(t.path('link')), 'text');
    },
  },
  {
    title: 'linkat with AT_EMPTY_PATH returns ENOENT for a file without links',
    origin: 'linkat(2), ENOENT',
    async run(t) {
      await t.createFile(t.path('file'));
      const fd = await t.open(t.path('file'), O_RDONLY);
      await t.unlink(t.path('file'));
      await expectError('ENOENT', t.linkat(fd, '', AT_FDCWD, t.path('link'), AT_EMPTY_PATH));
      equal(await t.list(t.root), []);
    },
  },
  {
    title: 'link returns EACCES when the new directory is not writable',
    origin: 'POSIX link, EACCES',
    async run(t) {
      await t.mkdir(t.path('dir'), 0o755);
      const user = await t.as(USER);
      await user.createFile(t.path('file'));
      await expectError('EACCES', user.link(t.path('file'), t.path('dir/link')));
      equal((await t.stat(t.path('file'))).nlink, 1);
    },
  },
  {
    title: 'link needs no permission on a file of one’s own',
    origin: 'POSIX link, EACCES',
    async run(t) {
      const user = await t.as(USER);
      await user.createFile(t.path('file'), '', 0);
      await user.link(t.path('file'), t.path('link'));
      equal((await t.stat(t.path('file'))).nlink, 2);
    },
  },
  {
    title: 'link returns EPERM for a file of somebody else without permission to read and write',
    origin: 'proc(5), protected_hardlinks; gVisor link.cc PermissionDenied',
    async run(t) {
      await t.createFile(t.path('read'), '', 0o644);
      await t.createFile(t.path('write'), '', 0o622);
      await t.createFile(t.path('both'), '', 0o666);
      const user = await t.as(USER);
      await expectError('EPERM', user.link(t.path('read'), t.path('link')));
      await expectError('EPERM', user.link(t.path('write'), t.path('link')));
      await user.link(t.path('both'), t.path('link'));
      equal(await t.list(t.root), ['both', 'link', 'read', 'write']);
    },
  },
  {
    title: 'link returns EPERM for a setuid file or a symbolic link of somebody else',
    origin: 'proc(5), protected_hardlinks',
    async run(t) {
      await t.createFile(t.path('setuid'), '', 0o4777);
      await t.createFile(t.path('setgid'), '', 0o2777);
      await t.symlink('setuid', t.path('symlink'));
      const user = await t.as(USER);
      await expectError('EPERM', user.link(t.path('setuid'), t.path('link')));
      await expectError('EPERM', user.link(t.path('setgid'), t.path('link')));
      await expectError('EPERM', user.link(t.path('symlink'), t.path('link')));
      await t.link(t.path('setuid'), t.path('link'));
    },
  },
  {
    title: 'fifty links to one file are counted and removed one by one',
    origin: 'POSIX link',
    async run(t) {
      await t.createFile(t.path('link-0'), 'text');
      for (let i = 1; i < 50; i += 1) await t.link(t.path('link-0'), t.path(`link-${i}`));
      equal((await t.stat(t.path('link-0'))).nlink, 50);
      for (let i = 0; i < 49; i += 1) await t.unlink(t.path(`link-${i}`));
      equal((await t.stat(t.path('link-49'))).nlink, 1);
      equal(await t.readFile(t.path('link-49')), 'text');
    },
  },
];
