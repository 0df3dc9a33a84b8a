// The codec of the channel between a process worker and the kernel: requests and responses as
// bytes. Derived from the table of system calls. Numbers are little-endian; an int is 4 bytes, an
// offset is a double.
//
// request   = call number, then each argument: int | offset | text (length, UTF-8) | timespec
// (double, int) |
//             bytes (length, bytes) | buffer (length) | pollfds (count, then fd and events of each)
//             | flock (type, whence, start, length, pid)
// response  = errno (0 for success), then the result; a buffer's contents follow at BUFFER_AT,
// where the kernel puts
//             them itself, without a copy.

import type { LinuxError } from '../abi/errno.ts';
import { errorFromErrno } from '../abi/errno.ts';
import type { Stat, Statfs, Statx } from '../abi/stat.ts';
import { assert } from '../lib/assert.ts';
import { decodeUtf8, encodeUtf8 } from '../lib/text.ts';
import {
  type ArgumentKind,
  type DirentRecord,
  type Flock,
  type PollFd,
  type ResultKind,
  SYSCALLS,
  type SyscallName,
} from './table.ts';

/** Where the kernel puts what a call with a buffer reads. */
const BUFFER_AT = 16;

export const SYSCALL_NAMES = Object.keys(SYSCALLS) as readonly SyscallName[];
const NUMBERS = new Map(SYSCALL_NAMES.map((name, index) => [name, index]));

const STAT_NUMBERS = [
  'dev',
  'ino',
  'mode',
  'nlink',
  'uid',
  'gid',
  'rdev',
  'size',
  'blksize',
  'blocks',
] as const satisfies readonly (keyof Stat)[];
const STAT_TIMES = ['atime', 'mtime', 'ctime', 'btime'] as const satisfies readonly (keyof Stat)[];
const STATFS_NUMBERS = [
  'type',
  'bsize',
  'blocks',
  'bfree',
  'bavail',
  'files',
  'ffree',
  'namelen',
  'flags',
] as const satisfies readonly (keyof Statfs)[];

/** Memory that both sides see. Its length may grow: `reserve` makes sure of a size. */
export interface Frame {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Errors: ENOMEM if the channel can't get that large. */
  reserve(size: number): void;
}

/** Reads or writes one value after another. */
class Cursor {
  readonly frame: Frame;
  position: number;

  constructor(frame: Frame, position = 0) {
    this.frame = frame;
    this.position = position;
  }

