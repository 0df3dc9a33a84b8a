// The system calls: one row each with its arguments and result. The Syscalls interface, the codec
// of the channel between a process worker and the kernel, and the dispatcher all derive from this
// table.
//
// Names, argument order and errors are Linux's (man 2). A path is a string; a dirfd may be
// AT_FDCWD, which stands for the task's working directory. Failures are thrown LinuxErrors.

import type { Op } from '../lib/op.ts';
import type { Timespec } from '../lib/clock.ts';
import type { Stat, Statfs, Statx } from '../abi/stat.ts';

/** One directory entry. `cookie` resumes a listing after this entry. */
export interface DirentRecord {
  readonly ino: number;
  readonly cookie: number;
  /** DT_ constant. */
  readonly type: number;
  readonly name: string;
}

/** One descriptor poll() is asked about. `events` and `revents` are POLL constants. */
export interface PollFd {
  readonly fd: number;
  readonly events: number;
}

/** A byte-range lock. Linux: struct flock, fcntl_locking(2). */
export interface Flock {
  /** F_RDLCK, F_WRLCK or F_UNLCK. */
  readonly type: number;
  /** SEEK_SET, SEEK_CUR or SEEK_END: what `start` counts from. */
  readonly whence: number;
  readonly start: number;
  /** Bytes; 0 for all up to the end of the file, however far it grows; negative: before `start`. */
  readonly length: number;
  /** Of F_GETLK: who holds the lock, -1 for an open file description. */
  readonly pid: number;
}

/** Argument kind → its TypeScript type. */
export interface ArgumentTypes {
  /** A 32-bit integer: descriptor, flags, mode, id. */
  int: number;
  /** An offset or size: an integer up to 2^53, or NaN-free double. */
  offset: number;
  text: string;
  /** Seconds and nanoseconds; nsec may be UTIME_NOW or UTIME_OMIT where the call says so. */
  timespec: Timespec;
  /** Bytes the kernel reads. */
  bytes: Uint8Array;
  /** Bytes the kernel fills; the call's result says how many. */
  buffer: Uint8Array;
  pollfds: readonly PollFd[];
  flock: Flock;
}

/** Result kind → its TypeScript type. */
export interface ResultTypes {
  void: void;
  int: number;
  offset: number;
  text: string;
  stat: Stat;
  statfs: Statfs;
  dirents: DirentRecord[];
  /** revents of each descriptor asked about, in order; the descriptors of a pipe. */
  ints: number[];
  flock: Flock;
  statx: Statx;
}

export type ArgumentKind = keyof ArgumentTypes;
export type ResultKind = keyof ResultTypes;

interface Row {
  readonly args: readonly ArgumentKind[];
  readonly result: ResultKind;
}

