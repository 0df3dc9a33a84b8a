// Subject: what a case acts with. One user's system calls on the filesystem under test, as
// promises, with man 2's names and a few short forms. The working directory is '/', the umask 022
// at the start. Calls other than those on files and names are inherited.

import type { Stat, Statfs } from '../../src/abi/stat.ts';
import type { Timespec } from '../../src/lib/clock.ts';
import type { DirentRecord } from '../../src/syscalls/table.ts';
import {
  AT_FDCWD,
  AT_SYMLINK_NOFOLLOW,
  AT_REMOVEDIR,
  O_CREAT,
  O_EXCL,
  O_DIRECTORY,
  O_RDONLY,
  O_WRONLY,
} from '../../src/abi/fcntl.ts';
import { decodeUtf8 } from '../../src/lib/text.ts';
import { CallingProcess, toBytes } from './calling-process.ts';
import { SyscallError } from './process.ts';

const GETDENTS_SIZE = 32_768;
const READ_SIZE = 65_536;

export class Subject extends CallingProcess {
  open(path: string, flags: number, mode = 0o666): Promise<number> {
    return this.openat(AT_FDCWD, path, flags, mode);
  }

  async openat(dirfd: number, path: string, flags: number, mode = 0o666): Promise<number> {
    return this.opened(await this.call('openat', dirfd, path, flags, mode));
  }

  async read(fd: number, count: number): Promise<Uint8Array> {
    const buffer = new Uint8Array(count);
    return buffer.subarray(0, await this.call('read', fd, buffer));
  }

  /** read() as text. */
  async readText(fd: number, count = READ_SIZE): Promise<string> {
    return decodeUtf8(await this.read(fd, count));
  }

  async pread(fd: number, count: number, offset: number): Promise<Uint8Array> {
    const buffer = new Uint8Array(count);
    return buffer.subarray(0, await this.call('pread', fd, buffer, offset));
  }

  /** pread() as text. */
  async preadText(fd: number, count: number, offset: number): Promise<string> {
    return decodeUtf8(await this.pread(fd, count, offset));
  }

  write(fd: number, data: string | Uint8Array): Promise<number> {
    return this.call('write', fd, toBytes(data));
  }

  pwrite(fd: number, data: string | Uint8Array, offset: number): Promise<number> {
    return this.call('pwrite', fd, toBytes(data), offset);
  }

  lseek(fd: number, offset: number, whence: number): Promise<number> {
    return this.call('lseek', fd, offset, whence);
  }

  ftruncate(fd: number, length: number): Promise<void> {
    return this.call('ftruncate', fd, length);
  }

  truncate(path: string, length: number): Promise<void> {
    return this.call('truncate', path, length);
  }

  fallocate(fd: number, mode: number, offset: number, length: number): Promise<void> {
    return this.call('fallocate', fd, mode, offset, length);
  }

  stat(path: string): Promise<Stat> {
    return this.fstatat(AT_FDCWD, path, 0);
  }

  lstat(path: string): Promise<Stat> {
    return this.fstatat(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW);
  }

  fstat(fd: number): Promise<Stat> {
    return this.call('fstat', fd);
  }

  fstatat(dirfd: number, path: string, flags: number): Promise<Stat> {
    return this.call('fstatat', dirfd, path, flags);
  }

  chmod(path: string, mode: number): Promise<void> {
    return this.fchmodat(AT_FDCWD, path, mode, 0);
  }

  fchmod(fd: number, mode: number): Promise<void> {
    return this.call('fchmod', fd, mode);
  }

  fchmodat(dirfd: number, path: string, mode: number, flags: number): Promise<void> {
    return this.call('fchmodat', dirfd, path, mode, flags);
  }

  chown(path: string, uid: number, gid: number): Promise<void> {
    return this.fchownat(AT_FDCWD, path, uid, gid, 0);
  }

  lchown(path: string, uid: number, gid: number): Promise<void> {
    return this.fchownat(AT_FDCWD, path, uid, gid, AT_SYMLINK_NOFOLLOW);
  }

  fchown(fd: number, uid: number, gid: number): Promise<void> {
    return this.call('fchown', fd, uid, gid);
  }

  fchownat(dirfd: number, path: string, uid: number, gid: number, flags: number): Promise<void> {
    return this.call('fchownat', dirfd, path, uid, gid, flags);
  }

  utimens(path: string, atime: Timespec, mtime: Timespec): Promise<void> {
    return this.utimensat(AT_FDCWD, path, atime, mtime, 0);
  }

  utimensat(
    dirfd: number,
    path: string,
    atime: Timespec,
    mtime: Timespec,
    flags: number,
  ): Promise<void> {
    return this.call('utimensat', dirfd, path, atime, mtime, flags);
  }

  futimens(fd: number, atime: Timespec, mtime: Timespec): Promise<void> {
    return this.call('futimens', fd, atime, mtime);
  }

  link(oldPath: string, newPath: string): Promise<void> {
    return this.linkat(AT_FDCWD, oldPath, AT_FDCWD, newPath, 0);
  }

