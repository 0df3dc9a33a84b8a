// mount(2): bind mounts, read-only ones, and what statfs(2) tells of them.

import type { Case } from '../case.ts';
import {
  AT_FDCWD,
  MNT_DETACH,
  MS_BIND,
  MS_NOATIME,
  MS_RDONLY,
  MS_REMOUNT,
  O_CREAT,
  O_DIRECTORY,
  O_RDONLY,
  O_RDWR,
  O_TMPFILE,
  O_TRUNC,
  O_WRONLY,
  R_OK,
  UTIME_NOW,
  W_OK,
} from '../../../src/abi/fcntl.ts';
import { S_IFIFO, ST_NOATIME, ST_RDONLY, TMPFS_MAGIC } from '../../../src/abi/stat.ts';
import { USER } from '../case.ts';
import { equal, expectError, isTrue } from '../check.ts';

/** Linux: include/uapi/linux/mount.h; the ST_ flags of statfs(2) have the same numbers. */
const MS_NOSUID = 2;
const MS_NODEV = 4;
const MS_NOEXEC = 8;
const NOW = { sec: 0, nsec: UTIME_NOW };

export const bindMountCases: readonly Case[] = [
  {
    title: 'a bind mount shows a directory in a second place',
    origin: 'mount(2), MS_BIND',
    async run(t) {
      await t.mkdir(t.path('a'));
      await t.mkdir(t.path('b'));
      await t.createFile(t.path('a/file'), 'text');
      await t.mount(t.path('a'), t.path('b'), '', MS_BIND);
      const [first, second] = [await t.stat(t.path('a/file')), await t.stat(t.path('b/file'))];
      equal([second.ino, second.dev], [first.ino, first.dev]);
      await t.createFile(t.path('b/new'));
      await t.unlink(t.path('a/file'));
      equal(await t.list(t.path('a')), ['new']);
      equal(await t.list(t.path('b')), ['new']);
      equal((await t.stat(t.path('b/..'))).ino, (await t.stat(t.root)).ino);
      await t.umount(t.path('b'));
      equal(await t.list(t.path('b')), []);
    },
  },
  {
    title: 'a bind mount does not show what is mounted within the directory',
    origin: 'mount(2), MS_BIND without MS_REC',
    async run(t) {
      await t.mkdir(t.path('a'));
      await t.mkdir(t.path('a/mnt'));
      await t.mkdir(t.path('b'));
      await t.mount('none', t.path('a/mnt'), 'tmpfs');
      await t.createFile(t.path('a/mnt/file'));
      await t.mount(t.path('a'), t.path('b'), '', MS_BIND);
      equal(await t.list(t.path('b/mnt')), []);
      await t.umount(t.path('b'));
      await t.umount(t.path('a/mnt'));
    },
  },
  {
    title: 'a bind mount needs a source, and both a directory or neither',
    origin: 'mount(2), ENOENT, ENOTDIR',
    async run(t) {
      await t.mkdir(t.path('dir'));
      await t.createFile(t.path('file'));
      await expectError('ENOENT', t.mount(t.path('missing'), t.path('dir'), '', MS_BIND));
      await expectError('ENOENT', t.mount(t.path('dir'), t.path('missing'), '', MS_BIND));
      await expectError('ENOTDIR', t.mount(t.path('dir'), t.path('file'), '', MS_BIND));
      await expectError('ENOTDIR', t.mount(t.path('file'), t.path('dir'), '', MS_BIND));
    },
  },
  {
    title: 'a bind mount keeps a directory that is removed in its first place',
    origin: 'mount(2), MS_BIND; Linux 3.18: detach_mounts()',
    async run(t) {
      await t.mkdir(t.path('a'));
      await t.mkdir(t.path('b'));
      await t.mount(t.path('a'), t.path('b'), '', MS_BIND);
      await t.rmdir(t.path('a'));
      equal((await t.stat(t.path('b'))).nlink, 0);
      await expectError('ENOENT', t.mkdir(t.path('b/sub')));
      await t.umount(t.path('b'));
    },
  },
  {
    title: 'a bind mount becomes read-only by itself',
    origin: 'mount(2), MS_REMOUNT with MS_BIND',
    async run(t) {
      await t.mkdir(t.path('a'));
      await t.mkdir(t.path('b'));
      await t.mount(t.path('a'), t.path('b'), '', MS_BIND);
      await t.mount('', t.path('b'), '', MS_REMOUNT | MS_BIND | MS_RDONLY);
      await expectError('EROFS', t.mkdir(t.path('b/sub')));
      await t.mkdir(t.path('a/sub'));
      equal(await t.list(t.path('b')), ['sub']);
      isTrue(((await t.statfs(t.path('b'))).flags & ST_RDONLY) !== 0, 'statfs says so');
      await t.umount(t.path('b'));
    },
  },
];

