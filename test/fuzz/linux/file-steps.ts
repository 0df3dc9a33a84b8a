// Steps on names, attributes and data. Left out, each with its reason:
//  - opening without O_NONBLOCK: any name may be a FIFO's, and would wait.
//  - sync(2): Linux's is one for the machine.
//  - O_DIRECT on tmpfs: it has only been there since 6.6, and does nothing.
//  - statx(2) for a part of the fields: which others come with them is left open.
//  - what comes after sendfile(2) from a file to itself: it reads and writes a page at once, so
//    that what overlaps is anybody's; and what comes after a change of data once it has put any
//    into a pipe: Linux puts the file's pages there, and who reads them sees the change
//    (burrow-side.ts, Undefined). Ours are copies.
//  - getdents(2) with little room, or from anywhere but the start: the order is a filesystem's own.

import fc from 'fast-check';
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_REMOVEDIR,
  AT_SYMLINK_FOLLOW,
  AT_SYMLINK_NOFOLLOW,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  O_APPEND,
  O_CLOEXEC,
  O_CREAT,
  O_DIRECTORY,
  O_DSYNC,
  O_EXCL,
  O_NOATIME,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_PATH,
  O_RDONLY,
  O_RDWR,
  O_SYNC,
  O_TMPFILE,
  O_TRUNC,
  O_WRONLY,
  RENAME_EXCHANGE,
  RENAME_NOREPLACE,
  RENAME_WHITEOUT,
  SEEK_CUR,
  SEEK_DATA,
  SEEK_END,
  SEEK_HOLE,
  SEEK_SET,
} from '../../../src/abi/fcntl.ts';
import { at, buffer, data, fd, flags, id, mode, name, offset, path, size } from './arguments.ts';
import { step, symlinkTarget, time, type Weighted } from './arguments.ts';

const openFlags = fc
  .oneof(
    {
      weight: 8,
      arbitrary: fc.constantFrom(
        ...[O_RDONLY, O_RDWR, O_RDWR | O_CREAT, O_RDWR | O_CREAT, O_WRONLY | O_CREAT | O_APPEND],
        ...[O_RDWR | O_CREAT | O_TRUNC, O_WRONLY | O_CREAT | O_EXCL, O_RDWR | O_APPEND],
        ...[O_RDONLY | O_DIRECTORY, O_RDONLY | O_DIRECTORY, O_RDONLY | O_TRUNC, O_WRONLY],
        ...[O_RDWR | O_NOFOLLOW, O_PATH | O_NOFOLLOW, O_PATH],
      ),
    },
    {
      weight: 1,
      arbitrary: fc
        .tuple(
          fc.constantFrom(O_RDONLY, O_WRONLY, O_RDWR, 3),
          flags(O_CREAT, O_EXCL, O_TRUNC, O_APPEND, O_DIRECTORY, O_NOFOLLOW, O_NOATIME),
          flags(O_CLOEXEC, O_SYNC, O_DSYNC, O_PATH),
        )
        .map(([access, first, second]) => access | first | second),
    },
  )
  .map((chosen) => chosen | O_NONBLOCK);

const follow = fc.constantFrom(0, AT_SYMLINK_NOFOLLOW);

export function nameSteps(): Weighted[] {
  return [
    [14, step('openat', at, openFlags, mode)],
    [12, step('close', fd)],
    [8, step('mkdirat', at, mode, 0)],
    [7, step('unlinkat', at, 0)],
    [4, step('unlinkat', at, AT_REMOVEDIR)],
    [9, step('renameat2', at, at, 0)],
    [4, step('linkat', at, at, fc.constantFrom(0, 0, AT_SYMLINK_FOLLOW))],
    [3, step('symlinkat', symlinkTarget, at, 0)],
    [1, step('readlinkat', at, 0)],
    [3, step('fstatat', at, follow)],
    [1, step('fstatat', fd, '', AT_EMPTY_PATH)],
    [2, step('fstat', fd)],
    [1, step('statx', at, follow, 0xfff)],
    [2, step('faccessat', at, fc.nat(7), follow)],
    [1, step('umask', fc.constantFrom(0o022, 0, 0o077, 0o777, 0o027))],
    [4, step('getdents', fd, 32_768)],
  ];
}

