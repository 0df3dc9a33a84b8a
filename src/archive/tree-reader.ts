// TreeReader: a tree as entries, a directory before what is in it. Names are looked up in their
// directory and symlinks not followed: a tree may change while it is read.

import { linuxerr } from '../abi/errno.ts';
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_SYMLINK_NOFOLLOW,
  O_DIRECTORY,
  O_NOATIME,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_PATH,
  O_RDONLY,
} from '../abi/fcntl.ts';
import { XATTR_LIST_MAX, XATTR_SIZE_MAX } from '../abi/limits.ts';
import {
  direntType,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_PERMISSIONS,
  type Stat,
  STATX_BASIC_STATS,
} from '../abi/stat.ts';
import { runAsync } from '../lib/op.ts';
import { decodeUtf8 } from '../lib/text.ts';
import type { DirentRecord, Syscalls } from '../syscalls/table.ts';
import { atEntry } from './archive-error.ts';
import { PIECE_SIZE, type TreeEntry } from './entry.ts';

/** Room for directory entries in one call. */
const LISTING_SIZE = 1 << 16;

const DIRECTORY_FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NOATIME;
/** What was a file a moment ago may be a FIFO now: opening it doesn't wait. */
const FILE_FLAGS = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOATIME;

/** A directory that is being read. */
interface Level {
  readonly fd: number;
  readonly path: string;
  /** Entries that were listed and have yet to be visited. */
  pending: DirentRecord[];
  /** No more are to be listed. */
  isComplete: boolean;
}

/** Names still to be met of a file that has several. */
interface OtherNames {
  readonly path: string;
  left: number;
}

export interface TreeReaderOptions {
  /** Further names of a file become links to the first. */
  readonly findsLinks: boolean;
}

export class TreeReader {
  readonly #sys: Syscalls;
  readonly #options: TreeReaderOptions;
  readonly #levels: Level[] = [];
  readonly #links = new Map<string, OtherNames>();
  #mountId = 0;

  /** `sys`: of a task that is root and that nobody else uses: its working directory changes. */
  constructor(sys: Syscalls, options: TreeReaderOptions) {
    this.#sys = sys;
    this.#options = options;
  }

