// inotify(7): objects that lose a name or go away, hard links, and IN_EXCL_UNLINK.

import type { Case } from '../case.ts';
import {
  O_CREAT,
  O_DIRECTORY,
  O_RDONLY,
  O_RDWR,
  O_WRONLY,
  UTIME_NOW,
} from '../../../src/abi/fcntl.ts';
import { IN_ALL_EVENTS, IN_EXCL_UNLINK } from '../../../src/abi/inotify.ts';
import { equal, expectError } from '../check.ts';
import { watchFile, Watcher } from '../watcher.ts';

const NOW = { sec: 0, nsec: UTIME_NOW };

export const inotifyUnlinkCases: readonly Case[] = [
  {
    title: 'a file that goes away tells of its attributes, its deletion and the end of the watch',
    origin: 'inotify(7), IN_DELETE_SELF; gVisor inotify.cc RemoveWatchAfterDeletingFileFails',
    async run(t) {
      await t.createFile(t.path('file'));
      const watcher = await Watcher.open(t);
      const wd = await watcher.watch('self', t.path('file'));
      await t.unlink(t.path('file'));
      await watcher.expect('self: ATTRIB', 'self: DELETE_SELF', 'self: IGNORED');
      await expectError('EINVAL', t.removeWatch(watcher.fd, wd));
    },
  },
  {
    title: 'a file that goes away tells itself before its directory',
    origin: 'inotify(7); gVisor inotify.cc DeletingChildGeneratesEvents',
    async run(t) {
      const watcher = await watchFile(t);
      await t.unlink(t.path('file'));
      await watcher.expect(
        'self: ATTRIB',
        'self: DELETE_SELF',
        'self: IGNORED',
        'dir: DELETE file',
      );
    },
  },
  {
    title: 'entries that are removed are told to their directory, directories with IN_ISDIR',
    origin: 'inotify(7), IN_DELETE; gVisor inotify.cc ChildrenDeletionInWatchedDirGeneratesEvent',
    async run(t) {
      await t.createFile(t.path('file'));
      await t.symlink('file', t.path('link'));
      await t.mkdir(t.path('sub'));
      const watcher = await Watcher.open(t);
      await watcher.watch('dir', t.root);
      await t.unlink(t.path('link'));
      await t.unlink(t.path('file'));
      await t.rmdir(t.path('sub'));
      await watcher.expect('dir: DELETE link', 'dir: DELETE file', 'dir: DELETE|ISDIR sub');
    },
  },
  {
    title: 'a watched directory that is removed tells of its deletion and the end of the watch',
    origin: 'inotify(7), IN_DELETE_SELF; gVisor inotify.cc RmdirOnWatchedTargetGeneratesEvent',
    async run(t) {
      await t.mkdir(t.path('sub'));
      const watcher = await Watcher.open(t);
      await watcher.watch('self', t.path('sub'));
      await t.rmdir(t.path('sub'));
      await watcher.expect('self: DELETE_SELF', 'self: IGNORED');
    },
  },
  {
    title: 'a directory that is removed tells itself before its parent',
    origin: 'inotify(7); gVisor inotify.cc RmdirGeneratesDeleteSelfBeforeParentDelete',
    async run(t) {
      await t.mkdir(t.path('sub'));
      const watcher = await Watcher.open(t);
      await watcher.watch('dir', t.root);
      await watcher.watch('self', t.path('sub'));
      await t.rmdir(t.path('sub'));
      await watcher.expect('self: DELETE_SELF', 'self: IGNORED', 'dir: DELETE|ISDIR sub');
    },
  },
  {
    title: 'a removed directory that is open tells of its deletion when it is closed',
    origin: 'inotify(7); gVisor inotify.cc RmdirWithOpenDirFdDefersDeleteSelfUntilClose',
    async run(t) {
      await t.mkdir(t.path('sub'));
      const fd = await t.open(t.path('sub'), O_RDONLY | O_DIRECTORY);
      const watcher = await Watcher.open(t);
      await watcher.watch('dir', t.root);
      await watcher.watch('self', t.path('sub'));
      await t.rmdir(t.path('sub'));
      await watcher.expect('dir: DELETE|ISDIR sub');
      await t.close(fd);
      equal((await watcher.take()).slice(-2), ['self: DELETE_SELF', 'self: IGNORED']);
    },
  },
  {
    title: 'an unlinked file that is open is told of until it is closed',
    origin: 'inotify(7); gVisor inotify.cc IncludeUnlinkedFile',
    async run(t) {
      const watcher = await watchFile(t);
      const fd = await t.open(t.path('file'), O_RDWR);
      await watcher.drain();
      await t.unlink(t.path('file'));
      await watcher.expect('self: ATTRIB', 'dir: DELETE file');
      await t.pread(fd, 1, 0);
      await watcher.expect('dir: ACCESS file', 'self: ACCESS');
      await t.write(fd, 'x');
      await watcher.expect('dir: MODIFY file', 'self: MODIFY');
      await t.close(fd);
      await watcher.expect(
        'dir: CLOSE_WRITE file',
        'self: CLOSE_WRITE',
        'self: DELETE_SELF',
        'self: IGNORED',
      );
    },
  },
  {
    title: 'unlinking one of two hard links tells of attributes and keeps the watch',
    origin: 'inotify(7); gVisor inotify.cc HardlinksReuseSameWatch',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      await t.link(t.path('file'), t.path('link'));
      const watcher = await Watcher.open(t);
      await watcher.watch('dir', t.root);
      const wd = await watcher.watch('self', t.path('file'));
      equal(await watcher.watch('self', t.path('link')), wd);
      await t.close(await t.open(t.path('link'), O_WRONLY));
      await watcher.expect(
        'dir: OPEN link',
        'self: OPEN',
        'dir: CLOSE_WRITE link',
        'self: CLOSE_WRITE',
      );
      await t.unlink(t.path('file'));
      await watcher.expect('self: ATTRIB', 'dir: DELETE file');
      await t.chmod(t.path('link'), 0o600);
      await watcher.expect('dir: ATTRIB link', 'self: ATTRIB');
      await t.unlink(t.path('link'));
      await watcher.expect(
        'self: ATTRIB',
        'self: DELETE_SELF',
        'self: IGNORED',
        'dir: DELETE link',
      );
    },
  },
  {
    title: 'what is done through one link is not told to the directory of the other',
    origin: 'inotify(7); gVisor inotify.cc LinkOnOtherParent',
    async run(t) {
      await t.mkdir(t.path('one'));
      await t.mkdir(t.path('two'));
      await t.createFile(t.path('one/file'), 'text');
      await t.link(t.path('one/file'), t.path('two/link'));
      const watcher = await Watcher.open(t);
      await watcher.watch('one', t.path('one'));
      const fd = await t.open(t.path('two/link'), O_RDWR);
      await t.write(fd, 'x');
      await t.pread(fd, 1, 0);
      await t.ftruncate(fd, 1);
      await t.close(fd);
      await t.unlink(t.path('two/link'));
      await watcher.expect();
    },
  },
  {
    title: 'a removed directory takes no watch any more, an unlinked open file’s new name has none',
    origin: 'inotify_add_watch(2), ENOENT',
    async run(t) {
      const watcher = await watchFile(t);
      const fd = await t.open(t.path('file'), O_RDONLY);
      await t.unlink(t.path('file'));
      await expectError('ENOENT', t.addWatch(watcher.fd, t.path('file'), IN_ALL_EVENTS));
      await t.createFile(t.path('file'));
      await watcher.drain();
      await t.chmod(t.path('file'), 0o600);
      await watcher.expect('dir: ATTRIB file');
      await t.close(fd);
    },
  },
];

