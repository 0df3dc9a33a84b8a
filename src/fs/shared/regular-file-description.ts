// RegularFileDescription: an open regular file of a local filesystem.
// Mirrors gVisor pkg/sentry/fsimpl/tmpfs/regular_file.go (regularFileFD); Linux: mm/filemap.c,
// fs/read_write.c.
//
// Locks, outer first: the description's offset (POSIX 2.9.7: reads and writes through one
// description don't interleave), the inode's dataMutex. Both are taken without waiting as long as
// nobody waits inside.

import { LinuxError, linuxerr } from '../../abi/errno.ts';
import { O_APPEND, O_DSYNC } from '../../abi/fcntl.ts';
import { IN_ATTRIB } from '../../abi/inotify.ts';
import { FILE_SIZE_MAX, RW_COUNT_MAX } from '../../abi/limits.ts';
import { O_SYNC } from '../../abi/fcntl.ts';
import type { Credentials } from '../../auth/credentials.ts';
import { assertDefined } from '../../lib/assert.ts';
import type { Op } from '../../lib/op.ts';
import type { VirtualDentry } from '../../vfs/dentry.ts';
import { withoutSetIds } from '../../vfs/permissions.ts';
import { allocateRange, loadRange, nextData } from './fallocate.ts';
import { BLOCK_SIZE, type FileData, type Need } from './file-data.ts';
import type { Inode } from './inode.ts';
import type { LocalTree } from './local-tree.ts';
import { OffsetDescription, type Written } from './offset-description.ts';
import { dropCapability } from './xattrs.ts';

/**
 * A read or write of more than this is done piece by piece, so that it needs no more memory than a
 * piece.
 */
const PIECE_SIZE = 1 << 20;

export interface RegularFileOptions {
  readonly vd: VirtualDentry;
  readonly inode: Inode;
  readonly flags: number;
  readonly creds: Credentials;
}

export class RegularFileDescription extends OffsetDescription {
  readonly #data: FileData;
  readonly #creds: Credentials;

  constructor(fs: LocalTree, options: RegularFileOptions) {
    super(fs, options);
    this.#data = assertDefined(options.inode.data);
    this.#creds = options.creds;
  }

  // Reading.

  /** Reads what is in memory; -1 if something has to be loaded first. */
  protected override readNow(buffer: Uint8Array, offset: number): number {
    const inode = this.inode;
    const count = Math.min(buffer.length, inode.size - offset);
    if (count <= 0) {
      if (buffer.length > 0) this.accessed();
      return 0;
    }
    if (this.#data.firstMissing(offset, offset + count) < 0) {
      this.#data.read(buffer, offset, count);
    } else if (!this.fs.stored.readPastCache(inode, buffer.subarray(0, count), offset)) return -1;
    this.accessed();
    return count;
  }

  protected override *readWaiting(buffer: Uint8Array, offset: number): Op<number> {
    const wanted = Math.min(buffer.length, RW_COUNT_MAX);
    let done = 0;
    while (done < wanted) {
      const from = offset + done;
      const to = Math.min(offset + wanted, from + PIECE_SIZE);
      const end = yield* this.#load({ from, to, isOverwritten: false });
      // The size may have changed meanwhile.
      const count = Math.min(end, this.inode.size) - from;
      if (count <= 0) break;
      this.#data.read(buffer.subarray(done, done + count), from, count);
      done += count;
    }
    this.accessed();
    return done;
  }

  // Writing.