/** New rows go at the end: the position is the number on the channel. */
export const SYSCALLS = {
  // (dirfd, path, flags, mode) → fd
  openat: { args: ['int', 'text', 'int', 'int'], result: 'int' },
  close: { args: ['int'], result: 'void' },
  // (fd, buffer) → bytes read
  read: { args: ['int', 'buffer'], result: 'int' },
  // (fd, buffer, offset) → bytes read
  pread: { args: ['int', 'buffer', 'offset'], result: 'int' },
  // (fd, bytes) → bytes written
  write: { args: ['int', 'bytes'], result: 'int' },
  // (fd, bytes, offset) → bytes written
  pwrite: { args: ['int', 'bytes', 'offset'], result: 'int' },
  // (fd, offset, whence) → new offset
  lseek: { args: ['int', 'offset', 'int'], result: 'offset' },
  // (fd, length)
  ftruncate: { args: ['int', 'offset'], result: 'void' },
  // (path, length)
  truncate: { args: ['text', 'offset'], result: 'void' },
  // (fd, mode, offset, length)
  fallocate: { args: ['int', 'int', 'offset', 'offset'], result: 'void' },
  fstat: { args: ['int'], result: 'stat' },
  // (dirfd, path, flags)
  fstatat: { args: ['int', 'text', 'int'], result: 'stat' },
  fchmod: { args: ['int', 'int'], result: 'void' },
  // (dirfd, path, mode, flags)
  fchmodat: { args: ['int', 'text', 'int', 'int'], result: 'void' },
  // (fd, uid, gid); NO_ID leaves one as it is
  fchown: { args: ['int', 'int', 'int'], result: 'void' },
  // (dirfd, path, uid, gid, flags)
  fchownat: { args: ['int', 'text', 'int', 'int', 'int'], result: 'void' },
  // (fd, atime, mtime)
  futimens: { args: ['int', 'timespec', 'timespec'], result: 'void' },
  // (dirfd, path, atime, mtime, flags)
  utimensat: { args: ['int', 'text', 'timespec', 'timespec', 'int'], result: 'void' },
  // (olddirfd, oldpath, newdirfd, newpath, flags)
  linkat: { args: ['int', 'text', 'int', 'text', 'int'], result: 'void' },
  // (target, newdirfd, linkpath, flags); flags may be AT_RESOLVE_BENEATH
  symlinkat: { args: ['text', 'int', 'text', 'int'], result: 'void' },
  // (dirfd, path, flags) → target; flags may be AT_RESOLVE_BENEATH
  readlinkat: { args: ['int', 'text', 'int'], result: 'text' },
  // (dirfd, path, flags)
  unlinkat: { args: ['int', 'text', 'int'], result: 'void' },
  // (dirfd, path, mode, flags); flags may be AT_RESOLVE_BENEATH
  mkdirat: { args: ['int', 'text', 'int', 'int'], result: 'void' },
  // (olddirfd, oldpath, newdirfd, newpath, flags)
  renameat2: { args: ['int', 'text', 'int', 'text', 'int'], result: 'void' },
  // (fd, size): entries from the description's position on that fit `size` bytes as linux_dirent64
  getdents: { args: ['int', 'int'], result: 'dirents' },
  // (dirfd, path, mode, flags)
  faccessat: { args: ['int', 'text', 'int', 'int'], result: 'void' },
  fstatfs: { args: ['int'], result: 'statfs' },
  statfs: { args: ['text'], result: 'statfs' },
  fsync: { args: ['int'], result: 'void' },
  fdatasync: { args: ['int'], result: 'void' },
  syncfs: { args: ['int'], result: 'void' },
  sync: { args: [], result: 'void' },
  // F_GETFL: (fd) → status flags and access mode
  getfl: { args: ['int'], result: 'int' },
  // F_SETFL: (fd, flags)
  setfl: { args: ['int', 'int'], result: 'void' },
  dup: { args: ['int'], result: 'int' },
  // (oldfd, newfd, flags) → newfd
  dup3: { args: ['int', 'int', 'int'], result: 'int' },
  // (descriptors, timeout in ms; negative waits for ever) → revents
  poll: { args: ['pollfds', 'offset'], result: 'ints' },
  // (fd) → 1 or 0
  isatty: { args: ['int'], result: 'int' },
  // (mask) → old mask
  umask: { args: ['int'], result: 'int' },
  // (dirfd, path, mode, dev): a file, FIFO, socket or device, by the type in `mode`
  mknodat: { args: ['int', 'text', 'int', 'int'], result: 'void' },
  // (flags) → the descriptors to read from and to write to
  pipe2: { args: ['int'], result: 'ints' },
  // F_DUPFD, F_DUPFD_CLOEXEC: (fd, lowest, flags) → fd; flags may be O_CLOEXEC
  dupfd: { args: ['int', 'int', 'int'], result: 'int' },
  // F_GETFD: (fd) → FD_CLOEXEC or 0
  getfd: { args: ['int'], result: 'int' },
  // F_SETFD: (fd, flags)
  setfd: { args: ['int', 'int'], result: 'void' },
  // (fd, operation)
  flock: { args: ['int', 'int'], result: 'void' },
  // F_SETLK, F_SETLKW, F_OFD_SETLK, F_OFD_SETLKW: (fd, command, lock)
  setlk: { args: ['int', 'int', 'flock'], result: 'void' },
  // F_GETLK, F_OFD_GETLK: (fd, command, lock) → the lock in its way, or one of type F_UNLCK
  getlk: { args: ['int', 'int', 'flock'], result: 'flock' },
  // (flags) → fd
  inotify_init1: { args: ['int'], result: 'int' },
  // (fd, path, mask) → wd
  inotify_add_watch: { args: ['int', 'text', 'int'], result: 'int' },
  // (fd, wd)
  inotify_rm_watch: { args: ['int', 'int'], result: 'void' },
  // (path, name, value, flags, atFlags); atFlags may be AT_SYMLINK_NOFOLLOW, for lsetxattr
  setxattr: { args: ['text', 'text', 'bytes', 'int', 'int'], result: 'void' },
  // (path, name, value, atFlags) → size of the value; an empty `value` asks for that alone
  getxattr: { args: ['text', 'text', 'buffer', 'int'], result: 'int' },
  // (path, list, atFlags) → size of the list, whose names end in NULs
  listxattr: { args: ['text', 'buffer', 'int'], result: 'int' },
  // (path, name, atFlags)
  removexattr: { args: ['text', 'text', 'int'], result: 'void' },
  // (fd, name, value, flags)
  fsetxattr: { args: ['int', 'text', 'bytes', 'int'], result: 'void' },
  // (fd, name, value) → size
  fgetxattr: { args: ['int', 'text', 'buffer'], result: 'int' },
  // (fd, list) → size
  flistxattr: { args: ['int', 'buffer'], result: 'int' },
  // (fd, name)
  fremovexattr: { args: ['int', 'text'], result: 'void' },
  // (in, offset in or -1, out, offset out or -1, length, flags) → bytes copied
  copy_file_range: { args: ['int', 'offset', 'int', 'offset', 'offset', 'int'], result: 'offset' },
  // (out, in, offset or -1, count) → bytes sent
  sendfile: { args: ['int', 'int', 'offset', 'offset'], result: 'offset' },
  // (source, target, type, flags, data)
  mount: { args: ['text', 'text', 'text', 'int', 'text'], result: 'void' },
  // (target, flags)
  umount2: { args: ['text', 'int'], result: 'void' },
  chroot: { args: ['text'], result: 'void' },
  chdir: { args: ['text'], result: 'void' },
  fchdir: { args: ['int'], result: 'void' },
  getcwd: { args: [], result: 'text' },
  // FIONREAD: (fd) → bytes that can be read at once
  fionread: { args: ['int'], result: 'int' },
  getpid: { args: [], result: 'int' },
  // (dirfd, path, flags, mask)
  statx: { args: ['int', 'text', 'int', 'int'], result: 'statx' },
} as const satisfies Record<string, Row>;

export type SyscallName = keyof typeof SYSCALLS;

type Arguments<Kinds extends readonly ArgumentKind[]> = {
  -readonly [Index in keyof Kinds]: ArgumentTypes[Kinds[Index]];
};

/** The calls a task can make. The kernel's task implements it; so does the channel's client. */
export type Syscalls = {
  readonly [Name in SyscallName]: (
    ...args: Arguments<(typeof SYSCALLS)[Name]['args']>
  ) => Op<ResultTypes[(typeof SYSCALLS)[Name]['result']]>;
};
