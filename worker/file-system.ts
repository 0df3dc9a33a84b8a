// kernel.fs: the page's side of FileService, shaped like node:fs/promises, and what Linux has
// besides.

import type {
  Data,
  Dir,
  Dirent,
  Encoding,
  FileHandle,
  FileSystem,
  OpenFlags,
  StatFs,
  Stats,
  TimeLike,
  Watcher,
  XattrOptions,
} from '../src/api.ts';
import * as fcntl from '../src/abi/fcntl.ts';
import type { Stat, Statfs } from '../src/abi/stat.ts';
import * as stat from '../src/abi/stat.ts';
import { decodeUtf8 } from '../src/lib/text.ts';
import type { ListedEntry } from '../src/kernel/file-service.ts';
import { bytesOf, type CallFileService, encodingOf, timeOf } from './call-file-service.ts';
import { FileHandleImpl, SpareBuffer, xattrOptions } from './file-handle.ts';
import { DirentOf, StatsOf } from './stats.ts';
import { WatcherImpl } from './watcher.ts';

const FLAGS: Readonly<Record<string, number>> = {
  r: fcntl.O_RDONLY,
  'r+': fcntl.O_RDWR,
  'rs+': fcntl.O_RDWR | fcntl.O_SYNC,
  w: fcntl.O_WRONLY | fcntl.O_CREAT | fcntl.O_TRUNC,
  wx: fcntl.O_WRONLY | fcntl.O_CREAT | fcntl.O_TRUNC | fcntl.O_EXCL,
  'w+': fcntl.O_RDWR | fcntl.O_CREAT | fcntl.O_TRUNC,
  'wx+': fcntl.O_RDWR | fcntl.O_CREAT | fcntl.O_TRUNC | fcntl.O_EXCL,
  a: fcntl.O_WRONLY | fcntl.O_CREAT | fcntl.O_APPEND,
  ax: fcntl.O_WRONLY | fcntl.O_CREAT | fcntl.O_APPEND | fcntl.O_EXCL,
  'a+': fcntl.O_RDWR | fcntl.O_CREAT | fcntl.O_APPEND,
  'ax+': fcntl.O_RDWR | fcntl.O_CREAT | fcntl.O_APPEND | fcntl.O_EXCL,
};

const COPYFILE_EXCL = 1;

const RENAME_FLAGS = {
  noreplace: fcntl.RENAME_NOREPLACE,
  exchange: fcntl.RENAME_EXCHANGE,
  whiteout: fcntl.RENAME_WHITEOUT,
} as const;

/** Errors: TypeError for flags Node doesn't have. */
function flagsOf(flags: OpenFlags): number {
  if (typeof flags === 'number') return flags;
  const known = FLAGS[flags];
  if (known === undefined) throw new TypeError(`unknown open flags: '${flags}'`);
  return known;
}

/** A listing taken when the directory was opened. */
class DirImpl implements Dir {
  readonly path: string;
  readonly #entries: Dirent[];

  constructor(path: string, entries: Dirent[]) {
    this.path = path;
    this.#entries = entries;
  }

