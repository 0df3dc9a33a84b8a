// Linux's structures in a program's memory, as burrow.h declares them: x86-64's layouts, which are
// the same wherever a long is not involved. Linux: include/uapi/linux.

import { linuxerr } from '../abi/errno.ts';
import type { Stat, Statfs, Statx } from '../abi/stat.ts';
import { devMajor, devMinor, STATX_BASIC_STATS, STATX_BTIME } from '../abi/stat.ts';
import type { Timespec } from '../lib/clock.ts';
import { encodeUtf8 } from '../lib/text.ts';
import type { DirentRecord, Flock, PollFd } from '../syscalls/table.ts';
import { offsetOf } from './context.ts';
import type { GuestMemory } from './guest-memory.ts';

const STATX_SIZE = 256;
const STATFS_SIZE = 72;
const FLOCK_SIZE = 32;
/** struct pollfd: fd, then events and revents, two bytes each. */
export const POLLFD_SIZE = 8;
const POLLFDS_MAX = 8192;
const DIRENT64_HEADER = 19;

/** struct statx. */
export function storeStatx(
  memory: GuestMemory,
  at: number,
  stat: Stat & Partial<Pick<Statx, 'mask' | 'mountId'>>,
): void {
  memory.bytesAt(at, STATX_SIZE).fill(0);
  memory.setU32(at, stat.mask ?? STATX_BASIC_STATS | STATX_BTIME);
  memory.setU32(at + 4, stat.blksize);
  memory.setU32(at + 16, stat.nlink);
  memory.setU32(at + 20, stat.uid);
  memory.setU32(at + 24, stat.gid);
  memory.setU16(at + 28, stat.mode);
  memory.setSize(at + 32, stat.ino);
  memory.setSize(at + 40, stat.size);
  memory.setSize(at + 48, stat.blocks);
  storeTime(memory, at + 64, stat.atime);
  storeTime(memory, at + 80, stat.btime);
  storeTime(memory, at + 96, stat.ctime);
  storeTime(memory, at + 112, stat.mtime);
  memory.setU32(at + 128, devMajor(stat.rdev));
  memory.setU32(at + 132, devMinor(stat.rdev));
  memory.setU32(at + 136, devMajor(stat.dev));
  memory.setU32(at + 140, devMinor(stat.dev));
  memory.setSize(at + 144, stat.mountId ?? 0);
}

/** struct statx_timestamp. */
function storeTime(memory: GuestMemory, at: number, { sec, nsec }: Timespec): void {
  memory.setU64(at, BigInt.asUintN(64, BigInt(sec)));
  memory.setU32(at + 8, nsec);
}

/** struct burrow_statfs: the fields of struct statfs, each 64 bits wide. */
export function storeStatfs(memory: GuestMemory, at: number, statfs: Statfs): void {
  memory.checkWritable(at, STATFS_SIZE);
  const { type, bsize, blocks, bfree, bavail, files, ffree, namelen, flags } = statfs;
  const values = [type, bsize, blocks, bfree, bavail, files, ffree, namelen, flags];
  for (const [index, value] of values.entries()) memory.setSize(at + index * 8, value);
}

/** struct flock: type and whence (i16), start and length (i64), pid (i32). */
export function readFlock(memory: GuestMemory, at: number): Flock {
  memory.checkReadable(at, FLOCK_SIZE);
  return {
    type: memory.u16(at),
    whence: memory.u16(at + 2),
    start: offsetOf(memory.u64(at + 8)),
    length: offsetOf(memory.u64(at + 16)),
    pid: memory.u32(at + 24) | 0,
  };
}

export function storeFlock(memory: GuestMemory, at: number, lock: Flock): void {
  memory.setU16(at, lock.type);
  memory.setU16(at + 2, lock.whence);
  memory.setU64(at + 8, BigInt.asUintN(64, BigInt(lock.start)));
  memory.setU64(at + 16, BigInt.asUintN(64, BigInt(lock.length)));
  memory.setU32(at + 24, lock.pid);
}

/** Errors: EINVAL for more than POLLFDS_MAX. */
export function readPollfds(memory: GuestMemory, at: number, count: number): PollFd[] {
  if (count >>> 0 > POLLFDS_MAX) throw linuxerr.EINVAL;
  memory.checkWritable(at, count * POLLFD_SIZE);
  return Array.from({ length: count }, (_, index) => ({
    fd: memory.u32(at + index * POLLFD_SIZE) | 0,
    events: memory.u16(at + index * POLLFD_SIZE + 4),
  }));
}

/** struct linux_dirent64 each. The call has seen to it that they fit. Returns their size. */
export function storeDirents(
  memory: GuestMemory,
  at: number,
  entries: readonly DirentRecord[],
): number {
  let size = 0;
  for (const { ino, cookie, type, name } of entries) {
    const bytes = encodeUtf8(name);
    const length = Math.ceil((DIRENT64_HEADER + bytes.length + 1) / 8) * 8;
    const record = memory.bytesAt(at + size, length);
    record.fill(0);
    memory.setSize(at + size, ino);
    memory.setSize(at + size + 8, cookie);
    memory.setU16(at + size + 16, length);
    memory.setU8(at + size + 18, type);
    record.set(bytes, DIRENT64_HEADER);
    size += length;
  }
  return size;
}
