// lseek(2), with SEEK_DATA and SEEK_HOLE.

import type { Case, Context } from '../case.ts';
import {
  O_DIRECTORY,
  O_PATH,
  O_RDONLY,
  O_RDWR,
  SEEK_CUR,
  SEEK_DATA,
  SEEK_END,
  SEEK_HOLE,
  SEEK_SET,
} from '../../../src/abi/fcntl.ts';
import { equal, expectError } from '../check.ts';

const MIB = 1 << 20;

async function openNew(t: Context, content = ''): Promise<number> {
  await t.createFile(t.path('file'), content);
  return t.open(t.path('file'), O_RDWR);
}

export const lseekCases: readonly Case[] = [
  {
    title: 'lseek sets the offset from the start, the present place and the end',
    origin: 'POSIX lseek; gVisor lseek.cc Set, Cur, End',
    async run(t) {
      const fd = await openNew(t, 'hello world!');
      equal(await t.lseek(fd, 3, SEEK_SET), 3);
      equal(await t.readText(fd, 1), 'l');
      equal(await t.lseek(fd, 2, SEEK_CUR), 6);
      equal(await t.readText(fd, 1), 'w');
      equal(await t.lseek(fd, -2, SEEK_END), 10);
      equal(await t.readText(fd, 10), 'd!');
      equal(await t.lseek(fd, -12, SEEK_CUR), 0);
    },
  },
  {
    title: 'lseek past the end succeeds and does not change the size',
    origin: 'POSIX lseek',
    async run(t) {
      const fd = await openNew(t, 'text');
      equal(await t.lseek(fd, 100, SEEK_END), 104);
      equal(await t.readText(fd, 1), '');
      equal((await t.fstat(fd)).size, 4);
    },
  },
  {
    title: 'lseek returns EINVAL for a negative result and keeps the offset',
    origin: 'POSIX lseek, EINVAL; gVisor lseek.cc NegativeOffset',
    async run(t) {
      const fd = await openNew(t, 'text');
      await t.lseek(fd, 2, SEEK_SET);
      await expectError('EINVAL', t.lseek(fd, -1, SEEK_SET));
      await expectError('EINVAL', t.lseek(fd, -3, SEEK_CUR));
      await expectError('EINVAL', t.lseek(fd, -5, SEEK_END));
      equal(await t.lseek(fd, 0, SEEK_CUR), 2);
    },
  },
  {
    title: 'lseek returns EINVAL for an unknown whence',
    origin: 'POSIX lseek, EINVAL; gVisor lseek.cc InvalidWhence',
    async run(t) {
      const fd = await openNew(t, 'text');
      await expectError('EINVAL', t.lseek(fd, 0, -1));
      await expectError('EINVAL', t.lseek(fd, 0, 5));
    },
  },
  {
    title: 'lseek returns EBADF for a closed descriptor and an O_PATH one, whatever the whence',
    origin: 'POSIX lseek, EBADF; gVisor lseek.cc InvalidFD',
    async run(t) {
      await t.createFile(t.path('file'));
      const path = await t.open(t.path('file'), O_PATH);
      for (const fd of [path, -1]) {
        await expectError('EBADF', t.lseek(fd, 0, SEEK_SET));
        await expectError('EBADF', t.lseek(fd, 0, -1));
      }
    },
  },
  {
    title: 'lseek of a directory starts at 0 and refuses negative positions',
    origin: 'gVisor lseek.cc DirCurEnd',
    async run(t) {
      const fd = await t.open(t.root, O_RDONLY | O_DIRECTORY);
      equal(await t.lseek(fd, 0, SEEK_CUR), 0);
      await expectError('EINVAL', t.lseek(fd, -1, SEEK_SET));
      equal(await t.lseek(fd, 0, SEEK_SET), 0);
    },
  },
  {
    title: 'SEEK_DATA and SEEK_HOLE find data up to the end and the hole behind it',
    origin: 'lseek(2); gVisor lseek.cc SeekDataAndSeekHole',
    async run(t) {
      const fd = await openNew(t, '12345678');
      equal(await t.lseek(fd, 0, SEEK_DATA), 0);
      equal(await t.lseek(fd, 4, SEEK_DATA), 4);
      equal(await t.lseek(fd, 4, SEEK_HOLE), 8);
      equal(await t.lseek(fd, 0, SEEK_CUR), 8);
    },
  },
  {
    title: 'SEEK_DATA and SEEK_HOLE return ENXIO at and past the end and for negative offsets',
    origin: 'lseek(2), ENXIO; gVisor lseek.cc SeekDataAndSeekHole',
    async run(t) {
      const fd = await openNew(t, '12345678');
      await t.lseek(fd, 3, SEEK_SET);
      for (const whence of [SEEK_DATA, SEEK_HOLE]) {
        await expectError('ENXIO', t.lseek(fd, 8, whence));
        await expectError('ENXIO', t.lseek(fd, 1000, whence));
        await expectError('ENXIO', t.lseek(fd, -1, whence));
      }
      equal(await t.lseek(fd, 0, SEEK_CUR), 3);
    },
  },
  {
    title: 'SEEK_DATA and SEEK_HOLE return ENXIO in an empty file',
    origin: 'lseek(2), ENXIO',
    async run(t) {
      const fd = await openNew(t);
      await expectError('ENXIO', t.lseek(fd, 0, SEEK_DATA));
      await expectError('ENXIO', t.lseek(fd, 0, SEEK_HOLE));
    },
  },
  {
    title: 'SEEK_DATA skips a hole and SEEK_HOLE stops at it',
    origin: 'lseek(2), SEEK_DATA and SEEK_HOLE',
    needs: ['finding holes'],
    async run(t) {
      const fd = await openNew(t);
      await t.pwrite(fd, 'x'.repeat(MIB), 0);
      await t.pwrite(fd, 'x'.repeat(MIB), 3 * MIB);
      equal(await t.lseek(fd, 0, SEEK_HOLE), MIB);
      equal(await t.lseek(fd, MIB, SEEK_DATA), 3 * MIB);
      equal(await t.lseek(fd, 2 * MIB, SEEK_DATA), 3 * MIB);
      equal(await t.lseek(fd, 2 * MIB, SEEK_HOLE), 2 * MIB);
      equal(await t.lseek(fd, 3 * MIB + 5, SEEK_DATA), 3 * MIB + 5);
      equal(await t.lseek(fd, 3 * MIB, SEEK_HOLE), 4 * MIB);
    },
  },
  {
    title: 'SEEK_DATA returns ENXIO in a hole at the end of the file',
    origin: 'lseek(2), ENXIO',
    needs: ['finding holes'],
    async run(t) {
      const fd = await openNew(t, 'x'.repeat(MIB));
      await t.ftruncate(fd, 4 * MIB);
      await expectError('ENXIO', t.lseek(fd, 2 * MIB, SEEK_DATA));
      equal(await t.lseek(fd, 2 * MIB, SEEK_HOLE), 2 * MIB);
      equal(await t.lseek(fd, 0, SEEK_HOLE), MIB);
    },
  },
  {
    title: 'SEEK_DATA finds a byte written past 4 GiB',
    origin: 'lseek(2)',
    needs: ['finding holes'],
    async run(t) {
      const fd = await openNew(t);
      const at = 5 * 1024 * MIB;
      await t.pwrite(fd, 'x', at);
      equal(await t.lseek(fd, 0, SEEK_DATA), at);
      equal(await t.lseek(fd, 0, SEEK_HOLE), 0);
      equal(await t.lseek(fd, at, SEEK_HOLE), at + 1);
    },
  },
];
