// mount(2) and umount2(2). Whatever a case mounts it unmounts: the next one shares the tree.

import type { Case } from '../case.ts';
import {
  MNT_DETACH,
  MS_BIND,
  O_CREAT,
  O_DIRECTORY,
  O_PATH,
  O_RDONLY,
  O_RDWR,
  O_WRONLY,
  RENAME_EXCHANGE,
  UMOUNT_NOFOLLOW,
} from '../../../src/abi/fcntl.ts';
import { USER } from '../case.ts';
import { equal, equalMode, expectError, isTrue } from '../check.ts';
import { Watcher } from '../watcher.ts';

export const mountCases: readonly Case[] = [
  {
    title: 'a mount hides what is below it until it is unmounted',
    origin: 'mount(2)',
    async run(t) {
      await t.mkdir(t.path('mnt'));
      await t.createFile(t.path('mnt/below'));
      await t.mount('none', t.path('mnt'), 'tmpfs');
      equal(await t.list(t.path('mnt')), []);
      await t.createFile(t.path('mnt/above'));
      await t.umount(t.path('mnt'));
      equal(await t.list(t.path('mnt')), ['below']);
    },
  },
  {
    title: 'a mounted filesystem has a device number of its own, and dot-dot leads out of it',
    origin: 'mount(2); path_resolution(7)',
    async run(t) {
      await t.mkdir(t.path('mnt'));
      await t.mount('none', t.path('mnt'), 'tmpfs');
      await t.mkdir(t.path('mnt/sub'));
      const [outside, inside] = [await t.stat(t.root), await t.stat(t.path('mnt'))];
      isTrue(inside.dev !== outside.dev, 'the devices differ');
      equal((await t.stat(t.path('mnt/..'))).ino, outside.ino);
      equal((await t.stat(t.path('mnt/sub/../..'))).ino, outside.ino);
      await t.chdir(t.path('mnt/sub'));
      equal(await t.getcwd(), t.path('mnt/sub'));
      await t.chdir('/');
      await t.umount(t.path('mnt'));
    },
  },
  {
    title: 'mounting and unmounting need root: EPERM',
    origin: 'mount(2), EPERM',
    async run(t) {
      const user = await t.as(USER);
      await user.mkdir(t.path('mnt'));
      await expectError('EPERM', user.mount('none', t.path('mnt'), 'tmpfs'));
      await t.mount('none', t.path('mnt'), 'tmpfs');
      await expectError('EPERM', user.umount(t.path('mnt')));
      await t.umount(t.path('mnt'));
    },
  },
  {
    title: 'mount returns ENODEV for a type there is none of, ENOENT and ENOTDIR for such targets',
    origin: 'mount(2), ENODEV, ENOENT, ENOTDIR',
    async run(t) {
      await t.mkdir(t.path('mnt'));
      await t.createFile(t.path('file'));
      await expectError('ENODEV', t.mount('none', t.path('mnt'), 'nosuchfs'));
      await expectError('ENOENT', t.mount('none', t.path('missing'), 'tmpfs'));
      await expectError('ENOTDIR', t.mount('none', t.path('file'), 'tmpfs'));
      await expectError('EINVAL', t.mount('none', t.path('mnt'), 'tmpfs', 0, 'mode=x'));
    },
  },
  {
    title: 'umount returns EINVAL for what is no mount point and for unknown flags',
    origin: 'umount(2), EINVAL',
    async run(t) {
      await t.mkdir(t.path('dir'));
      await t.createFile(t.path('file'));
      await expectError('EINVAL', t.umount(t.path('dir')));
      await expectError('EINVAL', t.umount(t.path('file')));
      await expectError('EINVAL', t.umount(t.path('dir'), 0x100));
      await expectError('EINVAL', t.umount(t.path('missing'), 0x100));
      await expectError('ENOENT', t.umount(t.path('missing')));
    },
  },
  {
    title: 'umount follows a symbolic link unless UMOUNT_NOFOLLOW is given',
    origin: 'umount(2), UMOUNT_NOFOLLOW',
    async run(t) {
      await t.mkdir(t.path('mnt'));
      await t.symlink('mnt', t.path('link'));
      await t.mount('none', t.path('link'), 'tmpfs');
      await expectError('EINVAL', t.umount(t.path('link'), UMOUNT_NOFOLLOW));
      await t.umount(t.path('link'));
      await expectError('EINVAL', t.umount(t.path('mnt')));
    },
  },
  {
    title: 'several mounts on one directory lie on top of each other',
    origin: 'mount(2)',
    async run(t) {
      await t.mkdir(t.path('mnt'));
      for (const name of ['first', 'second']) {
        await t.mount('none', t.path('mnt'), 'tmpfs');
        await t.createFile(t.path(`mnt/${name}`));
      }
      equal(await t.list(t.path('mnt')), ['second']);
      await t.umount(t.path('mnt'));
      equal(await t.list(t.path('mnt')), ['first']);
      await t.umount(t.path('mnt'));
      equal(await t.list(t.path('mnt')), []);
    },
  },
  {
    title: 'a tmpfs takes the mode of its root directory as data',
    origin: 'tmpfs(5)',
    async run(t) {
      await t.mkdir(t.path('mnt'));
      await t.mount('none', t.path('mnt'), 'tmpfs');
      equalMode(await t.stat(t.path('mnt')), 0o1777);
      await t.umount(t.path('mnt'));
      await t.mount('none', t.path('mnt'), 'tmpfs', 0, 'mode=700');
      equalMode(await t.stat(t.path('mnt')), 0o700);
      await t.umount(t.path('mnt'));
    },
  },
];

