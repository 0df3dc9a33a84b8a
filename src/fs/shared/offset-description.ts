// OffsetDescription: an open regular file as far as its offset goes, wherever the data is. Reads
// and writes through one description don't interleave (POSIX 2.9.7). The lock is taken without
// waiting as long as nobody waits inside. Linux: fs/read_write.c.

import { linuxerr } from '../../abi/errno.ts';
import { SEEK_CUR, SEEK_DATA, SEEK_END, SEEK_HOLE, SEEK_SET } from '../../abi/fcntl.ts';
import { FILE_SIZE_MAX } from '../../abi/limits.ts';
import type { Credentials } from '../../auth/credentials.ts';
import { Mutex, type Op } from '../../lib/op.ts';
import type { SetStat } from '../../vfs/options.ts';
import { LOCK_RANK } from './inode.ts';
import { LocalFileDescription } from './local-file-description.ts';

/** How much was written, and the offset behind it. */
export interface Written {
  readonly count: number;
  readonly offset: number;
}

export abstract class OffsetDescription extends LocalFileDescription {
  readonly #offsetMutex = new Mutex(LOCK_RANK.offset);
  #offset = 0;

  /** Reads without waiting; -1 if that can't be. */
  protected abstract readNow(buffer: Uint8Array, offset: number): number;
  protected abstract readWaiting(buffer: Uint8Array, offset: number): Op<number>;
  /** O_APPEND is decided there. */
  protected abstract writeAt(bytes: Uint8Array, offset: number): Op<Written>;
  /** Of an offset before the end. Errors: ENXIO if only a hole follows. */
  protected abstract findData(from: number): Op<number>;
  protected abstract findHole(from: number): Op<number>;

  protected override setStatImpl(change: SetStat, creds: Credentials): Op<number> {
    if (change.size !== undefined && !this.isWritable) throw linuxerr.EINVAL;
    return super.setStatImpl(change, creds);
  }

  /** Negative behind the end, as on Linux. */
  override *readableBytes(): Op<number> {
    return (yield* this.#currentSize()) - this.#offset;
  }

  *#currentSize(): Op<number> {
    const refreshed = this.fs.refreshed(this.inode);
    if (refreshed !== undefined) yield* refreshed;
    return this.inode.size;
  }

  protected override *readImpl(buffer: Uint8Array): Op<number> {
    if (!this.#offsetMutex.tryLock()) yield* this.#offsetMutex.lock();
    try {
      let count = this.readNow(buffer, this.#offset);
      if (count < 0) count = yield* this.readWaiting(buffer, this.#offset);
      this.#offset += count;
      return count;
    } finally {
      this.#offsetMutex.unlock();
    }
  }

  protected override *preadImpl(buffer: Uint8Array, offset: number): Op<number> {
    const count = this.readNow(buffer, offset);
    return count >= 0 ? count : yield* this.readWaiting(buffer, offset);
  }

  protected override *writeImpl(bytes: Uint8Array): Op<number> {
    if (!this.#offsetMutex.tryLock()) yield* this.#offsetMutex.lock();
    try {
      const end = yield* this.writeAt(bytes, this.#offset);
      const count = end.count;
      if (count > 0) this.#offset = end.offset;
      return count;
    } finally {
      this.#offsetMutex.unlock();
    }
  }

  protected override *pwriteImpl(bytes: Uint8Array, offset: number): Op<number> {
    return (yield* this.writeAt(bytes, offset)).count;
  }

  protected override *seekImpl(offset: number, whence: number): Op<number> {
    if (!this.#offsetMutex.tryLock()) yield* this.#offsetMutex.lock();
    try {
      const target = yield* this.#seekTarget(offset, whence);
      if (target < 0 || target > FILE_SIZE_MAX) throw linuxerr.EINVAL;
      this.#offset = target;
      return target;
    } finally {
      this.#offsetMutex.unlock();
    }
  }

  *#seekTarget(offset: number, whence: number): Op<number> {
    if (whence === SEEK_SET) return offset;
    if (whence === SEEK_CUR) return this.#offset + offset;
    const size = yield* this.#currentSize();
    switch (whence) {
      case SEEK_END:
        return size + offset;
      case SEEK_DATA:
      case SEEK_HOLE:
        if (offset < 0 || offset >= size) throw linuxerr.ENXIO;
        return whence === SEEK_DATA ? yield* this.findData(offset) : yield* this.findHole(offset);
      default:
        throw linuxerr.EINVAL;
    }
  }

  protected override syncImpl(options: { readonly dataOnly: boolean }): Op<void> {
    return this.syncFile(options);
  }
}
