// mkdir(2).

import type { Case } from '../case.ts';
import { O_CREAT, O_DIRECTORY, O_PATH, O_RDONLY, O_WRONLY } from '../../../src/abi/fcntl.ts';
import { S_IFDIR, S_IFMT } from '../../../src/abi/stat.ts';
import { USER } from '../case.ts';
import { equal, equalMode, expectError, isLater } from '../check.ts';

export const mkdirCases: readonly Case[] = [
  {
    title: 'mkdir makes an empty directory with two links',
    origin: 'POSIX mkdir; gVisor stat.cc Nlinks',
    async run(t) {
      await t.mkdir(t.path('dir'), 0o750);
      const stat = await t.stat(t.path('dir'));
      equal([stat.mode & S_IFMT, stat.nlink], [S_IFDIR, 2]);
      equalMode(stat, 0o750);
      equal(await t.list(t.path('dir')), []);
      await t.createFile(t.path('dir/file'));
    },
  },
  {
    title: 'mkdir adds a link to the parent and changes its mtime and ctime',
    origin: 'POSIX mkdir; gVisor stat.cc LinkCountsWithSubdirectories',
    async run(t) {
      const before = await t.stat(t.root);
      await t.tick();
      await t.mkdir(t.path('dir'));
      const after = await t.stat(t.root);
      equal([before.nlink, after.nlink], [2, 3]);
      isLater(after.mtime, before.mtime, 'mtime');
      isLater(after.ctime, before.ctime, 'ctime');
    },
  },
  {
    title: 'mkdir takes the umask off the mode',
    origin: 'POSIX mkdir; gVisor mkdir.cc HonorsUmask, HonorsUmask2',
    async run(t) {
      await t.umask(0o111);
      await t.mkdir(t.path('a'), 0o777);
      await t.umask(0o142);
      await t.mkdir(t.path('b'), 0o777);
      equalMode(await t.stat(t.path('a')), 0o666);
      equalMode(await t.stat(t.path('b')), 0o635);
    },
  },
  {
    title: 'mkdir keeps the sticky bit of the mode and drops setuid and setgid',
    origin: 'mkdir(2); Linux: fs/namei.c vfs_mkdir()',
    async run(t) {
      await t.mkdir(t.path('sticky'), 0o1777);
      await t.mkdir(t.path('all'), 0o7755);
      equalMode(await t.stat(t.path('sticky')), 0o1755);
      equalMode(await t.stat(t.path('all')), 0o1755);
    },
  },
  {
    title: 'a new directory belongs to the user and group of its creator',
    origin: 'POSIX mkdir',
    async run(t) {
      const user = await t.as(USER);
      await user.mkdir(t.path('dir'));
      const stat = await t.stat(t.path('dir'));
      equal([stat.uid, stat.gid], [1000, 1000]);
    },
  },
  {
    title: 'mkdir accepts trailing slashes',
    origin: 'POSIX mkdir; gVisor mkdir.cc TrailingSlash',
    async run(t) {
      await t.mkdir(t.path('a/'));
      await t.mkdir(t.path('b///'));
      equal(await t.list(t.root), ['a', 'b']);
    },
  },
  {
    title: 'mkdir returns EEXIST when the name exists, whatever it is',
    origin: 'POSIX mkdir, EEXIST',
    async run(t) {
      await t.createFile(t.path('file'));
      await t.mkdir(t.path('dir'));
      await t.symlink('missing', t.path('dangling'));
      await t.symlink('dir', t.path('link'));
      for (const name of ['file', 'file/', 'dir', 'dir/', 'dangling', 'link', '.', '..', 'dir/.']) {
        await expectError('EEXIST', t.mkdir(t.path(name)));
      }
      await expectError('EEXIST', t.mkdir('/'));
    },
  },
  {
    title: 'mkdir does not follow a dangling symbolic link, with a trailing slash neither',
    origin: 'POSIX mkdir, EEXIST; Linux: fs/namei.c filename_create()',
    async run(t) {
      await t.symlink('missing', t.path('dangling'));
      await expectError('EEXIST', t.mkdir(t.path('dangling')));
      await expectError('EEXIST', t.mkdir(t.path('dangling/')));
      equal(await t.list(t.root), ['dangling']);
    },
  },
  {
    title: 'mkdir returns ENOENT for a missing parent and for an empty path',
    origin: 'POSIX mkdir, ENOENT; gVisor mkdir.cc MkdirAtEmptyPath',
    async run(t) {
      const fd = await t.open(t.root, O_RDONLY | O_DIRECTORY);
      await expectError('ENOENT', t.mkdir(t.path('missing/dir')));
      await expectError('ENOENT', t.mkdir(''));
      await expectError('ENOENT', t.mkdirat(fd, ''));
    },
  },
  {
    title: 'mkdir returns ENOTDIR when the parent is a file',
    origin: 'POSIX mkdir, ENOTDIR',
    async run(t) {
      await t.createFile(t.path('file'));
      await expectError('ENOTDIR', t.mkdir(t.path('file/dir')));
      await expectError('ENOTDIR', t.mkdir(t.path('file/.')));
    },
  },
  {
    title: 'mkdir returns ENAMETOOLONG for a name of 256 bytes',
    origin: 'POSIX mkdir, ENAMETOOLONG',
    async run(t) {
      await expectError('ENAMETOOLONG', t.mkdir(t.path('n'.repeat(256))));
      await t.mkdir(t.path('n'.repeat(255)));
      equal(await t.list(t.root), ['n'.repeat(255)]);
    },
  },
  {
    title: 'mkdir and open with O_CREAT return EACCES in a directory that is not writable',
    origin: 'POSIX mkdir, EACCES; gVisor mkdir.cc FailsOnDirWithoutWritePerms',
    async run(t) {
      const user = await t.as(USER);
      await user.mkdir(t.path('dir'), 0o555);
      await expectError('EACCES', user.mkdir(t.path('dir/sub')));
      await expectError('EACCES', user.open(t.path('dir/file'), O_WRONLY | O_CREAT));
      equal(await t.list(t.path('dir')), []);
    },
  },
  {
    title:
      'mkdir of a name that exists returns EACCES if the parent can’t be searched, else EEXIST',
    origin: 'gVisor mkdir.cc DirAlreadyExists',
    async run(t) {
      const user = await t.as(USER);
      await user.mkdir(t.path('dir'));
      await user.mkdir(t.path('dir/sub'));
      for (const mode of [0o000, 0o200, 0o400, 0o600]) {
        await user.chmod(t.path('dir'), mode);
        await expectError('EACCES', user.mkdir(t.path('dir/sub')));
      }
      for (const mode of [0o100, 0o300, 0o500, 0o700]) {
        await user.chmod(t.path('dir'), mode);
        await expectError('EEXIST', user.mkdir(t.path('dir/sub')));
      }
    },
  },
  {
    title: 'mkdirat resolves from a directory descriptor, an O_PATH one too',
    origin: 'POSIX mkdirat',
    async run(t) {
      const dir = await t.open(t.root, O_RDONLY | O_DIRECTORY);
      const path = await t.open(t.root, O_PATH);
      await t.mkdirat(dir, 'a');
      await t.mkdirat(path, 'b');
      await t.mkdirat(-1, t.path('c'));
      equal(await t.list(t.root), ['a', 'b', 'c']);
      await expectError('EBADF', t.mkdirat(-1, 'd'));
    },
  },
  {
    title: 'mkdir in a setgid directory inherits the group and the setgid bit',
    origin: 'mkdir(2)',
    async run(t) {
      await t.mkdir(t.path('shared'));
      await t.chown(t.path('shared'), 0, 50);
      await t.chmod(t.path('shared'), 0o2777);
      const user = await t.as(USER);
      await user.mkdir(t.path('shared/dir'), 0o755);
      const stat = await t.stat(t.path('shared/dir'));
      equal([stat.uid, stat.gid], [1000, 50]);
      equalMode(stat, 0o2755);
    },
  },
  {
    title: 'a tree one hundred directories deep can be made, used and removed',
    origin: 'POSIX mkdir',
    async run(t) {
      let path = t.root;
      for (let depth = 0; depth < 100; depth += 1) {
        path = `${path}/d`;
        await t.mkdir(path);
      }
      await t.createFile(`${path}/file`, 'deep');
      equal(await t.readFile(`${path}/file`), 'deep');
      await t.unlink(`${path}/file`);
      for (; path !== t.root; path = path.slice(0, -2)) await t.rmdir(path);
      equal(await t.list(t.root), []);
    },
  },
];
