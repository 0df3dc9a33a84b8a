// fcntl(2) F_SETLK and F_GETLK: locks on ranges of a file, held by processes.

import type { Case } from '../case.ts';
import {
  F_GETLK,
  F_SETLK,
  F_UNLCK,
  F_WRLCK,
  LOCK_EX,
  LOCK_NB,
  O_CREAT,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_PATH,
  O_RDONLY,
  O_RDWR,
  O_WRONLY,
  SEEK_CUR,
  SEEK_END,
  SEEK_SET,
} from '../../../src/abi/fcntl.ts';
import { USER } from '../case.ts';
import { equal, expectError } from '../check.ts';
import { openTwice, READ, UNLOCK, WRITE } from '../locking.ts';

const PAGE = 4096;

export const recordLockCases: readonly Case[] = [
  {
    title: 'F_SETLK and F_GETLK return EBADF for a descriptor that is not open',
    origin: 'POSIX fcntl, EBADF; gVisor fcntl.cc SetLockBadFd',
    async run(t) {
      await expectError('EBADF', t.setlk(-1, F_SETLK, WRITE));
      await expectError('EBADF', t.setlk(99, F_SETLK, UNLOCK));
      await expectError('EBADF', t.getlk(99, F_GETLK, WRITE));
    },
  },
  {
    title: 'F_SETLK and F_GETLK return EBADF for an O_PATH descriptor',
    origin: 'open(2), O_PATH; gVisor fcntl.cc SetLockSymlink, SetLockWithOpath',
    async run(t) {
      await t.createFile(t.path('file'));
      await t.symlink('file', t.path('link'));
      const link = await t.open(t.path('link'), O_PATH | O_NOFOLLOW);
      const file = await t.open(t.path('file'), O_PATH);
      for (const fd of [link, file]) {
        await expectError('EBADF', t.setlk(fd, F_SETLK, READ));
        await expectError('EBADF', t.getlk(fd, F_GETLK, READ));
      }
    },
  },
  {
    title: 'F_SETLK locks a directory and a device for reading',
    origin: 'gVisor fcntl.cc SetLockDir, SetLockProc',
    async run(t) {
      await t.setlk(await t.open(t.root, O_RDONLY | O_DIRECTORY), F_SETLK, READ);
      await t.setlk(await t.open('/dev/full', O_RDONLY), F_SETLK, READ);
    },
  },
  {
    title: 'F_SETLK locks the ends of a pipe for what they are open for',
    origin: 'gVisor fcntl.cc SetLockPipe',
    async run(t) {
      const [reader, writer] = await t.pipe();
      await t.setlk(reader, F_SETLK, READ);
      await expectError('EBADF', t.setlk(reader, F_SETLK, WRITE));
      await t.setlk(writer, F_SETLK, WRITE);
      await expectError('EBADF', t.setlk(writer, F_SETLK, READ));
    },
  },
  {
    title: 'F_SETLK returns EBADF for a lock the descriptor is not open for',
    origin: 'POSIX fcntl, EBADF; gVisor fcntl.cc SetLockBadOpenFlagsWrite, SetLockBadOpenFlagsRead',
    async run(t) {
      await t.createFile(t.path('file'));
      const reader = await t.open(t.path('file'), O_RDONLY);
      const writer = await t.open(t.path('file'), O_WRONLY);
      await expectError('EBADF', t.setlk(reader, F_SETLK, WRITE));
      await expectError('EBADF', t.setlk(writer, F_SETLK, READ));
      await t.setlk(reader, F_SETLK, UNLOCK);
      // Asking needs no such right.
      equal((await t.getlk(reader, F_GETLK, WRITE)).type, F_UNLCK);
    },
  },
  {
    title: 'F_SETLK returns EINVAL for an unknown type of lock or whence',
    origin: 'POSIX fcntl, EINVAL',
    async run(t) {
      const fd = await t.open(t.path('file'), O_RDWR | O_CREAT);
      await expectError('EINVAL', t.setlk(fd, F_SETLK, { type: 7 }));
      await expectError('EINVAL', t.setlk(fd, F_SETLK, { ...WRITE, whence: 9 }));
      await expectError('EINVAL', t.getlk(fd, F_GETLK, { type: 7 }));
      await expectError('EINVAL', t.getlk(fd, F_GETLK, UNLOCK));
      await expectError('EINVAL', t.getlk(fd, F_GETLK, { ...WRITE, whence: 9 }));
    },
  },
  {
    title: 'F_SETLK returns EINVAL for a range that begins before the file',
    origin: 'POSIX fcntl, EINVAL',
    async run(t) {
      const fd = await t.open(t.path('file'), O_RDWR | O_CREAT);
      await expectError('EINVAL', t.setlk(fd, F_SETLK, { ...WRITE, start: -1 }));
      await expectError('EINVAL', t.setlk(fd, F_SETLK, { ...WRITE, start: 5, length: -6 }));
      await expectError(
        'EINVAL',
        t.setlk(fd, F_SETLK, { ...WRITE, whence: SEEK_CUR, start: -1, length: 5 }),
      );
      await t.setlk(fd, F_SETLK, { ...WRITE, start: 5, length: -5 });
    },
  },
  {
    title: 'F_SETLK and F_GETLK return EOVERFLOW for a range that ends beyond every offset',
    origin: 'POSIX fcntl, EOVERFLOW',
    async run(t) {
      const fd = await t.open(t.path('file'), O_RDWR | O_CREAT);
      const range = { ...WRITE, start: 2 ** 63 - 1024, length: 4096 };
      await expectError('EOVERFLOW', t.setlk(fd, F_SETLK, range));
      await expectError('EOVERFLOW', t.getlk(fd, F_GETLK, range));
    },
  },
  {
    title: 'F_SETLK checks the range before the access mode',
    origin: 'Linux: fs/locks.c fcntl_setlk()',
    async run(t) {
      await t.createFile(t.path('file'));
      const fd = await t.open(t.path('file'), O_RDONLY);
      await expectError('EINVAL', t.setlk(fd, F_SETLK, { ...WRITE, start: -1 }));
    },
  },
  {
    title: 'unlocking a range that is not locked succeeds',
    origin: 'gVisor fcntl.cc SetLockUnlockOnNothing',
    async run(t) {
      const fd = await t.open(t.path('file'), O_RDWR | O_CREAT);
      await t.setlk(fd, F_SETLK, UNLOCK);
      await t.setlk(fd, F_SETLK, { ...UNLOCK, start: 100, length: 5 });
    },
  },
  {
    title: 'a process that holds a lock locks the same range again, through any descriptor',
    origin: 'POSIX fcntl; gVisor fcntl.cc SetWriteLockSingleProc',
    async run(t) {
      const fd = await t.open(t.path('file'), O_RDWR | O_CREAT);
      const second = await t.open(t.path('file'), O_RDWR);
      await t.setlk(fd, F_SETLK, WRITE);
      await t.setlk(fd, F_SETLK, WRITE);
      await t.setlk(second, F_SETLK, WRITE);
      await t.setlk(second, F_SETLK, READ);
    },
  },
  {
    title: 'two processes hold a read lock on the same range',
    origin: 'POSIX fcntl, F_RDLCK; gVisor fcntl.cc SetReadLockMultiProc',
    async run(t) {
      const other = await t.as(USER);
      const [mine, theirs] = await openTwice(t, t.path('file'), other);
      await t.setlk(mine, F_SETLK, READ);
      await other.setlk(theirs, F_SETLK, READ);
      await expectError('EAGAIN', t.setlk(mine, F_SETLK, WRITE));
    },
  },
  ...(
    [
      ['write', 'read', READ, WRITE, 'SetReadThenWriteLockMultiProc'],
      ['read', 'write', WRITE, READ, 'SetWriteThenReadLockMultiProc'],
      ['write', 'write', WRITE, WRITE, 'SetWriteLockMultiProc'],
    ] as const
  ).map(([wanted, held, first, second, test]): Case => ({
    title: `F_SETLK for a ${wanted} lock returns EAGAIN beside another process’s ${held} lock`,
    origin: `POSIX fcntl, EAGAIN; gVisor fcntl.cc ${test}`,
    async run(t) {
      const other = await t.as(USER);
      const [mine, theirs] = await openTwice(t, t.path('file'), other);
      await t.setlk(mine, F_SETLK, first);
      await expectError('EAGAIN', other.setlk(theirs, F_SETLK, second));
      await t.close(mine);
      await other.setlk(theirs, F_SETLK, second);
    },
  })),
  {
    title: 'a lock holds for its bytes only',
    origin: 'POSIX fcntl; gVisor fcntl.cc SetLockIsRegional',
    async run(t) {
      const other = await t.as(USER);
      const [mine, theirs] = await openTwice(t, t.path('file'), other);
      await t.setlk(mine, F_SETLK, { ...WRITE, length: PAGE });
      await other.setlk(theirs, F_SETLK, { ...WRITE, start: PAGE });
      await expectError(
        'EAGAIN',
        other.setlk(theirs, F_SETLK, { ...READ, start: PAGE - 1, length: 1 }),
      );
    },
  },
  {
    title: 'a lock of length 0 reaches beyond whatever the file becomes',
    origin: 'POSIX fcntl, l_len',
    async run(t) {
      const other = await t.as(USER);
      const [mine, theirs] = await openTwice(t, t.path('file'), other);
      await t.setlk(mine, F_SETLK, { ...WRITE, start: 10 });
      const far = { ...READ, start: 2 ** 40, length: 1 };
      await expectError('EAGAIN', other.setlk(theirs, F_SETLK, far));
      await other.setlk(theirs, F_SETLK, { ...WRITE, length: 10 });
    },
  },
  {
    title: 'a negative length locks the bytes before the start',
    origin: 'POSIX fcntl, l_len',
    async run(t) {
      const other = await t.as(USER);
      const [mine, theirs] = await openTwice(t, t.path('file'), other);
      await t.setlk(mine, F_SETLK, { ...WRITE, start: 10, length: -4 });
      const found = await other.getlk(theirs, F_GETLK, WRITE);
      equal([found.type, found.start, found.length], [F_WRLCK, 6, 4]);
    },
  },
  {
    title: 'a range counts from the offset with SEEK_CUR and from the size with SEEK_END',
    origin: 'POSIX fcntl, l_whence',
    async run(t) {
      const other = await t.as(USER);
      const [mine, theirs] = await openTwice(t, t.path('file'), other);
      await t.write(mine, '0123456789');
      await t.lseek(mine, 4, SEEK_SET);
      await t.setlk(mine, F_SETLK, { ...WRITE, whence: SEEK_CUR, start: 1, length: 2 });
      let found = await other.getlk(theirs, F_GETLK, READ);
      equal([found.whence, found.start, found.length], [SEEK_SET, 5, 2]);
      await t.setlk(mine, F_SETLK, UNLOCK);
      await t.setlk(mine, F_SETLK, { ...WRITE, whence: SEEK_END, start: -3, length: 2 });
      found = await other.getlk(theirs, F_GETLK, READ);
      equal([found.start, found.length], [7, 2]);
    },
  },
  {
    title: 'a lock changes its type in place, for all of its range or part of it',
    origin: 'POSIX fcntl; gVisor fcntl.cc SetLockUpgradeDowngrade',
    async run(t) {
      const other = await t.as(USER);
      const [mine, theirs] = await openTwice(t, t.path('file'), other);
      await t.setlk(mine, F_SETLK, READ);
      await t.setlk(mine, F_SETLK, WRITE);
      await expectError('EAGAIN', other.setlk(theirs, F_SETLK, READ));
      await t.setlk(mine, F_SETLK, { ...READ, start: 100, length: 10 });
      await other.setlk(theirs, F_SETLK, { ...READ, start: 100, length: 10 });
      await expectError('EAGAIN', other.setlk(theirs, F_SETLK, { ...READ, start: 99, length: 1 }));
      await expectError('EAGAIN', other.setlk(theirs, F_SETLK, { ...READ, start: 110, length: 1 }));
    },
  },
  {
    title: 'unlocking the middle of a range leaves both ends locked',
    origin: 'POSIX fcntl, F_UNLCK',
    async run(t) {
      const other = await t.as(USER);
      const [mine, theirs] = await openTwice(t, t.path('file'), other);
      await t.setlk(mine, F_SETLK, { ...WRITE, length: 30 });
      await t.setlk(mine, F_SETLK, { ...UNLOCK, start: 10, length: 10 });
      await other.setlk(theirs, F_SETLK, { ...WRITE, start: 10, length: 10 });
      let found = await other.getlk(theirs, F_GETLK, WRITE);
      equal([found.start, found.length], [0, 10]);
      found = await other.getlk(theirs, F_GETLK, { ...WRITE, start: 20 });
      equal([found.start, found.length], [20, 10]);
    },
  },
  {
    title: 'adjacent locks of a process become one',
    origin: 'Linux: fs/locks.c posix_lock_inode()',
    async run(t) {
      const other = await t.as(USER);
      const [mine, theirs] = await openTwice(t, t.path('file'), other);
      await t.setlk(mine, F_SETLK, { ...WRITE, length: 10 });
      await t.setlk(mine, F_SETLK, { ...WRITE, start: 20, length: 10 });
      await t.setlk(mine, F_SETLK, { ...WRITE, start: 10, length: 10 });
      const found = await other.getlk(theirs, F_GETLK, WRITE);
      equal([found.start, found.length], [0, 30]);
    },
  },
  {
    title: 'a request that conflicts anywhere changes nothing',
    origin: 'POSIX fcntl, EAGAIN',
    async run(t) {
      const other = await t.as(USER);
      const [mine, theirs] = await openTwice(t, t.path('file'), other);
      await t.setlk(mine, F_SETLK, { ...WRITE, start: 50, length: 1 });
      await other.setlk(theirs, F_SETLK, { ...READ, length: 10 });
      await expectError('EAGAIN', other.setlk(theirs, F_SETLK, { ...WRITE, length: 100 }));
      await t.setlk(mine, F_SETLK, { ...READ, length: 10 });
      await t.setlk(mine, F_SETLK, { ...WRITE, start: 10, length: 40 });
    },
  },
  {
    title: 'closing any descriptor of the file drops the locks of the process',
    origin: 'POSIX close; gVisor fcntl.cc SetLockDroppedOnClose',
    async run(t) {
      const other = await t.as(USER);
      const [mine, theirs] = await openTwice(t, t.path('file'), other);
      await t.setlk(mine, F_SETLK, WRITE);
      await expectError('EAGAIN', other.setlk(theirs, F_SETLK, WRITE));
      await t.close(await t.open(t.path('file'), O_RDONLY));
      await other.setlk(theirs, F_SETLK, WRITE);
    },
  },
  {
    title: 'closing a dup’ed descriptor, or dup3 over it, drops the locks of the process',
    origin: 'POSIX close, dup2',
    async run(t) {
      const other = await t.as(USER);
      const [mine, theirs] = await openTwice(t, t.path('file'), other);
      await t.setlk(mine, F_SETLK, WRITE);
      await t.close(await t.dup(mine));
      await other.setlk(theirs, F_SETLK, WRITE);
      await other.setlk(theirs, F_SETLK, UNLOCK);
      await t.setlk(mine, F_SETLK, WRITE);
      const copy = await t.dup(mine);
      await t.dup3(await t.open(t.path('else'), O_RDWR | O_CREAT), copy, 0);
      await other.setlk(theirs, F_SETLK, WRITE);
    },
  },
  {
    title: 'closing one’s descriptors drops no locks of another process',
    origin: 'POSIX close',
    async run(t) {
      const other = await t.as(USER);
      const [mine, theirs] = await openTwice(t, t.path('file'), other);
      await t.setlk(mine, F_SETLK, WRITE);
      await other.close(theirs);
      const again = await other.open(t.path('file'), O_RDWR);
      await expectError('EAGAIN', other.setlk(again, F_SETLK, READ));
    },
  },
  {
    title: 'a range with two locks becomes free part by part',
    origin: 'POSIX fcntl; gVisor fcntl.cc SetLockUnlock',
    async run(t) {
      const other = await t.as(USER);
      const [mine, theirs] = await openTwice(t, t.path('file'), other);
      await t.setlk(mine, F_SETLK, { ...WRITE, length: PAGE });
      await t.setlk(mine, F_SETLK, { ...READ, start: PAGE });
      await expectError('EAGAIN', other.setlk(theirs, F_SETLK, READ));
      await t.setlk(mine, F_SETLK, { ...UNLOCK, length: PAGE });
      await other.setlk(theirs, F_SETLK, READ);
    },
  },
  {
    title: 'a lock on a range follows the file through a rename',
    origin: 'gVisor fcntl.cc SetLockAcrossRename',
    async run(t) {
      const other = await t.as(USER);
      const [mine] = await openTwice(t, t.path('file'), other);
      await t.setlk(mine, F_SETLK, WRITE);
      await t.rename(t.path('file'), t.path('moved'));
      const theirs = await other.open(t.path('moved'), O_RDWR);
      await expectError('EAGAIN', other.setlk(theirs, F_SETLK, WRITE));
    },
  },
  {
    title: 'flock and F_SETLK know nothing of each other',
    origin: 'flock(2), NOTES',
    async run(t) {
      const other = await t.as(USER);
      const [mine, theirs] = await openTwice(t, t.path('file'), other);
      await t.flock(mine, LOCK_EX | LOCK_NB);
      await other.setlk(theirs, F_SETLK, WRITE);
      equal((await t.getlk(mine, F_GETLK, READ)).type, F_WRLCK);
    },
  },
];
