// fcntl(2) F_GETLK, which tells of the lock in one's way, and F_SETLKW, which waits for it.

import type { Case } from '../case.ts';
import {
  F_GETLK,
  F_RDLCK,
  F_SETLK,
  F_SETLKW,
  F_UNLCK,
  F_WRLCK,
  O_CREAT,
  O_RDWR,
  SEEK_SET,
} from '../../../src/abi/fcntl.ts';
import type { Flock } from '../../../src/syscalls/table.ts';
import { OTHER, USER } from '../case.ts';
import { equal, expectError, isTrue } from '../check.ts';
import { openTwice, READ, UNLOCK, WRITE } from '../locking.ts';

export const getlkCases: readonly Case[] = [
  {
    title: 'F_GETLK finds nothing in the way of a lock on a file without locks',
    origin: 'POSIX fcntl, F_GETLK; gVisor fcntl.cc GetLockOnNothing',
    async run(t) {
      const fd = await t.open(t.path('file'), O_RDWR | O_CREAT);
      const asked: Flock = { type: F_WRLCK, whence: SEEK_SET, start: 3, length: 7, pid: 5 };
      // The rest of the record stays as it was.
      equal(await t.getlk(fd, F_GETLK, asked), { ...asked, type: F_UNLCK });
    },
  },
  {
    title: 'the locks of a process are not in its own way',
    origin: 'POSIX fcntl, F_GETLK; gVisor fcntl.cc GetLockOnLockSameProcess',
    async run(t) {
      const fd = await t.open(t.path('file'), O_RDWR | O_CREAT);
      for (const held of [READ, WRITE]) {
        await t.setlk(fd, F_SETLK, held);
        equal((await t.getlk(fd, F_GETLK, READ)).type, F_UNLCK);
        equal((await t.getlk(fd, F_GETLK, WRITE)).type, F_UNLCK);
      }
    },
  },
  {
    title: 'a read lock is not in the way of another one',
    origin: 'POSIX fcntl, F_GETLK; gVisor fcntl.cc GetReadLockOnReadLock',
    async run(t) {
      const other = await t.as(USER);
      await t.createFile(t.path('file'), '', 0o666);
      await t.setlk(await t.open(t.path('file'), O_RDWR), F_SETLK, READ);
      const fd = await other.open(t.path('file'), O_RDWR);
      equal((await other.getlk(fd, F_GETLK, READ)).type, F_UNLCK);
    },
  },
  {
    title: 'F_GETLK tells the type, range and holder of the lock in the way',
    origin:
      'POSIX fcntl, F_GETLK; gVisor fcntl.cc GetReadLockOnWriteLock, ' +
      'GetWriteLockOnWriteLock, GetWriteLockOnReadLock',
    async run(t) {
      const other = await t.as(USER);
      const [mine, theirs] = await openTwice(t, t.path('file'), other);
      const pid = await t.getpid();
      const range = { whence: SEEK_SET, start: 10, length: 5 };
      for (const [held, wanted] of [
        [F_WRLCK, F_RDLCK],
        [F_WRLCK, F_WRLCK],
        [F_RDLCK, F_WRLCK],
      ] as const) {
        await t.setlk(mine, F_SETLK, { type: held, ...range });
        const found = await other.getlk(theirs, F_GETLK, { type: wanted, start: 12 });
        equal(found, { type: held, ...range, pid });
      }
    },
  },
  {
    title: 'F_GETLK tells of a lock to the end of the file with length 0',
    origin: 'POSIX fcntl, l_len',
    async run(t) {
      const other = await t.as(USER);
      await t.createFile(t.path('file'), '', 0o666);
      await t.setlk(await t.open(t.path('file'), O_RDWR), F_SETLK, { ...WRITE, start: 7 });
      const fd = await other.open(t.path('file'), O_RDWR);
      const found = await other.getlk(fd, F_GETLK, { ...READ, length: 100 });
      equal([found.start, found.length], [7, 0]);
    },
  },
  {
    title: 'F_GETLK tells of the first lock in the way',
    origin: 'Linux: fs/locks.c posix_test_lock()',
    async run(t) {
      const other = await t.as(USER);
      await t.createFile(t.path('file'), '', 0o666);
      const mine = await t.open(t.path('file'), O_RDWR);
      for (const start of [30, 10, 20]) {
        await t.setlk(mine, F_SETLK, { ...WRITE, start, length: 1 });
      }
      const fd = await other.open(t.path('file'), O_RDWR);
      equal((await other.getlk(fd, F_GETLK, WRITE)).start, 10);
      equal((await other.getlk(fd, F_GETLK, { ...WRITE, start: 11 })).start, 20);
    },
  },
];

