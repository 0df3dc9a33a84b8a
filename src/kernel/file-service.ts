// FileService: kernel.fs, on the kernel's side: whole-file and whole-tree operations in one go,
// over a task's system calls. Shaped like node:fs/promises; the page's side (worker/file-system.ts)
// makes Stats, handles and errors of it. Everything given and returned can be cloned between
// threads.

import { linuxerr } from '../abi/errno.ts';
import {
  AT_FDCWD,
  AT_REMOVEDIR,
  AT_SYMLINK_NOFOLLOW,
  O_CREAT,
  O_EXCL,
  O_RDONLY,
  O_TRUNC,
  O_WRONLY,
} from '../abi/fcntl.ts';
import {
  DT_DIR,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_PERMISSIONS,
  type Stat,
} from '../abi/stat.ts';
import type { Timespec } from '../lib/clock.ts';
import type { Op } from '../lib/op.ts';
import type { Syscalls } from '../syscalls/table.ts';
import { join, listDirectory } from './listing.ts';

export interface ListedEntry {
  readonly name: string;
  readonly parentPath: string;
  /** DT_ constant. */
  readonly type: number;
}

export interface CopyOptions {
  readonly recursive: boolean;
  readonly force: boolean;
  readonly errorOnExist: boolean;
  readonly preserveTimestamps: boolean;
  readonly dereference: boolean;
}

/** Bytes moved at once when a file is copied or read without knowing its size. */
const PIECE_SIZE = 1 << 20;

export class FileService {
  protected readonly sys: Syscalls;
  readonly #random: () => number;

  /** `random` gives a number in [0, 1), for mkdtemp. */
  constructor(sys: Syscalls, random: () => number) {
    this.sys = sys;
    this.#random = random;
  }

  // Open files.

  open(path: string, flags: number, mode: number): Op<number> {
    return this.sys.openat(AT_FDCWD, path, flags, mode);
  }

  close(fd: number): Op<void> {
    return this.sys.close(fd);
  }

  /**
   * Up to `length` bytes, from `position`, or from the handle's own offset if that is null. They
   * are put into `room`, which may be larger.
   */
  *read(fd: number, room: ArrayBuffer, length: number, position: number | null): Op<Uint8Array> {
    const buffer = new Uint8Array(room, 0, length);
    const count = yield* position === null
      ? this.sys.read(fd, buffer)
      : this.sys.pread(fd, buffer, position);
    return buffer.subarray(0, count);
  }

  /** Writes all of it. Errors: ENOSPC after a part was written. */
  *write(fd: number, bytes: Uint8Array, position: number | null): Op<number> {
    let done = 0;
    while (done < bytes.length) {
      const rest = bytes.subarray(done);
      done += yield* position === null
        ? this.sys.write(fd, rest)
        : this.sys.pwrite(fd, rest, position + done);
    }
    return done;
  }

  fstat(fd: number): Op<Stat> {
    return this.sys.fstat(fd);
  }

  fchmod(fd: number, mode: number): Op<void> {
    return this.sys.fchmod(fd, mode);
  }

  fchown(fd: number, uid: number, gid: number): Op<void> {
    return this.sys.fchown(fd, uid, gid);
  }

  futimes(fd: number, atime: Timespec, mtime: Timespec): Op<void> {
    return this.sys.futimens(fd, atime, mtime);
  }

  ftruncate(fd: number, length: number): Op<void> {
    return this.sys.ftruncate(fd, length);
  }

  fsync(fd: number): Op<void> {
    return this.sys.fsync(fd);
  }

  fdatasync(fd: number): Op<void> {
    return this.sys.fdatasync(fd);
  }

