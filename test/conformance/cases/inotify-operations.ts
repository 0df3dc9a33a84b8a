// inotify(7): which calls cause which events, on the directory (`dir`) and on the object (`self`),
// in their order. Linux: include/linux/fsnotify.h.

import { type Case, type Context, USER } from '../case.ts';
import {
  AT_FDCWD,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  O_CREAT,
  O_DIRECTORY,
  O_PATH,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
  R_OK,
  UTIME_NOW,
  UTIME_OMIT,
} from '../../../src/abi/fcntl.ts';
import { S_IFIFO, S_IFREG } from '../../../src/abi/stat.ts';
import { IN_CLOSE_NOWRITE, IN_CLOSE_WRITE, IN_OPEN } from '../../../src/abi/inotify.ts';
import { equal, expectError } from '../check.ts';
import { watchFile, Watcher } from '../watcher.ts';

const NOW = { sec: 0, nsec: UTIME_NOW };
const OMIT = { sec: 0, nsec: UTIME_OMIT };
const SOME_TIME = { sec: 1000, nsec: 0 };

/** An empty directory `sub`, its parent and itself watched. */
async function watchDirectory(t: Context): Promise<Watcher> {
  await t.mkdir(t.path('sub'));
  const watcher = await Watcher.open(t);
  await watcher.watch('dir', t.root);
  await watcher.watch('self', t.path('sub'));
  return watcher;
}

