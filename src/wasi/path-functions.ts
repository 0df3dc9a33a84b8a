// The path_* functions of WASI preview1. WASI: preview1 witx.
//
// A path is resolved beneath its directory: absolute paths and ".." or symlinks that lead out are
// ENOTCAPABLE. Beneath the task's own root nothing can lead out: there ".." stops at the root, and
// symlinks may be absolute.

import { wasi } from '@bjorn3/browser_wasi_shim';
import { linuxerr } from '../abi/errno.ts';
import {
  AT_REMOVEDIR,
  AT_RESOLVE_BENEATH,
  AT_SYMLINK_FOLLOW,
  AT_SYMLINK_NOFOLLOW,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOFOLLOW,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
} from '../abi/fcntl.ts';
import type { Op } from '../lib/op.ts';
import { encodeUtf8 } from '../lib/text.ts';
import { ALL_RIGHTS, RIGHT_READ, RIGHT_WRITE } from './descriptors.ts';
import { FdFunctions, timesOf } from './fd-functions.ts';
import { FILESTAT_SIZE, fromFdflags, storeFilestat } from './records.ts';

/** A path as the kernel takes it. */
interface Location {
  readonly path: string;
  /** AT_RESOLVE_BENEATH, or 0 beneath the task's own root. */
  readonly flags: number;
}

const CREATE_MODE = 0o666;
const CREATE_DIRECTORY_MODE = 0o777;

export class PathFunctions extends FdFunctions {
  /**
   * Errors: EFAULT, EILSEQ; ENOTCAPABLE for an absolute path; EBADF for what is no descriptor,
   * among them AT_FDCWD, which means something to the kernel.
   */
  *#locate(fd: number, pointer: number, length: number): Op<Location> {
    const { memory, descriptors, cwd } = this.context;
    const path = memory.textAt(pointer, length);
    if (path.startsWith('/')) throw linuxerr.ENOTCAPABLE;
    if (fd < 0) throw linuxerr.EBADF;
    const isRoot = descriptors.find(fd)?.preopen?.isRoot === true;
    if (!isRoot) return { path, flags: AT_RESOLVE_BENEATH };
    if (cwd === undefined || path === '') return { path, flags: 0 };
    return { path: yield* cwd.locate(path), flags: 0 };
  }

  *path_open(
    fd: number,
    lookupFlags: number,
    pointer: number,
    length: number,
    oflags: number,
    rightsBase: bigint,
    rightsInheriting: bigint,
    fdflags: number,
    result: number,
  ): Op<void> {
    this.check(fd, wasi.RIGHTS_PATH_OPEN);
    const { memory, sys, descriptors } = this.context;
    memory.checkWritable(result, 4);
    const { path, flags } = yield* this.#locate(fd, pointer, length);
    const base = BigInt.asUintN(64, rightsBase);
    const refused = descriptors.find(fd)?.refused.inheriting ?? 0n;
    if ((base & refused) !== 0n) throw linuxerr.ENOTCAPABLE;
    const openFlags = openFlagsOf(lookupFlags, oflags, fdflags) | accessModeOf(base, oflags);
    const opened = yield* sys.openat(fd, path, openFlags | flags, CREATE_MODE);
    // Which of them make sense depends on the type of file: fd_fdstat_get looks at that.
    const granted = ~refused & ALL_RIGHTS;
    const inheriting = BigInt.asUintN(64, rightsInheriting) & granted;
    const options = refused === 0n ? {} : { refused: { base: refused, inheriting: refused } };
    descriptors.add(opened, { base: base & granted, inheriting }, options);
    memory.setU32(result, opened);
  }

  *path_filestat_get(
    fd: number,
    lookupFlags: number,
    pointer: number,
    length: number,
    result: number,
  ): Op<void> {
    this.check(fd, wasi.RIGHTS_PATH_FILESTAT_GET);
    const { memory, sys } = this.context;
    memory.checkWritable(result, FILESTAT_SIZE);
    const { path, flags } = yield* this.#locate(fd, pointer, length);
    storeFilestat(memory, result, yield* sys.fstatat(fd, path, flags | nofollow(lookupFlags)));
  }

  *path_filestat_set_times(
    fd: number,
    lookupFlags: number,
    pointer: number,
    length: number,
    atime: bigint,
    mtime: bigint,
    fstFlags: number,
  ): Op<void> {
    this.check(fd, wasi.RIGHTS_PATH_FILESTAT_SET_TIMES);
    const { sys } = this.context;
    const times = timesOf(atime, mtime, fstFlags);
    const { path, flags } = yield* this.#locate(fd, pointer, length);
    const at = flags | nofollow(lookupFlags);
    // Linux looks at nothing if both times are to stay.
    if (fstFlags === 0) yield* sys.fstatat(fd, path, at);
    yield* sys.utimensat(fd, path, times.atime, times.mtime, at);
  }

  *path_create_directory(fd: number, pointer: number, length: number): Op<void> {
    this.check(fd, wasi.RIGHTS_PATH_CREATE_DIRECTORY);
    const { path, flags } = yield* this.#locate(fd, pointer, length);
    yield* this.context.sys.mkdirat(fd, path, CREATE_DIRECTORY_MODE, flags);
  }

  *path_remove_directory(fd: number, pointer: number, length: number): Op<void> {
    this.check(fd, wasi.RIGHTS_PATH_REMOVE_DIRECTORY);
    const { path, flags } = yield* this.#locate(fd, pointer, length);
    yield* this.context.sys.unlinkat(fd, path, flags | AT_REMOVEDIR);
  }

  *path_unlink_file(fd: number, pointer: number, length: number): Op<void> {
    this.check(fd, wasi.RIGHTS_PATH_UNLINK_FILE);
    const { path, flags } = yield* this.#locate(fd, pointer, length);
    yield* this.context.sys.unlinkat(fd, path, flags);
  }

  *path_link(
    oldFd: number,
    oldLookupFlags: number,
    oldPointer: number,
    oldLength: number,
    newFd: number,
    newPointer: number,
    newLength: number,
  ): Op<void> {
    this.check(oldFd, wasi.RIGHTS_PATH_LINK_SOURCE);
    this.check(newFd, wasi.RIGHTS_PATH_LINK_TARGET);
    const source = yield* this.#locate(oldFd, oldPointer, oldLength);
    const target = yield* this.#locate(newFd, newPointer, newLength);
    const follows = (oldLookupFlags & LOOKUPFLAGS_SYMLINK_FOLLOW) !== 0;
    const flags = source.flags | target.flags | (follows ? AT_SYMLINK_FOLLOW : 0);
    yield* this.context.sys.linkat(oldFd, source.path, newFd, target.path, flags);
  }

  *path_rename(
    oldFd: number,
    oldPointer: number,
    oldLength: number,
    newFd: number,
    newPointer: number,
    newLength: number,
  ): Op<void> {
    this.check(oldFd, wasi.RIGHTS_PATH_RENAME_SOURCE);
    this.check(newFd, wasi.RIGHTS_PATH_RENAME_TARGET);
    const source = yield* this.#locate(oldFd, oldPointer, oldLength);
    const target = yield* this.#locate(newFd, newPointer, newLength);
    const flags = source.flags | target.flags;
    yield* this.context.sys.renameat2(oldFd, source.path, newFd, target.path, flags);
  }

  /**
   * An absolute target leads somewhere only beneath the task's own root: elsewhere it is refused.
   */
  *path_symlink(
    targetPointer: number,
    targetLength: number,
    fd: number,
    pointer: number,
    length: number,
  ): Op<void> {
    this.check(fd, wasi.RIGHTS_PATH_SYMLINK);
    const target = this.context.memory.textAt(targetPointer, targetLength);
    const { path, flags } = yield* this.#locate(fd, pointer, length);
    if (target.startsWith('/') && flags !== 0) throw linuxerr.ENOTCAPABLE;
    yield* this.context.sys.symlinkat(target, fd, path, flags);
  }

  /** A target longer than the buffer is cut, as readlink(2) does. */
  *path_readlink(
    fd: number,
    pointer: number,
    length: number,
    bufferPointer: number,
    bufferLength: number,
    result: number,
  ): Op<void> {
    this.check(fd, wasi.RIGHTS_PATH_READLINK);
    const { memory, sys } = this.context;
    memory.checkWritable(result, 4);
    const buffer = memory.bytesAt(bufferPointer, bufferLength);
    const { path, flags } = yield* this.#locate(fd, pointer, length);
    const target = encodeUtf8(yield* sys.readlinkat(fd, path, flags));
    const count = Math.min(target.length, buffer.length);
    buffer.set(target.subarray(0, count));
    memory.setU32(result, count);
  }
}

