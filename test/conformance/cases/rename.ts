// rename(2): what it does, and the errors of names and types.

import type { Case } from '../case.ts';
import { AT_FDCWD, O_DIRECTORY, O_RDONLY, O_RDWR } from '../../../src/abi/fcntl.ts';
import { equal, expectError, isLater, isTrue } from '../check.ts';

export const renameCases: readonly Case[] = [
  {
    title: 'rename gives a file its new name and keeps what it is',
    origin:
      'POSIX rename; gVisor rename.cc FileToSameDirectory, stat.cc StatDoesntChangeAfterRename',
    async run(t) {
      await t.createFile(t.path('old'), 'text', 0o640);
      const before = await t.stat(t.path('old'));
      await t.rename(t.path('old'), t.path('new'));
      const after = await t.stat(t.path('new'));
      equal(await t.list(t.root), ['new']);
      equal(
        [after.dev, after.ino, after.mode, after.nlink, after.size, after.mtime],
        [before.dev, before.ino, before.mode, before.nlink, before.size, before.mtime],
      );
    },
  },
  {
    title: 'rename gives a directory its new name with everything in it',
    origin: 'POSIX rename; gVisor rename.cc DirectoryToSameDirectory',
    async run(t) {
      await t.mkdir(t.path('old'));
      await t.mkdir(t.path('old/sub'));
      await t.createFile(t.path('old/sub/file'), 'text');
      await t.rename(t.path('old'), t.path('new'));
      equal(await t.list(t.root), ['new']);
      equal(await t.readFile(t.path('new/sub/file')), 'text');
    },
  },
  {
    title: 'rename moves a file to the parent directory and to a child directory',
    origin: 'gVisor rename.cc FileToParentDirectory, FileToChildDirectory',
    async run(t) {
      await t.mkdir(t.path('dir'));
      await t.createFile(t.path('dir/file'), 'text');
      await t.rename(t.path('dir/file'), t.path('file'));
      equal(await t.list(t.path('dir')), []);
      await t.rename(t.path('file'), t.path('dir/again'));
      equal(await t.list(t.root), ['dir']);
      equal(await t.readFile(t.path('dir/again')), 'text');
    },
  },
  {
    title: 'rename moves a directory to its grandparent and back below a sibling',
    origin: 'gVisor rename.cc DirectoryToParentDirectory, DirectoryToChildDirectory',
    async run(t) {
      await t.mkdir(t.path('a'));
      await t.mkdir(t.path('b'));
      await t.mkdir(t.path('a/dir'));
      await t.rename(t.path('a/dir'), t.path('dir'));
      equal(await t.list(t.root), ['a', 'b', 'dir']);
      await t.rename(t.path('dir'), t.path('b/dir'));
      equal(await t.list(t.path('b')), ['dir']);
      equal((await t.stat(t.path('b/dir/..'))).ino, (await t.stat(t.path('b'))).ino);
    },
  },
  {
    title: 'rename moves a symbolic link and not its target',
    origin: 'POSIX rename',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      await t.symlink('file', t.path('link'));
      await t.rename(t.path('link'), t.path('moved'));
      equal(await t.list(t.root), ['file', 'moved']);
      equal(await t.readlink(t.path('moved')), 'file');
    },
  },
  {
    title: 'rename replaces a symbolic link and leaves its target',
    origin: 'POSIX rename',
    async run(t) {
      await t.createFile(t.path('file'), 'target');
      await t.createFile(t.path('source'), 'source');
      await t.symlink('file', t.path('link'));
      await t.rename(t.path('source'), t.path('link'));
      equal(await t.readFile(t.path('link')), 'source');
      equal(await t.readFile(t.path('file')), 'target');
      equal(await t.list(t.root), ['file', 'link']);
    },
  },
  {
    title: 'rename to the same name succeeds and changes nothing',
    origin: 'POSIX rename; gVisor rename.cc FileToSelf, DirectoryToSelf',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      await t.mkdir(t.path('dir'));
      await t.createFile(t.path('dir/file'));
      await t.rename(t.path('file'), t.path('file'));
      await t.rename(t.path('dir'), t.path('dir'));
      await t.rename(t.path('dir/../file'), t.path('./file'));
      equal(await t.list(t.root), ['dir', 'file']);
      equal(await t.readFile(t.path('file')), 'text');
    },
  },
  {
    title: 'rename of one link of a file over another leaves both names',
    origin: 'POSIX rename',
    async run(t) {
      await t.createFile(t.path('first'), 'text');
      await t.link(t.path('first'), t.path('second'));
      await t.rename(t.path('first'), t.path('second'));
      equal(await t.list(t.root), ['first', 'second']);
      equal((await t.stat(t.path('first'))).nlink, 2);
    },
  },
  {
    title: 'rename of a file over a file replaces it',
    origin: 'POSIX rename; gVisor rename.cc FileOverwritesFile',
    async run(t) {
      await t.createFile(t.path('source'), 'source');
      await t.createFile(t.path('target'), 'target');
      const { ino } = await t.stat(t.path('source'));
      await t.rename(t.path('source'), t.path('target'));
      equal(await t.list(t.root), ['target']);
      equal(await t.readFile(t.path('target')), 'source');
      equal((await t.stat(t.path('target'))).ino, ino);
    },
  },
  {
    title: 'a replaced file that is open keeps its content and has no links',
    origin: 'POSIX rename',
    async run(t) {
      await t.createFile(t.path('source'), 'source');
      await t.createFile(t.path('target'), 'target');
      const fd = await t.open(t.path('target'), O_RDWR);
      await t.rename(t.path('source'), t.path('target'));
      equal(await t.readText(fd), 'target');
      equal((await t.fstat(fd)).nlink, 0);
      await t.pwrite(fd, 'TARGET', 0);
      equal(await t.readFile(t.path('target')), 'source');
    },
  },
  {
    title: 'a replaced file with another link keeps it',
    origin: 'POSIX rename',
    async run(t) {
      await t.createFile(t.path('source'), 'source');
      await t.createFile(t.path('target'), 'target');
      await t.link(t.path('target'), t.path('other'));
      await t.rename(t.path('source'), t.path('target'));
      equal(await t.readFile(t.path('other')), 'target');
      equal((await t.stat(t.path('other'))).nlink, 1);
    },
  },
  {
    title: 'a description follows its file through renames',
    origin: 'gVisor rename.cc FileWithOpenFd, RenameAfterWritableFDAndChmod',
    async run(t) {
      await t.mkdir(t.path('dir'));
      await t.createFile(t.path('file'), 'text');
      const fd = await t.open(t.path('file'), O_RDWR);
      await t.chmod(t.path('file'), 0o444);
      await t.rename(t.path('file'), t.path('dir/file'));
      equal(await t.readText(fd), 'text');
      await t.rename(t.path('dir/file'), t.path('dir/again'));
      await t.pwrite(fd, 'TEXT', 0);
      equal(await t.readFile(t.path('dir/again')), 'TEXT');
    },
  },
  {
    title: 'rename of a directory over an empty directory replaces it',
    origin: 'POSIX rename; gVisor rename.cc DirectoryOverwritesEmptyDirectory',
    async run(t) {
      await t.mkdir(t.path('source'));
      await t.createFile(t.path('source/file'), 'text');
      await t.mkdir(t.path('target'));
      await t.rename(t.path('source'), t.path('target'));
      equal(await t.list(t.root), ['target']);
      equal(await t.readFile(t.path('target/file')), 'text');
    },
  },
  {
    title: 'an open directory does not hinder the rename that replaces it or moves it',
    origin: 'gVisor rename.cc DirectoryWithOpenFdOverwritesEmptyDirectory',
    async run(t) {
      await t.mkdir(t.path('source'));
      await t.mkdir(t.path('target'));
      const source = await t.open(t.path('source'), O_RDONLY | O_DIRECTORY);
      const target = await t.open(t.path('target'), O_RDONLY | O_DIRECTORY);
      await t.rename(t.path('source'), t.path('target'));
      equal((await t.fstat(source)).nlink, 2);
      equal((await t.fstat(target)).nlink, 0);
    },
  },
  {
    title: 'rename of a directory to another parent moves the link of dot-dot',
    origin: 'Linux: fs/libfs.c simple_rename()',
    async run(t) {
      await t.mkdir(t.path('a'));
      await t.mkdir(t.path('b'));
      await t.mkdir(t.path('a/dir'));
      equal((await t.stat(t.path('a'))).nlink, 3);
      await t.rename(t.path('a/dir'), t.path('b/dir'));
      equal((await t.stat(t.path('a'))).nlink, 2);
      equal((await t.stat(t.path('b'))).nlink, 3);
      equal((await t.stat(t.path('b/dir'))).nlink, 2);
    },
  },
  {
    title: 'rename of a directory over one of another parent keeps that parent’s link count',
    origin: 'gVisor rename.cc DirectoryOverwritesDirectoryLinkCount',
    async run(t) {
      await t.mkdir(t.path('a'));
      await t.mkdir(t.path('b'));
      await t.mkdir(t.path('a/dir'));
      await t.mkdir(t.path('b/dir'));
      await t.rename(t.path('a/dir'), t.path('b/dir'));
      equal((await t.stat(t.path('a'))).nlink, 2);
      equal((await t.stat(t.path('b'))).nlink, 3);
    },
  },
  {
    title: 'rename of a directory over a sibling takes one link from their parent',
    origin: 'Linux: fs/libfs.c simple_rename()',
    async run(t) {
      await t.mkdir(t.path('a'));
      await t.mkdir(t.path('b'));
      equal((await t.stat(t.root)).nlink, 4);
      await t.rename(t.path('a'), t.path('b'));
      equal((await t.stat(t.root)).nlink, 3);
    },
  },
  {
    title: 'rename changes the times of both directories and the ctime of the file',
    origin: 'POSIX rename',
    async run(t) {
      await t.mkdir(t.path('a'));
      await t.mkdir(t.path('b'));
      await t.createFile(t.path('a/file'));
      const [a, b, file] = [
        await t.stat(t.path('a')),
        await t.stat(t.path('b')),
        await t.stat(t.path('a/file')),
      ];
      await t.tick();
      await t.rename(t.path('a/file'), t.path('b/file'));
      const [a2, b2, file2] = [
        await t.stat(t.path('a')),
        await t.stat(t.path('b')),
        await t.stat(t.path('b/file')),
      ];
      isLater(a2.mtime, a.mtime, 'mtime of the old parent');
      isLater(a2.ctime, a.ctime, 'ctime of the old parent');
      isLater(b2.mtime, b.mtime, 'mtime of the new parent');
      isLater(b2.ctime, b.ctime, 'ctime of the new parent');
      isLater(file2.ctime, file.ctime, 'ctime of the file');
      equal(file2.mtime, file.mtime);
    },
  },
  {
    title: 'rename that replaces a file changes the ctime of the replaced one',
    origin: 'POSIX rename; Linux: fs/libfs.c simple_rename()',
    async run(t) {
      await t.createFile(t.path('source'));
      await t.createFile(t.path('target'));
      await t.link(t.path('target'), t.path('other'));
      const before = await t.stat(t.path('other'));
      await t.tick();
      await t.rename(t.path('source'), t.path('target'));
      isLater((await t.stat(t.path('other'))).ctime, before.ctime, 'ctime of the replaced file');
    },
  },
  {
    title: 'renameat resolves both paths from their directory descriptors',
    origin: 'POSIX renameat',
    async run(t) {
      await t.mkdir(t.path('a'));
      await t.mkdir(t.path('b'));
      await t.createFile(t.path('a/file'));
      const a = await t.open(t.path('a'), O_RDONLY | O_DIRECTORY);
      const b = await t.open(t.path('b'), O_RDONLY | O_DIRECTORY);
      await t.renameat2(a, 'file', b, 'moved', 0);
      equal(await t.list(t.path('b')), ['moved']);
      await expectError('EBADF', t.renameat2(-1, 'moved', b, 'x', 0));
      await expectError('EBADF', t.renameat2(b, 'moved', -1, 'x', 0));
      await t.renameat2(-1, t.path('b/moved'), AT_FDCWD, t.path('file'), 0);
      isTrue(await t.exists(t.path('file')), 'absolute paths ignore the descriptors');
    },
  },
  {
    title: 'rename returns ENOENT when the source does not exist',
    origin: 'POSIX rename, ENOENT; gVisor rename.cc FileDoesNotExist',
    async run(t) {
      await t.createFile(t.path('target'), 'text');
      await expectError('ENOENT', t.rename(t.path('missing'), t.path('target')));
      await expectError('ENOENT', t.rename(t.path('missing'), t.path('missing')));
      equal(await t.readFile(t.path('target')), 'text');
    },
  },
  {
    title: 'rename returns ENOENT when a parent directory does not exist',
    origin: 'POSIX rename, ENOENT',
    async run(t) {
      await t.createFile(t.path('file'));
      await expectError('ENOENT', t.rename(t.path('file'), t.path('missing/file')));
      await expectError('ENOENT', t.rename(t.path('missing/file'), t.path('new')));
      equal(await t.list(t.root), ['file']);
    },
  },
  {
    title: 'rename returns ENOENT for an empty path',
    origin: 'POSIX rename, ENOENT',
    async run(t) {
      await t.createFile(t.path('file'));
      await expectError('ENOENT', t.rename('', t.path('new')));
      await expectError('ENOENT', t.rename(t.path('file'), ''));
    },
  },
  {
    title: 'rename returns ENOTDIR when a component of either path is a file',
    origin: 'POSIX rename, ENOTDIR',
    async run(t) {
      await t.createFile(t.path('file'));
      await t.createFile(t.path('other'));
      await expectError('ENOTDIR', t.rename(t.path('file/child'), t.path('new')));
      await expectError('ENOTDIR', t.rename(t.path('other'), t.path('file/child')));
    },
  },
  {
    title: 'rename returns EBUSY for the root directory on either side',
    origin: 'rename(2), EBUSY; gVisor rename.cc RootToAnything, AnythingToRoot',
    async run(t) {
      // Both paths are on the root's mount: EXDEV would come first.
      await expectError('EBUSY', t.rename('/', '/burrow-new'));
      await expectError('EBUSY', t.rename('/burrow-missing', '/'));
      await expectError('EBUSY', t.rename('/', '/'));
    },
  },
  {
    title: 'rename returns EBUSY when the source ends in dot or dot-dot',
    origin: 'gVisor rename.cc FailsWithDots',
    async run(t) {
      await t.mkdir(t.path('dir'));
      await expectError('EBUSY', t.rename(t.path('dir/.'), t.path('new')));
      await expectError('EBUSY', t.rename(t.path('dir/..'), t.path('new')));
    },
  },
  {
    title: 'rename returns EBUSY when the target ends in dot or dot-dot',
    origin: 'gVisor rename.cc PathEndingWithDots',
    async run(t) {
      await t.mkdir(t.path('source'));
      await t.mkdir(t.path('dir'));
      await expectError('EBUSY', t.rename(t.path('source'), t.path('dir/.')));
      await expectError('EBUSY', t.rename(t.path('source'), t.path('dir/..')));
      await expectError('EBUSY', t.rename(t.path('missing'), t.path('dir/.')));
    },
  },
  {
    title: 'rename returns EINVAL when the source is an ancestor of the target',
    origin: 'POSIX rename, EINVAL; gVisor rename.cc SourceIsAncestorOfTarget; pjdfstest rename/18',
    async run(t) {
      await t.mkdir(t.path('dir'));
      await t.mkdir(t.path('dir/sub'));
      await expectError('EINVAL', t.rename(t.path('dir'), t.path('dir/new')));
      await expectError('EINVAL', t.rename(t.path('dir'), t.path('dir/sub')));
      await expectError('EINVAL', t.rename(t.path('dir'), t.path('dir/sub/new')));
      equal(await t.list(t.path('dir')), ['sub']);
    },
  },
  {
    title: 'rename sees that the source is an ancestor of the target through a symbolic link',
    origin: 'POSIX rename, EINVAL',
    async run(t) {
      await t.mkdir(t.path('dir'));
      await t.mkdir(t.path('dir/sub'));
      await t.symlink('dir/sub', t.path('link'));
      await expectError('EINVAL', t.rename(t.path('dir'), t.path('link/new')));
    },
  },
  {
    title: 'rename returns ENOTEMPTY when the target is an ancestor of the source',
    origin: 'POSIX rename, ENOTEMPTY; gVisor rename.cc TargetIsAncestorOfSource',
    async run(t) {
      await t.mkdir(t.path('dir'));
      await t.mkdir(t.path('dir/sub'));
      await t.mkdir(t.path('dir/sub/deep'));
      await t.createFile(t.path('dir/sub/file'));
      await expectError('ENOTEMPTY', t.rename(t.path('dir/sub'), t.path('dir')));
      await expectError('ENOTEMPTY', t.rename(t.path('dir/sub/deep'), t.path('dir')));
      await expectError('ENOTEMPTY', t.rename(t.path('dir/sub/file'), t.path('dir')));
    },
  },
  {
    title: 'rename returns ENOTEMPTY when the target directory has entries',
    origin: 'POSIX rename, ENOTEMPTY; gVisor rename.cc DirectoryDoesNotOverwriteNonemptyDirectory',
    async run(t) {
      await t.mkdir(t.path('source'));
      await t.mkdir(t.path('target'));
      await t.createFile(t.path('target/file'));
      await expectError('ENOTEMPTY', t.rename(t.path('source'), t.path('target')));
      equal(await t.list(t.root), ['source', 'target']);
      equal(await t.list(t.path('target')), ['file']);
    },
  },
  {
    title: 'rename returns EISDIR when a file would replace a directory',
    origin: 'POSIX rename, EISDIR; gVisor rename.cc FileDoesNotOverwriteDirectory',
    async run(t) {
      await t.createFile(t.path('file'));
      await t.symlink('file', t.path('link'));
      await t.mkdir(t.path('dir'));
      await expectError('EISDIR', t.rename(t.path('file'), t.path('dir')));
      await expectError('EISDIR', t.rename(t.path('link'), t.path('dir')));
      equal(await t.list(t.root), ['dir', 'file', 'link']);
    },
  },
  {
    title: 'rename returns ENOTDIR when a directory would replace something else',
    origin: 'POSIX rename, ENOTDIR; gVisor rename.cc DirectoryDoesNotOverwriteFile',
    async run(t) {
      await t.mkdir(t.path('dir'));
      await t.mkdir(t.path('target'));
      await t.createFile(t.path('file'));
      await t.symlink('target', t.path('link'));
      await expectError('ENOTDIR', t.rename(t.path('dir'), t.path('file')));
      await expectError('ENOTDIR', t.rename(t.path('dir'), t.path('link')));
      equal(await t.list(t.root), ['dir', 'file', 'link', 'target']);
    },
  },
  {
    title: 'rename returns ENAMETOOLONG for a name of 256 bytes on either side',
    origin: 'POSIX rename, ENAMETOOLONG; gVisor rename.cc FileNameTooLong',
    async run(t) {
      await t.createFile(t.path('file'));
      await expectError('ENAMETOOLONG', t.rename(t.path('file'), t.path('n'.repeat(256))));
      await expectError('ENAMETOOLONG', t.rename(t.path('n'.repeat(256)), t.path('new')));
      await t.rename(t.path('file'), t.path('n'.repeat(255)));
      equal(await t.list(t.root), ['n'.repeat(255)]);
    },
  },
  {
    title: 'rename returns ENOENT when the target directory was removed',
    origin: 'Linux: fs/namei.c __lookup_hash(), IS_DEADDIR',
    async run(t) {
      await t.createFile(t.path('file'));
      await t.mkdir(t.path('dir'));
      const dir = await t.open(t.path('dir'), O_RDONLY | O_DIRECTORY);
      await t.rmdir(t.path('dir'));
      await expectError('ENOENT', t.renameat2(AT_FDCWD, t.path('file'), dir, 'file', 0));
      equal(await t.list(t.root), ['file']);
    },
  },
  {
    title: 'rename into a removed directory returns ENOENT before anything is said of the names',
    origin: 'Linux: fs/namei.c __lookup_hash()',
    async run(t) {
      await t.createFile(t.path('file'));
      await t.mkdir(t.path('dir'));
      await t.mkdir(t.path('dir/sub'));
      const sub = await t.open(t.path('dir/sub'), O_RDONLY | O_DIRECTORY);
      await t.rmdir(t.path('dir/sub'));
      const rename = (from: string, to: string): Promise<void> =>
        t.renameat2(AT_FDCWD, t.path(from), sub, to, 0);
      await expectError('ENOENT', rename('dir', 'new'));
      await expectError('ENOENT', rename('file', 'new/'));
      await expectError('ENOENT', rename('file/', 'new'));
      await expectError('ENOENT', rename('file', 'n'.repeat(256)));
      equal(await t.list(t.root), ['dir', 'file']);
    },
  },
];
