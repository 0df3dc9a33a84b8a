// What histories on both sides (test/fuzz/linux.test.ts) found to be different: mostly, which error
// comes first.

import type { Case } from '../case.ts';
import {
  AT_FDCWD,
  F_OFD_GETLK,
  F_OFD_SETLK,
  F_UNLCK,
  F_WRLCK,
  LOCK_EX,
  LOCK_NB,
  LOCK_SH,
  O_ACCMODE,
  O_APPEND,
  O_CREAT,
  O_NONBLOCK,
  O_PATH,
  O_RDONLY,
  O_RDWR,
  O_TMPFILE,
  O_WRONLY,
  RENAME_NOREPLACE,
  SEEK_SET,
  UTIME_NOW,
  UTIME_OMIT,
} from '../../../src/abi/fcntl.ts';
import { IN_ALL_EVENTS, IN_NONBLOCK } from '../../../src/abi/inotify.ts';
import { POLLIN, POLLNVAL, POLLOUT, POLLRDNORM, POLLWRNORM } from '../../../src/abi/poll.ts';
import { S_IFIFO } from '../../../src/abi/stat.ts';
import { compareTimespec } from '../../../src/lib/clock.ts';
import { OTHER, USER } from '../case.ts';
import { equal, equalMode, expectError, isTrue } from '../check.ts';
import { Watcher } from '../watcher.ts';

const UNSHARE_RANGE = 0x40;
const TOO_MANY_NANOSECONDS = { sec: 0, nsec: 1_000_000_000 };
const OMITTED = { sec: 0, nsec: UTIME_OMIT };
const LONG_NAME = 'n'.repeat(256);

