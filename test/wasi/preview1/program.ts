// Program: what a case acts with. The functions of preview1 with chosen arguments, their results as
// the names of errors, and short forms that read results from the program's memory.

import { wasi } from '@bjorn3/browser_wasi_shim';
import { decodeUtf8, encodeUtf8 } from '../../../src/lib/text.ts';
import type { Preview1Name } from '../../../src/wasi/signatures.ts';
import { errnoName, type Kernelspace, type Outside, type World } from './world.ts';

export interface OpenOptions {
  readonly oflags?: number;
  /** READ, WRITE or both; what goes with them is added. */
  readonly rights?: bigint;
  /** Exactly these rights, in place of `rights`. */
  readonly exactRights?: bigint;
  readonly inheriting?: bigint;
  readonly lookup?: number;
  readonly fdflags?: number;
}

export interface Filestat {
  readonly dev: bigint;
  readonly ino: bigint;
  readonly type: number;
  readonly nlink: bigint;
  readonly size: bigint;
  readonly atime: bigint;
  readonly mtime: bigint;
  readonly ctime: bigint;
}

export interface Dirent {
  readonly next: bigint;
  readonly ino: bigint;
  readonly type: number;
  readonly name: string;
}

export interface PolledEvent {
  readonly userdata: bigint;
  readonly error: string;
  readonly type: number;
  readonly bytes: bigint;
  readonly flags: number;
}

export const FOLLOW = 1;
export const NOFOLLOW = 0;
export const READ = BigInt(wasi.RIGHTS_FD_READ);
export const WRITE = BigInt(wasi.RIGHTS_FD_WRITE);
export const RW = READ | WRITE;
/** What a host that takes rights to the letter wants to be asked for besides. */
const WITH_ANY = BigInt(
  wasi.RIGHTS_FD_SEEK |
    wasi.RIGHTS_FD_TELL |
    wasi.RIGHTS_FD_ADVISE |
    wasi.RIGHTS_FD_SYNC |
    wasi.RIGHTS_FD_FDSTAT_SET_FLAGS |
    wasi.RIGHTS_FD_FILESTAT_GET |
    wasi.RIGHTS_FD_FILESTAT_SET_TIMES |
    wasi.RIGHTS_POLL_FD_READWRITE,
);
const WITH_WRITE = BigInt(
  wasi.RIGHTS_FD_DATASYNC | wasi.RIGHTS_FD_ALLOCATE | wasi.RIGHTS_FD_FILESTAT_SET_SIZE,
);
const ALL_RIGHTS = (1n << 29n) - 1n;
const DIRECTORY_RIGHTS = ALL_RIGHTS & ~(RW | WITH_WRITE);

function rightsOf({ rights = READ, exactRights, oflags = 0 }: OpenOptions): bigint {
  if (exactRights !== undefined) return exactRights;
  if ((oflags & wasi.OFLAGS_DIRECTORY) !== 0) return DIRECTORY_RIGHTS;
  return rights | WITH_ANY | ((rights & WRITE) === 0n ? 0n : WITH_WRITE);
}

/** An address no memory of one page has. */
export const FAR = 0x7fff_0000;
export const BAD_FD = 99;
const DIRENT_HEADER = 24;
const RESULT_SIZE = 64;

/** A call that a case needs to succeed has failed. */
class UnexpectedErrno extends Error {}

export class Program {
  readonly called = new Set<Preview1Name>();
  readonly #world: World;
  /** Where results are stored. */
  readonly result = 16;
  #used = this.result + RESULT_SIZE;

  constructor(world: World) {
    this.#world = world;
  }

  get box(): number {
    return this.#world.box;
  }

  get other(): number {
    return this.#world.other;
  }

  get outside(): Outside {
    return this.#world.outside;
  }

  /** Only for cases that are for our kernel alone. */
  get kernel(): Kernelspace {
    const { kernel } = this.#world;
    if (kernel === undefined) throw new Error('this case needs our kernel');
    return kernel;
  }

  // Memory.

