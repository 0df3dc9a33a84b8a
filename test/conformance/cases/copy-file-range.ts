// copy_file_range(2).

import type { Case } from '../case.ts';
import {
  O_APPEND,
  O_CREAT,
  O_DIRECTORY,
  O_PATH,
  O_RDONLY,
  O_RDWR,
  O_WRONLY,
  SEEK_CUR,
  SEEK_SET,
} from '../../../src/abi/fcntl.ts';
import { USER } from '../case.ts';
import { equal, equalMode, expectError, isLater } from '../check.ts';
import { openBoth, TEXT } from '../copying.ts';

export const copyFileRangeCases: readonly Case[] = [
  {
    title: 'copy_file_range copies from and to the offsets of the descriptions, and moves them',
    origin: 'copy_file_range(2)',
    async run(t) {
      const [source, target] = await openBoth(t);
      await t.lseek(source, 2, SEEK_SET);
      await t.lseek(target, 1, SEEK_SET);
      equal(await t.copyFileRange({ fd: source }, { fd: target }, 4), 4);
      equal(await t.lseek(source, 0, SEEK_CUR), 6);
      equal(await t.lseek(target, 0, SEEK_CUR), 5);
      equal(await t.readFile(t.path('target')), '\x002345');
    },
  },
  {
    title: 'copy_file_range with offsets leaves those of the descriptions alone',
    origin: 'copy_file_range(2)',
    async run(t) {
      const [source, target] = await openBoth(t);
      const copied = await t.copyFileRange({ fd: source, offset: 5 }, { fd: target, offset: 2 }, 3);
      equal(copied, 3);
      equal([await t.lseek(source, 0, SEEK_CUR), await t.lseek(target, 0, SEEK_CUR)], [0, 0]);
      equal(await t.readFile(t.path('target')), '\0\x00567');
    },
  },
  {
    title: 'copy_file_range within a file moves its access time, as it has been changed since',
    origin: 'Linux: fs/splice.c splice_direct_to_actor(); relatime',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      const fd = await t.open(t.path('file'), O_RDWR);
      await t.tick();
      await t.pread(fd, 1, 0);
      const { atime } = await t.fstat(fd);
      await t.tick();
      const [from, to] = [
        { fd, offset: 0 },
        { fd, offset: 8 },
      ];
      equal(await t.copyFileRange(from, to, 0), 0);
      equal((await t.fstat(fd)).atime, atime);
      equal(await t.copyFileRange(from, to, 4), 4);
      isLater((await t.fstat(fd)).atime, atime, 'atime');
    },
  },
  {
    title: 'copy_file_range copies up to the end of the source, and returns 0 there',
    origin: 'copy_file_range(2)',
    async run(t) {
      const [source, target] = await openBoth(t);
      equal(await t.copyFileRange({ fd: source, offset: 7 }, { fd: target }, 100), 3);
      equal(await t.copyFileRange({ fd: source, offset: 10 }, { fd: target }, 100), 0);
      equal(await t.copyFileRange({ fd: source, offset: 5000 }, { fd: target }, 100), 0);
      equal(await t.copyFileRange({ fd: source }, { fd: target }, 0), 0);
      equal(await t.readFile(t.path('target')), '789');
    },
  },
  {
    title: 'copy_file_range writes over what is there and keeps the rest',
    origin: 'copy_file_range(2)',
    async run(t) {
      const [source, target] = await openBoth(t);
      await t.write(target, 'abcdefghij');
      equal(await t.copyFileRange({ fd: source }, { fd: target, offset: 2 }, 3), 3);
      equal(await t.readFile(t.path('target')), 'ab012fghij');
    },
  },
  {
    title: 'copy_file_range copies many blocks',
    origin: 'copy_file_range(2)',
    async run(t) {
      const size = 1_000_003;
      const bytes = Uint8Array.from({ length: size }, (_, index) => index % 251);
      const source = await t.open(t.path('source'), O_RDWR | O_CREAT);
      const target = await t.open(t.path('target'), O_RDWR | O_CREAT);
      await t.write(source, bytes);
      await t.lseek(source, 0, SEEK_SET);
      let copied = 0;
      while (copied < size) copied += await t.copyFileRange({ fd: source }, { fd: target }, size);
      equal(copied, size);
      const result = await t.pread(target, size, 0);
      equal(
        result.every((byte, index) => byte === index % 251),
        true,
      );
    },
  },
  {
    title: 'copy_file_range copies within a file when the ranges are apart, EINVAL when not',
    origin: 'copy_file_range(2), EINVAL',
    async run(t) {
      await t.createFile(t.path('file'), TEXT);
      const a = await t.open(t.path('file'), O_RDWR);
      const b = await t.open(t.path('file'), O_RDWR);
      for (const to of [a, b]) {
        await expectError('EINVAL', t.copyFileRange({ fd: a }, { fd: to, offset: 3 }, 4));
        await expectError('EINVAL', t.copyFileRange({ fd: a, offset: 3 }, { fd: to }, 4));
        await expectError('EINVAL', t.copyFileRange({ fd: a }, { fd: to }, 4));
      }
      equal(await t.readFile(t.path('file')), TEXT);
      equal(await t.copyFileRange({ fd: a, offset: 0 }, { fd: b, offset: 5 }, 5), 5);
      equal(await t.readFile(t.path('file')), '0123401234');
    },
  },
  {
    title: 'copy_file_range looks only at the bytes there are for an overlap',
    origin: 'Linux: fs/read_write.c generic_copy_file_checks()',
    async run(t) {
      await t.createFile(t.path('file'), TEXT);
      const fd = await t.open(t.path('file'), O_RDWR);
      equal(await t.copyFileRange({ fd, offset: 8 }, { fd, offset: 10 }, 100), 2);
      equal(await t.readFile(t.path('file')), `${TEXT}89`);
    },
  },
  {
    title: 'copy_file_range returns EBADF for descriptors not open for what it does',
    origin: 'copy_file_range(2), EBADF',
    async run(t) {
      const [source, target] = await openBoth(t);
      const writer = await t.open(t.path('source'), O_WRONLY);
      const reader = await t.open(t.path('target'), O_RDONLY);
      const appender = await t.open(t.path('target'), O_RDWR | O_APPEND);
      const path = await t.open(t.path('target'), O_PATH);
      for (const [from, to] of [
        [writer, target],
        [source, reader],
        [source, appender],
        [source, path],
        [path, target],
        [source, 99],
        [99, target],
      ] as const) {
        await expectError('EBADF', t.copyFileRange({ fd: from }, { fd: to }, 4));
      }
      equal(await t.readFile(t.path('target')), '');
    },
  },
  {
    title: 'copy_file_range returns EISDIR for a directory and EINVAL for a pipe',
    origin: 'copy_file_range(2), EISDIR, EINVAL',
    async run(t) {
      const [source, target] = await openBoth(t);
      const dir = await t.open(t.root, O_RDONLY | O_DIRECTORY);
      const [reader, writer] = await t.pipe();
      await expectError('EISDIR', t.copyFileRange({ fd: dir }, { fd: target }, 4));
      await expectError('EINVAL', t.copyFileRange({ fd: source }, { fd: writer }, 4));
      await expectError('EINVAL', t.copyFileRange({ fd: reader }, { fd: target }, 4));
    },
  },
  {
    title: 'copy_file_range returns EINVAL for flags',
    origin: 'copy_file_range(2), EINVAL',
    async run(t) {
      const [source, target] = await openBoth(t);
      await expectError('EINVAL', t.copyFileRange({ fd: source }, { fd: target }, 4, 1));
      await expectError('EBADF', t.copyFileRange({ fd: 99 }, { fd: target }, 4, 1));
    },
  },
  {
    title: 'copy_file_range changes the times of the target and clears its setuid bit',
    origin: 'Linux: fs/read_write.c generic_copy_file_checks(), file_modified()',
    async run(t) {
      const user = await t.as(USER);
      await t.createFile(t.path('source'), TEXT);
      const source = await user.open(t.path('source'), O_RDONLY);
      const target = await user.open(t.path('target'), O_RDWR | O_CREAT, 0o755);
      await user.fchmod(target, 0o4755);
      const before = await user.fstat(target);
      await t.tick();
      await user.copyFileRange({ fd: source }, { fd: target }, 4);
      const after = await user.fstat(target);
      isLater(after.mtime, before.mtime, 'mtime');
      isLater(after.ctime, before.ctime, 'ctime');
      equalMode(after, 0o755);
    },
  },
];