export const historyNameCases: readonly Case[] = [
  {
    title: 'link returns EPERM for a file one may not link to before EACCES for the directory',
    origin: 'Linux: fs/namei.c do_linkat(), may_linkat()',
    async run(t) {
      await t.mkdir(t.path('closed'), 0o755);
      await t.mkdir(t.path('dir'), 0o755);
      const user = await t.as(USER);
      await expectError('EPERM', user.link(t.path('dir'), t.path('closed/name')));
    },
  },
  {
    title: 'rename of / returns ENOENT if there is no directory for the new name',
    origin: 'Linux: fs/namei.c do_renameat2()',
    async run(t) {
      await expectError('ENOENT', t.rename('/', t.path('missing/name')));
      await t.createFile(t.path('file'));
      await expectError('ENOENT', t.rename(t.path('missing/name'), '/'));
    },
  },
  {
    title: 'rename without replacing returns EEXIST for /',
    origin: 'Linux: fs/namei.c do_renameat2()',
    async run(t) {
      await expectError('EEXIST', t.rename2(t.path('missing'), t.path('.'), RENAME_NOREPLACE));
    },
  },
  {
    title: 'rename returns ENOENT for the old name before ENAMETOOLONG for the new one',
    origin: 'Linux: fs/namei.c do_renameat2()',
    async run(t) {
      await expectError('ENOENT', t.rename(t.path('missing'), t.path(LONG_NAME)));
      await t.createFile(t.path('file'));
      await expectError('ENAMETOOLONG', t.rename(t.path('file'), t.path(LONG_NAME)));
    },
  },
  {
    title: 'open returns EINVAL for O_TMPFILE without write access before EBADF',
    origin: 'Linux: fs/open.c build_open_flags()',
    async run(t) {
      await expectError('EINVAL', t.openat(1000, 'name', O_RDONLY | O_TMPFILE));
      await expectError('EBADF', t.openat(1000, 'name', O_RDWR | O_TMPFILE));
    },
  },
  {
    title: 'utimensat looks for the file before it looks at the nanoseconds',
    origin: 'Linux: fs/utimes.c vfs_utimes()',
    async run(t) {
      const missing = t.path('missing');
      const set = t.utimensat(AT_FDCWD, missing, OMITTED, TOO_MANY_NANOSECONDS, 0);
      await expectError('ENOENT', set);
      await expectError('EBADF', t.futimens(1000, OMITTED, TOO_MANY_NANOSECONDS));
      await t.createFile(t.path('file'));
      await expectError('EINVAL', t.utimens(t.path('file'), OMITTED, TOO_MANY_NANOSECONDS));
    },
  },
  {
    title: 'an extended attribute of no kind is EACCES to those who may not write the file',
    origin: 'Linux: fs/xattr.c xattr_permission()',
    async run(t) {
      await t.createFile(t.path('file'), '', 0o644);
      const user = await t.as(USER);
      await expectError('EACCES', user.setxattr(t.path('file'), 'nothing', 'value'));
      await expectError('EACCES', user.setxattr(t.path('file'), 'user.', 'value'));
      await expectError('EOPNOTSUPP', user.getxattr(t.path('file'), 'nothing'));
      await expectError('EINVAL', t.setxattr(t.path('file'), 'user.', 'value'));
    },
  },
  {
    title: 'chown that changes no owner returns EPERM to others if it takes set-id bits',
    origin: 'Linux: fs/attr.c notify_change(), ATTR_KILL_SGID',
    async run(t) {
      await t.createFile(t.path('plain'), '', 0o755);
      await t.createFile(t.path('setgid'), '', 0o2755);
      const user = await t.as(USER);
      await user.chown(t.path('plain'), -1, -1);
      await expectError('EPERM', user.chown(t.path('setgid'), -1, -1));
    },
  },
  {
    title: 'a write by someone not in the group takes setgid of what it may not execute',
    origin: 'Linux: fs/attr.c setattr_should_drop_sgid()',
    async run(t) {
      await t.createFile(t.path('file'), '', 0o2666);
      await t.createFile(t.path('of group'), '', 0o2666);
      await t.chown(t.path('of group'), -1, USER.gid);
      await t.chmod(t.path('of group'), 0o2666);
      const user = await t.as(USER);
      for (const name of ['file', 'of group']) {
        const fd = await user.open(t.path(name), O_WRONLY);
        await user.write(fd, 'text');
      }
      equalMode(await t.stat(t.path('file')), 0o666);
      equalMode(await t.stat(t.path('of group')), 0o2666);
    },
  },
  {
    title: 'a write that takes the set-id bits tells of that first',
    origin: 'Linux: fs/inode.c file_remove_privs()',
    async run(t) {
      await t.createFile(t.path('file'), '', 0o4777);
      const user = await t.as(USER);
      const fd = await user.open(t.path('file'), O_WRONLY);
      const watcher = await Watcher.open(t);
      await watcher.watch('file', t.path('file'));
      await user.write(fd, 'text');
      await watcher.expect('file: ATTRIB', 'file: MODIFY');
    },
  },
  {
    title: 'what is done to a file made with O_TMPFILE is told to the directory',
    origin: 'Linux: fs/dcache.c d_tmpfile()',
    needs: ['files without a name'],
    async run(t) {
      const watcher = await Watcher.open(t);
      await watcher.watch('dir', t.root);
      const fd = await t.open(t.root, O_RDWR | O_TMPFILE);
      await t.write(fd, 'text');
      const { ino } = await t.fstat(fd);
      await t.close(fd);
      const file = `#${ino}`;
      await watcher.expect(`dir: OPEN ${file}`, `dir: MODIFY ${file}`, `dir: CLOSE_WRITE ${file}`);
    },
  },
];

