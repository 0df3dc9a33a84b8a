// stat(2), lstat(2), fstatat(2), statfs(2).

import type { Case } from '../case.ts';
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_SYMLINK_NOFOLLOW,
  O_DIRECTORY,
  O_PATH,
  O_RDONLY,
  O_WRONLY,
} from '../../../src/abi/fcntl.ts';
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../../../src/abi/stat.ts';
import { USER } from '../case.ts';
import { CheckFailed, equal, expectError, isTrue } from '../check.ts';

export const statCases: readonly Case[] = [
  {
    title: 'stat reports type, size, owner and links of a file',
    origin: 'POSIX stat',
    async run(t) {
      await t.createFile(t.path('file'), 'text', 0o640);
      await t.chown(t.path('file'), 12, 34);
      const stat = await t.stat(t.path('file'));
      equal(
        [stat.mode, stat.size, stat.uid, stat.gid, stat.nlink, stat.rdev],
        [S_IFREG | 0o640, 4, 12, 34, 1, 0],
      );
    },
  },
  {
    title: 'stat follows a symbolic link and lstat does not',
    origin: 'POSIX lstat; gVisor stat.cc FstatatSymlink',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      await t.symlink('file', t.path('link'));
      equal((await t.stat(t.path('link'))).mode & S_IFMT, S_IFREG);
      equal((await t.lstat(t.path('link'))).mode & S_IFMT, S_IFLNK);
      equal((await t.stat(t.path('link'))).ino, (await t.stat(t.path('file'))).ino);
    },
  },
  {
    title: 'lstat with a trailing slash follows a symbolic link to a directory',
    origin: 'POSIX pathname resolution; gVisor stat.cc FstatatSymlinkDirWithTrailingSlash',
    async run(t) {
      await t.mkdir(t.path('dir'));
      await t.symlink('dir', t.path('link'));
      const stat = await t.lstat(t.path('link/'));
      equal(stat.mode & S_IFMT, S_IFDIR);
      equal(stat.ino, (await t.stat(t.path('dir'))).ino);
    },
  },
  {
    title: 'stat returns ENOTDIR for a file with a trailing slash, through a link too',
    origin: 'gVisor stat.cc TrailingSlashNotCleanedReturnsENOTDIR',
    async run(t) {
      await t.createFile(t.path('file'));
      await t.symlink('file', t.path('link'));
      await expectError('ENOTDIR', t.stat(t.path('file/')));
      await expectError('ENOTDIR', t.stat(t.path('link/')));
      await expectError('ENOTDIR', t.lstat(t.path('link/')));
    },
  },
  {
    title: 'stat returns ENOTDIR for a child of a file',
    origin: 'POSIX stat, ENOTDIR; gVisor stat.cc ChildOfNonDir',
    async run(t) {
      await t.createFile(t.path('file'));
      await expectError('ENOTDIR', t.stat(t.path('file/child')));
      await expectError('ENOTDIR', t.stat(t.path('file/.')));
      await expectError('ENOTDIR', t.stat(t.path('file/..')));
    },
  },
  {
    title: 'stat needs no permission on the file',
    origin: 'POSIX stat, EACCES',
    async run(t) {
      await t.createFile(t.path('file'), 'text', 0);
      const user = await t.as(USER);
      equal((await user.stat(t.path('file'))).size, 4);
    },
  },
  {
    title: 'stat of a directory’s entry needs search permission and no read permission',
    origin: 'POSIX stat, EACCES',
    async run(t) {
      await t.mkdir(t.path('dir'), 0o711);
      await t.createFile(t.path('dir/file'));
      const user = await t.as(USER);
      await user.stat(t.path('dir/file'));
      await t.chmod(t.path('dir'), 0o744);
      await expectError('EACCES', user.stat(t.path('dir/file')));
      await user.stat(t.path('dir'));
    },
  },
  {
    title: 'fstatat resolves from a directory descriptor, an O_PATH one too',
    origin: 'POSIX fstatat; gVisor stat.cc FstatatRel, FstatatDirWithOpath',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      for (const flags of [O_RDONLY | O_DIRECTORY, O_PATH]) {
        const fd = await t.open(t.root, flags);
        equal((await t.fstatat(fd, 'file', 0)).size, 4);
      }
      equal((await t.fstatat(-1, t.path('file'), 0)).size, 4);
    },
  },
  {
    title: 'fstatat with AT_EMPTY_PATH reports the file of the descriptor',
    origin: 'fstatat(2), AT_EMPTY_PATH; gVisor stat.cc FstatatEmptyPath',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      const fd = await t.open(t.path('file'), O_RDONLY);
      equal((await t.fstatat(fd, '', AT_EMPTY_PATH)).size, 4);
      await expectError('ENOENT', t.fstatat(fd, '', 0));
      await expectError('EBADF', t.fstatat(-1, '', AT_EMPTY_PATH));
      await t.unlink(t.path('file'));
      equal((await t.fstatat(fd, '', AT_EMPTY_PATH)).nlink, 0);
    },
  },
  {
    title: 'fstatat returns EINVAL for unknown flags before anything else',
    origin: 'POSIX fstatat, EINVAL',
    async run(t) {
      await expectError('EINVAL', t.fstatat(-1, '', 0x2));
      await expectError('EINVAL', t.fstatat(AT_FDCWD, t.root, AT_SYMLINK_NOFOLLOW | 0x2));
    },
  },
  {
    title: 'fstat returns EBADF for a descriptor that is not open',
    origin: 'POSIX fstat, EBADF',
    async run(t) {
      await expectError('EBADF', t.fstat(-1));
      await expectError('EBADF', t.fstat(3999));
    },
  },
  {
    title: 'different files have different pairs of device and number',
    origin: 'POSIX stat; gVisor stat.cc DifferentFilesHaveDifferentDeviceInodeNumberPairs',
    async run(t) {
      const keys = new Set<string>();
      for (let index = 0; index < 20; index += 1) {
        await t.createFile(t.path(`file-${index}`));
        const { dev, ino } = await t.stat(t.path(`file-${index}`));
        keys.add(`${dev} ${ino}`);
      }
      equal(keys.size, 20);
    },
  },
  {
    title: 'the number of a file stays the same while it is written, linked and moved',
    origin: 'gVisor stat.cc StatDoesntChangeAfterRename',
    async run(t) {
      await t.createFile(t.path('file'));
      await t.mkdir(t.path('dir'));
      const { ino } = await t.stat(t.path('file'));
      const fd = await t.open(t.path('file'), O_WRONLY);
      await t.write(fd, 'text');
      await t.link(t.path('file'), t.path('link'));
      await t.rename(t.path('file'), t.path('dir/moved'));
      equal((await t.stat(t.path('dir/moved'))).ino, ino);
      equal((await t.fstat(fd)).ino, ino);
    },
  },
  {
    title: 'a directory has two links and one more for each subdirectory',
    origin: 'POSIX stat, st_nlink; gVisor stat.cc LinkCountsWithSubdirectories',
    async run(t) {
      const counts: number[] = [];
      const count = async () => counts.push((await t.stat(t.root)).nlink);
      await count();
      await t.mkdir(t.path('a'));
      await count();
      await t.mkdir(t.path('b'));
      await count();
      await t.rmdir(t.path('a'));
      await count();
      await t.rmdir(t.path('b'));
      await count();
      equal(counts, [2, 3, 4, 3, 2]);
    },
  },
  {
    title: 'files and symbolic links do not add links to their directory',
    origin: 'gVisor stat.cc LinkCountsWithRegularFileChild',
    async run(t) {
      await t.createFile(t.path('file'));
      await t.symlink('/', t.path('link'));
      equal((await t.stat(t.root)).nlink, 2);
    },
  },
  {
    title: 'st_blocks grows as data is written and leaves out holes',
    origin: 'POSIX stat, st_blocks; gVisor stat.cc BlocksIncreaseOnWrite',
    async run(t) {
      await t.createFile(t.path('file'));
      const fd = await t.open(t.path('file'), O_WRONLY);
      const before = await t.fstat(fd);
      await t.write(fd, 'x'.repeat(2 * before.blksize));
      const after = await t.fstat(fd);
      isTrue(after.blocks > before.blocks, `${after.blocks} is more than ${before.blocks}`);
      await t.pwrite(fd, 'x', 50 << 20);
      const sparse = await t.fstat(fd);
      equal(sparse.size, (50 << 20) + 1);
      isTrue(sparse.blocks < 10_000, `${sparse.blocks} blocks are few for a file with a hole`);
    },
  },
  {
    title: 'st_blksize is a positive power of two',
    origin: 'POSIX stat, st_blksize',
    async run(t) {
      const { blksize } = await t.stat(t.root);
      isTrue(blksize >= 512 && (blksize & (blksize - 1)) === 0, `${blksize} is a power of two`);
    },
  },
  {
    title: 'the birth time is there and does not change',
    origin: 'statx(2), stx_btime',
    async run(t) {
      const fd = await t.open(t.root, O_RDONLY);
      await t.createFile(t.path('file'));
      const before = await t.stat(t.path('file'));
      isTrue(before.btime.sec > 1_600_000_000, 'the birth time is near now');
      await t.tick();
      await t.chmod(t.path('file'), 0o600);
      await t.truncate(t.path('file'), 10);
      await t.rename(t.path('file'), t.path('moved'));
      equal((await t.fstatat(fd, 'moved', 0)).btime, before.btime);
    },
  },
  {
    title: 'statfs describes the filesystem',
    origin: 'statfs(2); gVisor StatfsTest.TempPath',
    async run(t) {
      const info = await t.statfs(t.root);
      equal(info.namelen, 255);
      isTrue(info.type !== 0 && info.bsize >= 512, 'it has a type and a block size');
      isTrue(
        info.blocks > 0 && info.bfree <= info.blocks,
        'no more blocks are free than there are',
      );
      isTrue(info.bavail <= info.bfree, 'no more blocks are available than are free');
    },
  },
  {
    title: 'statfs and fstatfs agree, through an O_PATH descriptor too',
    origin: 'statfs(2); gVisor FstatfsTest.TempPath, CanStatFileWithOpath',
    async run(t) {
      await t.createFile(t.path('file'));
      await t.symlink('file', t.path('link'));
      const { type, bsize } = await t.statfs(t.path('link'));
      for (const flags of [O_RDONLY, O_PATH]) {
        const info = await t.fstatfs(await t.open(t.path('file'), flags));
        equal([info.type, info.bsize, info.namelen], [type, bsize, 255]);
      }
    },
  },
  {
    title: 'statfs returns ENOENT and ENOTDIR as any path does, fstatfs EBADF',
    origin: 'statfs(2); gVisor StatfsTest.CannotStatBadPath, FstatfsTest.CannotStatBadFd',
    async run(t) {
      await t.createFile(t.path('file'));
      await expectError('ENOENT', t.statfs(t.path('missing')));
      await expectError('ENOENT', t.statfs(''));
      await expectError('ENOTDIR', t.statfs(t.path('file/x')));
      await expectError('EBADF', t.fstatfs(-1));
    },
  },
  {
    title: 'statfs needs no permission on the object, only on the way to it',
    origin: 'statfs(2), EACCES',
    async run(t) {
      await t.mkdir(t.path('dir'), 0);
      await t.createFile(t.path('dir/file'), '', 0o666);
      const user = await t.as(USER);
      await user.statfs(t.path('dir'));
      await expectError('EACCES', user.statfs(t.path('dir/file')));
    },
  },
  {
    title: 'writing megabytes lowers the free blocks of the filesystem',
    origin: 'statfs(2); gVisor FstatfsTest.BlocksFree',
    async run(t) {
      await t.createFile(t.path('file'));
      const fd = await t.open(t.path('file'), O_WRONLY);
      const data = new Uint8Array(2 << 20).fill(1);
      // Somebody else may free blocks of a real filesystem at the same time: try a few times.
      for (let attempt = 0; attempt < 10; attempt += 1) {
        const before = await t.fstatfs(fd);
        await t.write(fd, data);
        await t.fsync(fd);
        if ((await t.fstatfs(fd)).bfree < before.bfree) return;
      }
      throw new CheckFailed('writing never lowers f_bfree');
    },
  },
];