export const inotifyOpenCases: readonly Case[] = [
  {
    title: 'opening a file tells its directory, then itself',
    origin: 'inotify(7), IN_OPEN; gVisor inotify.cc NestedWatches',
    async run(t) {
      const watcher = await watchFile(t);
      const fd = await t.open(t.path('file'), O_RDONLY);
      await watcher.expect('dir: OPEN file', 'self: OPEN');
      await t.readText(fd, 1);
      await watcher.expect('dir: ACCESS file', 'self: ACCESS');
    },
  },
  {
    title: 'opening a file with O_TRUNC tells of the opening, then of the change',
    origin: 'Linux: fs/namei.c do_open(); gVisor inotify.cc OpenWithTruncGeneratesModify',
    async run(t) {
      const watcher = await watchFile(t);
      for (const content of ['text', '']) {
        equal(await t.readFile(t.path('file')), content);
        await watcher.drain();
        await t.open(t.path('file'), O_WRONLY | O_TRUNC);
        await watcher.expect('dir: OPEN file', 'self: OPEN', 'dir: MODIFY file', 'self: MODIFY');
      }
    },
  },
  {
    title: 'O_TRUNC by another user tells of the change and of lost set-id bits at once',
    origin: 'Linux: fs/open.c do_truncate(), fsnotify_change()',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      await t.chmod(t.path('file'), 0o6777);
      const watcher = await Watcher.open(t);
      await watcher.watch('self', t.path('file'));
      const user = await t.as(USER);
      const fd = await user.open(t.path('file'), O_WRONLY | O_TRUNC);
      await user.write(fd, new Uint8Array(1));
      await watcher.expect('self: OPEN', 'self: MODIFY|ATTRIB', 'self: MODIFY');
    },
  },
  {
    title: 'making a file tells of its creation, then of the opening, and of no change',
    origin: 'inotify(7), IN_CREATE; gVisor inotify.cc OpenCreateTruncNewFileNoModify',
    async run(t) {
      const watcher = await Watcher.open(t);
      await watcher.watch('dir', t.root);
      await t.open(t.path('file'), O_WRONLY | O_CREAT | O_TRUNC);
      await watcher.expect('dir: CREATE file', 'dir: OPEN file');
    },
  },
  {
    title: 'a file made, closed and chmod’ed tells its directory alone, in this order',
    origin: 'inotify(7); gVisor inotify.cc CreatingFileGeneratesEvents',
    async run(t) {
      await t.mkdir(t.path('sub'));
      const watcher = await Watcher.open(t);
      await watcher.watch('above', t.root);
      await watcher.watch('sub', t.path('sub'));
      await t.close(await t.open(t.path('sub/file'), O_RDWR | O_CREAT));
      await t.chmod(t.path('sub/file'), 0o600);
      await watcher.expect(
        'sub: CREATE file',
        'sub: OPEN file',
        'sub: CLOSE_WRITE file',
        'sub: ATTRIB file',
      );
    },
  },
  {
    title: 'closing tells whether the description was open for writing',
    origin: 'inotify(7), IN_CLOSE_WRITE; gVisor inotify.cc WatchSetAfterOpenReportsCloseFdEvent',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      const writer = await t.open(t.path('file'), O_WRONLY);
      const reader = await t.open(t.path('file'), O_RDONLY);
      const watcher = await Watcher.open(t);
      await watcher.watch('dir', t.root);
      await watcher.watch('self', t.path('file'));
      await t.close(writer);
      await watcher.expect('dir: CLOSE_WRITE file', 'self: CLOSE_WRITE');
      await t.close(reader);
      await watcher.expect('dir: CLOSE_NOWRITE file', 'self: CLOSE_NOWRITE');
    },
  },
  {
    title: 'only the last close of a description is told',
    origin: 'inotify(7), IN_CLOSE_NOWRITE; gVisor inotify.cc DupFD',
    async run(t) {
      const watcher = await watchFile(t);
      const fd = await t.open(t.path('file'), O_RDONLY);
      const copy = await t.dup(fd);
      await watcher.expect('dir: OPEN file', 'self: OPEN');
      await t.close(fd);
      await watcher.expect();
      await t.close(copy);
      await watcher.expect('dir: CLOSE_NOWRITE file', 'self: CLOSE_NOWRITE');
    },
  },
  {
    title: 'an O_PATH descriptor causes no events',
    origin: 'open(2), O_PATH; Linux: FMODE_PATH is FMODE_NONOTIFY',
    async run(t) {
      const watcher = await watchFile(t);
      await t.close(await t.open(t.path('file'), O_PATH));
      await watcher.expect();
    },
  },
  {
    title: 'listing a directory tells of each getdents, the last one included',
    origin: 'inotify(7), IN_ACCESS; gVisor inotify.cc GetdentsGeneratesAccessEvent',
    async run(t) {
      const watcher = await watchDirectory(t);
      const fd = await t.open(t.path('sub'), O_RDONLY | O_DIRECTORY);
      await watcher.expect('dir: OPEN|ISDIR sub', 'self: OPEN|ISDIR');
      await t.getdents(fd);
      await watcher.expect('dir: ACCESS|ISDIR sub', 'self: ACCESS|ISDIR');
      equal(await t.getdents(fd), []);
      await watcher.expect('dir: ACCESS|ISDIR sub', 'self: ACCESS|ISDIR');
      await t.close(fd);
      await watcher.expect('dir: CLOSE_NOWRITE|ISDIR sub', 'self: CLOSE_NOWRITE|ISDIR');
    },
  },
  {
    title: 'events reach the directory of an object and not those above it',
    origin: 'inotify(7); gVisor inotify.cc EventsGoUpAtMostOneLevel',
    async run(t) {
      await t.mkdir(t.path('sub'));
      await t.createFile(t.path('sub/file'));
      const watcher = await Watcher.open(t);
      await watcher.watch('above', t.root);
      await watcher.watch('sub', t.path('sub'));
      await t.unlink(t.path('sub/file'));
      await watcher.expect('sub: DELETE file');
    },
  },
  {
    // Linux told of reading and writing too in older versions.
    title: 'a FIFO tells of being opened and closed',
    origin: 'inotify(7)',
    async run(t) {
      await t.mknod(t.path('fifo'), S_IFIFO | 0o666);
      const watcher = await Watcher.open(t);
      await watcher.watch('dir', t.root, IN_OPEN | IN_CLOSE_WRITE | IN_CLOSE_NOWRITE);
      await t.close(await t.open(t.path('fifo'), O_RDWR));
      await watcher.expect('dir: OPEN fifo', 'dir: CLOSE_WRITE fifo');
    },
  },
];