  read(): Promise<Dirent | null> {
    return Promise.resolve(this.#entries.shift() ?? null);
  }

  close(): Promise<void> {
    this.#entries.length = 0;
    return Promise.resolve();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Dirent> {
    for (let entry = await this.read(); entry !== null; entry = await this.read()) yield entry;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

export class FileSystemClient implements FileSystem {
  readonly #call: CallFileService;
  readonly #spare = new SpareBuffer();
  readonly constants: Readonly<Record<string, number>> = Object.freeze({
    ...numbersOf(fcntl, /^(O|R|W|X|F|SEEK|FALLOC)_/),
    ...numbersOf(stat, /^S_I/),
    COPYFILE_EXCL,
  });

  constructor(call: CallFileService) {
    this.#call = call;
  }

  async open(path: string, flags: OpenFlags = 'r', mode = 0o666): Promise<FileHandle> {
    const fd = (await this.#call('open', [path, flagsOf(flags), mode], 'open', { path })) as number;
    return new FileHandleImpl(fd, this.#call, this.#spare);
  }

  readFile(
    path: string,
    options: Encoding | { encoding: Encoding; flag?: OpenFlags; signal?: AbortSignal },
  ): Promise<string>;
  readFile(
    path: string,
    options?: { encoding?: null; flag?: OpenFlags; signal?: AbortSignal },
  ): Promise<Uint8Array>;
  async readFile(
    path: string,
    options?: Encoding | { encoding?: Encoding | null; flag?: OpenFlags; signal?: AbortSignal },
  ): Promise<string | Uint8Array> {
    const encoding = encodingOf(options);
    const given = typeof options === 'object' ? options : {};
    given.signal?.throwIfAborted();
    const flags = flagsOf(given.flag ?? 'r');
    const bytes = (await this.#call('readFile', [path, flags], 'open', { path })) as Uint8Array;
    given.signal?.throwIfAborted();
    return encoding === undefined ? bytes : decodeUtf8(bytes);
  }

  async writeFile(
    path: string,
    data: Data,
    options?: Encoding | { mode?: number; flag?: OpenFlags; flush?: boolean; signal?: AbortSignal },
  ): Promise<void> {
    const given = typeof options === 'object' ? options : {};
    given.signal?.throwIfAborted();
    const flags = flagsOf(given.flag ?? 'w');
    const how = { flags, mode: given.mode ?? 0o666, flush: given.flush ?? false };
    await this.#call('writeFile', [path, bytesOf(data), how], 'open', { path });
  }

  appendFile(
    path: string,
    data: Data,
    options: { mode?: number; flush?: boolean } = {},
  ): Promise<void> {
    return this.writeFile(path, data, { ...options, flag: 'a' });
  }

  async mkdir(
    path: string,
    options: number | { recursive?: boolean; mode?: number } = {},
  ): Promise<string | undefined> {
    const given = typeof options === 'number' ? { mode: options } : options;
    const how = { recursive: false, mode: 0o777, ...given };
    return (await this.#call('mkdir', [path, how], 'mkdir', { path })) as string | undefined;
  }

  async mkdtemp(prefix: string): Promise<string> {
    return (await this.#call('mkdtemp', [prefix], 'mkdtemp', {
      path: `${prefix}XXXXXX`,
    })) as string;
  }

  readdir(
    path: string,
    options?: { withFileTypes?: false; recursive?: boolean },
  ): Promise<string[]>;
  readdir(path: string, options: { withFileTypes: true; recursive?: boolean }): Promise<Dirent[]>;
  async readdir(
    path: string,
    options: { withFileTypes?: boolean; recursive?: boolean } = {},
  ): Promise<string[] | Dirent[]> {
    const how = { recursive: options.recursive ?? false };
    const entries = (await this.#call('readdir', [path, how], 'scandir', {
      path,
    })) as ListedEntry[];
    if (options.withFileTypes === true) return entries.map((entry) => new DirentOf(entry));
    // Relative to the directory asked about, also of entries further down.
    return entries.map(({ name, parentPath }) => {
      const within = parentPath.slice(path.length).replace(/^\/+/, '');
      return within === '' ? name : `${within}/${name}`;
    });
  }

  async opendir(path: string): Promise<Dir> {
    const how = { recursive: false };
    const entries = (await this.#call('readdir', [path, how], 'opendir', {
      path,
    })) as ListedEntry[];
    return new DirImpl(
      path,
      entries.map((entry) => new DirentOf(entry)),
    );
  }

  async rm(path: string, options: { recursive?: boolean; force?: boolean } = {}): Promise<void> {
    const how = { recursive: options.recursive ?? false, force: options.force ?? false };
    await this.#call('rm', [path, how], 'rm', { path });
  }

  async rmdir(path: string): Promise<void> {
    await this.#call('rmdir', [path], 'rmdir', { path });
  }

  async unlink(path: string): Promise<void> {
    await this.#call('unlink', [path], 'unlink', { path });
  }

  async rename(
    oldPath: string,
    newPath: string,
    options: { flag?: 'noreplace' | 'exchange' | 'whiteout' } = {},
  ): Promise<void> {
    const flags = options.flag === undefined ? 0 : RENAME_FLAGS[options.flag];
    const details = { path: oldPath, dest: newPath };
    await this.#call('rename', [oldPath, newPath, flags], 'rename', details);
  }

  async link(existingPath: string, newPath: string): Promise<void> {
    await this.#call('link', [existingPath, newPath], 'link', {
      path: existingPath,
      dest: newPath,
    });
  }

  async symlink(target: string, path: string): Promise<void> {
    await this.#call('symlink', [target, path], 'symlink', { path: target, dest: path });
  }

