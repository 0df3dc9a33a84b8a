// truncate(2), ftruncate(2), fallocate(2).

import type { Case, Context } from '../case.ts';
import {
  FALLOC_FL_KEEP_SIZE,
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
import { equal, expectError, expectOneOf, isTrue } from '../check.ts';

/** A mode bit no version of fallocate(2) knows. */
const UNKNOWN_FALLOCATE_MODE = 0x1000;

async function openNew(t: Context, content = ''): Promise<number> {
  await t.createFile(t.path('file'), content);
  return t.open(t.path('file'), O_RDWR);
}

export const truncateCases: readonly Case[] = [
  {
    title: 'truncate shortens a file',
    origin: 'POSIX truncate; gVisor FixtureTruncateTest.Truncate',
    async run(t) {
      await t.createFile(t.path('file'), 'abcdef');
      await t.truncate(t.path('file'), 2);
      equal(await t.readFile(t.path('file')), 'ab');
      await t.truncate(t.path('file'), 0);
      equal(await t.readFile(t.path('file')), '');
    },
  },
  {
    title: 'truncate lengthens a file with zeros',
    origin: 'POSIX truncate; gVisor FixtureTruncateTest.Truncate',
    async run(t) {
      await t.createFile(t.path('file'), 'ab');
      await t.truncate(t.path('file'), 5);
      equal(await t.readFile(t.path('file')), 'ab\0\0\0');
    },
  },
  {
    title: 'what ftruncate cut off reads as zeros when the file grows again',
    origin: 'POSIX ftruncate; gVisor truncate.cc FtruncateShrinkGrow',
    async run(t) {
      const fd = await openNew(t, '0123456789');
      await t.ftruncate(fd, 5);
      await t.ftruncate(fd, 10);
      equal(await t.preadText(fd, 20, 0), '01234\0\0\0\0\0');
    },
  },
  {
    title: 'what ftruncate cut off within a page reads as zeros after a write further on',
    origin: 'POSIX ftruncate',
    async run(t) {
      const fd = await openNew(t, 'x'.repeat(10_000));
      await t.ftruncate(fd, 4100);
      await t.pwrite(fd, 'end', 9000);
      const bytes = await t.pread(fd, 10_000, 0);
      equal(bytes.length, 9003);
      isTrue(
        bytes.subarray(0, 4100).every((byte) => byte === 0x78),
        'the start is kept',
      );
      isTrue(
        bytes.subarray(4100, 9000).every((byte) => byte === 0),
        'the gap is zeros',
      );
    },
  },
  {
    title: 'ftruncate leaves the offset where it was',
    origin: 'POSIX ftruncate',
    async run(t) {
      const fd = await openNew(t, '0123456789');
      await t.lseek(fd, 8, SEEK_SET);
      await t.ftruncate(fd, 3);
      equal(await t.lseek(fd, 0, SEEK_CUR), 8);
      equal(await t.readText(fd), '');
      await t.write(fd, 'x');
      equal(await t.preadText(fd, 20, 0), '012\0\0\0\0\0x');
    },
  },
  {
    title: 'truncate and ftruncate return EINVAL for a negative length',
    origin: 'POSIX truncate, EINVAL; gVisor FixtureTruncateTest',
    async run(t) {
      const fd = await openNew(t, 'text');
      await expectError('EINVAL', t.truncate(t.path('file'), -1));
      await expectError('EINVAL', t.ftruncate(fd, -1));
      await expectError('EINVAL', t.truncate(t.path('missing'), -1));
      await expectError('EINVAL', t.ftruncate(-1, -1));
      equal((await t.fstat(fd)).size, 4);
    },
  },
  {
    title: 'truncate returns EISDIR for a directory',
    origin: 'POSIX truncate, EISDIR; gVisor truncate.cc TruncateDir',
    async run(t) {
      await t.mkdir(t.path('dir'));
      await expectError('EISDIR', t.truncate(t.path('dir'), 0));
      await expectError('EISDIR', t.truncate(t.path('dir/'), 0));
    },
  },
  {
    title: 'ftruncate returns EINVAL for the descriptor of a directory',
    origin: 'POSIX ftruncate, EINVAL; gVisor truncate.cc FtruncateDir',
    async run(t) {
      const fd = await t.open(t.root, O_RDONLY | O_DIRECTORY);
      await expectError('EINVAL', t.ftruncate(fd, 0));
    },
  },
  {
    title: 'truncate returns ENOENT and ENOTDIR as any path does',
    origin: 'POSIX truncate; gVisor truncate.cc TruncateNonExist',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      await expectError('ENOENT', t.truncate(t.path('missing'), 0));
      await expectError('ENOENT', t.truncate('', 0));
      await expectError('ENOTDIR', t.truncate(t.path('file/'), 0));
      await expectError('ENOTDIR', t.truncate(t.path('file/x'), 0));
      equal(await t.readFile(t.path('file')), 'text');
    },
  },
  {
    title: 'truncate follows symbolic links',
    origin: 'POSIX truncate',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      await t.symlink('file', t.path('link'));
      await t.symlink('missing', t.path('dangling'));
      await t.truncate(t.path('link'), 1);
      equal(await t.readFile(t.path('file')), 't');
      await expectError('ENOENT', t.truncate(t.path('dangling'), 1));
    },
  },
  {
    title: 'truncate returns EACCES without permission to write',
    origin: 'POSIX truncate, EACCES; gVisor truncate.cc TruncateNonWriteable',
    async run(t) {
      const user = await t.as(USER);
      await user.createFile(t.path('file'), 'text', 0o555);
      await expectError('EACCES', user.truncate(t.path('file'), 0));
      equal(await user.readFile(t.path('file')), 'text');
      await t.truncate(t.path('file'), 1);
    },
  },
  {
    title: 'truncate returns EISDIR before EACCES for a directory',
    origin: 'Linux: fs/open.c vfs_truncate()',
    async run(t) {
      await t.mkdir(t.path('dir'), 0o755);
      const user = await t.as(USER);
      await expectError('EISDIR', user.truncate(t.path('dir'), 0));
    },
  },
  {
    title: 'ftruncate returns EINVAL for a description that was not opened for writing',
    origin: 'POSIX ftruncate, EINVAL; gVisor truncate.cc FtruncateNonWriteable',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      await expectError('EINVAL', t.ftruncate(await t.open(t.path('file'), O_RDONLY), 0));
      equal(await t.readFile(t.path('file')), 'text');
    },
  },
  {
    title: 'ftruncate returns EBADF for a closed descriptor and an O_PATH one',
    origin: 'POSIX ftruncate, EBADF; gVisor truncate.cc FtruncateWithOpath',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      await expectError('EBADF', t.ftruncate(-1, 0));
      await expectError('EBADF', t.ftruncate(await t.open(t.path('file'), O_PATH), 0));
    },
  },
  {
    title: 'ftruncate needs no permission once the description is writable',
    origin: 'gVisor truncate.cc FtruncateWithoutWritePermission, FtruncateVirtualTmp',
    async run(t) {
      const user = await t.as(USER);
      const fd = await user.open(t.path('file'), O_RDWR | O_CREAT, 0);
      await user.ftruncate(fd, 100);
      equal((await user.fstat(fd)).size, 100);
    },
  },
  {
    title: 'a truncated page gives its blocks back',
    origin: 'POSIX stat, st_blocks',
    async run(t) {
      const fd = await openNew(t, 'x'.repeat(65_536));
      await t.fsync(fd);
      const full = await t.fstat(fd);
      await t.ftruncate(fd, 4096);
      const cut = await t.fstat(fd);
      isTrue(full.blocks >= 128, `64 KiB take 128 blocks, not ${full.blocks}`);
      isTrue(cut.blocks < full.blocks, `${cut.blocks} is less than ${full.blocks}`);
      await t.ftruncate(fd, 0);
      equal((await t.fstat(fd)).blocks, 0);
    },
  },
  {
    title: 'growing a file by truncate takes no blocks',
    origin: 'POSIX truncate',
    async run(t) {
      const fd = await openNew(t);
      await t.ftruncate(fd, 100 << 20);
      const stat = await t.fstat(fd);
      equal([stat.size, stat.blocks], [100 << 20, 0]);
    },
  },
  {
    title: 'truncation is seen at once through every description',
    origin: 'POSIX truncate',
    async run(t) {
      const first = await openNew(t, 'text');
      const second = await t.open(t.path('file'), O_RDONLY);
      await t.ftruncate(first, 2);
      equal(await t.readText(second), 'te');
      equal((await t.fstat(second)).size, 2);
    },
  },
];

