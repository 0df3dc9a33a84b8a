// pipe2(2) and pipe(7).

import type { Case } from '../case.ts';
import {
  FD_CLOEXEC,
  O_ACCMODE,
  O_CLOEXEC,
  O_CREAT,
  O_NONBLOCK,
  O_RDONLY,
  O_WRONLY,
  SEEK_CUR,
} from '../../../src/abi/fcntl.ts';
import { POLLERR, POLLHUP, POLLIN, POLLNVAL, POLLOUT } from '../../../src/abi/poll.ts';
import { S_IFIFO, S_IFMT } from '../../../src/abi/stat.ts';
import { equal, equalMode, expectError, isTrue } from '../check.ts';

const PIPE_BUF = 4096;
const CAPACITY = 65_536;

export const pipeCases: readonly Case[] = [
  {
    title: 'what is written to a pipe is read from it, in order',
    origin: 'POSIX pipe',
    async run(t) {
      const [reader, writer] = await t.pipe();
      equal(await t.write(writer, 'first '), 6);
      equal(await t.write(writer, 'second'), 6);
      equal(await t.readText(reader, 3), 'fir');
      equal(await t.readText(reader), 'st second');
    },
  },
  {
    title: 'a pipe takes the two lowest descriptors, one for each direction',
    origin: 'POSIX pipe',
    async run(t) {
      const lowest = await t.open(t.path('file'), O_RDONLY | O_CREAT);
      await t.close(lowest);
      const [reader, writer] = await t.pipe();
      equal([reader, writer], [lowest, lowest + 1]);
      equal((await t.getfl(reader)) & O_ACCMODE, O_RDONLY);
      equal((await t.getfl(writer)) & O_ACCMODE, O_WRONLY);
      await expectError('EBADF', t.write(reader, 'x'));
      await expectError('EBADF', t.read(writer, 1));
    },
  },
  {
    title: 'pipe2 takes O_NONBLOCK and O_CLOEXEC for both ends, and returns EINVAL for others',
    origin: 'pipe2(2)',
    async run(t) {
      for (const fd of await t.pipe(O_NONBLOCK | O_CLOEXEC)) {
        equal([(await t.getfl(fd)) & O_NONBLOCK, await t.getfd(fd)], [O_NONBLOCK, FD_CLOEXEC]);
      }
      for (const fd of await t.pipe()) {
        equal([(await t.getfl(fd)) & O_NONBLOCK, await t.getfd(fd)], [0, 0]);
      }
      await expectError('EINVAL', t.pipe(1));
      await expectError('EINVAL', t.pipe(0o100));
    },
  },
  {
    title: 'fstat tells of a pipe as a FIFO of its own',
    origin: 'POSIX fstat; gVisor stat.cc AnonDeviceAllocatesUniqueInodesAcrossSaveRestore',
    async run(t) {
      const [reader, writer] = await t.pipe();
      const [other] = await t.pipe();
      const stat = await t.fstat(reader);
      equal([stat.mode & S_IFMT, stat.size, stat.nlink], [S_IFIFO, 0, 1]);
      equalMode(stat, 0o600);
      equal((await t.fstat(writer)).ino, stat.ino);
      isTrue((await t.fstat(other)).ino !== stat.ino, 'two pipes differ');
      await t.fchmod(reader, 0o640);
      equalMode(await t.fstat(writer), 0o640);
    },
  },
  {
    title: 'a pipe has no offset: ESPIPE',
    origin: 'POSIX lseek, ESPIPE; gVisor pread64.cc CantReadPipe, pwrite64.cc Pipe',
    async run(t) {
      const [reader, writer] = await t.pipe();
      await expectError('ESPIPE', t.lseek(reader, 0, SEEK_CUR));
      await expectError('ESPIPE', t.pread(reader, 1, 0));
      await expectError('ESPIPE', t.pwrite(writer, 'x', 0));
    },
  },
  {
    title: 'a pipe has no size to change and nothing to flush',
    origin:
      'POSIX ftruncate, fsync, EINVAL; gVisor fallocate.cc FallocatePipe, sync.cc SyncFromPipe',
    async run(t) {
      const [reader, writer] = await t.pipe();
      await expectError('EINVAL', t.ftruncate(writer, 0));
      await expectError('EBADF', t.fallocate(reader, 0, 0, 10));
      await expectError('ESPIPE', t.fallocate(writer, 0, 0, 10));
      await expectError('EINVAL', t.fsync(writer));
      await expectError('EINVAL', t.fdatasync(reader));
      await t.syncfs(reader);
      await t.syncfs(writer);
      await expectError('ENOTDIR', t.getdents(reader));
    },
  },
  {
    title: 'FIONREAD tells how much a pipe holds',
    origin: 'ioctl_tty(2), FIONREAD',
    async run(t) {
      const [reader, writer] = await t.pipe();
      equal(await t.fionread(reader), 0);
      await t.write(writer, 'text');
      equal([await t.fionread(reader), await t.fionread(writer)], [4, 4]);
      await t.readText(reader, 3);
      equal(await t.fionread(reader), 1);
    },
  },
  {
    title: 'FIONREAD tells how much of a file is left, and is ENOTTY for a directory',
    origin: 'Linux: fs/ioctl.c file_ioctl()',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      const fd = await t.open(t.path('file'), O_RDONLY);
      await t.read(fd, 1);
      equal(await t.fionread(fd), 3);
      await expectError('ENOTTY', t.fionread(await t.open(t.root, O_RDONLY)));
      await expectError('EBADF', t.fionread(99));
    },
  },
];

