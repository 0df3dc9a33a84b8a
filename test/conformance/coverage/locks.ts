// Which cases assert what gVisor's tests assert: flock.cc to fcntl.cc.

import type { Coverage } from '../coverage.ts';

export const locksCoverage: Coverage = {
  'flock.cc': {
    InvalidOpCombinations: 'flock returns EINVAL for combinations of operations',
    NoOperationSpecified: 'flock returns EINVAL without an operation',
    TestSimpleExLock: 'flock takes and gives up a shared and an exclusive lock',
    TestSimpleShLock: 'flock takes and gives up a shared and an exclusive lock',
    TestLockableAnyMode: 'flock locks whatever a descriptor was opened for',
    TestUnlockWithNoHolders: 'unlocking what is not locked succeeds',
    TestRepeatedExLockingBySameHolder:
      'locking again what one holds succeeds, and one unlocking is enough',
    TestRepeatedShLockingBySameHolder:
      'locking again what one holds succeeds, and one unlocking is enough',
    TestRepeatedExLockingSingleUnlock:
      'locking again what one holds succeeds, and one unlocking is enough',
    TestSingleHolderUpgrade: 'the only holder of a lock converts it both ways',
    TestSingleHolderDowngrade: 'the only holder of a lock converts it both ways',
    TestMultipleShared: 'several descriptions hold a shared lock, and no exclusive one beside it',
    TestMultipleHolderSharedExclusive:
      'several descriptions hold a shared lock, and no exclusive one beside it',
    TestSharedLockFailExclusiveHolderNonblocking:
      'flock with LOCK_NB returns EWOULDBLOCK beside an exclusive lock',
    TestSharedLockFailExclusiveHolderBlocking:
      'an interrupted flock returns EINTR and holds nothing',
    TestExclusiveLockFailExclusiveHolderNonblocking:
      'flock with LOCK_NB returns EWOULDBLOCK beside an exclusive lock',
    TestExclusiveLockFailExclusiveHolderBlocking:
      'an interrupted flock returns EINTR and holds nothing',
    TestMultipleHolderSharedExclusiveUpgrade:
      'a shared lock becomes exclusive once the others are gone',
    TestMultipleHolderSharedExclusiveDowngrade:
      'an exclusive lock that becomes shared admits others',
    TestDupFdUpgrade: 'a dup’ed descriptor converts the same lock',
    TestDupFdDowngrade: 'a dup’ed descriptor converts the same lock',
    TestDupFdCloseRelease: 'a lock goes with the last of its dup’ed descriptors',
    TestDupFdUnlockRelease: 'unlocking through a dup’ed descriptor gives the lock up at once',
    TestDupFdFollowedByLock: 'a lock goes with the last of its dup’ed descriptors',
    BlockingLockNoBlockingForSharedLocks: 'flock does not wait for others who share',
    BlockingLockFirstSharedSecondExclusive:
      'flock waits with an exclusive lock until the shared one is given up',
    BlockingLockFirstExclusiveSecondShared:
      'flock waits with a shared lock until the exclusive one is given up',
    BlockingLockFirstExclusiveSecondExclusive:
      'flock waits with an exclusive lock until the exclusive one is given up',
    'FlockTestNoFixture.BadFD':
      'flock returns EBADF for a descriptor that is not open and an O_PATH one',
    FlockDir: 'flock locks a directory',
    FlockProc: 'flock locks a device, which lies on another filesystem',
    FlockSymlink: 'flock returns EBADF for a descriptor that is not open and an O_PATH one',
    FlockPipe: 'the two ends of a pipe share one lock',
  },
  'fcntl.cc': {
    FcntlDupWithOpath: 'F_DUPFD of an O_PATH descriptor gives another one',
    SetFileStatusFlagWithOpath: 'F_SETFL returns EBADF for an O_PATH descriptor',
    BadFcntlsWithOpath: 'F_SETFL returns EBADF for an O_PATH descriptor',
    SetCloExecBadFD: 'F_GETFD and F_SETFD return EBADF for no descriptor',
    SetCloExec: 'FD_CLOEXEC is set and cleared, on an O_PATH descriptor too',
    ClearCloExec: 'FD_CLOEXEC is set and cleared, on an O_PATH descriptor too',
    SetCloExecWithOpath: 'FD_CLOEXEC is set and cleared, on an O_PATH descriptor too',
    DupFDCloExecWithOpath:
      'F_DUPFD_CLOEXEC sets the flag of the new descriptor, of an O_PATH one too',
    IndependentDescriptorFlags: 'each descriptor of a description has flags of its own',
    GetAllFlags: 'F_GETFL returns the access mode and the status flags',
    GetOpathFlag: 'F_GETFL of an O_PATH descriptor keeps O_PATH, O_NOFOLLOW and O_DIRECTORY only',
    SetFlags: [
      'F_SETFL sets and clears O_APPEND and O_NONBLOCK',
      'F_SETFL ignores the access mode, O_SYNC and the flags of opening',
    ],
    SetLockBadFd: 'F_SETLK and F_GETLK return EBADF for a descriptor that is not open',
    SetLockDir: 'F_SETLK locks a directory and a device for reading',
    SetLockProc: 'F_SETLK locks a directory and a device for reading',
    SetLockSymlink: 'F_SETLK and F_GETLK return EBADF for an O_PATH descriptor',
    SetLockWithOpath: 'F_SETLK and F_GETLK return EBADF for an O_PATH descriptor',
    SetLockPipe: 'F_SETLK locks the ends of a pipe for what they are open for',
    SetLockBadOpenFlagsWrite: 'F_SETLK returns EBADF for a lock the descriptor is not open for',
    SetLockBadOpenFlagsRead: 'F_SETLK returns EBADF for a lock the descriptor is not open for',
    SetLockUnlockOnNothing: 'unlocking a range that is not locked succeeds',
    SetWriteLockSingleProc:
      'a process that holds a lock locks the same range again, through any descriptor',
    SetReadLockMultiProc: 'two processes hold a read lock on the same range',
    SetReadThenWriteLockMultiProc:
      'F_SETLK for a write lock returns EAGAIN beside another process’s read lock',
    SetWriteThenReadLockMultiProc:
      'F_SETLK for a read lock returns EAGAIN beside another process’s write lock',
    SetWriteLockMultiProc:
      'F_SETLK for a write lock returns EAGAIN beside another process’s write lock',
    SetLockIsRegional: 'a lock holds for its bytes only',
    SetLockUpgradeDowngrade: 'a lock changes its type in place, for all of its range or part of it',
    SetLockDroppedOnClose: 'closing any descriptor of the file drops the locks of the process',
    SetLockUnlock: 'a range with two locks becomes free part by part',
    SetLockAcrossRename: 'a lock on a range follows the file through a rename',
    SetWriteLockThenBlockingWriteLock:
      'F_SETLKW waits with a write lock until the write lock is unlocked',
    SetReadLockThenBlockingWriteLock:
      'F_SETLKW waits with a write lock until the read lock is unlocked',
    SetWriteLockThenBlockingReadLock:
      'F_SETLKW waits with a read lock until the write lock is unlocked',
    SetReadLockThenBlockingReadLock: 'F_SETLKW does not wait for those who read',
    GetLockOnNothing: 'F_GETLK finds nothing in the way of a lock on a file without locks',
    GetLockOnLockSameProcess: 'the locks of a process are not in its own way',
    GetReadLockOnReadLock: 'a read lock is not in the way of another one',
    GetReadLockOnWriteLock: 'F_GETLK tells the type, range and holder of the lock in the way',
    GetWriteLockOnWriteLock: 'F_GETLK tells the type, range and holder of the lock in the way',
    GetWriteLockOnReadLock: 'F_GETLK tells the type, range and holder of the lock in the way',
    TestOFDBasicLock:
      'a lock of an open file description keeps out another one of the same process',
    TestOFDLockNonZeroPidFails:
      'F_OFD_SETLK, F_OFD_SETLKW and F_OFD_GETLK return EINVAL for a pid that is not 0',
    TestOFDNoUnlockOnClose: 'closing one description gives up only its own locks',
    TestOFDUnlocksOnLastClose: 'the last close of a description gives up its locks',
    TestOFDInheritsLockAfterDup: 'the last close of a description gives up its locks',
    TestOFDLocksHoldAfterExec: 'locks of descriptions and of processes keep each other out',
    TestOFDGetLkReturnsNegPID: 'a lock of a description is reported with pid -1',
    TestOFDCanUpgradeLock: 'a description’s own read lock is not in the way of a write lock',
    GetO_ASYNC:
      'O_ASYNC of a pipe is off at first, is set by F_SETFL, and is shared by dup’ed ones',
    SetFlO_ASYNC:
      'O_ASYNC of a pipe is off at first, is set by F_SETFL, and is shared by dup’ed ones',
    SetFdO_ASYNC: 'F_SETFD does not set O_ASYNC',
    DupAfterO_ASYNC:
      'O_ASYNC of a pipe is off at first, is set by F_SETFL, and is shared by dup’ed ones',
    RegularFileOAsync: 'F_SETFL accepts O_ASYNC for a file, where it means nothing',
  },
};