const LOOKUPFLAGS_SYMLINK_FOLLOW = 1;

function nofollow(lookupFlags: number): number {
  return (lookupFlags & LOOKUPFLAGS_SYMLINK_FOLLOW) === 0 ? AT_SYMLINK_NOFOLLOW : 0;
}

/** Errors: EINVAL for flags preview1 doesn't have. */
function openFlagsOf(lookupFlags: number, oflags: number, fdflags: number): number {
  if ((oflags & ~15) !== 0 || (fdflags & ~31) !== 0) throw linuxerr.EINVAL;
  let flags = fromFdflags(fdflags);
  if ((oflags & wasi.OFLAGS_CREAT) !== 0) flags |= O_CREAT;
  if ((oflags & wasi.OFLAGS_DIRECTORY) !== 0) flags |= O_DIRECTORY;
  if ((oflags & wasi.OFLAGS_EXCL) !== 0) flags |= O_EXCL;
  if ((oflags & wasi.OFLAGS_TRUNC) !== 0) flags |= O_TRUNC;
  if ((lookupFlags & LOOKUPFLAGS_SYMLINK_FOLLOW) === 0) flags |= O_NOFOLLOW;
  return flags;
}

/**
 * preview1 has no access mode: the rights asked for say it. A directory can only be opened for
 * reading.
 */
function accessModeOf(rights: bigint, oflags: number): number {
  const isDirectory = (oflags & wasi.OFLAGS_DIRECTORY) !== 0;
  if (isDirectory || (rights & RIGHT_WRITE) === 0n) return O_RDONLY;
  return (rights & RIGHT_READ) === 0n ? O_WRONLY : O_RDWR;
}