export const unmountCases: readonly Case[] = [
  {
    title: 'umount returns EBUSY while a file is open',
    origin: 'umount(2), EBUSY',
    async run(t) {
      await t.mkdir(t.path('mnt'));
      await t.mount('none', t.path('mnt'), 'tmpfs');
      for (const flags of [O_RDWR, O_PATH]) {
        const fd = await t.open(t.path('mnt/file'), flags | (flags === O_RDWR ? O_CREAT : 0));
        await expectError('EBUSY', t.umount(t.path('mnt')));
        await t.close(fd);
      }
      await t.umount(t.path('mnt'));
    },
  },
  {
    title: 'umount returns EBUSY while a process has its working directory or root there',
    origin: 'umount(2), EBUSY',
    async run(t) {
      await t.mkdir(t.path('mnt'));
      await t.mount('none', t.path('mnt'), 'tmpfs');
      const other = await t.as(USER);
      await other.chdir(t.path('mnt'));
      await expectError('EBUSY', t.umount(t.path('mnt')));
      await other.chdir('/');
      const jailed = await t.as({ uid: 0, gid: 0 });
      const outside = await jailed.open('/', O_RDONLY | O_DIRECTORY);
      await jailed.chroot(t.path('mnt'));
      await expectError('EBUSY', t.umount(t.path('mnt')));
      await jailed.fchdir(outside);
      await jailed.chroot('.');
      await t.umount(t.path('mnt'));
    },
  },
  {
    title: 'umount returns EBUSY while something is mounted within',
    origin: 'umount(2), EBUSY',
    async run(t) {
      await t.mkdir(t.path('mnt'));
      await t.mount('none', t.path('mnt'), 'tmpfs');
      await t.mkdir(t.path('mnt/sub'));
      await t.mount('none', t.path('mnt/sub'), 'tmpfs');
      await expectError('EBUSY', t.umount(t.path('mnt')));
      await t.umount(t.path('mnt/sub'));
      await t.umount(t.path('mnt'));
    },
  },
  {
    title: 'MNT_DETACH takes a busy mount out of the tree, and open files go on',
    origin: 'umount(2), MNT_DETACH',
    async run(t) {
      await t.mkdir(t.path('mnt'));
      await t.mount('none', t.path('mnt'), 'tmpfs');
      await t.mkdir(t.path('mnt/sub'));
      await t.mount('none', t.path('mnt/sub'), 'tmpfs');
      const dir = await t.open(t.path('mnt'), O_RDONLY | O_DIRECTORY);
      const fd = await t.open(t.path('mnt/file'), O_RDWR | O_CREAT);
      await t.umount(t.path('mnt'), MNT_DETACH);
      equal(await t.list(t.path('mnt')), []);
      await t.write(fd, 'text');
      equal(await t.preadText(fd, 10, 0), 'text');
      await t.openat(dir, 'new', O_WRONLY | O_CREAT);
      equal((await t.fstatat(dir, 'file', 0)).size, 4);
      await expectError('EINVAL', t.umount(t.path('mnt')));
    },
  },
  {
    title: 'MNT_DETACH leaves a process within, whose dot-dot ends at the mount’s root',
    origin: 'umount(2), MNT_DETACH',
    async run(t) {
      const other = await t.as({ uid: 0, gid: 0 });
      await t.mkdir(t.path('mnt'));
      await t.mount('none', t.path('mnt'), 'tmpfs');
      await t.mkdir(t.path('mnt/sub'));
      await other.chdir(t.path('mnt/sub'));
      await t.umount(t.path('mnt'), MNT_DETACH);
      await other.chdir('..');
      const { ino, dev } = await other.stat('.');
      const above = await other.stat('..');
      equal([above.ino, above.dev], [ino, dev]);
      equal(await other.list('.'), ['sub']);
    },
  },
  {
    title: 'unmounting tells watchers of IN_UNMOUNT and ends their watches',
    origin: 'inotify(7), IN_UNMOUNT',
    async run(t) {
      await t.mkdir(t.path('mnt'));
      await t.mount('none', t.path('mnt'), 'tmpfs');
      await t.createFile(t.path('mnt/file'));
      const watcher = await Watcher.open(t);
      const wd = await watcher.watch('file', t.path('mnt/file'));
      await t.umount(t.path('mnt'));
      await watcher.expect('file: UNMOUNT', 'file: IGNORED');
      await expectError('EINVAL', t.removeWatch(watcher.fd, wd));
    },
  },
];

