// fallocate(2) with modes: holes, zeros, and ranges taken out or put in.

import type { Case } from '../case.ts';
import {
  FALLOC_FL_COLLAPSE_RANGE,
  FALLOC_FL_INSERT_RANGE,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_ZERO_RANGE,
  O_CREAT,
  O_RDONLY,
  O_RDWR,
  O_WRONLY,
  SEEK_DATA,
  SEEK_HOLE,
} from '../../../src/abi/fcntl.ts';
import type { Subject } from '../subject.ts';
import { USER } from '../case.ts';
import { equal, equalMode, expectError, expectOneOf, isLater, isTrue } from '../check.ts';

const PUNCH = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
const BLOCK = 4096;

/** A new file of blocks, each full of its letter, open for both. */
async function openBlocks(t: Subject, path: string, letters: string): Promise<number> {
  const fd = await t.open(path, O_RDWR | O_CREAT);
  await t.write(
    fd,
    letters.replaceAll(/./g, (letter) => letter.repeat(BLOCK)),
  );
  return fd;
}

/** The letter of each block, `0` for zeros, `?` for a mixture. */
async function lettersOf(t: Subject, fd: number): Promise<string> {
  const { size } = await t.fstat(fd);
  const bytes = await t.pread(fd, size, 0);
  let letters = '';
  for (let at = 0; at < size; at += BLOCK) {
    const block = bytes.subarray(at, at + BLOCK);
    const [first = 0] = block;
    if (!block.every((byte) => byte === first)) letters += '?';
    else letters += first === 0 ? '0' : String.fromCharCode(first);
  }
  return letters;
}