export function renameSteps(): Weighted[] {
  const wanted = fc.constantFrom(
    ...[RENAME_EXCHANGE, RENAME_EXCHANGE, RENAME_NOREPLACE, RENAME_NOREPLACE, RENAME_WHITEOUT],
    ...[RENAME_WHITEOUT | RENAME_NOREPLACE, RENAME_EXCHANGE | RENAME_NOREPLACE, 8],
  );
  return [[10, step('renameat2', at, at, wanted)]];
}

export function tmpfileSteps(): Weighted[] {
  const how = fc.constantFrom(O_RDWR, O_WRONLY, O_RDWR | O_EXCL, O_RDONLY, O_RDWR | O_APPEND);
  const tmpfile = how.map((access) => access | O_TMPFILE | O_NONBLOCK);
  return [
    [4, step('openat', at, tmpfile, mode)],
    [6, step('linkat', fd, '', at, AT_EMPTY_PATH)],
  ];
}

export function attributeSteps(): Weighted[] {
  return [
    [4, step('fchmodat', at, mode, fc.constantFrom(0, 0, 0, AT_SYMLINK_NOFOLLOW))],
    [2, step('fchmod', fd, mode)],
    [4, step('fchownat', at, id, id, follow)],
    [2, step('fchown', fd, id, id)],
  ];
}

export function timeSteps(): Weighted[] {
  return [
    [3, step('utimensat', at, time, time, follow)],
    [2, step('futimens', fd, time, time)],
    [2, step('tick')],
  ];
}

export function dataSteps(): Weighted[] {
  return [
    [8, step('write', fd, data)],
    [6, step('pwrite', fd, data, offset)],
    [5, step('read', fd, buffer)],
    [5, step('pread', fd, buffer, offset)],
    [3, step('lseek', fd, offset, fc.constantFrom(SEEK_SET, SEEK_CUR, SEEK_END, 7))],
    [3, step('ftruncate', fd, size)],
    [3, step('truncate', path, size)],
    [1, step('fsync', fd)],
    [1, step('fdatasync', fd)],
    [1, step('fionread', fd)],
  ];
}

export function holeSteps(): Weighted[] {
  return [[6, step('lseek', fd, offset, fc.constantFrom(SEEK_DATA, SEEK_HOLE))]];
}

export function allocateSteps(): Weighted[] {
  const punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  const modes = fc.constantFrom(0, 0, punch, punch, FALLOC_FL_PUNCH_HOLE, 64);
  const length = fc.constantFrom(0, 1, 100, 4096, 8192, 50_000, -1);
  const smallOffset = fc.oneof(fc.constantFrom(0, 1, 4096, 8192, 65_536), fc.nat(140_000));
  return [[8, step('fallocate', fd, modes, smallOffset, length)]];
}

/** idbfs forgets room behind the end of a file once the file leaves the memory. */
export function keepSizeSteps(): Weighted[] {
  return [
    [4, step('fallocate', fd, FALLOC_FL_KEEP_SIZE, fc.nat(140_000), fc.constantFrom(1, 50_000))],
  ];
}

export function copySteps(): Weighted[] {
  const length = fc.oneof(fc.constantFrom(0, 1, 4096, 100_000), fc.nat(30_000));
  const position = fc.oneof(fc.constant(-1), fc.constantFrom(0, 100, 4096), fc.nat(50_000));
  const noFlags = fc.constantFrom(0, 0, 0, 0, 0, 0, 1);
  return [
    [6, step('copy_file_range', fd, position, fd, position, length, noFlags)],
    [6, step('sendfile', fd, fd, position, length)],
  ];
}

export function directorySteps(): Weighted[] {
  return [
    [4, step('chdir', path)],
    [2, step('fchdir', fd)],
    [4, step('getcwd')],
    [2, step('openat', AT_FDCWD, name, openFlags, mode)],
    [2, step('mkdirat', AT_FDCWD, name, mode, 0)],
  ];
}