export const inotifyDataCases: readonly Case[] = [
  {
    title: 'reading tells of access, writing of a change',
    origin:
      'inotify(7); gVisor inotify.cc ReadingFileGeneratesAccessEvent, ' +
      'WritingFileGeneratesModifyEvent',
    async run(t) {
      const watcher = await watchFile(t);
      const fd = await t.open(t.path('file'), O_RDWR);
      await watcher.drain();
      for (const read of [() => t.read(fd, 1), () => t.pread(fd, 1, 0)]) {
        await read();
        await watcher.expect('dir: ACCESS file', 'self: ACCESS');
      }
      for (const write of [() => t.write(fd, 'x'), () => t.pwrite(fd, 'x', 0)]) {
        await write();
        await watcher.expect('dir: MODIFY file', 'self: MODIFY');
      }
    },
  },
  {
    title: 'reading at the end and reading or writing nothing is not told',
    origin:
      'gVisor inotify.cc SizeZeroReadWriteGeneratesNothing, ' +
      'ZeroLengthReadWriteDoesNotGenerateEvent',
    async run(t) {
      const watcher = await watchFile(t);
      const fd = await t.open(t.path('file'), O_RDWR);
      await watcher.drain();
      await t.readText(fd);
      await watcher.expect('dir: ACCESS file', 'self: ACCESS');
      await t.readText(fd);
      await t.read(fd, 0);
      await t.pread(fd, 10, 100);
      await t.write(fd, '');
      await watcher.expect();
    },
  },
  {
    title: 'truncate and ftruncate tell of a change, even to the same size',
    origin: 'inotify(7), IN_MODIFY; gVisor inotify.cc TruncateGeneratesModifyEvent',
    async run(t) {
      const watcher = await watchFile(t);
      const fd = await t.open(t.path('file'), O_RDWR);
      await watcher.drain();
      for (const length of [2, 2, 10]) {
        await t.truncate(t.path('file'), length);
        await watcher.expect('dir: MODIFY file', 'self: MODIFY');
        await t.ftruncate(fd, length);
        await watcher.expect('dir: MODIFY file', 'self: MODIFY');
      }
      await expectError('EINVAL', t.ftruncate(fd, -1));
      await watcher.expect();
    },
  },
  {
    title: 'fallocate tells of a change, with a hole or the old size too',
    origin: 'inotify(7), IN_MODIFY; gVisor inotify.cc Fallocate',
    async run(t) {
      const watcher = await watchFile(t);
      const fd = await t.open(t.path('file'), O_RDWR);
      await watcher.drain();
      for (const mode of [0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE]) {
        await t.fallocate(fd, mode, 0, 4096);
        await watcher.expect('dir: MODIFY file', 'self: MODIFY');
      }
    },
  },
  {
    title: 'sendfile and copy_file_range tell of access to the source and a change of the target',
    origin: 'inotify(7); gVisor inotify.cc Sendfile',
    async run(t) {
      await t.createFile(t.path('source'), 'text');
      await t.createFile(t.path('target'));
      const source = await t.open(t.path('source'), O_RDONLY);
      const target = await t.open(t.path('target'), O_RDWR);
      const watcher = await Watcher.open(t);
      await watcher.watch('source', t.path('source'));
      await watcher.watch('target', t.path('target'));
      equal(await t.sendfile(target, source, 0, 4), 4);
      await watcher.expect('source: ACCESS', 'target: MODIFY');
      equal(await t.copyFileRange({ fd: source, offset: 0 }, { fd: target }, 4), 4);
      await watcher.expect('source: ACCESS', 'target: MODIFY');
    },
  },
  {
    title: 'sendfile into a pipe tells of access to the file',
    origin: 'inotify(7); gVisor inotify.cc SpliceOnWatchTarget',
    async run(t) {
      const watcher = await watchFile(t);
      const fd = await t.open(t.path('file'), O_RDWR);
      await watcher.drain();
      const [, writer] = await t.pipe();
      equal(await t.sendfile(writer, fd, 0, 4), 4);
      await watcher.expect('dir: ACCESS file', 'self: ACCESS');
    },
  },
  {
    title: 'equal events in a row are told once',
    origin: 'inotify(7), NOTES; gVisor inotify.cc CoalesceEvents',
    async run(t) {
      await t.createFile(t.path('a'), 'text');
      await t.createFile(t.path('b'), 'text');
      const watcher = await Watcher.open(t);
      await watcher.watch('dir', t.root);
      const a = await t.open(t.path('a'), O_RDWR);
      const b = await t.open(t.path('b'), O_RDWR);
      await watcher.drain();
      for (const fd of [a, a, b, b, a]) await t.pread(fd, 1, 0);
      await watcher.expect('dir: ACCESS a', 'dir: ACCESS b', 'dir: ACCESS a');
      for (let count = 0; count < 3; count += 1) await t.pwrite(a, 'x', 0);
      await t.pread(a, 1, 0);
      await t.pwrite(a, 'x', 0);
      await t.pwrite(a, 'x', 0);
      await t.close(a);
      await watcher.expect('dir: MODIFY a', 'dir: ACCESS a', 'dir: MODIFY a', 'dir: CLOSE_WRITE a');
    },
  },
  {
    title: 'an event is not joined with one that was read',
    origin: 'inotify(7), NOTES',
    async run(t) {
      const watcher = await watchFile(t);
      const fd = await t.open(t.path('file'), O_RDONLY);
      await watcher.drain();
      for (let count = 0; count < 2; count += 1) {
        await t.pread(fd, 1, 0);
        await watcher.expect('dir: ACCESS file', 'self: ACCESS');
      }
    },
  },
];