export const punchHoleCases: readonly Case[] = [
  {
    title: 'a punched hole reads as zeros and leaves the size as it is',
    origin: 'fallocate(2), FALLOC_FL_PUNCH_HOLE',
    async run(t) {
      const fd = await openBlocks(t, t.path('file'), 'abcd');
      await t.fallocate(fd, PUNCH, BLOCK, 2 * BLOCK);
      equal(await lettersOf(t, fd), 'a00d');
    },
  },
  {
    title: 'SEEK_HOLE finds a punched hole and SEEK_DATA what is behind it',
    origin: 'fallocate(2), FALLOC_FL_PUNCH_HOLE; lseek(2)',
    needs: ['finding holes'],
    async run(t) {
      const fd = await openBlocks(t, t.path('file'), 'abcdefgh');
      await t.fsync(fd);
      await t.fallocate(fd, PUNCH, 2 * BLOCK, 3 * BLOCK);
      equal(await t.lseek(fd, 0, SEEK_HOLE), 2 * BLOCK);
      equal(await t.lseek(fd, 2 * BLOCK, SEEK_DATA), 5 * BLOCK);
      equal(await t.lseek(fd, 5 * BLOCK, SEEK_HOLE), 8 * BLOCK);
    },
  },
  {
    title: 'punching a hole gives space back',
    origin: 'fallocate(2), FALLOC_FL_PUNCH_HOLE',
    async run(t) {
      const fd = await openBlocks(t, t.path('file'), 'abcdefgh');
      await t.fsync(fd);
      const before = await t.fstat(fd);
      await t.fallocate(fd, PUNCH, 0, 6 * BLOCK);
      const after = await t.fstat(fd);
      isTrue(after.blocks < before.blocks, 'fewer blocks are in use');
      equal(after.size, before.size);
    },
  },
  {
    title: 'a hole that begins and ends within blocks is zeroed to the byte',
    origin: 'fallocate(2), FALLOC_FL_PUNCH_HOLE',
    async run(t) {
      const fd = await openBlocks(t, t.path('file'), 'abc');
      await t.fallocate(fd, PUNCH, BLOCK - 2, BLOCK + 4);
      equal(await t.preadText(fd, 4, BLOCK - 4), 'aa\0\0');
      equal(await t.preadText(fd, 4, 2 * BLOCK), '\0\0cc');
      await t.fallocate(fd, PUNCH, 1, 2);
      equal(await t.preadText(fd, 5, 0), 'a\0\0aa');
    },
  },
  {
    title: 'a hole beyond the end changes nothing, one across it stops there',
    origin: 'fallocate(2), FALLOC_FL_PUNCH_HOLE',
    async run(t) {
      const fd = await openBlocks(t, t.path('file'), 'ab');
      await t.fallocate(fd, PUNCH, 10 * BLOCK, BLOCK);
      equal(await lettersOf(t, fd), 'ab');
      await t.fallocate(fd, PUNCH, BLOCK, 10 * BLOCK);
      equal(await lettersOf(t, fd), 'a0');
    },
  },
  {
    title: 'punching frees what was allocated beyond the end',
    origin: 'Linux: mm/shmem.c shmem_fallocate()',
    needs: ['punching beyond the end'],
    async run(t) {
      const fd = await openBlocks(t, t.path('file'), 'abc');
      await t.fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 8 * BLOCK + 1);
      await t.fallocate(fd, PUNCH, 2 * BLOCK, 100 * BLOCK);
      const { size, blocks } = await t.fstat(fd);
      equal(size, 3 * BLOCK);
      equal(blocks, (2 * BLOCK) / 512);
      equal(await lettersOf(t, fd), 'ab0');
    },
  },
  {
    title: 'a punched hole is written again',
    origin: 'fallocate(2), FALLOC_FL_PUNCH_HOLE',
    needs: ['finding holes'],
    async run(t) {
      const fd = await openBlocks(t, t.path('file'), 'abc');
      await t.fallocate(fd, PUNCH, 0, 3 * BLOCK);
      await t.pwrite(fd, 'x'.repeat(BLOCK), BLOCK);
      equal(await lettersOf(t, fd), '0x0');
      equal(await t.lseek(fd, 0, SEEK_DATA), BLOCK);
    },
  },
  {
    title: 'punching a hole changes mtime and ctime, and clears the setuid bit',
    origin: 'Linux: file_modified()',
    async run(t) {
      const user = await t.as(USER);
      const fd = await user.open(t.path('file'), O_RDWR | O_CREAT, 0o755);
      await user.write(fd, 'text');
      await user.fchmod(fd, 0o4755);
      const before = await user.fstat(fd);
      await t.tick();
      await user.fallocate(fd, PUNCH, 0, 2);
      const after = await user.fstat(fd);
      isLater(after.mtime, before.mtime, 'mtime');
      isLater(after.ctime, before.ctime, 'ctime');
      equalMode(after, 0o755);
    },
  },
  {
    title: 'FALLOC_FL_KEEP_SIZE takes space beyond the end and leaves the size as it is',
    origin: 'fallocate(2), FALLOC_FL_KEEP_SIZE',
    async run(t) {
      const fd = await openBlocks(t, t.path('file'), 'a');
      await t.fsync(fd);
      const before = await t.fstat(fd);
      await t.fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 16 * BLOCK);
      const after = await t.fstat(fd);
      equal(after.size, BLOCK);
      isTrue(after.blocks > before.blocks, 'more blocks are in use');
      await t.ftruncate(fd, 4 * BLOCK);
      equal(await lettersOf(t, fd), 'a000');
    },
  },
];