export const historyDescriptorCases: readonly Case[] = [
  {
    title: 'poll answers POLLRDNORM and POLLWRNORM',
    origin: 'POSIX poll; Linux: include/uapi/asm-generic/poll.h',
    async run(t) {
      const fd = await t.open(t.path('file'), O_RDWR | O_CREAT);
      const all = POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
      equal(await t.pollNow(fd, all), all);
      const [reader, writer] = await t.pipe();
      equal(await t.pollNow(reader, all), 0);
      equal(await t.pollNow(writer, all), POLLOUT | POLLWRNORM);
      await t.write(writer, 'text');
      equal(await t.pollNow(reader, all), POLLIN | POLLRDNORM);
    },
  },
  {
    title: 'calls that need the file itself take O_PATH for a descriptor that is not open',
    origin: 'open(2), O_PATH; Linux: fdget()',
    async run(t) {
      await t.createFile(t.path('file'));
      const [fd, path] = [await t.open(t.path('file'), O_RDWR), await t.open(t.root, O_PATH)];
      equal(await t.pollNow(path, POLLIN), POLLNVAL);
      await expectError('EBADF', t.copyFileRange({ fd, offset: 0 }, { fd: path }, 0));
      await expectError('EBADF', t.addWatch(path, t.root, IN_ALL_EVENTS));
      await expectError('EBADF', t.removeWatch(path, 1));
    },
  },
  {
    title: 'open of a FIFO with access mode 3 returns EINVAL',
    origin: 'Linux: fs/pipe.c fifo_open()',
    async run(t) {
      await t.mknod(t.path('fifo'), S_IFIFO | 0o666);
      await expectError('EINVAL', t.open(t.path('fifo'), O_ACCMODE | O_NONBLOCK));
    },
  },
  {
    title: 'lseek returns EINVAL for an unknown whence before ESPIPE',
    origin: 'Linux: fs/read_write.c ksys_lseek()',
    async run(t) {
      const [reader] = await t.pipe();
      await expectError('EINVAL', t.lseek(reader, 0, 7));
      await expectError('ESPIPE', t.lseek(reader, 0, SEEK_SET));
      const instance = await t.inotifyInit(IN_NONBLOCK);
      await expectError('EINVAL', t.lseek(instance, 0, 7));
    },
  },
  {
    title: 'fallocate returns EBADF for unsharing a range of a file not open for writing',
    origin: 'Linux: fs/open.c vfs_fallocate()',
    async run(t) {
      await t.createFile(t.path('file'));
      const fd = await t.open(t.path('file'), O_RDONLY);
      await expectError('EBADF', t.fallocate(fd, UNSHARE_RANGE, 0, 1));
    },
  },
  {
    title: 'FIONREAD counts from the offset, below zero behind the end',
    origin: 'Linux: fs/ioctl.c file_ioctl()',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      const fd = await t.open(t.path('file'), O_RDWR);
      await t.lseek(fd, 10, SEEK_SET);
      equal(await t.fionread(fd), -6);
      await t.ftruncate(fd, 2 ** 32 + 11);
      equal(await t.fionread(fd), 1);
    },
  },
  {
    title: 'sendfile looks at the source before the target',
    origin: 'Linux: fs/read_write.c do_sendfile()',
    async run(t) {
      const [reader] = await t.pipe(O_NONBLOCK);
      await expectError('ESPIPE', t.sendfile(1000, reader, 0, 1));
    },
  },
  {
    title: 'sendfile to a pipe that nobody reads returns EPIPE, whatever is to be sent',
    origin: 'Linux: fs/splice.c splice_file_to_pipe()',
    async run(t) {
      const dir = await t.open(t.root, O_RDONLY);
      const [reader, writer] = await t.pipe(O_NONBLOCK);
      equal(await t.sendfile(writer, dir, 0, 0), 0);
      await t.close(reader);
      await expectError('EPIPE', t.sendfile(writer, dir, 0, 0));
    },
  },
  {
    title: 'sendfile returns EINVAL for a target that appends, unless it is a pipe',
    origin: 'Linux: fs/read_write.c do_sendfile(), fs/splice.c do_splice_direct_actor()',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      const source = await t.open(t.path('file'), O_RDONLY);
      const target = await t.open(t.path('target'), O_WRONLY | O_CREAT | O_APPEND);
      await expectError('EINVAL', t.sendfile(target, source, 0, 4));
      const [reader, writer] = await t.pipe(O_NONBLOCK);
      await t.setfl(writer, O_APPEND | O_NONBLOCK);
      equal(await t.sendfile(writer, source, 0, 4), 4);
      equal(await t.readText(reader), 'text');
    },
  },
  {
    title: 'sendfile from a description to itself writes what it reads where it was',
    origin: 'Linux: fs/read_write.c do_sendfile()',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      const fd = await t.open(t.path('file'), O_RDWR);
      equal(await t.sendfile(fd, fd, -1, 3), 3);
      equal(await t.readText(fd), 't');
      equal(await t.readFile(t.path('file')), 'text');
    },
  },
  {
    title:
      'sendfile of nothing to a file is no error from what has offsets, and from a pipe EINVAL',
    origin: 'Linux: fs/splice.c splice_direct_to_actor(); FMODE_LSEEK',
    async run(t) {
      const target = await t.open(t.path('target'), O_WRONLY | O_CREAT);
      equal(await t.sendfile(target, await t.inotifyInit(IN_NONBLOCK), -1, 0), 0);
      const [reader] = await t.pipe(O_NONBLOCK);
      await expectError('EINVAL', t.sendfile(target, reader, -1, 0));
    },
  },
  {
    title: 'sendfile of nothing moves the access time of its source',
    origin: 'Linux: fs/splice.c splice_direct_to_actor()',
    async run(t) {
      await t.createFile(t.path('source'), 'text');
      const source = await t.open(t.path('source'), O_RDONLY);
      const target = await t.open(t.path('target'), O_WRONLY | O_CREAT);
      const { atime } = await t.fstat(source);
      await t.tick();
      equal(await t.sendfile(target, source, 0, 0), 0);
      equal(await t.sendfile(target, await t.open(t.root, O_RDONLY), 0, 0), 0);
      isTrue(compareTimespec((await t.fstat(source)).atime, atime) > 0, 'the access time moves');
    },
  },
  {
    title: 'F_OFD_SETLK returns EBADF for the access mode before EINVAL for a process id',
    origin: 'Linux: fs/locks.c fcntl_setlk()',
    async run(t) {
      await t.createFile(t.path('file'));
      const fd = await t.open(t.path('file'), O_RDONLY);
      await expectError('EBADF', t.setlk(fd, F_OFD_SETLK, { type: F_WRLCK, pid: 7 }));
    },
  },
  {
    title: 'F_OFD_GETLK with F_UNLCK finds the own locks',
    origin: 'Linux 6.4: fs/locks.c posix_test_locks_conflict()',
    async run(t) {
      const fd = await t.open(t.path('file'), O_RDWR | O_CREAT);
      const free = await t.getlk(fd, F_OFD_GETLK, { type: F_UNLCK });
      equal(free.type, F_UNLCK);
      await t.setlk(fd, F_OFD_SETLK, { type: F_WRLCK, start: 3, length: 4 });
      const { type, start, length } = await t.getlk(fd, F_OFD_GETLK, { type: F_UNLCK });
      equal([type, start, length], [F_WRLCK, 3, 4]);
    },
  },
  {
    title: 'inotify instances are open on one file',
    origin: 'Linux: fs/anon_inodes.c',
    async run(t) {
      const other = await t.as(OTHER);
      const [ours, theirs] = [await t.inotifyInit(0), await other.inotifyInit(0)];
      await t.flock(ours, LOCK_SH | LOCK_NB);
      await expectError('EAGAIN', other.flock(theirs, LOCK_EX | LOCK_NB));
    },
  },
  {
    title: 'an inotify instance has no attributes that could be changed',
    origin: 'Linux: fs/anon_inodes.c anon_inode_setattr(); fs/xattr.c',
    async run(t) {
      const fd = await t.inotifyInit(0);
      await expectError('EOPNOTSUPP', t.fchown(fd, -1, -1));
      await expectError('EOPNOTSUPP', t.fchmod(fd, 0o600));
      const user = await t.as(USER);
      const now = { sec: 0, nsec: UTIME_NOW };
      await expectError('EACCES', user.futimens(await user.inotifyInit(0), now, now));
      await expectError('EINVAL', t.ftruncate(fd, 0));
      await expectError('EPERM', t.fsetxattr(fd, 'user.name', 'value'));
      await expectError('ENODATA', t.fgetxattr(fd, 'user.name'));
      await expectError('EOPNOTSUPP', t.fgetxattr(fd, 'trusted.name'));
    },
  },
  {
    title: 'a pipe has no extended attributes',
    origin: 'Linux: fs/xattr.c xattr_resolve_name()',
    async run(t) {
      const [reader] = await t.pipe();
      await expectError('EOPNOTSUPP', t.fgetxattr(reader, 'trusted.name'));
      await expectError('EOPNOTSUPP', t.fsetxattr(reader, 'trusted.name', 'value'));
      equal(await t.flistxattr(reader), []);
    },
  },
];