export const pipeWaitCases: readonly Case[] = [
  {
    title: 'reading an empty pipe waits while somebody could write',
    origin: 'POSIX read',
    async run(t) {
      const [reader, writer] = await t.pipe();
      // Another process would inherit the pipe: here it is the same that would write.
      const flags = await t.getfl(reader);
      await t.setfl(reader, flags | O_NONBLOCK);
      await expectError('EAGAIN', t.read(reader, 1));
      await t.setfl(reader, flags);
      const reading = t.readText(reader);
      isTrue(await t.isBlocked(reading), 'the read waits');
      await t.interrupt();
      await expectError('EINTR', reading);
      await t.write(writer, 'text');
      equal(await t.readText(reader), 'text');
    },
  },
  {
    title: 'reading a pipe that nobody can write to returns what is left, then 0',
    origin: 'POSIX read',
    async run(t) {
      const [reader, writer] = await t.pipe();
      const copy = await t.dup(writer);
      await t.write(writer, 'text');
      await t.close(writer);
      equal(await t.readText(reader), 'text');
      await t.setfl(reader, O_NONBLOCK);
      await expectError('EAGAIN', t.read(reader, 1));
      await t.close(copy);
      equal(await t.readText(reader), '');
      equal(await t.readText(reader), '');
    },
  },
  {
    title: 'writing to a pipe that nobody can read returns EPIPE',
    origin: 'POSIX write, EPIPE',
    async run(t) {
      const [reader, writer] = await t.pipe();
      await t.write(writer, 'text');
      await t.close(reader);
      await expectError('EPIPE', t.write(writer, 'x'));
      equal(await t.write(writer, ''), 0);
    },
  },
  {
    title: 'reading and writing nothing does not wait',
    origin: 'Linux: fs/pipe.c',
    async run(t) {
      const [reader, writer] = await t.pipe();
      equal((await t.read(reader, 0)).length, 0);
      equal(await t.write(writer, ''), 0);
      equal(await t.fionread(reader), 0);
    },
  },
  {
    title: 'a pipe holds 65536 bytes and then returns EAGAIN with O_NONBLOCK',
    origin: 'pipe(7), pipe capacity',
    async run(t) {
      const [reader, writer] = await t.pipe(O_NONBLOCK);
      equal(await t.write(writer, new Uint8Array(CAPACITY + 10)), CAPACITY);
      await expectError('EAGAIN', t.write(writer, 'x'));
      equal(await t.fionread(reader), CAPACITY);
      equal((await t.read(reader, CAPACITY + 10)).length, CAPACITY);
    },
  },
  {
    title: 'up to PIPE_BUF bytes are written whole or not at all, more in part',
    origin: 'pipe(7), PIPE_BUF',
    async run(t) {
      const [reader, writer] = await t.pipe(O_NONBLOCK);
      const filled = CAPACITY - PIPE_BUF;
      for (let size = 0; size < filled; size += PIPE_BUF) {
        await t.write(writer, new Uint8Array(PIPE_BUF));
      }
      await t.write(writer, new Uint8Array(100));
      await expectError('EAGAIN', t.write(writer, new Uint8Array(PIPE_BUF)));
      equal(await t.fionread(reader), filled + 100);
      const count = await t.write(writer, new Uint8Array(PIPE_BUF + 1));
      isTrue(count > 0 && count <= PIPE_BUF - 100, `${count} bytes fit`);
    },
  },
  {
    title: 'writing more than a pipe holds waits for the reader, and writes all',
    origin: 'POSIX write; pipe(7)',
    async run(t) {
      const other = await t.as({ uid: 0, gid: 0 });
      await t.mknod(t.path('fifo'), S_IFIFO | 0o600);
      const reader = await t.open(t.path('fifo'), O_RDONLY | O_NONBLOCK);
      const writer = await other.open(t.path('fifo'), O_WRONLY);
      const size = CAPACITY + 5000;
      const writing = other.write(writer, new Uint8Array(size).fill(7));
      isTrue(await other.isBlocked(writing), 'the write waits');
      let count = 0;
      while (count < size) {
        const part = await t.read(reader, PIPE_BUF);
        isTrue(
          part.every((byte) => byte === 7),
          'the bytes are those written',
        );
        count += part.length;
        if (count >= CAPACITY) await writing;
      }
      equal(await writing, size);
    },
  },
  {
    title: 'an interrupted write returns what was written, or EINTR when nothing was',
    origin: 'POSIX write, EINTR; pipe(7)',
    async run(t) {
      const [reader, writer] = await t.pipe();
      const writing = t.write(writer, new Uint8Array(CAPACITY + 10));
      isTrue(await t.isBlocked(writing), 'the write waits');
      await t.interrupt();
      equal(await writing, CAPACITY);
      const again = t.write(writer, 'x');
      isTrue(await t.isBlocked(again), 'the write waits');
      await t.interrupt();
      await expectError('EINTR', again);
      equal(await t.fionread(reader), CAPACITY);
    },
  },
  {
    title: 'a write that waits returns EPIPE when the last reader closes',
    origin: 'POSIX write, EPIPE',
    async run(t) {
      const other = await t.as({ uid: 0, gid: 0 });
      await t.mknod(t.path('fifo'), S_IFIFO | 0o600);
      const reader = await t.open(t.path('fifo'), O_RDONLY | O_NONBLOCK);
      const writer = await other.open(t.path('fifo'), O_WRONLY);
      equal(await other.write(writer, new Uint8Array(CAPACITY)), CAPACITY);
      const writing = other.write(writer, 'x');
      isTrue(await other.isBlocked(writing), 'the write waits');
      await t.close(reader);
      await expectError('EPIPE', writing);
    },
  },
];

