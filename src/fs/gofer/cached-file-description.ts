// CachedFileDescription: an open regular file whose data is kept in memory. What is allocated is
// the server's business. Mirrors gVisor pkg/sentry/fsimpl/gofer/regular_file.go.

import { linuxerr } from '../../abi/errno.ts';
import { FILE_SIZE_MAX } from '../../abi/limits.ts';
import type { Op } from '../../lib/op.ts';
import type { LocalTree } from '../shared/local-tree.ts';
import type { Written } from '../shared/offset-description.ts';
import {
  RegularFileDescription,
  type RegularFileOptions,
} from '../shared/regular-file-description.ts';

/** The filesystem, as such a file asks it. */
export interface CachedFile {
  /** The caller holds the inode's dataMutex. */
  allocate(mode: number, offset: number, length: number): Op<void>;
  /** Sends what was written to the server, and waits for it; undefined: some time will do. */
  readonly writeThrough: (() => Op<void>) | undefined;
  /** Bytes were read that were in memory. */
  onReadNow(): void;
}

export class CachedFileDescription extends RegularFileDescription {
  readonly #file: CachedFile;

  constructor(fs: LocalTree, options: RegularFileOptions, file: CachedFile) {
    super(fs, options);
    this.#file = file;
  }

  protected override readNow(buffer: Uint8Array, offset: number): number {
    this.checkLocksHeld();
    if (this.fs.mustLookAgain(this.inode)) return -1;
    const count = super.readNow(buffer, offset);
    if (count > 0) this.#file.onReadNow();
    return count;
  }

  protected override *readWaiting(buffer: Uint8Array, offset: number): Op<number> {
    if (!this.fs.mustLookAgain(this.inode)) return yield* super.readWaiting(buffer, offset);
    yield* this.#refresh();
    const count = super.readNow(buffer, offset);
    return count >= 0 ? count : yield* super.readWaiting(buffer, offset);
  }

  protected override *writeAt(bytes: Uint8Array, at: number): Op<Written> {
    this.checkLocksHeld();
    yield* this.#refresh();
    return yield* super.writeAt(bytes, at);
  }

  /** Others may have changed the file, and said so. */
  *#refresh(): Op<void> {
    const refreshed = this.fs.refreshed(this.inode);
    if (refreshed !== undefined) yield* refreshed;
  }

  /** Errors: the server's; nothing counts as written then. */
  *#through(writing: Op<number>): Op<number> {
    const count = yield* writing;
    const { writeThrough } = this.#file;
    if (writeThrough === undefined) return count;
    yield* writeThrough();
    this.throwUnheard();
    return count;
  }

  protected override writeImpl(bytes: Uint8Array): Op<number> {
    const writing = super.writeImpl(bytes);
    return this.#file.writeThrough === undefined ? writing : this.#through(writing);
  }

  protected override pwriteImpl(bytes: Uint8Array, offset: number): Op<number> {
    const writing = super.pwriteImpl(bytes, offset);
    return this.#file.writeThrough === undefined ? writing : this.#through(writing);
  }

  protected override *allocateImpl(mode: number, offset: number, length: number): Op<void> {
    this.checkLocksHeld();
    if (offset + length > FILE_SIZE_MAX) throw linuxerr.EFBIG;
    this.fs.checkWritable();
    const { dataMutex } = this.inode;
    yield* dataMutex.lock();
    try {
      yield* this.#file.allocate(mode, offset, length);
      this.changed(this.inode.size);
    } finally {
      dataMutex.unlock();
    }
  }
}
