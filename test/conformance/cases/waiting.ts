// Calls that wait, more than two at a time: who goes on, and who would wait for ever.

import type { Case } from '../case.ts';
import {
  F_SETLK,
  F_SETLKW,
  O_NONBLOCK,
  O_RDONLY,
  O_RDWR,
  O_WRONLY,
} from '../../../src/abi/fcntl.ts';
import { POLLIN, POLLOUT } from '../../../src/abi/poll.ts';
import { S_IFIFO } from '../../../src/abi/stat.ts';
import { IN_ATTRIB, IN_NONBLOCK } from '../../../src/abi/inotify.ts';
import { OTHER, USER } from '../case.ts';
import { equal, expectError, isTrue } from '../check.ts';
import { openTwice, READ, UNLOCK, WRITE } from '../locking.ts';

export const waitingCases: readonly Case[] = [
  {
    title: 'two who wait for the same lock are no deadlock, and both get it',
    origin: 'POSIX fcntl, F_SETLKW',
    async run(t) {
      const [first, second] = [await t.as(USER), await t.as(OTHER)];
      await t.createFile(t.path('file'), '', 0o666);
      const mine = await t.open(t.path('file'), O_RDWR);
      await t.setlk(mine, F_SETLK, WRITE);
      const fds = [
        await first.open(t.path('file'), O_RDWR),
        await second.open(t.path('file'), O_RDWR),
      ] as const;
      const firstLocks = first.setlk(fds[0], F_SETLKW, WRITE);
      isTrue(await first.isBlocked(firstLocks), 'the first waits');
      const secondLocks = second.setlk(fds[1], F_SETLKW, WRITE);
      isTrue(await second.isBlocked(secondLocks), 'the second waits');
      await t.setlk(mine, F_SETLK, UNLOCK);
      const winner = await Promise.race([firstLocks.then(() => 0), secondLocks.then(() => 1)]);
      const [holder, loser] = winner === 0 ? [first, second] : [second, first];
      isTrue(
        await loser.isBlocked(winner === 0 ? secondLocks : firstLocks),
        'only one of them holds it',
      );
      await holder.close(winner === 0 ? fds[0] : fds[1]);
      await Promise.all([firstLocks, secondLocks]);
    },
  },
  {
    title: 'all who wait to read get in together',
    origin: 'POSIX fcntl, F_SETLKW',
    async run(t) {
      const readers = [await t.as(USER), await t.as(OTHER)];
      await t.createFile(t.path('file'), '', 0o666);
      const mine = await t.open(t.path('file'), O_RDWR);
      await t.setlk(mine, F_SETLK, WRITE);
      const locking = [];
      for (const reader of readers) {
        const fd = await reader.open(t.path('file'), O_RDONLY);
        const call = reader.setlk(fd, F_SETLKW, READ);
        isTrue(await reader.isBlocked(call), 'the reader waits');
        locking.push(call);
      }
      await t.setlk(mine, F_SETLK, UNLOCK);
      await Promise.all(locking);
      await expectError('EAGAIN', t.setlk(mine, F_SETLK, WRITE));
    },
  },
  {
    title: 'who was interrupted waits for nobody: there is no deadlock with it',
    origin: 'Linux: fs/locks.c locks_delete_block()',
    async run(t) {
      const other = await t.as(USER);
      const [mine, theirs] = await openTwice(t, t.path('file'), other);
      const byte = (start: number) => ({ ...WRITE, start, length: 1 });
      await t.setlk(mine, F_SETLK, byte(0));
      await other.setlk(theirs, F_SETLK, byte(1));
      const first = t.setlk(mine, F_SETLKW, byte(1));
      isTrue(await t.isBlocked(first), 'the first waits');
      await t.interrupt();
      await expectError('EINTR', first);
      const second = other.setlk(theirs, F_SETLKW, byte(0));
      isTrue(await other.isBlocked(second), 'the second waits');
      await t.setlk(mine, F_SETLK, UNLOCK);
      await second;
    },
  },
  {
    title: 'a lock that is waited for is granted byte range by byte range',
    origin: 'POSIX fcntl, F_SETLKW',
    async run(t) {
      const [first, second] = [await t.as(USER), await t.as(OTHER)];
      await t.createFile(t.path('file'), '', 0o666);
      const mine = await t.open(t.path('file'), O_RDWR);
      const byte = (start: number) => ({ ...WRITE, start, length: 1 });
      await t.setlk(mine, F_SETLK, { ...WRITE, length: 2 });
      const fd = await first.open(t.path('file'), O_RDWR);
      const firstLocks = first.setlk(fd, F_SETLKW, byte(0));
      isTrue(await first.isBlocked(firstLocks), 'the first waits');
      const other = await second.open(t.path('file'), O_RDWR);
      const secondLocks = second.setlk(other, F_SETLKW, byte(1));
      isTrue(await second.isBlocked(secondLocks), 'the second waits');
      await t.setlk(mine, F_SETLK, { ...UNLOCK, start: 1, length: 1 });
      await secondLocks;
      isTrue(await first.isBlocked(firstLocks), 'the first still waits');
      await t.setlk(mine, F_SETLK, UNLOCK);
      await firstLocks;
    },
  },
  {
    title: 'a read of a FIFO that waits ends when somebody writes, or the last writer closes',
    origin: 'POSIX read; fifo(7)',
    async run(t) {
      const other = await t.as(USER);
      await t.umask(0);
      await t.mknod(t.path('fifo'), S_IFIFO | 0o666);
      const helper = await t.open(t.path('fifo'), O_RDWR);
      const reader = await other.open(t.path('fifo'), O_RDONLY);
      const writer = await t.open(t.path('fifo'), O_WRONLY);
      await t.close(helper);
      const first = other.readText(reader);
      isTrue(await other.isBlocked(first), 'the read waits');
      await t.write(writer, 'text');
      equal(await first, 'text');
      const second = other.readText(reader);
      isTrue(await other.isBlocked(second), 'the read waits');
      await t.close(writer);
      equal(await second, '');
    },
  },
  {
    title: 'one write wakes one of two readers with all of it',
    origin: 'POSIX read; pipe(7)',
    async run(t) {
      const readers = [await t.as(USER), await t.as(OTHER)] as const;
      await t.umask(0);
      await t.mknod(t.path('fifo'), S_IFIFO | 0o666);
      const writer = await t.open(t.path('fifo'), O_RDWR);
      const reading = [];
      for (const reader of readers) {
        const call = reader.readText(await reader.open(t.path('fifo'), O_RDONLY));
        isTrue(await reader.isBlocked(call), 'the read waits');
        reading.push(call);
      }
      await t.write(writer, 'one');
      equal(await Promise.race(reading), 'one');
      await t.write(writer, 'two');
      equal((await Promise.all(reading)).sort(), ['one', 'two']);
    },
  },
  {
    title: 'poll of several descriptors wakes for the one that is ready',
    origin: 'poll(2)',
    async run(t) {
      const other = await t.as(USER);
      await t.umask(0);
      await t.mknod(t.path('fifo'), S_IFIFO | 0o666);
      const inotify = await other.inotifyInit(IN_NONBLOCK);
      await other.addWatch(inotify, t.root, IN_ATTRIB);
      const reader = await other.open(t.path('fifo'), O_RDONLY | O_NONBLOCK);
      const wanted = [inotify, reader].map((fd) => ({ fd, events: POLLIN }));
      const first = other.poll(wanted, -1);
      isTrue(await other.isBlocked(first), 'poll waits');
      await t.chmod(t.path('fifo'), 0o606);
      equal(await first, [POLLIN, 0]);
      await other.readEvents(inotify);
      const second = other.poll(wanted, -1);
      isTrue(await other.isBlocked(second), 'poll waits');
      await t.write(await t.open(t.path('fifo'), O_WRONLY), 'x');
      equal(await second, [0, POLLIN]);
    },
  },
  {
    title: 'poll with a timeout returns zeros when nothing happens',
    origin: 'poll(2)',
    async run(t) {
      const [reader, writer] = await t.pipe();
      equal(await t.poll([{ fd: reader, events: POLLIN }], 1), [0]);
      equal(await t.poll([{ fd: writer, events: POLLOUT }], 1), [POLLOUT]);
      equal(await t.poll([], 1), []);
    },
  },
];