export const mountedBeforeCases: readonly Case[] = [
  {
    title: 'what was open before a mount stays below it',
    origin: 'mount(2)',
    async run(t) {
      const other = await t.as(USER);
      await t.mkdir(t.path('mnt'));
      await t.createFile(t.path('mnt/below'), 'text');
      const dir = await t.open(t.path('mnt'), O_RDONLY | O_DIRECTORY);
      await other.chdir(t.path('mnt'));
      await t.mount('none', t.path('mnt'), 'tmpfs');
      equal(await other.readFile('below'), 'text');
      equal((await t.fstatat(dir, 'below', 0)).size, 4);
      await expectError('ENOENT', t.stat(t.path('mnt/below')));
      await t.umount(t.path('mnt'));
    },
  },
  {
    title: 'getdents tells of a mount point as the directory below it',
    origin: 'getdents(2)',
    async run(t) {
      await t.mkdir(t.path('mnt'));
      const { ino } = await t.stat(t.path('mnt'));
      await t.mount('none', t.path('mnt'), 'tmpfs');
      const fd = await t.open(t.root, O_RDONLY | O_DIRECTORY);
      const entry = (await t.readDirents(fd)).find(({ name }) => name === 'mnt');
      equal(entry?.ino, ino);
      await t.close(fd);
      await t.umount(t.path('mnt'));
    },
  },
  {
    title: 'a directory with a mount point in it is not empty',
    origin: 'POSIX rmdir, ENOTEMPTY',
    async run(t) {
      await t.mkdir(t.path('dir'));
      await t.mkdir(t.path('dir/mnt'));
      await t.mount('none', t.path('dir/mnt'), 'tmpfs');
      await expectError('ENOTEMPTY', t.rmdir(t.path('dir')));
      await t.umount(t.path('dir/mnt'));
    },
  },
  {
    title: 'getcwd in a mount that was detached has no way to the root',
    origin: 'getcwd(2), (unreachable)',
    async run(t) {
      const other = await t.as(USER);
      await t.mkdir(t.path('mnt'));
      await t.mount('none', t.path('mnt'), 'tmpfs');
      await t.mkdir(t.path('mnt/sub'));
      await other.chdir(t.path('mnt/sub'));
      await t.umount(t.path('mnt'), MNT_DETACH);
      equal(await other.getcwd(), '(unreachable)/sub');
    },
  },
  {
    title: 'a symbolic link leads into a mount and out of it',
    origin: 'path_resolution(7)',
    async run(t) {
      await t.mkdir(t.path('mnt'));
      await t.createFile(t.path('outside'), 'out');
      await t.symlink('mnt/inside', t.path('link'));
      await t.mount('none', t.path('mnt'), 'tmpfs');
      await t.createFile(t.path('mnt/inside'), 'in');
      await t.symlink('../outside', t.path('mnt/link'));
      equal(
        [await t.readFile(t.path('link')), await t.readFile(t.path('mnt/link'))],
        ['in', 'out'],
      );
      await t.umount(t.path('mnt'));
    },
  },
];