  #advance(size: number): number {
    const at = this.position;
    this.position += size;
    return at;
  }

  int(): number {
    return this.frame.view.getInt32(this.#advance(4), true);
  }

  offset(): number {
    return this.frame.view.getFloat64(this.#advance(8), true);
  }

  bytes(): Uint8Array {
    const length = this.int();
    const at = this.#advance(length);
    return this.frame.bytes.subarray(at, at + length);
  }

  text(): string {
    return decodeUtf8(this.bytes());
  }

  putInt(value: number): void {
    this.frame.reserve(this.position + 4);
    this.frame.view.setInt32(this.#advance(4), value, true);
  }

  putOffset(value: number): void {
    this.frame.reserve(this.position + 8);
    this.frame.view.setFloat64(this.#advance(8), value, true);
  }

  putBytes(bytes: Uint8Array): void {
    this.putInt(bytes.length);
    this.frame.reserve(this.position + bytes.length);
    this.frame.bytes.set(bytes, this.#advance(bytes.length));
  }

  putText(text: string): void {
    this.putBytes(encodeUtf8(text));
  }

  flock(): Flock {
    return {
      type: this.int(),
      whence: this.int(),
      start: this.offset(),
      length: this.offset(),
      pid: this.int(),
    };
  }

  putFlock({ type, whence, start, length, pid }: Flock): void {
    this.putInt(type);
    this.putInt(whence);
    this.putOffset(start);
    this.putOffset(length);
    this.putInt(pid);
  }
}

export function encodeRequest(frame: Frame, name: SyscallName, args: readonly unknown[]): void {
  const cursor = new Cursor(frame);
  cursor.putInt(NUMBERS.get(name) ?? -1);
  const kinds: readonly ArgumentKind[] = SYSCALLS[name].args;
  for (const [index, kind] of kinds.entries()) putArgument(cursor, kind, args[index]);
}

function putArgument(cursor: Cursor, kind: ArgumentKind, value: unknown): void {
  switch (kind) {
    case 'int':
      cursor.putInt(value as number);
      return;
    case 'offset':
      cursor.putOffset(value as number);
      return;
    case 'text':
      cursor.putText(value as string);
      return;
    case 'timespec': {
      const { sec, nsec } = value as { sec: number; nsec: number };
      cursor.putOffset(sec);
      cursor.putInt(nsec);
      return;
    }
    case 'bytes':
      cursor.putBytes(value as Uint8Array);
      return;
    case 'buffer': {
      const { length } = value as Uint8Array;
      cursor.putInt(length);
      cursor.frame.reserve(BUFFER_AT + length);
      return;
    }
    case 'pollfds': {
      const descriptors = value as readonly PollFd[];
      cursor.putInt(descriptors.length);
      for (const { fd, events } of descriptors) {
        cursor.putInt(fd);
        cursor.putInt(events);
      }
      return;
    }
    case 'flock':
      cursor.putFlock(value as Flock);
  }
}

/** The call a request asks for. Bytes and buffers are windows onto the frame. */
export function decodeRequest(frame: Frame): { name: SyscallName; args: unknown[] } {
  const cursor = new Cursor(frame);
  const name = SYSCALL_NAMES[cursor.int()];
  assert(name !== undefined, 'unknown system call number');
  const kinds: readonly ArgumentKind[] = SYSCALLS[name].args;
  return { name, args: kinds.map((kind) => takeArgument(cursor, kind)) };
}

function takeArgument(cursor: Cursor, kind: ArgumentKind): unknown {
  switch (kind) {
    case 'int':
      return cursor.int();
    case 'offset':
      return cursor.offset();
    case 'text':
      return cursor.text();
    case 'timespec':
      return { sec: cursor.offset(), nsec: cursor.int() };
    case 'bytes':
      return cursor.bytes();
    case 'buffer': {
      const length = cursor.int();
      return cursor.frame.bytes.subarray(BUFFER_AT, BUFFER_AT + length);
    }
    case 'pollfds':
      return Array.from({ length: cursor.int() }, () => ({
        fd: cursor.int(),
        events: cursor.int(),
      }));
    case 'flock':
      return cursor.flock();
  }
}

export function encodeFailure(frame: Frame, error: LinuxError): void {
  frame.view.setInt32(0, error.errno, true);
}

export function encodeSuccess(frame: Frame, name: SyscallName, result: unknown): void {
  const cursor = new Cursor(frame);
  cursor.putInt(0);
  putResult(cursor, SYSCALLS[name].result, result);
}

function putResult(cursor: Cursor, kind: ResultKind, result: unknown): void {
  switch (kind) {
    case 'void':
      return;
    case 'int':
      cursor.putInt(result as number);
      return;
    case 'offset':
      cursor.putOffset(result as number);
      return;
    case 'text':
      cursor.putText(result as string);
      return;
    case 'stat':
      putStat(cursor, result as Stat);
      return;
    case 'statx':
      putStat(cursor, result as Stat);
      cursor.putOffset((result as Statx).mask);
      cursor.putOffset((result as Statx).mountId);
      return;
    case 'statfs':
      for (const field of STATFS_NUMBERS) cursor.putOffset((result as Statfs)[field]);
      return;
    case 'dirents':
      putDirents(cursor, result as DirentRecord[]);
      return;
    case 'ints':
      cursor.putInt((result as number[]).length);
      for (const value of result as number[]) cursor.putInt(value);
      return;
    case 'flock':
      cursor.putFlock(result as Flock);
  }
}

function putStat(cursor: Cursor, stat: Stat): void {
  for (const field of STAT_NUMBERS) cursor.putOffset(stat[field]);
  for (const field of STAT_TIMES) {
    cursor.putOffset(stat[field].sec);
    cursor.putInt(stat[field].nsec);
  }
}

function takeStat(cursor: Cursor): Record<string, unknown> {
  const stat: Record<string, unknown> = {};
  for (const field of STAT_NUMBERS) stat[field] = cursor.offset();
  for (const field of STAT_TIMES) stat[field] = { sec: cursor.offset(), nsec: cursor.int() };
  return stat;
}

function putDirents(cursor: Cursor, entries: readonly DirentRecord[]): void {
  cursor.putInt(entries.length);
  for (const { ino, cookie, type, name } of entries) {
    cursor.putOffset(ino);
    cursor.putOffset(cookie);
    cursor.putInt(type);
    cursor.putText(name);
  }
}

/**
 * The result of a call. `args` are those of the request: a buffer among them is filled. Errors: the
 * call's.
 */
export function decodeResponse(frame: Frame, name: SyscallName, args: readonly unknown[]): unknown {
  const cursor = new Cursor(frame);
  const errno = cursor.int();
  if (errno !== 0) throw errorFromErrno(errno);
  const result = takeResult(cursor, SYSCALLS[name].result);
  const bufferIndex = (SYSCALLS[name].args as readonly ArgumentKind[]).indexOf('buffer');
  if (bufferIndex >= 0) {
    const buffer = args[bufferIndex] as Uint8Array;
    // A call asked only for a size answers with more than there is room for.
    const count = Math.min(result as number, buffer.length);
    buffer.set(frame.bytes.subarray(BUFFER_AT, BUFFER_AT + count));
  }
  return result;
}

function takeResult(cursor: Cursor, kind: ResultKind): unknown {
  switch (kind) {
    case 'void':
      return undefined;
    case 'int':
      return cursor.int();
    case 'offset':
      return cursor.offset();
    case 'text':
      return cursor.text();
    case 'stat':
      return takeStat(cursor);
    case 'statx':
      return { ...takeStat(cursor), mask: cursor.offset(), mountId: cursor.offset() };
    case 'statfs':
      return Object.fromEntries(STATFS_NUMBERS.map((field) => [field, cursor.offset()]));
    case 'dirents':
      return Array.from({ length: cursor.int() }, () => ({
        ino: cursor.offset(),
        cookie: cursor.offset(),
        type: cursor.int(),
        name: cursor.text(),
      }));
    case 'ints':
      return Array.from({ length: cursor.int() }, () => cursor.int());
    case 'flock':
      return cursor.flock();
  }
}
