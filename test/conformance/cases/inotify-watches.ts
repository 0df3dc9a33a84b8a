// inotify(7): descriptors, watches, and how events are read.

import type { Case } from '../case.ts';
import {
  FD_CLOEXEC,
  O_CREAT,
  O_DIRECTORY,
  O_NONBLOCK,
  O_RDONLY,
  O_RDWR,
  O_WRONLY,
} from '../../../src/abi/fcntl.ts';
import {
  IN_ACCESS,
  IN_ALL_EVENTS,
  IN_ATTRIB,
  IN_CLOEXEC,
  IN_CLOSE_WRITE,
  IN_CREATE,
  IN_DONT_FOLLOW,
  IN_MASK_ADD,
  IN_MASK_CREATE,
  IN_MODIFY,
  IN_NONBLOCK,
  IN_ONESHOT,
  IN_ONLYDIR,
  IN_OPEN,
} from '../../../src/abi/inotify.ts';
import { POLLIN } from '../../../src/abi/poll.ts';
import { USER } from '../case.ts';
import { equal, expectError, isTrue } from '../check.ts';
import { Watcher } from '../watcher.ts';

export const inotifyWatchCases: readonly Case[] = [
  {
    title: 'inotify_init1 takes IN_NONBLOCK and IN_CLOEXEC, and returns EINVAL for other flags',
    origin: 'inotify_init(2), EINVAL; gVisor inotify.cc InitFlags',
    async run(t) {
      const plain = await t.inotifyInit(0);
      equal([await t.getfd(plain), (await t.getfl(plain)) & O_NONBLOCK], [0, 0]);
      const fd = await t.inotifyInit(IN_NONBLOCK | IN_CLOEXEC);
      equal([await t.getfd(fd), (await t.getfl(fd)) & O_NONBLOCK], [FD_CLOEXEC, O_NONBLOCK]);
      await expectError('EINVAL', t.inotifyInit(12_345));
      await expectError('EINVAL', t.inotifyInit(1));
    },
  },
  {
    title: 'an inotify descriptor can’t be written to, nor read or written at an offset',
    origin: 'inotify(7); gVisor inotify.cc IllegalPread, IllegalPwrite, IllegalWrite',
    async run(t) {
      const fd = await t.inotifyInit(0);
      await expectError('EBADF', t.write(fd, 'x'));
      await expectError('ESPIPE', t.pread(fd, 100, 0));
      await expectError('ESPIPE', t.pwrite(fd, 'x', 0));
    },
  },
  {
    title: 'seeking in an inotify descriptor moves nothing',
    origin: 'Linux: fs/notify/inotify/inotify_user.c, noop_llseek; gVisor inotify.cc IllegalSeek',
    async run(t) {
      const fd = await t.inotifyInit(0);
      equal(await t.lseek(fd, 100, 0), 0);
    },
  },
  {
    title: 'reading an empty queue returns EAGAIN with IN_NONBLOCK',
    origin: 'inotify(7); gVisor inotify.cc NonBlockingReadReturnsEagain',
    async run(t) {
      const fd = await t.inotifyInit(IN_NONBLOCK);
      await expectError('EAGAIN', t.read(fd, 1000));
    },
  },
  {
    title: 'reading an empty queue waits for an event',
    origin: 'inotify(7); gVisor inotify.cc BlockingReadOnInotifyFd',
    async run(t) {
      const user = await t.as(USER);
      await t.createFile(t.path('file'), 'text', 0o666);
      const fd = await user.inotifyInit(0);
      const wd = await user.addWatch(fd, t.path('file'), IN_ACCESS);
      const reading = user.readEvents(fd);
      isTrue(await user.isBlocked(reading), 'the read waits');
      await t.readText(await t.open(t.path('file'), O_RDONLY));
      equal(await reading, [{ wd, mask: IN_ACCESS, cookie: 0, name: '' }]);
    },
  },
  {
    title: 'an interrupted read of an empty queue returns EINTR',
    origin: 'read(2), EINTR',
    async run(t) {
      const fd = await t.inotifyInit(0);
      const reading = t.readEvents(fd);
      isTrue(await t.isBlocked(reading), 'the read waits');
      await t.interrupt();
      await expectError('EINTR', reading);
    },
  },
  {
    title: 'a read returns whole events only, and EINVAL when the first does not fit',
    origin: 'inotify(7); gVisor inotify.cc ReadWithTooSmallBufferFails',
    async run(t) {
      const file = t.path('file');
      await t.createFile(file, 'text');
      const fd = await t.inotifyInit(IN_NONBLOCK);
      const selfWd = await t.addWatch(fd, file, IN_ACCESS);
      await t.preadText(await t.open(file, O_RDONLY), 1, 0);
      await expectError('EINVAL', t.read(fd, 15));
      equal((await t.readEvents(fd, 16)).length, 1);
      await t.removeWatch(fd, selfWd);
      await t.readEvents(fd);
      const wd = await t.addWatch(fd, t.root, IN_ACCESS);
      await t.preadText(await t.open(file, O_RDONLY), 1, 0);
      await expectError('EINVAL', t.read(fd, 16));
      await expectError('EINVAL', t.read(fd, 31));
      equal(await t.readEvents(fd, 32), [{ wd, mask: IN_ACCESS, cookie: 0, name: 'file' }]);
      await expectError('EAGAIN', t.read(fd, 15));
    },
  },
  {
    title: 'a read returns as many events as fit and leaves the rest',
    origin: 'inotify(7)',
    async run(t) {
      const file = t.path('file');
      await t.createFile(file, 'text');
      const fd = await t.inotifyInit(IN_NONBLOCK);
      await t.addWatch(fd, file, IN_ALL_EVENTS);
      await t.close(await t.open(file, O_RDONLY));
      await t.chmod(file, 0o600);
      equal(await t.fionread(fd), 48);
      equal((await t.readEvents(fd, 47)).length, 2);
      equal(await t.fionread(fd), 16);
      equal((await t.readEvents(fd, 47)).length, 1);
      equal(await t.fionread(fd), 0);
    },
  },
  {
    title: 'a name takes a NUL and is filled up to a multiple of 16 bytes',
    origin: 'inotify(7), struct inotify_event',
    async run(t) {
      const fd = await t.inotifyInit(IN_NONBLOCK);
      await t.addWatch(fd, t.root, IN_CREATE);
      const sizes = [];
      for (const length of [1, 15, 16, 31, 32, 255]) {
        await t.mkdir(t.path('n'.repeat(length)));
        sizes.push(await t.fionread(fd));
        equal((await t.readEvents(fd))[0]?.name.length, length);
      }
      equal(sizes, [32, 32, 48, 48, 64, 272]);
    },
  },
  {
    title: 'an inotify descriptor is readable while events are queued',
    origin: 'inotify(7), poll',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      const fd = await t.inotifyInit(IN_NONBLOCK);
      await t.addWatch(fd, t.path('file'), IN_OPEN);
      equal(await t.pollNow(fd, POLLIN), 0);
      await t.open(t.path('file'), O_RDONLY);
      equal(await t.pollNow(fd, POLLIN), POLLIN);
      await t.readEvents(fd);
      equal(await t.pollNow(fd, POLLIN), 0);
    },
  },
  {
    title: 'poll wakes when an event comes',
    origin: 'inotify(7), poll; gVisor inotify.cc EpollNoDeadlock',
    async run(t) {
      const user = await t.as(USER);
      const fd = await user.inotifyInit(IN_NONBLOCK);
      for (let index = 0; index < 100; index += 1) {
        await t.mkdir(t.path(`dir-${index}`), 0o755);
        await user.addWatch(fd, t.path(`dir-${index}`), IN_ALL_EVENTS);
      }
      const polling = user.poll([{ fd, events: POLLIN }], -1);
      isTrue(await user.isBlocked(polling), 'poll waits');
      await t.createFile(t.path('dir-57/file'));
      equal(await polling, [POLLIN]);
    },
  },
  {
    title: 'inotify_add_watch returns EBADF for no descriptor and EINVAL for one of another kind',
    origin: 'inotify_add_watch(2), EBADF, EINVAL; gVisor inotify.cc AddWatchOnInvalidFdFails',
    async run(t) {
      await expectError('EBADF', t.addWatch(-1, t.root, IN_ALL_EVENTS));
      await expectError('EBADF', t.addWatch(1337, t.root, IN_ALL_EVENTS));
      const dir = await t.open(t.root, O_RDONLY | O_DIRECTORY);
      await expectError('EINVAL', t.addWatch(dir, t.root, IN_ALL_EVENTS));
      await expectError('EINVAL', t.removeWatch(dir, 1));
      await expectError('EBADF', t.removeWatch(1337, 1));
    },
  },
  {
    title: 'inotify_add_watch returns EINVAL for a mask without events',
    origin: 'inotify_add_watch(2), EINVAL; gVisor inotify.cc AddWatchWithInvalidEventMaskFails',
    async run(t) {
      const fd = await t.inotifyInit(0);
      await expectError('EINVAL', t.addWatch(fd, t.root, 0));
      await expectError('EINVAL', t.addWatch(-1, t.path('missing'), 0));
      await expectError('EINVAL', t.addWatch(fd, t.root, IN_OPEN | IN_MASK_ADD | IN_MASK_CREATE));
    },
  },
  {
    title: 'inotify_add_watch returns the errors of its path',
    origin: 'inotify_add_watch(2); gVisor inotify.cc AddWatchOnInvalidPathFails',
    async run(t) {
      const fd = await t.inotifyInit(0);
      await t.createFile(t.path('file'));
      await expectError('ENOENT', t.addWatch(fd, t.path('missing'), IN_ALL_EVENTS));
      await expectError('ENOENT', t.addWatch(fd, '', IN_ALL_EVENTS));
      await expectError('ENOTDIR', t.addWatch(fd, t.path('file/child'), IN_ALL_EVENTS));
      await expectError('ENOTDIR', t.addWatch(fd, t.path('file/'), IN_ALL_EVENTS));
    },
  },
  {
    title: 'inotify_add_watch needs permission to read the file, and to search the way there',
    origin: 'inotify_add_watch(2), EACCES',
    async run(t) {
      const user = await t.as(USER);
      await t.createFile(t.path('file'), '', 0o622);
      await t.mkdir(t.path('dir'), 0o711);
      await t.createFile(t.path('dir/file'), '', 0o644);
      const fd = await user.inotifyInit(0);
      await expectError('EACCES', user.addWatch(fd, t.path('file'), IN_ALL_EVENTS));
      await expectError('EACCES', user.addWatch(fd, t.path('dir'), IN_ALL_EVENTS));
      await user.addWatch(fd, t.path('dir/file'), IN_ALL_EVENTS);
      await t.chmod(t.path('dir'), 0o700);
      await expectError('EACCES', user.addWatch(fd, t.path('dir/file'), IN_ALL_EVENTS));
    },
  },
  {
    title: 'a path to watch is resolved from the working directory',
    origin: 'inotify_add_watch(2); gVisor inotify.cc WatchOnRelativePath',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      await t.chdir(t.root);
      const watcher = await Watcher.open(t);
      await watcher.watch('file', 'file', IN_ACCESS);
      await t.readText(await t.open(t.path('file'), O_RDONLY));
      await watcher.expect('file: ACCESS');
    },
  },
  {
    title: 'with IN_ONLYDIR, watching what is no directory is ENOTDIR',
    origin: 'inotify(7), IN_ONLYDIR; gVisor inotify.cc InOnlyDirFlagRespected',
    async run(t) {
      await t.createFile(t.path('file'));
      const fd = await t.inotifyInit(0);
      await t.addWatch(fd, t.root, IN_ALL_EVENTS | IN_ONLYDIR);
      const call = t.addWatch(fd, t.path('file'), IN_ALL_EVENTS | IN_ONLYDIR);
      await expectError('ENOTDIR', call);
    },
  },
  {
    title: 'watching a symbolic link watches its target, unless IN_DONT_FOLLOW is given',
    origin: 'inotify(7), IN_DONT_FOLLOW; gVisor inotify.cc SymlinkFollow',
    async run(t) {
      await t.createFile(t.path('file'));
      await t.symlink('file', t.path('link'));
      const watcher = await Watcher.open(t);
      const target = await watcher.watch('target', t.path('link'));
      equal(await watcher.watch('target', t.path('file')), target);
      const link = await watcher.watch('link', t.path('link'), IN_ALL_EVENTS | IN_DONT_FOLLOW);
      isTrue(link !== target, 'the link has a watch of its own');
      await t.unlink(t.path('file'));
      await watcher.expect('target: ATTRIB', 'target: DELETE_SELF', 'target: IGNORED');
      await t.unlink(t.path('link'));
      await watcher.expect('link: ATTRIB', 'link: DELETE_SELF', 'link: IGNORED');
    },
  },
  {
    title: 'watch descriptors count from 1, and a number does not come back',
    origin:
      'inotify(7); gVisor inotify.cc MultipleInotifyInstancesAndWatchesAllGetEvents; ' +
      'Linux: idr_alloc_cyclic()',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      const watchers = [];
      for (let count = 0; count < 30; count += 1) {
        const watcher = await Watcher.open(t);
        equal(await watcher.watch('dir', t.root, IN_MODIFY), 1);
        equal(await watcher.watch('file', t.path('file'), IN_MODIFY), 2);
        watchers.push(watcher);
      }
      await t.write(await t.open(t.path('file'), O_WRONLY), 'x');
      for (const watcher of watchers) await watcher.expect('dir: MODIFY file', 'file: MODIFY');
      const [first] = watchers;
      isTrue(first !== undefined, 'there are watchers');
      await t.removeWatch(first.fd, 2);
      equal(await first.watch('file', t.path('file'), IN_MODIFY), 3);
    },
  },
  {
    title: 'removing a watch queues IN_IGNORED and nothing else',
    origin: 'inotify_rm_watch(2); gVisor inotify.cc RemovingWatchGeneratesEvent',
    async run(t) {
      const watcher = await Watcher.open(t);
      const wd = await watcher.watch('dir', t.root);
      await t.removeWatch(watcher.fd, wd);
      await watcher.expect('dir: IGNORED');
    },
  },
  {
    title: 'inotify_rm_watch returns EINVAL for a watch that is not there',
    origin: 'inotify_rm_watch(2), EINVAL; gVisor inotify.cc DuplicateWatchRemovalFails',
    async run(t) {
      const fd = await t.inotifyInit(0);
      const wd = await t.addWatch(fd, t.root, IN_ALL_EVENTS);
      await t.removeWatch(fd, wd);
      for (const missing of [wd, 0, -1, 99]) {
        await expectError('EINVAL', t.removeWatch(fd, missing));
      }
    },
  },
  {
    title: 'a file whose watch was removed is deleted without an event',
    origin: 'gVisor inotify.cc CanDeleteFileAfterRemovingWatch',
    async run(t) {
      await t.createFile(t.path('file'));
      const watcher = await Watcher.open(t);
      await t.removeWatch(watcher.fd, await watcher.watch('file', t.path('file')));
      await watcher.drain();
      await t.unlink(t.path('file'));
      await watcher.expect();
    },
  },
  {
    title: 'watching a file again changes the mask of the watch there is',
    origin: 'inotify_add_watch(2); gVisor inotify.cc DuplicateWatchReturnsSameWatchDescriptor',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      const watcher = await Watcher.open(t);
      const wd = await watcher.watch('file', t.path('file'));
      equal(await watcher.watch('file', t.path('file'), IN_ACCESS), wd);
      const fd = await t.open(t.path('file'), O_RDONLY);
      await t.readText(fd);
      await t.close(fd);
      await watcher.expect('file: ACCESS');
    },
  },
  {
    title: 'IN_MASK_ADD adds to the mask of the watch there is',
    origin: 'inotify(7), IN_MASK_ADD; gVisor inotify.cc MaskAddMergesWithExistingEventMask',
    async run(t) {
      await t.createFile(t.path('file'));
      const watcher = await Watcher.open(t);
      const fd = await t.open(t.path('file'), O_WRONLY);
      const wd = await watcher.watch('file', t.path('file'), IN_OPEN | IN_CLOSE_WRITE);
      await t.write(fd, 'x');
      await watcher.expect();
      equal(await watcher.watch('file', t.path('file'), IN_MODIFY | IN_MASK_ADD), wd);
      await t.write(fd, 'x');
      await t.close(fd);
      await watcher.expect('file: MODIFY', 'file: CLOSE_WRITE');
    },
  },
  {
    title: 'IN_MASK_CREATE returns EEXIST for a file that is watched already',
    origin: 'inotify(7), IN_MASK_CREATE',
    async run(t) {
      await t.createFile(t.path('file'));
      const watcher = await Watcher.open(t);
      const wd = await watcher.watch('file', t.path('file'), IN_ATTRIB | IN_MASK_CREATE);
      const again = t.addWatch(watcher.fd, t.path('file'), IN_OPEN | IN_MASK_CREATE);
      await expectError('EEXIST', again);
      await t.close(await t.open(t.path('file'), O_RDONLY));
      await t.chmod(t.path('file'), 0o600);
      await watcher.expect('file: ATTRIB');
      const other = await t.inotifyInit(0);
      await t.addWatch(other, t.path('file'), IN_OPEN | IN_MASK_CREATE);
      await t.removeWatch(watcher.fd, wd);
      await t.addWatch(watcher.fd, t.path('file'), IN_OPEN | IN_MASK_CREATE);
    },
  },
  {
    title: 'a watch with IN_ONESHOT tells of one event and is gone',
    origin: 'inotify(7), IN_ONESHOT; gVisor inotify.cc OneShot',
    async run(t) {
      await t.createFile(t.path('file'));
      const watcher = await Watcher.open(t);
      const wd = await watcher.watch('file', t.path('file'), IN_MODIFY | IN_ONESHOT);
      const fd = await t.open(t.path('file'), O_WRONLY);
      await t.write(fd, 'x');
      await t.write(fd, 'x');
      await t.close(fd);
      await watcher.expect('file: MODIFY', 'file: IGNORED');
      await expectError('EINVAL', t.removeWatch(watcher.fd, wd));
      await watcher.watch('again', t.path('file'), IN_ATTRIB);
      await t.chmod(t.path('file'), 0o600);
      await watcher.expect('again: ATTRIB');
    },
  },
  {
    title: 'events outside the mask are not told, IN_IGNORED always is',
    origin: 'inotify(7); gVisor inotify.cc UnmatchedEventsAreDiscarded, ControlEvents',
    async run(t) {
      await t.createFile(t.path('file'));
      await t.mkdir(t.path('dir'));
      const watcher = await Watcher.open(t);
      await watcher.watch('file', t.path('file'), IN_ACCESS);
      await watcher.watch('dir', t.path('dir'), IN_ACCESS);
      const fd = await t.open(t.path('file'), O_WRONLY);
      await watcher.expect();
      await t.close(fd);
      await t.unlink(t.path('file'));
      await watcher.expect('file: IGNORED');
      const dir = await t.open(t.path('dir'), O_RDONLY | O_DIRECTORY);
      await watcher.expect();
      await t.getdents(dir);
      await watcher.expect('dir: ACCESS|ISDIR');
    },
  },
  {
    title: 'closing an inotify descriptor with watches leaves the files alone',
    origin: 'inotify(7); gVisor inotify.cc ClosingInotifyFdWithoutRemovingWatchesWorks',
    async run(t) {
      await t.createFile(t.path('file'));
      const fd = await t.inotifyInit(0);
      await t.addWatch(fd, t.root, IN_ALL_EVENTS);
      await t.addWatch(fd, t.path('file'), IN_ALL_EVENTS);
      const copy = await t.dup(fd);
      await t.close(fd);
      await t.close(await t.open(t.path('file'), O_RDWR | O_CREAT));
      isTrue((await t.readEvents(copy)).length > 0, 'a dup’ed descriptor goes on');
      await t.close(copy);
      await t.unlink(t.path('file'));
    },
  },
];