export const mountPointCases: readonly Case[] = [
  {
    title: 'a mount point is EBUSY to remove and to rename, from and to',
    origin: 'POSIX rmdir, EBUSY; rename(2), EBUSY',
    async run(t) {
      await t.mkdir(t.path('mnt'));
      await t.mkdir(t.path('dir'));
      await t.mount('none', t.path('mnt'), 'tmpfs');
      await expectError('EBUSY', t.rmdir(t.path('mnt')));
      await expectError('EBUSY', t.rename(t.path('mnt'), t.path('moved')));
      await expectError('EBUSY', t.rename(t.path('dir'), t.path('mnt')));
      await expectError('EBUSY', t.rename2(t.path('dir'), t.path('mnt'), RENAME_EXCHANGE));
      await t.umount(t.path('mnt'));
      await t.rmdir(t.path('mnt'));
    },
  },
  {
    title: 'a file that something is bound to is EBUSY to unlink and to replace',
    origin: 'unlink(2), EBUSY; rename(2), EBUSY',
    async run(t) {
      await t.createFile(t.path('source'), 'text');
      await t.createFile(t.path('target'));
      await t.createFile(t.path('other'));
      await t.mount(t.path('source'), t.path('target'), '', MS_BIND);
      equal(await t.readFile(t.path('target')), 'text');
      await expectError('EBUSY', t.unlink(t.path('target')));
      await expectError('EBUSY', t.rename(t.path('other'), t.path('target')));
      await t.umount(t.path('target'));
      equal(await t.readFile(t.path('target')), '');
    },
  },
  {
    title: 'a directory above a mount point is renamed, and the mount goes along',
    origin: 'rename(2)',
    async run(t) {
      await t.mkdir(t.path('a'));
      await t.mkdir(t.path('a/mnt'));
      await t.mount('none', t.path('a/mnt'), 'tmpfs');
      await t.createFile(t.path('a/mnt/file'));
      await t.rename(t.path('a'), t.path('b'));
      equal(await t.list(t.path('b/mnt')), ['file']);
      await expectError('EBUSY', t.rmdir(t.path('b/mnt')));
      await t.umount(t.path('b/mnt'));
    },
  },
  {
    title: 'rename and link do not leave their filesystem: EXDEV',
    origin: 'POSIX rename, link, EXDEV',
    async run(t) {
      await t.mkdir(t.path('mnt'));
      await t.mount('none', t.path('mnt'), 'tmpfs');
      await t.createFile(t.path('file'));
      await t.createFile(t.path('mnt/file'));
      await expectError('EXDEV', t.rename(t.path('file'), t.path('mnt/new')));
      await expectError('EXDEV', t.rename(t.path('mnt/file'), t.path('file')));
      await expectError('EXDEV', t.link(t.path('file'), t.path('mnt/new')));
      await t.umount(t.path('mnt'));
      equal(await t.list(t.root), ['file', 'mnt']);
    },
  },
  {
    title: 'rename and link do not leave their mount either: EXDEV',
    origin: 'rename(2), EXDEV; link(2), EXDEV',
    async run(t) {
      await t.mkdir(t.path('a'));
      await t.mkdir(t.path('b'));
      await t.createFile(t.path('a/file'));
      await t.mount(t.path('a'), t.path('b'), '', MS_BIND);
      await expectError('EXDEV', t.rename(t.path('a/file'), t.path('b/new')));
      await expectError('EXDEV', t.link(t.path('a/file'), t.path('b/new')));
      await t.umount(t.path('b'));
    },
  },
  {
    title: 'copy_file_range between filesystems returns EXDEV, sendfile does not care',
    origin: 'copy_file_range(2), EXDEV',
    async run(t) {
      await t.mkdir(t.path('mnt'));
      await t.createFile(t.path('file'), 'text');
      await t.mount('none', t.path('mnt'), 'tmpfs');
      const source = await t.open(t.path('file'), O_RDONLY);
      const target = await t.open(t.path('mnt/file'), O_RDWR | O_CREAT);
      await expectError('EXDEV', t.copyFileRange({ fd: source }, { fd: target }, 4));
      equal(await t.sendfile(target, source, 0, 4), 4);
      await t.close(target);
      await t.umount(t.path('mnt'));
    },
  },
];
