// flock(2): locks on a whole file, held by open file descriptions.

import type { Case } from '../case.ts';
import {
  LOCK_EX,
  LOCK_NB,
  LOCK_SH,
  LOCK_UN,
  O_ACCMODE,
  O_CREAT,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_PATH,
  O_RDONLY,
  O_RDWR,
  O_WRONLY,
} from '../../../src/abi/fcntl.ts';
import { USER } from '../case.ts';
import { equal, expectError, isTrue } from '../check.ts';

const EX_NB = LOCK_EX | LOCK_NB;
const SH_NB = LOCK_SH | LOCK_NB;

export const flockCases: readonly Case[] = [
  {
    title: 'flock returns EINVAL for combinations of operations',
    origin: 'flock(2), EINVAL; gVisor flock.cc InvalidOpCombinations',
    async run(t) {
      const fd = await t.open(t.path('file'), O_RDWR | O_CREAT);
      for (const operation of [LOCK_EX | LOCK_SH, LOCK_EX | LOCK_UN, LOCK_SH | LOCK_UN]) {
        await expectError('EINVAL', t.flock(fd, operation));
        await expectError('EINVAL', t.flock(fd, operation | LOCK_NB));
      }
    },
  },
  {
    title: 'flock returns EINVAL without an operation',
    origin: 'flock(2), EINVAL; gVisor flock.cc NoOperationSpecified',
    async run(t) {
      const fd = await t.open(t.path('file'), O_RDWR | O_CREAT);
      await expectError('EINVAL', t.flock(fd, LOCK_NB));
      await expectError('EINVAL', t.flock(fd, 0));
    },
  },
  {
    title: 'flock returns EBADF for a description that is neither read nor written, but unlocks it',
    origin: 'Linux: fs/locks.c flock()',
    async run(t) {
      await t.createFile(t.path('file'));
      const fd = await t.open(t.path('file'), O_ACCMODE);
      await expectError('EINVAL', t.flock(fd, LOCK_NB));
      await expectError('EBADF', t.flock(fd, EX_NB));
      await expectError('EBADF', t.flock(fd, SH_NB));
      await t.flock(fd, LOCK_UN);
    },
  },
  {
    title: 'flock checks the operation before the descriptor',
    origin: 'Linux: fs/locks.c flock()',
    async run(t) {
      await expectError('EINVAL', t.flock(-1, LOCK_NB));
      await expectError('EBADF', t.flock(-1, LOCK_UN));
    },
  },
  {
    title: 'flock returns EBADF for a descriptor that is not open and an O_PATH one',
    origin: 'flock(2), EBADF; gVisor flock.cc FlockTestNoFixture.BadFD, FlockSymlink',
    async run(t) {
      await t.symlink('target', t.path('link'));
      const fd = await t.open(t.path('link'), O_PATH | O_NOFOLLOW);
      await expectError('EBADF', t.flock(fd, EX_NB));
      await expectError('EBADF', t.flock(99, EX_NB));
      await expectError('EBADF', t.flock(-1, SH_NB));
    },
  },
  {
    title: 'flock takes and gives up a shared and an exclusive lock',
    origin: 'flock(2); gVisor flock.cc TestSimpleExLock, TestSimpleShLock',
    async run(t) {
      const fd = await t.open(t.path('file'), O_RDWR | O_CREAT);
      for (const operation of [EX_NB, SH_NB]) {
        await t.flock(fd, operation);
        await t.flock(fd, LOCK_UN);
      }
    },
  },
  {
    title: 'flock locks whatever a descriptor was opened for',
    origin: 'flock(2); gVisor flock.cc TestLockableAnyMode',
    async run(t) {
      await t.createFile(t.path('file'));
      for (const flags of [O_RDONLY, O_WRONLY, O_RDWR]) {
        const fd = await t.open(t.path('file'), flags);
        await t.flock(fd, EX_NB);
        await t.flock(fd, LOCK_UN);
      }
    },
  },
  {
    title: 'unlocking what is not locked succeeds',
    origin: 'gVisor flock.cc TestUnlockWithNoHolders',
    async run(t) {
      const fd = await t.open(t.path('file'), O_RDWR | O_CREAT);
      await t.flock(fd, LOCK_UN | LOCK_NB);
      await t.flock(fd, LOCK_UN);
    },
  },
  {
    title: 'locking again what one holds succeeds, and one unlocking is enough',
    origin:
      'gVisor flock.cc TestRepeatedExLockingBySameHolder, ' +
      'TestRepeatedShLockingBySameHolder, TestRepeatedExLockingSingleUnlock',
    async run(t) {
      const a = await t.open(t.path('file'), O_RDWR | O_CREAT);
      const b = await t.open(t.path('file'), O_RDWR);
      for (const operation of [EX_NB, SH_NB]) {
        await t.flock(a, operation);
        await t.flock(a, operation);
        await expectError('EAGAIN', t.flock(b, EX_NB));
        await t.flock(a, LOCK_UN);
        await t.flock(b, EX_NB);
        await t.flock(b, LOCK_UN);
      }
    },
  },
  {
    title: 'the only holder of a lock converts it both ways',
    origin: 'flock(2); gVisor flock.cc TestSingleHolderUpgrade, TestSingleHolderDowngrade',
    async run(t) {
      const fd = await t.open(t.path('file'), O_RDWR | O_CREAT);
      await t.flock(fd, SH_NB);
      await t.flock(fd, EX_NB);
      await t.flock(fd, SH_NB);
      const other = await t.open(t.path('file'), O_RDWR);
      await t.flock(other, SH_NB);
    },
  },
  {
    title: 'several descriptions hold a shared lock, and no exclusive one beside it',
    origin: 'flock(2); gVisor flock.cc TestMultipleShared, TestMultipleHolderSharedExclusive',
    async run(t) {
      const a = await t.open(t.path('file'), O_RDWR | O_CREAT);
      const b = await t.open(t.path('file'), O_RDWR);
      const c = await t.open(t.path('file'), O_RDWR);
      await t.flock(a, SH_NB);
      await t.flock(b, SH_NB);
      await expectError('EAGAIN', t.flock(c, EX_NB));
      await t.flock(a, LOCK_UN);
      await expectError('EAGAIN', t.flock(c, EX_NB));
      await t.flock(b, LOCK_UN);
      await t.flock(c, EX_NB);
    },
  },
  {
    title: 'flock with LOCK_NB returns EWOULDBLOCK beside an exclusive lock',
    origin:
      'flock(2), EWOULDBLOCK; gVisor flock.cc ' +
      'TestSharedLockFailExclusiveHolderNonblocking, ' +
      'TestExclusiveLockFailExclusiveHolderNonblocking',
    async run(t) {
      const fd = await t.open(t.path('file'), O_RDWR | O_CREAT);
      await t.flock(fd, EX_NB);
      const user = await t.as(USER);
      const other = await user.open(t.path('file'), O_RDONLY);
      await expectError('EAGAIN', user.flock(other, SH_NB));
      await expectError('EAGAIN', user.flock(other, EX_NB));
    },
  },
  {
    title: 'a shared lock becomes exclusive once the others are gone',
    origin: 'gVisor flock.cc TestMultipleHolderSharedExclusiveUpgrade',
    async run(t) {
      const a = await t.open(t.path('file'), O_RDWR | O_CREAT);
      const b = await t.open(t.path('file'), O_RDWR);
      await t.flock(a, SH_NB);
      await expectError('EAGAIN', t.flock(b, EX_NB));
      await t.flock(b, SH_NB);
      await t.flock(a, LOCK_UN);
      await t.flock(b, EX_NB);
    },
  },
  {
    title: 'an exclusive lock that becomes shared admits others',
    origin: 'gVisor flock.cc TestMultipleHolderSharedExclusiveDowngrade',
    async run(t) {
      const a = await t.open(t.path('file'), O_RDWR | O_CREAT);
      const b = await t.open(t.path('file'), O_RDWR);
      await t.flock(a, EX_NB);
      await expectError('EAGAIN', t.flock(b, SH_NB));
      await t.flock(a, SH_NB);
      await t.flock(b, SH_NB);
    },
  },
  {
    title: 'a conversion that fails loses the lock there was',
    origin: 'flock(2), NOTES; Linux: fs/locks.c flock_lock_inode()',
    async run(t) {
      const a = await t.open(t.path('file'), O_RDWR | O_CREAT);
      const b = await t.open(t.path('file'), O_RDWR);
      await t.flock(a, SH_NB);
      await t.flock(b, SH_NB);
      await expectError('EAGAIN', t.flock(b, EX_NB));
      await t.flock(a, EX_NB);
    },
  },
  {
    title: 'a conversion that waits has given up the lock there was',
    origin: 'flock(2), NOTES; Linux: fs/locks.c flock_lock_inode()',
    async run(t) {
      const user = await t.as(USER);
      const a = await t.open(t.path('file'), O_RDWR | O_CREAT);
      const c = await t.open(t.path('file'), O_RDWR);
      const b = await user.open(t.path('file'), O_RDONLY);
      await t.flock(a, SH_NB);
      await user.flock(b, SH_NB);
      const converting = user.flock(b, LOCK_EX);
      isTrue(await user.isBlocked(converting), 'the conversion waits');
      await t.flock(a, EX_NB);
      await expectError('EAGAIN', t.flock(c, SH_NB));
      await t.flock(a, LOCK_UN);
      await converting;
    },
  },
  {
    title: 'a dup’ed descriptor converts the same lock',
    origin: 'flock(2); gVisor flock.cc TestDupFdUpgrade, TestDupFdDowngrade',
    async run(t) {
      const fd = await t.open(t.path('file'), O_RDWR | O_CREAT);
      const copy = await t.dup(fd);
      await t.flock(fd, SH_NB);
      await t.flock(copy, EX_NB);
      const other = await t.open(t.path('file'), O_RDWR);
      await expectError('EAGAIN', t.flock(other, SH_NB));
      await t.flock(copy, SH_NB);
      await t.flock(other, SH_NB);
    },
  },
  {
    title: 'a lock goes with the last of its dup’ed descriptors',
    origin: 'flock(2); gVisor flock.cc TestDupFdCloseRelease, TestDupFdFollowedByLock',
    async run(t) {
      const fd = await t.open(t.path('file'), O_RDWR | O_CREAT);
      const copy = await t.dup(fd);
      await t.flock(copy, EX_NB);
      const other = await t.open(t.path('file'), O_RDWR);
      await t.close(copy);
      await expectError('EAGAIN', t.flock(other, EX_NB));
      await t.close(fd);
      await t.flock(other, EX_NB);
    },
  },
  {
    title: 'unlocking through a dup’ed descriptor gives the lock up at once',
    origin: 'flock(2); gVisor flock.cc TestDupFdUnlockRelease',
    async run(t) {
      const fd = await t.open(t.path('file'), O_RDWR | O_CREAT);
      const copy = await t.dup(fd);
      await t.flock(fd, EX_NB);
      await t.flock(copy, LOCK_UN);
      const other = await t.open(t.path('file'), O_RDWR);
      await t.flock(other, EX_NB);
    },
  },
  {
    title: 'closing another description of the file leaves a lock alone',
    origin: 'flock(2)',
    async run(t) {
      const fd = await t.open(t.path('file'), O_RDWR | O_CREAT);
      await t.flock(fd, EX_NB);
      await t.close(await t.open(t.path('file'), O_RDWR));
      const other = await t.open(t.path('file'), O_RDWR);
      await expectError('EAGAIN', t.flock(other, SH_NB));
    },
  },
  {
    title: 'dup3 over a descriptor that holds a lock gives the lock up',
    origin: 'POSIX dup2; flock(2)',
    async run(t) {
      const fd = await t.open(t.path('file'), O_RDWR | O_CREAT);
      await t.flock(fd, EX_NB);
      await t.dup3(await t.open(t.path('other'), O_RDWR | O_CREAT), fd, 0);
      const other = await t.open(t.path('file'), O_RDWR);
      await t.flock(other, EX_NB);
    },
  },
  {
    title: 'flock locks a directory',
    origin: 'gVisor flock.cc FlockDir',
    async run(t) {
      const a = await t.open(t.root, O_RDONLY | O_DIRECTORY);
      const b = await t.open(t.root, O_RDONLY | O_DIRECTORY);
      await t.flock(a, EX_NB);
      await expectError('EAGAIN', t.flock(b, SH_NB));
    },
  },
  {
    title: 'flock locks a device, which lies on another filesystem',
    origin: 'gVisor flock.cc FlockProc',
    async run(t) {
      const fd = await t.open('/dev/full', O_RDONLY);
      await t.flock(fd, SH_NB);
      const other = await t.open('/dev/full', O_RDONLY);
      await expectError('EAGAIN', t.flock(other, EX_NB));
      await t.flock(fd, LOCK_UN);
    },
  },
  {
    title: 'the two ends of a pipe share one lock',
    origin: 'gVisor flock.cc FlockPipe',
    async run(t) {
      const [reader, writer] = await t.pipe();
      await t.flock(reader, EX_NB);
      await expectError('EAGAIN', t.flock(writer, EX_NB));
      await t.flock(reader, LOCK_UN);
      await t.flock(writer, EX_NB);
    },
  },
  {
    title: 'a lock follows the file through a rename and an unlink',
    origin: 'flock(2)',
    async run(t) {
      const fd = await t.open(t.path('file'), O_RDWR | O_CREAT);
      await t.flock(fd, EX_NB);
      await t.link(t.path('file'), t.path('link'));
      await t.rename(t.path('file'), t.path('moved'));
      const other = await t.open(t.path('moved'), O_RDWR);
      await expectError('EAGAIN', t.flock(other, SH_NB));
      await t.unlink(t.path('moved'));
      const linked = await t.open(t.path('link'), O_RDWR);
      await expectError('EAGAIN', t.flock(linked, SH_NB));
    },
  },
  {
    title: 'a lock keeps nobody from reading, writing or truncating',
    origin: 'flock(2): advisory locks',
    async run(t) {
      const fd = await t.open(t.path('file'), O_RDWR | O_CREAT);
      await t.flock(fd, EX_NB);
      const other = await t.open(t.path('file'), O_RDWR);
      equal(await t.write(other, 'text'), 4);
      await t.truncate(t.path('file'), 2);
      equal(await t.readFile(t.path('file')), 'te');
    },
  },
];

