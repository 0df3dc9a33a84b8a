// symlink(2), readlink(2).

import type { Case } from '../case.ts';
import {
  AT_FDCWD,
  AT_SYMLINK_NOFOLLOW,
  O_CREAT,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_PATH,
  O_RDONLY,
  O_RDWR,
} from '../../../src/abi/fcntl.ts';
import { S_IFLNK, S_IFMT } from '../../../src/abi/stat.ts';
import { USER } from '../case.ts';
import { equal, equalMode, expectError, isLater } from '../check.ts';

export const symlinkCases: readonly Case[] = [
  {
    title: 'symlink makes a link of mode 0777 whose size is the length of the target',
    origin: 'POSIX symlink; gVisor symlink.cc CanCreateSymlinkFile',
    async run(t) {
      await t.umask(0o077);
      await t.symlink('some/target', t.path('link'));
      const stat = await t.lstat(t.path('link'));
      equal([stat.mode & S_IFMT, stat.size, stat.nlink], [S_IFLNK, 11, 1]);
      equalMode(stat, 0o777);
    },
  },
  {
    title: 'the size of a symbolic link is counted in bytes of UTF-8',
    origin: 'POSIX lstat',
    async run(t) {
      await t.symlink('zwölf-😀', t.path('link'));
      equal((await t.lstat(t.path('link'))).size, 11);
      equal(await t.readlink(t.path('link')), 'zwölf-😀');
    },
  },
  {
    title: 'readlink returns the exact text that was stored',
    origin: 'POSIX readlink; gVisor symlink.cc TargetIsNotMapped',
    async run(t) {
      const targets = [
        'a//b/',
        '../..',
        '/',
        './.',
        ' spaces ',
        '/absolute/./path',
        'x'.repeat(300),
      ];
      for (const [index, target] of targets.entries()) {
        await t.symlink(target, t.path(`link-${index}`));
        equal(await t.readlink(t.path(`link-${index}`)), target);
      }
    },
  },
  {
    title: 'a symbolic link belongs to the user and group of its creator',
    origin: 'POSIX symlink',
    async run(t) {
      const user = await t.as(USER);
      await user.symlink('target', t.path('link'));
      const stat = await t.lstat(t.path('link'));
      equal([stat.uid, stat.gid], [1000, 1000]);
    },
  },
  {
    title: 'symlink accepts a target that does not exist',
    origin: 'POSIX symlink; gVisor symlink.cc OldnameIsDangling',
    async run(t) {
      await t.symlink('missing/file', t.path('link'));
      await expectError('ENOENT', t.stat(t.path('link')));
      equal(await t.readlink(t.path('link')), 'missing/file');
    },
  },
  {
    title: 'symlink returns ENOENT for an empty target',
    origin: 'symlink(2), ENOENT; gVisor symlink.cc OldnameIsEmpty',
    async run(t) {
      await expectError('ENOENT', t.symlink('', t.path('link')));
      equal(await t.list(t.root), []);
    },
  },
  {
    title: 'symlink returns ENOENT for an empty or unreachable new path',
    origin: 'POSIX symlink, ENOENT; gVisor symlink.cc NewnameCannotExist, SymlinkAtEmptyPath',
    async run(t) {
      const fd = await t.open(t.root, O_RDONLY | O_DIRECTORY);
      await expectError('ENOENT', t.symlink('target', ''));
      await expectError('ENOENT', t.symlinkat('target', fd, ''));
      await expectError('ENOENT', t.symlink('target', t.path('missing/link')));
    },
  },
  {
    title: 'symlink checks the target before the new path',
    origin: 'Linux: fs/namei.c do_symlinkat()',
    async run(t) {
      await t.createFile(t.path('file'));
      await expectError('ENOENT', t.symlink('', t.path('file')));
      await expectError('ENAMETOOLONG', t.symlink('x'.repeat(4096), t.path('file')));
    },
  },
  {
    title: 'symlink returns EEXIST when the name exists',
    origin: 'POSIX symlink, EEXIST; gVisor symlink.cc CannotSymlinkOverExistingFile',
    async run(t) {
      await t.createFile(t.path('file'));
      await t.mkdir(t.path('dir'));
      await t.symlink('missing', t.path('dangling'));
      for (const name of ['file', 'dir', 'dir/', 'dangling', '.', '..']) {
        await expectError('EEXIST', t.symlink('target', t.path(name)));
      }
      await expectError('EEXIST', t.symlink('target', '/'));
      equal(await t.readlink(t.path('dangling')), 'missing');
    },
  },
  {
    title: 'symlink returns ENOENT for a missing name with a trailing slash',
    origin: 'Linux: fs/namei.c filename_create()',
    async run(t) {
      await expectError('ENOENT', t.symlink('target', t.path('link/')));
      equal(await t.list(t.root), []);
    },
  },
  {
    title: 'symlink returns ENOTDIR when the parent is a file',
    origin: 'POSIX symlink, ENOTDIR',
    async run(t) {
      await t.createFile(t.path('file'));
      await expectError('ENOTDIR', t.symlink('target', t.path('file/link')));
    },
  },
  {
    title: 'symlink returns ENAMETOOLONG for a name of 256 bytes',
    origin: 'POSIX symlink, ENAMETOOLONG',
    async run(t) {
      await expectError('ENAMETOOLONG', t.symlink('target', t.path('n'.repeat(256))));
      await t.symlink('target', t.path('n'.repeat(255)));
    },
  },
  {
    title: 'symlink returns EACCES when the directory is not writable',
    origin: 'POSIX symlink, EACCES; gVisor symlink.cc CannotCreateSymlinkInReadOnlyDir',
    async run(t) {
      await t.mkdir(t.path('dir'), 0o755);
      await t.symlink('target', t.path('dir/exists'));
      const user = await t.as(USER);
      await expectError('EACCES', user.symlink('target', t.path('dir/link')));
      await expectError('EEXIST', user.symlink('target', t.path('dir/exists')));
    },
  },
  {
    title: 'symlinkat and readlinkat return EACCES after the directory lost its permissions',
    origin: 'gVisor symlink.cc SymlinkAtDegradedPermissions, ReadlinkAtDegradedPermissions',
    async run(t) {
      const user = await t.as(USER);
      await user.mkdir(t.path('dir'));
      await user.symlink('target', t.path('dir/old'));
      const fd = await user.open(t.path('dir'), O_RDONLY | O_DIRECTORY);
      await user.chmod(t.path('dir'), 0);
      await expectError('EACCES', user.symlinkat('target', fd, 'new'));
      await expectError('EACCES', user.readlinkat(fd, 'old'));
    },
  },
  {
    title: 'symlinkat and readlinkat work with an O_PATH directory descriptor',
    origin: 'gVisor symlink.cc SymlinkAtDirWithOpath, ReadlinkAtDirWithOpath',
    async run(t) {
      const fd = await t.open(t.root, O_PATH | O_DIRECTORY);
      await t.symlinkat('target', fd, 'link');
      equal(await t.readlinkat(fd, 'link'), 'target');
    },
  },
  {
    title: 'symlink changes mtime and ctime of the directory',
    origin: 'POSIX symlink',
    async run(t) {
      const before = await t.stat(t.root);
      await t.tick();
      await t.symlink('target', t.path('link'));
      const after = await t.stat(t.root);
      isLater(after.mtime, before.mtime, 'mtime');
      isLater(after.ctime, before.ctime, 'ctime');
    },
  },
  {
    title: 'readlink returns EINVAL for what is not a symbolic link',
    origin: 'POSIX readlink, EINVAL',
    async run(t) {
      await t.createFile(t.path('file'));
      await t.mkdir(t.path('dir'));
      await t.symlink('dir', t.path('link'));
      await expectError('EINVAL', t.readlink(t.path('file')));
      await expectError('EINVAL', t.readlink(t.path('dir')));
      await expectError('EINVAL', t.readlink(t.path('link/')));
    },
  },
  {
    title: 'readlink returns ENOENT, ENOTDIR and ENAMETOOLONG as any path does',
    origin: 'POSIX readlink',
    async run(t) {
      await t.createFile(t.path('file'));
      await t.symlink('file', t.path('link'));
      await expectError('ENOENT', t.readlink(t.path('missing')));
      await expectError('ENOENT', t.readlink(''));
      await expectError('ENOTDIR', t.readlink(t.path('file/x')));
      await expectError('ENOTDIR', t.readlink(t.path('link/')));
      await expectError('ENAMETOOLONG', t.readlink(t.path('n'.repeat(256))));
    },
  },
  {
    title: 'readlink needs no permission on the link and search permission on the directories',
    origin: 'POSIX readlink, EACCES',
    async run(t) {
      await t.mkdir(t.path('dir'), 0o711);
      await t.symlink('target', t.path('dir/link'));
      const user = await t.as(USER);
      equal(await user.readlink(t.path('dir/link')), 'target');
      await t.chmod(t.path('dir'), 0o744);
      await expectError('EACCES', user.readlink(t.path('dir/link')));
    },
  },
  {
    title: 'readlinkat with an empty path reads the link that a descriptor was opened on',
    origin: 'readlink(2), since Linux 2.6.39',
    async run(t) {
      await t.symlink('target', t.path('link'));
      const fd = await t.open(t.path('link'), O_PATH | O_NOFOLLOW);
      equal(await t.readlinkat(fd, ''), 'target');
      const dir = await t.open(t.root, O_PATH);
      await expectError('ENOENT', t.readlinkat(dir, ''));
    },
  },
  {
    title: 'opening through a symbolic link reaches the file itself',
    origin: 'gVisor symlink.cc CanEvaluateLink, PreadFromSymlink, PwriteToSymlink',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      await t.symlink('file', t.path('link'));
      const fd = await t.open(t.path('link'), O_RDWR);
      equal((await t.fstat(fd)).ino, (await t.lstat(t.path('file'))).ino);
      equal(await t.preadText(fd, 10, 0), 'text');
      await t.pwrite(fd, 'TEXT', 0);
      equal(await t.readFile(t.path('file')), 'TEXT');
    },
  },
  {
    title: 'a relative target starts at the directory of the link',
    origin: 'POSIX pathname resolution',
    async run(t) {
      await t.mkdir(t.path('a'));
      await t.mkdir(t.path('b'));
      await t.createFile(t.path('a/file'), 'right');
      await t.createFile(t.path('b/file'), 'wrong');
      await t.symlink('file', t.path('a/link'));
      await t.symlink('../a/link', t.path('b/link'));
      equal(await t.readFile(t.path('b/link')), 'right');
    },
  },
  {
    title: 'a symbolic link that is moved resolves from its new directory',
    origin: 'POSIX pathname resolution',
    async run(t) {
      await t.mkdir(t.path('dir'));
      await t.createFile(t.path('file'), 'outer');
      await t.createFile(t.path('dir/file'), 'inner');
      await t.symlink('file', t.path('link'));
      equal(await t.readFile(t.path('link')), 'outer');
      await t.rename(t.path('link'), t.path('dir/link'));
      equal(await t.readFile(t.path('dir/link')), 'inner');
    },
  },
  {
    title: 'mkdir through a symbolic link to the root directory reaches the same place',
    origin: 'gVisor symlink.cc AbsoluteSymlinkDouble',
    async run(t) {
      await t.symlink('/', t.path('slash'));
      await expectError('EEXIST', t.mkdir(`${t.path('slash')}${t.path('slash')}`));
      await t.mkdir(`${t.path('slash')}${t.path('dir')}`);
      equal(await t.list(t.root), ['dir', 'slash']);
    },
  },
  {
    title: 'a symbolic link with dot-dot in the middle of a path leads back into the tree',
    origin: 'gVisor open.cc SymlinkRecurse',
    async run(t) {
      await t.mkdir(t.path('a'));
      await t.mkdir(t.path('a/b'));
      await t.createFile(t.path('a/b/file'), 'text');
      await t.symlink('../..', t.path('a/b/up'));
      equal(await t.readFile(t.path('a/b/up/a/b/up/a/b/file')), 'text');
    },
  },
  {
    title: 'chmod and chown follow a symbolic link and lchown does not',
    origin: 'POSIX chmod, lchown; gVisor symlink.cc ChmodSymlink',
    async run(t) {
      await t.createFile(t.path('file'));
      await t.symlink('file', t.path('link'));
      await t.chmod(t.path('link'), 0o600);
      await t.chown(t.path('link'), 1, 2);
      await t.lchown(t.path('link'), 3, 4);
      const [file, link] = [await t.stat(t.path('file')), await t.lstat(t.path('link'))];
      equalMode(file, 0o600);
      equalMode(link, 0o777);
      equal([file.uid, file.gid, link.uid, link.gid], [1, 2, 3, 4]);
    },
  },
  {
    title: 'fchmodat with AT_SYMLINK_NOFOLLOW returns EOPNOTSUPP for a symbolic link',
    origin: 'Linux 6.6: fs/open.c do_fchmodat(), fs/attr.c notify_change()',
    async run(t) {
      await t.createFile(t.path('file'));
      await t.symlink('file', t.path('link'));
      const change = t.fchmodat(AT_FDCWD, t.path('link'), 0o600, AT_SYMLINK_NOFOLLOW);
      await expectError('EOPNOTSUPP', change);
      await t.fchmodat(AT_FDCWD, t.path('file'), 0o600, AT_SYMLINK_NOFOLLOW);
      equalMode(await t.stat(t.path('file')), 0o600);
      equalMode(await t.lstat(t.path('link')), 0o777);
    },
  },
  {
    title: 'a symbolic link can’t be opened without O_PATH when it is not followed',
    origin: 'open(2), O_NOFOLLOW and O_PATH',
    async run(t) {
      await t.symlink('missing', t.path('link'));
      await expectError('ELOOP', t.open(t.path('link'), O_RDWR | O_NOFOLLOW));
      const fd = await t.open(t.path('link'), O_PATH | O_NOFOLLOW);
      equal((await t.fstat(fd)).mode & S_IFMT, S_IFLNK);
      await expectError('ELOOP', t.open(t.path('link'), O_RDWR | O_CREAT | O_NOFOLLOW));
    },
  },
];
