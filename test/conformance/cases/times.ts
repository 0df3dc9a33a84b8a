// atime, mtime and ctime: which operation changes which. POSIX, file times update.

import type { Case } from '../case.ts';
import {
  O_APPEND,
  O_CREAT,
  O_NOATIME,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
  R_OK,
} from '../../../src/abi/fcntl.ts';
import { equal, expectError, isLater } from '../check.ts';

export const timesCases: readonly Case[] = [
  {
    title: 'a new file has one moment as atime, mtime and ctime',
    origin: 'POSIX open, O_CREAT',
    async run(t) {
      const before = await t.stat(t.root);
      await t.tick();
      await t.open(t.path('file'), O_WRONLY | O_CREAT);
      const [stat, dir] = [await t.stat(t.path('file')), await t.stat(t.root)];
      equal([stat.mtime, stat.ctime], [stat.atime, stat.atime]);
      isLater(dir.mtime, before.mtime, 'mtime of the directory');
      isLater(dir.ctime, before.ctime, 'ctime of the directory');
      equal(dir.atime, before.atime);
    },
  },
  {
    title: 'open with O_CREAT of a file that exists changes no times',
    origin: 'POSIX open, O_CREAT',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      const [file, dir] = [await t.stat(t.path('file')), await t.stat(t.root)];
      await t.tick();
      await t.close(await t.open(t.path('file'), O_RDWR | O_CREAT));
      const [file2, dir2] = [await t.stat(t.path('file')), await t.stat(t.root)];
      equal([file2.atime, file2.mtime, file2.ctime], [file.atime, file.mtime, file.ctime]);
      equal([dir2.mtime, dir2.ctime], [dir.mtime, dir.ctime]);
    },
  },
  {
    title: 'write changes mtime and ctime and leaves atime',
    origin: 'POSIX write',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      const fd = await t.open(t.path('file'), O_WRONLY);
      const before = await t.fstat(fd);
      await t.tick();
      await t.write(fd, 'more');
      const after = await t.fstat(fd);
      isLater(after.mtime, before.mtime, 'mtime');
      isLater(after.ctime, before.ctime, 'ctime');
      equal(after.atime, before.atime);
    },
  },
  {
    title: 'pwrite and a write with O_APPEND change mtime and ctime',
    origin: 'POSIX pwrite',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      const fd = await t.open(t.path('file'), O_WRONLY | O_APPEND);
      let before = await t.fstat(fd);
      for (const write of [() => t.write(fd, 'x'), () => t.pwrite(fd, 'x', 0)]) {
        await t.tick();
        await write();
        const after = await t.fstat(fd);
        isLater(after.mtime, before.mtime, 'mtime');
        isLater(after.ctime, before.ctime, 'ctime');
        before = after;
      }
    },
  },
  {
    title: 'a write of no bytes changes no times',
    origin: 'POSIX write',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      const fd = await t.open(t.path('file'), O_WRONLY);
      const before = await t.fstat(fd);
      await t.tick();
      equal(await t.write(fd, ''), 0);
      const after = await t.fstat(fd);
      equal([after.mtime, after.ctime], [before.mtime, before.ctime]);
    },
  },
  {
    title: 'read changes atime when it is not after mtime, and no other time',
    origin: 'mount(8), relatime; POSIX read',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      const fd = await t.open(t.path('file'), O_RDWR);
      await t.write(fd, 'x');
      const before = await t.fstat(fd);
      await t.tick();
      await t.read(fd, 1);
      const after = await t.fstat(fd);
      isLater(after.atime, before.atime, 'atime');
      equal([after.mtime, after.ctime], [before.mtime, before.ctime]);
    },
  },
  {
    title: 'read leaves an atime that is after mtime and ctime and not a day old',
    origin: 'mount(8), relatime',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      const fd = await t.open(t.path('file'), O_RDONLY);
      await t.tick();
      await t.read(fd, 1);
      const before = await t.fstat(fd);
      await t.tick();
      await t.read(fd, 1);
      equal((await t.fstat(fd)).atime, before.atime);
    },
  },
  {
    title: 'read changes an atime that is more than a day old',
    origin: 'mount(8), relatime',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      const fd = await t.open(t.path('file'), O_RDONLY);
      const { mtime } = await t.fstat(fd);
      const twoDaysAgo = { sec: mtime.sec - 172_800, nsec: 0 };
      await t.futimens(fd, twoDaysAgo, { sec: mtime.sec - 200_000, nsec: 0 });
      await t.read(fd, 1);
      isLater((await t.fstat(fd)).atime, twoDaysAgo, 'atime');
    },
  },
  {
    title: 'chmod makes the next read change atime',
    origin: 'mount(8), relatime: atime is compared with ctime too',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      const fd = await t.open(t.path('file'), O_RDONLY);
      await t.tick();
      await t.read(fd, 1);
      const before = await t.fstat(fd);
      await t.tick();
      await t.fchmod(fd, 0o600);
      await t.tick();
      await t.read(fd, 1);
      isLater((await t.fstat(fd)).atime, before.atime, 'atime');
    },
  },
  {
    title: 'read with O_NOATIME leaves atime',
    origin: 'open(2), O_NOATIME',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      const before = await t.stat(t.path('file'));
      await t.tick();
      const fd = await t.open(t.path('file'), O_RDONLY | O_NOATIME);
      equal(await t.readText(fd), 'text');
      equal((await t.fstat(fd)).atime, before.atime);
    },
  },
  {
    title: 'opening, stat’ing and checking access change no times',
    origin: 'POSIX, file times update',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      const before = await t.stat(t.path('file'));
      await t.tick();
      await t.close(await t.open(t.path('file'), O_RDWR));
      await t.access(t.path('file'), R_OK);
      const after = await t.stat(t.path('file'));
      equal([after.atime, after.mtime, after.ctime], [before.atime, before.mtime, before.ctime]);
    },
  },
  {
    title: 'getdents changes the atime of a directory',
    origin: 'POSIX readdir',
    async run(t) {
      await t.createFile(t.path('file'));
      const before = await t.stat(t.root);
      await t.tick();
      await t.list(t.root);
      const after = await t.stat(t.root);
      isLater(after.atime, before.atime, 'atime');
      equal([after.mtime, after.ctime], [before.mtime, before.ctime]);
    },
  },
  {
    title: 'following a symbolic link changes the atime of the link',
    origin: 'POSIX pathname resolution; gVisor symlink.cc FollowUpdatesATime',
    async run(t) {
      await t.createFile(t.path('file'));
      await t.symlink('file', t.path('link'));
      const before = await t.lstat(t.path('link'));
      await t.tick();
      await t.stat(t.path('link'));
      isLater((await t.lstat(t.path('link'))).atime, before.atime, 'atime');
    },
  },
  {
    title: 'readlink changes the atime of the link and lstat does not',
    origin: 'POSIX readlink',
    async run(t) {
      await t.symlink('missing', t.path('link'));
      const before = await t.lstat(t.path('link'));
      await t.tick();
      equal((await t.lstat(t.path('link'))).atime, before.atime);
      await t.readlink(t.path('link'));
      isLater((await t.lstat(t.path('link'))).atime, before.atime, 'atime');
    },
  },
  {
    title: 'chmod and chown change ctime and leave mtime',
    origin: 'POSIX chmod, chown',
    async run(t) {
      await t.createFile(t.path('file'));
      let before = await t.stat(t.path('file'));
      const changes = [
        () => t.chmod(t.path('file'), 0o600),
        () => t.chown(t.path('file'), 5, 6),
        () => t.chmod(t.path('file'), 0o600),
        () => t.chown(t.path('file'), 5, 6),
      ];
      for (const change of changes) {
        await t.tick();
        await change();
        const after = await t.stat(t.path('file'));
        isLater(after.ctime, before.ctime, 'ctime');
        equal([after.mtime, after.atime], [before.mtime, before.atime]);
        before = after;
      }
    },
  },
  {
    title: 'truncation to another size changes mtime and ctime',
    origin: 'POSIX truncate; gVisor open.cc TruncateSizeChangeUpdatesTimestamps',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      const fd = await t.open(t.path('file'), O_RDWR);
      let before = await t.fstat(fd);
      const changes: (() => Promise<unknown>)[] = [
        () => t.ftruncate(fd, 100),
        () => t.truncate(t.path('file'), 10),
        () => t.open(t.path('file'), O_WRONLY | O_TRUNC),
      ];
      for (const change of changes) {
        await t.tick();
        await change();
        const after = await t.fstat(fd);
        isLater(after.mtime, before.mtime, 'mtime');
        isLater(after.ctime, before.ctime, 'ctime');
        before = after;
      }
    },
  },
  {
    title: 'truncate of a file without data to the same size changes no times',
    origin: 'Linux: fs/open.c vfs_truncate(); mm/shmem.c shmem_setattr()',
    needs: ['truncating to the same size without a trace'],
    async run(t) {
      await t.createFile(t.path('file'));
      await t.truncate(t.path('file'), 4);
      const before = await t.stat(t.path('file'));
      await t.tick();
      await t.truncate(t.path('file'), 4);
      const same = await t.stat(t.path('file'));
      equal(same.mtime.nsec, before.mtime.nsec);
      equal(same.ctime.nsec, before.ctime.nsec);
      await t.truncate(t.path('file'), 3);
      const shorter = await t.stat(t.path('file'));
      isLater(shorter.mtime, before.mtime, 'mtime');
      isLater(shorter.ctime, before.ctime, 'ctime');
    },
  },
  {
    title: 'ftruncate and O_TRUNC to the same size change mtime and ctime',
    origin: 'gVisor open.cc TruncateNoSizeChangeUpdatesTimestamps',
    async run(t) {
      await t.createFile(t.path('file'));
      const fd = await t.open(t.path('file'), O_RDWR);
      let before = await t.fstat(fd);
      const changes: (() => Promise<unknown>)[] = [
        () => t.ftruncate(fd, 0),
        () => t.open(t.path('file'), O_WRONLY | O_TRUNC),
      ];
      for (const change of changes) {
        await t.tick();
        await change();
        const after = await t.fstat(fd);
        isLater(after.mtime, before.mtime, 'mtime');
        isLater(after.ctime, before.ctime, 'ctime');
        before = after;
      }
    },
  },
  {
    title: 'a failed call changes no times',
    origin: 'POSIX, file times update',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      await t.mkdir(t.path('dir'));
      const before = await t.stat(t.root);
      await t.tick();
      await expectError('EEXIST', t.mkdir(t.path('dir')));
      await expectError('EISDIR', t.unlink(t.path('dir')));
      await expectError('ENOENT', t.rename(t.path('missing'), t.path('x')));
      await expectError('EEXIST', t.link(t.path('file'), t.path('dir')));
      const after = await t.stat(t.root);
      equal([after.mtime, after.ctime], [before.mtime, before.ctime]);
    },
  },
  {
    title: 'a write that goes on in a subdirectory leaves the times of the directory',
    origin: 'POSIX, file times update',
    async run(t) {
      await t.mkdir(t.path('dir'));
      await t.createFile(t.path('file'), 'text');
      const before = await t.stat(t.root);
      await t.tick();
      await t.createFile(t.path('dir/file'));
      await t.write(await t.open(t.path('file'), O_WRONLY), 'more');
      const after = await t.stat(t.root);
      equal([after.mtime, after.ctime], [before.mtime, before.ctime]);
    },
  },
];