export const flockWaitCases: readonly Case[] = [
  {
    title: 'flock does not wait for others who share',
    origin: 'gVisor flock.cc BlockingLockNoBlockingForSharedLocks',
    async run(t) {
      const a = await t.open(t.path('file'), O_RDWR | O_CREAT);
      const b = await t.open(t.path('file'), O_RDWR);
      await t.flock(a, LOCK_SH);
      await t.flock(b, LOCK_SH);
    },
  },
  ...(
    [
      ['an exclusive', LOCK_EX, 'shared', LOCK_SH, 'BlockingLockFirstSharedSecondExclusive'],
      ['a shared', LOCK_SH, 'exclusive', LOCK_EX, 'BlockingLockFirstExclusiveSecondShared'],
      ['an exclusive', LOCK_EX, 'exclusive', LOCK_EX, 'BlockingLockFirstExclusiveSecondExclusive'],
    ] as const
  ).map(([wanted, second, held, first, test]): Case => ({
    title: `flock waits with ${wanted} lock until the ${held} one is given up`,
    origin: `flock(2); gVisor flock.cc ${test}`,
    async run(t) {
      const user = await t.as(USER);
      const a = await t.open(t.path('file'), O_RDWR | O_CREAT);
      const b = await user.open(t.path('file'), O_RDONLY);
      await t.flock(a, first);
      const locking = user.flock(b, second);
      isTrue(await user.isBlocked(locking), 'the lock is waited for');
      await t.flock(a, LOCK_UN);
      await locking;
      await expectError('EAGAIN', t.flock(a, EX_NB));
    },
  })),
  {
    title: 'flock waits until the last descriptor of the holder is closed',
    origin: 'flock(2)',
    async run(t) {
      const user = await t.as(USER);
      const fd = await t.open(t.path('file'), O_RDWR | O_CREAT);
      const copy = await t.dup(fd);
      const other = await user.open(t.path('file'), O_RDONLY);
      await t.flock(fd, LOCK_EX);
      const locking = user.flock(other, LOCK_EX);
      await t.close(fd);
      isTrue(await user.isBlocked(locking), 'a dup’ed descriptor keeps the lock');
      await t.close(copy);
      await locking;
    },
  },
  {
    title: 'an interrupted flock returns EINTR and holds nothing',
    origin:
      'flock(2), EINTR; gVisor flock.cc TestSharedLockFailExclusiveHolderBlocking, ' +
      'TestExclusiveLockFailExclusiveHolderBlocking',
    async run(t) {
      const user = await t.as(USER);
      const a = await t.open(t.path('file'), O_RDWR | O_CREAT);
      const b = await user.open(t.path('file'), O_RDONLY);
      await t.flock(a, LOCK_EX);
      for (const operation of [LOCK_SH, LOCK_EX]) {
        const locking = user.flock(b, operation);
        isTrue(await user.isBlocked(locking), 'the lock is waited for');
        await user.interrupt();
        await expectError('EINTR', locking);
      }
      await t.flock(a, LOCK_UN);
      const c = await t.open(t.path('file'), O_RDWR);
      await t.flock(c, EX_NB);
      await t.flock(c, LOCK_UN);
      await user.flock(b, EX_NB);
    },
  },
  {
    title: 'one unlocking lets all in who wait to share',
    origin: 'flock(2)',
    async run(t) {
      const [first, second] = [await t.as(USER), await t.as(USER)];
      const fd = await t.open(t.path('file'), O_RDWR | O_CREAT);
      await t.flock(fd, LOCK_EX);
      const locking = [];
      for (const each of [first, second]) {
        const call = each.flock(await each.open(t.path('file'), O_RDONLY), LOCK_SH);
        isTrue(await each.isBlocked(call), 'the lock is waited for');
        locking.push(call);
      }
      await t.flock(fd, LOCK_UN);
      await Promise.all(locking);
      await expectError('EAGAIN', t.flock(fd, EX_NB));
    },
  },
];
