// The system calls Node lacks, from the C library by way of koffi, if that is installed: a package
// that calls C functions. The event loop doesn't wait for them, but Node's own calls may: both have
// the threads of libuv's pool, of which there are four unless UV_THREADPOOL_SIZE says otherwise.

import { Buffer } from 'node:buffer';
import { arch, endianness, platform } from 'node:os';
import { errorFromErrno, linuxerr } from '../abi/errno.ts';
import { AT_FDCWD, AT_SYMLINK_FOLLOW } from '../abi/fcntl.ts';
import { IN_CLOEXEC, IN_NONBLOCK } from '../abi/inotify.ts';
import type { FileTimes, HostCalls, InotifyCalls } from './host-calls.ts';

/** What is used of koffi. */
interface Koffi {
  load(path: null): Library;
  errno(): number;
}

interface Library {
  func(prototype: string): Found;
}

interface Found {
  (...args: unknown[]): number;
  /** The last argument is told the result. */
  readonly async: (...args: unknown[]) => void;
}

type CFunction = (...args: unknown[]) => Promise<number>;
/** One that doesn't wait, and is called on this thread. */
type QuickCFunction = (...args: unknown[]) => number;

/** Where an off_t, a long and a size_t have 64 bits. */
const ARCHITECTURES = ['arm64', 'loong64', 'ppc64', 'riscv64', 's390x', 'x64'];

/** Calls at once, however many libraries there are: koffi throws from 256 on. */
const CALLS_MAX = 64;
let callCount = 0;
const callQueue: (() => void)[] = [];

/** Waits until there may be another call. */
async function enter(): Promise<void> {
  while (callCount >= CALLS_MAX) {
    await new Promise<void>((resolve) => {
      callQueue.push(resolve);
    });
  }
  callCount++;
}

function leave(): void {
  callCount--;
  callQueue.shift()?.();
}

const TIMESPEC_SIZE = 16;
const LINK_BUFFER_SIZE = 256;
/** A target is told with a length of 16 bits. */
const TARGET_SIZE_MAX = 65_535;

/** Empty if this host is no 64-bit Linux, or koffi isn't installed. */
export async function loadKoffiCalls(): Promise<HostCalls> {
  const isFit = platform() === 'linux' && endianness() === 'LE' && ARCHITECTURES.includes(arch());
  if (!isFit) return {};
  try {
    const { default: koffi } = await import('koffi');
    return makeCalls(new CLibrary(koffi));
  } catch (error) {
    if (isNotInstalled(error)) return {};
    throw error;
  }
}

function isNotInstalled(error: unknown): boolean {
  const { code } = error as { readonly code?: unknown };
  return code === 'ERR_MODULE_NOT_FOUND';
}

class CLibrary {
  readonly #koffi: Koffi;
  readonly #library: Library;

  constructor(koffi: Koffi) {
    this.#koffi = koffi;
    // What Node itself is linked with.
    this.#library = koffi.load(null);
  }

  /** Undefined if the C library doesn't have it. */
  find(prototype: string): CFunction | undefined {
    try {
      const found = this.#library.func(prototype);
      return async (...args) => {
        await enter();
        try {
          return await this.#call(found, args);
        } finally {
          leave();
        }
      };
    } catch {
      // Its name is all that can be wrong with it: the prototypes below are tested.
      return undefined;
    }
  }

  /** The same of one that doesn't wait. */
  findQuick(prototype: string): QuickCFunction | undefined {
    let found: Found;
    try {
      found = this.#library.func(prototype);
    } catch {
      return undefined;
    }
    return (...args) => {
      const result = found(...args);
      if (result < 0) throw errorFromErrno(this.#koffi.errno());
      return result;
    };
  }

  #call(found: Found, args: unknown[]): Promise<number> {
    return new Promise((resolve, reject) => {
      const onReturn = (error: Error | null, result: number): void => {
        // The call's only until something else is done.
        const errno = this.#koffi.errno();
        // The arguments' memory is in use until here.
        args.length = 0;
        if (error !== null) reject(error);
        else if (result < 0) reject(errorFromErrno(errno));
        else resolve(result);
      };
      found.async(...args, onReturn);
    });
  }
}

