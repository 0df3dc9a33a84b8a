// What lies next to the filesystem under test: the root directory, and /dev with its devices.

import type { Case } from '../case.ts';
import {
  AT_REMOVEDIR,
  O_CREAT,
  O_DIRECTORY,
  O_PATH,
  O_RDONLY,
  O_RDWR,
  O_WRONLY,
  RENAME_NOREPLACE,
} from '../../../src/abi/fcntl.ts';
import { S_IFCHR, S_IFDIR, S_IFMT } from '../../../src/abi/stat.ts';
import { USER } from '../case.ts';
import { equal, expectError, isTrue } from '../check.ts';
import { Watcher } from '../watcher.ts';

export const otherFilesystemCases: readonly Case[] = [
  {
    title: 'the root directory lists dot, dot-dot and the directories of the system',
    origin:
      'gVisor getdents.cc ReaddirTest.OpenDir, ' +
      'ReaddirTest.RootContainsBasicDirectories, ReaddirTest.Bug35110122Root',
    async run(t) {
      const fd = await t.open('/', O_RDONLY | O_DIRECTORY);
      const entries = await t.readDirents(fd);
      const names = entries.map(({ name }) => name);
      for (const name of ['.', '..', 'dev']) isTrue(names.includes(name), `${name} is there`);
      equal(names.length, new Set(names).size);
      equal((await t.stat('/dev')).mode & S_IFMT, S_IFDIR);
    },
  },
  {
    title: 'the directory of devices lists them',
    origin: 'gVisor getdents.cc ReaddirTest.Bug24096713Dev',
    async run(t) {
      const names = await t.list('/dev');
      for (const name of ['null', 'zero', 'full', 'random', 'urandom']) {
        isTrue(names.includes(name), `${name} is there`);
        equal((await t.stat(`/dev/${name}`)).mode & S_IFMT, S_IFCHR);
      }
    },
  },
  {
    title: 'a file of another filesystem is not linked here: EXDEV',
    origin: 'POSIX link, EXDEV; gVisor link.cc KernfsAcrossFilesystem',
    async run(t) {
      await expectError('EXDEV', t.link('/dev/full', t.path('link')));
      await expectError('EXDEV', t.rename('/dev/full', t.path('moved')));
      await t.createFile(t.path('file'));
      await expectError('EXDEV', t.link(t.path('file'), '/dev/burrow-link'));
    },
  },
  {
    title: 'renames within another filesystem obey the same rules',
    origin: 'gVisor rename.cc SysfsPathEndingWithDots, SysfsFileToSelf',
    async run(t) {
      await t.rename('/dev/full', '/dev/full');
      await expectError('EBUSY', t.rename('/dev/.', '/dev/burrow'));
      await expectError('EBUSY', t.rename('/dev/..', '/dev/burrow'));
      await expectError('EBUSY', t.rename('/dev/full', '/dev/.'));
      await expectError('EEXIST', t.rename2('/dev/full', '/dev/null', RENAME_NOREPLACE));
    },
  },
  {
    title: 'a device is watched as a file is',
    origin: 'gVisor inotify.cc KernfsBasic',
    async run(t) {
      const watcher = await Watcher.open(t);
      await watcher.watch('full', '/dev/full');
      const fd = await t.open('/dev/full', O_RDONLY);
      equal(await t.read(fd, 2), Uint8Array.of(0, 0));
      await t.close(fd);
      await watcher.expect('full: OPEN', 'full: ACCESS', 'full: CLOSE_NOWRITE');
    },
  },
  {
    title: 'devices have no size and no position that matters',
    origin: 'null(4), full(4)',
    async run(t) {
      const fd = await t.open('/dev/null', O_RDWR);
      equal(await t.write(fd, 'text'), 4);
      equal((await t.read(fd, 10)).length, 0);
      equal(await t.lseek(fd, 100, 0), 0);
      const full = await t.open('/dev/full', O_WRONLY);
      await expectError('ENOSPC', t.write(full, 'x'));
      await expectError('EINVAL', t.ftruncate(fd, 0));
    },
  },
];

