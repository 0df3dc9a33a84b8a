// DirectFileDescription: an open regular file whose data is at the server only, since others may
// change it: each read and write goes there. Mirrors gVisor
// pkg/sentry/fsimpl/gofer/regular_file.go (InteropModeShared).

import { linuxerr } from '../../abi/errno.ts';
import {
  FALLOC_FL_KEEP_SIZE,
  O_APPEND,
  O_DSYNC,
  SEEK_CUR,
  SEEK_DATA,
  SEEK_END,
  SEEK_HOLE,
  SEEK_SET,
} from '../../abi/fcntl.ts';
import { IN_ATTRIB } from '../../abi/inotify.ts';
import { FILE_SIZE_MAX, RW_COUNT_MAX } from '../../abi/limits.ts';
import type { Credentials } from '../../auth/credentials.ts';
import { Mutex, type Op } from '../../lib/op.ts';
import type { SetStat } from '../../vfs/options.ts';
import { withoutSetIds } from '../../vfs/permissions.ts';
import { LOCK_RANK } from '../shared/inode.ts';
import { LocalFileDescription } from '../shared/local-file-description.ts';
import type { LocalTree } from '../shared/local-tree.ts';
import type { RegularFileOptions } from '../shared/regular-file-description.ts';
import type { GoferInode } from './gofer-inode.ts';

/** The filesystem, as such a file asks it. */
export interface DirectFiles {
  readBytes(inode: GoferInode, offset: number, length: number): Op<Uint8Array>;
  /** Returns how many were written. */
  writeBytes(inode: GoferInode, offset: number, bytes: Uint8Array): Op<number>;
  allocateBytes(inode: GoferInode, mode: number, offset: number, length: number): Op<void>;
  refreshed(inode: GoferInode): Op<void> | undefined;
}

export class DirectFileDescription extends LocalFileDescription {
  readonly #files: DirectFiles;
  readonly #own: GoferInode;
  readonly #creds: Credentials;
  readonly #offsetMutex = new Mutex(LOCK_RANK.offset);
  #offset = 0;

  constructor(fs: LocalTree & DirectFiles, options: RegularFileOptions) {
    super(fs, options);
    this.#files = fs;
    this.#own = options.inode as GoferInode;
    this.#creds = options.creds;
  }

  protected override setStatImpl(change: SetStat, creds: Credentials): Op<number> {
    if (change.size !== undefined && !this.isWritable) throw linuxerr.EINVAL;
    return super.setStatImpl(change, creds);
  }

  override *readableBytes(): Op<number> {
    yield* this.#refresh();
    return this.#own.size - this.#offset;
  }

  protected override *readImpl(buffer: Uint8Array): Op<number> {
    yield* this.#offsetMutex.lock();
    try {
      const count = yield* this.preadImpl(buffer, this.#offset);
      this.#offset += count;
      return count;
    } finally {
      this.#offsetMutex.unlock();
    }
  }

  protected override *preadImpl(buffer: Uint8Array, offset: number): Op<number> {
    const wanted = Math.min(buffer.length, RW_COUNT_MAX, FILE_SIZE_MAX - offset);
    if (wanted <= 0) return 0;
    const bytes = yield* this.#files.readBytes(this.#own, offset, wanted);
    buffer.set(bytes);
    return bytes.length;
  }

  protected override *writeImpl(bytes: Uint8Array): Op<number> {
    yield* this.#offsetMutex.lock();
    try {
      const { count, end } = yield* this.#write(bytes, this.#offset);
      if (count > 0) this.#offset = end;
      return count;
    } finally {
      this.#offsetMutex.unlock();
    }
  }

  protected override *pwriteImpl(bytes: Uint8Array, offset: number): Op<number> {
    return (yield* this.#write(bytes, offset)).count;
  }

  *#write(bytes: Uint8Array, at: number): Op<{ count: number; end: number }> {
    if (bytes.length === 0) return { count: 0, end: at };
    const { dataMutex } = this.#own;
    yield* dataMutex.lock();
    try {
      let offset = at;
      if ((this.statusFlags & O_APPEND) !== 0) {
        yield* this.#refresh();
        offset = this.#own.size;
      }
      if (offset >= FILE_SIZE_MAX) throw linuxerr.EFBIG;
      const wanted = Math.min(bytes.length, FILE_SIZE_MAX - offset, RW_COUNT_MAX);
      const written = yield* this.#files.writeBytes(this.#own, offset, bytes.subarray(0, wanted));
      if (written === 0) throw linuxerr.ENOSPC;
      this.#dropSetIds();
      if ((this.statusFlags & O_DSYNC) !== 0) yield* this.syncImpl({ dataOnly: false });
      return { count: written, end: offset + written };
    } finally {
      dataMutex.unlock();
    }
  }

  /** Linux: file_remove_privs(). */
  #dropSetIds(): void {
    const inode = this.#own;
    const mode = this.#creds.isPrivileged ? inode.mode : withoutSetIds(this.#creds, inode);
    if (mode === inode.mode) return;
    this.notifyInode(IN_ATTRIB);
    inode.mode = mode;
    this.fs.inodeChanged(inode);
  }

  protected override *allocateImpl(mode: number, offset: number, length: number): Op<void> {
    const to = offset + length;
    if (to > FILE_SIZE_MAX) throw linuxerr.EFBIG;
    this.fs.checkWritable();
    yield* this.#files.allocateBytes(this.#own, mode, offset, length);
    const grows = (mode & FALLOC_FL_KEEP_SIZE) === 0 && to > this.#own.size;
    if (grows) this.#own.size = to;
    this.#dropSetIds();
  }

  protected override *seekImpl(offset: number, whence: number): Op<number> {
    yield* this.#offsetMutex.lock();
    try {
      if (whence >= SEEK_END) yield* this.#refresh();
      const target = this.#seekTarget(offset, whence);
      if (target < 0 || target > FILE_SIZE_MAX) throw linuxerr.EINVAL;
      this.#offset = target;
      return target;
    } finally {
      this.#offsetMutex.unlock();
    }
  }

  /** The server's holes are not known here: everything is data, up to the end. */
  #seekTarget(offset: number, whence: number): number {
    const { size } = this.#own;
    switch (whence) {
      case SEEK_SET:
        return offset;
      case SEEK_CUR:
        return this.#offset + offset;
      case SEEK_END:
        return size + offset;
      case SEEK_DATA:
      case SEEK_HOLE:
        if (offset < 0 || offset >= size) throw linuxerr.ENXIO;
        return whence === SEEK_DATA ? offset : size;
      default:
        throw linuxerr.EINVAL;
    }
  }

  *#refresh(): Op<void> {
    const refreshed = this.#files.refreshed(this.#own);
    if (refreshed !== undefined) yield* refreshed;
  }

  protected override syncImpl(options: { readonly dataOnly: boolean }): Op<void> {
    return this.syncFile(options);
  }
}
