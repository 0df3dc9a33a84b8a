// The fd_* functions of WASI preview1, and sock_* (no descriptor of ours is a socket). WASI:
// preview1 witx. A function returns normally for success; an error is thrown as the Linux error it
// is.

import { wasi } from '@bjorn3/browser_wasi_shim';
import { linuxerr } from '../abi/errno.ts';
import { SEEK_CUR, SEEK_END, SEEK_SET, UTIME_NOW, UTIME_OMIT } from '../abi/fcntl.ts';
import { S_IFCHR, S_IFDIR, S_IFIFO, S_IFMT } from '../abi/stat.ts';
import { type Timespec, timespecFromNs } from '../lib/clock.ts';
import { encodeUtf8 } from '../lib/text.ts';
import type { Op } from '../lib/op.ts';
import { buffersAt, gather, offsetOf, scatter, totalSize, type WasiContext } from './context.ts';
import {
  ALL_RIGHTS,
  type Descriptor,
  FILE_RIGHTS,
  RIGHT_READ,
  RIGHT_WRITE,
  type Rights,
  TERMINAL_RIGHTS,
} from './descriptors.ts';
import { brokenPipe } from './exit.ts';
import {
  DIRENT_HEADER,
  FDSTAT_SIZE,
  FILESTAT_SIZE,
  fromFdflags,
  storeDirent,
  storeFdstat,
  storeFilestat,
} from './records.ts';

/** Enough for one entry with the longest name, whatever the program's buffer. */
const LISTING_SIZE_MIN = 4096;

export class FdFunctions {
  protected readonly context: WasiContext;

  constructor(context: WasiContext) {
    this.context = context;
  }

  // Reading and writing.

