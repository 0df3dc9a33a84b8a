// CallingProcess: what is common to all that act in a case: calls whose failure says what was
// asked, descriptors that are closed in the end, calls that wait; and the calls on locks, watches,
// extended attributes, pipes, mounts and the process itself.

import type { AsyncSyscalls, CaseSyscallName } from './process.ts';
import type { ProcessControl, SyscallArguments, SyscallResult } from './process.ts';
import type { Statx } from '../../src/abi/stat.ts';
import type { Flock, PollFd } from '../../src/syscalls/table.ts';
import { LinuxError } from '../../src/abi/errno.ts';
import { AT_FDCWD, SEEK_SET } from '../../src/abi/fcntl.ts';
import { decodeUtf8, encodeUtf8 } from '../../src/lib/text.ts';
import { type InotifyEvent, decodeInotifyEvents } from './inotify-events.ts';
import { SyscallError } from './process.ts';

const EVENTS_SIZE = 1 << 20;
/** Larger than the largest value of an extended attribute. */
const XATTR_BUFFER_SIZE = 70_000;

export class CallingProcess {
  readonly #calls: AsyncSyscalls;
  readonly #control: Partial<ProcessControl>;
  readonly #openFds = new Set<number>();

  constructor(calls: AsyncSyscalls & Partial<ProcessControl>) {
    this.#calls = calls;
    this.#control = calls;
  }

  protected async call<Name extends CaseSyscallName>(
    name: Name,
    ...args: SyscallArguments<Name>
  ): Promise<SyscallResult<Name>> {
    try {
      return await this.#calls[name](...args);
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error;
      throw new SyscallError(`${name}(${args.map(printArgument).join(', ')})`, error.code);
    }
  }