export const readOnlyMountCases: readonly Case[] = [
  {
    title: 'on a read-only mount nothing is made, removed or renamed: EROFS',
    origin: 'POSIX, EROFS',
    async run(t) {
      await t.mkdir(t.path('mnt'));
      const at = (name: string): string => t.path(`mnt/${name}`);
      await t.mount('none', t.path('mnt'), 'tmpfs');
      await t.createFile(at('file'), 'text');
      await t.mkdir(at('dir'));
      await t.mount('', t.path('mnt'), '', MS_REMOUNT | MS_RDONLY);
      for (const call of [
        () => t.mkdir(at('new')),
        () => t.mknod(at('new'), S_IFIFO | 0o600),
        () => t.symlink('x', at('new')),
        () => t.link(at('file'), at('new')),
        () => t.unlink(at('file')),
        () => t.rmdir(at('dir')),
        () => t.rename(at('file'), at('new')),
        () => t.open(at('new'), O_WRONLY | O_CREAT),
        () => t.open(t.path('mnt'), O_RDWR | O_TMPFILE, 0o600),
      ]) {
        await expectError('EROFS', call());
      }
      equal(await t.list(t.path('mnt')), ['dir', 'file']);
      await t.umount(t.path('mnt'));
    },
  },
  {
    title: 'on a read-only mount nothing is written or changed: EROFS',
    origin: 'POSIX, EROFS',
    async run(t) {
      await t.mkdir(t.path('mnt'));
      const file = t.path('mnt/file');
      await t.mount('none', t.path('mnt'), 'tmpfs');
      await t.createFile(file, 'text', 0o666);
      const fd = await t.open(file, O_RDONLY);
      await t.mount('', t.path('mnt'), '', MS_REMOUNT | MS_RDONLY);
      for (const call of [
        () => t.open(file, O_WRONLY),
        () => t.open(file, O_RDONLY | O_TRUNC),
        () => t.truncate(file, 0),
        () => t.chmod(file, 0o600),
        () => t.fchmod(fd, 0o600),
        () => t.chown(file, 1, 1),
        () => t.utimens(file, NOW, NOW),
        () => t.setxattr(file, 'user.test', 'x'),
        () => t.removexattr(file, 'user.test'),
        () => t.access(file, W_OK),
      ]) {
        await expectError('EROFS', call());
      }
      await t.access(file, R_OK);
      equal(await t.readFile(file), 'text');
      await t.open(file, O_RDONLY | O_CREAT);
      await t.closeAll();
      await t.umount(t.path('mnt'));
    },
  },
  {
    title: 'on a read-only mount, EEXIST and ENOENT come before EROFS',
    origin: 'Linux: fs/namei.c filename_create(), do_unlinkat()',
    async run(t) {
      await t.mkdir(t.path('mnt'));
      const at = (name: string): string => t.path(`mnt/${name}`);
      await t.mount('none', t.path('mnt'), 'tmpfs');
      await t.mkdir(at('dir'));
      await t.mount('', t.path('mnt'), '', MS_REMOUNT | MS_RDONLY);
      await expectError('EEXIST', t.mkdir(at('dir')));
      await expectError('EEXIST', t.symlink('x', at('dir')));
      await expectError('ENOENT', t.open(at('missing'), O_WRONLY));
      await expectError('ENOENT', t.chmod(at('missing'), 0o600));
      await t.umount(t.path('mnt'));
    },
  },
  {
    title: 'a read-only mount still shows a FIFO to write to',
    origin: 'Linux: fs/namei.c inode_permission()',
    async run(t) {
      await t.mkdir(t.path('mnt'));
      await t.mount('none', t.path('mnt'), 'tmpfs');
      await t.mknod(t.path('mnt/fifo'), S_IFIFO | 0o600);
      await t.mount('', t.path('mnt'), '', MS_REMOUNT | MS_RDONLY);
      const fd = await t.open(t.path('mnt/fifo'), O_RDWR);
      await t.write(fd, 'text');
      equal(await t.readText(fd), 'text');
      await t.close(fd);
      await t.umount(t.path('mnt'));
    },
  },
  {
    title: 'a mount with a file open for writing does not become read-only: EBUSY',
    origin: 'mount(2), EBUSY',
    async run(t) {
      await t.mkdir(t.path('mnt'));
      await t.mount('none', t.path('mnt'), 'tmpfs');
      const fd = await t.open(t.path('mnt/file'), O_WRONLY | O_CREAT);
      await expectError('EBUSY', t.mount('', t.path('mnt'), '', MS_REMOUNT | MS_RDONLY));
      await t.write(fd, 'text');
      await t.close(fd);
      await t.mount('', t.path('mnt'), '', MS_REMOUNT | MS_RDONLY);
      await t.mount('', t.path('mnt'), '', MS_REMOUNT);
      await t.open(t.path('mnt/file'), O_WRONLY);
      await t.umount(t.path('mnt'), MNT_DETACH);
    },
  },
  {
    title: 'MS_REMOUNT returns EINVAL for what is no mount point',
    origin: 'mount(2), EINVAL',
    async run(t) {
      await t.mkdir(t.path('dir'));
      await expectError('EINVAL', t.mount('', t.path('dir'), '', MS_REMOUNT | MS_RDONLY));
    },
  },
];