  *fd_read(fd: number, iovs: number, iovsCount: number, result: number): Op<void> {
    const { memory, sys } = this.context;
    this.check(fd, wasi.RIGHTS_FD_READ);
    if (!this.#hasRight(fd, RIGHT_READ)) yield* this.#refuseReading(fd);
    const buffers = this.#buffers(iovs, iovsCount, result);
    const [first] = buffers;
    let count: number;
    if (first !== undefined && buffers.length === 1) {
      count = yield* sys.read(fd, first);
    } else {
      const whole = new Uint8Array(totalSize(buffers));
      count = yield* sys.read(fd, whole);
      scatter(whole.subarray(0, count), buffers);
    }
    memory.setU32(result, count);
  }

  *fd_pread(fd: number, iovs: number, iovsCount: number, offset: bigint, result: number): Op<void> {
    const { memory, sys } = this.context;
    this.check(fd, wasi.RIGHTS_FD_READ);
    if (!this.#hasRight(fd, RIGHT_READ)) yield* this.#refuseReading(fd);
    const buffers = this.#buffers(iovs, iovsCount, result);
    const [first] = buffers;
    let count: number;
    if (first !== undefined && buffers.length === 1) {
      count = yield* sys.pread(fd, first, offsetOf(offset));
    } else {
      const whole = new Uint8Array(totalSize(buffers));
      count = yield* sys.pread(fd, whole, offsetOf(offset));
      scatter(whole.subarray(0, count), buffers);
    }
    memory.setU32(result, count);
  }

  *fd_write(fd: number, iovs: number, iovsCount: number, result: number): Op<void> {
    const { memory, sys } = this.context;
    this.check(fd, wasi.RIGHTS_FD_WRITE);
    if (!this.#hasRight(fd, RIGHT_WRITE)) throw linuxerr.EBADF;
    const buffers = this.#buffers(iovs, iovsCount, result);
    const [first] = buffers;
    const isOne = first !== undefined && buffers.length === 1;
    try {
      memory.setU32(result, yield* sys.write(fd, isOne ? first : gather(buffers)));
    } catch (error) {
      throw error === linuxerr.EPIPE ? brokenPipe() : error;
    }
  }

  *fd_pwrite(
    fd: number,
    iovs: number,
    iovsCount: number,
    offset: bigint,
    result: number,
  ): Op<void> {
    const { memory, sys } = this.context;
    this.check(fd, wasi.RIGHTS_FD_WRITE);
    if (!this.#hasRight(fd, RIGHT_WRITE)) throw linuxerr.EBADF;
    const buffers = this.#buffers(iovs, iovsCount, result);
    const [first] = buffers;
    const isOne = first !== undefined && buffers.length === 1;
    const count = yield* sys.pwrite(fd, isOne ? first : gather(buffers), offsetOf(offset));
    memory.setU32(result, count);
  }

  /** Errors: ENOTCAPABLE for a right that was given up. */
  protected check(fd: number, right: number): void {
    this.context.descriptors.check(fd, right);
  }

  #hasRight(fd: number, right: bigint): boolean {
    const descriptor = this.context.descriptors.find(fd);
    return descriptor === undefined || (descriptor.rights.base & right) !== 0n;
  }

  /** Errors: EISDIR for a directory, whatever its rights, as on Linux; EBADF. */
  *#refuseReading(fd: number): Op<never> {
    const { mode } = yield* this.context.sys.fstat(fd);
    throw (mode & S_IFMT) === S_IFDIR ? linuxerr.EISDIR : linuxerr.EBADF;
  }

  /** Errors: EFAULT, EINVAL. */
  #buffers(iovs: number, count: number, result: number): Uint8Array[] {
    const { memory } = this.context;
    memory.checkWritable(result, 4);
    return buffersAt(memory, iovs, count);
  }

  *fd_seek(fd: number, offset: bigint, whence: number, result: number): Op<void> {
    this.check(fd, wasi.RIGHTS_FD_SEEK);
    const { memory, sys } = this.context;
    memory.checkWritable(result, 8);
    const whences = [SEEK_SET, SEEK_CUR, SEEK_END];
    const linuxWhence = whences[whence];
    if (linuxWhence === undefined) throw linuxerr.EINVAL;
    memory.setSize(result, yield* sys.lseek(fd, offsetOf(offset), linuxWhence));
  }

  *fd_tell(fd: number, result: number): Op<void> {
    this.check(fd, wasi.RIGHTS_FD_TELL);
    const { memory, sys } = this.context;
    memory.checkWritable(result, 8);
    memory.setSize(result, yield* sys.lseek(fd, 0, SEEK_CUR));
  }

  // Descriptors.

  *fd_close(fd: number): Op<void> {
    yield* this.context.sys.close(fd);
    this.context.descriptors.delete(fd);
  }

  *fd_renumber(from: number, to: number): Op<void> {
    const { sys, descriptors } = this.context;
    // Both have to be open: preview1 has no way to pick a free number.
    yield* sys.getfl(from);
    yield* sys.getfl(to);
    if (from === to) return;
    yield* sys.dup3(from, to, 0);
    yield* sys.close(from);
    descriptors.move(from, to);
  }

  *fd_fdstat_get(fd: number, result: number): Op<void> {
    const { memory, sys } = this.context;
    memory.checkWritable(result, FDSTAT_SIZE);
    const { mode } = yield* sys.fstat(fd);
    const statusFlags = yield* sys.getfl(fd);
    const rights = yield* this.#rightsOf(fd, mode);
    storeFdstat(memory, result, { mode, statusFlags, rights });
  }

  *#rightsOf(fd: number, mode: number): Op<Rights> {
    const { sys, descriptors } = this.context;
    const descriptor = descriptors.find(fd);
    const type = mode & S_IFMT;
    const isTerminal = type === S_IFCHR && (yield* sys.isatty(fd)) === 1;
    const possible = rightsOfType(type, isTerminal);
    if (descriptor === undefined) return possible;
    const { base, inheriting } = descriptor.rights;
    return { base: base & possible.base, inheriting: inheriting & possible.inheriting };
  }

  *fd_fdstat_set_flags(fd: number, fdflags: number): Op<void> {
    this.check(fd, wasi.RIGHTS_FD_FDSTAT_SET_FLAGS);
    const known = wasi.FDFLAGS_APPEND | wasi.FDFLAGS_NONBLOCK;
    const synchronous = wasi.FDFLAGS_DSYNC | wasi.FDFLAGS_RSYNC | wasi.FDFLAGS_SYNC;
    if ((fdflags & ~(known | synchronous)) !== 0) throw linuxerr.EINVAL;
    yield* this.context.sys.setfl(fd, fromFdflags(fdflags & known));
  }