  linkat(
    oldDirfd: number,
    oldPath: string,
    newDirfd: number,
    newPath: string,
    flags: number,
  ): Promise<void> {
    return this.call('linkat', oldDirfd, oldPath, newDirfd, newPath, flags);
  }

  symlink(target: string, path: string): Promise<void> {
    return this.symlinkat(target, AT_FDCWD, path);
  }

  symlinkat(target: string, dirfd: number, path: string): Promise<void> {
    return this.call('symlinkat', target, dirfd, path, 0);
  }

  readlink(path: string): Promise<string> {
    return this.readlinkat(AT_FDCWD, path);
  }

  readlinkat(dirfd: number, path: string): Promise<string> {
    return this.call('readlinkat', dirfd, path, 0);
  }

  unlink(path: string): Promise<void> {
    return this.unlinkat(AT_FDCWD, path, 0);
  }

  rmdir(path: string): Promise<void> {
    return this.unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
  }

  unlinkat(dirfd: number, path: string, flags: number): Promise<void> {
    return this.call('unlinkat', dirfd, path, flags);
  }

  mkdir(path: string, mode = 0o777): Promise<void> {
    return this.mkdirat(AT_FDCWD, path, mode);
  }

  mkdirat(dirfd: number, path: string, mode = 0o777): Promise<void> {
    return this.call('mkdirat', dirfd, path, mode, 0);
  }

  rename(oldPath: string, newPath: string): Promise<void> {
    return this.renameat2(AT_FDCWD, oldPath, AT_FDCWD, newPath, 0);
  }

  /** renameat2() of two paths that need no directory descriptor. */
  rename2(oldPath: string, newPath: string, flags: number): Promise<void> {
    return this.renameat2(AT_FDCWD, oldPath, AT_FDCWD, newPath, flags);
  }

  renameat2(
    oldDirfd: number,
    oldPath: string,
    newDirfd: number,
    newPath: string,
    flags: number,
  ): Promise<void> {
    return this.call('renameat2', oldDirfd, oldPath, newDirfd, newPath, flags);
  }

  getdents(fd: number, size = GETDENTS_SIZE): Promise<DirentRecord[]> {
    return this.call('getdents', fd, size);
  }

  access(path: string, mode: number): Promise<void> {
    return this.faccessat(AT_FDCWD, path, mode, 0);
  }

  faccessat(dirfd: number, path: string, mode: number, flags: number): Promise<void> {
    return this.call('faccessat', dirfd, path, mode, flags);
  }

  statfs(path: string): Promise<Statfs> {
    return this.call('statfs', path);
  }

  fstatfs(fd: number): Promise<Statfs> {
    return this.call('fstatfs', fd);
  }

  fsync(fd: number): Promise<void> {
    return this.call('fsync', fd);
  }

  fdatasync(fd: number): Promise<void> {
    return this.call('fdatasync', fd);
  }

  syncfs(fd: number): Promise<void> {
    return this.call('syncfs', fd);
  }

  sync(): Promise<void> {
    return this.call('sync');
  }

  async dup(fd: number): Promise<number> {
    return this.opened(await this.call('dup', fd));
  }

  async dup3(oldFd: number, newFd: number, flags: number): Promise<number> {
    return this.opened(await this.call('dup3', oldFd, newFd, flags));
  }

  getfl(fd: number): Promise<number> {
    return this.call('getfl', fd);
  }

  setfl(fd: number, flags: number): Promise<void> {
    return this.call('setfl', fd, flags);
  }

  umask(mask: number): Promise<number> {
    return this.call('umask', mask);
  }

  /** Makes a file that does not exist yet, with exactly these permissions. */
  async createFile(path: string, content = '', mode = 0o644): Promise<void> {
    const fd = await this.open(path, O_WRONLY | O_CREAT | O_EXCL, mode);
    if (content !== '') await this.write(fd, content);
    await this.fchmod(fd, mode);
    await this.close(fd);
  }

  async readFile(path: string): Promise<string> {
    const fd = await this.open(path, O_RDONLY);
    let text = '';
    for (;;) {
      const part = await this.readText(fd);
      if (part === '') break;
      text += part;
    }
    await this.close(fd);
    return text;
  }

  /** The entries from the description's position to the end, in several calls of `size` bytes. */
  async readDirents(fd: number, size = GETDENTS_SIZE): Promise<DirentRecord[]> {
    const entries: DirentRecord[] = [];
    for (;;) {
      const part = await this.getdents(fd, size);
      if (part.length === 0) return entries;
      entries.push(...part);
    }
  }

  /** The names in a directory, sorted, without `.` and `..`. */
  async list(path: string): Promise<string[]> {
    const fd = await this.open(path, O_RDONLY | O_DIRECTORY);
    const entries = await this.readDirents(fd);
    await this.close(fd);
    return entries
      .map((entry) => entry.name)
      .filter((name) => name !== '.' && name !== '..')
      .sort();
  }

  /** The last component exists, a dangling symbolic link included. */
  async exists(path: string): Promise<boolean> {
    try {
      await this.lstat(path);
      return true;
    } catch (error) {
      if (error instanceof SyscallError && error.code === 'ENOENT') return false;
      throw error;
    }
  }
}
