// OpenHostFile: a regular file of the host that is open for reading or writing.

import { linuxerr } from '../abi/errno.ts';
import { SEEK_DATA, SEEK_HOLE } from '../abi/fcntl.ts';
import { RW_COUNT_MAX } from '../abi/limits.ts';
import { assert } from '../lib/assert.ts';
import type { Statx } from '../served/served-file.ts';
import { checkFlags, checkRange, checkSize } from './host-arguments.ts';
import type { AllocateRange, HostCalls } from './host-calls.ts';
import type { HostFd } from './host-fd.ts';
import { hostStatOf } from './host-stat.ts';
import { fdatasync, fstat, fsync, ftruncate, read, write } from './node-fs.ts';

export class OpenHostFile {
  readonly #fd: HostFd;
  readonly #calls: HostCalls;

  /** The descriptor is this one's from here on. */
  constructor(fd: HostFd, calls: HostCalls) {
    this.#fd = fd;
    this.#calls = calls;
  }

  /**
   * Bytes read into `buffer`, perhaps not all; 0 at the end.
   * Errors: EBADF if it isn't open for reading; pread(2)'s.
   */
  read(buffer: Uint8Array, offset: number): Promise<number> {
    assert(Number.isSafeInteger(offset) && offset >= 0, 'a bad offset');
    return this.#fd.use((fd) => read(fd, buffer.subarray(0, RW_COUNT_MAX), offset));
  }

  /**
   * Bytes written, perhaps not all.
   * Errors: EFBIG if a file can't be as large; EBADF if it isn't open for writing; pwrite(2)'s.
   */
  write(bytes: Uint8Array, offset: number): Promise<number> {
    assert(Number.isSafeInteger(offset) && offset >= 0, 'a bad offset');
    return this.#fd.use(async (fd) => {
      checkRange(offset, bytes.length);
      return write(fd, bytes.subarray(0, RW_COUNT_MAX), offset);
    });
  }

  async stat(): Promise<Statx> {
    return hostStatOf(await this.#fd.use(fstat));
  }

  /**
   * Errors: EINVAL for a negative size; EFBIG; EINVAL if it isn't open for writing; ftruncate(2)'s.
   */
  async truncate(size: number): Promise<void> {
    checkSize(size);
    await this.#fd.use((fd) => ftruncate(fd, size));
  }

  fsync(): Promise<void> {
    return this.#fd.use(fsync);
  }

  fdatasync(): Promise<void> {
    return this.#fd.use(fdatasync);
  }

  /** Errors: EOPNOTSUPP without the call; EINVAL, EFBIG for no range; fallocate(2)'s. */
  async allocate(range: AllocateRange): Promise<void> {
    const { allocate } = this.#calls;
    if (allocate === undefined) throw linuxerr.EOPNOTSUPP;
    checkFlags(range.mode);
    checkRange(range.offset, range.length);
    await this.#fd.use((fd) => allocate(fd, range));
  }

  /**
   * Where data or a hole begins.
   * Errors: EOPNOTSUPP without the call; ENXIO at the end, before the start; EFBIG; lseek(2)'s.
   */
  async seek(offset: number, whence: typeof SEEK_DATA | typeof SEEK_HOLE): Promise<number> {
    assert(whence === SEEK_DATA || whence === SEEK_HOLE, 'nothing that depends on an offset');
    const { seek } = this.#calls;
    if (seek === undefined) throw linuxerr.EOPNOTSUPP;
    if (offset < 0) throw linuxerr.ENXIO;
    checkSize(offset);
    return this.#fd.use((fd) => seek(fd, offset, whence));
  }

  /** Called once; calls under way are waited for. Errors: close(2)'s. */
  close(): Promise<void> {
    return this.#fd.close();
  }
}
