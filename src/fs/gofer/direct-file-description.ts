// DirectFileDescription: an open regular file whose data is at the server only, since others may
// change it: each read and write goes there. Mirrors gVisor
// pkg/sentry/fsimpl/gofer/regular_file.go (InteropModeShared).

import { linuxerr } from '../../abi/errno.ts';
import { FALLOC_FL_KEEP_SIZE, O_APPEND, O_DSYNC } from '../../abi/fcntl.ts';
import { IN_ATTRIB } from '../../abi/inotify.ts';
import { FILE_SIZE_MAX, RW_COUNT_MAX } from '../../abi/limits.ts';
import type { Credentials } from '../../auth/credentials.ts';
import type { Op } from '../../lib/op.ts';
import { withoutSetIds } from '../../vfs/permissions.ts';
import type { LocalTree } from '../shared/local-tree.ts';
import { OffsetDescription, type Written } from '../shared/offset-description.ts';
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

export class DirectFileDescription extends OffsetDescription {
  readonly #files: DirectFiles;
  readonly #own: GoferInode;
  readonly #creds: Credentials;

  constructor(fs: LocalTree & DirectFiles, options: RegularFileOptions) {
    super(fs, options);
    this.#files = fs;
    this.#own = options.inode as GoferInode;
    this.#creds = options.creds;
  }

  /** The server is asked each time. */
  protected override readNow(): number {
    return -1;
  }

  protected override *readWaiting(buffer: Uint8Array, offset: number): Op<number> {
    this.checkLocksHeld();
    const wanted = Math.min(buffer.length, RW_COUNT_MAX, FILE_SIZE_MAX - offset);
    if (wanted <= 0) return 0;
    const bytes = yield* this.#files.readBytes(this.#own, offset, wanted);
    buffer.set(bytes);
    return bytes.length;
  }

  protected override *writeAt(bytes: Uint8Array, at: number): Op<Written> {
    this.checkLocksHeld();
    if (bytes.length === 0) return { count: 0, offset: at };
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
      return { count: written, offset: offset + written };
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
    this.checkLocksHeld();
    const to = offset + length;
    if (to > FILE_SIZE_MAX) throw linuxerr.EFBIG;
    this.fs.checkWritable();
    yield* this.#files.allocateBytes(this.#own, mode, offset, length);
    const grows = (mode & FALLOC_FL_KEEP_SIZE) === 0 && to > this.#own.size;
    if (grows) this.#own.size = to;
    this.#dropSetIds();
  }

  /** The server's holes are not known here: everything is data, up to the end. */
  protected override *findData(from: number): Op<number> {
    return from;
  }

  protected override *findHole(): Op<number> {
    return this.#own.size;
  }

  *#refresh(): Op<void> {
    const refreshed = this.#files.refreshed(this.#own);
    if (refreshed !== undefined) yield* refreshed;
  }
}