export const inotifyExcludeCases: readonly Case[] = [
  {
    title: 'with IN_EXCL_UNLINK, an unlinked file tells only of its deletion',
    origin: 'inotify(7), IN_EXCL_UNLINK; gVisor inotify.cc ExcludeUnlink',
    async run(t) {
      const watcher = await watchFile(t, IN_EXCL_UNLINK);
      const fd = await t.open(t.path('file'), O_RDWR);
      await watcher.drain();
      await t.unlink(t.path('file'));
      await watcher.expect('self: ATTRIB', 'dir: DELETE file');
      await t.pread(fd, 1, 0);
      await t.write(fd, 'x');
      await watcher.expect();
      await t.close(fd);
      await watcher.expect('self: DELETE_SELF', 'self: IGNORED');
    },
  },
  {
    title: 'with IN_EXCL_UNLINK, a removed directory does not tell of being closed',
    origin: 'inotify(7), IN_EXCL_UNLINK; gVisor inotify.cc ExcludeUnlinkDirectory',
    async run(t) {
      await t.mkdir(t.path('sub'));
      const fd = await t.open(t.path('sub'), O_RDONLY | O_DIRECTORY);
      const watcher = await Watcher.open(t);
      await watcher.watch('dir', t.root, IN_ALL_EVENTS | IN_EXCL_UNLINK);
      await watcher.watch('self', t.path('sub'), IN_ALL_EVENTS | IN_EXCL_UNLINK);
      await t.rmdir(t.path('sub'));
      await watcher.expect('dir: DELETE|ISDIR sub');
      await t.close(fd);
      await watcher.expect('self: DELETE_SELF', 'self: IGNORED');
    },
  },
  {
    title: 'IN_EXCL_UNLINK goes by the name a file was opened through',
    origin: 'inotify(7), IN_EXCL_UNLINK; gVisor inotify.cc ExcludeUnlinkMultipleChildren',
    async run(t) {
      await t.createFile(t.path('one'));
      await t.link(t.path('one'), t.path('two'));
      const first = await t.open(t.path('one'), O_WRONLY);
      const second = await t.open(t.path('two'), O_WRONLY);
      const watcher = await Watcher.open(t);
      await watcher.watch('dir', t.root, IN_ALL_EVENTS | IN_EXCL_UNLINK);
      await t.unlink(t.path('one'));
      await watcher.expect('dir: DELETE one');
      await t.write(first, 'x');
      await watcher.expect();
      await t.write(second, 'x');
      await watcher.expect('dir: MODIFY two');
    },
  },
  {
    title: 'IN_EXCL_UNLINK does not hide changes of the inode',
    origin: 'Linux: fsnotify_dentry(); gVisor inotify.cc ExcludeUnlinkInodeEvents',
    async run(t) {
      const watcher = await watchFile(t, IN_EXCL_UNLINK);
      const fd = await t.open(t.path('file'), O_RDWR);
      await t.unlink(t.path('file'));
      await watcher.drain();
      await t.ftruncate(fd, 1);
      await watcher.expect('dir: MODIFY file', 'self: MODIFY');
      await t.futimens(fd, NOW, NOW);
      await watcher.expect('dir: ATTRIB file', 'self: ATTRIB');
      await t.fchmod(fd, 0o600);
      await watcher.expect('dir: ATTRIB file', 'self: ATTRIB');
    },
  },
  {
    title: 'IN_EXCL_UNLINK changes nothing for a file that has its name',
    origin: 'inotify(7), IN_EXCL_UNLINK',
    async run(t) {
      const watcher = await watchFile(t, IN_EXCL_UNLINK);
      await t.close(await t.open(t.path('file'), O_RDWR | O_CREAT));
      await watcher.expect(
        'dir: OPEN file',
        'self: OPEN',
        'dir: CLOSE_WRITE file',
        'self: CLOSE_WRITE',
      );
    },
  },
];
