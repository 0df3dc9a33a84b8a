// unlink(2), rmdir(2), unlinkat(2).

import type { Case } from '../case.ts';
import {
  AT_FDCWD,
  AT_REMOVEDIR,
  O_CREAT,
  O_DIRECTORY,
  O_RDONLY,
  O_RDWR,
  O_WRONLY,
} from '../../../src/abi/fcntl.ts';
import { OTHER, USER } from '../case.ts';
import { equal, expectError, isLater } from '../check.ts';

export const unlinkCases: readonly Case[] = [
  {
    title: 'unlink removes the name of a file',
    origin: 'POSIX unlink',
    async run(t) {
      await t.createFile(t.path('file'));
      await t.unlink(t.path('file'));
      await expectError('ENOENT', t.stat(t.path('file')));
      equal(await t.list(t.root), []);
    },
  },
  {
    title: 'unlink removes a symbolic link and not its target',
    origin: 'POSIX unlink',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      await t.symlink('file', t.path('link'));
      await t.unlink(t.path('link'));
      equal(await t.readFile(t.path('file')), 'text');
      equal(await t.list(t.root), ['file']);
    },
  },
  {
    title: 'unlink removes a symbolic link to a directory',
    origin: 'POSIX unlink',
    async run(t) {
      await t.mkdir(t.path('dir'));
      await t.symlink('dir', t.path('link'));
      await t.unlink(t.path('link'));
      equal(await t.list(t.root), ['dir']);
    },
  },
  {
    title: 'unlink of one link leaves the others and changes their ctime',
    origin: 'POSIX unlink',
    async run(t) {
      await t.createFile(t.path('first'), 'text');
      await t.link(t.path('first'), t.path('second'));
      const before = await t.stat(t.path('second'));
      await t.tick();
      await t.unlink(t.path('first'));
      const after = await t.stat(t.path('second'));
      equal([before.nlink, after.nlink], [2, 1]);
      isLater(after.ctime, before.ctime, 'ctime');
      equal(after.mtime, before.mtime);
      equal(await t.readFile(t.path('second')), 'text');
    },
  },
  {
    title: 'unlink changes mtime and ctime of the directory',
    origin: 'POSIX unlink',
    async run(t) {
      await t.createFile(t.path('file'));
      const before = await t.stat(t.root);
      await t.tick();
      await t.unlink(t.path('file'));
      const after = await t.stat(t.root);
      isLater(after.mtime, before.mtime, 'mtime');
      isLater(after.ctime, before.ctime, 'ctime');
    },
  },
  {
    title: 'an unlinked file that is open can be read, written and stat’ed',
    origin: 'POSIX unlink; gVisor unlink.cc OpenFile, stat.cc ZeroLinksOpenFdRegularFileChild',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      const fd = await t.open(t.path('file'), O_RDWR);
      const before = await t.fstat(fd);
      await t.unlink(t.path('file'));
      const after = await t.fstat(fd);
      equal(
        [after.dev, after.ino, after.mode, after.size],
        [before.dev, before.ino, before.mode, before.size],
      );
      equal(after.nlink, 0);
      equal(await t.readText(fd), 'text');
      await t.write(fd, ' and more');
      equal(await t.preadText(fd, 100, 0), 'text and more');
    },
  },
  {
    title: 'an unlinked file that is open grows by writing and shrinks by ftruncate',
    origin: 'gVisor unlink.cc UnlinkWithOpenFDsWriteOnly',
    async run(t) {
      const fd = await t.open(t.path('file'), O_WRONLY | O_CREAT);
      await t.unlink(t.path('file'));
      await t.write(fd, 'x'.repeat(10_000));
      equal((await t.fstat(fd)).size, 10_000);
      await t.ftruncate(fd, 10);
      equal((await t.fstat(fd)).size, 10);
    },
  },
  {
    title: 'an unlinked open file outlives a new file and a directory of its name and its parents',
    origin: 'gVisor unlink.cc UnlinkWithOpenFDs',
    async run(t) {
      await t.mkdir(t.path('a'));
      await t.mkdir(t.path('a/b'));
      await t.createFile(t.path('a/b/file'), 'old');
      const fd = await t.open(t.path('a/b/file'), O_RDONLY);
      await t.unlink(t.path('a/b/file'));
      await t.createFile(t.path('a/b/file'), 'new');
      await t.unlink(t.path('a/b/file'));
      await t.mkdir(t.path('a/b/file'));
      await t.rmdir(t.path('a/b/file'));
      await t.rmdir(t.path('a/b'));
      await t.rmdir(t.path('a'));
      equal(await t.readText(fd), 'old');
    },
  },
  {
    title: 'a name can be created anew after unlink, as another file',
    origin: 'POSIX unlink',
    async run(t) {
      await t.createFile(t.path('file'), 'old');
      const fd = await t.open(t.path('file'), O_RDONLY);
      await t.unlink(t.path('file'));
      await t.createFile(t.path('file'), 'new');
      const [oldStat, newStat] = [await t.fstat(fd), await t.stat(t.path('file'))];
      equal(oldStat.ino === newStat.ino, false);
      equal(await t.readFile(t.path('file')), 'new');
      equal(await t.readText(fd), 'old');
    },
  },
  {
    title: 'unlink returns ENOENT when the file does not exist',
    origin: 'POSIX unlink, ENOENT',
    async run(t) {
      await expectError('ENOENT', t.unlink(t.path('missing')));
      await expectError('ENOENT', t.unlink(t.path('missing/')));
      await expectError('ENOENT', t.unlink(t.path('missing/file')));
      await expectError('ENOENT', t.unlink(''));
    },
  },
  {
    title: 'unlink returns EISDIR for a directory',
    origin: 'unlink(2), EISDIR; gVisor unlink.cc IsDir',
    async run(t) {
      await t.mkdir(t.path('dir'));
      await expectError('EISDIR', t.unlink(t.path('dir')));
      await expectError('EISDIR', t.unlink(t.path('dir/')));
      await expectError('EISDIR', t.unlinkat(-1, t.path('dir'), 0));
      equal(await t.list(t.root), ['dir']);
    },
  },
  {
    title: 'unlink returns EISDIR for dot, dot-dot and the root directory',
    origin: 'Linux: fs/namei.c do_unlinkat()',
    async run(t) {
      await t.mkdir(t.path('dir'));
      await expectError('EISDIR', t.unlink(t.path('dir/.')));
      await expectError('EISDIR', t.unlink(t.path('dir/..')));
      await expectError('EISDIR', t.unlink('/'));
    },
  },
  {
    title: 'unlink returns ENOTDIR for a file with a trailing slash',
    origin: 'POSIX unlink, ENOTDIR; gVisor unlink.cc AtBad',
    async run(t) {
      await t.createFile(t.path('file'));
      await t.symlink('file', t.path('link'));
      await expectError('ENOTDIR', t.unlink(t.path('file/')));
      await expectError('ENOTDIR', t.unlink(t.path('link/')));
      equal(await t.list(t.root), ['file', 'link']);
    },
  },
  {
    title: 'unlink of a symbolic link to a directory with a trailing slash returns ENOTDIR',
    origin: 'Linux: fs/namei.c do_unlinkat()',
    async run(t) {
      await t.mkdir(t.path('dir'));
      await t.symlink('dir', t.path('link'));
      await expectError('ENOTDIR', t.unlink(t.path('link/')));
      equal(await t.list(t.root), ['dir', 'link']);
    },
  },
  {
    title: 'unlink returns ENOTDIR when a component of the path is a file',
    origin: 'POSIX unlink, ENOTDIR; gVisor unlink.cc CannotRemoveDots',
    async run(t) {
      await t.createFile(t.path('file'));
      await expectError('ENOTDIR', t.unlink(t.path('file/child')));
      await expectError('ENOTDIR', t.unlink(t.path('file/.')));
      await expectError('ENOTDIR', t.unlink(t.path('file/..')));
    },
  },
  {
    title: 'unlink returns ENAMETOOLONG for too long a name or path',
    origin: 'POSIX unlink, ENAMETOOLONG; gVisor unlink.cc TooLongName',
    async run(t) {
      await expectError('ENAMETOOLONG', t.unlink(t.path('n'.repeat(256))));
      await expectError('ENAMETOOLONG', t.unlink('n'.repeat(16_384)));
    },
  },
  {
    title: 'unlink returns EACCES when the directory is not writable or not searchable',
    origin: 'POSIX unlink, EACCES; gVisor unlink.cc ParentDegradedPermissions',
    async run(t) {
      const user = await t.as(USER);
      await user.mkdir(t.path('dir'));
      await user.createFile(t.path('dir/file'));
      for (const mode of [0o555, 0o666, 0]) {
        await user.chmod(t.path('dir'), mode);
        await expectError('EACCES', user.unlink(t.path('dir/file')));
      }
      equal(await t.list(t.path('dir')), ['file']);
    },
  },
  {
    title: 'unlink of a missing file returns EACCES in an unsearchable directory',
    origin: 'gVisor unlink.cc ParentDegradedPermissions',
    async run(t) {
      const user = await t.as(USER);
      await user.mkdir(t.path('dir'), 0o600);
      await expectError('EACCES', user.unlink(t.path('dir/missing')));
      await expectError('EACCES', user.rmdir(t.path('dir/missing')));
    },
  },
  {
    title: 'unlink and rmdir return ENOENT before EACCES for an unwritable directory',
    origin: 'Linux: fs/namei.c do_unlinkat() looks up before may_delete()',
    async run(t) {
      await t.mkdir(t.path('dir'), 0o755);
      const user = await t.as(USER);
      await expectError('ENOENT', user.unlink(t.path('dir/missing')));
      await expectError('ENOENT', user.rmdir(t.path('dir/missing')));
    },
  },
  {
    title: 'unlink returns EACCES before EISDIR, and rmdir EACCES before ENOTDIR and ENOTEMPTY',
    origin: 'Linux: fs/namei.c may_delete()',
    async run(t) {
      await t.mkdir(t.path('dir'), 0o755);
      await t.mkdir(t.path('dir/sub'));
      await t.createFile(t.path('dir/sub/file'));
      await t.createFile(t.path('dir/file'));
      const user = await t.as(USER);
      await expectError('EACCES', user.unlink(t.path('dir/sub')));
      await expectError('EACCES', user.rmdir(t.path('dir/file')));
      await expectError('EACCES', user.rmdir(t.path('dir/sub')));
    },
  },
  {
    title: 'unlink of a file needs no permission on the file',
    origin: 'POSIX unlink, EACCES',
    async run(t) {
      await t.createFile(t.path('file'), '', 0);
      const user = await t.as(USER);
      await user.unlink(t.path('file'));
      equal(await t.list(t.root), []);
    },
  },
  {
    title: 'unlink in a sticky directory returns EPERM for what belongs to somebody else',
    origin: 'POSIX unlink, EPERM; gVisor sticky.cc StickyBitPermDenied',
    async run(t) {
      await t.mkdir(t.path('tmp'));
      await t.chmod(t.path('tmp'), 0o1777);
      const [user, other] = [await t.as(USER), await t.as(OTHER)];
      await user.createFile(t.path('tmp/file'), '', 0o666);
      await user.symlink('file', t.path('tmp/link'));
      await user.mkdir(t.path('tmp/dir'));
      await expectError('EPERM', other.unlink(t.path('tmp/file')));
      await expectError('EPERM', other.unlink(t.path('tmp/link')));
      await expectError('EPERM', other.rmdir(t.path('tmp/dir')));
      await expectError('EPERM', other.unlink(t.path('tmp/dir')));
      await expectError('EPERM', other.rmdir(t.path('tmp/file')));
      equal(await t.list(t.path('tmp')), ['dir', 'file', 'link']);
    },
  },
  {
    title: 'in a sticky directory its owner, the file’s owner and root may unlink',
    origin: 'POSIX unlink, EPERM; gVisor sticky.cc StickyBitSameUID, StickyBitCapFOWNER',
    async run(t) {
      const [user, other] = [await t.as(USER), await t.as({ uid: 1001, gid: 1000 })];
      await user.mkdir(t.path('tmp'));
      await user.chmod(t.path('tmp'), 0o1777);
      for (const name of ['a', 'b', 'c']) await other.createFile(t.path(`tmp/${name}`));
      await user.unlink(t.path('tmp/a'));
      await other.unlink(t.path('tmp/b'));
      await t.unlink(t.path('tmp/c'));
      equal(await t.list(t.path('tmp')), []);
    },
  },
  {
    title: 'unlinkat resolves from a directory descriptor',
    origin: 'POSIX unlinkat; gVisor unlink.cc AtFile, AtDir',
    async run(t) {
      await t.createFile(t.path('file'));
      await t.mkdir(t.path('dir'));
      const fd = await t.open(t.root, O_RDONLY | O_DIRECTORY);
      await t.unlinkat(fd, 'file', 0);
      await t.unlinkat(fd, 'dir', AT_REMOVEDIR);
      equal(await t.list(t.root), []);
    },
  },
  {
    title: 'unlinkat returns EINVAL for unknown flags before anything else',
    origin: 'POSIX unlinkat, EINVAL',
    async run(t) {
      await t.createFile(t.path('file'));
      await expectError('EINVAL', t.unlinkat(-1, '', 0x4));
      await expectError('EINVAL', t.unlinkat(-1, t.path('file'), AT_REMOVEDIR | 0x4));
      equal(await t.list(t.root), ['file']);
    },
  },
  {
    title: 'unlinkat returns ENOENT for the empty path whatever the descriptor is',
    origin: 'gVisor unlink.cc UnlinkAtEmptyPath',
    async run(t) {
      await t.createFile(t.path('file'));
      const file = await t.open(t.path('file'), O_RDONLY);
      const dir = await t.open(t.root, O_RDONLY | O_DIRECTORY);
      await expectError('ENOENT', t.unlinkat(file, '', 0));
      await expectError('ENOENT', t.unlinkat(dir, '', AT_REMOVEDIR));
    },
  },
];