  /** From the handle's offset to the end. */
  *readRest(fd: number): Op<Uint8Array> {
    const { size, mode } = yield* this.sys.fstat(fd);
    if ((mode & S_IFMT) === S_IFDIR) throw linuxerr.EISDIR;
    let buffer = new Uint8Array(size);
    let done = 0;
    for (;;) {
      if (done === buffer.length) {
        // Usually that is all: the size was right.
        const next = new Uint8Array(1);
        if ((yield* this.sys.read(fd, next)) === 0) return buffer;
        buffer = enlarged(buffer);
        buffer.set(next, done++);
      }
      const count = yield* this.sys.read(fd, buffer.subarray(done));
      if (count === 0) return buffer.slice(0, done);
      done += count;
    }
  }

  // Whole files.

  *readFile(path: string, flags: number): Op<Uint8Array> {
    const fd = yield* this.open(path, flags, 0o666);
    try {
      return yield* this.readRest(fd);
    } finally {
      yield* this.close(fd);
    }
  }

  *writeFile(
    path: string,
    bytes: Uint8Array,
    options: { readonly flags: number; readonly mode: number; readonly flush: boolean },
  ): Op<void> {
    const fd = yield* this.open(path, options.flags, options.mode);
    try {
      yield* this.write(fd, bytes, null);
      if (options.flush) yield* this.fsync(fd);
    } finally {
      yield* this.close(fd);
    }
  }

  // Names and attributes.

  stat(path: string): Op<Stat> {
    return this.sys.fstatat(AT_FDCWD, path, 0);
  }

  lstat(path: string): Op<Stat> {
    return this.sys.fstatat(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW);
  }

  statfs(path: string): ReturnType<Syscalls['statfs']> {
    return this.sys.statfs(path);
  }

  access(path: string, mode: number): Op<void> {
    return this.sys.faccessat(AT_FDCWD, path, mode, 0);
  }

  chmod(path: string, mode: number): Op<void> {
    return this.sys.fchmodat(AT_FDCWD, path, mode, 0);
  }

  chown(path: string, uid: number, gid: number): Op<void> {
    return this.sys.fchownat(AT_FDCWD, path, uid, gid, 0);
  }

  lchown(path: string, uid: number, gid: number): Op<void> {
    return this.sys.fchownat(AT_FDCWD, path, uid, gid, AT_SYMLINK_NOFOLLOW);
  }

  utimes(path: string, atime: Timespec, mtime: Timespec): Op<void> {
    return this.sys.utimensat(AT_FDCWD, path, atime, mtime, 0);
  }

  lutimes(path: string, atime: Timespec, mtime: Timespec): Op<void> {
    return this.sys.utimensat(AT_FDCWD, path, atime, mtime, AT_SYMLINK_NOFOLLOW);
  }

  truncate(path: string, length: number): Op<void> {
    return this.sys.truncate(path, length);
  }

  /** `flags`: RENAME_ flags. */
  rename(oldPath: string, newPath: string, flags: number): Op<void> {
    return this.sys.renameat2(AT_FDCWD, oldPath, AT_FDCWD, newPath, flags);
  }

  link(oldPath: string, newPath: string): Op<void> {
    return this.sys.linkat(AT_FDCWD, oldPath, AT_FDCWD, newPath, 0);
  }

  symlink(target: string, path: string): Op<void> {
    return this.sys.symlinkat(target, AT_FDCWD, path, 0);
  }

  readlink(path: string): Op<string> {
    return this.sys.readlinkat(AT_FDCWD, path, 0);
  }

  unlink(path: string): Op<void> {
    return this.sys.unlinkat(AT_FDCWD, path, 0);
  }

  rmdir(path: string): Op<void> {
    return this.sys.unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
  }

  // Directories.

  /** Returns the first directory made, if any: only with `recursive`. */
  *mkdir(
    path: string,
    options: { readonly recursive: boolean; readonly mode: number },
  ): Op<string | undefined> {
    if (!options.recursive) {
      yield* this.sys.mkdirat(AT_FDCWD, path, options.mode, 0);
      return undefined;
    }
    let first: string | undefined;
    let made = path.startsWith('/') ? '' : '.';
    for (const name of path.split('/').filter((part) => part !== '')) {
      made += `/${name}`;
      try {
        yield* this.sys.mkdirat(AT_FDCWD, made, options.mode, 0);
        first ??= made;
      } catch (error) {
        if (error !== linuxerr.EEXIST) throw error;
      }
    }
    const { mode } = yield* this.stat(path);
    if ((mode & S_IFMT) !== S_IFDIR) throw linuxerr.EEXIST;
    return first;
  }

