// The system calls that take a descriptor. Linux: fs/read_write.c, fs/stat.c, fs/readdir.c,
// fs/fcntl.c, fs/select.c. Arguments and results: syscalls/table.ts. Errors: man 2, and the
// FileDescription methods they call.

import { linuxerr } from '../abi/errno.ts';
import { FD_CLOEXEC, O_CLOEXEC, O_DIRECT, O_NONBLOCK } from '../abi/fcntl.ts';
import { OPEN_MAX } from '../abi/limits.ts';
import { POLLERR, POLLHUP, POLLNVAL } from '../abi/poll.ts';
import type { Stat, Statfs } from '../abi/stat.ts';
import type { Clock, Timespec } from '../lib/clock.ts';
import { anyOf, type Op, timer, type Wait } from '../lib/op.ts';
import { utf8Length } from '../lib/text.ts';
import type { DirentRecord, PollFd } from '../syscalls/table.ts';
import type { FileDescription } from '../vfs/file-description.ts';
import type { SetStat } from '../vfs/options.ts';
import {
  checkSendSource,
  type CopyEnd,
  copyFileRange,
  OWN_OFFSET,
  sendFile,
} from './copy-range.ts';
import type { Services } from './services.ts';
import type { Task } from './task.ts';
import { areOmitted } from './times.ts';

/** linux_dirent64: ino, off, reclen, type, then the name with its NUL, padded to 8. */
const DIRENT64_HEADER = 19;
/** Linux takes the size as a signed int. */
const GETDENTS_SIZE_MAX = 0x7fff_ffff;

export class DescriptorCalls {
  readonly task: Task;
  protected readonly services: Services;

  constructor(task: Task, services: Services) {
    this.task = task;
    this.services = services;
  }