export const edgeCases: readonly Case[] = [
  {
    title: 'a range of bytes that ends beyond what an offset can be is EINVAL to read and write',
    origin: 'POSIX pread, EINVAL; gVisor pread64.cc Overflow, pwrite64.cc Overflow',
    async run(t) {
      const fd = await t.open(t.path('file'), O_RDWR | O_CREAT);
      // The largest offset is 2^63 - 1, which is no JavaScript number.
      const offset = 2 ** 63 - 1024;
      await expectError('EINVAL', t.pread(fd, 2048, offset));
      await expectError('EINVAL', t.pwrite(fd, 'x'.repeat(2048), offset));
      equal((await t.fstat(fd)).size, 0);
    },
  },
  {
    title: 'lseek returns EINVAL for a result beyond what an offset can be',
    origin: 'POSIX lseek; gVisor lseek.cc Overflow',
    async run(t) {
      await t.createFile(t.path('file'), 'x'.repeat(4096));
      const fd = await t.open(t.path('file'), O_RDONLY);
      await expectError('EINVAL', t.lseek(fd, 2 ** 63 - 1024, 2));
      equal(await t.lseek(fd, 0, 1), 0);
    },
  },
  {
    title: 'pread and pwrite of no bytes return 0, of an empty file too',
    origin:
      'POSIX pread; gVisor pread64.cc ZeroBuffer, EndOfFile, pwrite64.cc ZeroLengthNullBuffer',
    async run(t) {
      const fd = await t.open(t.path('file'), O_RDWR | O_CREAT);
      equal((await t.pread(fd, 10, 0)).length, 0);
      equal((await t.pread(fd, 0, 0)).length, 0);
      equal(await t.pwrite(fd, '', 10), 0);
      equal((await t.fstat(fd)).size, 0);
    },
  },
  {
    title: 'pread returns EISDIR for a directory',
    origin: 'POSIX read, EISDIR; gVisor pread64.cc DirNotReadable',
    async run(t) {
      const fd = await t.open(t.root, O_RDONLY | O_DIRECTORY);
      await expectError('EISDIR', t.pread(fd, 10, 0));
      await expectError('EBADF', t.pwrite(fd, 'x', 0));
    },
  },
  {
    title: 'lseek of a directory to its end succeeds or is EINVAL, and 0 is still the start',
    origin: 'gVisor lseek.cc SeekCurrentDir',
    async run(t) {
      await t.createFile(t.path('file'));
      const fd = await t.open(t.root, O_RDONLY | O_DIRECTORY);
      await t.lseek(fd, 0, 2).catch(async () => {
        await expectError('EINVAL', t.lseek(fd, 0, 2));
      });
      equal(await t.lseek(fd, 0, 0), 0);
      equal((await t.readDirents(fd)).length, 3);
    },
  },
  {
    title: 'somebody may replace a file of their own in a sticky directory',
    origin: 'rename(2), EPERM; gVisor sticky.cc StickyBitRenameOverwriteSameUID',
    async run(t) {
      const user = await t.as(USER);
      await t.mkdir(t.path('sticky'));
      await t.chmod(t.path('sticky'), 0o1777);
      await user.createFile(t.path('source'), 'text');
      await user.createFile(t.path('sticky/target'));
      await user.rename(t.path('source'), t.path('sticky/target'));
      equal(await t.readFile(t.path('sticky/target')), 'text');
    },
  },
  {
    title: 'unlinkat with AT_REMOVEDIR returns EACCES when the directory can’t be searched',
    origin: 'POSIX unlinkat, EACCES; gVisor unlink.cc AtDirDegradedPermissions',
    async run(t) {
      const user = await t.as(USER);
      await user.mkdir(t.path('dir'));
      await user.mkdir(t.path('dir/sub'));
      const fd = await user.open(t.path('dir'), O_RDONLY | O_DIRECTORY);
      await user.chmod(t.path('dir'), 0o444);
      await expectError('EACCES', user.unlinkat(fd, 'sub', AT_REMOVEDIR));
      await expectError('EACCES', user.unlinkat(fd, 'missing', 0));
    },
  },
  {
    title: 'unlinkat with AT_REMOVEDIR returns EBUSY for the root directory, from anywhere',
    origin: 'POSIX rmdir, EBUSY; gVisor unlink.cc CannotRemoveRootWithAtDir',
    async run(t) {
      const fd = await t.open(t.root, O_RDONLY | O_DIRECTORY);
      await expectError('EBUSY', t.unlinkat(fd, '/', AT_REMOVEDIR));
      await expectError('EBUSY', t.unlinkat(-1, '/', AT_REMOVEDIR));
    },
  },
  {
    title: 'linkat ignores the descriptors when the paths are absolute',
    origin:
      'POSIX linkat; gVisor link.cc AbsPathsWithNonDirFDs, AbsPathsNonDirFDsWithOpath, ' +
      'RelPathsNonDirFDsWithOpath',
    async run(t) {
      await t.createFile(t.path('file'));
      for (const flags of [O_RDONLY, O_PATH]) {
        const fd = await t.open(t.path('file'), flags);
        await t.linkat(fd, t.path('file'), fd, t.path(`link-${flags}`), 0);
        await expectError('ENOTDIR', t.linkat(fd, 'file', fd, t.path('new'), 0));
        await expectError('ENOTDIR', t.linkat(-1, t.path('file'), fd, 'new', 0));
      }
      equal((await t.stat(t.path('file'))).nlink, 3);
    },
  },
];