  /** Makes a directory of a new name that starts with `prefix`. */
  *mkdtemp(prefix: string): Op<string> {
    for (;;) {
      const path =
        prefix +
        Math.floor(this.#random() * 36 ** 6)
          .toString(36)
          .padStart(6, '0');
      try {
        yield* this.sys.mkdirat(AT_FDCWD, path, 0o700, 0);
        return path;
      } catch (error) {
        if (error !== linuxerr.EEXIST) throw error;
      }
    }
  }

  *readdir(path: string, options: { readonly recursive: boolean }): Op<ListedEntry[]> {
    const entries = yield* this.#list(path);
    if (!options.recursive) return entries;
    const all: ListedEntry[] = [];
    for (const entry of entries) {
      all.push(entry);
      if (entry.type !== DT_DIR) continue;
      all.push(...(yield* this.readdir(join(path, entry.name), options)));
    }
    return all;
  }

  *#list(path: string): Op<ListedEntry[]> {
    const entries = yield* listDirectory(this.sys, path);
    return entries.map(({ name, type }) => ({ name, type, parentPath: path }));
  }

  /** rm -r if `recursive`; with `force` a path that doesn't exist is fine. */
  *rm(path: string, options: { readonly recursive: boolean; readonly force: boolean }): Op<void> {
    try {
      const { mode } = yield* this.lstat(path);
      if ((mode & S_IFMT) !== S_IFDIR) {
        yield* this.unlink(path);
        return;
      }
      if (!options.recursive) throw linuxerr.EISDIR;
      for (const { name } of yield* this.#list(path)) yield* this.rm(join(path, name), options);
      yield* this.rmdir(path);
    } catch (error) {
      if (!(options.force && error === linuxerr.ENOENT)) throw error;
    }
  }

  /** The path without symlinks, "." and "..". */
  *realpath(path: string): Op<string> {
    yield* this.stat(path);
    let pending = path.split('/');
    let real: string[] = [];
    while (pending.length > 0) {
      const name = pending.shift();
      if (name === undefined || name === '' || name === '.') continue;
      if (name === '..') {
        real.pop();
        continue;
      }
      const at = `/${[...real, name].join('/')}`;
      const { mode } = yield* this.lstat(at);
      if ((mode & S_IFMT) !== S_IFLNK) {
        real.push(name);
        continue;
      }
      const target = yield* this.readlink(at);
      if (target.startsWith('/')) real = [];
      pending = [...target.split('/'), ...pending];
    }
    return `/${real.join('/')}`;
  }

  // Copying.

  /**
   * Copies data and permissions; onto itself that changes nothing. Errors: EEXIST if `isExclusive`
   * and there is something.
   */
  *copyFile(
    source: string,
    destination: string,
    options: { readonly isExclusive: boolean },
  ): Op<void> {
    const from = yield* this.open(source, O_RDONLY, 0);
    try {
      const stat = yield* this.fstat(from);
      if ((stat.mode & S_IFMT) === S_IFDIR) throw linuxerr.EISDIR;
      if (!options.isExclusive && (yield* this.#isSame(stat, destination))) return;
      const flags = O_WRONLY | O_CREAT | (options.isExclusive ? O_EXCL : O_TRUNC);
      const to = yield* this.open(destination, flags, stat.mode & S_PERMISSIONS);
      try {
        yield* this.#copyData(from, to);
        yield* this.fchmod(to, stat.mode & S_PERMISSIONS);
      } finally {
        yield* this.close(to);
      }
    } finally {
      yield* this.close(from);
    }
  }

  /** Is there, at the end of `path`, the very file that `stat` tells of? */
  *#isSame(stat: Stat, path: string): Op<boolean> {
    try {
      const { dev, ino } = yield* this.stat(path);
      return dev === stat.dev && ino === stat.ino;
    } catch (error) {
      if (error !== linuxerr.ENOENT) throw error;
      return false;
    }
  }

  *#copyData(from: number, to: number): Op<void> {
    const buffer = new Uint8Array(PIECE_SIZE);
    for (;;) {
      const count = yield* this.sys.read(from, buffer);
      if (count === 0) return;
      yield* this.write(to, buffer.subarray(0, count), null);
    }
  }

  /**
   * cp -r if `recursive`; makes the directory the copy goes to, as Node does. Errors: EISDIR for a
   * directory without `recursive`; EEXIST with `errorOnExist`; EINVAL onto or into itself.
   */
  *cp(source: string, destination: string, options: CopyOptions): Op<void> {
    const { mode } = yield* options.dereference ? this.stat(source) : this.lstat(source);
    if ((mode & S_IFMT) === S_IFDIR) {
      if (!options.recursive) throw linuxerr.EISDIR;
      const [from, to] = [yield* this.realpath(source), yield* this.#realpathOfNew(destination)];
      if (join(to, '').startsWith(join(from, ''))) throw linuxerr.EINVAL;
    }
    yield* this.mkdir(directoryOf(destination), { recursive: true, mode: 0o777 });
    yield* this.#copy(source, destination, options);
  }

  /** realpath() of what need not exist. */
  *#realpathOfNew(path: string): Op<string> {
    try {
      return yield* this.realpath(path);
    } catch (error) {
      const directory = directoryOf(path);
      if (error !== linuxerr.ENOENT || directory === path) throw error;
      const name = path.replace(/\/+$/, '').slice(directory.length);
      return join(yield* this.#realpathOfNew(directory), name.replace(/^\/+/, ''));
    }
  }

  *#copy(source: string, destination: string, options: CopyOptions): Op<void> {
    const stat = yield* options.dereference ? this.stat(source) : this.lstat(source);
    const type = stat.mode & S_IFMT;
    if (type === S_IFDIR) yield* this.#copyDirectory(source, destination, stat, options);
    else if (yield* this.#mayReplace(destination, options)) {
      if (type === S_IFLNK) yield* this.symlink(yield* this.readlink(source), destination);
      else if (type === S_IFREG) {
        if (yield* this.#isSame(stat, destination)) throw linuxerr.EINVAL;
        yield* this.copyFile(source, destination, { isExclusive: false });
      } else throw linuxerr.EINVAL;
    } else return;
    if (options.preserveTimestamps) yield* this.lutimes(destination, stat.atime, stat.mtime);
  }

  *#copyDirectory(source: string, destination: string, stat: Stat, options: CopyOptions): Op<void> {
    yield* this.mkdir(destination, { recursive: true, mode: 0o700 });
    for (const { name } of yield* this.#list(source)) {
      yield* this.#copy(join(source, name), join(destination, name), options);
    }
    yield* this.chmod(destination, stat.mode & S_PERMISSIONS);
  }

  /** Makes room for a copy. False: what is there stays. */
  *#mayReplace(destination: string, options: CopyOptions): Op<boolean> {
    try {
      const { mode } = yield* this.lstat(destination);
      if (!options.force) {
        if (options.errorOnExist) throw linuxerr.EEXIST;
        return false;
      }
      if ((mode & S_IFMT) === S_IFLNK) yield* this.unlink(destination);
    } catch (error) {
      if (error !== linuxerr.ENOENT) throw error;
    }
    return true;
  }
}

/** The directory that a path's last component is in. */
function directoryOf(path: string): string {
  const end = path.replace(/\/+$/, '').lastIndexOf('/');
  if (end < 0) return path.startsWith('/') ? '/' : '.';
  return path.slice(0, end).replace(/\/+$/, '') || '/';
}

/** Twice the room, with the same contents. */
function enlarged(buffer: Uint8Array): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(Math.max(PIECE_SIZE, buffer.length * 2));
  larger.set(buffer);
  return larger;
}
