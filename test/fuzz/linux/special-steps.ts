// Steps on descriptors, pipes, nodes, locks, extended attributes and watches. Left out:
//  - locks that wait, and pipes without O_NONBLOCK: nobody would wake who waits.
//  - devices other than whiteouts: which of them there are depends on the machine.
//  - locks that count from the offset: that of a directory is a filesystem's own.
//  - O_ASYNC: signals.
//  - security. attributes: modules look at their values.

import fc from 'fast-check';
import {
  AT_SYMLINK_NOFOLLOW,
  F_GETLK,
  F_OFD_GETLK,
  F_OFD_SETLK,
  F_SETLK,
  FD_CLOEXEC,
  LOCK_EX,
  LOCK_NB,
  LOCK_SH,
  LOCK_UN,
  O_APPEND,
  O_CLOEXEC,
  O_NOATIME,
  O_NONBLOCK,
  O_RDONLY,
  O_RDWR,
  O_WRONLY,
  XATTR_CREATE,
  XATTR_REPLACE,
} from '../../../src/abi/fcntl.ts';
import * as inotify from '../../../src/abi/inotify.ts';
import { S_IFCHR, S_IFIFO, S_IFREG, S_IFSOCK, S_IFDIR, S_IFLNK } from '../../../src/abi/stat.ts';
import { at, data, fd, flags, path, step, type Weighted } from './arguments.ts';

export function descriptorSteps(): Weighted[] {
  const status = flags(O_APPEND, O_NOATIME).map((chosen) => chosen | O_NONBLOCK);
  const cloexec = fc.constantFrom(0, 0, O_CLOEXEC, 1);
  return [
    [3, step('dup', fd)],
    [4, step('dup3', fd, fd, cloexec)],
    [3, step('dupfd', fd, fc.oneof(fd, fc.constantFrom(-1, 3)), fc.constantFrom(0, O_CLOEXEC))],
    [2, step('getfd', fd)],
    [2, step('setfd', fd, fc.constantFrom(0, FD_CLOEXEC))],
    [3, step('getfl', fd)],
    [3, step('setfl', fd, status)],
    [8, step('close', fd)],
  ];
}

/** POLLIN, POLLPRI, POLLOUT, POLLERR, POLLHUP, POLLRDNORM, POLLWRNORM. */
const pollEvents = flags(1, 2, 4, 8, 16, 64, 256);
const asked = fc.record({ fd: fc.oneof(fd, fd, fd, fc.constant(-1)), events: pollEvents });

export function pollSteps(): Weighted[] {
  return [[5, step('poll', fc.array(asked, { minLength: 1, maxLength: 4 }), 0)]];
}

export function pipeSteps(): Weighted[] {
  const access = fc.constantFrom(O_RDONLY, O_WRONLY, O_RDWR).map((how) => how | O_NONBLOCK);
  const much = fc.record({ seed: fc.nat(50), length: fc.constantFrom(1, 4096, 5000, 65_536) });
  return [
    [3, step('pipe2', fc.constantFrom(O_NONBLOCK, O_NONBLOCK | O_CLOEXEC, O_NONBLOCK | 1))],
    [3, step('mknodat', at, S_IFIFO | 0o666, 0)],
    [6, step('openat', at, access, 0)],
    [4, step('write', fd, fc.oneof(data, much))],
    [4, step('read', fd, fc.record({ room: fc.constantFrom(1, 4096, 5000, 65_536) }))],
    [3, step('fionread', fd)],
    [6, step('close', fd)],
  ];
}

export function nodeSteps(): Weighted[] {
  const type = fc.constantFrom(
    ...[0, S_IFREG, S_IFIFO, S_IFSOCK, S_IFCHR, S_IFCHR, S_IFDIR, S_IFLNK, 0o030000],
  );
  const mode = fc.tuple(type, fc.constantFrom(0o644, 0o777, 0o2755, 0)).map(([t, m]) => t | m);
  return [[6, step('mknodat', at, mode, 0)]];
}

