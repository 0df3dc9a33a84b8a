// HostCalls: the system calls the gofer wants and Node doesn't have. Whoever has some of them gives
// them; where one is missing the gofer does without, as README.md says for each.

import type { Buffer } from 'node:buffer';
import type { Timespec } from '../lib/clock.ts';

/** `nsec` may be UTIME_NOW or UTIME_OMIT. */
export interface FileTimes {
  readonly atime: Timespec;
  readonly mtime: Timespec;
}

/**
 * All fail with a LinuxError. A path of a file is a link of /proc/self/fd, and is followed; what it
 * leads to is not. Paths have no NUL at their end.
 */
export interface HostCalls {
  /** fallocate(2). */
  readonly allocate?: (fd: number, range: AllocateRange) => Promise<void>;
  /** lseek(2) with SEEK_DATA or SEEK_HOLE. The descriptor's offset is nobody's. */
  readonly seek?: (fd: number, offset: number, whence: number) => Promise<number>;
  /** readlinkat(2) of the symbolic link that `fd` is. Errors: ENOMEM from 64 KiB on. */
  readonly readlink?: (fd: number) => Promise<Buffer>;
  /** utimensat(2). */
  readonly setTimes?: (file: Buffer, times: FileTimes) => Promise<void>;
  /** linkat(2) with AT_SYMLINK_FOLLOW: another name for the file, whatever names it has. */
  readonly link?: (file: Buffer, path: Buffer) => Promise<void>;
  /** renameat2(2). */
  readonly rename?: (from: Buffer, to: Buffer, flags: number) => Promise<void>;
  /** mknod(2). `dev` is the host's number. */
  readonly mknod?: (path: Buffer, mode: number, dev: number) => Promise<void>;
  readonly xattrs?: XattrCalls;
  readonly inotify?: InotifyCalls;
}

/** inotify(7). None of them waits: they are done when they return. */
export interface InotifyCalls {
  /** inotify_init1(2) with IN_NONBLOCK and IN_CLOEXEC: a descriptor, which the caller closes. */
  init(): number;
  /** inotify_add_watch(2): a watch descriptor. */
  addWatch(fd: number, path: Buffer, mask: number): number;
  removeWatch(fd: number, wd: number): void;
  /** read(2): bytes put into `buffer`; 0 if nothing has happened. */
  read(fd: number, buffer: Uint8Array): number;
}

export interface AllocateRange {
  /** FALLOC_FL_ bits. */
  readonly mode: number;
  readonly offset: number;
  readonly length: number;
}

/** getxattr(2) and its kin. */
export interface XattrCalls {
  /** Bytes put into `value`; the value's size if that is empty. */
  get(file: Buffer, name: Buffer, value: Uint8Array): Promise<number>;
  set(file: Buffer, xattr: { name: Buffer; value: Uint8Array; flags: number }): Promise<void>;
  /** The same of the names, each with a NUL at its end. */
  list(file: Buffer, names: Uint8Array): Promise<number>;
  remove(file: Buffer, name: Buffer): Promise<void>;
}
