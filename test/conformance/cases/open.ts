// open(2) of files that exist.

import type { Case } from '../case.ts';
import {
  O_ACCMODE,
  O_APPEND,
  O_DIRECT,
  O_DIRECTORY,
  O_NOATIME,
  O_NOFOLLOW,
  O_PATH,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
  SEEK_CUR,
} from '../../../src/abi/fcntl.ts';
import { OTHER, USER } from '../case.ts';
import { equal, expectError, isTrue } from '../check.ts';

/** A flag no version of Linux's open(2) knows. */
const UNKNOWN_FLAG = 0x4000_0000;

export const openCases: readonly Case[] = [
  {
    title: 'open returns ENOENT when the file does not exist',
    origin: 'POSIX open, ENOENT',
    async run(t) {
      await expectError('ENOENT', t.open(t.path('missing'), O_RDONLY));
      equal(await t.list(t.root), []);
    },
  },
  {
    title: 'open returns ENOENT for the empty path',
    origin: 'POSIX pathname resolution; gVisor open.cc Null',
    async run(t) {
      await expectError('ENOENT', t.open('', O_RDONLY));
    },
  },
  {
    title: 'open returns ENOENT when a directory of the path does not exist',
    origin: 'POSIX open, ENOENT',
    async run(t) {
      await expectError('ENOENT', t.open(t.path('missing/file'), O_RDONLY));
    },
  },
  {
    title: 'open returns ENOTDIR when a component of the path is a file',
    origin: 'POSIX open, ENOTDIR; pjdfstest open/01',
    async run(t) {
      await t.createFile(t.path('file'));
      await expectError('ENOTDIR', t.open(t.path('file/child'), O_RDONLY));
    },
  },
  {
    title: 'open returns ENOTDIR for a file with a trailing slash',
    origin: 'POSIX pathname resolution; gVisor open.cc OpenNonDirectoryWithTrailingSlash',
    async run(t) {
      await t.createFile(t.path('file'));
      await expectError('ENOTDIR', t.open(t.path('file/'), O_RDONLY));
    },
  },
  {
    title: 'open with O_DIRECTORY returns ENOTDIR for a file',
    origin: 'POSIX open, O_DIRECTORY; gVisor open.cc FileNotDirectory',
    async run(t) {
      await t.createFile(t.path('file'));
      await expectError('ENOTDIR', t.open(t.path('file'), O_RDONLY | O_DIRECTORY));
    },
  },
  {
    title: 'open with O_DIRECTORY and O_TRUNC leaves a file as it was',
    origin: 'POSIX open, O_DIRECTORY',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      await expectError('ENOTDIR', t.open(t.path('file'), O_RDWR | O_DIRECTORY | O_TRUNC));
      equal(await t.readFile(t.path('file')), 'text');
    },
  },
  {
    title: 'open with O_DIRECTORY follows a symbolic link to a directory',
    origin: 'gVisor open.cc SymlinkDirectory',
    async run(t) {
      await t.mkdir(t.path('dir'));
      await t.symlink('dir', t.path('link'));
      const fd = await t.open(t.path('link'), O_RDONLY | O_DIRECTORY);
      equal((await t.fstat(fd)).ino, (await t.stat(t.path('dir'))).ino);
    },
  },
  {
    title: 'open with O_NOFOLLOW returns ELOOP for a symbolic link',
    origin: 'POSIX open, O_NOFOLLOW; gVisor open.cc OpenNoFollowSymlink',
    async run(t) {
      await t.createFile(t.path('file'));
      await t.symlink('file', t.path('link'));
      await t.open(t.path('link'), O_RDONLY);
      await expectError('ELOOP', t.open(t.path('link'), O_RDONLY | O_NOFOLLOW));
    },
  },
  {
    title: 'open with O_NOFOLLOW and O_TRUNC does not truncate through a symbolic link',
    origin: 'POSIX open, O_NOFOLLOW',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      await t.symlink('file', t.path('link'));
      await expectError('ELOOP', t.open(t.path('link'), O_WRONLY | O_TRUNC | O_NOFOLLOW));
      equal(await t.readFile(t.path('file')), 'text');
    },
  },
  {
    title: 'open with O_NOFOLLOW and O_DIRECTORY returns ENOTDIR for a symbolic link',
    origin: 'Linux: fs/namei.c do_open() checks O_DIRECTORY before may_open()',
    async run(t) {
      await t.mkdir(t.path('dir'));
      await t.symlink('dir', t.path('link'));
      await expectError('ENOTDIR', t.open(t.path('link'), O_RDONLY | O_NOFOLLOW | O_DIRECTORY));
    },
  },
  {
    title: 'open with O_NOFOLLOW follows symbolic links before the last component',
    origin: 'open(2), O_NOFOLLOW; gVisor open.cc OpenNoFollowStillFollowsLinksInPath',
    async run(t) {
      await t.mkdir(t.path('dir'));
      await t.createFile(t.path('dir/file'), 'text');
      await t.symlink('dir', t.path('link'));
      const fd = await t.open(t.path('link/file'), O_RDONLY | O_NOFOLLOW);
      equal(await t.readText(fd), 'text');
    },
  },
  {
    title: 'open with O_NOFOLLOW follows a symbolic link that has a trailing slash',
    origin: 'POSIX pathname resolution, trailing slashes',
    async run(t) {
      await t.mkdir(t.path('dir'));
      await t.symlink('dir', t.path('link'));
      const fd = await t.open(t.path('link/'), O_RDONLY | O_NOFOLLOW);
      equal((await t.fstat(fd)).ino, (await t.stat(t.path('dir'))).ino);
    },
  },
  {
    title: 'open returns EISDIR when a directory is opened for writing',
    origin: 'POSIX open, EISDIR; gVisor open.cc DirectoryWritableFails',
    async run(t) {
      await t.mkdir(t.path('dir'));
      await expectError('EISDIR', t.open(t.path('dir'), O_WRONLY));
      await expectError('EISDIR', t.open(t.path('dir'), O_RDWR));
      await expectError('EISDIR', t.open(t.path('dir'), O_RDWR | O_DIRECTORY));
    },
  },
  {
    title: 'open with O_TRUNC returns EISDIR for a directory even when only reading',
    origin: 'gVisor open.cc OTruncAndReadOnlyDir',
    async run(t) {
      await t.mkdir(t.path('dir'));
      await expectError('EISDIR', t.open(t.path('dir'), O_RDONLY | O_TRUNC));
    },
  },
  {
    title: 'open with O_DIRECT returns EINVAL for a directory',
    origin: 'gVisor open.cc DirectoryDirectFails',
    async run(t) {
      await t.mkdir(t.path('dir'));
      await expectError('EINVAL', t.open(t.path('dir'), O_RDONLY | O_DIRECT));
    },
  },
  {
    title: 'a description opened with O_RDONLY can be read and not written',
    origin: 'POSIX open; gVisor open.cc ReadOnly',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      const fd = await t.open(t.path('file'), O_RDONLY);
      equal(await t.readText(fd), 'text');
      await expectError('EBADF', t.write(fd, 'x'));
      await expectError('EBADF', t.pwrite(fd, 'x', 0));
      equal(await t.readFile(t.path('file')), 'text');
    },
  },
  {
    title: 'a description opened with O_WRONLY can be written and not read',
    origin: 'POSIX open; gVisor open.cc WriteOnly',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      const fd = await t.open(t.path('file'), O_WRONLY);
      await expectError('EBADF', t.read(fd, 1));
      await expectError('EBADF', t.pread(fd, 1, 0));
      equal(await t.write(fd, 'T'), 1);
      equal(await t.readFile(t.path('file')), 'Text');
    },
  },
  {
    title: 'a description opened with O_RDWR can be read and written',
    origin: 'POSIX open; gVisor open.cc ReadWrite',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      const fd = await t.open(t.path('file'), O_RDWR);
      equal(await t.readText(fd, 2), 'te');
      equal(await t.write(fd, 'XT'), 2);
      equal(await t.readFile(t.path('file')), 'teXT');
    },
  },
  {
    title: 'a description opened with access mode 3 can be neither read nor written',
    origin: 'open(2), the nonstandard access mode 3; gVisor open.cc OpenWithStrangeFlags',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      const fd = await t.open(t.path('file'), O_ACCMODE);
      await expectError('EBADF', t.read(fd, 1));
      await expectError('EBADF', t.write(fd, 'x'));
      equal((await t.fstat(fd)).size, 4);
    },
  },
  {
    title: 'open with access mode 3 needs permission to read and to write',
    origin: 'open(2), the nonstandard access mode 3',
    async run(t) {
      await t.createFile(t.path('readable'), '', 0o444);
      await t.createFile(t.path('writable'), '', 0o222);
      await t.createFile(t.path('both'), '', 0o666);
      const user = await t.as(USER);
      await expectError('EACCES', user.open(t.path('readable'), O_ACCMODE));
      await expectError('EACCES', user.open(t.path('writable'), O_ACCMODE));
      await user.open(t.path('both'), O_ACCMODE);
    },
  },
  {
    title: 'open ignores flags it does not know',
    origin: 'open(2), BUGS; Linux: fs/open.c build_open_how()',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      const fd = await t.open(t.path('file'), O_RDONLY | UNKNOWN_FLAG);
      equal(await t.readText(fd), 'text');
    },
  },
  {
    title: 'open with O_TRUNC empties the file',
    origin: 'POSIX open, O_TRUNC; gVisor open.cc Truncate',
    async run(t) {
      await t.createFile(t.path('file'), 'a longer text');
      const fd = await t.open(t.path('file'), O_RDWR | O_TRUNC);
      equal((await t.fstat(fd)).size, 0);
      equal(await t.lseek(fd, 0, SEEK_CUR), 0);
      await t.write(fd, 'new');
      equal(await t.readFile(t.path('file')), 'new');
    },
  },
  {
    title: 'open with O_TRUNC follows a symbolic link and empties its target',
    origin: 'POSIX open, O_TRUNC',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      await t.symlink('file', t.path('link'));
      await t.open(t.path('link'), O_WRONLY | O_TRUNC);
      equal((await t.stat(t.path('file'))).size, 0);
      equal(await t.readlink(t.path('link')), 'file');
    },
  },
  {
    title: 'open with O_RDONLY and O_TRUNC empties the file',
    origin: 'open(2), O_TRUNC; gVisor open.cc CanTruncateReadOnly',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      const fd = await t.open(t.path('file'), O_RDONLY | O_TRUNC);
      equal((await t.stat(t.path('file'))).size, 0);
      await expectError('EBADF', t.write(fd, 'x'));
    },
  },
  {
    title: 'open with O_RDONLY and O_TRUNC returns EACCES without permission to write',
    origin: 'gVisor open.cc CanTruncateReadOnlyNoWritePermission',
    async run(t) {
      const user = await t.as(USER);
      await user.createFile(t.path('file'), 'text', 0o440);
      await expectError('EACCES', user.open(t.path('file'), O_RDONLY | O_TRUNC));
      equal((await t.stat(t.path('file'))).size, 4);
    },
  },
  {
    title: 'open with O_WRONLY and O_TRUNC needs no permission to read',
    origin: 'gVisor open.cc CanTruncateWriteOnlyNoReadPermission',
    async run(t) {
      const user = await t.as(USER);
      await user.createFile(t.path('file'), 'text', 0o220);
      await user.open(t.path('file'), O_WRONLY | O_TRUNC);
      equal((await t.stat(t.path('file'))).size, 0);
    },
  },
  {
    title: 'truncation by another open leaves the offset of a description where it was',
    origin: 'POSIX open, O_TRUNC; POSIX read',
    async run(t) {
      await t.createFile(t.path('file'), 'abcdef');
      const fd = await t.open(t.path('file'), O_RDONLY);
      equal(await t.readText(fd, 3), 'abc');
      await t.open(t.path('file'), O_WRONLY | O_TRUNC);
      equal(await t.readText(fd, 3), '');
      equal(await t.lseek(fd, 0, SEEK_CUR), 3);
    },
  },
  {
    title: 'read returns EISDIR and write EBADF for a directory',
    origin: 'POSIX read, EISDIR',
    async run(t) {
      const fd = await t.open(t.root, O_RDONLY | O_DIRECTORY);
      await expectError('EISDIR', t.read(fd, 10));
      await expectError('EISDIR', t.pread(fd, 10, 0));
      await expectError('EBADF', t.write(fd, 'x'));
    },
  },
  {
    title: 'a description keeps its access after chmod took the permission away',
    origin: 'POSIX open; gVisor open_create.cc ChmodWriteToReadBetweenOpens',
    async run(t) {
      const user = await t.as(USER);
      await user.createFile(t.path('file'), 'text', 0o600);
      const fd = await user.open(t.path('file'), O_RDWR);
      await user.chmod(t.path('file'), 0);
      await expectError('EACCES', user.open(t.path('file'), O_RDONLY));
      await expectError('EACCES', user.open(t.path('file'), O_WRONLY));
      equal(await user.readText(fd), 'text');
      equal(await user.write(fd, 'more'), 4);
    },
  },
  {
    title: 'a description does not gain access when chmod gives the permission',
    origin: 'gVisor open_create.cc ChmodReadToWriteBetweenOpens',
    async run(t) {
      const user = await t.as(USER);
      await user.createFile(t.path('file'), 'text', 0o400);
      const reader = await user.open(t.path('file'), O_RDONLY);
      await expectError('EACCES', user.open(t.path('file'), O_RDWR));
      await user.chmod(t.path('file'), 0o600);
      await expectError('EBADF', user.write(reader, 'x'));
      const writer = await user.open(t.path('file'), O_RDWR);
      await user.write(writer, 'TEXT');
      equal(await user.readText(reader), 'TEXT');
    },
  },
  {
    title: 'open with O_NOATIME returns EPERM for a file of somebody else',
    origin: 'open(2), EPERM',
    async run(t) {
      const user = await t.as(USER);
      const other = await t.as(OTHER);
      await user.createFile(t.path('file'), '', 0o666);
      await expectError('EPERM', other.open(t.path('file'), O_RDONLY | O_NOATIME));
      await user.open(t.path('file'), O_RDONLY | O_NOATIME);
      await t.open(t.path('file'), O_RDONLY | O_NOATIME);
    },
  },
  {
    title: 'two descriptions of one file have offsets of their own and share the data',
    origin: 'POSIX open',
    async run(t) {
      await t.createFile(t.path('file'), 'abcdef');
      const first = await t.open(t.path('file'), O_RDWR);
      const second = await t.open(t.path('file'), O_RDWR);
      equal(await t.readText(first, 4), 'abcd');
      equal(await t.readText(second, 2), 'ab');
      await t.write(second, 'XY');
      equal(await t.preadText(first, 6, 0), 'abXYef');
      equal(await t.lseek(first, 0, SEEK_CUR), 4);
    },
  },
  {
    title: 'a new description starts at offset 0, with O_APPEND too',
    origin: 'POSIX open; gVisor open.cc AppendOnly',
    async run(t) {
      await t.createFile(t.path('file'), 'abcdef');
      const fd = await t.open(t.path('file'), O_RDWR | O_APPEND);
      equal(await t.lseek(fd, 0, SEEK_CUR), 0);
      equal(await t.readText(fd, 2), 'ab');
    },
  },
  {
    title: 'open of a symbolic link to a missing file returns ENOENT',
    origin: 'POSIX open, ENOENT; pjdfstest open/16',
    async run(t) {
      await t.symlink('missing', t.path('link'));
      await expectError('ENOENT', t.open(t.path('link'), O_RDONLY));
      const fd = await t.open(t.path('link'), O_PATH | O_NOFOLLOW);
      isTrue((await t.fstat(fd)).size === 7, 'the link itself can be opened with O_PATH');
    },
  },
];
