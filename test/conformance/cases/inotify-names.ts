// inotify(7): through which name and which place something is done, and to whom it is told.

import type { Case } from '../case.ts';
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_SYMLINK_NOFOLLOW,
  MS_BIND,
  O_DIRECTORY,
  O_RDONLY,
  O_RDWR,
  O_TMPFILE,
  O_WRONLY,
  UTIME_NOW,
} from '../../../src/abi/fcntl.ts';
import {
  IN_ALL_EVENTS,
  IN_ATTRIB,
  IN_DONT_FOLLOW,
  IN_MASK_ADD,
  IN_MOVED_FROM,
  IN_MOVED_TO,
  IN_ONESHOT,
  IN_ONLYDIR,
  IN_OPEN,
} from '../../../src/abi/inotify.ts';
import { equal, expectError } from '../check.ts';
import { Watcher } from '../watcher.ts';

const NOW = { sec: 0, nsec: UTIME_NOW };

export const inotifyNameCases: readonly Case[] = [
  {
    title: 'what is done through a symbolic link is told where the file is',
    origin: 'inotify(7)',
    async run(t) {
      await t.mkdir(t.path('files'));
      await t.mkdir(t.path('links'));
      await t.createFile(t.path('files/file'), 'text');
      await t.symlink('../files/file', t.path('links/link'));
      const watcher = await Watcher.open(t);
      await watcher.watch('files', t.path('files'));
      await watcher.watch('links', t.path('links'));
      const fd = await t.open(t.path('links/link'), O_RDONLY);
      await t.chmod(t.path('links/link'), 0o600);
      await t.close(fd);
      await watcher.expect('files: OPEN file', 'files: ATTRIB file', 'files: CLOSE_NOWRITE file');
    },
  },
  {
    title: 'a symbolic link has attributes that are told of by its own name',
    origin: 'inotify(7), IN_ATTRIB',
    async run(t) {
      await t.symlink('target', t.path('link'));
      const watcher = await Watcher.open(t);
      await watcher.watch('dir', t.root);
      await watcher.watch('self', t.path('link'), IN_ALL_EVENTS | IN_DONT_FOLLOW);
      await t.lchown(t.path('link'), 1000, 1000);
      await watcher.expect('dir: ATTRIB link', 'self: ATTRIB');
      await t.utimensat(AT_FDCWD, t.path('link'), NOW, NOW, AT_SYMLINK_NOFOLLOW);
      await watcher.expect('dir: ATTRIB link', 'self: ATTRIB');
      await t.rename(t.path('link'), t.path('moved'));
      await watcher.expect('dir: MOVED_FROM link #1', 'dir: MOVED_TO moved #1', 'self: MOVE_SELF');
    },
  },
  {
    title: 'IN_ONLYDIR with IN_DONT_FOLLOW returns ENOTDIR for a symbolic link to a directory',
    origin: 'inotify(7), IN_ONLYDIR, IN_DONT_FOLLOW',
    async run(t) {
      await t.mkdir(t.path('dir'));
      await t.symlink('dir', t.path('link'));
      const fd = await t.inotifyInit(0);
      await t.addWatch(fd, t.path('link'), IN_ALL_EVENTS | IN_ONLYDIR);
      const both = IN_ALL_EVENTS | IN_ONLYDIR | IN_DONT_FOLLOW;
      await expectError('ENOTDIR', t.addWatch(fd, t.path('link'), both));
    },
  },
  {
    title: 'a file that leaves a watched directory or comes to one is told with a cookie',
    origin: 'inotify(7), IN_MOVED_FROM, IN_MOVED_TO',
    async run(t) {
      await t.mkdir(t.path('watched'));
      await t.mkdir(t.path('other'));
      await t.createFile(t.path('watched/file'));
      const watcher = await Watcher.open(t);
      await watcher.watch('watched', t.path('watched'));
      await t.rename(t.path('watched/file'), t.path('other/file'));
      await watcher.expect('watched: MOVED_FROM file #1');
      await t.rename(t.path('other/file'), t.path('watched/back'));
      await watcher.expect('watched: MOVED_TO back #2');
    },
  },
  {
    title: 'a file whose directory is renamed is not told',
    origin: 'inotify(7), IN_MOVE_SELF',
    async run(t) {
      await t.mkdir(t.path('a'));
      await t.createFile(t.path('a/file'));
      const watcher = await Watcher.open(t);
      await watcher.watch('file', t.path('a/file'));
      await watcher.watch('a', t.path('a'));
      await t.rename(t.path('a'), t.path('b'));
      await watcher.expect('a: MOVE_SELF');
      await t.chmod(t.path('b/file'), 0o600);
      await watcher.expect('a: ATTRIB file', 'file: ATTRIB');
    },
  },
  {
    title: 'a rename of one hard link tells the file, and no other directory',
    origin: 'inotify(7), IN_MOVE_SELF',
    async run(t) {
      await t.mkdir(t.path('one'));
      await t.mkdir(t.path('two'));
      await t.createFile(t.path('one/file'));
      await t.link(t.path('one/file'), t.path('two/link'));
      const watcher = await Watcher.open(t);
      await watcher.watch('one', t.path('one'));
      await watcher.watch('two', t.path('two'));
      await watcher.watch('self', t.path('one/file'));
      await t.rename(t.path('two/link'), t.path('two/moved'));
      await watcher.expect('two: MOVED_FROM link #1', 'two: MOVED_TO moved #1', 'self: MOVE_SELF');
    },
  },
  {
    title: 'a file made with O_TMPFILE is told of when it gets its name',
    origin: 'linkat(2), AT_EMPTY_PATH; Linux: fsnotify_link()',
    needs: ['files without a name'],
    async run(t) {
      const fd = await t.open(t.root, O_WRONLY | O_TMPFILE, 0o600);
      const watcher = await Watcher.open(t);
      await watcher.watch('dir', t.root);
      await t.linkat(fd, '', AT_FDCWD, t.path('file'), AT_EMPTY_PATH);
      await watcher.expect('dir: CREATE file');
    },
  },
  {
    title: 'two mounts of one directory have one watch, which hears of both',
    origin: 'inotify(7): watches are of inodes',
    async run(t) {
      await t.mkdir(t.path('a'));
      await t.mkdir(t.path('b'));
      await t.createFile(t.path('a/file'));
      await t.mount(t.path('a'), t.path('b'), '', MS_BIND);
      const watcher = await Watcher.open(t);
      const wd = await watcher.watch('dir', t.path('a'));
      equal(await watcher.watch('dir', t.path('b')), wd);
      await t.chmod(t.path('a/file'), 0o600);
      await t.close(await t.open(t.path('b/file'), O_RDONLY));
      await t.umount(t.path('b'));
      await watcher.expect('dir: ATTRIB file', 'dir: OPEN file', 'dir: CLOSE_NOWRITE file');
    },
  },
  {
    title: 'a watch with IN_ONESHOT tells only the first of a call’s events',
    origin: 'inotify(7), IN_ONESHOT',
    async run(t) {
      await t.createFile(t.path('a'));
      const watcher = await Watcher.open(t);
      await watcher.watch('dir', t.root, IN_MOVED_FROM | IN_MOVED_TO | IN_ONESHOT);
      await t.rename(t.path('a'), t.path('b'));
      await watcher.expect('dir: MOVED_FROM a #1', 'dir: IGNORED');
    },
  },
  {
    title: 'IN_MASK_ADD with IN_ONESHOT makes the watch there is one of a single event',
    origin: 'inotify(7), IN_ONESHOT, IN_MASK_ADD',
    async run(t) {
      await t.createFile(t.path('file'));
      const watcher = await Watcher.open(t);
      await watcher.watch('file', t.path('file'), IN_ATTRIB);
      await watcher.watch('file', t.path('file'), IN_OPEN | IN_MASK_ADD | IN_ONESHOT);
      await t.chmod(t.path('file'), 0o600);
      await t.open(t.path('file'), O_RDONLY);
      await watcher.expect('file: ATTRIB', 'file: IGNORED');
    },
  },
  {
    title: 'a directory that is opened through dot or dot-dot is told by its name',
    origin: 'inotify(7)',
    async run(t) {
      await t.mkdir(t.path('dir'));
      await t.mkdir(t.path('dir/sub'));
      const watcher = await Watcher.open(t);
      await watcher.watch('root', t.root);
      await t.close(await t.open(t.path('dir/.'), O_RDONLY | O_DIRECTORY));
      await t.close(await t.open(t.path('dir/sub/..'), O_RDONLY | O_DIRECTORY));
      await watcher.expect(
        'root: OPEN|ISDIR dir',
        'root: CLOSE_NOWRITE|ISDIR dir',
        'root: OPEN|ISDIR dir',
        'root: CLOSE_NOWRITE|ISDIR dir',
      );
    },
  },
  {
    title: 'a watch added later hears of descriptions that were opened before',
    origin: 'inotify(7)',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      const fd = await t.open(t.path('file'), O_RDWR);
      const watcher = await Watcher.open(t);
      await watcher.watch('self', t.path('file'));
      await t.readText(fd);
      await t.write(fd, 'x');
      await t.close(fd);
      await watcher.expect('self: ACCESS', 'self: MODIFY', 'self: CLOSE_WRITE');
    },
  },
];