function makeCalls(c: CLibrary): HostCalls {
  const allocate = c.find('int fallocate(int fd, int mode, int64 offset, int64 length)');
  const lseek = c.find('int64 lseek(int fd, int64 offset, int whence)');
  const readlinkat = c.find('int64 readlinkat(int fd, const char *path, void *buf, size_t size)');
  const utimensat = c.find('int utimensat(int fd, const void *path, const void *times, int flags)');
  const linkat = c.find('int linkat(int fd, const void *path, int fd2, const void *to, int flags)');
  const renameat2 = c.find(
    'int renameat2(int fd, const void *path, int fd2, const void *to, uint flags)',
  );
  const mknod = c.find('int mknod(const void *path, uint mode, uint64 dev)');
  const xattrs = makeXattrCalls(c);
  const inotify = makeInotifyCalls(c);
  return {
    ...(allocate && {
      allocate: async (fd, { mode, offset, length }) => {
        await allocate(fd, mode, offset, length);
      },
    }),
    ...(lseek && { seek: (fd, offset, whence) => lseek(fd, offset, whence) }),
    ...(readlinkat && { readlink: (fd) => readWhole(readlinkat, fd) }),
    ...(utimensat && {
      setTimes: async (file, times) => {
        await utimensat(AT_FDCWD, cString(file), encodeTimes(times), 0);
      },
    }),
    ...(linkat && {
      link: async (file, path) => {
        await linkat(AT_FDCWD, cString(file), AT_FDCWD, cString(path), AT_SYMLINK_FOLLOW);
      },
    }),
    ...(renameat2 && {
      rename: async (from, to, flags) => {
        await renameat2(AT_FDCWD, cString(from), AT_FDCWD, cString(to), flags);
      },
    }),
    ...(mknod && {
      mknod: async (path, mode, dev) => {
        await mknod(cString(path), mode, dev);
      },
    }),
    ...(xattrs && { xattrs }),
    ...(inotify && { inotify }),
  };
}

function makeInotifyCalls(c: CLibrary): InotifyCalls | undefined {
  const init = c.findQuick('int inotify_init1(int flags)');
  const add = c.findQuick('int inotify_add_watch(int fd, const void *path, uint mask)');
  const remove = c.findQuick('int inotify_rm_watch(int fd, int wd)');
  const read = c.findQuick('int64 read(int fd, void *buf, size_t size)');
  if (!init || !add || !remove || !read) return undefined;
  return {
    init: () => init(IN_NONBLOCK | IN_CLOEXEC),
    addWatch: (fd, path, mask) => add(fd, cString(path), mask),
    removeWatch: (fd, wd) => {
      remove(fd, wd);
    },
    read: (fd, buffer) => {
      try {
        return read(fd, buffer, buffer.length);
      } catch (error) {
        if (error === linuxerr.EAGAIN) return 0;
        throw error;
      }
    },
  };
}

function makeXattrCalls(c: CLibrary): HostCalls['xattrs'] {
  const get = c.find('int64 getxattr(const void *path, const void *name, void *buf, size_t size)');
  const set = c.find(
    'int setxattr(const void *path, const void *name, const void *buf, size_t size, int flags)',
  );
  const list = c.find('int64 listxattr(const void *path, void *buf, size_t size)');
  const remove = c.find('int removexattr(const void *path, const void *name)');
  if (!get || !set || !list || !remove) return undefined;
  return {
    get: (file, name, value) => get(cString(file), cString(name), value, value.length),
    set: async (file, { name, value, flags }) => {
      await set(cString(file), cString(name), value, value.length, flags);
    },
    list: (file, names) => list(cString(file), names, names.length),
    remove: async (file, name) => {
      await remove(cString(file), cString(name));
    },
  };
}

function cString(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.of(0)]);
}

/** struct timespec[2]: two longs each. */
function encodeTimes({ atime, mtime }: FileTimes): Buffer {
  const times = Buffer.alloc(2 * TIMESPEC_SIZE);
  [atime, mtime].forEach(({ sec, nsec }, index) => {
    times.writeBigInt64LE(BigInt(sec), index * TIMESPEC_SIZE);
    times.writeBigInt64LE(BigInt(nsec), index * TIMESPEC_SIZE + TIMESPEC_SIZE / 2);
  });
  return times;
}

/** With a buffer that grows until the target is shorter: readlinkat(2) cuts it without a word. */
async function readWhole(readlinkat: CFunction, fd: number): Promise<Buffer> {
  for (let size = LINK_BUFFER_SIZE; size <= TARGET_SIZE_MAX; size *= 2) {
    const buffer = Buffer.alloc(size);
    const length = await readlinkat(fd, '', buffer, size);
    if (length < size) return buffer.subarray(0, length);
  }
  throw linuxerr.ENOMEM;
}