  /** Closes what a case left open. */
  async closeAll(): Promise<void> {
    for (const fd of [...this.#openFds]) await this.close(fd);
  }

  protected opened(fd: number): number {
    this.#openFds.add(fd);
    return fd;
  }

  async close(fd: number): Promise<void> {
    this.#openFds.delete(fd);
    await this.call('close', fd);
  }

  /**
   * Whether this process, which started `call` without awaiting it, waits in it: it has not ended
   * although everybody had ample turns. Makes it safe to never look at the call again.
   */
  async isBlocked(call: Promise<unknown>): Promise<boolean> {
    let hasSettled = false;
    const note = (): void => {
      hasSettled = true;
    };
    call.then(note, note);
    if (this.#control.isWaiting === undefined) throw new Error('nobody can tell here who waits');
    return this.#control.isWaiting(() => hasSettled);
  }

  /** A signal for this process: what it waits in fails with EINTR. */
  async interrupt(): Promise<void> {
    if (this.#control.interrupt === undefined) throw new Error('nobody can interrupt here');
    await this.#control.interrupt();
  }

  /** Timeout 0 looks, a negative one waits for ever. */
  poll(descriptors: readonly PollFd[], timeout: number): Promise<number[]> {
    return this.call('poll', descriptors, timeout);
  }

  /** What is so of one descriptor at this moment. */
  async pollNow(fd: number, events: number): Promise<number> {
    const [revents = 0] = await this.poll([{ fd, events }], 0);
    return revents;
  }

  async dupfd(fd: number, lowest: number, flags = 0): Promise<number> {
    return this.opened(await this.call('dupfd', fd, lowest, flags));
  }

  getfd(fd: number): Promise<number> {
    return this.call('getfd', fd);
  }

  setfd(fd: number, flags: number): Promise<void> {
    return this.call('setfd', fd, flags);
  }

  flock(fd: number, operation: number): Promise<void> {
    return this.call('flock', fd, operation);
  }

  /** `length` 0: to the end of the file. */
  setlk(fd: number, command: number, lock: Partial<Flock>): Promise<void> {
    return this.call('setlk', fd, command, wholeLock(lock));
  }

  getlk(fd: number, command: number, lock: Partial<Flock>): Promise<Flock> {
    return this.call('getlk', fd, command, wholeLock(lock));
  }

  async inotifyInit(flags: number): Promise<number> {
    return this.opened(await this.call('inotify_init1', flags));
  }

  addWatch(fd: number, path: string, mask: number): Promise<number> {
    // A mask with IN_ONESHOT is no positive 32-bit integer.
    return this.call('inotify_add_watch', fd, path, mask | 0);
  }

  removeWatch(fd: number, wd: number): Promise<void> {
    return this.call('inotify_rm_watch', fd, wd);
  }

  /** The events of one read(). */
  async readEvents(fd: number, size = EVENTS_SIZE): Promise<InotifyEvent[]> {
    const buffer = new Uint8Array(size);
    return decodeInotifyEvents(buffer.subarray(0, await this.call('read', fd, buffer)));
  }

  setxattr(
    path: string,
    name: string,
    value: string | Uint8Array,
    flags = 0,
    atFlags = 0,
  ): Promise<void> {
    return this.call('setxattr', path, name, toBytes(value), flags, atFlags);
  }

  /** The value, as text. */
  async getxattr(path: string, name: string, atFlags = 0): Promise<string> {
    const buffer = new Uint8Array(XATTR_BUFFER_SIZE);
    const size = await this.call('getxattr', path, name, buffer, atFlags);
    return decodeUtf8(buffer.subarray(0, size));
  }

  /** The size alone; `buffer` may be empty. */
  getxattrInto(path: string, name: string, buffer: Uint8Array): Promise<number> {
    return this.call('getxattr', path, name, buffer, 0);
  }

  /** The names, sorted, of those that do not belong to the system. */
  async listxattr(path: string, atFlags = 0): Promise<string[]> {
    const buffer = new Uint8Array(XATTR_BUFFER_SIZE);
    const size = await this.call('listxattr', path, buffer, atFlags);
    return xattrNames(buffer.subarray(0, size));
  }

  listxattrInto(path: string, buffer: Uint8Array): Promise<number> {
    return this.call('listxattr', path, buffer, 0);
  }

  removexattr(path: string, name: string, atFlags = 0): Promise<void> {
    return this.call('removexattr', path, name, atFlags);
  }

  fsetxattr(fd: number, name: string, value: string, flags = 0): Promise<void> {
    return this.call('fsetxattr', fd, name, toBytes(value), flags);
  }

  async fgetxattr(fd: number, name: string): Promise<string> {
    const buffer = new Uint8Array(XATTR_BUFFER_SIZE);
    return decodeUtf8(buffer.subarray(0, await this.call('fgetxattr', fd, name, buffer)));
  }

  async flistxattr(fd: number): Promise<string[]> {
    const buffer = new Uint8Array(XATTR_BUFFER_SIZE);
    return xattrNames(buffer.subarray(0, await this.call('flistxattr', fd, buffer)));
  }

  fremovexattr(fd: number, name: string): Promise<void> {
    return this.call('fremovexattr', fd, name);
  }

  mknod(path: string, mode: number, dev = 0): Promise<void> {
    return this.mknodat(AT_FDCWD, path, mode, dev);
  }

  mknodat(dirfd: number, path: string, mode: number, dev = 0): Promise<void> {
    return this.call('mknodat', dirfd, path, mode, dev);
  }

  /** The end to read from and the end to write to. */
  async pipe(flags = 0): Promise<readonly [number, number]> {
    const [reader = -1, writer = -1] = await this.call('pipe2', flags);
    return [this.opened(reader), this.opened(writer)];
  }

  /** FIONREAD. */
  fionread(fd: number): Promise<number> {
    return this.call('fionread', fd);
  }

  copyFileRange(
    from: { readonly fd: number; readonly offset?: number },
    to: { readonly fd: number; readonly offset?: number },
    length: number,
    flags = 0,
  ): Promise<number> {
    const [fromOffset, toOffset] = [from.offset ?? -1, to.offset ?? -1];
    return this.call('copy_file_range', from.fd, fromOffset, to.fd, toOffset, length, flags);
  }

  /** `offset` -1: the description's. */
  sendfile(target: number, source: number, offset: number, count: number): Promise<number> {
    return this.call('sendfile', target, source, offset, count);
  }

  mount(source: string, target: string, type: string, flags = 0, data = ''): Promise<void> {
    return this.call('mount', source, target, type, flags, data);
  }

  umount(target: string, flags = 0): Promise<void> {
    return this.call('umount2', target, flags);
  }

  chroot(path: string): Promise<void> {
    return this.call('chroot', path);
  }

  chdir(path: string): Promise<void> {
    return this.call('chdir', path);
  }

  fchdir(fd: number): Promise<void> {
    return this.call('fchdir', fd);
  }

  getcwd(): Promise<string> {
    return this.call('getcwd');
  }

  getpid(): Promise<number> {
    return this.call('getpid');
  }

  statx(dirfd: number, path: string, flags: number, mask: number): Promise<Statx> {
    return this.call('statx', dirfd, path, flags, mask | 0);
  }
}

function wholeLock({
  type = 0,
  whence = SEEK_SET,
  start = 0,
  length = 0,
  pid = 0,
}: Partial<Flock>) {
  return { type, whence, start, length, pid };
}

/** A machine with security modules has attributes of theirs on every file. */
function xattrNames(list: Uint8Array): string[] {
  const names = decodeUtf8(list).split('\0').slice(0, -1);
  return names.filter((name) => !name.startsWith('security.')).sort();
}

export function toBytes(data: string | Uint8Array): Uint8Array {
  return typeof data === 'string' ? encodeUtf8(data) : data;
}

function printArgument(value: unknown): string {
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  const text = JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 80)}… (${text.length})` : text;
}
