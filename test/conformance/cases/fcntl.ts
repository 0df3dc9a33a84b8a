// fcntl(2): F_DUPFD, the flags of a descriptor, and O_ASYNC.

import type { Case } from '../case.ts';
import {
  FD_CLOEXEC,
  O_ASYNC,
  O_CLOEXEC,
  O_CREAT,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_PATH,
  O_RDONLY,
  O_RDWR,
} from '../../../src/abi/fcntl.ts';
import { equal, expectError } from '../check.ts';

export const dupfdCases: readonly Case[] = [
  {
    title: 'F_DUPFD takes the lowest free descriptor from the given one on',
    origin: 'POSIX fcntl, F_DUPFD',
    async run(t) {
      const fd = await t.open(t.path('file'), O_RDWR | O_CREAT);
      equal(await t.dupfd(fd, 0), fd + 1);
      equal(await t.dupfd(fd, 20), 20);
      equal(await t.dupfd(fd, 20), 21);
      await t.close(20);
      equal(await t.dupfd(fd, 10), 10);
      equal(await t.dupfd(fd, 20), 20);
    },
  },
  {
    title: 'F_DUPFD shares the description and not the flags of the descriptor',
    origin: 'POSIX fcntl, F_DUPFD',
    async run(t) {
      const fd = await t.open(t.path('file'), O_RDWR | O_CREAT | O_CLOEXEC);
      const copy = await t.dupfd(fd, 0);
      await t.write(fd, 'text');
      equal(await t.lseek(copy, 0, 1), 4);
      equal([await t.getfd(fd), await t.getfd(copy)], [FD_CLOEXEC, 0]);
    },
  },
  {
    title: 'F_DUPFD returns EBADF for no descriptor and EINVAL for one that can’t be',
    origin: 'POSIX fcntl, EBADF, EINVAL',
    async run(t) {
      const fd = await t.open(t.path('file'), O_RDWR | O_CREAT);
      await expectError('EBADF', t.dupfd(99, 0));
      await expectError('EBADF', t.dupfd(-1, 0));
      await expectError('EINVAL', t.dupfd(fd, -1));
      await expectError('EINVAL', t.dupfd(fd, 2 ** 30));
    },
  },
  {
    title: 'F_DUPFD of an O_PATH descriptor gives another one',
    origin: 'open(2), O_PATH; gVisor fcntl.cc FcntlDupWithOpath',
    async run(t) {
      await t.createFile(t.path('file'));
      const fd = await t.open(t.path('file'), O_PATH);
      const copy = await t.dupfd(fd, 0);
      equal((await t.fstat(copy)).ino, (await t.fstat(fd)).ino);
      equal(await t.getfl(copy), O_PATH);
    },
  },
  {
    title: 'F_DUPFD_CLOEXEC sets the flag of the new descriptor, of an O_PATH one too',
    origin: 'POSIX fcntl, F_DUPFD_CLOEXEC; gVisor fcntl.cc DupFDCloExecWithOpath',
    async run(t) {
      await t.createFile(t.path('file'));
      for (const flags of [O_RDONLY, O_PATH]) {
        const fd = await t.open(t.path('file'), flags);
        const copy = await t.dupfd(fd, 0, O_CLOEXEC);
        equal([await t.getfd(fd), await t.getfd(copy)], [0, FD_CLOEXEC]);
      }
    },
  },
];