  /** Rights can be given up, never gained. */
  *fd_fdstat_set_rights(fd: number, base: bigint, inheriting: bigint): Op<void> {
    const { sys, descriptors } = this.context;
    const { mode } = yield* sys.fstat(fd);
    const rights = yield* this.#rightsOf(fd, mode);
    const wanted = { base: BigInt.asUintN(64, base), inheriting: BigInt.asUintN(64, inheriting) };
    const gains = (wanted.base & ~rights.base) | (wanted.inheriting & ~rights.inheriting);
    if (gains !== 0n) throw linuxerr.ENOTCAPABLE;
    const known = descriptors.find(fd);
    const refused = {
      base: ~wanted.base & ALL_RIGHTS,
      inheriting: ~wanted.inheriting & ALL_RIGHTS,
    };
    descriptors.add(fd, wanted, { preopen: known?.preopen, refused });
  }

  // Preopens.

  *fd_prestat_get(fd: number, result: number): Op<void> {
    const { memory } = this.context;
    const { name } = this.#preopen(fd);
    memory.checkWritable(result, 8);
    memory.setU32(result, wasi.PREOPENTYPE_DIR);
    memory.setU32(result + 4, encodeUtf8(name).length);
  }

  *fd_prestat_dir_name(fd: number, pointer: number, length: number): Op<void> {
    const name = encodeUtf8(this.#preopen(fd).name);
    if (name.length > length >>> 0) throw linuxerr.ENAMETOOLONG;
    this.context.memory.bytesAt(pointer, name.length).set(name);
  }

  #preopen(fd: number): { name: string } {
    const preopen = this.context.descriptors.find(fd)?.preopen;
    if (preopen === undefined) throw linuxerr.EBADF;
    return preopen;
  }

  // Attributes and space.

  *fd_filestat_get(fd: number, result: number): Op<void> {
    this.check(fd, wasi.RIGHTS_FD_FILESTAT_GET);
    const { memory, sys } = this.context;
    memory.checkWritable(result, FILESTAT_SIZE);
    storeFilestat(memory, result, yield* sys.fstat(fd));
  }

  *fd_filestat_set_size(fd: number, size: bigint): Op<void> {
    this.check(fd, wasi.RIGHTS_FD_FILESTAT_SET_SIZE);
    yield* this.context.sys.ftruncate(fd, offsetOf(size));
  }

  *fd_filestat_set_times(fd: number, atime: bigint, mtime: bigint, flags: number): Op<void> {
    this.check(fd, wasi.RIGHTS_FD_FILESTAT_SET_TIMES);
    const { sys } = this.context;
    const times = timesOf(atime, mtime, flags);
    // Linux looks at nothing if both times are to stay; a bad descriptor is one all the same.
    if (flags === 0) yield* sys.fstat(fd);
    yield* sys.futimens(fd, times.atime, times.mtime);
  }

  *fd_allocate(fd: number, offset: bigint, length: bigint): Op<void> {
    this.check(fd, wasi.RIGHTS_FD_ALLOCATE);
    yield* this.context.sys.fallocate(fd, 0, offsetOf(offset), offsetOf(length));
  }

  /** Advice is checked and not taken. Linux: mm/fadvise.c. */
  *fd_advise(fd: number, _offset: bigint, length: bigint, advice: number): Op<void> {
    this.check(fd, wasi.RIGHTS_FD_ADVISE);
    const { mode } = yield* this.context.sys.fstat(fd);
    if ((mode & S_IFMT) === S_IFIFO) throw linuxerr.ESPIPE;
    if (offsetOf(length) < 0) throw linuxerr.EINVAL;
    if (advice >>> 0 > wasi.ADVICE_NOREUSE) throw linuxerr.EINVAL;
  }

  *fd_sync(fd: number): Op<void> {
    this.check(fd, wasi.RIGHTS_FD_SYNC);
    yield* this.context.sys.fsync(fd);
  }

  *fd_datasync(fd: number): Op<void> {
    this.check(fd, wasi.RIGHTS_FD_DATASYNC);
    yield* this.context.sys.fdatasync(fd);
  }