export const setlkwCases: readonly Case[] = [
  ...(
    [
      ['write', 'write', WRITE, WRITE, 'SetWriteLockThenBlockingWriteLock'],
      ['write', 'read', READ, WRITE, 'SetReadLockThenBlockingWriteLock'],
      ['read', 'write', WRITE, READ, 'SetWriteLockThenBlockingReadLock'],
    ] as const
  ).map(([wanted, held, first, second, test]): Case => ({
    title: `F_SETLKW waits with a ${wanted} lock until the ${held} lock is unlocked`,
    origin: `POSIX fcntl, F_SETLKW; gVisor fcntl.cc ${test}`,
    async run(t) {
      const other = await t.as(USER);
      const [mine, theirs] = await openTwice(t, t.path('file'), other);
      await t.setlk(mine, F_SETLK, first);
      const locking = other.setlk(theirs, F_SETLKW, second);
      isTrue(await other.isBlocked(locking), 'the lock is waited for');
      await t.setlk(mine, F_SETLK, UNLOCK);
      await locking;
      await expectError('EAGAIN', t.setlk(mine, F_SETLK, WRITE));
    },
  })),
  {
    title: 'F_SETLKW does not wait for those who read',
    origin: 'POSIX fcntl, F_SETLKW; gVisor fcntl.cc SetReadLockThenBlockingReadLock',
    async run(t) {
      const other = await t.as(USER);
      await t.createFile(t.path('file'), '', 0o666);
      await t.setlk(await t.open(t.path('file'), O_RDWR), F_SETLK, READ);
      await other.setlk(await other.open(t.path('file'), O_RDWR), F_SETLKW, READ);
    },
  },
  {
    title: 'F_SETLKW waits until the holder closes the file',
    origin: 'POSIX fcntl, F_SETLKW; POSIX close',
    async run(t) {
      const other = await t.as(USER);
      await t.createFile(t.path('file'), '', 0o666);
      const mine = await t.open(t.path('file'), O_RDWR);
      await t.setlk(mine, F_SETLK, WRITE);
      const locking = other.setlk(await other.open(t.path('file'), O_RDWR), F_SETLKW, WRITE);
      isTrue(await other.isBlocked(locking), 'the lock is waited for');
      await t.close(mine);
      await locking;
    },
  },
  {
    title: 'F_SETLKW waits until every part of the range is free',
    origin: 'POSIX fcntl, F_SETLKW',
    async run(t) {
      const other = await t.as(USER);
      const [mine, theirs] = await openTwice(t, t.path('file'), other);
      await t.setlk(mine, F_SETLK, { ...WRITE, length: 10 });
      await t.setlk(mine, F_SETLK, { ...WRITE, start: 90, length: 10 });
      const locking = other.setlk(theirs, F_SETLKW, { ...WRITE, length: 100 });
      isTrue(await other.isBlocked(locking), 'the lock is waited for');
      await t.setlk(mine, F_SETLK, { ...UNLOCK, length: 10 });
      isTrue(await other.isBlocked(locking), 'the rest is waited for');
      // What waits holds nothing yet.
      await t.setlk(mine, F_SETLK, { ...WRITE, start: 40, length: 1 });
      await t.setlk(mine, F_SETLK, UNLOCK);
      await locking;
    },
  },
  {
    title: 'a downgrade lets in readers who wait',
    origin: 'POSIX fcntl, F_SETLKW',
    async run(t) {
      const other = await t.as(USER);
      await t.createFile(t.path('file'), '', 0o666);
      const mine = await t.open(t.path('file'), O_RDWR);
      await t.setlk(mine, F_SETLK, WRITE);
      const locking = other.setlk(await other.open(t.path('file'), O_RDWR), F_SETLKW, READ);
      isTrue(await other.isBlocked(locking), 'the lock is waited for');
      await t.setlk(mine, F_SETLK, READ);
      await locking;
    },
  },
  {
    title: 'an interrupted F_SETLKW returns EINTR and holds nothing',
    origin: 'POSIX fcntl, EINTR',
    async run(t) {
      const other = await t.as(USER);
      const [mine, theirs] = await openTwice(t, t.path('file'), other);
      await t.setlk(mine, F_SETLK, WRITE);
      const locking = other.setlk(theirs, F_SETLKW, WRITE);
      isTrue(await other.isBlocked(locking), 'the lock is waited for');
      await other.interrupt();
      await expectError('EINTR', locking);
      await t.setlk(mine, F_SETLK, UNLOCK);
      equal((await t.getlk(mine, F_GETLK, WRITE)).type, F_UNLCK);
    },
  },
  {
    title: 'F_SETLKW returns EDEADLK when two processes would wait for each other',
    origin: 'POSIX fcntl, EDEADLK',
    async run(t) {
      const other = await t.as(USER);
      const [mine, theirs] = await openTwice(t, t.path('file'), other);
      await t.setlk(mine, F_SETLK, { ...WRITE, length: 1 });
      await other.setlk(theirs, F_SETLK, { ...WRITE, start: 1, length: 1 });
      const locking = t.setlk(mine, F_SETLKW, { ...WRITE, start: 1, length: 1 });
      isTrue(await t.isBlocked(locking), 'the first waits');
      await expectError('EDEADLK', other.setlk(theirs, F_SETLKW, { ...WRITE, length: 1 }));
      // F_SETLK waits for nobody.
      await expectError('EAGAIN', other.setlk(theirs, F_SETLK, { ...WRITE, length: 1 }));
      await other.setlk(theirs, F_SETLK, UNLOCK);
      await locking;
    },
  },
  {
    title: 'F_SETLKW returns EDEADLK for a circle of three processes over two files',
    origin: 'POSIX fcntl, EDEADLK; Linux: fs/locks.c posix_locks_deadlock()',
    async run(t) {
      const [second, third] = [await t.as(USER), await t.as(OTHER)];
      await t.createFile(t.path('a'), '', 0o666);
      await t.createFile(t.path('b'), '', 0o666);
      const byte = (start: number) => ({ ...WRITE, start, length: 1 });
      const a1 = await t.open(t.path('a'), O_RDWR);
      const a2 = await second.open(t.path('a'), O_RDWR);
      const b2 = await second.open(t.path('b'), O_RDWR);
      const a3 = await third.open(t.path('a'), O_RDWR);
      const b3 = await third.open(t.path('b'), O_RDWR);
      await t.setlk(a1, F_SETLK, byte(0));
      await second.setlk(a2, F_SETLK, byte(1));
      await third.setlk(b3, F_SETLK, byte(0));
      const firstWaits = t.setlk(a1, F_SETLKW, byte(1));
      isTrue(await t.isBlocked(firstWaits), 'the first waits for the second');
      const secondWaits = second.setlk(b2, F_SETLKW, byte(0));
      isTrue(await second.isBlocked(secondWaits), 'the second waits for the third');
      await expectError('EDEADLK', third.setlk(a3, F_SETLKW, byte(0)));
      await third.setlk(b3, F_SETLK, UNLOCK);
      await secondWaits;
      await second.setlk(a2, F_SETLK, UNLOCK);
      await firstWaits;
    },
  },
  {
    title: 'two read locks that both wait to become write locks are a deadlock',
    origin: 'POSIX fcntl, EDEADLK',
    async run(t) {
      const other = await t.as(USER);
      const [mine, theirs] = await openTwice(t, t.path('file'), other);
      await t.setlk(mine, F_SETLK, READ);
      await other.setlk(theirs, F_SETLK, READ);
      const locking = t.setlk(mine, F_SETLKW, WRITE);
      isTrue(await t.isBlocked(locking), 'the first waits');
      await expectError('EDEADLK', other.setlk(theirs, F_SETLKW, WRITE));
      // Both still hold what they had.
      await expectError('EAGAIN', other.setlk(theirs, F_SETLK, WRITE));
      await other.setlk(theirs, F_SETLK, UNLOCK);
      await locking;
    },
  },
];
