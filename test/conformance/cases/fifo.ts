// fifo(7): pipes that have a name.

import type { Case } from '../case.ts';
import {
  LOCK_EX,
  LOCK_NB,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOATIME,
  O_NONBLOCK,
  O_PATH,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
} from '../../../src/abi/fcntl.ts';
import { POLLHUP, POLLIN } from '../../../src/abi/poll.ts';
import { compareTimespec } from '../../../src/lib/clock.ts';
import { S_IFIFO, S_IFMT } from '../../../src/abi/stat.ts';
import { USER } from '../case.ts';
import { equal, expectError, isLater, isTrue } from '../check.ts';

const FIFO = S_IFIFO | 0o666;

export const fifoOpenCases: readonly Case[] = [
  {
    title: 'opening a FIFO to read waits for a writer',
    origin: 'POSIX open; fifo(7)',
    async run(t) {
      const other = await t.as(USER);
      await t.umask(0);
      await t.mknod(t.path('fifo'), FIFO);
      const opening = other.open(t.path('fifo'), O_RDONLY);
      isTrue(await other.isBlocked(opening), 'the open waits');
      const writer = await t.open(t.path('fifo'), O_WRONLY);
      const reader = await opening;
      await t.write(writer, 'text');
      equal(await other.readText(reader), 'text');
    },
  },
  {
    title: 'opening a FIFO to write waits for a reader',
    origin: 'POSIX open; fifo(7)',
    async run(t) {
      const other = await t.as(USER);
      await t.umask(0);
      await t.mknod(t.path('fifo'), FIFO);
      const opening = other.open(t.path('fifo'), O_WRONLY);
      isTrue(await other.isBlocked(opening), 'the open waits');
      const reader = await t.open(t.path('fifo'), O_RDONLY);
      await other.write(await opening, 'text');
      equal(await t.readText(reader), 'text');
    },
  },
  {
    title: 'reading a FIFO changes its access time, unless it was opened with O_NOATIME',
    origin: 'open(2), O_NOATIME; Linux: fs/pipe.c pipe_read()',
    async run(t) {
      await t.mknod(t.path('fifo'), FIFO);
      for (const flags of [O_NOATIME, 0]) {
        const fd = await t.open(t.path('fifo'), O_RDWR | flags);
        await t.write(fd, 'text');
        await t.tick();
        const before = await t.fstat(fd);
        equal(await t.readText(fd, 4), 'text');
        const { atime } = await t.fstat(fd);
        equal(compareTimespec(atime, before.atime), flags === 0 ? 1 : 0);
      }
    },
  },
  {
    title: 'opening a FIFO ends its wait when the other side came, though it has gone again',
    origin: 'Linux: fs/pipe.c wait_for_partner()',
    async run(t) {
      const other = await t.as(USER);
      await t.umask(0);
      await t.mknod(t.path('fifo'), FIFO);
      const opening = other.open(t.path('fifo'), O_RDONLY);
      isTrue(await other.isBlocked(opening), 'the open waits');
      await t.close(await t.open(t.path('fifo'), O_WRONLY));
      equal(await other.readText(await opening), '');
    },
  },
  {
    title: 'an interrupted open of a FIFO returns EINTR, and nobody is there',
    origin: 'POSIX open, EINTR',
    async run(t) {
      const other = await t.as(USER);
      await t.umask(0);
      await t.mknod(t.path('fifo'), FIFO);
      for (const flags of [O_RDONLY, O_WRONLY]) {
        const opening = other.open(t.path('fifo'), flags);
        isTrue(await other.isBlocked(opening), 'the open waits');
        await other.interrupt();
        await expectError('EINTR', opening);
      }
      await expectError('ENXIO', t.open(t.path('fifo'), O_WRONLY | O_NONBLOCK));
    },
  },
  {
    title: 'opening a FIFO with O_NONBLOCK does not wait to read, and is ENXIO to write alone',
    origin: 'POSIX open, O_NONBLOCK, ENXIO',
    async run(t) {
      await t.mknod(t.path('fifo'), FIFO);
      await expectError('ENXIO', t.open(t.path('fifo'), O_WRONLY | O_NONBLOCK));
      const reader = await t.open(t.path('fifo'), O_RDONLY | O_NONBLOCK);
      const writer = await t.open(t.path('fifo'), O_WRONLY | O_NONBLOCK);
      await t.close(reader);
      await expectError('ENXIO', t.open(t.path('fifo'), O_WRONLY | O_NONBLOCK));
      await t.close(writer);
    },
  },
  {
    title: 'opening a FIFO to read and write never waits, and is both sides',
    origin: 'fifo(7): under Linux, opening a FIFO for read and write succeeds',
    async run(t) {
      await t.mknod(t.path('fifo'), FIFO);
      const fd = await t.open(t.path('fifo'), O_RDWR);
      await t.write(fd, 'text');
      equal(await t.readText(fd), 'text');
      await t.open(t.path('fifo'), O_WRONLY);
      await t.open(t.path('fifo'), O_RDONLY);
    },
  },
  {
    title: 'opening a FIFO needs the permissions of its mode',
    origin: 'POSIX open, EACCES',
    async run(t) {
      const other = await t.as(USER);
      await t.mknod(t.path('fifo'), S_IFIFO | 0o604);
      await expectError('EACCES', other.open(t.path('fifo'), O_WRONLY | O_NONBLOCK));
      await expectError('EACCES', other.open(t.path('fifo'), O_RDWR));
      await other.open(t.path('fifo'), O_RDONLY | O_NONBLOCK);
    },
  },
  {
    title: 'O_CREAT and O_TRUNC leave a FIFO as it is, O_DIRECTORY is ENOTDIR, O_EXCL EEXIST',
    origin: 'POSIX open, O_TRUNC',
    async run(t) {
      await t.mknod(t.path('fifo'), FIFO);
      const fd = await t.open(t.path('fifo'), O_RDWR);
      await t.write(fd, 'text');
      await t.open(t.path('fifo'), O_RDWR | O_CREAT | O_TRUNC);
      equal(await t.fionread(fd), 4);
      await expectError('ENOTDIR', t.open(t.path('fifo'), O_RDONLY | O_DIRECTORY));
      await expectError('EEXIST', t.open(t.path('fifo'), O_RDWR | O_CREAT | O_EXCL));
    },
  },
  {
    title: 'an O_PATH descriptor of a FIFO does not wait, and can’t be read',
    origin: 'open(2), O_PATH',
    async run(t) {
      await t.mknod(t.path('fifo'), FIFO);
      const fd = await t.open(t.path('fifo'), O_PATH);
      equal((await t.fstat(fd)).mode & S_IFMT, S_IFIFO);
      await expectError('EBADF', t.read(fd, 1));
      await expectError('ENXIO', t.open(t.path('fifo'), O_WRONLY | O_NONBLOCK));
    },
  },
];