export const rmdirCases: readonly Case[] = [
  {
    title: 'rmdir removes an empty directory and takes a link from its parent',
    origin: 'POSIX rmdir; gVisor unlink.cc Rmdir',
    async run(t) {
      await t.mkdir(t.path('dir'));
      equal((await t.stat(t.root)).nlink, 3);
      await t.rmdir(t.path('dir'));
      equal((await t.stat(t.root)).nlink, 2);
      equal(await t.list(t.root), []);
    },
  },
  {
    title: 'rmdir accepts trailing slashes',
    origin: 'gVisor unlink.cc CanRemoveWithTrailingSlashes',
    async run(t) {
      await t.mkdir(t.path('a'));
      await t.mkdir(t.path('b'));
      await t.rmdir(t.path('a/'));
      await t.rmdir(t.path('b//'));
      equal(await t.list(t.root), []);
    },
  },
  {
    title: 'rmdir returns ENOTEMPTY for a directory with entries',
    origin: 'POSIX rmdir, ENOTEMPTY; gVisor unlink.cc DirNotEmpty',
    async run(t) {
      await t.mkdir(t.path('dir'));
      await t.symlink('missing', t.path('dir/link'));
      await expectError('ENOTEMPTY', t.rmdir(t.path('dir')));
      await t.unlink(t.path('dir/link'));
      await t.rmdir(t.path('dir'));
    },
  },
  {
    title: 'rmdir returns ENOTDIR for a file and for a symbolic link to a directory',
    origin: 'POSIX rmdir, ENOTDIR; gVisor unlink.cc AtBad',
    async run(t) {
      await t.createFile(t.path('file'));
      await t.mkdir(t.path('dir'));
      await t.symlink('dir', t.path('link'));
      await expectError('ENOTDIR', t.rmdir(t.path('file')));
      await expectError('ENOTDIR', t.rmdir(t.path('link')));
      await expectError('ENOTDIR', t.rmdir(t.path('link/')));
      equal(await t.list(t.root), ['dir', 'file', 'link']);
    },
  },
  {
    title: 'rmdir returns EINVAL for dot and ENOTEMPTY for dot-dot',
    origin: 'POSIX rmdir, EINVAL; gVisor RmdirTest.CannotRemoveDots',
    async run(t) {
      await t.mkdir(t.path('dir'));
      await expectError('EINVAL', t.rmdir(t.path('dir/.')));
      await expectError('ENOTEMPTY', t.rmdir(t.path('dir/..')));
    },
  },
  {
    title: 'rmdir returns EBUSY for the root directory',
    origin: 'POSIX rmdir, EBUSY; gVisor unlink.cc CannotRemoveRoot',
    async run(t) {
      await expectError('EBUSY', t.rmdir('/'));
      await expectError('EBUSY', t.unlinkat(-1, '/', AT_REMOVEDIR));
    },
  },
  {
    title: 'rmdir returns ENOENT when the directory does not exist',
    origin: 'POSIX rmdir, ENOENT',
    async run(t) {
      await expectError('ENOENT', t.rmdir(t.path('missing')));
      await expectError('ENOENT', t.rmdir(t.path('missing/dir')));
      await expectError('ENOENT', t.rmdir(''));
    },
  },
  {
    title: 'a removed directory that is open has no links and is empty to openat',
    origin: 'gVisor RmdirTest.OpenDirectory',
    async run(t) {
      await t.mkdir(t.path('dir'));
      const fd = await t.open(t.path('dir'), O_RDONLY | O_DIRECTORY);
      await t.rmdir(t.path('dir'));
      equal((await t.fstat(fd)).nlink, 0);
      await expectError('ENOENT', t.openat(fd, 'file', O_RDONLY));
      await expectError('ENOENT', t.mkdirat(fd, 'sub'));
      await expectError('ENOENT', t.symlinkat('target', fd, 'link'));
    },
  },
  {
    title: 'a removed directory that is open returns ENOENT for a name that is too long, too',
    origin: 'Linux: fs/namei.c __lookup_hash(), lookup_open()',
    async run(t) {
      await t.mkdir(t.path('dir'));
      const fd = await t.open(t.path('dir'), O_RDONLY | O_DIRECTORY);
      await t.rmdir(t.path('dir'));
      const name = 'n'.repeat(256);
      await expectError('ENOENT', t.openat(fd, name, O_RDONLY));
      await expectError('ENOENT', t.openat(fd, name, O_RDWR | O_CREAT));
      await expectError('ENOENT', t.openat(fd, `${name}/file`, O_RDONLY));
      await expectError('ENOENT', t.mkdirat(fd, name));
      await expectError('ENOENT', t.symlinkat('target', fd, name));
      await expectError('ENOENT', t.unlinkat(fd, name, 0));
      await expectError('ENOENT', t.unlinkat(fd, name, AT_REMOVEDIR));
      await expectError('ENOENT', t.renameat2(fd, name, AT_FDCWD, t.path('new'), 0));
    },
  },
  {
    title: 'rmdir changes mtime and ctime of the parent',
    origin: 'POSIX rmdir',
    async run(t) {
      await t.mkdir(t.path('dir'));
      const before = await t.stat(t.root);
      await t.tick();
      await t.rmdir(t.path('dir'));
      const after = await t.stat(t.root);
      isLater(after.mtime, before.mtime, 'mtime');
      isLater(after.ctime, before.ctime, 'ctime');
    },
  },
  {
    title: 'rmdir returns EACCES when the parent is not writable, whoever owns the directory',
    origin: 'POSIX rmdir, EACCES',
    async run(t) {
      await t.mkdir(t.path('dir'), 0o755);
      await t.mkdir(t.path('dir/sub'));
      await t.chown(t.path('dir/sub'), 1000, 1000);
      const user = await t.as(USER);
      await expectError('EACCES', user.rmdir(t.path('dir/sub')));
      equal(await t.list(t.path('dir')), ['sub']);
    },
  },
  {
    title: 'a directory emptied and filled again many times keeps its link count',
    origin: 'POSIX rmdir',
    async run(t) {
      for (let round = 0; round < 20; round += 1) {
        await t.mkdir(t.path('dir'));
        await t.createFile(t.path('dir/file'), String(round));
        await t.unlink(t.path('dir/file'));
        await t.rmdir(t.path('dir'));
      }
      equal((await t.stat(t.root)).nlink, 2);
      equal(await t.list(t.root), []);
    },
  },
];
