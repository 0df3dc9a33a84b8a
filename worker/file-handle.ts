// An open file of kernel.fs on the page's side. Shaped like node:fs/promises' FileHandle, with
// Linux's locks, extended attributes and ranges besides.

import { transfer } from 'comlink';
import type { Data, Encoding, FileHandle, FileLock, Stats, TimeLike } from '../src/api.ts';
import {
  F_RDLCK,
  F_UNLCK,
  F_WRLCK,
  LOCK_EX,
  LOCK_NB,
  LOCK_SH,
  LOCK_UN,
  SEEK_SET,
  XATTR_CREATE,
  XATTR_REPLACE,
} from '../src/abi/fcntl.ts';
import type { Stat } from '../src/abi/stat.ts';
import type { LockRange, XattrOptions } from '../src/kernel/linux-file-service.ts';
import { decodeUtf8 } from '../src/lib/text.ts';
import type { Flock } from '../src/syscalls/table.ts';
import { bytesOf, type CallFileService, encodingOf, timeOf } from './call-file-service.ts';
import { StatsOf } from './stats.ts';

const FLOCK_OPERATIONS = { shared: LOCK_SH, exclusive: LOCK_EX, unlock: LOCK_UN } as const;
const LOCK_TYPES = { read: F_RDLCK, write: F_WRLCK, unlock: F_UNLCK } as const;
const XATTR_FLAGS = { create: XATTR_CREATE, replace: XATTR_REPLACE } as const;

function rangeOf(
  type: keyof typeof LOCK_TYPES,
  { start = 0, length = 0 }: { start?: number; length?: number },
): LockRange {
  return { type: LOCK_TYPES[type], start, length };
}

export function xattrOptions(options: {
  flag?: 'create' | 'replace';
  follow?: boolean;
}): XattrOptions {
  const flags = options.flag === undefined ? 0 : XATTR_FLAGS[options.flag];
  return { flags, follow: options.follow ?? true };
}

/** A larger buffer is not kept. */
const SPARE_BUFFER_SIZE_MAX = 8 << 20;

/**
 * The buffer that travels to the kernel to be filled and comes back. Chromium collects buffers that
 * came from another thread so late that a loop of reads took hundreds of megabytes of them.
 */
export class SpareBuffer {
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

export class FileHandleImpl implements FileHandle {
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

  async copyRange(
    target: FileHandle,
    length: number,
    options: { offset?: number | null; targetOffset?: number | null } = {},
  ): Promise<number> {
    const from = { fd: this.fd, offset: options.offset ?? null };
    const to = { fd: target.fd, offset: options.targetOffset ?? null };
    return (await this.#call('copyFileRange', [from, to, length], 'copy_file_range')) as number;
  }

  async seek(offset: number, whence: number = SEEK_SET): Promise<number> {
    return (await this.#call('seek', [this.fd, offset, whence], 'lseek')) as number;
  }

  async allocate(offset: number, length: number, mode = 0): Promise<void> {
    await this.#call('fallocate', [this.fd, mode, offset, length], 'fallocate');
  }

  async link(path: string): Promise<void> {
    await this.#call('flink', [this.fd, path], 'link', { dest: path });
  }

  async flock(
    mode: 'shared' | 'exclusive' | 'unlock',
    options: { wait?: boolean; signal?: AbortSignal } = {},
  ): Promise<void> {
    const operation = FLOCK_OPERATIONS[mode] | (options.wait === false ? LOCK_NB : 0);
    await this.#call('flock', [this.fd, operation], 'flock', { signal: options.signal });
  }

  async lock(
    type: 'read' | 'write' | 'unlock',
    options: { start?: number; length?: number; wait?: boolean; signal?: AbortSignal } = {},
  ): Promise<void> {
    const how = { waits: options.wait !== false };
    const details = { signal: options.signal };
    await this.#call('lock', [this.fd, rangeOf(type, options), how], 'fcntl', details);
  }

  async findLock(
    type: 'read' | 'write',
    options: { start?: number; length?: number } = {},
  ): Promise<FileLock | null> {
    const range = rangeOf(type, options);
    const found = (await this.#call('findLock', [this.fd, range], 'fcntl')) as Flock | null;
    if (found === null) return null;
    const { start, length, pid } = found;
    return { type: found.type === F_WRLCK ? 'write' : 'read', start, length, pid };
  }

  async setxattr(
    name: string,
    value: Data,
    options: { flag?: 'create' | 'replace' } = {},
  ): Promise<void> {
    const args = [this.fd, name, bytesOf(value), xattrOptions(options)];
    await this.#call('fsetxattr', args, 'fsetxattr');
  }

  async getxattr(name: string): Promise<Uint8Array> {
    return (await this.#call('fgetxattr', [this.fd, name], 'fgetxattr')) as Uint8Array;
  }

  async listxattr(): Promise<string[]> {
    return (await this.#call('flistxattr', [this.fd], 'flistxattr')) as string[];
  }

  async removexattr(name: string): Promise<void> {
    await this.#call('fremovexattr', [this.fd, name], 'fremovexattr');
  }

  async close(): Promise<void> {
    await this.#call('close', [this.fd], 'close');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
