// OpenHostFile: a regular file of the host that is open for reading or writing.

import { linuxerr } from '../abi/errno.ts';
import { SEEK_DATA, SEEK_HOLE } from '../abi/fcntl.ts';
import { assert } from '../lib/assert.ts';
import type { AllocateRange, HostCalls } from './host-calls.ts';
import type { HostFd } from './host-fd.ts';
import { hostStatOf, type HostStat } from './host-stat.ts';
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
   * Bytes read into `buffer`; 0 at the end.
   * Errors: EBADF if it isn't open for reading; pread(2)'s.
   */
  read(buffer: Uint8Array, offset: number): Promise<number> {
    assert(Number.isSafeInteger(offset) && offset >= 0, 'a bad offset');
    return this.#fd.use((fd) => read(fd, buffer, offset));
  }

  /**
   * Bytes written, perhaps not all.
   * Errors: EBADF if it isn't open for writing; pwrite(2)'s.
   */
  write(bytes: Uint8Array, offset: number): Promise<number> {
    assert(Number.isSafeInteger(offset) && offset >= 0, 'a bad offset');
    return this.#fd.use((fd) => write(fd, bytes, offset));
  }

  async stat(): Promise<HostStat> {
    return hostStatOf(await this.#fd.use(fstat));
  }

  /** Errors: EINVAL if it isn't open for writing; ftruncate(2)'s. */
  truncate(size: number): Promise<void> {
    return this.#fd.use((fd) => ftruncate(fd, size));
  }

  fsync(): Promise<void> {
    return this.#fd.use(fsync);
  }

  fdatasync(): Promise<void> {
    return this.#fd.use(fdatasync);
  }

  /** Errors: EOPNOTSUPP without the call; fallocate(2)'s. */
  async allocate(range: AllocateRange): Promise<void> {
    const { allocate } = this.#calls;
    if (allocate === undefined) throw linuxerr.EOPNOTSUPP;
    await this.#fd.use((fd) => allocate(fd, range));
  }

  /**
   * Where data or a hole begins. Errors: EOPNOTSUPP without the call; ENXIO at the end; lseek(2)'s.
   */
  async seek(offset: number, whence: typeof SEEK_DATA | typeof SEEK_HOLE): Promise<number> {
    assert(whence === SEEK_DATA || whence === SEEK_HOLE, 'nothing that depends on an offset');
    const { seek } = this.#calls;
    if (seek === undefined) throw linuxerr.EOPNOTSUPP;
    return this.#fd.use((fd) => seek(fd, offset, whence));
  }

  /** Called once; calls under way are waited for. Errors: close(2)'s. */
  close(): Promise<void> {
    return this.#fd.close();
  }
}
