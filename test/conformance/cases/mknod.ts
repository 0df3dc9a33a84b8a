// mknod(2): FIFOs, sockets, devices and files; and renameat2(2) with RENAME_WHITEOUT, which makes
// one.

import type { Case } from '../case.ts';
import {
  AT_FDCWD,
  O_DIRECTORY,
  O_RDONLY,
  O_RDWR,
  RENAME_EXCHANGE,
  RENAME_NOREPLACE,
  RENAME_WHITEOUT,
} from '../../../src/abi/fcntl.ts';
import {
  DT_CHR,
  DT_FIFO,
  DT_REG,
  DT_SOCK,
  makeDev,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
} from '../../../src/abi/stat.ts';
import { USER } from '../case.ts';
import { equal, equalMode, expectError } from '../check.ts';

export const mknodCases: readonly Case[] = [
  {
    title: 'mknod makes a node of each type, which stat and getdents tell',
    origin: 'mknod(2)',
    needs: ['device nodes'],
    async run(t) {
      const nodes = [
        ['fifo', S_IFIFO, 0, DT_FIFO],
        ['socket', S_IFSOCK, 0, DT_SOCK],
        ['char', S_IFCHR, makeDev(1, 3), DT_CHR],
        ['file', S_IFREG, 0, DT_REG],
      ] as const;
      for (const [name, type, dev] of nodes) await t.mknod(t.path(name), type | 0o640, dev);
      const fd = await t.open(t.root, O_RDONLY | O_DIRECTORY);
      const types = new Map((await t.readDirents(fd)).map((entry) => [entry.name, entry.type]));
      for (const [name, type, dev, direntType] of nodes) {
        const stat = await t.stat(t.path(name));
        equal([stat.mode, stat.rdev, stat.size, stat.nlink], [type | 0o640, dev, 0, 1], name);
        equal(types.get(name), direntType, name);
      }
    },
  },
  {
    title: 'mknod without a type makes a regular file',
    origin: 'mknod(2)',
    async run(t) {
      await t.mknod(t.path('file'), 0o644);
      equal((await t.stat(t.path('file'))).mode, S_IFREG | 0o644);
      await t.open(t.path('file'), O_RDWR);
    },
  },
  {
    title: 'mknod keeps the numbers of a device, however large they are',
    origin: 'makedev(3)',
    needs: ['device nodes'],
    async run(t) {
      const dev = makeDev(259, 70_000);
      await t.mknod(t.path('block'), S_IFBLK | 0o600, dev);
      const stat = await t.stat(t.path('block'));
      equal([stat.mode & S_IFMT, stat.rdev], [S_IFBLK, dev]);
    },
  },
  {
    title: 'mknod takes the umask off the mode',
    origin: 'mknod(2)',
    async run(t) {
      await t.umask(0o027);
      await t.mknod(t.path('fifo'), S_IFIFO | 0o1777);
      equalMode(await t.stat(t.path('fifo')), 0o1750);
    },
  },
  {
    title: 'mknod of a device needs root, but for the device 0:0 that stands for a whiteout',
    origin: 'mknod(2), EPERM; Linux: fs/namei.c vfs_mknod()',
    async run(t) {
      const user = await t.as(USER);
      await expectError('EPERM', user.mknod(t.path('char'), S_IFCHR | 0o600, makeDev(1, 3)));
      await expectError('EPERM', user.mknod(t.path('block'), S_IFBLK | 0o600, makeDev(0, 0)));
      await user.mknod(t.path('whiteout'), S_IFCHR | 0o600, makeDev(0, 0));
      await user.mknod(t.path('fifo'), S_IFIFO | 0o600);
      await user.mknod(t.path('socket'), S_IFSOCK | 0o600);
      equal(await t.list(t.root), ['fifo', 'socket', 'whiteout']);
      equal((await t.stat(t.path('fifo'))).uid, USER.uid);
    },
  },
  {
    title: 'mknod returns EPERM for a directory and EINVAL for a link or an unknown type',
    origin: 'mknod(2), EPERM, EINVAL',
    async run(t) {
      await expectError('EPERM', t.mknod(t.path('dir'), S_IFDIR | 0o755));
      await expectError('EINVAL', t.mknod(t.path('link'), S_IFLNK | 0o777));
      await expectError('EINVAL', t.mknod(t.path('unknown'), 0o030000 | 0o777));
      // Before it looks at the path.
      await expectError('EINVAL', t.mknod(t.path('missing/x'), S_IFLNK | 0o777));
    },
  },
  {
    title: 'mknod returns EEXIST for every name there is, a dangling link included',
    origin: 'mknod(2), EEXIST',
    async run(t) {
      await t.createFile(t.path('file'));
      await t.mkdir(t.path('dir'));
      await t.symlink('missing', t.path('link'));
      for (const name of ['file', 'dir', 'dir/', 'dir/.', 'link']) {
        await expectError('EEXIST', t.mknod(t.path(name), S_IFIFO | 0o644));
      }
      await expectError('EEXIST', t.mknod('/', S_IFIFO | 0o644));
    },
  },
  {
    title: 'mknod returns ENOENT for a trailing slash, an empty path and a missing directory',
    origin: 'mknod(2), ENOENT',
    async run(t) {
      await expectError('ENOENT', t.mknod(t.path('new/'), S_IFIFO | 0o644));
      await expectError('ENOENT', t.mknod('', S_IFIFO | 0o644));
      await expectError('ENOENT', t.mknod(t.path('missing/new'), S_IFIFO | 0o644));
      equal(await t.list(t.root), []);
    },
  },
  {
    title: 'mknod returns EEXIST before EACCES, and EACCES before EPERM',
    origin: 'Linux: fs/namei.c filename_create(), vfs_mknod()',
    async run(t) {
      const user = await t.as(USER);
      await t.mkdir(t.path('dir'), 0o755);
      await t.createFile(t.path('dir/file'));
      await expectError('EEXIST', user.mknod(t.path('dir/file'), S_IFIFO | 0o644));
      await expectError('EACCES', user.mknod(t.path('dir/new'), S_IFIFO | 0o644));
      await expectError('EACCES', user.mknod(t.path('dir/new'), S_IFBLK | 0o644, makeDev(1, 1)));
    },
  },
  {
    title: 'mknodat starts from a directory descriptor',
    origin: 'POSIX mknodat',
    async run(t) {
      await t.mkdir(t.path('dir'));
      await t.createFile(t.path('file'));
      const dir = await t.open(t.path('dir'), O_RDONLY | O_DIRECTORY);
      await t.mknodat(dir, 'fifo', S_IFIFO | 0o644);
      equal(await t.list(t.path('dir')), ['fifo']);
      const file = await t.open(t.path('file'), O_RDONLY);
      await expectError('ENOTDIR', t.mknodat(file, 'fifo', S_IFIFO | 0o644));
      await expectError('EBADF', t.mknodat(99, 'fifo', S_IFIFO | 0o644));
      await t.unlink(t.path('dir/fifo'));
      await t.rmdir(t.path('dir'));
      await expectError('ENOENT', t.mknodat(dir, 'fifo', S_IFIFO | 0o644));
    },
  },
  {
    title: 'a node made in a setgid directory gets the group of the directory',
    origin: 'Linux: fs/inode.c inode_init_owner()',
    async run(t) {
      const user = await t.as(USER);
      await t.mkdir(t.path('group'));
      await t.chown(t.path('group'), 0, 50);
      await t.chmod(t.path('group'), 0o2777);
      await user.mknod(t.path('group/fifo'), S_IFIFO | 0o644);
      equal((await t.stat(t.path('group/fifo'))).gid, 50);
    },
  },
  {
    title: 'opening a socket returns ENXIO',
    origin: 'open(2), ENXIO',
    async run(t) {
      await t.mknod(t.path('socket'), S_IFSOCK | 0o666);
      await expectError('ENXIO', t.open(t.path('socket'), O_RDONLY));
      await expectError('ENXIO', t.open(t.path('socket'), O_RDWR));
      await expectError('EINVAL', t.truncate(t.path('socket'), 0));
    },
  },
  {
    title: 'nodes are linked, renamed and unlinked as files are',
    origin: 'mknod(2)',
    async run(t) {
      await t.mknod(t.path('a'), S_IFSOCK | 0o644);
      await t.link(t.path('a'), t.path('b'));
      equal((await t.stat(t.path('b'))).nlink, 2);
      await t.createFile(t.path('c'));
      await t.rename(t.path('a'), t.path('c'));
      equal((await t.stat(t.path('c'))).mode & S_IFMT, S_IFSOCK);
      await t.unlink(t.path('b'));
      await expectError('ENOTDIR', t.rmdir(t.path('c')));
      await t.unlink(t.path('c'));
      equal(await t.list(t.root), []);
    },
  },
];