  /** O_APPEND is decided here, under the lock. */
  protected override *writeAt(bytes: Uint8Array, at: number): Op<Written> {
    if (bytes.length === 0) return { count: 0, offset: at };
    const { dataMutex } = this.inode;
    if (!dataMutex.tryLock()) yield* dataMutex.lock();
    let offset = at;
    let count = 0;
    try {
      if (this.inode.hasXattrs) yield* dropCapability(this.fs, this.inode);
      if ((this.statusFlags & O_APPEND) !== 0) offset = this.inode.size;
      if (offset >= FILE_SIZE_MAX) throw linuxerr.EFBIG;
      const wanted = Math.min(bytes.length, FILE_SIZE_MAX - offset, RW_COUNT_MAX);
      while (count < wanted) {
        const from = offset + count;
        const to = Math.min(offset + wanted, from + PIECE_SIZE);
        if (this.fs.mustThrottle(to - from)) yield* this.fs.throttle(to - from);
        const isHere = this.#data.firstMissing(from, to, true) < 0;
        const end = isHere ? to : yield* this.#load({ from, to, isOverwritten: true });
        const piece = bytes.subarray(count, end - offset);
        const written = this.#writePiece(piece, from);
        count += written;
        if (written < piece.length) break;
      }
    } catch (error) {
      // What was written before counts. Linux: generic_perform_write().
      if (count === 0 || !(error instanceof LinuxError)) throw error;
    } finally {
      dataMutex.unlock();
    }
    if (count === 0) throw linuxerr.ENOSPC;
    if ((this.statusFlags & O_DSYNC) !== 0) {
      const dataOnly = (this.statusFlags & O_SYNC) !== O_SYNC;
      yield* this.syncImpl({ dataOnly });
    }
    return { count, offset: offset + count };
  }

  /** Writes what is in memory. Returns less than all if there is no space for it. */
  #writePiece(piece: Uint8Array, offset: number): number {
    const data = this.#data;
    const needed = data.countTaken(offset, offset + piece.length);
    let length = piece.length;
    const granted = needed === 0 ? 0 : this.fs.reserveBlocks(needed);
    if (granted < needed) length = this.#fitting(offset, length, granted);
    if (length === 0) {
      this.fs.releaseBlocks(granted);
      return 0;
    }
    const before = data.blockCount;
    data.write(length === piece.length ? piece : piece.subarray(0, length), offset);
    this.fs.releaseBlocks(granted - (data.blockCount - before));
    this.changed(offset + length);
    return length;
  }

  /**
   * How much of [offset, offset + length) can be written if that may take only `blocks` more
   * blocks.
   */
  #fitting(offset: number, length: number, blocks: number): number {
    let end = offset;
    let left = blocks;
    while (end < offset + length) {
      if (this.#data.takesBlock(end) && left-- === 0) break;
      end = (Math.floor(end / BLOCK_SIZE) + 1) * BLOCK_SIZE;
    }
    return Math.min(end, offset + length) - offset;
  }

  /** The data up to `end` was written: size, times and set-id bits follow. */
  protected changed(end: number): void {
    const inode = this.inode;
    if (end > inode.size) inode.size = end;
    inode.mtime = inode.ctime = this.fs.clock.now();
    const mode = this.#creds.isPrivileged ? inode.mode : withoutSetIds(this.#creds, inode);
    // Linux: file_remove_privs(), a change of its own.
    if (mode !== inode.mode) this.notifyInode(IN_ATTRIB);
    inode.mode = mode;
    this.fs.inodeChanged(inode);
  }

  protected override *allocateImpl(mode: number, offset: number, length: number): Op<void> {
    const to = offset + length;
    if (to > FILE_SIZE_MAX) throw linuxerr.EFBIG;
    this.fs.checkWritable();
    const { dataMutex } = this.inode;
    if (!dataMutex.tryLock()) yield* dataMutex.lock();
    try {
      const size = yield* allocateRange(this.fs, this.inode, mode, { from: offset, to });
      this.changed(size ?? this.inode.size);
    } finally {
      dataMutex.unlock();
    }
  }

  #load(need: Need): Op<number> {
    return loadRange(this.fs, this.inode, need);
  }

  // Seeking.

  protected override *findData(from: number): Op<number> {
    const found = yield* nextData(this.fs, this.inode, from);
    if (found >= this.inode.size) throw linuxerr.ENXIO;
    return Math.max(from, found);
  }

  protected override *findHole(from: number): Op<number> {
    const start = Math.floor(from / BLOCK_SIZE) * BLOCK_SIZE;
    for (let position = start; position < this.inode.size; position += BLOCK_SIZE) {
      yield* this.#load({ from: position, to: position + BLOCK_SIZE, isOverwritten: true });
      if (!this.#data.isWritten(position)) return Math.max(from, position);
    }
    return this.inode.size;
  }
}
