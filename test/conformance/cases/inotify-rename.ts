// inotify(7): rename and exchange, the queue's limit, and many at once.

import type { Case } from '../case.ts';
import {
  O_CREAT,
  O_RDONLY,
  O_RDWR,
  O_WRONLY,
  RENAME_EXCHANGE,
  RENAME_NOREPLACE,
  RENAME_WHITEOUT,
} from '../../../src/abi/fcntl.ts';
import {
  IN_ALL_EVENTS,
  IN_CLOSE_WRITE,
  IN_CREATE,
  IN_MODIFY,
  IN_NONBLOCK,
  IN_OPEN,
  IN_Q_OVERFLOW,
} from '../../../src/abi/inotify.ts';
import type { Subject } from '../subject.ts';
import { USER } from '../case.ts';
import { equal, expectError, isTrue } from '../check.ts';
import { SyscallError } from '../process.ts';
import { Watcher } from '../watcher.ts';

/** /proc/sys/fs/inotify/max_queued_events, where nobody has changed it. */
const QUEUE_MAX = 16_384;

export const inotifyRenameCases: readonly Case[] = [
  {
    title: 'a rename tells the old and the new directory with one cookie, of its own each time',
    origin: 'inotify(7), IN_MOVED_FROM; gVisor inotify.cc MoveGeneratesEvents',
    async run(t) {
      await t.mkdir(t.path('one'));
      await t.mkdir(t.path('two'));
      await t.createFile(t.path('one/a'));
      const watcher = await Watcher.open(t);
      await watcher.watch('one', t.path('one'));
      await watcher.watch('two', t.path('two'));
      await t.rename(t.path('one/a'), t.path('one/b'));
      await watcher.expect('one: MOVED_FROM a #1', 'one: MOVED_TO b #1');
      await t.rename(t.path('one/b'), t.path('two/c'));
      await watcher.expect('one: MOVED_FROM b #2', 'two: MOVED_TO c #2');
    },
  },
  {
    title: 'a file that is renamed is told last, without cookie and name',
    origin: 'inotify(7), IN_MOVE_SELF; gVisor inotify.cc MoveWatchedTargetGeneratesEvents',
    async run(t) {
      await t.createFile(t.path('a'));
      const watcher = await Watcher.open(t);
      await watcher.watch('dir', t.root);
      await watcher.watch('self', t.path('a'));
      await t.rename(t.path('a'), t.path('b'));
      await watcher.expect('dir: MOVED_FROM a #1', 'dir: MOVED_TO b #1', 'self: MOVE_SELF');
      await t.chmod(t.path('b'), 0o600);
      await watcher.expect('dir: ATTRIB b', 'self: ATTRIB');
    },
  },
  {
    title: 'a directory that is renamed is told with IN_ISDIR to the directories',
    origin: 'inotify(7), IN_ISDIR',
    async run(t) {
      await t.mkdir(t.path('one'));
      await t.mkdir(t.path('one/a'));
      await t.mkdir(t.path('two'));
      const watcher = await Watcher.open(t);
      await watcher.watch('one', t.path('one'));
      await watcher.watch('two', t.path('two'));
      await watcher.watch('self', t.path('one/a'));
      await t.rename(t.path('one/a'), t.path('two/b'));
      await watcher.expect(
        'one: MOVED_FROM|ISDIR a #1',
        'two: MOVED_TO|ISDIR b #1',
        'self: MOVE_SELF',
      );
      await t.chmod(t.path('two/b'), 0o700);
      await watcher.expect('two: ATTRIB|ISDIR b', 'self: ATTRIB|ISDIR');
    },
  },
  {
    title: 'a rename over a file tells nobody of a deletion but that file',
    origin: 'Linux: fsnotify_move()',
    async run(t) {
      await t.createFile(t.path('a'));
      await t.createFile(t.path('b'));
      const watcher = await Watcher.open(t);
      await watcher.watch('dir', t.root);
      await watcher.watch('self', t.path('a'));
      await watcher.watch('victim', t.path('b'));
      await t.rename(t.path('a'), t.path('b'));
      await watcher.expect(
        'dir: MOVED_FROM a #1',
        'dir: MOVED_TO b #1',
        'victim: ATTRIB',
        'self: MOVE_SELF',
        'victim: DELETE_SELF',
        'victim: IGNORED',
      );
    },
  },
  {
    title: 'a rename over a file with another link tells that file of its attributes',
    origin: 'Linux: fsnotify_move()',
    async run(t) {
      await t.createFile(t.path('a'));
      await t.createFile(t.path('b'));
      await t.link(t.path('b'), t.path('link'));
      const watcher = await Watcher.open(t);
      await watcher.watch('victim', t.path('b'));
      await t.rename(t.path('a'), t.path('b'));
      await watcher.expect('victim: ATTRIB');
      await t.chmod(t.path('link'), 0o600);
      await watcher.expect('victim: ATTRIB');
    },
  },
  {
    title: 'a rename over an open file tells of the deletion when it is closed',
    origin: 'Linux: fsnotify_move()',
    async run(t) {
      await t.createFile(t.path('a'));
      const fd = await t.open(t.path('b'), O_RDONLY | O_CREAT);
      const watcher = await Watcher.open(t);
      await watcher.watch('victim', t.path('b'));
      await t.rename(t.path('a'), t.path('b'));
      await watcher.expect('victim: ATTRIB');
      await t.close(fd);
      await watcher.expect('victim: CLOSE_NOWRITE', 'victim: DELETE_SELF', 'victim: IGNORED');
    },
  },
  {
    title: 'a rename over an empty directory tells that directory of its deletion',
    origin: 'Linux: fsnotify_move()',
    async run(t) {
      await t.mkdir(t.path('a'));
      await t.mkdir(t.path('b'));
      const watcher = await Watcher.open(t);
      await watcher.watch('dir', t.root);
      await watcher.watch('victim', t.path('b'));
      await t.rename(t.path('a'), t.path('b'));
      const events = await watcher.take();
      equal(events.slice(0, 2), ['dir: MOVED_FROM|ISDIR a #1', 'dir: MOVED_TO|ISDIR b #1']);
      equal(events.slice(-2), ['victim: DELETE_SELF', 'victim: IGNORED']);
    },
  },
  {
    title: 'an exchange tells of two renames, each with a cookie of its own',
    origin: 'Linux: fs/namei.c vfs_rename()',
    async run(t) {
      await t.mkdir(t.path('one'));
      await t.createFile(t.path('one/a'));
      await t.mkdir(t.path('b'));
      const watcher = await Watcher.open(t);
      await watcher.watch('one', t.path('one'));
      await watcher.watch('dir', t.root);
      await watcher.watch('file', t.path('one/a'));
      await watcher.watch('sub', t.path('b'));
      await t.rename2(t.path('one/a'), t.path('b'), RENAME_EXCHANGE);
      await watcher.expect(
        'one: MOVED_FROM a #1',
        'dir: MOVED_TO b #1',
        'file: MOVE_SELF',
        'dir: MOVED_FROM|ISDIR b #2',
        'one: MOVED_TO|ISDIR a #2',
        'sub: MOVE_SELF',
      );
    },
  },
  {
    title: 'a rename without effect and one that fails cause no events',
    origin: 'Linux: fs/namei.c vfs_rename()',
    async run(t) {
      await t.createFile(t.path('a'));
      await t.link(t.path('a'), t.path('b'));
      await t.createFile(t.path('c'));
      const watcher = await Watcher.open(t);
      await watcher.watch('dir', t.root);
      await watcher.watch('self', t.path('a'));
      await t.rename(t.path('a'), t.path('a'));
      await t.rename(t.path('a'), t.path('b'));
      await expectError('EEXIST', t.rename2(t.path('a'), t.path('c'), RENAME_NOREPLACE));
      await expectError('ENOTDIR', t.rename(t.path('a'), t.path('missing/')));
      await watcher.expect();
    },
  },
  {
    title: 'a rename that leaves a whiteout tells of the rename alone',
    origin: 'rename(2), RENAME_WHITEOUT',
    async run(t) {
      await t.createFile(t.path('a'));
      const watcher = await Watcher.open(t);
      await watcher.watch('dir', t.root);
      await watcher.watch('self', t.path('a'));
      await t.rename2(t.path('a'), t.path('b'), RENAME_WHITEOUT);
      await watcher.expect('dir: MOVED_FROM a #1', 'dir: MOVED_TO b #1', 'self: MOVE_SELF');
    },
  },
  {
    title: 'an open file that was renamed is told of under its new name',
    origin: 'inotify(7)',
    async run(t) {
      await t.mkdir(t.path('sub'));
      await t.createFile(t.path('a'), 'text');
      const fd = await t.open(t.path('a'), O_RDWR);
      await t.rename(t.path('a'), t.path('sub/b'));
      const watcher = await Watcher.open(t);
      await watcher.watch('dir', t.root);
      await watcher.watch('sub', t.path('sub'));
      await t.write(fd, 'x');
      await t.close(fd);
      await watcher.expect('sub: MODIFY b', 'sub: CLOSE_WRITE b');
    },
  },
];

