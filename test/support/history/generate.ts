// Histories of system calls: few names and few descriptors, so that calls meet.

import fc from 'fast-check';
import {
  AT_FDCWD,
  AT_REMOVEDIR,
  AT_SYMLINK_FOLLOW,
  AT_SYMLINK_NOFOLLOW,
  FALLOC_FL_KEEP_SIZE,
  O_APPEND,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOFOLLOW,
  O_PATH,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
  RENAME_EXCHANGE,
  RENAME_NOREPLACE,
  SEEK_CUR,
  SEEK_DATA,
  SEEK_END,
  SEEK_HOLE,
  SEEK_SET,
  UTIME_NOW,
  UTIME_OMIT,
} from '../../../src/abi/fcntl.ts';
import type { Action, ActionArgument } from './action.ts';

type Make = fc.Arbitrary<Action>;

/** Directories as a rule. */
const dir = fc.constantFrom('a', 'a', 'b');
const name = fc.constantFrom('a', 'b', 'c', 'd', 'e');
/** Up to three components; seldom dots and slashes where they matter. */
const path = fc.oneof(
  { weight: 24, arbitrary: name.map((last) => `/${last}`) },
  { weight: 24, arbitrary: fc.tuple(dir, name).map((names) => `/${names.join('/')}`) },
  { weight: 8, arbitrary: fc.tuple(dir, dir, name).map((names) => `/${names.join('/')}`) },
  { weight: 2, arbitrary: name.map((last) => `/${last}/`) },
  { weight: 2, arbitrary: fc.tuple(name, name).map(([a, b]) => `/${a}/../${b}`) },
  { weight: 1, arbitrary: fc.constantFrom('/', '/.', '/a/.', '/a/..', '') },
);
const target = fc.constantFrom('a', 'a/c', '../c', '/c', '/b/c', '.', 'missing', 'd/');
const fd = fc.integer({ min: 0, max: 5 });
const GIB = 2 ** 30;

export interface HistoryOptions {
  /** Bytes a write has at most. */
  readonly writeMax: number;
  /** With sync calls. */
  readonly syncs: boolean;
}

const offset = fc.oneof(
  fc.constantFrom(0, 1, 100, 4095, 4096, 8192, 32767, 32768, 40960, 65536, 100_000),
  fc.constantFrom(5 * GIB, 5 * GIB + 4096, 4 * GIB - 1),
  fc.integer({ min: 0, max: 140_000 }),
);
const size = fc.oneof(offset, fc.constant(0));
const mode = fc.constantFrom(0o644, 0o600, 0o777, 0o4755, 0o2770, 0o1777, 0);
const time = fc.oneof(
  fc.constant({ sec: 0, nsec: UTIME_NOW }),
  fc.constant({ sec: 0, nsec: UTIME_OMIT }),
  fc.record({ sec: fc.integer({ min: -5, max: 2 ** 33 }), nsec: fc.constantFrom(0, 999_999_999) }),
);

const openFlags = fc.constantFrom(
  O_RDONLY,
  O_RDWR,
  O_RDWR | O_CREAT,
  O_RDWR | O_CREAT,
  O_RDWR | O_CREAT,
  O_RDWR | O_CREAT,
  O_RDWR | O_CREAT | O_TRUNC,
  O_WRONLY | O_CREAT | O_APPEND,
  O_WRONLY | O_CREAT | O_EXCL,
  O_RDWR | O_APPEND,
  O_RDONLY | O_DIRECTORY,
  O_RDONLY | O_DIRECTORY,
  O_RDONLY | O_TRUNC,
  O_RDWR | O_NOFOLLOW,
  O_PATH | O_NOFOLLOW,
);

/**
 * What every history starts with, so that there is something to act on: files, directories, fds.
 */
export const PRELUDE: readonly Action[] = [
  { call: 'mkdirat', args: [AT_FDCWD, '/a', 0o755, 0] },
  { call: 'mkdirat', args: [AT_FDCWD, '/a/a', 0o755, 0] },
  { call: 'mkdirat', args: [AT_FDCWD, '/b', 0o755, 0] },
  { call: 'symlinkat', args: ['a/c', AT_FDCWD, '/e', 0] },
  { call: 'openat', args: [AT_FDCWD, '/c', O_RDWR | O_CREAT, 0o644] },
  { call: 'openat', args: [AT_FDCWD, '/a/c', O_RDWR | O_CREAT, 0o644] },
  { call: 'openat', args: [AT_FDCWD, '/b/c', O_RDWR | O_CREAT, 0o644] },
  { call: 'openat', args: [AT_FDCWD, '/', O_RDONLY, 0] },
  { call: 'openat', args: [AT_FDCWD, '/a', O_RDONLY, 0] },
  { call: 'pwrite', args: [0, { seed: 1, length: 100_000 }, 0] },
  { call: 'pwrite', args: [1, { seed: 2, length: 5000 }, 30_000] },
];