export const descriptorFlagCases: readonly Case[] = [
  {
    title: 'F_GETFD and F_SETFD return EBADF for no descriptor',
    origin: 'POSIX fcntl, EBADF; gVisor fcntl.cc SetCloExecBadFD',
    async run(t) {
      const fd = await t.open(t.path('file'), O_RDWR | O_CREAT);
      await t.close(fd);
      for (const closed of [fd, -1]) {
        await expectError('EBADF', t.getfd(closed));
        await expectError('EBADF', t.setfd(closed, FD_CLOEXEC));
      }
    },
  },
  {
    title: 'FD_CLOEXEC is set and cleared, on an O_PATH descriptor too',
    origin: 'POSIX fcntl, F_SETFD; gVisor fcntl.cc SetCloExec, ClearCloExec, SetCloExecWithOpath',
    async run(t) {
      await t.createFile(t.path('file'));
      for (const flags of [O_RDONLY, O_PATH]) {
        const fd = await t.open(t.path('file'), flags);
        equal(await t.getfd(fd), 0);
        await t.setfd(fd, FD_CLOEXEC);
        equal(await t.getfd(fd), FD_CLOEXEC);
        await t.setfd(fd, 0);
        equal(await t.getfd(fd), 0);
      }
    },
  },
  {
    title: 'F_SETFD knows no other flag',
    origin: 'Linux: fs/fcntl.c do_fcntl()',
    async run(t) {
      const fd = await t.open(t.path('file'), O_RDWR | O_CREAT);
      await t.setfd(fd, 0xff0 | FD_CLOEXEC);
      equal(await t.getfd(fd), FD_CLOEXEC);
      await t.setfd(fd, 0xff0);
      equal(await t.getfd(fd), 0);
    },
  },
  {
    title: 'each descriptor of a description has flags of its own',
    origin: 'POSIX fcntl, F_SETFD; gVisor fcntl.cc IndependentDescriptorFlags',
    async run(t) {
      const fd = await t.open(t.path('file'), O_RDWR | O_CREAT);
      const copy = await t.dup(fd);
      await t.setfd(copy, FD_CLOEXEC);
      equal([await t.getfd(fd), await t.getfd(copy)], [0, FD_CLOEXEC]);
      await t.setfd(fd, FD_CLOEXEC);
      await t.setfd(copy, 0);
      equal([await t.getfd(fd), await t.getfd(copy)], [FD_CLOEXEC, 0]);
    },
  },
  {
    title: 'open and dup3 set FD_CLOEXEC with O_CLOEXEC, which F_GETFL does not report',
    origin: 'open(2), O_CLOEXEC; dup3(2)',
    async run(t) {
      const fd = await t.open(t.path('file'), O_RDWR | O_CREAT | O_CLOEXEC);
      equal([await t.getfd(fd), (await t.getfl(fd)) & O_CLOEXEC], [FD_CLOEXEC, 0]);
      equal(await t.getfd(await t.dup3(fd, 30, O_CLOEXEC)), FD_CLOEXEC);
      equal(await t.getfd(await t.dup3(fd, 31, 0)), 0);
      equal(await t.getfd(await t.dup(fd)), 0);
    },
  },
  {
    title: 'F_SETFL returns EBADF for an O_PATH descriptor',
    origin: 'open(2), O_PATH; gVisor fcntl.cc SetFileStatusFlagWithOpath, BadFcntlsWithOpath',
    async run(t) {
      const dir = await t.open(t.root, O_PATH | O_DIRECTORY | O_NOFOLLOW);
      await expectError('EBADF', t.setfl(dir, O_NONBLOCK));
      equal(await t.getfl(dir), O_PATH | O_DIRECTORY | O_NOFOLLOW);
      await expectError('EBADF', t.fionread(dir));
    },
  },
];

export const asyncFlagCases: readonly Case[] = [
  {
    title: 'O_ASYNC of a pipe is off at first, is set by F_SETFL, and is shared by dup’ed ones',
    origin: 'fcntl(2), F_SETFL; gVisor fcntl.cc GetO_ASYNC, SetFlO_ASYNC, DupAfterO_ASYNC',
    async run(t) {
      const [reader, writer] = await t.pipe();
      equal((await t.getfl(reader)) & O_ASYNC, 0);
      const copy = await t.dup(reader);
      await t.setfl(reader, O_ASYNC);
      equal((await t.getfl(reader)) & O_ASYNC, O_ASYNC);
      equal((await t.getfl(copy)) & O_ASYNC, O_ASYNC);
      equal((await t.getfl(await t.dup(reader))) & O_ASYNC, O_ASYNC);
      equal((await t.getfl(writer)) & O_ASYNC, 0);
      await t.setfl(copy, 0);
      equal((await t.getfl(reader)) & O_ASYNC, 0);
    },
  },
  {
    title: 'F_SETFD does not set O_ASYNC',
    origin: 'fcntl(2), F_SETFD; gVisor fcntl.cc SetFdO_ASYNC',
    async run(t) {
      const [reader] = await t.pipe();
      await t.setfd(reader, O_ASYNC);
      equal((await t.getfl(reader)) & O_ASYNC, 0);
    },
  },
  {
    title: 'F_SETFL accepts O_ASYNC for a file, where it means nothing',
    origin: 'fcntl(2), F_SETFL; gVisor fcntl.cc RegularFileOAsync',
    async run(t) {
      const fd = await t.open(t.path('file'), O_RDWR | O_CREAT);
      await t.setfl(fd, O_ASYNC);
      equal(await t.write(fd, 'text'), 4);
    },
  },
];