export function lockSteps(): Weighted[] {
  const operation = fc.constantFrom(
    ...[LOCK_SH | LOCK_NB, LOCK_EX | LOCK_NB, LOCK_EX | LOCK_NB, LOCK_UN, LOCK_UN | LOCK_NB],
    ...[LOCK_SH | LOCK_EX | LOCK_NB, LOCK_NB],
  );
  const lock = fc.record({
    type: fc.constantFrom(0, 0, 1, 1, 1, 2, 2, 3),
    whence: fc.constantFrom(0, 0, 0, 0, 2, 5),
    start: fc.oneof(fc.nat(20), fc.constantFrom(-1, -10, 4096)),
    length: fc.oneof(fc.nat(10), fc.constantFrom(0, -1, -5)),
    pid: fc.constantFrom(0, 0, 0, 0, 0, 0, 0, 7),
  });
  return [
    [5, step('flock', fd, operation)],
    [8, step('setlk', fd, fc.constantFrom(F_SETLK, F_SETLK, F_OFD_SETLK), lock)],
    [6, step('getlk', fd, fc.constantFrom(F_GETLK, F_OFD_GETLK), lock)],
  ];
}

export function xattrSteps(): Weighted[] {
  const name = fc.constantFrom(
    ...['user.a', 'user.a', 'user.b', 'user.c', 'trusted.a', 'trusted.b', 'user.', 'user', 'x.a'],
    ...['', `user.${'n'.repeat(250)}`, `user.${'n'.repeat(251)}`],
  );
  const value = fc.record({
    seed: fc.nat(50),
    length: fc.oneof(fc.nat(40), fc.constantFrom(0, 4096, 65_536, 65_537)),
  });
  const room = fc.record({ room: fc.oneof(fc.nat(40), fc.constantFrom(0, 0, 4000, 70_000)) });
  const how = fc.constantFrom(0, 0, XATTR_CREATE, XATTR_REPLACE, XATTR_CREATE | XATTR_REPLACE, 4);
  const follow = fc.constantFrom(0, 0, AT_SYMLINK_NOFOLLOW);
  return [
    [6, step('setxattr', path, name, value, how, follow)],
    [4, step('fsetxattr', fd, name, value, how)],
    [4, step('getxattr', path, name, room, follow)],
    [2, step('fgetxattr', fd, name, room)],
    [3, step('listxattr', path, room, follow)],
    [2, step('flistxattr', fd, room)],
    [3, step('removexattr', path, name, follow)],
    [2, step('fremovexattr', fd, name)],
  ];
}

const kinds = [
  ...[inotify.IN_ACCESS, inotify.IN_MODIFY, inotify.IN_ATTRIB, inotify.IN_CLOSE_WRITE],
  ...[inotify.IN_CLOSE_NOWRITE, inotify.IN_OPEN, inotify.IN_MOVED_FROM, inotify.IN_MOVED_TO],
  ...[inotify.IN_CREATE, inotify.IN_DELETE, inotify.IN_DELETE_SELF, inotify.IN_MOVE_SELF],
];
const watchFlags = fc.constantFrom(
  ...[0, 0, 0, 0, 0, inotify.IN_DONT_FOLLOW, inotify.IN_EXCL_UNLINK, inotify.IN_EXCL_UNLINK],
  ...[inotify.IN_ONLYDIR, inotify.IN_ONESHOT, inotify.IN_MASK_ADD, inotify.IN_MASK_CREATE],
  ...[inotify.IN_MASK_ADD | inotify.IN_MASK_CREATE, inotify.IN_ONESHOT | inotify.IN_EXCL_UNLINK],
);
const watchMask = fc
  .tuple(
    fc.oneof(
      { weight: 3, arbitrary: fc.constant(inotify.IN_ALL_EVENTS) },
      { weight: 1, arbitrary: flags(...kinds) },
    ),
    watchFlags,
  )
  .map(([events, more]) => events | more);

export function watchSteps(): Weighted[] {
  const { IN_NONBLOCK, IN_CLOEXEC } = inotify;
  return [
    [2, step('inotify_init1', fc.constantFrom(IN_NONBLOCK, IN_NONBLOCK | IN_CLOEXEC))],
    [10, step('inotify_add_watch', fd, path, watchMask)],
    [2, step('inotify_rm_watch', fd, fc.integer({ min: 0, max: 5 }))],
    [10, step('read', fd, fc.record({ room: fc.constantFrom(4096, 4096, 4096, 64, 16, 15) }))],
    [2, step('fionread', fd)],
  ];
}