  // Directories.

  *fd_readdir(
    fd: number,
    pointer: number,
    length: number,
    cookie: bigint,
    result: number,
  ): Op<void> {
    this.check(fd, wasi.RIGHTS_FD_READDIR);
    const { memory } = this.context;
    memory.checkWritable(result, 4);
    const buffer = memory.bytesAt(pointer, length);
    let position = offsetOf(cookie);
    let used = 0;
    while (used < buffer.length) {
      const listing = yield* this.#listing(fd, position, buffer.length);
      for (const entry of listing.entries) {
        used = storeDirent(buffer, used, entry);
        if (used === buffer.length) break;
        position = entry.cookie;
      }
      if (listing.isEnd) break;
    }
    memory.setU32(result, used);
  }

  /**
   * The entries behind `position`: what was fetched and not used before, or more from the kernel.
   */
  *#listing(fd: number, position: number, size: number): Op<NonNullable<Descriptor['listing']>> {
    const { sys, descriptors } = this.context;
    const descriptor = descriptors.find(fd);
    const known = descriptor?.listing;
    // From the start everything is read anew: that is how a program rewinds.
    if (known !== undefined && position !== 0) {
      const at = known.entries.findIndex((entry) => entry.cookie === position);
      if (at >= 0 && at + 1 < known.entries.length) {
        return { ...known, entries: known.entries.slice(at + 1), isEnd: false };
      }
    }
    if (known?.cookie !== position || position === 0) yield* sys.lseek(fd, position, SEEK_SET);
    // A record of Linux's may be larger than one of WASI's: ask for as many bytes at least.
    const wanted = Math.max(size + DIRENT_HEADER, LISTING_SIZE_MIN);
    const entries = yield* sys.getdents(fd, Math.min(wanted, 0x7fff_ffff));
    const listing = {
      cookie: entries.at(-1)?.cookie ?? position,
      entries,
      isEnd: entries.length === 0,
    };
    if (descriptor !== undefined) descriptor.listing = listing;
    return listing;
  }

  // Sockets: there are none.

  *sock_accept(fd: number): Op<void> {
    yield* this.#notASocket(fd);
  }

  *sock_recv(fd: number): Op<void> {
    yield* this.#notASocket(fd);
  }

  *sock_send(fd: number): Op<void> {
    yield* this.#notASocket(fd);
  }

  *sock_shutdown(fd: number): Op<void> {
    yield* this.#notASocket(fd);
  }

  *#notASocket(fd: number): Op<void> {
    yield* this.context.sys.getfl(fd);
    throw linuxerr.ENOTSOCK;
  }
}

/** Errors: EINVAL for unknown flags, or a time that is both given and "now". */
export function timesOf(
  atime: bigint,
  mtime: bigint,
  flags: number,
): { atime: Timespec; mtime: Timespec } {
  const all = 15;
  if ((flags & ~all) !== 0) throw linuxerr.EINVAL;
  return {
    atime: timeOf(
      atime,
      (flags & wasi.FSTFLAGS_ATIM) !== 0,
      (flags & wasi.FSTFLAGS_ATIM_NOW) !== 0,
    ),
    mtime: timeOf(
      mtime,
      (flags & wasi.FSTFLAGS_MTIM) !== 0,
      (flags & wasi.FSTFLAGS_MTIM_NOW) !== 0,
    ),
  };
}

function timeOf(timestamp: bigint, isGiven: boolean, isNow: boolean): Timespec {
  if (isGiven && isNow) throw linuxerr.EINVAL;
  if (isNow) return { sec: 0, nsec: UTIME_NOW };
  return isGiven ? timespecFromNs(BigInt.asUintN(64, timestamp)) : { sec: 0, nsec: UTIME_OMIT };
}

/** The rights a file may have at all. */
function rightsOfType(type: number, isTerminal: boolean): Rights {
  if (type === S_IFDIR) return { base: ALL_RIGHTS, inheriting: ALL_RIGHTS };
  const isStream = isTerminal || type === S_IFIFO;
  return { base: isStream ? TERMINAL_RIGHTS : FILE_RIGHTS, inheriting: 0n };
}