export const fifoCases: readonly Case[] = [
  {
    title: 'a FIFO without a writer reads as ended, with one it is EAGAIN',
    origin: 'POSIX read; fifo(7)',
    async run(t) {
      await t.mknod(t.path('fifo'), FIFO);
      const reader = await t.open(t.path('fifo'), O_RDONLY | O_NONBLOCK);
      equal(await t.readText(reader), '');
      const writer = await t.open(t.path('fifo'), O_WRONLY | O_NONBLOCK);
      await expectError('EAGAIN', t.read(reader, 1));
      await t.write(writer, 'text');
      await t.close(writer);
      equal(await t.readText(reader), 'text');
      equal(await t.readText(reader), '');
    },
  },
  {
    title: 'a reader that nobody has written to hears no POLLHUP, after the last writer it does',
    origin: 'poll(2), POLLHUP; Linux: fs/pipe.c pipe_poll()',
    async run(t) {
      await t.mknod(t.path('fifo'), FIFO);
      const reader = await t.open(t.path('fifo'), O_RDONLY | O_NONBLOCK);
      equal(await t.pollNow(reader, POLLIN), 0);
      const writer = await t.open(t.path('fifo'), O_WRONLY | O_NONBLOCK);
      equal(await t.pollNow(reader, POLLIN), 0);
      await t.close(writer);
      equal(await t.pollNow(reader, POLLIN), POLLHUP);
    },
  },
  {
    title: 'writing to a FIFO without readers returns EPIPE, and a new reader mends it',
    origin: 'POSIX write, EPIPE',
    async run(t) {
      await t.mknod(t.path('fifo'), FIFO);
      const reader = await t.open(t.path('fifo'), O_RDONLY | O_NONBLOCK);
      const writer = await t.open(t.path('fifo'), O_WRONLY);
      await t.close(reader);
      await expectError('EPIPE', t.write(writer, 'x'));
      const again = await t.open(t.path('fifo'), O_RDONLY);
      await t.write(writer, 'text');
      equal(await t.readText(again), 'text');
    },
  },
  {
    title: 'what nobody has read is gone when the last descriptor of a FIFO is closed',
    origin: 'fifo(7)',
    async run(t) {
      await t.mknod(t.path('fifo'), FIFO);
      const fd = await t.open(t.path('fifo'), O_RDWR);
      await t.write(fd, 'lost');
      await t.close(fd);
      const again = await t.open(t.path('fifo'), O_RDWR | O_NONBLOCK);
      await expectError('EAGAIN', t.read(again, 10));
      equal((await t.stat(t.path('fifo'))).size, 0);
    },
  },
  {
    title: 'all names of a FIFO lead to one pipe, which outlives them',
    origin: 'fifo(7)',
    async run(t) {
      await t.mknod(t.path('fifo'), FIFO);
      await t.link(t.path('fifo'), t.path('link'));
      const reader = await t.open(t.path('fifo'), O_RDONLY | O_NONBLOCK);
      const writer = await t.open(t.path('link'), O_WRONLY);
      await t.unlink(t.path('fifo'));
      await t.rename(t.path('link'), t.path('moved'));
      await t.write(writer, 'one');
      await t.unlink(t.path('moved'));
      await t.write(writer, 'two');
      equal(await t.readText(reader), 'onetwo');
    },
  },
  {
    title: 'a FIFO has no size and no offset',
    origin: 'POSIX truncate, EINVAL; POSIX lseek, ESPIPE',
    async run(t) {
      await t.mknod(t.path('fifo'), FIFO);
      await expectError('EINVAL', t.truncate(t.path('fifo'), 0));
      const fd = await t.open(t.path('fifo'), O_RDWR);
      await expectError('EINVAL', t.ftruncate(fd, 0));
      await expectError('ESPIPE', t.lseek(fd, 0, 0));
      await expectError('ESPIPE', t.pread(fd, 1, 0));
      await expectError('ESPIPE', t.fallocate(fd, 0, 0, 1));
    },
  },
  {
    title: 'writing to a FIFO changes its mtime and ctime, reading its atime',
    origin: 'POSIX write, read',
    async run(t) {
      await t.mknod(t.path('fifo'), FIFO);
      const fd = await t.open(t.path('fifo'), O_RDWR);
      const before = await t.stat(t.path('fifo'));
      await t.tick();
      await t.write(fd, 'text');
      const written = await t.stat(t.path('fifo'));
      isLater(written.mtime, before.mtime, 'mtime');
      isLater(written.ctime, before.ctime, 'ctime');
      await t.tick();
      await t.readText(fd);
      isLater((await t.stat(t.path('fifo'))).atime, before.atime, 'atime');
    },
  },
  {
    title: 'a FIFO takes attributes, owners and locks like a file',
    origin: 'fifo(7)',
    async run(t) {
      await t.mknod(t.path('fifo'), FIFO);
      await t.chown(t.path('fifo'), 1000, 1001);
      await t.chmod(t.path('fifo'), 0o640);
      const stat = await t.stat(t.path('fifo'));
      equal([stat.mode, stat.uid, stat.gid], [S_IFIFO | 0o640, 1000, 1001]);
      const fd = await t.open(t.path('fifo'), O_RDWR);
      await t.flock(fd, LOCK_EX | LOCK_NB);
      const other = await t.open(t.path('fifo'), O_RDWR);
      await expectError('EAGAIN', t.flock(other, LOCK_EX | LOCK_NB));
    },
  },
];