export const inotifyAttributeCases: readonly Case[] = [
  {
    title: 'chmod, fchmod and chown tell of new attributes',
    origin: 'inotify(7), IN_ATTRIB; gVisor inotify.cc ChmodGeneratesAttribEvent',
    async run(t) {
      const watcher = await watchFile(t);
      const fd = await t.open(t.path('file'), O_RDONLY);
      await watcher.drain();
      for (const change of [
        () => t.chmod(t.path('file'), 0o600),
        () => t.fchmod(fd, 0o644),
        () => t.fchmodat(AT_FDCWD, t.path('file'), 0o644, 0),
        () => t.chown(t.path('file'), 1000, 1000),
        () => t.fchown(fd, 0, 0),
      ]) {
        await change();
        await watcher.expect('dir: ATTRIB file', 'self: ATTRIB');
      }
    },
  },
  {
    title: 'new attributes of a directory are told with IN_ISDIR',
    origin: 'inotify(7), IN_ISDIR',
    async run(t) {
      const watcher = await watchDirectory(t);
      await t.chmod(t.path('sub'), 0o700);
      await watcher.expect('dir: ATTRIB|ISDIR sub', 'self: ATTRIB|ISDIR');
      await t.utimens(t.path('sub'), NOW, NOW);
      await watcher.expect('dir: ATTRIB|ISDIR sub', 'self: ATTRIB|ISDIR');
    },
  },
  {
    title: 'setting both times tells of attributes, one alone of access or of a change',
    origin: 'inotify(7); gVisor inotify.cc UtimesGeneratesAttribEvent, Utimensat',
    async run(t) {
      const watcher = await watchFile(t);
      const path = t.path('file');
      await t.utimens(path, SOME_TIME, SOME_TIME);
      await watcher.expect('dir: ATTRIB file', 'self: ATTRIB');
      await t.utimens(path, NOW, NOW);
      await watcher.expect('dir: ATTRIB file', 'self: ATTRIB');
      await t.utimens(path, SOME_TIME, OMIT);
      await watcher.expect('dir: ACCESS file', 'self: ACCESS');
      await t.utimens(path, OMIT, SOME_TIME);
      await watcher.expect('dir: MODIFY file', 'self: MODIFY');
      await t.utimens(path, OMIT, OMIT);
      await watcher.expect();
    },
  },
  {
    title: 'setting and removing extended attributes is told, reading them is not',
    origin: 'inotify(7), IN_ATTRIB; gVisor inotify.cc Xattr',
    async run(t) {
      const watcher = await watchFile(t);
      const path = t.path('file');
      const fd = await t.open(path, O_RDWR);
      await watcher.drain();
      for (const change of [
        () => t.setxattr(path, 'user.test', 'x'),
        () => t.fsetxattr(fd, 'user.test', 'y'),
        () => t.removexattr(path, 'user.test'),
        () => t.setxattr(path, 'user.test', 'x'),
        () => t.fremovexattr(fd, 'user.test'),
      ]) {
        await change();
        await watcher.expect('dir: ATTRIB file', 'self: ATTRIB');
      }
      await t.setxattr(path, 'user.test', 'x');
      await watcher.drain();
      await t.getxattr(path, 'user.test');
      await t.listxattr(path);
      await t.fgetxattr(fd, 'user.test');
      await t.flistxattr(fd);
      await watcher.expect();
    },
  },
  {
    title: 'looking at a file and its way is not told',
    origin: 'inotify(7)',
    async run(t) {
      const watcher = await watchFile(t);
      await t.symlink('file', t.path('link'));
      const fd = await t.open(t.path('file'), O_RDONLY);
      await watcher.drain();
      await t.stat(t.path('link'));
      await t.fstat(fd);
      await t.readlink(t.path('link'));
      await t.access(t.path('file'), R_OK);
      await t.statfs(t.path('file'));
      await t.chdir(t.root);
      await t.lseek(fd, 1, 0);
      await t.fsync(fd);
      await watcher.expect();
    },
  },
];