  async readlink(path: string): Promise<string> {
    return (await this.#call('readlink', [path], 'readlink', { path })) as string;
  }

  async realpath(path: string): Promise<string> {
    return (await this.#call('realpath', [path], 'realpath', { path })) as string;
  }

  async stat(path: string): Promise<Stats> {
    return new StatsOf((await this.#call('stat', [path], 'stat', { path })) as Stat);
  }

  async lstat(path: string): Promise<Stats> {
    return new StatsOf((await this.#call('lstat', [path], 'lstat', { path })) as Stat);
  }

  async statfs(path: string): Promise<StatFs> {
    return (await this.#call('statfs', [path], 'statfs', { path })) as Statfs;
  }

  async chmod(path: string, mode: number): Promise<void> {
    await this.#call('chmod', [path, mode], 'chmod', { path });
  }

  async chown(path: string, uid: number, gid: number): Promise<void> {
    await this.#call('chown', [path, uid, gid], 'chown', { path });
  }

  async lchown(path: string, uid: number, gid: number): Promise<void> {
    await this.#call('lchown', [path, uid, gid], 'lchown', { path });
  }

  async utimes(path: string, atime: TimeLike, mtime: TimeLike): Promise<void> {
    await this.#call('utimes', [path, timeOf(atime), timeOf(mtime)], 'utime', { path });
  }

  async lutimes(path: string, atime: TimeLike, mtime: TimeLike): Promise<void> {
    await this.#call('lutimes', [path, timeOf(atime), timeOf(mtime)], 'lutime', { path });
  }

  async truncate(path: string, length = 0): Promise<void> {
    // Node opens the file first, and so that is what fails.
    await this.#call('truncate', [path, length], 'open', { path });
  }

  async access(path: string, mode: number = fcntl.F_OK): Promise<void> {
    await this.#call('access', [path, mode], 'access', { path });
  }

  async copyFile(source: string, destination: string, mode = 0): Promise<void> {
    const how = { isExclusive: (mode & COPYFILE_EXCL) !== 0 };
    await this.#call('copyFile', [source, destination, how], 'copyfile', {
      path: source,
      dest: destination,
    });
  }

  async cp(
    source: string,
    destination: string,
    options: {
      recursive?: boolean;
      force?: boolean;
      errorOnExist?: boolean;
      preserveTimestamps?: boolean;
      dereference?: boolean;
    } = {},
  ): Promise<void> {
    const how = {
      recursive: options.recursive ?? false,
      force: options.force ?? true,
      errorOnExist: options.errorOnExist ?? false,
      preserveTimestamps: options.preserveTimestamps ?? false,
      dereference: options.dereference ?? false,
    };
    await this.#call('cp', [source, destination, how], 'cp', { path: source, dest: destination });
  }

  // Beyond node:fs.

  watch(
    path: string,
    options: { recursive?: boolean; all?: boolean; signal?: AbortSignal } = {},
  ): Watcher {
    return new WatcherImpl(this.#call, path, options);
  }

  async mkfifo(path: string, mode = 0o666): Promise<void> {
    await this.#call('mknod', [path, stat.S_IFIFO | mode, 0], 'mkfifo', { path });
  }

  async mknod(path: string, mode: number, dev = 0): Promise<void> {
    await this.#call('mknod', [path, mode, dev], 'mknod', { path });
  }

  async setxattr(
    path: string,
    name: string,
    value: Data,
    options: XattrOptions & { flag?: 'create' | 'replace' } = {},
  ): Promise<void> {
    const args = [path, name, bytesOf(value), xattrOptions(options)];
    await this.#call('setxattr', args, 'setxattr', { path });
  }

  async getxattr(path: string, name: string, options: XattrOptions = {}): Promise<Uint8Array> {
    const args = [path, name, xattrOptions(options)];
    return (await this.#call('getxattr', args, 'getxattr', { path })) as Uint8Array;
  }

  async listxattr(path: string, options: XattrOptions = {}): Promise<string[]> {
    const args = [path, xattrOptions(options)];
    return (await this.#call('listxattr', args, 'listxattr', { path })) as string[];
  }

  async removexattr(path: string, name: string, options: XattrOptions = {}): Promise<void> {
    const args = [path, name, xattrOptions(options)];
    await this.#call('removexattr', args, 'removexattr', { path });
  }
}

function numbersOf(module: Record<string, unknown>, names: RegExp): Record<string, number> {
  const entries = Object.entries(module).filter(
    ([name, value]) => names.test(name) && typeof value === 'number',
  );
  return Object.fromEntries(entries) as Record<string, number>;
}