export const fallocateCases: readonly Case[] = [
  {
    title: 'fallocate grows a file to the end of the range and never shrinks it',
    origin: 'fallocate(2); gVisor fallocate.cc Fallocate',
    async run(t) {
      const fd = await openNew(t);
      const steps = [
        [0, 10, 10],
        [0, 5, 10],
        [0, 20, 20],
        [10, 20, 30],
        [39, 1, 40],
      ] as const;
      for (const [offset, length, size] of steps) {
        await t.fallocate(fd, 0, offset, length);
        equal((await t.fstat(fd)).size, size, `size after (${offset}, ${length})`);
      }
    },
  },
  {
    title: 'fallocate keeps what is in the range and fills the rest with zeros',
    origin: 'fallocate(2)',
    async run(t) {
      const fd = await openNew(t, 'abc');
      await t.fallocate(fd, 0, 1, 5);
      equal(await t.preadText(fd, 20, 0), 'abc\0\0\0');
    },
  },
  {
    title: 'fallocate takes the blocks of the range',
    origin: 'fallocate(2); POSIX posix_fallocate',
    async run(t) {
      const fd = await openNew(t);
      await t.fallocate(fd, 0, 0, 65_536);
      const { blocks, size } = await t.fstat(fd);
      isTrue(blocks >= 128, `64 KiB take 128 blocks, not ${blocks}`);
      equal(size, 65_536);
    },
  },
  {
    title: 'fallocate with FALLOC_FL_KEEP_SIZE takes blocks and leaves the size',
    origin: 'fallocate(2), FALLOC_FL_KEEP_SIZE',
    async run(t) {
      const fd = await openNew(t, 'text');
      await t.fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 65_536);
      const { blocks, size } = await t.fstat(fd);
      equal(size, 4);
      isTrue(blocks >= 128, `64 KiB take 128 blocks, not ${blocks}`);
      equal(await t.preadText(fd, 20, 0), 'text');
    },
  },
  {
    title: 'fallocate returns EINVAL for a negative offset and for a length that is not positive',
    origin: 'fallocate(2), EINVAL; gVisor fallocate.cc FallocateInvalid',
    async run(t) {
      const fd = await openNew(t, 'text');
      await expectError('EINVAL', t.fallocate(fd, 0, -1, 10));
      await expectError('EINVAL', t.fallocate(fd, 0, 0, 0));
      await expectError('EINVAL', t.fallocate(fd, 0, 0, -1));
      await expectError('EINVAL', t.fallocate(fd, 0, -1, -1));
      equal((await t.fstat(fd)).size, 4);
    },
  },
  {
    title: 'fallocate returns EBADF for a closed, a read-only and an O_PATH descriptor',
    origin: 'fallocate(2), EBADF; gVisor fallocate.cc FallocateReadonly, FallocateWithOpath',
    async run(t) {
      await t.createFile(t.path('file'));
      await expectError('EBADF', t.fallocate(-1, 0, 0, 10));
      for (const flags of [O_RDONLY, O_PATH]) {
        await expectError('EBADF', t.fallocate(await t.open(t.path('file'), flags), 0, 0, 10));
      }
      equal((await t.stat(t.path('file'))).size, 0);
    },
  },
  {
    title: 'fallocate returns EBADF for a closed descriptor before EINVAL, and EINVAL before EBADF',
    origin: 'Linux: fs/open.c ksys_fallocate(), vfs_fallocate()',
    async run(t) {
      await t.createFile(t.path('file'));
      await expectError('EBADF', t.fallocate(-1, 0, -1, 10));
      const fd = await t.open(t.path('file'), O_RDONLY);
      await expectError('EINVAL', t.fallocate(fd, 0, -1, 10));
    },
  },
  {
    title: 'fallocate returns EOPNOTSUPP for a mode it does not know',
    origin: 'fallocate(2), EOPNOTSUPP',
    async run(t) {
      const fd = await openNew(t, 'text');
      await expectError('EOPNOTSUPP', t.fallocate(fd, UNKNOWN_FALLOCATE_MODE, 0, 10));
      equal((await t.fstat(fd)).size, 4);
    },
  },
  {
    title: 'fallocate of the descriptor of a directory returns EBADF',
    origin: 'fallocate(2), EBADF',
    async run(t) {
      const fd = await t.open(t.root, O_RDONLY | O_DIRECTORY);
      await expectError('EBADF', t.fallocate(fd, 0, 0, 10));
    },
  },
  {
    title: 'fallocate works through a write-only description and leaves its offset',
    origin: 'fallocate(2)',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      const fd = await t.open(t.path('file'), O_WRONLY);
      await t.fallocate(fd, 0, 0, 100);
      equal(await t.lseek(fd, 0, SEEK_CUR), 0);
      equal((await t.fstat(fd)).size, 100);
    },
  },
  {
    title: 'fallocate far beyond what the medium holds returns ENOSPC or EFBIG, and grows nothing',
    origin: 'fallocate(2), ENOSPC',
    async run(t) {
      const fd = await openNew(t, 'text');
      await expectOneOf(['ENOSPC', 'EFBIG'], t.fallocate(fd, 0, 0, 2 ** 50));
      equal((await t.fstat(fd)).size, 4);
    },
  },
];