  get #clock(): Clock {
    return this.services.clock;
  }

  /**
   * Runs an operation of a description, which may be closed meanwhile: it lives until the operation
   * has ended.
   */
  protected *withFile<T>(fd: number, run: (file: FileDescription) => Op<T>): Op<T> {
    const file = this.task.fds.get(fd);
    file.incRef();
    try {
      return yield* run(file);
    } finally {
      file.decRef();
    }
  }

  *close(fd: number): Op<void> {
    const told = this.task.fds.close(fd).told();
    if (told !== undefined) yield* told;
  }

  *read(fd: number, buffer: Uint8Array): Op<number> {
    const file = this.task.fds.get(fd);
    file.incRef();
    try {
      return yield* file.read(buffer);
    } finally {
      file.decRef();
    }
  }

  *pread(fd: number, buffer: Uint8Array, offset: number): Op<number> {
    checkRange(offset, buffer.length);
    const file = this.task.fds.get(fd);
    file.incRef();
    try {
      return yield* file.pread(buffer, offset);
    } finally {
      file.decRef();
    }
  }

  *write(fd: number, bytes: Uint8Array): Op<number> {
    const file = this.task.fds.get(fd);
    file.incRef();
    try {
      return yield* file.write(bytes);
    } finally {
      file.decRef();
    }
  }

  *pwrite(fd: number, bytes: Uint8Array, offset: number): Op<number> {
    checkRange(offset, bytes.length);
    const file = this.task.fds.get(fd);
    file.incRef();
    try {
      return yield* file.pwrite(bytes, offset);
    } finally {
      file.decRef();
    }
  }

  lseek(fd: number, offset: number, whence: number): Op<number> {
    return this.withFile(fd, (file) => file.seek(offset, whence));
  }

  *ftruncate(fd: number, length: number): Op<void> {
    if (length < 0) throw linuxerr.EINVAL;
    yield* this.#setStat(fd, { size: length });
  }

  fallocate(fd: number, mode: number, offset: number, length: number): Op<void> {
    return this.withFile(fd, (file) => file.allocate(mode, offset, length));
  }

  fstat(fd: number): Op<Stat> {
    return this.withFile(fd, (file) => file.stat());
  }

  fstatfs(fd: number): Op<Statfs> {
    return this.withFile(fd, (file) => file.statfs());
  }

  fchmod(fd: number, mode: number): Op<void> {
    return this.#setStat(fd, { mode });
  }

  fchown(fd: number, uid: number, gid: number): Op<void> {
    return this.#setStat(fd, { uid: uid >>> 0, gid: gid >>> 0 });
  }

  *futimens(fd: number, atime: Timespec, mtime: Timespec): Op<void> {
    if (areOmitted(atime, mtime)) return;
    yield* this.#setStat(fd, { atime, mtime });
  }

  #setStat(fd: number, change: SetStat): Op<void> {
    return this.withFile(fd, (file) => file.setStat(change, this.task.creds));
  }

  /** Errors besides: EINVAL if not even the first entry fits. */
  *getdents(fd: number, size: number): Op<DirentRecord[]> {
    if (size < 0 || size > GETDENTS_SIZE_MAX) throw linuxerr.EINVAL;
    const entries: DirentRecord[] = [];
    let used = 0;
    let isFull = false;
    yield* this.withFile(fd, (file) =>
      file.iterDirents((entry) => {
        const record = DIRENT64_HEADER + utf8Length(entry.name) + 1;
        const padded = Math.ceil(record / 8) * 8;
        isFull = used + padded > size;
        if (isFull) return false;
        used += padded;
        entries.push(entry);
        return true;
      }),
    );
    if (isFull && entries.length === 0) throw linuxerr.EINVAL;
    return entries;
  }

  fsync(fd: number): Op<void> {
    return this.withFile(fd, (file) => file.sync({ dataOnly: false }));
  }

  fdatasync(fd: number): Op<void> {
    return this.withFile(fd, (file) => file.sync({ dataOnly: true }));
  }

  *syncfs(fd: number): Op<void> {
    const file = this.task.fds.get(fd);
    if (file.isPathOnly) throw linuxerr.EBADF;
    yield* this.withFile(fd, () => file.vd.mount.filesystem.sync());
  }

  *getfl(fd: number): Op<number> {
    return this.task.fds.get(fd).statusFlags;
  }

  setfl(fd: number, flags: number): Op<void> {
    return this.withFile(fd, (file) => file.setStatusFlags(flags, this.task.creds));
  }

  *dup(fd: number): Op<number> {
    const file = this.task.fds.get(fd);
    file.incRef();
    return this.task.fds.install(file);
  }

  /** Errors: EINVAL if the descriptors are the same, or for unknown flags. */
  *dup3(oldFd: number, newFd: number, flags: number): Op<number> {
    if ((flags & ~O_CLOEXEC) !== 0 || oldFd === newFd) throw linuxerr.EINVAL;
    if (newFd < 0 || newFd >= OPEN_MAX) throw linuxerr.EBADF;
    const file = this.task.fds.get(oldFd);
    file.incRef();
    this.task.fds.installAt(file, newFd, (flags & O_CLOEXEC) !== 0);
    return newFd;
  }

  /** Errors: EBADF; EINVAL for a number that can't be one, or unknown flags; EMFILE. */
  *dupfd(fd: number, lowest: number, flags: number): Op<number> {
    const file = this.task.fds.get(fd);
    if ((flags & ~O_CLOEXEC) !== 0 || lowest < 0 || lowest >= OPEN_MAX) throw linuxerr.EINVAL;
    file.incRef();
    return this.task.fds.installFrom(lowest, file, (flags & O_CLOEXEC) !== 0);
  }

  *getfd(fd: number): Op<number> {
    this.task.fds.get(fd);
    return this.task.fds.closesOnExec(fd) ? FD_CLOEXEC : 0;
  }

  *setfd(fd: number, flags: number): Op<void> {
    this.task.fds.get(fd);
    this.task.fds.setClosesOnExec(fd, (flags & FD_CLOEXEC) !== 0);
  }

  /** Errors: EINVAL for flags other than O_CLOEXEC, O_NONBLOCK and O_DIRECT; EMFILE. */
  *pipe2(flags: number): Op<number[]> {
    if ((flags & ~(O_CLOEXEC | O_NONBLOCK | O_DIRECT)) !== 0) throw linuxerr.EINVAL;
    const { fds, creds } = this.task;
    const closesOnExec = (flags & O_CLOEXEC) !== 0;
    const [reader, writer] = this.services.openPipe(flags, creds);
    let readFd: number;
    try {
      readFd = fds.install(reader, closesOnExec);
    } catch (error) {
      writer.decRef();
      throw error;
    }
    try {
      return [readFd, fds.install(writer, closesOnExec)];
    } catch (error) {
      fds.close(readFd);
      throw error;
    }
  }

  *fionread(fd: number): Op<number> {
    const file = this.task.fds.get(fd);
    if (file.isPathOnly) throw linuxerr.EBADF;
    // Linux: do_vfs_ioctl() gives an int, of whatever size the file is.
    return (yield* this.withFile(fd, () => file.readableBytes())) | 0;
  }

  *getpid(): Op<number> {
    return this.task.pid;
  }

  /**
   * Offsets of -1 stand for the descriptions' own.
   *
   * Errors, first one wins: EBADF; EINVAL for flags; those of copyFileRange().
   */
  *copy_file_range(
    inFd: number,
    inOffset: number,
    outFd: number,
    outOffset: number,
    length: number,
    flags: number,
  ): Op<number> {
    const source = { file: this.task.fds.get(inFd), offset: inOffset };
    const target = { file: this.task.fds.get(outFd), offset: outOffset };
    if (source.file.isPathOnly || target.file.isPathOnly) throw linuxerr.EBADF;
    if (flags !== 0) throw linuxerr.EINVAL;
    return yield* this.#withBoth(source, target, () => copyFileRange(source, target, length));
  }

  /** Errors: EBADF; those of checkSendSource() and sendFile(). */
  *sendfile(outFd: number, inFd: number, offset: number, count: number): Op<number> {
    const source = { file: this.task.fds.get(inFd), offset };
    checkSendSource(source, count);
    const target = { file: this.task.fds.get(outFd), offset: OWN_OFFSET };
    return yield* this.#withBoth(source, target, () => sendFile(source, target, count));
  }

  *#withBoth<T>(source: CopyEnd, target: CopyEnd, run: () => Op<T>): Op<T> {
    source.file.incRef();
    target.file.incRef();
    try {
      const result = yield* run();
      const files = source.file === target.file ? [source.file] : [source.file, target.file];
      for (const file of files) {
        const told = file.told();
        if (told !== undefined) yield* told;
      }
      return result;
    } finally {
      target.file.decRef();
      source.file.decRef();
    }
  }

  *isatty(fd: number): Op<number> {
    return this.task.fds.get(fd).isTerminal ? 1 : 0;
  }

  /** Linux: fs/select.c do_poll(). A descriptor that isn't open is ready with POLLNVAL, a
   * negative one never; O_PATH is as if it were closed. */
  *poll(descriptors: readonly PollFd[], timeoutMs: number): Op<number[]> {
    const files = descriptors.map(({ fd }) => this.task.fds.find(fd));
    for (const file of files) file?.incRef();
    try {
      const deadline = this.#clock.monotonicMs() + timeoutMs;
      for (;;) {
        const revents = descriptors.map(({ events }, index) => {
          const file = files[index];
          if ((descriptors[index]?.fd ?? -1) < 0) return 0;
          if (file === undefined || file.isPathOnly) return POLLNVAL;
          return file.readiness(events | POLLERR | POLLHUP);
        });
        if (revents.some((bits) => bits !== 0)) return revents;
        const left = deadline - this.#clock.monotonicMs();
        if (timeoutMs >= 0 && left <= 0) return revents;
        const waits: Wait[] = [];
        for (const file of files) if (file !== undefined) waits.push(file.readinessChanged);
        if (timeoutMs >= 0) waits.push(timer(this.#clock, left));
        yield anyOf(waits);
      }
    } finally {
      for (const file of files) file?.decRef();
    }
  }
}

/** Errors: EINVAL for a range that begins or ends where no offset can be. */
function checkRange(offset: number, length: number): void {
  if (offset < 0 || offset + length >= 2 ** 63) throw linuxerr.EINVAL;
}