export const inotifyQueueCases: readonly Case[] = [
  {
    title: 'a queue of 16384 events is full: IN_Q_OVERFLOW, and what follows is lost',
    origin: 'inotify(7), IN_Q_OVERFLOW, max_queued_events',
    async run(t) {
      const names = [t.path('a'), t.path('b')] as const;
      for (const name of names) await t.createFile(name);
      const fd = await t.inotifyInit(IN_NONBLOCK);
      for (const path of [t.root, ...names]) await t.addWatch(fd, path, IN_ALL_EVENTS);
      // Six events each.
      const exchanges = Math.ceil(QUEUE_MAX / 6) + 10;
      for (let count = 0; count < exchanges; count += 1) {
        await t.rename2(...names, RENAME_EXCHANGE);
      }
      const events = [];
      while ((await t.fionread(fd)) > 0) events.push(...(await t.readEvents(fd)));
      equal(events.length, QUEUE_MAX + 1);
      equal(events.at(-1), { wd: -1, mask: IN_Q_OVERFLOW, cookie: 0, name: '' });
      equal(events.filter(({ mask }) => mask === IN_Q_OVERFLOW).length, 1);
      await t.chmod(names[0], 0o600);
      equal((await t.readEvents(fd)).length, 2);
    },
  },
  {
    title: 'several processes that write are all told of',
    origin: 'gVisor inotify.cc ConcurrentThreadsGeneratingEvents',
    async run(t) {
      const writers = [await t.as(USER), await t.as(USER), await t.as(USER)];
      for (let index = 0; index < 10; index += 1) {
        await t.createFile(t.path(`file-${index}`), '', 0o666);
      }
      const watcher = await Watcher.open(t);
      await watcher.watch('dir', t.root, IN_OPEN | IN_MODIFY | IN_CLOSE_WRITE);
      const write = async (writer: Subject): Promise<void> => {
        for (let index = 0; index < 10; index += 1) {
          const fd = await writer.open(t.path(`file-${index}`), O_WRONLY);
          await writer.write(fd, 'x');
          await writer.close(fd);
        }
      };
      await Promise.all(writers.map(write));
      const events = await watcher.take();
      const count = (kind: string): number =>
        events.filter((event) => event.startsWith(`dir: ${kind} `)).length;
      equal(count('OPEN') + count('MODIFY') + count('CLOSE_WRITE'), events.length);
      isTrue(count('CLOSE_WRITE') >= 10, 'every file is told of');
    },
  },
  {
    title: 'files that come and go while they are watched cause no other errors',
    origin: 'gVisor inotify.cc ConcurrentFileDeletionAndWatchRemoval, AddRemoveUnlinkDoNotDeadlock',
    async run(t) {
      const other = await t.as(USER);
      const fd = await other.inotifyInit(IN_NONBLOCK);
      const comeAndGo = async (): Promise<void> => {
        for (let round = 0; round < 50; round += 1) {
          await t.createFile(t.path('file'));
          await t.unlink(t.path('file'));
        }
      };
      const watch = async (): Promise<void> => {
        for (let round = 0; round < 50; round += 1) {
          const wd = await allow('ENOENT', other.addWatch(fd, t.path('file'), IN_ALL_EVENTS));
          if (wd !== undefined) await allow('EINVAL', other.removeWatch(fd, wd));
        }
      };
      await Promise.all([comeAndGo(), watch()]);
    },
  },
  {
    title: 'watchers that come and go while their files do miss nothing of the next one',
    origin: 'gVisor inotify.cc InotifyAndTargetDestructionDoNotDeadlock',
    async run(t) {
      const other = await t.as(USER);
      for (let round = 0; round < 20; round += 1) {
        const path = t.path(`file-${round}`);
        await t.createFile(path);
        const fd = await other.inotifyInit(IN_NONBLOCK);
        await other.addWatch(fd, path, IN_ALL_EVENTS);
        await Promise.all([t.unlink(path), other.close(fd)]);
      }
      const watcher = await Watcher.open(t);
      await watcher.watch('dir', t.root, IN_CREATE);
      await t.mkdir(t.path('last'));
      await watcher.expect('dir: CREATE|ISDIR last');
    },
  },
  {
    title: 'many processes that change one watched tree in many ways get to an end',
    origin: 'gVisor inotify.cc NotifyNoDeadlock',
    async run(t) {
      const [writer, mover, watching] = [await t.as(USER), await t.as(USER), await t.as(USER)];
      await t.createFile(t.path('file'), 'text', 0o666);
      await t.chown(t.path('file'), USER.uid, USER.gid);
      const fd = await watching.inotifyInit(IN_NONBLOCK);
      await watching.addWatch(fd, t.root, IN_ALL_EVENTS);
      const rounds = async (round: (index: number) => Promise<void>): Promise<void> => {
        for (let index = 0; index < 30; index += 1) await round(index);
      };
      await Promise.all([
        rounds(async (index) => {
          await writer.setxattr(t.path('file'), 'user.test', String(index));
          await writer.chmod(t.path('file'), 0o600 + (index % 2));
          const file = await writer.open(t.path('file'), O_RDWR);
          await writer.pwrite(file, 'x', 0);
          await writer.close(file);
        }),
        rounds(async (index) => {
          await mover.createFile(t.path('a'));
          await mover.rename(t.path('a'), t.path('b'));
          if (index < 29) await mover.unlink(t.path('b'));
        }),
        rounds(async () => {
          const wd = await watching.addWatch(fd, t.root, IN_ALL_EVENTS);
          await watching.removeWatch(fd, wd);
        }),
      ]);
      equal(await t.list(t.root), ['b', 'file']);
    },
  },
];

/** The call's result, or nothing when it fails with `code`. */
async function allow<T>(code: string, call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof SyscallError && error.code === code) return undefined;
    throw error;
  }
}