export const mountFlagCases: readonly Case[] = [
  {
    title: 'statfs of a mounted tmpfs tells its type',
    origin: 'statfs(2); gVisor statfs.cc StatfsTest.InternalDevShm, FstatfsTest.InternalDevShm',
    async run(t) {
      await t.mkdir(t.path('mnt'));
      await t.mount('none', t.path('mnt'), 'tmpfs');
      const byPath = await t.statfs(t.path('mnt'));
      equal(byPath.type, TMPFS_MAGIC);
      isTrue(byPath.namelen > 0, 'names may have a length');
      const fd = await t.open(t.path('mnt'), O_RDONLY | O_DIRECTORY);
      equal((await t.fstatfs(fd)).type, TMPFS_MAGIC);
      await t.close(fd);
      await t.umount(t.path('mnt'));
    },
  },
  {
    title: 'statfs tells the flags of the mount',
    origin: 'statfs(2), f_flags; gVisor statfs.cc StatFsTest.MountFlags',
    async run(t) {
      await t.mkdir(t.path('mnt'));
      const all = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME;
      equal([ST_RDONLY, ST_NOATIME], [MS_RDONLY, MS_NOATIME]);
      for (const flag of [0, MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_NOATIME]) {
        await t.mount('none', t.path('mnt'), 'tmpfs', flag);
        equal((await t.statfs(t.path('mnt'))).flags & all, flag, `flags ${flag}`);
        await t.umount(t.path('mnt'));
      }
    },
  },
  {
    title: 'on a mount with MS_NOATIME reading leaves atime as it is',
    origin: 'mount(2), MS_NOATIME',
    async run(t) {
      await t.mkdir(t.path('mnt'));
      await t.mount('none', t.path('mnt'), 'tmpfs', MS_NOATIME);
      await t.createFile(t.path('mnt/file'), 'text');
      const { atime } = await t.stat(t.path('mnt/file'));
      await t.tick();
      equal(await t.readFile(t.path('mnt/file')), 'text');
      equal(await t.list(t.path('mnt')), ['file']);
      equal((await t.stat(t.path('mnt/file'))).atime, atime);
      await t.umount(t.path('mnt'));
    },
  },
  {
    title: 'a device does not open on a mount with MS_NODEV: EACCES',
    origin: 'mount(2), MS_NODEV',
    async run(t) {
      await t.mkdir(t.path('mnt'));
      await t.mount('none', t.path('mnt'), 'tmpfs', MS_NODEV);
      await t.mknod(t.path('mnt/null'), 0o020666, 0x103);
      await expectError('EACCES', t.open(t.path('mnt/null'), O_RDONLY));
      await t.umount(t.path('mnt'));
    },
  },
  {
    title: 'users meet the permissions of a mounted directory, not those of the one below',
    origin: 'mount(2)',
    async run(t) {
      const user = await t.as(USER);
      await t.mkdir(t.path('mnt'), 0o700);
      await expectError('EACCES', user.stat(t.path('mnt/file')));
      await t.mount('none', t.path('mnt'), 'tmpfs');
      await user.createFile(t.path('mnt/file'));
      equal((await t.fstatat(AT_FDCWD, t.path('mnt/file'), 0)).uid, USER.uid);
      await t.umount(t.path('mnt'));
    },
  },
];
