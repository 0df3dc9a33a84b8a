// TreeWriter: entries of an archive as files beneath a directory. Every component of a path is
// opened on its own and not through a symlink: nothing that is unpacked leads out of the directory.

import { linuxerr, LinuxError } from '../abi/errno.ts';
import {
  AT_EMPTY_PATH,
  AT_REMOVEDIR,
  AT_SYMLINK_NOFOLLOW,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOFOLLOW,
  O_PATH,
  O_WRONLY,
  UTIME_OMIT,
} from '../abi/fcntl.ts';
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG, S_ISGID, S_ISUID } from '../abi/stat.ts';
import type { Timespec } from '../lib/clock.ts';
import { type Op, runAsync } from '../lib/op.ts';
import type { Syscalls } from '../syscalls/table.ts';
import { ArchiveError, atEntry, damaged, quote } from './archive-error.ts';
import { type Entry, parseEntryPath, type Piece, type ReadEntry } from './entry.ts';

const WALK_FLAGS = O_PATH | O_DIRECTORY | O_NOFOLLOW;
const CREATE_FLAGS = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;

/** Of files under way: nobody else is to see what may not be for them. */
const OWNER_FILE = 0o600;
const OWNER_DIRECTORY = 0o700;
/** Of directories that an archive's paths go through and that it has no entry for. */
const IMPLIED_DIRECTORY = 0o755;

/** Blocks of zeros of this size become holes. */
const HOLE_SIZE = 1 << 16;

const UNCHANGED: Timespec = { sec: 0, nsec: UTIME_OMIT };

export interface TreeWriterOptions {
  /**
   * Give files the owners they have in the archive; needs root. Otherwise, and if the archive names
   * no owners, they are the task's, and lose set-user-ID and set-group-ID bits.
   */
  readonly preserveOwner: boolean;
  /** Told of each part of a file's content once it is written. */
  readonly onWritten: () => void;
}

/** A directory on the way to the one where something is being made. */
interface Level {
  readonly name: string;
  readonly fd: number;
}

export class TreeWriter {
  readonly #sys: Syscalls;
  readonly #root: number;
  readonly #options: TreeWriterOptions;
  #levels: Level[] = [];
  /** What directories get when everything is in them: path → entry. */
  readonly #directories = new Map<string, Entry>();

  /**
   * `sys`: of a task that nobody else uses: its working directory changes. `root`: a descriptor of
   * the directory, which stays the caller's.
   */
  constructor(sys: Syscalls, root: number, options: TreeWriterOptions) {
    this.#sys = sys;
    this.#root = root;
    this.#options = options;
  }

  /**
   * Makes what an entry says, in place of what is there: a directory that isn't empty stays, and
   * anything but a directory fails there. A file that can't be made whole is removed.
   *
   * Errors: ArchiveError, which says at which entry: ELOOP for a path through a symlink; those of
   * the calls. Those of its content as they are.
   */
  async write(entry: ReadEntry): Promise<void> {
    try {
      await this.#write(entry);
    } catch (error) {
      throw atEntry(error, entry.path);
    }
  }