function action(
  call: Action['call'],
  ...args: (fc.Arbitrary<ActionArgument> | ActionArgument)[]
): Make {
  const arbitraries = args.map((arg) => (arg instanceof fc.Arbitrary ? arg : fc.constant(arg)));
  return fc.tuple(...arbitraries).map((values) => ({ call, args: values }));
}

function names(): [number, Make][] {
  const flags = fc.constantFrom(0, 0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_EXCHANGE);
  return [
    [8, action('mkdirat', AT_FDCWD, path, mode, 0)],
    [7, action('unlinkat', AT_FDCWD, path, 0)],
    [4, action('unlinkat', AT_FDCWD, path, AT_REMOVEDIR)],
    [9, action('renameat2', AT_FDCWD, path, AT_FDCWD, path, flags)],
    [4, action('linkat', AT_FDCWD, path, AT_FDCWD, path, fc.constantFrom(0, AT_SYMLINK_FOLLOW))],
    [3, action('symlinkat', target, AT_FDCWD, path, 0)],
    [1, action('readlinkat', AT_FDCWD, path, 0)],
    [2, action('openat', fd, name, openFlags, mode)],
    [1, action('mkdirat', fd, name, mode, 0)],
    [1, action('renameat2', fd, name, AT_FDCWD, path, 0)],
  ];
}

function attributes(): [number, Make][] {
  const follow = fc.constantFrom(0, AT_SYMLINK_NOFOLLOW);
  return [
    [2, action('fstatat', AT_FDCWD, path, follow)],
    [1, action('fstat', fd)],
    [1, action('fchmodat', AT_FDCWD, path, mode, 0)],
    [1, action('fchmod', fd, mode)],
    [1, action('fchownat', AT_FDCWD, path, fc.nat(3), fc.nat(3), follow)],
    [1, action('utimensat', AT_FDCWD, path, time, time, follow)],
    [1, action('futimens', fd, time, time)],
    [2, action('truncate', path, size)],
    [2, action('faccessat', AT_FDCWD, path, fc.nat(7), 0)],
  ];
}

function data(options: HistoryOptions): [number, Make][] {
  const written = fc.record({
    seed: fc.nat(50),
    length: fc.oneof(fc.nat(300), fc.nat(options.writeMax)),
  });
  const buffer = fc.record({ buffer: fc.oneof(fc.nat(300), fc.nat(80_000)) });
  const whence = fc.constantFrom(SEEK_SET, SEEK_CUR, SEEK_END, SEEK_DATA, SEEK_HOLE);
  const length = fc.constantFrom(1, 4096, 50_000);
  return [
    [14, action('openat', AT_FDCWD, path, openFlags, mode)],
    [4, action('close', fd)],
    [8, action('write', fd, written)],
    [8, action('pwrite', fd, written, offset)],
    [4, action('read', fd, buffer)],
    [6, action('pread', fd, buffer, offset)],
    [4, action('lseek', fd, offset, whence)],
    [4, action('ftruncate', fd, size)],
    [1, action('fallocate', fd, fc.constantFrom(0, FALLOC_FL_KEEP_SIZE), offset, length)],
    [6, action('getdents', fd, fc.constantFrom(24, 48, 100, 32_768))],
    [1, action('dup', fd)],
    [1, action('setfl', fd, fc.constantFrom(0, O_APPEND))],
  ];
}

function syncs(): [number, Make][] {
  return [
    [4, action('fsync', fd)],
    [2, action('fdatasync', fd)],
    [6, action('sync')],
  ];
}

export function anyAction(options: HistoryOptions): Make {
  const rows = [...names(), ...attributes(), ...data(options), ...(options.syncs ? syncs() : [])];
  return fc.oneof(...rows.map(([weight, arbitrary]) => ({ weight, arbitrary })));
}
