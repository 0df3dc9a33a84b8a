// Layouts of WASI preview1 records in guest memory, and what their fields mean in Linux terms.
// WASI: preview1 witx, typenames $filestat, $fdstat, $dirent.

import { wasi } from '@bjorn3/browser_wasi_shim';
import { O_APPEND, O_DSYNC, O_NONBLOCK, O_SYNC } from '../abi/fcntl.ts';
import {
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
  type Stat,
} from '../abi/stat.ts';
import { type Timespec, timespecToNs } from '../lib/clock.ts';
import { encodeUtf8 } from '../lib/text.ts';
import type { DirentRecord } from '../syscalls/table.ts';
import type { GuestMemory } from './guest-memory.ts';
import type { Rights } from './descriptors.ts';

export const FILESTAT_SIZE = 64;
export const FDSTAT_SIZE = 24;
export const DIRENT_HEADER = 24;

const FILETYPES: Readonly<Record<number, number>> = {
  [S_IFREG]: wasi.FILETYPE_REGULAR_FILE,
  [S_IFDIR]: wasi.FILETYPE_DIRECTORY,
  [S_IFLNK]: wasi.FILETYPE_SYMBOLIC_LINK,
  [S_IFCHR]: wasi.FILETYPE_CHARACTER_DEVICE,
  [S_IFBLK]: wasi.FILETYPE_BLOCK_DEVICE,
  [S_IFSOCK]: wasi.FILETYPE_SOCKET_STREAM,
  // WASI has no type for pipes. Linux programs ask whether it's a terminal: this says no.
  [S_IFIFO]: wasi.FILETYPE_UNKNOWN,
};

function filetypeOf(mode: number): number {
  return FILETYPES[mode & S_IFMT] ?? wasi.FILETYPE_UNKNOWN;
}

/** The last timestamp, in the year 2554. */
const TIMESTAMP_MAX = (1n << 64n) - 1n;

/** WASI times are unsigned, in 64 bits of nanoseconds: what lies before or after is cut to that. */
function toTimestamp(time: Timespec): bigint {
  if (time.sec < 0) return 0n;
  const timestamp = timespecToNs(time);
  return timestamp > TIMESTAMP_MAX ? TIMESTAMP_MAX : timestamp;
}

export function storeFilestat(memory: GuestMemory, at: number, stat: Stat): void {
  memory.setSize(at, stat.dev);
  memory.setSize(at + 8, stat.ino);
  memory.setU64(at + 16, BigInt(filetypeOf(stat.mode)));
  memory.setSize(at + 24, stat.nlink);
  memory.setSize(at + 32, stat.size);
  memory.setU64(at + 40, toTimestamp(stat.atime));
  memory.setU64(at + 48, toTimestamp(stat.mtime));
  memory.setU64(at + 56, toTimestamp(stat.ctime));
}

export function storeFdstat(
  memory: GuestMemory,
  at: number,
  fdstat: { readonly mode: number; readonly statusFlags: number; readonly rights: Rights },
): void {
  memory.setU64(at, BigInt(filetypeOf(fdstat.mode)));
  memory.setU16(at + 2, toFdflags(fdstat.statusFlags));
  memory.setU64(at + 8, fdstat.rights.base);
  memory.setU64(at + 16, fdstat.rights.inheriting);
}

function toFdflags(statusFlags: number): number {
  let flags = 0;
  if ((statusFlags & O_APPEND) !== 0) flags |= wasi.FDFLAGS_APPEND;
  if ((statusFlags & O_NONBLOCK) !== 0) flags |= wasi.FDFLAGS_NONBLOCK;
  if ((statusFlags & O_SYNC) === O_SYNC) flags |= wasi.FDFLAGS_SYNC;
  else if ((statusFlags & O_DSYNC) !== 0) flags |= wasi.FDFLAGS_DSYNC;
  return flags;
}

export function fromFdflags(fdflags: number): number {
  let flags = 0;
  if ((fdflags & wasi.FDFLAGS_APPEND) !== 0) flags |= O_APPEND;
  if ((fdflags & wasi.FDFLAGS_NONBLOCK) !== 0) flags |= O_NONBLOCK;
  if ((fdflags & wasi.FDFLAGS_DSYNC) !== 0) flags |= O_DSYNC;
  if ((fdflags & (wasi.FDFLAGS_SYNC | wasi.FDFLAGS_RSYNC)) !== 0) flags |= O_SYNC;
  return flags;
}

/**
 * Stores an entry into `buffer` from `used` on, cut where the buffer ends (preview1 says so).
 * Returns the number of bytes used then.
 */
export function storeDirent(buffer: Uint8Array, used: number, entry: DirentRecord): number {
  const name = encodeUtf8(entry.name);
  const record = new Uint8Array(DIRENT_HEADER + name.length);
  const view = new DataView(record.buffer);
  view.setBigUint64(0, BigInt(entry.cookie), true);
  view.setBigUint64(8, BigInt(entry.ino), true);
  view.setUint32(16, name.length, true);
  view.setUint8(20, filetypeOf(entry.type << 12));
  record.set(name, DIRENT_HEADER);
  const count = Math.min(record.length, buffer.length - used);
  buffer.set(record.subarray(0, count), used);
  return used + count;
}