export const pipePollCases: readonly Case[] = [
  {
    title: 'a pipe is readable when it holds something, writable when it has room',
    origin: 'poll(2); pipe(7)',
    async run(t) {
      const [reader, writer] = await t.pipe(O_NONBLOCK);
      equal([await t.pollNow(reader, POLLIN), await t.pollNow(writer, POLLOUT)], [0, POLLOUT]);
      await t.write(writer, new Uint8Array(CAPACITY));
      equal([await t.pollNow(reader, POLLIN), await t.pollNow(writer, POLLOUT)], [POLLIN, 0]);
      await t.read(reader, 100);
      equal(await t.pollNow(writer, POLLOUT), 0, 'with 100 bytes of room');
      await t.read(reader, PIPE_BUF - 100);
      equal(await t.pollNow(writer, POLLOUT), POLLOUT, 'with PIPE_BUF bytes of room');
    },
  },
  {
    title: 'a reader learns by POLLHUP that there is no writer, a writer by POLLERR of no reader',
    origin: 'poll(2), POLLHUP, POLLERR',
    async run(t) {
      const [reader, writer] = await t.pipe();
      await t.write(writer, 'text');
      await t.close(writer);
      equal(await t.pollNow(reader, POLLIN), POLLIN | POLLHUP);
      await t.readText(reader);
      equal(await t.pollNow(reader, POLLIN), POLLHUP);
      equal(await t.pollNow(reader, 0), POLLHUP);
      const [secondReader, secondWriter] = await t.pipe();
      await t.close(secondReader);
      equal(await t.pollNow(secondWriter, POLLOUT), POLLOUT | POLLERR);
    },
  },
  {
    title: 'poll waits for the reader’s side and wakes when something is written',
    origin: 'poll(2)',
    async run(t) {
      const other = await t.as({ uid: 0, gid: 0 });
      await t.mknod(t.path('fifo'), S_IFIFO | 0o600);
      const reader = await t.open(t.path('fifo'), O_RDONLY | O_NONBLOCK);
      const writer = await other.open(t.path('fifo'), O_WRONLY);
      const polling = t.poll([{ fd: reader, events: POLLIN }], -1);
      isTrue(await t.isBlocked(polling), 'poll waits');
      await other.write(writer, 'x');
      equal(await polling, [POLLIN]);
      await t.readText(reader);
      const again = t.poll([{ fd: reader, events: POLLIN }], -1);
      isTrue(await t.isBlocked(again), 'poll waits');
      await other.close(writer);
      equal(await again, [POLLHUP]);
    },
  },
  {
    title: 'an interrupted poll returns EINTR',
    origin: 'poll(2), EINTR',
    async run(t) {
      const [reader] = await t.pipe();
      const polling = t.poll([{ fd: reader, events: POLLIN }], -1);
      isTrue(await t.isBlocked(polling), 'poll waits');
      await t.interrupt();
      await expectError('EINTR', polling);
    },
  },
  {
    title: 'poll ignores negative descriptors and tells of closed ones by POLLNVAL',
    origin: 'poll(2)',
    async run(t) {
      await t.createFile(t.path('file'));
      const fd = await t.open(t.path('file'), O_RDONLY);
      const wanted = [-1, 99, fd].map((each) => ({ fd: each, events: POLLIN | POLLOUT }));
      equal(await t.poll(wanted, -1), [0, POLLNVAL, POLLIN | POLLOUT]);
      equal(await t.poll([], 0), []);
    },
  },
];
