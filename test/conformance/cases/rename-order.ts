// rename(2) and renameat2(2): trailing slashes, flags, permissions, and which error comes first.

import type { Case } from '../case.ts';
import { RENAME_EXCHANGE, RENAME_NOREPLACE, O_RDONLY } from '../../../src/abi/fcntl.ts';
import { OTHER, USER } from '../case.ts';
import { equal, expectError, isLater } from '../check.ts';

/** A flag no version of renameat2(2) knows. */
const UNKNOWN_FLAG = 1 << 20;

export const renameOrderCases: readonly Case[] = [
  {
    title: 'rename accepts trailing slashes on directories',
    origin: 'POSIX rename; Linux: fs/namei.c do_renameat2()',
    async run(t) {
      await t.mkdir(t.path('old'));
      await t.rename(t.path('old/'), t.path('new//'));
      equal(await t.list(t.root), ['new']);
      await t.mkdir(t.path('target'));
      await t.rename(t.path('new/'), t.path('target/'));
      equal(await t.list(t.root), ['target']);
    },
  },
  {
    title: 'rename returns ENOTDIR for a file with a trailing slash on either side',
    origin: 'POSIX rename, ENOTDIR',
    async run(t) {
      await t.createFile(t.path('file'));
      await t.createFile(t.path('target'));
      await expectError('ENOTDIR', t.rename(t.path('file/'), t.path('new')));
      await expectError('ENOTDIR', t.rename(t.path('file'), t.path('new/')));
      await expectError('ENOTDIR', t.rename(t.path('file'), t.path('target/')));
      equal(await t.list(t.root), ['file', 'target']);
    },
  },
  {
    title: 'rename returns ENOTDIR for a symbolic link to a directory with a trailing slash',
    origin: 'Linux: fs/namei.c do_renameat2()',
    async run(t) {
      await t.mkdir(t.path('dir'));
      await t.mkdir(t.path('source'));
      await t.symlink('dir', t.path('link'));
      await expectError('ENOTDIR', t.rename(t.path('link/'), t.path('new')));
      await expectError('ENOTDIR', t.rename(t.path('source'), t.path('link/')));
      equal(await t.list(t.root), ['dir', 'link', 'source']);
    },
  },
  {
    title: 'renameat2 with RENAME_NOREPLACE moves to a free name',
    origin: 'rename(2), RENAME_NOREPLACE; gVisor Renameat2Test.NoReplaceSuccess',
    async run(t) {
      await t.createFile(t.path('old'), 'text');
      await t.rename2(t.path('old'), t.path('new'), RENAME_NOREPLACE);
      equal(await t.list(t.root), ['new']);
    },
  },
  {
    title: 'renameat2 with RENAME_NOREPLACE returns EEXIST when the target exists',
    origin: 'rename(2), EEXIST; gVisor Renameat2Test.NoReplaceExisting',
    async run(t) {
      await t.createFile(t.path('old'), 'old');
      await t.createFile(t.path('new'), 'new');
      await t.mkdir(t.path('dir'));
      await t.symlink('missing', t.path('dangling'));
      for (const target of ['new', 'dir', 'dangling', 'old']) {
        await expectError('EEXIST', t.rename2(t.path('old'), t.path(target), RENAME_NOREPLACE));
      }
      equal(await t.readFile(t.path('new')), 'new');
    },
  },
  {
    title: 'renameat2 with RENAME_NOREPLACE returns EEXIST when the target ends in a dot',
    origin: 'gVisor Renameat2Test.NoReplaceDot',
    async run(t) {
      await t.createFile(t.path('file'));
      await expectError('EEXIST', t.rename2(t.path('file'), t.path('.'), RENAME_NOREPLACE));
      await expectError('EEXIST', t.rename2(t.path('file'), t.path('..'), RENAME_NOREPLACE));
      await expectError('EBUSY', t.rename2(t.path('.'), t.path('..'), RENAME_NOREPLACE));
    },
  },
  {
    title: 'renameat2 with RENAME_NOREPLACE returns ENOENT for a missing source first',
    origin: 'Linux: fs/namei.c do_renameat2()',
    async run(t) {
      await t.createFile(t.path('target'));
      await expectError('ENOENT', t.rename2(t.path('missing'), t.path('target'), RENAME_NOREPLACE));
    },
  },
  {
    title: 'renameat2 with RENAME_EXCHANGE swaps two files',
    origin: 'rename(2), RENAME_EXCHANGE; gVisor Renameat2Test.ExchangeFiles',
    async run(t) {
      await t.mkdir(t.path('dir'));
      await t.createFile(t.path('a'), 'text of a');
      await t.createFile(t.path('dir/b'), 'text of b');
      const [a, b] = [await t.stat(t.path('a')), await t.stat(t.path('dir/b'))];
      await t.tick();
      await t.rename2(t.path('a'), t.path('dir/b'), RENAME_EXCHANGE);
      equal(await t.readFile(t.path('a')), 'text of b');
      equal(await t.readFile(t.path('dir/b')), 'text of a');
      const [newA, newB] = [await t.stat(t.path('a')), await t.stat(t.path('dir/b'))];
      equal([newA.ino, newB.ino], [b.ino, a.ino]);
      isLater(newA.ctime, b.ctime, 'ctime of b');
      isLater(newB.ctime, a.ctime, 'ctime of a');
    },
  },
  {
    title: 'renameat2 with RENAME_EXCHANGE swaps two directories with entries',
    origin: 'gVisor Renameat2Test.ExchangeDirectories',
    async run(t) {
      await t.mkdir(t.path('a'));
      await t.mkdir(t.path('b'));
      await t.createFile(t.path('a/of-a'));
      await t.createFile(t.path('b/of-b'));
      await t.rename2(t.path('a'), t.path('b'), RENAME_EXCHANGE);
      equal(await t.list(t.path('a')), ['of-b']);
      equal(await t.list(t.path('b')), ['of-a']);
    },
  },
  {
    title: 'renameat2 with RENAME_EXCHANGE swaps a file and a directory of different parents',
    origin: 'rename(2), RENAME_EXCHANGE',
    async run(t) {
      await t.mkdir(t.path('a'));
      await t.mkdir(t.path('b'));
      await t.createFile(t.path('a/x'), 'text');
      await t.mkdir(t.path('b/y'));
      await t.createFile(t.path('b/y/file'));
      await t.rename2(t.path('a/x'), t.path('b/y'), RENAME_EXCHANGE);
      equal(await t.list(t.path('a/x')), ['file']);
      equal(await t.readFile(t.path('b/y')), 'text');
      equal((await t.stat(t.path('a'))).nlink, 3);
      equal((await t.stat(t.path('b'))).nlink, 2);
      equal((await t.stat(t.path('a/x/..'))).ino, (await t.stat(t.path('a'))).ino);
    },
  },
  {
    title: 'renameat2 with RENAME_EXCHANGE returns ENOENT when either is missing',
    origin: 'rename(2), ENOENT; gVisor Renameat2Test.PathDoesNotExist',
    async run(t) {
      await t.createFile(t.path('file'));
      const [file, missing] = [t.path('file'), t.path('missing')];
      await expectError('ENOENT', t.rename2(file, missing, RENAME_EXCHANGE));
      await expectError('ENOENT', t.rename2(missing, file, RENAME_EXCHANGE));
      equal(await t.list(t.root), ['file']);
    },
  },
  {
    title: 'renameat2 with RENAME_EXCHANGE returns EINVAL for a directory and its ancestor',
    origin: 'Linux: fs/namei.c do_renameat2()',
    async run(t) {
      await t.mkdir(t.path('dir'));
      await t.mkdir(t.path('dir/sub'));
      const [dir, sub] = [t.path('dir'), t.path('dir/sub')];
      await expectError('EINVAL', t.rename2(dir, sub, RENAME_EXCHANGE));
      await expectError('EINVAL', t.rename2(sub, dir, RENAME_EXCHANGE));
    },
  },
  {
    title: 'renameat2 with RENAME_EXCHANGE returns ENOTDIR for a file with a trailing slash',
    origin: 'Linux: fs/namei.c do_renameat2()',
    async run(t) {
      await t.mkdir(t.path('dir'));
      await t.createFile(t.path('file'));
      const [dir, file] = [t.path('dir'), t.path('file')];
      await expectError('ENOTDIR', t.rename2(dir, `${file}/`, RENAME_EXCHANGE));
      await expectError('ENOTDIR', t.rename2(`${file}/`, dir, RENAME_EXCHANGE));
      await t.rename2(file, `${dir}/`, RENAME_EXCHANGE);
      equal(await t.list(file), []);
    },
  },
  {
    title: 'renameat2 returns EINVAL for unknown flags and for NOREPLACE with EXCHANGE',
    origin: 'rename(2), EINVAL; gVisor Renameat2Test.InvalidFlags',
    async run(t) {
      await t.createFile(t.path('a'));
      await t.createFile(t.path('b'));
      const both = RENAME_NOREPLACE | RENAME_EXCHANGE;
      await expectError('EINVAL', t.rename2(t.path('a'), t.path('b'), both));
      await expectError('EINVAL', t.rename2(t.path('a'), t.path('b'), UNKNOWN_FLAG));
      await expectError('EINVAL', t.rename2(t.path('missing'), '', UNKNOWN_FLAG));
    },
  },
  {
    title: 'rename returns EACCES when the old parent is not writable',
    origin: 'POSIX rename, EACCES; gVisor rename.cc FailsWhenOldParentNotWritable',
    async run(t) {
      await t.mkdir(t.path('dir'), 0o755);
      await t.createFile(t.path('dir/file'));
      const user = await t.as(USER);
      await expectError('EACCES', user.rename(t.path('dir/file'), t.path('file')));
      equal(await t.list(t.path('dir')), ['file']);
    },
  },
  {
    title: 'rename returns EACCES when the new parent is not writable',
    origin: 'POSIX rename, EACCES; gVisor rename.cc OverwriteFailsWhenNewParentNotWritable',
    async run(t) {
      await t.mkdir(t.path('dir'), 0o755);
      await t.createFile(t.path('dir/target'), 'target');
      await t.createFile(t.path('file'), 'source', 0o666);
      const user = await t.as(USER);
      await expectError('EACCES', user.rename(t.path('file'), t.path('dir/new')));
      await expectError('EACCES', user.rename(t.path('file'), t.path('dir/target')));
      equal(await t.readFile(t.path('dir/target')), 'target');
    },
  },
  {
    title: 'rename returns EACCES and not ENOENT when a parent can’t be searched',
    origin: 'gVisor rename.cc FileDoesNotExistWhenNewParentNotExecutable',
    async run(t) {
      const user = await t.as(USER);
      await user.mkdir(t.path('dir'), 0o600);
      await user.mkdir(t.path('open'));
      await expectError('EACCES', user.rename(t.path('open/missing'), t.path('dir/new')));
      await expectError('EACCES', user.rename(t.path('dir/missing'), t.path('open/new')));
    },
  },
  {
    title: 'rename of a missing source returns ENOENT before EACCES for an unwritable parent',
    origin: 'Linux: fs/namei.c do_renameat2() looks up before may_delete()',
    async run(t) {
      await t.mkdir(t.path('dir'), 0o755);
      const user = await t.as(USER);
      await expectError('ENOENT', user.rename(t.path('dir/missing'), t.path('dir/new')));
    },
  },
  {
    title: 'rename of a directory into itself returns EINVAL before EACCES',
    origin: 'Linux: fs/namei.c do_renameat2()',
    async run(t) {
      await t.mkdir(t.path('dir'), 0o755);
      await t.mkdir(t.path('dir/sub'), 0o755);
      const user = await t.as(USER);
      await expectError('EINVAL', user.rename(t.path('dir/sub'), t.path('dir/sub/new')));
      await expectError('ENOTEMPTY', user.rename(t.path('dir/sub'), t.path('dir')));
    },
  },
  {
    title: 'rename over the same file succeeds before permissions are checked',
    origin: 'Linux: fs/namei.c vfs_rename() compares the inodes first',
    async run(t) {
      await t.mkdir(t.path('dir'), 0o755);
      await t.createFile(t.path('dir/first'));
      await t.link(t.path('dir/first'), t.path('dir/second'));
      const user = await t.as(USER);
      await user.rename(t.path('dir/first'), t.path('dir/second'));
      equal(await t.list(t.path('dir')), ['first', 'second']);
    },
  },
  {
    title: 'rename of a directory to another parent needs permission to write the directory',
    origin: 'POSIX rename, EACCES',
    async run(t) {
      await t.mkdir(t.path('dir'), 0o755);
      await t.mkdir(t.path('to'));
      await t.chmod(t.path('to'), 0o777);
      const user = await t.as(USER);
      await expectError('EACCES', user.rename(t.path('dir'), t.path('to/dir')));
      await user.rename(t.path('dir'), t.path('renamed'));
      await t.chmod(t.path('renamed'), 0o777);
      await user.rename(t.path('renamed'), t.path('to/dir'));
      equal(await t.list(t.path('to')), ['dir']);
    },
  },
  {
    title: 'rename of a file needs no permission on the file',
    origin: 'POSIX rename, EACCES',
    async run(t) {
      await t.createFile(t.path('file'), 'text', 0);
      const user = await t.as(USER);
      await user.rename(t.path('file'), t.path('new'));
      equal(await t.readFile(t.path('new')), 'text');
    },
  },
  {
    title: 'rename from a sticky directory returns EPERM for a file of somebody else',
    origin: 'POSIX rename, EPERM; gVisor sticky.cc StickyBitPermDenied',
    async run(t) {
      await t.mkdir(t.path('tmp'));
      await t.chmod(t.path('tmp'), 0o1777);
      const [user, other] = [await t.as(USER), await t.as(OTHER)];
      await user.createFile(t.path('tmp/file'));
      await expectError('EPERM', other.rename(t.path('tmp/file'), t.path('tmp/new')));
      await expectError('EPERM', other.rename(t.path('tmp/file'), t.path('file')));
      await user.rename(t.path('tmp/file'), t.path('tmp/new'));
      await t.rename(t.path('tmp/new'), t.path('file'));
      equal(await t.list(t.root), ['file', 'tmp']);
    },
  },
  {
    title: 'rename over a file of somebody else in a sticky directory returns EPERM',
    origin: 'gVisor sticky.cc StickyBitRenameOverwritePermDenied',
    async run(t) {
      await t.mkdir(t.path('tmp'));
      await t.chmod(t.path('tmp'), 0o1777);
      const [user, other] = [await t.as(USER), await t.as(OTHER)];
      await user.createFile(t.path('tmp/file'), 'of user', 0o666);
      await other.createFile(t.path('file'), 'of other');
      await expectError('EPERM', other.rename(t.path('file'), t.path('tmp/file')));
      equal(await t.readFile(t.path('tmp/file')), 'of user');
      equal(await t.readFile(t.path('file')), 'of other');
      await other.rename(t.path('file'), t.path('tmp/free'));
    },
  },
  {
    title: 'rename returns EPERM for sticky before it compares the types',
    origin: 'Linux: fs/namei.c may_delete()',
    async run(t) {
      await t.mkdir(t.path('tmp'));
      await t.chmod(t.path('tmp'), 0o1777);
      const [user, other] = [await t.as(USER), await t.as(OTHER)];
      await user.mkdir(t.path('tmp/dir'));
      await other.createFile(t.path('file'));
      await expectError('EPERM', other.rename(t.path('file'), t.path('tmp/dir')));
    },
  },
  {
    title: 'a directory renamed while it is being listed keeps its listing',
    origin: 'gVisor getdents.cc GoneAfterRenameCache',
    async run(t) {
      await t.mkdir(t.path('dir'));
      await t.createFile(t.path('dir/file'));
      const fd = await t.open(t.path('dir'), O_RDONLY);
      await t.rename(t.path('dir'), t.path('moved'));
      const names = (await t.readDirents(fd)).map(({ name }) => name);
      equal(names.sort(), ['.', '..', 'file']);
    },
  },
];