  /**
   * The entries of what is at `path`: of a directory and all that is in it, but not of what is
   * mounted there; or the one of a file. An entry's content can be read until the next one is asked
   * for.
   *
   * Errors: those of the path; ArchiveError for a failure at an entry.
   */
  async *read(path: string): AsyncGenerator<TreeEntry> {
    try {
      const root = await this.#openRoot(path);
      if (root !== undefined) yield root;
      for (let level = this.#levels.at(-1); level !== undefined; level = this.#levels.at(-1)) {
        const name = await this.#nextName(level);
        if (name === undefined) {
          this.#levels.pop();
          await runAsync(this.#sys.close(level.fd));
        } else {
          yield* this.#visit(level, name);
        }
      }
    } finally {
      for (const { fd } of this.#levels.splice(0)) await runAsync(this.#sys.close(fd));
    }
  }

  /** The root's entry; undefined for a file, which is then the only name in its directory. */
  async #openRoot(path: string): Promise<TreeEntry | undefined> {
    const sys = this.#sys;
    try {
      const flags = O_RDONLY | O_DIRECTORY | O_NOATIME;
      return await this.#enter(await runAsync(sys.openat(AT_FDCWD, path, flags, 0)), '');
    } catch (error) {
      if (error !== linuxerr.ENOTDIR) throw error;
    }
    const { ino, mode } = await runAsync(sys.fstatat(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW));
    const name = path.slice(path.lastIndexOf('/') + 1);
    const directory = path.slice(0, path.length - name.length) || '.';
    const fd = await runAsync(sys.openat(AT_FDCWD, directory, O_PATH | O_DIRECTORY, 0));
    const pending = [{ ino, name, type: direntType(mode), cookie: 0 }];
    this.#levels.push({ fd, path: '', pending, isComplete: true });
    return undefined;
  }

  /** Goes into a directory, to which its descriptor belongs from here on. */
  async #enter(fd: number, path: string): Promise<TreeEntry> {
    const level: Level = { fd, path, pending: [], isComplete: false };
    const depth = this.#levels.push(level);
    const stat = await runAsync(this.#sys.statx(fd, '', AT_EMPTY_PATH, STATX_BASIC_STATS));
    if (depth === 1) this.#mountId = stat.mountId;
    // Something is mounted there.
    if (stat.mountId !== this.#mountId) level.isComplete = true;
    return await this.#entryOf({ directory: fd, name: '.', path, stat });
  }

  async #nextName(level: Level): Promise<string | undefined> {
    for (;;) {
      const next = level.pending.shift();
      if (next !== undefined) return next.name;
      if (level.isComplete) return undefined;
      const listed = await runAsync(this.#sys.getdents(level.fd, LISTING_SIZE));
      level.isComplete = listed.length === 0;
      level.pending = listed.filter(({ name }) => name !== '.' && name !== '..');
    }
  }

  /** The entry of a name, unless it has gone meanwhile. */
  async *#visit(level: Level, name: string): AsyncGenerator<TreeEntry> {
    const path = level.path === '' ? name : `${level.path}/${name}`;
    let found: { readonly entry: TreeEntry; readonly fd: number | undefined };
    try {
      found = await this.#find(level.fd, name, path);
    } catch (error) {
      if (error === linuxerr.ENOENT) return;
      throw atEntry(error, path);
    }
    try {
      yield found.entry;
    } finally {
      if (found.fd !== undefined) await runAsync(this.#sys.close(found.fd));
    }
  }

  /** `fd`: of the file, to be closed. */
  async #find(
    directory: number,
    name: string,
    path: string,
  ): Promise<{ entry: TreeEntry; fd: number | undefined }> {
    const sys = this.#sys;
    const stat = await runAsync(sys.fstatat(directory, name, AT_SYMLINK_NOFOLLOW));
    const type = stat.mode & S_IFMT;
    const place = { directory, name, path };
    if (type === S_IFDIR) {
      const fd = await runAsync(sys.openat(directory, name, DIRECTORY_FLAGS, 0));
      return { entry: await this.#enter(fd, path), fd: undefined };
    }
    const linkTo = this.#linkTo(stat, path);
    if (type !== S_IFREG || linkTo !== undefined) {
      return { entry: await this.#entryOf({ ...place, stat, linkTo }), fd: undefined };
    }
    const fd = await runAsync(sys.openat(directory, name, FILE_FLAGS, 0));
    try {
      // What was opened is what counts.
      const opened = await runAsync(sys.fstat(fd));
      return { entry: await this.#entryOf({ ...place, stat: opened, fd }), fd };
    } catch (error) {
      await runAsync(sys.close(fd));
      throw error;
    }
  }

  /** The first name of a file, if this is another one. */
  #linkTo({ dev, ino, nlink }: Stat, path: string): string | undefined {
    if (!this.#options.findsLinks || nlink < 2) return undefined;
    const key = `${dev}:${ino}`;
    const names = this.#links.get(key);
    if (names === undefined) {
      this.#links.set(key, { path, left: nlink - 1 });
      return undefined;
    }
    if (--names.left === 0) this.#links.delete(key);
    return names.path;
  }

  async #entryOf(from: {
    /** Where `name` is; or, for '.', the entry itself. */
    readonly directory: number;
    readonly name: string;
    readonly path: string;
    readonly stat: Stat;
    readonly linkTo?: string | undefined;
    readonly fd?: number;
  }): Promise<TreeEntry> {
    const { directory, name, path, stat, linkTo, fd } = from;
    const type = stat.mode & S_IFMT;
    const sys = this.#sys;
    const size = fd === undefined ? 0 : stat.size;
    return {
      path,
      type,
      permissions: stat.mode & S_PERMISSIONS,
      size,
      uid: stat.uid,
      gid: stat.gid,
      mtime: stat.mtime,
      atime: stat.atime,
      target: type === S_IFLNK ? await runAsync(sys.readlinkat(directory, name, 0)) : '',
      linkTo,
      rdev: stat.rdev,
      xattrs: linkTo === undefined ? await this.#xattrs(directory, name) : new Map(),
      content: () => this.#content(fd, { path, size }),
    };
  }

  async #xattrs(directory: number, name: string): Promise<Map<string, Uint8Array>> {
    const sys = this.#sys;
    // These calls know no directory to start from.
    await runAsync(sys.fchdir(directory));
    const xattrs = new Map<string, Uint8Array>();
    for (const xattr of await this.#xattrNames(name)) {
      const value = new Uint8Array(XATTR_SIZE_MAX);
      try {
        const size = await runAsync(sys.getxattr(name, xattr, value, AT_SYMLINK_NOFOLLOW));
        xattrs.set(xattr, value.slice(0, size));
      } catch (error) {
        // Removed meanwhile.
        if (error !== linuxerr.ENODATA) throw error;
      }
    }
    return xattrs;
  }

  /** None on a filesystem without. */
  async #xattrNames(name: string): Promise<string[]> {
    const list = new Uint8Array(XATTR_LIST_MAX);
    try {
      const size = await runAsync(this.#sys.listxattr(name, list, AT_SYMLINK_NOFOLLOW));
      return decodeUtf8(list.subarray(0, size)).split('\0').slice(0, -1);
    } catch (error) {
      if (error !== linuxerr.EOPNOTSUPP) throw error;
      return [];
    }
  }

  /** As many bytes as there were when the entry was made, or fewer if the file was cut. */
  async *#content(
    fd: number | undefined,
    { path, size }: { readonly path: string; readonly size: number },
  ): AsyncGenerator<Uint8Array> {
    if (fd === undefined) return;
    let offset = 0;
    while (offset < size) {
      const buffer = new Uint8Array(Math.min(PIECE_SIZE, size - offset));
      let count: number;
      try {
        count = await runAsync(this.#sys.pread(fd, buffer, offset));
      } catch (error) {
        throw atEntry(error, path);
      }
      if (count === 0) return;
      offset += count;
      yield buffer.subarray(0, count);
    }
  }
}
