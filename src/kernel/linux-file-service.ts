// LinuxFileService: what kernel.fs has beyond node:fs/promises: watches, locks, extended
// attributes, FIFOs and the rest of Linux's file calls. The page's side is in
// worker/file-handle.ts, worker/file-system.ts and worker/watcher.ts.

import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_SYMLINK_NOFOLLOW,
  F_OFD_GETLK,
  F_OFD_SETLK,
  F_OFD_SETLKW,
  F_UNLCK,
  SEEK_SET,
} from '../abi/fcntl.ts';
import { XATTR_LIST_MAX, XATTR_SIZE_MAX } from '../abi/limits.ts';
import type { Op } from '../lib/op.ts';
import { decodeUtf8 } from '../lib/text.ts';
import type { Flock, Syscalls } from '../syscalls/table.ts';
import type { InotifyInstance } from '../vfs/inotify.ts';
import { OWN_OFFSET } from './copy-range.ts';
import { FileService } from './file-service.ts';
import { type TreeEvent, TreeWatch, type TreeWatchOptions } from './tree-watch.ts';

/** A byte range of a file; a length of 0 reaches to the end, however far it grows. */
export interface LockRange {
  readonly type: number;
  readonly start: number;
  readonly length: number;
}

export class LinuxFileService extends FileService {
  readonly #findInstance: (fd: number) => InotifyInstance;
  readonly #watches = new Map<number, TreeWatch>();
  #lastWatch = 0;

  /** `findInstance` gives the inotify instance behind a descriptor of the task. */
  constructor(sys: Syscalls, random: () => number, findInstance: (fd: number) => InotifyInstance) {
    super(sys, random);
    this.#findInstance = findInstance;
  }

  // Watches.

  *watch(path: string, options: TreeWatchOptions): Op<number> {
    const watch = yield* TreeWatch.open(this.sys, this.#findInstance, path, options);
    this.#watches.set(++this.#lastWatch, watch);
    return this.#lastWatch;
  }

  /** None at all once the watch is closed. */
  *watchNext(id: number): Op<TreeEvent[]> {
    const watch = this.#watches.get(id);
    return watch === undefined ? [] : yield* watch.next();
  }

  *watchClose(id: number): Op<void> {
    const watch = this.#watches.get(id);
    this.#watches.delete(id);
    if (watch !== undefined) yield* watch.close();
  }

  // Locks: of an open handle. F_OFD_SETLK, as all of the page's handles are one process's.

  flock(fd: number, operation: number): Op<void> {
    return this.sys.flock(fd, operation);
  }

  lock(fd: number, range: LockRange, options: { readonly waits: boolean }): Op<void> {
    const command = options.waits ? F_OFD_SETLKW : F_OFD_SETLK;
    return this.sys.setlk(fd, command, { ...range, whence: SEEK_SET, pid: 0 });
  }

  /** The lock in the way of another one, or null. */
  *findLock(fd: number, range: LockRange): Op<Omit<Flock, 'whence'> | null> {
    const request = { ...range, whence: SEEK_SET, pid: 0 };
    const { type, start, length, pid } = yield* this.sys.getlk(fd, F_OFD_GETLK, request);
    return type === F_UNLCK ? null : { type, start, length, pid };
  }

  // Extended attributes.

  setxattr(path: string, name: string, value: Uint8Array, options: XattrOptions): Op<void> {
    return this.sys.setxattr(path, name, value, options.flags, atFlagsOf(options));
  }

  *getxattr(path: string, name: string, options: XattrOptions): Op<Uint8Array> {
    const buffer = new Uint8Array(XATTR_SIZE_MAX);
    return buffer.slice(0, yield* this.sys.getxattr(path, name, buffer, atFlagsOf(options)));
  }

  *listxattr(path: string, options: XattrOptions): Op<string[]> {
    const buffer = new Uint8Array(XATTR_LIST_MAX);
    return namesIn(buffer, yield* this.sys.listxattr(path, buffer, atFlagsOf(options)));
  }

  removexattr(path: string, name: string, options: XattrOptions): Op<void> {
    return this.sys.removexattr(path, name, atFlagsOf(options));
  }

  fsetxattr(fd: number, name: string, value: Uint8Array, options: XattrOptions): Op<void> {
    return this.sys.fsetxattr(fd, name, value, options.flags);
  }

  *fgetxattr(fd: number, name: string): Op<Uint8Array> {
    const buffer = new Uint8Array(XATTR_SIZE_MAX);
    return buffer.slice(0, yield* this.sys.fgetxattr(fd, name, buffer));
  }

  *flistxattr(fd: number): Op<string[]> {
    const buffer = new Uint8Array(XATTR_LIST_MAX);
    return namesIn(buffer, yield* this.sys.flistxattr(fd, buffer));
  }

  fremovexattr(fd: number, name: string): Op<void> {
    return this.sys.fremovexattr(fd, name);
  }

  // Names and data.

  mknod(path: string, mode: number, dev: number): Op<void> {
    return this.sys.mknodat(AT_FDCWD, path, mode, dev);
  }

  /** Gives an open file a name: one that was made with O_TMPFILE, as a rule. */
  flink(fd: number, path: string): Op<void> {
    return this.sys.linkat(fd, '', AT_FDCWD, path, AT_EMPTY_PATH);
  }

  fallocate(fd: number, mode: number, offset: number, length: number): Op<void> {
    return this.sys.fallocate(fd, mode, offset, length);
  }

  seek(fd: number, offset: number, whence: number): Op<number> {
    return this.sys.lseek(fd, offset, whence);
  }

  /** Copies a range between open files. `null` stands for a handle's own offset, which moves. */
  copyFileRange(
    source: { readonly fd: number; readonly offset: number | null },
    target: { readonly fd: number; readonly offset: number | null },
    length: number,
  ): Op<number> {
    const [from, to] = [source.offset ?? OWN_OFFSET, target.offset ?? OWN_OFFSET];
    return this.sys.copy_file_range(source.fd, from, target.fd, to, length, 0);
  }
}

export interface XattrOptions {
  /** XATTR_CREATE, XATTR_REPLACE or 0. */
  readonly flags: number;
  /** Of what a symlink points to. */
  readonly follow: boolean;
}

function atFlagsOf({ follow }: XattrOptions): number {
  return follow ? 0 : AT_SYMLINK_NOFOLLOW;
}

function namesIn(buffer: Uint8Array, size: number): string[] {
  return decodeUtf8(buffer.subarray(0, size)).split('\0').slice(0, -1);
}
