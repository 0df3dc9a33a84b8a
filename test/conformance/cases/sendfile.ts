// sendfile(2).

import { type Case, type Context, USER } from '../case.ts';
import type { Subject } from '../subject.ts';
import {
  O_APPEND,
  O_CREAT,
  O_DIRECTORY,
  O_NONBLOCK,
  O_PATH,
  O_RDONLY,
  O_RDWR,
  O_WRONLY,
  SEEK_CUR,
  SEEK_SET,
} from '../../../src/abi/fcntl.ts';
import { S_IFIFO } from '../../../src/abi/stat.ts';
import { equal, expectError, isLater, isTrue } from '../check.ts';
import { openBoth, TEXT } from '../copying.ts';

const CAPACITY = 65_536;

/** A FIFO that another process reads: one that waits can't. */
async function openFifo(t: Context): Promise<{ writer: number; other: Subject; reader: number }> {
  const other = await t.as(USER);
  const path = t.path('fifo');
  await t.umask(0);
  await t.mknod(path, S_IFIFO | 0o666);
  const reader = await other.open(path, O_RDONLY | O_NONBLOCK);
  return { writer: await t.open(path, O_WRONLY), other, reader };
}

export const sendfileCases: readonly Case[] = [
  {
    title: 'sendfile sends from the offset of the source, and moves both descriptions',
    origin: 'sendfile(2)',
    async run(t) {
      const [source, target] = await openBoth(t);
      await t.lseek(source, 3, SEEK_SET);
      equal(await t.sendfile(target, source, -1, 4), 4);
      equal([await t.lseek(source, 0, SEEK_CUR), await t.lseek(target, 0, SEEK_CUR)], [7, 4]);
      equal(await t.readFile(t.path('target')), '3456');
    },
  },
  {
    title: 'sendfile with an offset leaves that of the source alone',
    origin: 'sendfile(2)',
    async run(t) {
      const [source, target] = await openBoth(t);
      equal(await t.sendfile(target, source, 5, 3), 3);
      equal(await t.sendfile(target, source, 0, 2), 2);
      equal(await t.lseek(source, 0, SEEK_CUR), 0);
      equal(await t.readFile(t.path('target')), '56701');
    },
  },
  {
    title: 'sendfile sends up to the end of the source, and returns 0 there',
    origin: 'sendfile(2)',
    async run(t) {
      const [source, target] = await openBoth(t);
      equal(await t.sendfile(target, source, -1, 1000), 10);
      equal(await t.sendfile(target, source, -1, 1000), 0);
      equal(await t.sendfile(target, source, 5000, 1000), 0);
      equal(await t.sendfile(target, source, 0, 0), 0);
      equal(await t.readFile(t.path('target')), TEXT);
    },
  },
  {
    title: 'sendfile sends into a pipe',
    origin: 'sendfile(2)',
    async run(t) {
      const [source] = await openBoth(t);
      const [reader, writer] = await t.pipe();
      equal(await t.sendfile(writer, source, 2, 5), 5);
      equal(await t.readText(reader), '23456');
    },
  },
  {
    title: 'sendfile into a pipe sends what fits, then EAGAIN with O_NONBLOCK',
    origin: 'sendfile(2), EAGAIN',
    async run(t) {
      const source = await t.open(t.path('source'), O_RDWR | O_CREAT);
      await t.write(source, new Uint8Array(2 * CAPACITY));
      const [reader, writer] = await t.pipe(O_NONBLOCK);
      equal(await t.sendfile(writer, source, 0, 2 * CAPACITY), CAPACITY);
      await expectError('EAGAIN', t.sendfile(writer, source, 0, 1));
      equal(await t.fionread(reader), CAPACITY);
    },
  },
  {
    title: 'sendfile into a pipe puts each page of the source into a slot of its own',
    origin: 'Linux: mm/filemap.c splice_folio_into_pipe()',
    async run(t) {
      const source = await t.open(t.path('source'), O_RDWR | O_CREAT);
      await t.write(source, new Uint8Array(2 * CAPACITY));
      for (const [offset, used, count] of [
        [1, 0, CAPACITY - 1],
        [4095, 0, CAPACITY - 4095],
        [1, CAPACITY - 4096, 4095],
        [4096, 1, CAPACITY - 4096],
      ] as const) {
        const [reader, writer] = await t.pipe(O_NONBLOCK);
        await t.write(writer, new Uint8Array(used));
        equal(await t.sendfile(writer, source, offset, 2 * CAPACITY), count);
        equal(await t.fionread(reader), used + count);
      }
    },
  },
  {
    title: 'what is written behind a page that sendfile put into a pipe takes another slot',
    origin: 'Linux: fs/pipe.c pipe_write(), PIPE_BUF_FLAG_CAN_MERGE',
    async run(t) {
      const [source] = await openBoth(t);
      const [reader, writer] = await t.pipe(O_NONBLOCK);
      await t.write(writer, new Uint8Array(CAPACITY - 4096));
      equal(await t.sendfile(writer, source, 0, 4), 4);
      await expectError('EAGAIN', t.write(writer, 'more'));
      await t.read(reader, CAPACITY - 4096);
      await t.write(writer, 'more');
      equal(await t.readText(reader), '0123more');
    },
  },
  {
    title: 'sendfile into a pipe returns what went in at once, and moves the source by that',
    origin: 'Linux: fs/splice.c splice_file_to_pipe()',
    async run(t) {
      const source = await t.open(t.path('source'), O_RDWR | O_CREAT);
      await t.write(source, new Uint8Array(2 * CAPACITY));
      await t.lseek(source, 100, SEEK_SET);
      const { writer, other, reader } = await openFifo(t);
      equal(await t.sendfile(writer, source, -1, 2 * CAPACITY), CAPACITY - 100);
      equal(await t.lseek(source, 0, SEEK_CUR), CAPACITY);
      const sending = t.sendfile(writer, source, -1, 2 * CAPACITY);
      isTrue(await t.isBlocked(sending), 'sendfile waits');
      await other.read(reader, 4096);
      equal(await sending, 4096);
      equal(await t.lseek(source, 0, SEEK_CUR), CAPACITY + 4096);
    },
  },
  {
    title: 'sendfile of nothing into a full pipe waits for room',
    origin: 'Linux: fs/splice.c wait_for_space()',
    async run(t) {
      const [source] = await openBoth(t);
      for (const [offset, count] of [
        [1000, 10],
        [0, 0],
      ] as const) {
        const { writer, other, reader } = await openFifo(t);
        await t.write(writer, new Uint8Array(CAPACITY));
        const sending = t.sendfile(writer, source, offset, count);
        isTrue(await t.isBlocked(sending), 'sendfile waits');
        await other.read(reader, CAPACITY);
        equal(await sending, 0);
        await t.unlink(t.path('fifo'));
      }
    },
  },
  {
    title: 'sendfile into a FIFO changes none of its times',
    origin: 'Linux: fs/splice.c, fs/pipe.c pipe_write()',
    async run(t) {
      const [source] = await openBoth(t);
      const path = t.path('fifo');
      await t.mknod(path, S_IFIFO | 0o600);
      const fifo = await t.open(path, O_RDWR);
      const before = await t.fstat(fifo);
      await t.tick();
      equal(await t.sendfile(fifo, source, 0, 4), 4);
      const after = await t.fstat(fifo);
      equal([after.mtime, after.ctime], [before.mtime, before.ctime]);
    },
  },
  {
    title: 'sendfile into a full pipe waits, and returns EINTR when interrupted',
    origin: 'sendfile(2); read(2), EINTR',
    async run(t) {
      const [source] = await openBoth(t);
      const [, writer] = await t.pipe();
      await t.write(writer, new Uint8Array(CAPACITY));
      const sending = t.sendfile(writer, source, 0, 10);
      isTrue(await t.isBlocked(sending), 'sendfile waits');
      await t.interrupt();
      await expectError('EINTR', sending);
    },
  },
  {
    title: 'sendfile into a pipe without a reader returns EPIPE',
    origin: 'write(2), EPIPE',
    async run(t) {
      const [source] = await openBoth(t);
      const [reader, writer] = await t.pipe();
      await t.close(reader);
      await expectError('EPIPE', t.sendfile(writer, source, 0, 4));
    },
  },
  {
    title: 'sendfile from a pipe returns EINVAL, with an offset ESPIPE',
    origin: 'sendfile(2), EINVAL, ESPIPE',
    async run(t) {
      const [, target] = await openBoth(t);
      const [reader, writer] = await t.pipe();
      await t.write(writer, 'text');
      await expectError('EINVAL', t.sendfile(target, reader, -1, 4));
      await expectError('ESPIPE', t.sendfile(target, reader, 0, 4));
    },
  },
  {
    title: 'sendfile returns EBADF for descriptors not open for what it does',
    origin: 'sendfile(2), EBADF',
    async run(t) {
      const [source, target] = await openBoth(t);
      const writer = await t.open(t.path('source'), O_WRONLY);
      const reader = await t.open(t.path('target'), O_RDONLY);
      const path = await t.open(t.path('source'), O_PATH);
      for (const [to, from] of [
        [target, writer],
        [reader, source],
        [target, path],
        [path, source],
        [99, source],
        [target, 99],
      ] as const) {
        await expectError('EBADF', t.sendfile(to, from, 0, 4));
      }
    },
  },
  {
    title: 'sendfile returns EINVAL for a directory, for O_APPEND and for a negative offset',
    origin: 'sendfile(2), EINVAL',
    async run(t) {
      const [source, target] = await openBoth(t);
      const dir = await t.open(t.root, O_RDONLY | O_DIRECTORY);
      await expectError('EINVAL', t.sendfile(target, dir, -1, 4));
      const appender = await t.open(t.path('target'), O_RDWR | O_APPEND);
      await expectError('EINVAL', t.sendfile(appender, source, 0, 4));
      await expectError('EINVAL', t.sendfile(target, source, -5, 4));
      equal(await t.readFile(t.path('target')), '');
    },
  },
  {
    title: 'sendfile within a file sends what it has not written itself',
    origin: 'sendfile(2)',
    async run(t) {
      const [source] = await openBoth(t);
      const target = await t.open(t.path('source'), O_WRONLY);
      await t.lseek(target, 10, SEEK_SET);
      equal(await t.sendfile(target, source, 0, 10), 10);
      equal(await t.readFile(t.path('source')), TEXT + TEXT);
    },
  },
  {
    title: 'sendfile changes the target’s mtime and the source’s atime',
    origin: 'sendfile(2)',
    async run(t) {
      const [source, target] = await openBoth(t);
      const [from, to] = [await t.fstat(source), await t.fstat(target)];
      await t.tick();
      await t.sendfile(target, source, 0, 4);
      isLater((await t.fstat(source)).atime, from.atime, 'atime');
      isLater((await t.fstat(target)).mtime, to.mtime, 'mtime');
    },
  },
];