export const inotifyCreateCases: readonly Case[] = [
  {
    title: 'a new directory is told to its parent with IN_ISDIR, and no further up',
    origin: 'inotify(7), IN_CREATE; gVisor inotify.cc MkdirGeneratesCreateEventWithDirFlag',
    async run(t) {
      const watcher = await watchDirectory(t);
      await t.mkdir(t.path('sub/new'));
      await watcher.expect('self: CREATE|ISDIR new');
    },
  },
  {
    title: 'mknod and symlink tell of a creation, and the target of a link of nothing',
    origin:
      'inotify(7), IN_CREATE; gVisor inotify.cc MknodGeneratesCreateEvent, ' +
      'SymlinkGeneratesCreateEvent',
    async run(t) {
      const watcher = await watchFile(t);
      await t.mknod(t.path('node'), S_IFREG | 0o644);
      await watcher.expect('dir: CREATE node');
      await t.mknod(t.path('fifo'), S_IFIFO | 0o644);
      await watcher.expect('dir: CREATE fifo');
      await t.symlink('file', t.path('link'));
      await watcher.expect('dir: CREATE link');
    },
  },
  {
    title: 'a new link tells the file of its attributes, then the directory of the creation',
    origin: 'inotify(7); gVisor inotify.cc LinkGeneratesAttribAndCreateEvents',
    async run(t) {
      const watcher = await watchFile(t);
      await t.link(t.path('file'), t.path('link'));
      await watcher.expect('self: ATTRIB', 'dir: CREATE link');
    },
  },
  {
    title: 'calls that fail cause no events',
    origin: 'gVisor inotify.cc FailedFileCreationGeneratesNoEvents',
    async run(t) {
      const watcher = await watchFile(t);
      const path = t.path('file');
      await expectError('EEXIST', t.mkdir(path));
      await expectError('EEXIST', t.mknod(path, S_IFREG | 0o644));
      await expectError('EEXIST', t.symlink('target', path));
      await expectError('EEXIST', t.link(path, path));
      await expectError('ENOTDIR', t.rmdir(path));
      await expectError('ENOENT', t.rename(t.path('missing'), path));
      await watcher.expect();
    },
  },
];