export const fallocateErrorCases: readonly Case[] = [
  {
    title: 'FALLOC_FL_PUNCH_HOLE returns EOPNOTSUPP without FALLOC_FL_KEEP_SIZE',
    origin: 'fallocate(2), EOPNOTSUPP',
    async run(t) {
      const fd = await openBlocks(t, t.path('file'), 'a');
      await expectError('EOPNOTSUPP', t.fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 10));
      equal(await lettersOf(t, fd), 'a');
    },
  },
  {
    title: 'unknown modes and several at once are refused',
    origin: 'fallocate(2), EOPNOTSUPP, EINVAL',
    async run(t) {
      const fd = await openBlocks(t, t.path('file'), 'abc');
      await expectError('EOPNOTSUPP', t.fallocate(fd, 0x100, 0, 10));
      for (const mode of [
        PUNCH | FALLOC_FL_ZERO_RANGE,
        FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_KEEP_SIZE,
        FALLOC_FL_INSERT_RANGE | FALLOC_FL_KEEP_SIZE,
        FALLOC_FL_INSERT_RANGE | FALLOC_FL_COLLAPSE_RANGE,
      ]) {
        await expectOneOf(['EOPNOTSUPP', 'EINVAL'], t.fallocate(fd, mode, 0, BLOCK));
      }
      equal(await lettersOf(t, fd), 'abc');
    },
  },
  {
    title: 'fallocate with modes needs a range and a descriptor open for writing',
    origin: 'fallocate(2), EINVAL, EBADF',
    async run(t) {
      const fd = await openBlocks(t, t.path('file'), 'a');
      await expectError('EINVAL', t.fallocate(fd, PUNCH, 0, 0));
      await expectError('EINVAL', t.fallocate(fd, PUNCH, -1, 10));
      await expectError('EINVAL', t.fallocate(fd, PUNCH, 0, -10));
      const reader = await t.open(t.path('file'), O_RDONLY);
      await expectError('EBADF', t.fallocate(reader, PUNCH, 0, 10));
      await expectError('EINVAL', t.fallocate(reader, PUNCH, 0, 0));
      await expectError('EBADF', t.fallocate(99, PUNCH, 0, 0));
    },
  },
  {
    title: 'fallocate of a device returns ENODEV',
    origin: 'fallocate(2), ENODEV; gVisor fallocate.cc FallocateChar',
    async run(t) {
      const fd = await t.open('/dev/null', O_WRONLY);
      await expectError('ENODEV', t.fallocate(fd, 0, 0, 10));
      await expectError('ENODEV', t.fallocate(fd, PUNCH, 0, 10));
    },
  },
];

