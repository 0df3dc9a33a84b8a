// kernel.fs: the page's side of FileService, shaped like node:fs/promises.

import { transfer } from 'comlink';
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
} from '../src/api.ts';
import * as fcntl from '../src/abi/fcntl.ts';
import type { Stat, Statfs } from '../src/abi/stat.ts';
import * as stat from '../src/abi/stat.ts';
import { type Timespec, timespecFromNs, timespecFromSeconds } from '../src/lib/clock.ts';
import { decodeUtf8, encodeUtf8 } from '../src/lib/text.ts';
import type { ListedEntry } from '../src/kernel/file-service.ts';
import { DirentOf, StatsOf } from './stats.ts';

/** Calls an operation of FileService. Errors: FsError made with the last three. */
export type CallFileService = (
  name: string,
  args: readonly unknown[],
  syscall: string,
  path?: string,
  dest?: string,
) => Promise<unknown>;

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

/** Errors: TypeError for flags Node doesn't have. */
function flagsOf(flags: OpenFlags): number {
  if (typeof flags === 'number') return flags;
  const known = FLAGS[flags];
  if (known === undefined) throw new TypeError(`unknown open flags: '${flags}'`);
  return known;
}

function bytesOf(data: Data): Uint8Array {
  if (typeof data === 'string') return encodeUtf8(data);
  if (data instanceof Uint8Array) return data;
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** Errors: TypeError for what is no time. */
function timeOf(time: TimeLike): Timespec {
  if (typeof time === 'bigint') return timespecFromNs(time);
  const seconds = typeof time === 'number' ? time : time.getTime() / 1000;
  if (!Number.isFinite(seconds)) throw new TypeError('a time must be a valid Date or number');
  return timespecFromSeconds(seconds);
}

function encodingOf(
  options: Encoding | { encoding?: Encoding | null } | undefined,
): Encoding | undefined {
  const encoding = typeof options === 'string' ? options : options?.encoding;
  if (encoding === undefined || encoding === null) return undefined;
  if (!['utf8', 'utf-8'].includes(encoding)) throw new TypeError(`unknown encoding: ${encoding}`);
  return encoding;
}

/** A larger buffer is not kept. */
const SPARE_BUFFER_SIZE_MAX = 8 << 20;

/**
 * The buffer that travels to the kernel to be filled and comes back. Chromium collects buffers that
 * came from another thread so late that a loop of reads took hundreds of megabytes of them.
 */
class SpareBuffer {
  #spare: ArrayBuffer | undefined;

  take(size: number): ArrayBuffer {
    const spare = this.#spare;
    if (spare === undefined || spare.byteLength < size) return new ArrayBuffer(size);
    this.#spare = undefined;
    return spare;
  }

  giveBack(buffer: ArrayBuffer): void {
    const isLarger = buffer.byteLength > (this.#spare?.byteLength ?? 0);
    if (isLarger && buffer.byteLength <= SPARE_BUFFER_SIZE_MAX) this.#spare = buffer;
  }
}

class FileHandleImpl implements FileHandle {
  readonly fd: number;
  readonly #call: CallFileService;
  readonly #spare: SpareBuffer;

  constructor(fd: number, call: CallFileService, spare: SpareBuffer) {
    this.fd = fd;
    this.#call = call;
    this.#spare = spare;
  }

  async read(
    buffer: Uint8Array,
    offset = 0,
    length = buffer.byteLength - offset,
    position: number | null = null,
  ): Promise<{ bytesRead: number; buffer: Uint8Array }> {
    const wanted = Math.min(length, buffer.byteLength - offset);
    if (!(offset >= 0 && wanted >= 0)) {
      throw new RangeError(
        `can't read ${length} bytes to offset ${offset} of a buffer of ${buffer.byteLength}`,
      );
    }
    const room = this.#spare.take(wanted);
    const args = transfer([this.fd, room, wanted, position], [room]);
    const bytes = (await this.#call('read', args, 'read')) as Uint8Array<ArrayBuffer>;
    buffer.set(bytes, offset);
    const bytesRead = bytes.length;
    this.#spare.giveBack(bytes.buffer);
    return { bytesRead, buffer };
  }

  write(
    data: Uint8Array,
    offset?: number,
    length?: number,
    position?: number | null,
  ): Promise<{ bytesWritten: number; buffer: Uint8Array }>;
  write(data: string, position?: number | null): Promise<{ bytesWritten: number; buffer: string }>;
  async write(
    data: Uint8Array | string,
    second?: number | null,
    length?: number,
    position?: number | null,
  ): Promise<{ bytesWritten: number; buffer: never }> {
    const isText = typeof data === 'string';
    const start = isText ? 0 : (second ?? 0);
    const whole = bytesOf(data);
    const bytes = isText
      ? whole
      : whole.subarray(start, length === undefined ? undefined : start + length);
    const at = (isText ? second : position) ?? null;
    const count = (await this.#call('write', [this.fd, bytes, at], 'write')) as number;
    return { bytesWritten: count, buffer: data as never };
  }

  readFile(options: Encoding | { encoding: Encoding }): Promise<string>;
  readFile(options?: { encoding?: null }): Promise<Uint8Array>;
  async readFile(
    options?: Encoding | { encoding?: Encoding | null },
  ): Promise<string | Uint8Array> {
    const encoding = encodingOf(options);
    const bytes = (await this.#call('readRest', [this.fd], 'read')) as Uint8Array;
    return encoding === undefined ? bytes : decodeUtf8(bytes);
  }

  async writeFile(data: Data): Promise<void> {
    await this.#call('write', [this.fd, bytesOf(data), null], 'write');
  }

  appendFile(data: Data): Promise<void> {
    return this.writeFile(data);
  }

  async stat(): Promise<Stats> {
    return new StatsOf((await this.#call('fstat', [this.fd], 'fstat')) as Stat);
  }

  async chmod(mode: number): Promise<void> {
    await this.#call('fchmod', [this.fd, mode], 'fchmod');
  }

  async chown(uid: number, gid: number): Promise<void> {
    await this.#call('fchown', [this.fd, uid, gid], 'fchown');
  }

  async utimes(atime: TimeLike, mtime: TimeLike): Promise<void> {
    await this.#call('futimes', [this.fd, timeOf(atime), timeOf(mtime)], 'futimes');
  }

  async truncate(length = 0): Promise<void> {
    await this.#call('ftruncate', [this.fd, length], 'ftruncate');
  }

  async sync(): Promise<void> {
    await this.#call('fsync', [this.fd], 'fsync');
  }

  async datasync(): Promise<void> {
    await this.#call('fdatasync', [this.fd], 'fdatasync');
  }

  async close(): Promise<void> {
    await this.#call('close', [this.fd], 'close');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
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
    ...numbersOf(fcntl, /^(O|R|W|X|F)_/),
    ...numbersOf(stat, /^S_I/),
    COPYFILE_EXCL,
  });

  constructor(call: CallFileService) {
    this.#call = call;
  }

  async open(path: string, flags: OpenFlags = 'r', mode = 0o666): Promise<FileHandle> {
    const fd = (await this.#call('open', [path, flagsOf(flags), mode], 'open', path)) as number;
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
    const bytes = (await this.#call('readFile', [path, flags], 'open', path)) as Uint8Array;
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
    await this.#call('writeFile', [path, bytesOf(data), how], 'open', path);
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
    return (await this.#call('mkdir', [path, how], 'mkdir', path)) as string | undefined;
  }

  async mkdtemp(prefix: string): Promise<string> {
    return (await this.#call('mkdtemp', [prefix], 'mkdtemp', `${prefix}XXXXXX`)) as string;
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
    const entries = (await this.#call('readdir', [path, how], 'scandir', path)) as ListedEntry[];
    if (options.withFileTypes === true) return entries.map((entry) => new DirentOf(entry));
    // Relative to the directory asked about, also of entries further down.
    return entries.map(({ name, parentPath }) => {
      const within = parentPath.slice(path.length).replace(/^\/+/, '');
      return within === '' ? name : `${within}/${name}`;
    });
  }

  async opendir(path: string): Promise<Dir> {
    const how = { recursive: false };
    const entries = (await this.#call('readdir', [path, how], 'opendir', path)) as ListedEntry[];
    return new DirImpl(
      path,
      entries.map((entry) => new DirentOf(entry)),
    );
  }

  async rm(path: string, options: { recursive?: boolean; force?: boolean } = {}): Promise<void> {
    const how = { recursive: options.recursive ?? false, force: options.force ?? false };
    await this.#call('rm', [path, how], 'rm', path);
  }

  async rmdir(path: string): Promise<void> {
    await this.#call('rmdir', [path], 'rmdir', path);
  }

  async unlink(path: string): Promise<void> {
    await this.#call('unlink', [path], 'unlink', path);
  }

  async rename(oldPath: string, newPath: string): Promise<void> {
    await this.#call('rename', [oldPath, newPath], 'rename', oldPath, newPath);
  }

  async link(existingPath: string, newPath: string): Promise<void> {
    await this.#call('link', [existingPath, newPath], 'link', existingPath, newPath);
  }

  async symlink(target: string, path: string): Promise<void> {
    await this.#call('symlink', [target, path], 'symlink', target, path);
  }

  async readlink(path: string): Promise<string> {
    return (await this.#call('readlink', [path], 'readlink', path)) as string;
  }

  async realpath(path: string): Promise<string> {
    return (await this.#call('realpath', [path], 'realpath', path)) as string;
  }

  async stat(path: string): Promise<Stats> {
    return new StatsOf((await this.#call('stat', [path], 'stat', path)) as Stat);
  }

  async lstat(path: string): Promise<Stats> {
    return new StatsOf((await this.#call('lstat', [path], 'lstat', path)) as Stat);
  }

  async statfs(path: string): Promise<StatFs> {
    return (await this.#call('statfs', [path], 'statfs', path)) as Statfs;
  }

  async chmod(path: string, mode: number): Promise<void> {
    await this.#call('chmod', [path, mode], 'chmod', path);
  }

  async chown(path: string, uid: number, gid: number): Promise<void> {
    await this.#call('chown', [path, uid, gid], 'chown', path);
  }

  async lchown(path: string, uid: number, gid: number): Promise<void> {
    await this.#call('lchown', [path, uid, gid], 'lchown', path);
  }

  async utimes(path: string, atime: TimeLike, mtime: TimeLike): Promise<void> {
    await this.#call('utimes', [path, timeOf(atime), timeOf(mtime)], 'utime', path);
  }

  async lutimes(path: string, atime: TimeLike, mtime: TimeLike): Promise<void> {
    await this.#call('lutimes', [path, timeOf(atime), timeOf(mtime)], 'lutime', path);
  }

  async truncate(path: string, length = 0): Promise<void> {
    // Node opens the file first, and so that is what fails.
    await this.#call('truncate', [path, length], 'open', path);
  }

  async access(path: string, mode: number = fcntl.F_OK): Promise<void> {
    await this.#call('access', [path, mode], 'access', path);
  }

  async copyFile(source: string, destination: string, mode = 0): Promise<void> {
    const how = { isExclusive: (mode & COPYFILE_EXCL) !== 0 };
    await this.#call('copyFile', [source, destination, how], 'copyfile', source, destination);
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
    await this.#call('cp', [source, destination, how], 'cp', source, destination);
  }
}

function numbersOf(module: Record<string, unknown>, names: RegExp): Record<string, number> {
  const entries = Object.entries(module).filter(
    ([name, value]) => names.test(name) && typeof value === 'number',
  );
  return Object.fromEntries(entries) as Record<string, number>;
}
