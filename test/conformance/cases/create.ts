// open(2) with O_CREAT.

import type { Case } from '../case.ts';
import {
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOFOLLOW,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
} from '../../../src/abi/fcntl.ts';
import { S_IFMT, S_IFREG } from '../../../src/abi/stat.ts';
import { USER } from '../case.ts';
import { equal, equalMode, expectError } from '../check.ts';

const CREATE = O_WRONLY | O_CREAT;

export const createCases: readonly Case[] = [
  {
    title: 'open with O_CREAT makes an empty regular file with one link',
    origin: 'POSIX open, O_CREAT; gVisor creat.cc CreatCreatesNewFile',
    async run(t) {
      const fd = await t.open(t.path('file'), CREATE, 0o640);
      const stat = await t.fstat(fd);
      equal(stat.mode & S_IFMT, S_IFREG);
      equal([stat.size, stat.nlink, stat.blocks], [0, 1, 0]);
      equalMode(stat, 0o640);
      equal(await t.list(t.root), ['file']);
    },
  },
  {
    title: 'a new file belongs to the user and group of its creator',
    origin: 'POSIX open, O_CREAT',
    async run(t) {
      const user = await t.as({ uid: 1000, gid: 1005, groups: [1006] });
      await user.open(t.path('file'), CREATE);
      const stat = await t.stat(t.path('file'));
      equal([stat.uid, stat.gid], [1000, 1005]);
    },
  },
  {
    title: 'open with O_CREAT takes the umask off the mode',
    origin: 'POSIX open, O_CREAT; gVisor open_create.cc HonorsUmask',
    async run(t) {
      equal(await t.umask(0o222), 0o022);
      const fd = await t.open(t.path('file'), O_RDWR | O_CREAT, 0o666);
      equalMode(await t.fstat(fd), 0o444);
      equal(await t.write(fd, 'text'), 4);
      equal(await t.umask(0o022), 0o222);
    },
  },
  {
    title: 'open with O_CREAT keeps setuid, setgid and sticky bits of the mode',
    origin: 'Linux: fs/open.c build_open_flags() S_IALLUGO',
    async run(t) {
      const fd = await t.open(t.path('file'), CREATE, 0o7755);
      equalMode(await t.fstat(fd), 0o7755);
    },
  },
  {
    title: 'the open that creates a file ignores the new mode',
    origin: 'POSIX open; gVisor open_create.cc CreateWithWriteFlagNotAllowedByMode',
    async run(t) {
      const user = await t.as(USER);
      const fd = await user.open(t.path('file'), O_RDWR | O_CREAT, 0);
      equal(await user.write(fd, 'text'), 4);
      equal(await user.preadText(fd, 10, 0), 'text');
      await expectError('EACCES', user.open(t.path('file'), O_RDONLY));
      await expectError('EACCES', user.open(t.path('file'), O_WRONLY));
      equalMode(await user.fstat(fd), 0);
    },
  },
  {
    title: 'open with O_CREAT opens a file that exists and leaves its mode and content',
    origin: 'POSIX open, O_CREAT; gVisor open_create.cc ExistingFile',
    async run(t) {
      await t.createFile(t.path('file'), 'text', 0o604);
      const fd = await t.open(t.path('file'), O_RDWR | O_CREAT, 0o777);
      equal(await t.readText(fd), 'text');
      equalMode(await t.fstat(fd), 0o604);
    },
  },
  {
    title: 'open with O_CREAT and O_TRUNC empties a file that exists',
    origin: 'POSIX creat; gVisor creat.cc CreatTruncatesExistingFile',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      const { ino } = await t.stat(t.path('file'));
      const fd = await t.open(t.path('file'), CREATE | O_TRUNC);
      equal([(await t.fstat(fd)).size, (await t.fstat(fd)).ino], [0, ino]);
    },
  },
  {
    title: 'open with O_RDONLY, O_CREAT and O_TRUNC empties a file that exists',
    origin: 'gVisor open_create.cc CreatFileWithOTruncAndReadOnly',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      await t.open(t.path('file'), O_RDONLY | O_CREAT | O_TRUNC);
      equal((await t.stat(t.path('file'))).size, 0);
    },
  },
  {
    title: 'open with O_CREAT and O_EXCL returns EEXIST when the file exists',
    origin: 'POSIX open, EEXIST; gVisor open_create.cc CreateExclusively',
    async run(t) {
      await t.open(t.path('file'), CREATE | O_EXCL);
      await expectError('EEXIST', t.open(t.path('file'), CREATE | O_EXCL));
    },
  },
  {
    title: 'open with O_EXCL and O_TRUNC does not truncate a file that exists',
    origin: 'POSIX open, EEXIST',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      await expectError('EEXIST', t.open(t.path('file'), CREATE | O_EXCL | O_TRUNC));
      equal(await t.readFile(t.path('file')), 'text');
    },
  },
  {
    title: 'open with O_CREAT and O_EXCL returns EEXIST for a directory',
    origin: 'gVisor open.cc MustCreateExisting',
    async run(t) {
      await t.mkdir(t.path('dir'));
      await expectError('EEXIST', t.open(t.path('dir'), CREATE | O_EXCL));
      await expectError('EEXIST', t.open(t.path('dir'), O_RDONLY | O_CREAT | O_EXCL));
    },
  },
  {
    title: 'open with O_CREAT and O_EXCL returns EEXIST for a dangling symbolic link',
    origin: 'POSIX open, O_EXCL; gVisor symlink.cc OpenLinkExclFails',
    async run(t) {
      await t.symlink('missing', t.path('link'));
      await expectError('EEXIST', t.open(t.path('link'), CREATE | O_EXCL));
      equal(await t.list(t.root), ['link']);
    },
  },
  {
    title: 'open with O_CREAT makes the target of a dangling symbolic link',
    origin: 'POSIX open, O_CREAT; gVisor symlink.cc OpenLinkCreatesTarget',
    async run(t) {
      await t.mkdir(t.path('dir'));
      await t.symlink('dir/target', t.path('relative'));
      await t.symlink(t.path('dir/absolute-target'), t.path('absolute'));
      await t.open(t.path('relative'), CREATE);
      await t.open(t.path('absolute'), CREATE);
      equal(await t.list(t.path('dir')), ['absolute-target', 'target']);
    },
  },
  {
    title: 'open with O_CREAT follows a chain of symbolic links to the missing file',
    origin: 'POSIX open, O_CREAT',
    async run(t) {
      await t.mkdir(t.path('dir'));
      await t.symlink('dir/second', t.path('first'));
      await t.symlink('../file', t.path('dir/second'));
      await t.open(t.path('first'), CREATE);
      equal(await t.list(t.root), ['dir', 'file', 'first']);
    },
  },
  {
    title: 'open with O_CREAT returns ENOENT when the directory of a link target is missing',
    origin: 'POSIX open, ENOENT',
    async run(t) {
      await t.symlink('missing/target', t.path('link'));
      await expectError('ENOENT', t.open(t.path('link'), CREATE));
    },
  },
  {
    title: 'open with O_CREAT and O_NOFOLLOW returns ELOOP for a symbolic link',
    origin: 'POSIX open, O_NOFOLLOW; gVisor symlink.cc OpenLinkNoFollowFails',
    async run(t) {
      await t.symlink('missing', t.path('link'));
      await expectError('ELOOP', t.open(t.path('link'), CREATE | O_NOFOLLOW));
      equal(await t.list(t.root), ['link']);
    },
  },
  {
    title: 'open with O_CREAT returns ELOOP for a link to itself',
    origin: 'POSIX open, ELOOP; gVisor symlink.cc CreateExistingSelfLink',
    async run(t) {
      await t.symlink('link', t.path('link'));
      await expectError('ELOOP', t.open(t.path('link'), CREATE));
      await t.symlink('parent/child', t.path('parent'));
      await expectError('ELOOP', t.open(t.path('parent'), CREATE));
    },
  },
  {
    title: 'open with O_CREAT returns EISDIR for a directory',
    origin: 'open(2), EISDIR; gVisor open.cc OCreateDirectory',
    async run(t) {
      await t.mkdir(t.path('dir'));
      await expectError('EISDIR', t.open(t.path('dir'), O_RDONLY | O_CREAT));
      await expectError('EISDIR', t.open(t.path('dir/'), O_RDONLY | O_CREAT));
      await expectError('EISDIR', t.open(t.path('dir/.'), O_RDONLY | O_CREAT));
      await expectError('EISDIR', t.open(t.path('dir/..'), O_RDONLY | O_CREAT));
      await expectError('EISDIR', t.open('/', O_RDONLY | O_CREAT));
    },
  },
  {
    title: 'open with O_CREAT and O_EXCL returns EEXIST for dot and dot-dot',
    origin: 'Linux: fs/namei.c do_open()',
    async run(t) {
      await expectError('EEXIST', t.open(t.path('.'), O_RDONLY | O_CREAT | O_EXCL));
      await expectError('EEXIST', t.open(t.path('..'), O_RDONLY | O_CREAT | O_EXCL));
    },
  },
  {
    title: 'open with O_CREAT returns EISDIR for a missing name with a trailing slash',
    origin: 'open(2), EISDIR; gVisor open.cc OCreateDirectory',
    async run(t) {
      await expectError('EISDIR', t.open(t.path('missing/'), CREATE));
      await expectError('EISDIR', t.open(t.path('missing/'), CREATE | O_EXCL));
      equal(await t.list(t.root), []);
    },
  },
  {
    title: 'open with O_CREAT and a trailing slash returns EISDIR for a file and a directory',
    origin: 'Linux: fs/namei.c open_last_lookups()',
    async run(t) {
      await t.createFile(t.path('file'));
      await t.mkdir(t.path('dir'));
      await expectError('EISDIR', t.open(t.path('file/'), CREATE));
      await expectError('EISDIR', t.open(t.path('dir/'), CREATE | O_EXCL));
    },
  },
  {
    title: 'open with O_CREAT and O_DIRECTORY returns EINVAL and makes nothing',
    origin: 'Linux 6.4: fs/open.c build_open_flags()',
    async run(t) {
      await t.mkdir(t.path('dir'));
      await expectError('EINVAL', t.open(t.path('file'), O_RDONLY | O_CREAT | O_DIRECTORY));
      await expectError('EINVAL', t.open(t.path('dir'), O_RDONLY | O_CREAT | O_DIRECTORY));
      equal(await t.list(t.root), ['dir']);
    },
  },
  {
    title: 'open with O_CREAT returns ENOENT when the parent directory is missing',
    origin: 'POSIX open, ENOENT',
    async run(t) {
      await expectError('ENOENT', t.open(t.path('missing/file'), CREATE));
      await expectError('ENOENT', t.open('', CREATE));
    },
  },
  {
    title: 'open with O_CREAT returns ENOTDIR when the parent is a file',
    origin: 'POSIX open, ENOTDIR',
    async run(t) {
      await t.createFile(t.path('file'));
      await expectError('ENOTDIR', t.open(t.path('file/child'), CREATE));
    },
  },
  {
    title: 'open with O_CREAT returns EACCES without permission to write the directory',
    origin: 'POSIX open, EACCES; gVisor open_create.cc CreateFailsOnDirWithoutWritePerms',
    async run(t) {
      await t.mkdir(t.path('dir'), 0o755);
      const user = await t.as(USER);
      await expectError('EACCES', user.open(t.path('dir/file'), CREATE));
      equal(await t.list(t.path('dir')), []);
    },
  },
  {
    title: 'open with O_CREAT returns EACCES without permission to search the directory',
    origin: 'POSIX open, EACCES',
    async run(t) {
      const user = await t.as(USER);
      await user.mkdir(t.path('dir'), 0o700);
      await user.createFile(t.path('dir/file'));
      await user.chmod(t.path('dir'), 0o600);
      await expectError('EACCES', user.open(t.path('dir/new'), CREATE));
      await expectError('EACCES', user.open(t.path('dir/file'), CREATE | O_EXCL));
    },
  },
  {
    title: 'open with O_CREAT of a file that exists needs no permission to write the directory',
    origin: 'POSIX open, EACCES',
    async run(t) {
      await t.mkdir(t.path('dir'), 0o755);
      await t.createFile(t.path('dir/file'), '', 0o666);
      const user = await t.as(USER);
      await user.open(t.path('dir/file'), CREATE);
    },
  },
  {
    title: 'with O_EXCL, EEXIST comes before EACCES for an unwritable directory',
    origin: 'Linux: fs/namei.c lookup_open()',
    async run(t) {
      await t.mkdir(t.path('dir'), 0o755);
      await t.createFile(t.path('dir/file'));
      const user = await t.as(USER);
      await expectError('EEXIST', user.open(t.path('dir/file'), CREATE | O_EXCL));
    },
  },
  {
    title: 'with O_CREAT, EISDIR for a trailing slash comes before EACCES',
    origin: 'Linux: fs/namei.c open_last_lookups()',
    async run(t) {
      await t.mkdir(t.path('dir'), 0o755);
      const user = await t.as(USER);
      await expectError('EISDIR', user.open(t.path('dir/missing/'), CREATE));
    },
  },
  {
    title: 'open with O_CREAT returns ENAMETOOLONG for a name of 256 bytes and accepts 255',
    origin: 'POSIX open, ENAMETOOLONG; gVisor creat.cc CreatWithNameTooLong',
    async run(t) {
      await t.open(t.path('n'.repeat(255)), CREATE);
      await expectError('ENAMETOOLONG', t.open(t.path('n'.repeat(256)), CREATE));
      equal(await t.list(t.root), ['n'.repeat(255)]);
    },
  },
  {
    title: 'the length of a name is counted in bytes of UTF-8',
    origin: 'limits.h NAME_MAX',
    async run(t) {
      const longest = `${'é'.repeat(127)}x`;
      await t.open(t.path(longest), CREATE);
      equal(await t.list(t.root), [longest]);
      await expectError('ENAMETOOLONG', t.open(t.path('é'.repeat(128)), CREATE));
    },
  },
  {
    title: 'names may hold every character but the slash',
    origin: 'POSIX filename',
    async run(t) {
      const names = [
        ' ',
        '\t\n',
        '"\'\\',
        '...',
        '-rf',
        '*?',
        'a:b',
        '日本語',
        '😀',
        'é',
        'e\u0301',
      ];
      for (const name of names) await t.createFile(t.path(name), name);
      equal(await t.list(t.root), [...names].sort());
      for (const name of names) equal(await t.readFile(t.path(name)), name);
    },
  },
  {
    title: 'names that differ only in case are different names',
    origin: 'POSIX filename',
    async run(t) {
      await t.createFile(t.path('Name'), 'upper');
      await t.createFile(t.path('name'), 'lower');
      equal(await t.readFile(t.path('Name')), 'upper');
      equal(await t.list(t.root), ['Name', 'name']);
    },
  },
  {
    title: 'open with O_CREAT returns ENOENT in a directory that was removed',
    origin: 'Linux: fs/namei.c may_create() IS_DEADDIR',
    async run(t) {
      await t.mkdir(t.path('dir'));
      const dir = await t.open(t.path('dir'), O_RDONLY | O_DIRECTORY);
      await t.rmdir(t.path('dir'));
      await expectError('ENOENT', t.openat(dir, 'file', CREATE));
    },
  },
  {
    title: 'a file created with dirfd lands in that directory',
    origin: 'gVisor open_create.cc CreateAtFile',
    async run(t) {
      await t.mkdir(t.path('dir'));
      const dir = await t.open(t.path('dir'), O_RDONLY | O_DIRECTORY);
      await t.openat(dir, 'file', CREATE);
      equal(await t.list(t.path('dir')), ['file']);
    },
  },
  {
    title: 'a file made through a read-only description is written through another',
    origin: 'gVisor open_create.cc OpenCreateROThenRW',
    async run(t) {
      const reader = await t.open(t.path('file'), O_RDONLY | O_CREAT);
      await expectError('EBADF', t.write(reader, 'x'));
      const writer = await t.open(t.path('file'), O_RDWR);
      await t.write(writer, 'text');
      equal(await t.readText(reader), 'text');
    },
  },
  {
    title: 'a file whose mode gives its owner less than others is refused to the owner',
    origin: 'gVisor open.cc CanTruncateWithStrangePermissions',
    async run(t) {
      const user = await t.as(USER);
      await user.umask(0);
      await user.open(t.path('file'), CREATE, 0o055);
      await expectError('EACCES', user.open(t.path('file'), O_RDONLY));
      await user.chmod(t.path('file'), 0o755);
      await user.open(t.path('file'), O_RDWR | O_TRUNC);
    },
  },
  {
    title: 'creating 300 files in one directory keeps every one of them',
    origin: 'POSIX open, O_CREAT',
    async run(t) {
      const names = Array.from({ length: 300 }, (_, index) => `file-${index}`);
      for (const name of names) await t.close(await t.open(t.path(name), CREATE));
      equal(await t.list(t.root), [...names].sort());
    },
  },
];