export const whiteoutCases: readonly Case[] = [
  {
    title: 'RENAME_WHITEOUT leaves the device 0:0 under the old name',
    origin: 'rename(2), RENAME_WHITEOUT',
    async run(t) {
      await t.createFile(t.path('a'), 'text');
      await t.createFile(t.path('b'), 'other');
      await t.rename2(t.path('a'), t.path('b'), RENAME_WHITEOUT);
      equal(await t.readFile(t.path('b')), 'text');
      const whiteout = await t.lstat(t.path('a'));
      equal([whiteout.mode, whiteout.rdev, whiteout.nlink], [S_IFCHR, 0, 1]);
      equal(await t.list(t.root), ['a', 'b']);
    },
  },
  {
    title: 'the whiteout that RENAME_WHITEOUT leaves has the group of a setgid directory',
    origin: 'Linux: mm/shmem.c shmem_whiteout(), fs/inode.c inode_init_owner()',
    async run(t) {
      await t.mkdir(t.path('dir'));
      await t.createFile(t.path('dir/file'));
      await t.chown(t.path('dir'), 0, USER.gid);
      await t.chmod(t.path('dir'), 0o2777);
      await t.renameat2(AT_FDCWD, t.path('dir/file'), AT_FDCWD, t.path('dir/new'), RENAME_WHITEOUT);
      const { uid, gid } = await t.lstat(t.path('dir/file'));
      equal([uid, gid], [0, USER.gid]);
    },
  },
  {
    title: 'RENAME_WHITEOUT moves a directory, and goes with RENAME_NOREPLACE',
    origin: 'rename(2), RENAME_WHITEOUT',
    async run(t) {
      await t.mkdir(t.path('dir'));
      await t.createFile(t.path('dir/file'));
      await t.createFile(t.path('other'));
      const flags = RENAME_WHITEOUT | RENAME_NOREPLACE;
      await expectError('EEXIST', t.rename2(t.path('dir'), t.path('other'), flags));
      await t.rename2(t.path('dir'), t.path('moved'), flags);
      equal(await t.list(t.path('moved')), ['file']);
      equal((await t.lstat(t.path('dir'))).mode, S_IFCHR);
    },
  },
  {
    title: 'RENAME_WHITEOUT returns EINVAL with RENAME_EXCHANGE',
    origin: 'rename(2), EINVAL',
    async run(t) {
      await t.createFile(t.path('a'));
      await t.createFile(t.path('b'));
      const flags = RENAME_WHITEOUT | RENAME_EXCHANGE;
      await expectError('EINVAL', t.rename2(t.path('a'), t.path('b'), flags));
      await expectError('EINVAL', t.renameat2(AT_FDCWD, t.path('a'), AT_FDCWD, t.path('b'), 8));
    },
  },
  {
    title: 'a user may leave a whiteout, and a file takes its place',
    origin: 'Linux 5.8: fs/namei.c vfs_mknod()',
    async run(t) {
      const user = await t.as(USER);
      await user.createFile(t.path('a'), 'text');
      await user.rename2(t.path('a'), t.path('b'), RENAME_WHITEOUT);
      equal((await user.lstat(t.path('a'))).uid, USER.uid);
      await expectError('EEXIST', user.mkdir(t.path('a')));
      await user.rename(t.path('b'), t.path('a'));
      equal(await t.list(t.root), ['a']);
    },
  },
];