  async #write(entry: ReadEntry): Promise<void> {
    const parts = entry.path.split('/');
    const name = parts.pop() ?? '';
    if (name === '') {
      if (entry.type !== S_IFDIR) throw damaged('the root of the archive is no directory');
      await this.#leave(0);
      await this.#prepareDirectory(this.#root, entry);
      return;
    }
    const directory = await this.#enter(parts, entry.path);
    if (entry.linkTo !== undefined) await this.#link(directory, name, entry, entry.linkTo);
    else if (entry.type === S_IFDIR) await this.#makeDirectory(directory, name, entry);
    else if (entry.type === S_IFREG) await this.#makeFile(directory, name, entry);
    else await this.#makeSpecial(directory, name, entry);
  }

  // The way to a directory.

  /** The descriptor of a directory, which is made if it isn't there. */
  async #enter(parts: readonly string[], path: string): Promise<number> {
    let depth = 0;
    while (depth < parts.length && this.#levels[depth]?.name === parts[depth]) depth++;
    await this.#leave(depth);
    let fd = this.#levels.at(-1)?.fd ?? this.#root;
    for (const name of parts.slice(depth)) {
      fd = await this.#openDirectory(fd, name, path, { isMade: true });
      this.#levels.push({ name, fd });
    }
    return fd;
  }

  async #leave(depth: number): Promise<void> {
    for (const { fd } of this.#levels.splice(depth)) await runAsync(this.#sys.close(fd));
  }

  async #openDirectory(
    directory: number,
    name: string,
    path: string,
    { isMade }: { readonly isMade: boolean },
  ): Promise<number> {
    const sys = this.#sys;
    try {
      return await runAsync(sys.openat(directory, name, WALK_FLAGS, 0));
    } catch (error) {
      if (error === linuxerr.ENOENT && isMade) {
        await runAsync(sys.mkdirat(directory, name, IMPLIED_DIRECTORY, 0));
        return await runAsync(sys.openat(directory, name, WALK_FLAGS, 0));
      }
      if (error === linuxerr.ENOTDIR && (await this.#typeOf(directory, name)) === S_IFLNK) {
        const where = `the symbolic link ${quote(name)}`;
        throw new ArchiveError('ELOOP', `${quote(path)} leads through ${where}`);
      }
      throw error;
    }
  }

  async #typeOf(directory: number, name: string): Promise<number | undefined> {
    try {
      const { mode } = await runAsync(this.#sys.fstatat(directory, name, AT_SYMLINK_NOFOLLOW));
      return mode & S_IFMT;
    } catch (error) {
      if (error !== linuxerr.ENOENT) throw error;
      return undefined;
    }
  }

  /** Runs `make`, once what is in the way has been removed. */
  async #create<T>(directory: number, name: string, make: () => Op<T>): Promise<T> {
    try {
      return await runAsync(make());
    } catch (error) {
      if (error !== linuxerr.EEXIST) throw error;
    }
    const isDirectory = (await this.#typeOf(directory, name)) === S_IFDIR;
    await runAsync(this.#sys.unlinkat(directory, name, isDirectory ? AT_REMOVEDIR : 0));
    return await runAsync(make());
  }

  // What is made.

  async #makeDirectory(directory: number, name: string, entry: Entry): Promise<void> {
    const sys = this.#sys;
    if ((await this.#typeOf(directory, name)) !== S_IFDIR) {
      await this.#create(directory, name, () => sys.mkdirat(directory, name, OWNER_DIRECTORY, 0));
    }
    const fd = await this.#openDirectory(directory, name, entry.path, { isMade: false });
    try {
      await this.#prepareDirectory(fd, entry);
    } finally {
      await runAsync(sys.close(fd));
    }
  }

  /** Mode and times wait: what is put into the directory may need one, and changes the other. */
  async #prepareDirectory(fd: number, entry: Entry): Promise<void> {
    await this.#chown(fd, '', entry);
    await this.#setXattrs(fd, '.', entry);
    this.#directories.delete(entry.path);
    this.#directories.set(entry.path, { ...entry, xattrs: new Map() });
  }

  async #makeFile(directory: number, name: string, entry: ReadEntry): Promise<void> {
    const sys = this.#sys;
    const fd = await this.#create(directory, name, () =>
      sys.openat(directory, name, CREATE_FLAGS, OWNER_FILE),
    );
    let isWhole = false;
    try {
      for await (const piece of entry.content()) {
        await this.#writePiece(fd, piece);
        this.#options.onWritten();
      }
      // The end may be a hole.
      await runAsync(sys.ftruncate(fd, entry.size));
      await this.#chown(fd, '', entry);
      await this.#setXattrs(directory, name, entry);
      await runAsync(sys.fchmod(fd, this.#permissionsOf(entry)));
      await runAsync(sys.futimens(fd, ...timesOf(entry)));
      isWhole = true;
    } finally {
      await runAsync(sys.close(fd));
      // Half a file could be taken for a whole one.
      if (!isWhole) await this.#remove(directory, name);
    }
  }

  async #remove(directory: number, name: string): Promise<void> {
    try {
      await runAsync(this.#sys.unlinkat(directory, name, 0));
    } catch (error) {
      if (error !== linuxerr.ENOENT) throw error;
    }
  }

  async #writePiece(fd: number, { offset, bytes }: Piece): Promise<void> {
    let at = 0;
    while (at < bytes.length) {
      // Up to where a block ends in the file.
      const room = HOLE_SIZE - ((offset + at) % HOLE_SIZE);
      const block = bytes.subarray(at, at + room);
      if (!isZero(block)) await this.#writeAll(fd, block, offset + at);
      at += block.length;
    }
  }

  async #writeAll(fd: number, bytes: Uint8Array, offset: number): Promise<void> {
    let done = 0;
    while (done < bytes.length) {
      done += await runAsync(this.#sys.pwrite(fd, bytes.subarray(done), offset + done));
    }
  }

  async #makeSpecial(directory: number, name: string, entry: Entry): Promise<void> {
    const sys = this.#sys;
    const isSymlink = entry.type === S_IFLNK;
    await this.#create(directory, name, () =>
      isSymlink
        ? sys.symlinkat(entry.target, directory, name, 0)
        : sys.mknodat(directory, name, entry.type | OWNER_FILE, entry.rdev),
    );
    await this.#chown(directory, name, entry);
    await this.#setXattrs(directory, name, entry);
    const flags = AT_SYMLINK_NOFOLLOW;
    if (!isSymlink)
      await runAsync(sys.fchmodat(directory, name, this.#permissionsOf(entry), flags));
    await runAsync(sys.utimensat(directory, name, ...timesOf(entry), flags));
  }

  /** Errors: ArchiveError ENOENT if there is no such file. */
  async #link(directory: number, name: string, entry: Entry, linkTo: string): Promise<void> {
    // Of a file that was stored twice under its name.
    if (linkTo === entry.path) return;
    const sys = this.#sys;
    const parts = linkTo.split('/');
    const oldName = parts.pop() ?? '';
    let from = this.#root;
    try {
      for (const part of parts) {
        const next = await this.#openDirectory(from, part, linkTo, { isMade: false });
        if (from !== this.#root) await runAsync(sys.close(from));
        from = next;
      }
      if ((await this.#typeOf(from, oldName)) === undefined) throw linuxerr.ENOENT;
      await this.#create(directory, name, () => sys.linkat(from, oldName, directory, name, 0));
    } catch (error) {
      if (error !== linuxerr.ENOENT) throw error;
      const where = `${quote(linkTo)}, which is not there`;
      throw new ArchiveError('ENOENT', `${quote(entry.path)} is a link to ${where}`);
    } finally {
      if (from !== this.#root) await runAsync(sys.close(from));
    }
  }

  // Attributes.

  #permissionsOf({ permissions, uid }: Entry): number {
    const isOwners = this.#options.preserveOwner && uid !== undefined;
    return isOwners ? permissions : permissions & ~(S_ISUID | S_ISGID);
  }

  /** `name`: in the directory `fd`; or '' for what that is open on. */
  async #chown(fd: number, name: string, { uid, gid }: Entry): Promise<void> {
    if (!this.#options.preserveOwner || uid === undefined || gid === undefined) return;
    const flags = AT_SYMLINK_NOFOLLOW | (name === '' ? AT_EMPTY_PATH : 0);
    await runAsync(this.#sys.fchownat(fd, name, uid, gid, flags));
  }

  async #setXattrs(directory: number, name: string, { xattrs }: Entry): Promise<void> {
    if (xattrs.size === 0) return;
    // The call knows no directory to start from.
    await runAsync(this.#sys.fchdir(directory));
    for (const [xattr, value] of xattrs) {
      try {
        await runAsync(this.#sys.setxattr(name, xattr, value, 0, AT_SYMLINK_NOFOLLOW));
      } catch (error) {
        // Not every filesystem has every namespace, and not everybody may write to all.
        if (error !== linuxerr.EOPNOTSUPP && error !== linuxerr.EPERM) throw error;
      }
    }
  }

  // The end.

  /** Gives directories their modes and times: those further down first. */
  async finish(): Promise<void> {
    await this.#leave(0);
    const entries = [...this.#directories.values()].toSorted((a, b) => depthOf(b) - depthOf(a));
    this.#directories.clear();
    for (const entry of entries) {
      try {
        await this.#finishDirectory(entry);
      } catch (error) {
        // Something else has taken its place.
        if (!isGone(error)) throw atEntry(error, entry.path);
      }
    }
  }

  async #finishDirectory(entry: Entry): Promise<void> {
    const sys = this.#sys;
    let fd = this.#root;
    try {
      for (const name of parseEntryPath(entry.path).split('/').filter(Boolean)) {
        const next = await runAsync(sys.openat(fd, name, WALK_FLAGS, 0));
        if (fd !== this.#root) await runAsync(sys.close(fd));
        fd = next;
      }
      await runAsync(sys.fchmodat(fd, '', this.#permissionsOf(entry), AT_EMPTY_PATH));
      await runAsync(sys.utimensat(fd, '', ...timesOf(entry), AT_EMPTY_PATH));
    } finally {
      if (fd !== this.#root) await runAsync(sys.close(fd));
    }
  }

  /** What can still be done after a failure: nothing here fails for what the kernel says. */
  async abandon(): Promise<void> {
    try {
      await this.finish();
    } catch (error) {
      if (!(error instanceof LinuxError || error instanceof ArchiveError)) throw error;
    }
  }
}

function isGone(error: unknown): boolean {
  return error === linuxerr.ENOENT || error === linuxerr.ENOTDIR || error === linuxerr.ELOOP;
}

function depthOf({ path }: Entry): number {
  return path === '' ? 0 : path.split('/').length;
}

function timesOf({ atime, mtime }: Entry): [atime: Timespec, mtime: Timespec] {
  return [atime ?? UNCHANGED, mtime ?? UNCHANGED];
}

function isZero(bytes: Uint8Array): boolean {
  for (const byte of bytes) if (byte !== 0) return false;
  return bytes.length === HOLE_SIZE;
}
