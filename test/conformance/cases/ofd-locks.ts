// fcntl(2) F_OFD_SETLK and its kin: locks on ranges, held by open file descriptions.

import type { Case } from '../case.ts';
import {
  F_GETLK,
  F_OFD_GETLK,
  F_OFD_SETLK,
  F_OFD_SETLKW,
  F_RDLCK,
  F_SETLK,
  F_SETLKW,
  F_UNLCK,
  F_WRLCK,
  O_CREAT,
  O_PATH,
  O_RDONLY,
  O_RDWR,
} from '../../../src/abi/fcntl.ts';
import { USER } from '../case.ts';
import { equal, expectError, isTrue } from '../check.ts';
import { openTwice, READ, UNLOCK, WRITE } from '../locking.ts';

export const ofdLockCases: readonly Case[] = [
  {
    title: 'a lock of an open file description keeps out another one of the same process',
    origin: 'fcntl(2), F_OFD_SETLK; gVisor fcntl.cc TestOFDBasicLock',
    async run(t) {
      const a = await t.open(t.path('file'), O_RDWR | O_CREAT);
      const b = await t.open(t.path('file'), O_RDWR);
      await t.setlk(a, F_OFD_SETLK, WRITE);
      await expectError('EAGAIN', t.setlk(b, F_OFD_SETLK, WRITE));
      await expectError('EAGAIN', t.setlk(b, F_OFD_SETLK, READ));
      await t.setlk(a, F_OFD_SETLK, UNLOCK);
      await t.setlk(b, F_OFD_SETLK, WRITE);
    },
  },
  {
    title: 'F_OFD_SETLK, F_OFD_SETLKW and F_OFD_GETLK return EINVAL for a pid that is not 0',
    origin: 'fcntl(2), EINVAL; gVisor fcntl.cc TestOFDLockNonZeroPidFails',
    async run(t) {
      const fd = await t.open(t.path('file'), O_RDWR | O_CREAT);
      await expectError('EINVAL', t.setlk(fd, F_OFD_SETLK, { ...WRITE, pid: 1 }));
      await expectError('EINVAL', t.setlk(fd, F_OFD_SETLKW, { ...WRITE, pid: 1 }));
      await expectError('EINVAL', t.getlk(fd, F_OFD_GETLK, { ...WRITE, pid: 1 }));
    },
  },
  {
    title: 'closing one description gives up only its own locks',
    origin: 'fcntl(2); gVisor fcntl.cc TestOFDNoUnlockOnClose',
    async run(t) {
      const a = await t.open(t.path('file'), O_RDWR | O_CREAT);
      const b = await t.open(t.path('file'), O_RDWR);
      const c = await t.open(t.path('file'), O_RDWR);
      await t.setlk(a, F_OFD_SETLK, READ);
      await t.setlk(b, F_OFD_SETLK, { ...READ, start: 5, length: 5 });
      await t.close(a);
      const found = await t.getlk(c, F_OFD_GETLK, WRITE);
      equal([found.type, found.start, found.length], [F_RDLCK, 5, 5]);
    },
  },
  {
    title: 'the last close of a description gives up its locks',
    origin: 'fcntl(2); gVisor fcntl.cc TestOFDUnlocksOnLastClose, TestOFDInheritsLockAfterDup',
    async run(t) {
      const a = await t.open(t.path('file'), O_RDWR | O_CREAT);
      const copy = await t.dup(a);
      const b = await t.open(t.path('file'), O_RDWR);
      await t.setlk(a, F_OFD_SETLK, WRITE);
      await t.close(a);
      await expectError('EAGAIN', t.setlk(b, F_OFD_SETLK, WRITE));
      await t.close(copy);
      equal((await t.getlk(b, F_OFD_GETLK, WRITE)).type, F_UNLCK);
    },
  },
  {
    title: 'locks of descriptions and of processes keep each other out',
    origin: 'fcntl(2); gVisor fcntl.cc TestOFDLocksHoldAfterExec',
    async run(t) {
      const other = await t.as(USER);
      const [mine, theirs] = await openTwice(t, t.path('file'), other);
      await t.setlk(mine, F_OFD_SETLK, { ...WRITE, start: 10, length: 10 });
      await expectError('EAGAIN', other.setlk(theirs, F_SETLK, READ));
      // Even within one process, and for one descriptor.
      await expectError('EAGAIN', t.setlk(mine, F_SETLK, READ));
      await t.setlk(mine, F_SETLK, { ...WRITE, length: 10 });
      await expectError('EAGAIN', t.setlk(mine, F_OFD_SETLK, { ...READ, length: 10 }));
    },
  },
  {
    title: 'a lock of a description is reported with pid -1',
    origin: 'fcntl(2), F_OFD_GETLK; gVisor fcntl.cc TestOFDGetLkReturnsNegPID',
    async run(t) {
      const other = await t.as(USER);
      await t.createFile(t.path('file'), '', 0o666);
      const a = await t.open(t.path('file'), O_RDWR);
      const b = await t.open(t.path('file'), O_RDWR);
      const theirs = await other.open(t.path('file'), O_RDWR);
      await t.setlk(a, F_OFD_SETLK, WRITE);
      equal((await t.getlk(b, F_OFD_GETLK, READ)).pid, -1);
      equal((await other.getlk(theirs, F_GETLK, READ)).pid, -1);
    },
  },
  {
    title: 'F_OFD_GETLK reports the pid of a process that holds a lock',
    origin: 'fcntl(2), F_OFD_GETLK',
    async run(t) {
      const fd = await t.open(t.path('file'), O_RDWR | O_CREAT);
      await t.setlk(fd, F_SETLK, WRITE);
      const found = await t.getlk(fd, F_OFD_GETLK, READ);
      equal([found.type, found.pid], [F_WRLCK, await t.getpid()]);
    },
  },
  {
    title: 'a description’s own read lock is not in the way of a write lock',
    origin: 'fcntl(2); gVisor fcntl.cc TestOFDCanUpgradeLock',
    async run(t) {
      const fd = await t.open(t.path('file'), O_RDWR | O_CREAT);
      const copy = await t.dup(fd);
      await t.setlk(fd, F_OFD_SETLK, READ);
      equal((await t.getlk(copy, F_OFD_GETLK, WRITE)).type, F_UNLCK);
      await t.setlk(copy, F_OFD_SETLK, WRITE);
    },
  },
  {
    title: 'closing another descriptor of the file leaves a description’s lock alone',
    origin: 'fcntl(2)',
    async run(t) {
      const other = await t.as(USER);
      await t.createFile(t.path('file'), '', 0o666);
      const fd = await t.open(t.path('file'), O_RDWR);
      await t.setlk(fd, F_OFD_SETLK, WRITE);
      await t.close(await t.open(t.path('file'), O_RDONLY));
      await t.close(await t.dup(fd));
      const theirs = await other.open(t.path('file'), O_RDWR);
      await expectError('EAGAIN', other.setlk(theirs, F_SETLK, READ));
    },
  },
  {
    title: 'locks of descriptions need the access mode of process locks',
    origin: 'fcntl(2), EBADF',
    async run(t) {
      await t.createFile(t.path('file'));
      const reader = await t.open(t.path('file'), O_RDONLY);
      await expectError('EBADF', t.setlk(reader, F_OFD_SETLK, WRITE));
      const path = await t.open(t.path('file'), O_PATH);
      await expectError('EBADF', t.setlk(path, F_OFD_SETLK, READ));
      await expectError('EBADF', t.getlk(path, F_OFD_GETLK, READ));
      await expectError('EBADF', t.setlk(99, F_OFD_SETLK, READ));
    },
  },
  {
    title: 'F_OFD_SETLKW waits for the other description',
    origin: 'fcntl(2), F_OFD_SETLKW',
    async run(t) {
      const other = await t.as(USER);
      const [mine, theirs] = await openTwice(t, t.path('file'), other);
      await t.setlk(mine, F_OFD_SETLK, WRITE);
      const locking = other.setlk(theirs, F_OFD_SETLKW, READ);
      isTrue(await other.isBlocked(locking), 'the lock is waited for');
      await t.close(mine);
      await locking;
    },
  },
  {
    title: 'an interrupted F_OFD_SETLKW returns EINTR',
    origin: 'fcntl(2), EINTR',
    async run(t) {
      const other = await t.as(USER);
      const [mine, theirs] = await openTwice(t, t.path('file'), other);
      await t.setlk(mine, F_OFD_SETLK, WRITE);
      const locking = other.setlk(theirs, F_OFD_SETLKW, READ);
      isTrue(await other.isBlocked(locking), 'the lock is waited for');
      await other.interrupt();
      await expectError('EINTR', locking);
    },
  },
  {
    title: 'waits for locks of descriptions are not searched for deadlocks',
    origin: 'fcntl(2): no deadlock detection is performed',
    async run(t) {
      const other = await t.as(USER);
      const [mine, theirs] = await openTwice(t, t.path('file'), other);
      await t.setlk(mine, F_OFD_SETLK, { ...WRITE, length: 1 });
      await other.setlk(theirs, F_OFD_SETLK, { ...WRITE, start: 1, length: 1 });
      const first = t.setlk(mine, F_OFD_SETLKW, { ...WRITE, start: 1, length: 1 });
      isTrue(await t.isBlocked(first), 'the first waits');
      const second = other.setlk(theirs, F_OFD_SETLKW, { ...WRITE, length: 1 });
      isTrue(await other.isBlocked(second), 'the second waits too');
      await other.interrupt();
      await expectError('EINTR', second);
      await other.setlk(theirs, F_OFD_SETLK, UNLOCK);
      await first;
    },
  },
  {
    title: 'a process waits for a lock that a description of its own holds',
    origin: 'fcntl(2): the locks conflict even in one process',
    async run(t) {
      const fd = await t.open(t.path('file'), O_RDWR | O_CREAT);
      await t.setlk(fd, F_OFD_SETLK, WRITE);
      const locking = t.setlk(fd, F_SETLKW, WRITE);
      isTrue(await t.isBlocked(locking), 'the process waits');
      await t.interrupt();
      await expectError('EINTR', locking);
    },
  },
];
