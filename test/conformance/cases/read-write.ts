// read(2), write(2), pread(2), pwrite(2), O_APPEND, and offsets past 4 GiB.

import type { Case } from '../case.ts';
import {
  O_APPEND,
  O_CREAT,
  O_PATH,
  O_RDONLY,
  O_RDWR,
  O_WRONLY,
  SEEK_CUR,
  SEEK_END,
  SEEK_SET,
} from '../../../src/abi/fcntl.ts';
import { equal, expectError, isTrue } from '../check.ts';

const GIB = 2 ** 30;

/** Bytes that differ at every place where pages or extents might begin. */
function patterned(size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, index) => (index * 7 + (index >>> 8)) & 0xff);
}

export const readWriteCases: readonly Case[] = [
  {
    title: 'read returns what is there, less at the end and then nothing',
    origin: 'POSIX read',
    async run(t) {
      await t.createFile(t.path('file'), 'abcdef');
      const fd = await t.open(t.path('file'), O_RDONLY);
      equal(await t.readText(fd, 4), 'abcd');
      equal(await t.readText(fd, 4), 'ef');
      equal(await t.readText(fd, 4), '');
      equal(await t.lseek(fd, 0, SEEK_CUR), 6);
    },
  },
  {
    title: 'read of no bytes returns 0 and moves nothing',
    origin: 'POSIX read',
    async run(t) {
      await t.createFile(t.path('file'), 'abcdef');
      const fd = await t.open(t.path('file'), O_RDONLY);
      equal(await t.readText(fd, 0), '');
      equal(await t.lseek(fd, 0, SEEK_CUR), 0);
    },
  },
  {
    title: 'write moves the offset and overwrites in place',
    origin: 'POSIX write',
    async run(t) {
      await t.createFile(t.path('file'), 'abcdef');
      const fd = await t.open(t.path('file'), O_RDWR);
      await t.lseek(fd, 2, SEEK_SET);
      equal(await t.write(fd, 'XY'), 2);
      equal(await t.lseek(fd, 0, SEEK_CUR), 4);
      equal(await t.readFile(t.path('file')), 'abXYef');
    },
  },
  {
    title: 'a write past the end leaves a hole that reads as zeros',
    origin: 'POSIX lseek',
    async run(t) {
      await t.createFile(t.path('file'), 'ab');
      const fd = await t.open(t.path('file'), O_RDWR);
      await t.lseek(fd, 5, SEEK_SET);
      equal((await t.fstat(fd)).size, 2);
      await t.write(fd, 'z');
      equal(await t.readFile(t.path('file')), 'ab\0\0\0z');
    },
  },
  {
    title: 'what was written is read back across every page boundary',
    origin: 'POSIX write',
    async run(t) {
      const data = patterned(300_000);
      await t.createFile(t.path('file'));
      const fd = await t.open(t.path('file'), O_RDWR);
      for (let at = 0; at < data.length; at += 77_777) {
        await t.write(fd, data.subarray(at, at + 77_777));
      }
      for (const [start, count] of [
        [0, 300_000],
        [4095, 2],
        [65_535, 4098],
        [131_071, 100_000],
      ] as const) {
        const part = await t.pread(fd, count, start);
        isTrue(
          part.every((byte, index) => byte === data[start + index]),
          `${count} bytes from ${start} on are right`,
        );
        equal(part.length, count);
      }
    },
  },
  {
    title: 'small writes in the middle of a large file change only their bytes',
    origin: 'POSIX pwrite',
    async run(t) {
      const data = patterned(200_000);
      await t.createFile(t.path('file'));
      const fd = await t.open(t.path('file'), O_RDWR);
      await t.write(fd, data);
      for (const [at, count] of [
        [0, 1],
        [4090, 12],
        [65_530, 10],
        [131_072, 4096],
        [199_999, 1],
      ] as const) {
        data.fill(0xee, at, at + count);
        await t.pwrite(fd, data.subarray(at, at + count), at);
      }
      const all = await t.pread(fd, 300_000, 0);
      equal(all.length, 200_000);
      isTrue(
        all.every((byte, index) => byte === data[index]),
        'every byte is right',
      );
    },
  },
  {
    title: 'pread reads at an offset and leaves the description’s',
    origin: 'POSIX pread; gVisor pread64.cc OffsetNotIncremented',
    async run(t) {
      await t.createFile(t.path('file'), 'abcdef');
      const fd = await t.open(t.path('file'), O_RDONLY);
      equal(await t.preadText(fd, 10, 3), 'def');
      equal(await t.preadText(fd, 10, 6), '');
      equal(await t.preadText(fd, 10, 1000), '');
      equal(await t.preadText(fd, 0, 0), '');
      equal(await t.lseek(fd, 0, SEEK_CUR), 0);
    },
  },
  {
    title: 'pwrite writes at an offset and leaves the description’s',
    origin: 'POSIX pwrite; gVisor pwrite64.cc DoesNotChangeOffset',
    async run(t) {
      await t.createFile(t.path('file'));
      const fd = await t.open(t.path('file'), O_RDWR);
      await t.lseek(fd, 50, SEEK_SET);
      equal(await t.pwrite(fd, 'text', 100), 4);
      equal(await t.lseek(fd, 0, SEEK_CUR), 50);
      equal((await t.fstat(fd)).size, 104);
      equal(await t.preadText(fd, 10, 98), '\0\0text');
    },
  },
  {
    title: 'pread and pwrite return EINVAL for a negative offset',
    origin: 'POSIX pread, EINVAL; gVisor pread64.cc BadOffset',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      const fd = await t.open(t.path('file'), O_RDWR);
      await expectError('EINVAL', t.pread(fd, 1, -1));
      await expectError('EINVAL', t.pwrite(fd, 'x', -1));
      equal(await t.readFile(t.path('file')), 'text');
    },
  },
  {
    title: 'pread and pwrite return EINVAL for a negative offset before EBADF',
    origin: 'Linux: fs/read_write.c ksys_pread64()',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      const writer = await t.open(t.path('file'), O_WRONLY);
      const reader = await t.open(t.path('file'), O_RDONLY);
      await expectError('EINVAL', t.pread(writer, 1, -1));
      await expectError('EINVAL', t.pwrite(reader, 'x', -1));
      await expectError('EINVAL', t.pread(-1, 1, -1));
      await expectError('EINVAL', t.pwrite(-1, 'x', -1));
    },
  },
  {
    title: 'reading and writing return EBADF for closed and O_PATH descriptors',
    origin: 'POSIX read, EBADF; gVisor pread64.cc Pread64WithOpath',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      const path = await t.open(t.path('file'), O_PATH);
      for (const fd of [path, -1, 3999]) {
        await expectError('EBADF', t.read(fd, 1));
        await expectError('EBADF', t.write(fd, 'x'));
        await expectError('EBADF', t.pread(fd, 1, 0));
        await expectError('EBADF', t.pwrite(fd, 'x', 0));
      }
    },
  },
  {
    title: 'a read or write of no bytes still needs the access',
    origin: 'POSIX read, EBADF',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      const reader = await t.open(t.path('file'), O_RDONLY);
      const writer = await t.open(t.path('file'), O_WRONLY);
      await expectError('EBADF', t.write(reader, ''));
      await expectError('EBADF', t.read(writer, 0));
      equal(await t.write(writer, ''), 0);
      equal(await t.pwrite(writer, '', 1000), 0);
      equal((await t.fstat(writer)).size, 4);
    },
  },
  {
    title: 'with O_APPEND every write goes to the end, whatever the offset',
    origin: 'POSIX write, O_APPEND; gVisor open.cc CreateWithAppend',
    async run(t) {
      const fd = await t.open(t.path('file'), O_RDWR | O_CREAT | O_APPEND);
      await t.write(fd, 'one');
      await t.lseek(fd, 0, SEEK_SET);
      await t.write(fd, 'two');
      equal(await t.lseek(fd, 0, SEEK_CUR), 6);
      equal(await t.readFile(t.path('file')), 'onetwo');
    },
  },
  {
    title: 'two descriptions with O_APPEND never overwrite each other',
    origin: 'POSIX write, O_APPEND; gVisor open.cc AppendOnly',
    async run(t) {
      const first = await t.open(t.path('file'), O_WRONLY | O_CREAT | O_APPEND);
      const second = await t.open(t.path('file'), O_WRONLY | O_APPEND);
      await t.write(first, 'aaa');
      await t.write(second, 'bb');
      equal(await t.lseek(first, 0, SEEK_CUR), 3);
      equal(await t.lseek(second, 0, SEEK_CUR), 5);
      await t.write(first, 'c');
      equal(await t.lseek(first, 0, SEEK_CUR), 6);
      equal(await t.readFile(t.path('file')), 'aaabbc');
    },
  },
  {
    title: 'many appends at once lose nothing',
    origin: 'gVisor open.cc AppendConcurrentWrite',
    async run(t) {
      const fds: number[] = [];
      for (let index = 0; index < 5; index += 1) {
        fds.push(await t.open(t.path('file'), O_WRONLY | O_CREAT | O_APPEND));
      }
      const writes = Array.from({ length: 100 }, (_, index) =>
        t.write(fds[index % 5] ?? -1, 'xyz'),
      );
      await Promise.all(writes);
      equal(await t.readFile(t.path('file')), 'xyz'.repeat(100));
    },
  },
  {
    title: 'pwrite with O_APPEND appends and ignores the offset it was given',
    origin: 'pwrite(2), BUGS; gVisor pwrite64.cc AppendOnly',
    async run(t) {
      await t.createFile(t.path('file'), 'abc');
      const fd = await t.open(t.path('file'), O_WRONLY | O_APPEND);
      equal(await t.pwrite(fd, 'def', 0), 3);
      equal(await t.lseek(fd, 0, SEEK_CUR), 0);
      equal(await t.readFile(t.path('file')), 'abcdef');
    },
  },
  {
    title: 'O_APPEND appends at the end that truncation left',
    origin: 'POSIX write, O_APPEND',
    async run(t) {
      await t.createFile(t.path('file'), 'abcdef');
      const fd = await t.open(t.path('file'), O_WRONLY | O_APPEND);
      await t.write(fd, 'g');
      await t.truncate(t.path('file'), 2);
      await t.write(fd, 'h');
      equal(await t.readFile(t.path('file')), 'abh');
    },
  },
  {
    title: 'data is written and read on both sides of 4 GiB',
    origin: 'feature_test_macros(7), _FILE_OFFSET_BITS',
    async run(t) {
      await t.createFile(t.path('file'));
      const fd = await t.open(t.path('file'), O_RDWR);
      const at = 4 * GIB - 5;
      equal(await t.pwrite(fd, '0123456789', at), 10);
      equal((await t.fstat(fd)).size, 4 * GIB + 5);
      equal(await t.preadText(fd, 100, at), '0123456789');
      equal(await t.preadText(fd, 3, 4 * GIB), '567');
      equal(await t.preadText(fd, 5, 0), '\0\0\0\0\0');
      isTrue((await t.fstat(fd)).blocks < 1000, 'the hole takes no blocks');
    },
  },
  {
    title: 'a description seeks, reads and writes past 4 GiB',
    origin: 'feature_test_macros(7), _FILE_OFFSET_BITS',
    async run(t) {
      await t.createFile(t.path('file'), 'start');
      const fd = await t.open(t.path('file'), O_RDWR);
      equal(await t.lseek(fd, 5 * GIB, SEEK_SET), 5 * GIB);
      equal(await t.write(fd, 'end'), 3);
      equal(await t.lseek(fd, 0, SEEK_CUR), 5 * GIB + 3);
      equal(await t.lseek(fd, -2, SEEK_END), 5 * GIB + 1);
      equal(await t.readText(fd), 'nd');
      equal(await t.preadText(fd, 5, 0), 'start');
    },
  },
  {
    title: 'a file is truncated to sizes past 4 GiB and back',
    origin: 'feature_test_macros(7), _FILE_OFFSET_BITS',
    async run(t) {
      await t.createFile(t.path('file'), 'start');
      const fd = await t.open(t.path('file'), O_RDWR);
      await t.pwrite(fd, 'end', 5 * GIB);
      await t.truncate(t.path('file'), 4 * GIB + 1);
      equal((await t.fstat(fd)).size, 4 * GIB + 1);
      await t.ftruncate(fd, 6 * GIB);
      equal(await t.preadText(fd, 3, 5 * GIB), '\0\0\0');
      await t.ftruncate(fd, 5);
      equal(await t.readFile(t.path('file')), 'start');
    },
  },
  {
    title: 'O_APPEND appends past 4 GiB',
    origin: 'feature_test_macros(7), _FILE_OFFSET_BITS',
    async run(t) {
      await t.createFile(t.path('file'));
      await t.truncate(t.path('file'), 4 * GIB + 7);
      const fd = await t.open(t.path('file'), O_RDWR | O_APPEND);
      await t.write(fd, 'text');
      equal(await t.lseek(fd, 0, SEEK_CUR), 4 * GIB + 11);
      equal(await t.preadText(fd, 10, 4 * GIB + 7), 'text');
    },
  },
];