  get view(): DataView {
    return new DataView(this.#world.memory.buffer);
  }

  get size(): number {
    return this.#world.memory.buffer.byteLength;
  }

  bytes(at: number, length: number): Uint8Array {
    return new Uint8Array(this.#world.memory.buffer, at, length);
  }

  allocate(size: number): number {
    const at = this.#used;
    this.#used += Math.ceil(size / 8) * 8;
    return at;
  }

  /** Forgets what was allocated by `run`. */
  async scratch<T>(run: () => Promise<T>): Promise<T> {
    const used = this.#used;
    try {
      return await run();
    } finally {
      this.#used = used;
    }
  }

  /** Pointer and length of a text, or of bytes that need not be one. */
  text(value: string | Uint8Array): [pointer: number, length: number] {
    const bytes = typeof value === 'string' ? encodeUtf8(value) : value;
    const at = this.allocate(bytes.length);
    this.bytes(at, bytes.length).set(bytes);
    return [at, bytes.length];
  }

  /** Pointer and count of a list of buffers. */
  iovecs(...buffers: readonly (readonly [pointer: number, length: number])[]): [number, number] {
    const at = this.allocate(buffers.length * 8);
    for (const [index, [pointer, length]] of buffers.entries()) {
      this.view.setUint32(at + index * 8, pointer, true);
      this.view.setUint32(at + index * 8 + 4, length, true);
    }
    return [at, buffers.length];
  }

  get u32(): number {
    return this.view.getUint32(this.result, true);
  }

  get u64(): bigint {
    return this.view.getBigUint64(this.result, true);
  }

  // Calls.

  async call(name: Preview1Name, ...args: readonly (number | bigint)[]): Promise<string> {
    this.called.add(name);
    return errnoName(await this.#world.call(name, args));
  }

  async #ok(name: Preview1Name, ...args: readonly (number | bigint)[]): Promise<void> {
    const error = await this.call(name, ...args);
    if (error !== 'SUCCESS') throw new UnexpectedErrno(`${name}(${args.join(', ')}): ${error}`);
  }

  /** A function whose arguments are a directory and a path. */
  path(
    name: 'path_create_directory' | 'path_remove_directory' | 'path_unlink_file',
    dir: number,
    path: string | Uint8Array,
  ): Promise<string> {
    return this.scratch(() => this.call(name, dir, ...this.text(path)));
  }

  #openArguments(
    dir: number,
    path: string | Uint8Array,
    options: OpenOptions,
  ): (number | bigint)[] {
    const { oflags = 0, lookup = FOLLOW, fdflags = 0 } = options;
    const rights = rightsOf(options);
    const { inheriting = (oflags & wasi.OFLAGS_DIRECTORY) === 0 ? rights : ALL_RIGHTS } = options;
    return [dir, lookup, ...this.text(path), oflags, rights, inheriting, fdflags, this.result];
  }

  /** The error of opening a path; what was opened is closed. */
  async openError(
    dir: number,
    path: string | Uint8Array,
    options: OpenOptions = {},
  ): Promise<string> {
    return this.scratch(async () => {
      const error = await this.call('path_open', ...this.#openArguments(dir, path, options));
      if (error === 'SUCCESS') await this.#ok('fd_close', this.u32);
      return error;
    });
  }

  async open(dir: number, path: string | Uint8Array, options: OpenOptions = {}): Promise<number> {
    return this.scratch(async () => {
      await this.#ok('path_open', ...this.#openArguments(dir, path, options));
      return this.u32;
    });
  }

  /** A new file in the box, open for reading and writing. */
  async create(path: string, text = ''): Promise<number> {
    const fd = await this.open(this.box, path, { oflags: wasi.OFLAGS_CREAT, rights: RW });
    if (text !== '') await this.write(fd, text);
    await this.#ok('fd_seek', fd, 0n, wasi.WHENCE_SET, this.result);
    return fd;
  }

  async createClosed(path: string, text = ''): Promise<void> {
    await this.#ok('fd_close', await this.create(path, text));
  }

  async mkdir(path: string): Promise<void> {
    await this.scratch(() => this.#ok('path_create_directory', this.box, ...this.text(path)));
  }

  openDir(dir: number, path: string): Promise<number> {
    return this.open(dir, path, { oflags: wasi.OFLAGS_DIRECTORY });
  }

  async symlink(target: string, path: string): Promise<void> {
    await this.scratch(() =>
      this.#ok('path_symlink', ...this.text(target), this.box, ...this.text(path)),
    );
  }

  async write(fd: number, text: string): Promise<number> {
    return this.scratch(async () => {
      await this.#ok('fd_write', fd, ...this.iovecs(this.text(text)), this.result);
      return this.u32;
    });
  }

  async read(fd: number, count = 1000): Promise<string> {
    return this.scratch(async () => {
      const at = this.allocate(count);
      await this.#ok('fd_read', fd, ...this.iovecs([at, count]), this.result);
      return decodeUtf8(this.bytes(at, this.u32));
    });
  }

  async close(fd: number): Promise<void> {
    await this.#ok('fd_close', fd);
  }

  async tell(fd: number): Promise<bigint> {
    await this.#ok('fd_tell', fd, this.result);
    return this.u64;
  }

  async fdstat(
    fd: number,
  ): Promise<{ type: number; flags: number; rights: bigint; inheriting: bigint }> {
    await this.#ok('fd_fdstat_get', fd, this.result);
    const { view, result } = this;
    return {
      type: view.getUint8(result),
      flags: view.getUint16(result + 2, true),
      rights: view.getBigUint64(result + 8, true),
      inheriting: view.getBigUint64(result + 16, true),
    };
  }

  async fstat(fd: number): Promise<Filestat> {
    await this.#ok('fd_filestat_get', fd, this.result);
    return this.#filestat();
  }

  async stat(dir: number, path: string, lookup = FOLLOW): Promise<Filestat> {
    return this.scratch(async () => {
      await this.#ok('path_filestat_get', dir, lookup, ...this.text(path), this.result);
      return this.#filestat();
    });
  }

  statError(dir: number, path: string | Uint8Array, lookup = FOLLOW): Promise<string> {
    return this.scratch(() =>
      this.call('path_filestat_get', dir, lookup, ...this.text(path), this.result),
    );
  }

  #filestat(): Filestat {
    const { view, result } = this;
    const u64 = (at: number): bigint => view.getBigUint64(result + at, true);
    return {
      dev: u64(0),
      ino: u64(8),
      type: view.getUint8(result + 16),
      nlink: u64(24),
      size: u64(32),
      atime: u64(40),
      mtime: u64(48),
      ctime: u64(56),
    };
  }

  async readlink(dir: number, path: string, size = 5000): Promise<string> {
    return this.scratch(async () => {
      const at = this.allocate(size);
      await this.#ok('path_readlink', dir, ...this.text(path), at, size, this.result);
      return decodeUtf8(this.bytes(at, this.u32));
    });
  }

  /** What one fd_readdir() gives: the whole entries, and the bytes used. */
  async readdir(
    fd: number,
    size = 4000,
    cookie = 0n,
  ): Promise<{ used: number; entries: Dirent[] }> {
    return this.scratch(async () => {
      const at = this.allocate(size);
      await this.#ok('fd_readdir', fd, at, size, cookie, this.result);
      const used = this.u32;
      return { used, entries: this.#dirents(at, at + used) };
    });
  }

  #dirents(start: number, end: number): Dirent[] {
    const { view } = this;
    const entries: Dirent[] = [];
    for (let at = start; at + DIRENT_HEADER <= end;) {
      const length = view.getUint32(at + 16, true);
      const name = at + DIRENT_HEADER;
      if (name + length > end) break;
      entries.push({
        next: view.getBigUint64(at, true),
        ino: view.getBigUint64(at + 8, true),
        type: view.getUint8(at + 20),
        name: decodeUtf8(this.bytes(name, length)),
      });
      at = name + length;
    }
    return entries;
  }

  async names(fd: number): Promise<string[]> {
    const { entries } = await this.readdir(fd);
    return entries.map(({ name }) => name).sort();
  }

  /** A subscription to a descriptor, for poll(). */
  fdSubscription(userdata: bigint, type: number, fd: number): Uint8Array {
    const view = new DataView(new ArrayBuffer(48));
    view.setBigUint64(0, userdata, true);
    view.setUint8(8, type);
    view.setUint32(16, fd, true);
    return new Uint8Array(view.buffer);
  }

  clockSubscription(
    userdata: bigint,
    clock: { readonly id: number; readonly timeout: bigint; readonly isAbsolute?: boolean },
  ): Uint8Array {
    const view = new DataView(new ArrayBuffer(48));
    view.setBigUint64(0, userdata, true);
    view.setUint8(8, wasi.EVENTTYPE_CLOCK);
    view.setUint32(16, clock.id, true);
    view.setBigUint64(24, clock.timeout, true);
    view.setUint16(40, clock.isAbsolute === true ? 1 : 0, true);
    return new Uint8Array(view.buffer);
  }

  async poll(...subscriptions: readonly Uint8Array[]): Promise<PolledEvent[]> {
    return this.scratch(async () => {
      const input = this.allocate(48 * subscriptions.length);
      subscriptions.forEach((bytes, index) => {
        this.bytes(input + 48 * index, 48).set(bytes);
      });
      const output = this.allocate(32 * subscriptions.length);
      await this.#ok('poll_oneoff', input, output, subscriptions.length, this.result);
      const { view } = this;
      return Array.from({ length: this.u32 }, (_, index) => {
        const at = output + 32 * index;
        return {
          userdata: view.getBigUint64(at, true),
          error: errnoName(view.getUint16(at + 8, true)),
          type: view.getUint8(at + 10),
          bytes: view.getBigUint64(at + 16, true),
          flags: view.getUint16(at + 24, true),
        };
      });
    });
  }
}