export const rangeModeCases: readonly Case[] = [
  {
    title: 'FALLOC_FL_ZERO_RANGE zeroes a range, to the byte',
    origin: 'fallocate(2), FALLOC_FL_ZERO_RANGE',
    needs: ['zeroing ranges'],
    async run(t) {
      const fd = await openBlocks(t, t.path('file'), 'abcd');
      await t.fallocate(fd, FALLOC_FL_ZERO_RANGE, BLOCK, BLOCK);
      equal(await lettersOf(t, fd), 'a0cd');
      await t.fallocate(fd, FALLOC_FL_ZERO_RANGE, 2 * BLOCK - 1, 3);
      equal(await t.preadText(fd, 4, 2 * BLOCK), '\0\0cc');
    },
  },
  {
    title: 'FALLOC_FL_ZERO_RANGE makes a file longer, unless FALLOC_FL_KEEP_SIZE is given',
    origin: 'fallocate(2), FALLOC_FL_ZERO_RANGE',
    needs: ['zeroing ranges'],
    async run(t) {
      const fd = await openBlocks(t, t.path('file'), 'ab');
      const keep = FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE;
      await t.fallocate(fd, keep, BLOCK, 3 * BLOCK);
      equal(await lettersOf(t, fd), 'a0');
      await t.fallocate(fd, FALLOC_FL_ZERO_RANGE, BLOCK, 3 * BLOCK);
      equal(await lettersOf(t, fd), 'a000');
    },
  },
  {
    title: 'FALLOC_FL_COLLAPSE_RANGE takes a range out and moves the rest up',
    origin: 'fallocate(2), FALLOC_FL_COLLAPSE_RANGE',
    needs: ['moving ranges'],
    async run(t) {
      const fd = await openBlocks(t, t.path('file'), 'abcdef');
      await t.fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, BLOCK, 2 * BLOCK);
      equal(await lettersOf(t, fd), 'adef');
      await t.fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, BLOCK);
      equal(await lettersOf(t, fd), 'def');
    },
  },
  {
    title: 'FALLOC_FL_COLLAPSE_RANGE keeps a last block that is not full',
    origin: 'fallocate(2), FALLOC_FL_COLLAPSE_RANGE',
    needs: ['moving ranges'],
    async run(t) {
      const fd = await openBlocks(t, t.path('file'), 'abc');
      await t.pwrite(fd, 'end', 3 * BLOCK);
      await t.fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, BLOCK, BLOCK);
      equal((await t.fstat(fd)).size, 2 * BLOCK + 3);
      equal(await t.preadText(fd, 10, 2 * BLOCK), 'end');
    },
  },
  {
    title: 'FALLOC_FL_COLLAPSE_RANGE returns EINVAL for a range that reaches the end',
    origin: 'fallocate(2), EINVAL',
    needs: ['moving ranges'],
    async run(t) {
      const fd = await openBlocks(t, t.path('file'), 'abc');
      const mode = FALLOC_FL_COLLAPSE_RANGE;
      await expectError('EINVAL', t.fallocate(fd, mode, BLOCK, 2 * BLOCK));
      await expectError('EINVAL', t.fallocate(fd, mode, BLOCK, 20 * BLOCK));
      await expectError('EINVAL', t.fallocate(fd, mode, 3 * BLOCK, BLOCK));
      equal(await lettersOf(t, fd), 'abc');
    },
  },
  {
    title: 'FALLOC_FL_INSERT_RANGE puts a hole in and moves the rest down',
    origin: 'fallocate(2), FALLOC_FL_INSERT_RANGE',
    needs: ['moving ranges'],
    async run(t) {
      const fd = await openBlocks(t, t.path('file'), 'abc');
      await t.fallocate(fd, FALLOC_FL_INSERT_RANGE, BLOCK, 2 * BLOCK);
      equal(await lettersOf(t, fd), 'a00bc');
      await t.fallocate(fd, FALLOC_FL_INSERT_RANGE, 0, BLOCK);
      equal(await lettersOf(t, fd), '0a00bc');
    },
  },
  {
    title: 'FALLOC_FL_INSERT_RANGE returns EINVAL at the end of the file and beyond',
    origin: 'fallocate(2), EINVAL',
    needs: ['moving ranges'],
    async run(t) {
      const fd = await openBlocks(t, t.path('file'), 'ab');
      const mode = FALLOC_FL_INSERT_RANGE;
      await expectError('EINVAL', t.fallocate(fd, mode, 2 * BLOCK, BLOCK));
      await expectError('EINVAL', t.fallocate(fd, mode, 5 * BLOCK, BLOCK));
      equal(await lettersOf(t, fd), 'ab');
    },
  },
  {
    title: 'ranges taken out or put in begin and end with blocks: EINVAL',
    origin: 'fallocate(2), EINVAL',
    needs: ['moving ranges'],
    async run(t) {
      const fd = await openBlocks(t, t.path('file'), 'abcd');
      for (const mode of [FALLOC_FL_COLLAPSE_RANGE, FALLOC_FL_INSERT_RANGE]) {
        await expectError('EINVAL', t.fallocate(fd, mode, 1, BLOCK));
        await expectError('EINVAL', t.fallocate(fd, mode, 0, BLOCK - 1));
      }
      equal(await lettersOf(t, fd), 'abcd');
    },
  },
  {
    title: 'taking a range out or putting one in changes mtime and not the offset',
    origin: 'fallocate(2)',
    needs: ['moving ranges'],
    async run(t) {
      const fd = await openBlocks(t, t.path('file'), 'abcd');
      const offset = await t.lseek(fd, 0, 1);
      for (const mode of [FALLOC_FL_COLLAPSE_RANGE, FALLOC_FL_INSERT_RANGE]) {
        const before = await t.fstat(fd);
        await t.tick();
        await t.fallocate(fd, mode, 0, BLOCK);
        isLater((await t.fstat(fd)).mtime, before.mtime, 'mtime');
        equal(await t.lseek(fd, 0, 1), offset);
      }
    },
  },
];
