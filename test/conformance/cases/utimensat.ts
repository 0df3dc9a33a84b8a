// utimensat(2), futimens(3).

import type { Case } from '../case.ts';
import type { Timespec } from '../../../src/lib/clock.ts';
import {
  AT_FDCWD,
  AT_SYMLINK_NOFOLLOW,
  O_PATH,
  O_RDONLY,
  UTIME_NOW,
  UTIME_OMIT,
} from '../../../src/abi/fcntl.ts';
import { OTHER, USER } from '../case.ts';
import { equal, expectError, isLater, isTrue } from '../check.ts';

const NOW: Timespec = { sec: 0, nsec: UTIME_NOW };
const OMIT: Timespec = { sec: 0, nsec: UTIME_OMIT };
/** Two moments of 2001. */
const EARLY: Timespec = { sec: 1_000_000_000, nsec: 123_456_789 };
const LATE: Timespec = { sec: 1_000_000_100, nsec: 1 };

export const utimensCases: readonly Case[] = [
  {
    title: 'utimensat sets both times to the nanosecond and changes ctime',
    origin: 'POSIX utimensat',
    async run(t) {
      await t.createFile(t.path('file'));
      const before = await t.stat(t.path('file'));
      await t.tick();
      await t.utimens(t.path('file'), EARLY, LATE);
      const after = await t.stat(t.path('file'));
      equal([after.atime, after.mtime], [EARLY, LATE]);
      isLater(after.ctime, before.ctime, 'ctime');
    },
  },
  {
    title: 'futimens sets the times through a read-only description',
    origin: 'POSIX futimens',
    async run(t) {
      const user = await t.as(USER);
      await user.createFile(t.path('file'));
      const fd = await user.open(t.path('file'), O_RDONLY);
      await user.futimens(fd, LATE, EARLY);
      const stat = await user.fstat(fd);
      equal([stat.atime, stat.mtime], [LATE, EARLY]);
    },
  },
  {
    title: 'UTIME_OMIT leaves a time as it is',
    origin: 'POSIX utimensat, UTIME_OMIT',
    async run(t) {
      await t.createFile(t.path('file'));
      await t.utimens(t.path('file'), EARLY, EARLY);
      await t.utimens(t.path('file'), OMIT, LATE);
      const first = await t.stat(t.path('file'));
      equal([first.atime, first.mtime], [EARLY, LATE]);
      await t.utimens(t.path('file'), LATE, OMIT);
      const second = await t.stat(t.path('file'));
      equal([second.atime, second.mtime], [LATE, LATE]);
    },
  },
  {
    title: 'UTIME_NOW sets a time to the present',
    origin: 'POSIX utimensat, UTIME_NOW',
    async run(t) {
      await t.createFile(t.path('file'));
      const before = await t.stat(t.path('file'));
      await t.utimens(t.path('file'), EARLY, EARLY);
      await t.tick();
      await t.utimens(t.path('file'), NOW, OMIT);
      const after = await t.stat(t.path('file'));
      isLater(after.atime, before.atime, 'atime');
      equal(after.mtime, EARLY);
      await t.utimens(t.path('file'), NOW, NOW);
      const both = await t.stat(t.path('file'));
      equal(both.atime, both.mtime);
    },
  },
  {
    title: 'UTIME_OMIT twice succeeds without looking at the path and changes nothing',
    origin: 'utimensat(2); Linux: fs/utimes.c',
    async run(t) {
      await t.createFile(t.path('file'));
      const before = await t.stat(t.path('file'));
      await t.tick();
      await t.utimens(t.path('file'), OMIT, OMIT);
      equal((await t.stat(t.path('file'))).ctime, before.ctime);
      await t.utimens(t.path('missing'), OMIT, OMIT);
    },
  },
  {
    title: 'utimensat returns EINVAL for nanoseconds out of range',
    origin: 'POSIX utimensat, EINVAL',
    async run(t) {
      await t.createFile(t.path('file'));
      await t.utimens(t.path('file'), EARLY, EARLY);
      for (const nsec of [-1, 1_000_000_000, UTIME_NOW + 1]) {
        await expectError('EINVAL', t.utimens(t.path('file'), { sec: 0, nsec }, EARLY));
        await expectError('EINVAL', t.utimens(t.path('file'), EARLY, { sec: 0, nsec }));
      }
      await t.utimens(t.path('file'), { sec: 5, nsec: 999_999_999 }, OMIT);
      equal((await t.stat(t.path('file'))).atime, { sec: 5, nsec: 999_999_999 });
    },
  },
  {
    title: 'utimensat accepts times before 1970 and after 2038',
    origin: 'POSIX timespec',
    async run(t) {
      await t.createFile(t.path('file'));
      const old: Timespec = { sec: -1_000_000, nsec: 500_000_000 };
      const far: Timespec = { sec: 5_000_000_000, nsec: 1 };
      await t.utimens(t.path('file'), old, far);
      const stat = await t.stat(t.path('file'));
      equal([stat.atime, stat.mtime], [old, far]);
    },
  },
  {
    title: 'utimensat follows a symbolic link unless told otherwise',
    origin: 'POSIX utimensat, AT_SYMLINK_NOFOLLOW',
    async run(t) {
      await t.createFile(t.path('file'));
      await t.symlink('file', t.path('link'));
      await t.utimens(t.path('link'), EARLY, EARLY);
      equal((await t.stat(t.path('file'))).mtime, EARLY);
      await t.utimensat(AT_FDCWD, t.path('link'), LATE, LATE, AT_SYMLINK_NOFOLLOW);
      equal((await t.lstat(t.path('link'))).mtime, LATE);
      equal((await t.stat(t.path('file'))).mtime, EARLY);
    },
  },
  {
    title: 'utimensat returns EPERM when somebody else sets a time',
    origin: 'POSIX utimensat, EPERM',
    async run(t) {
      const [user, other] = [await t.as(USER), await t.as(OTHER)];
      await user.createFile(t.path('file'), '', 0o666);
      await user.utimens(t.path('file'), EARLY, EARLY);
      await expectError('EPERM', other.utimens(t.path('file'), LATE, LATE));
      await expectError('EPERM', other.utimens(t.path('file'), NOW, LATE));
      await expectError('EPERM', other.utimens(t.path('file'), NOW, OMIT));
      equal((await t.stat(t.path('file'))).mtime, EARLY);
      await t.utimens(t.path('file'), LATE, LATE);
    },
  },
  {
    title: 'whoever may write a file may set both times to the present',
    origin: 'POSIX utimensat, EACCES',
    async run(t) {
      const [user, other] = [await t.as(USER), await t.as(OTHER)];
      await user.createFile(t.path('writable'), '', 0o666);
      await user.createFile(t.path('readable'), '', 0o644);
      await user.utimens(t.path('writable'), EARLY, EARLY);
      await other.utimens(t.path('writable'), NOW, NOW);
      isLater((await t.stat(t.path('writable'))).mtime, EARLY, 'mtime');
      await expectError('EACCES', other.utimens(t.path('readable'), NOW, NOW));
    },
  },
  {
    title: 'the owner may set times of a file that is not writable',
    origin: 'POSIX utimensat, EPERM',
    async run(t) {
      const user = await t.as(USER);
      await user.createFile(t.path('file'), '', 0o400);
      await user.utimens(t.path('file'), EARLY, LATE);
      await user.utimens(t.path('file'), NOW, NOW);
      isLater((await t.stat(t.path('file'))).mtime, LATE, 'mtime');
    },
  },
  {
    title: 'futimens returns EBADF for a closed descriptor and an O_PATH one',
    origin: 'POSIX futimens, EBADF',
    async run(t) {
      await t.createFile(t.path('file'));
      const fd = await t.open(t.path('file'), O_PATH);
      await expectError('EBADF', t.futimens(fd, EARLY, EARLY));
      await expectError('EBADF', t.futimens(-1, EARLY, EARLY));
    },
  },
  {
    title: 'utimensat returns EINVAL for unknown flags, ENOENT and ENOTDIR for paths',
    origin: 'POSIX utimensat',
    async run(t) {
      await t.createFile(t.path('file'));
      await expectError('EINVAL', t.utimensat(AT_FDCWD, t.path('file'), EARLY, EARLY, 0x2));
      await expectError('ENOENT', t.utimens(t.path('missing'), EARLY, EARLY));
      await expectError('ENOTDIR', t.utimens(t.path('file/'), EARLY, EARLY));
      await expectError('ENOENT', t.utimens('', EARLY, EARLY));
    },
  },
  {
    title: 'times of directories can be set and are kept until the next change',
    origin: 'POSIX utimensat',
    async run(t) {
      await t.mkdir(t.path('dir'));
      await t.utimens(t.path('dir'), EARLY, LATE);
      equal((await t.stat(t.path('dir'))).mtime, LATE);
      await t.createFile(t.path('dir/file'));
      const stat = await t.stat(t.path('dir'));
      isLater(stat.mtime, LATE, 'mtime');
      isTrue(stat.atime.sec === EARLY.sec, 'atime is kept');
    },
  },
];
