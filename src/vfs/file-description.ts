// FileDescription: an open file description (POSIX), shared by the descriptors that dup() makes.
// Mirrors gVisor pkg/sentry/vfs/file_description.go; Linux: struct file.
//
// References: descriptors and operations under way hold one each. A description holds its virtual
// dentry and, if writable, a writer of the mount. At zero references it is released.
//
// The public methods check what holds for every kind of file; the protected …Impl methods are what
// a filesystem supplies. Their defaults are Linux's for a file without the operation.

import { linuxerr } from '../abi/errno.ts';
import {
  FALLOC_FL_KEEP_SIZE,
  O_ACCMODE,
  O_APPEND,
  O_ASYNC,
  O_CREAT,
  O_CLOEXEC,
  O_DIRECT,
  O_EXCL,
  O_NOATIME,
  O_NOCTTY,
  O_NONBLOCK,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
} from '../abi/fcntl.ts';
import { POLLIN, POLLOUT } from '../abi/poll.ts';
import type { Stat, Statfs } from '../abi/stat.ts';
import { assert } from '../lib/assert.ts';
import type { Op, Wait } from '../lib/op.ts';
import type { Credentials } from '../auth/credentials.ts';
import { decRefVd, incRefVd, type VirtualDentry } from './dentry.ts';
import type { SetStat } from './options.ts';

/** One directory entry. */
export interface DirectoryEntry {
  readonly name: string;
  readonly ino: number;
  /** DT_ constant. */
  readonly type: number;
  /** Position after this entry: where a listing that stops here goes on. */
  readonly cookie: number;
}

/** Takes an entry; false if it has no room for it, which ends the listing before the entry. */
export type DirectoryEntrySink = (entry: DirectoryEntry) => boolean;

const CREATION_FLAGS = O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC;
const SETTABLE_FLAGS = O_APPEND | O_ASYNC | O_DIRECT | O_NOATIME | O_NONBLOCK;

/** Ready for everything at any time: regular files and directories. */
const NEVER_WOKEN: Wait = { subscribe: () => () => undefined };

export abstract class FileDescription {
  readonly vd: VirtualDentry;
  readonly isReadable: boolean;
  readonly isWritable: boolean;
  #statusFlags: number;
  #refs = 1;
  readonly #countsAsWriter: boolean;

  /**
   * Takes references on `vd`.
   *
   * Errors:
   *  - EROFS if writable on a read-only mount, unless `isSpecial` (devices, pipes and sockets don't
   *    write to the mount).
   */
  constructor(vd: VirtualDentry, flags: number, options: { readonly isSpecial?: boolean } = {}) {
    const mode = flags & O_ACCMODE;
    this.isReadable = mode === O_RDONLY || mode === O_RDWR;
    this.isWritable = mode === O_WRONLY || mode === O_RDWR;
    this.#countsAsWriter = this.isWritable && options.isSpecial !== true;
    if (this.#countsAsWriter) vd.mount.beginWrite();
    this.vd = vd;
    this.#statusFlags = flags & ~CREATION_FLAGS;
    incRefVd(vd);
  }

  get statusFlags(): number {
    return this.#statusFlags;
  }

  get isPathOnly(): boolean {
    return false;
  }

  incRef(): void {
    assert(this.#refs > 0, 'use of a released file description');
    this.#refs++;
  }

  /** Drops a reference; the last one releases the description. */
  decRef(): void {
    assert(this.#refs > 0, 'file description reference dropped twice');
    if (--this.#refs > 0) return;
    this.releaseImpl();
    if (this.#countsAsWriter) this.vd.mount.endWrite();
    decRefVd(this.vd);
  }

  /**
   * F_SETFL: changes O_APPEND, O_ASYNC, O_DIRECT, O_NOATIME and O_NONBLOCK; other bits are ignored.
   *
   * Errors:
   *  - EBADF with O_PATH.
   *  - EPERM if O_NOATIME is newly set by someone who doesn't own the file.
   */
  *setStatusFlags(flags: number, creds: Credentials): Op<void> {
    this.checkNotPathOnly();
    if ((flags & O_NOATIME & ~this.#statusFlags) !== 0 && !creds.isPrivileged) {
      const { uid } = yield* this.stat();
      if (uid !== creds.uid) throw linuxerr.EPERM;
    }
    this.#statusFlags = (this.#statusFlags & ~SETTABLE_FLAGS) | (flags & SETTABLE_FLAGS);
  }

  /**
   * Reads at the description's offset and advances it. Returns the number of bytes, 0 at the end.
   *
   * Errors:
   *  - EBADF if not open for reading.
   *  - EISDIR, EINVAL if this kind of file can't be read.
   */
  read(buffer: Uint8Array): Op<number> {
    if (!this.isReadable) throw linuxerr.EBADF;
    return this.readImpl(buffer);
  }

  /**
   * Reads at `offset`; the description's own offset stays.
   *
   * Errors:
   *  - EINVAL if the offset is negative.
   *  - ESPIPE if the file has no offsets (before EBADF).
   *  - otherwise as read.
   */
  pread(buffer: Uint8Array, offset: number): Op<number> {
    if (offset < 0) throw linuxerr.EINVAL;
    this.checkSeekable();
    if (!this.isReadable) throw linuxerr.EBADF;
    return this.preadImpl(buffer, offset);
  }

  /**
   * Writes at the description's offset, or at the end with O_APPEND, and advances the offset.
   * Returns the number of bytes, which is smaller than asked for only if the space ran out part of
   * the way.
   *
   * Errors:
   *  - EBADF if not open for writing.
   *  - EFBIG beyond FILE_SIZE_MAX, ENOSPC if nothing fits.
   */
  write(bytes: Uint8Array): Op<number> {
    if (!this.isWritable) throw linuxerr.EBADF;
    return this.writeImpl(bytes);
  }

  /**
   * Writes at `offset`, or at the end with O_APPEND (as Linux does). Errors: as pread and write.
   */
  pwrite(bytes: Uint8Array, offset: number): Op<number> {
    if (offset < 0) throw linuxerr.EINVAL;
    this.checkSeekable();
    if (!this.isWritable) throw linuxerr.EBADF;
    return this.pwriteImpl(bytes, offset);
  }

  /**
   * Moves the offset and returns it.
   *
   * Errors:
   *  - EBADF with O_PATH.
   *  - ESPIPE if the file has no offsets.
   *  - EINVAL for an unknown whence or a negative result.
   *  - ENXIO for SEEK_DATA and SEEK_HOLE at or after the end, and SEEK_DATA when only a hole
   *    follows.
   */
  seek(offset: number, whence: number): Op<number> {
    this.checkNotPathOnly();
    return this.seekImpl(offset, whence);
  }

  /**
   * Lists a directory from the description's position on. Errors: EBADF with O_PATH, ENOTDIR,
   * ENOENT if removed.
   */
  iterDirents(sink: DirectoryEntrySink): Op<void> {
    this.checkNotPathOnly();
    return this.iterDirentsImpl(sink);
  }

  /** Errors: EIO of the medium. */
  abstract stat(): Op<Stat>;

  /**
   * Errors: EBADF with O_PATH; otherwise as Filesystem.setStatAt (EINVAL, not EISDIR, for a
   * directory's size).
   */
  setStat(change: SetStat, creds: Credentials): Op<void> {
    this.checkNotPathOnly();
    return this.setStatImpl(change, creds);
  }

  *statfs(): Op<Statfs> {
    return yield* this.vd.mount.filesystem.statfs();
  }

  /**
   * Makes room for [offset, offset + length) and, without FALLOC_FL_KEEP_SIZE, extends the size to
   * its end.
   *
   * Errors:
   *  - EBADF if not open for writing.
   *  - EINVAL if offset < 0 or length <= 0.
   *  - EOPNOTSUPP for a mode other than 0 and FALLOC_FL_KEEP_SIZE.
   *  - EFBIG, ENOSPC (nothing has changed then).
   *  - ESPIPE for pipes, ENODEV for other files that are not regular.
   */
  allocate(mode: number, offset: number, length: number): Op<void> {
    this.checkNotPathOnly();
    if (offset < 0 || length <= 0) throw linuxerr.EINVAL;
    if ((mode & ~FALLOC_FL_KEEP_SIZE) !== 0) throw linuxerr.EOPNOTSUPP;
    if (!this.isWritable) throw linuxerr.EBADF;
    return this.allocateImpl(offset, length, { keepsSize: mode !== 0 });
  }

  /**
   * fsync(2), or fdatasync(2) if `dataOnly`. Errors: EBADF with O_PATH; EINVAL for pipes; EIO,
   * ENOSPC.
   */
  sync(options: { readonly dataOnly: boolean }): Op<void> {
    this.checkNotPathOnly();
    return this.syncImpl(options);
  }

  /** POLL bits that hold now, out of `events` plus POLLERR and POLLHUP. */
  readiness(events: number): number {
    return events & (POLLIN | POLLOUT);
  }

  /** Woken when readiness may have changed. */
  get readinessChanged(): Wait {
    return NEVER_WOKEN;
  }

  get isTerminal(): boolean {
    return false;
  }

  /** Does opening it through /dev/fd/N give a description of its own? Not for streams. */
  get isReopenable(): boolean {
    return this.isSeekable;
  }

  get isSeekable(): boolean {
    return true;
  }

  protected checkNotPathOnly(): void {
    if (this.isPathOnly) throw linuxerr.EBADF;
  }

  protected checkSeekable(): void {
    this.checkNotPathOnly();
    if (!this.isSeekable) throw linuxerr.ESPIPE;
  }

  protected readImpl(_buffer: Uint8Array): Op<number> {
    throw linuxerr.EINVAL;
  }

  protected preadImpl(_buffer: Uint8Array, _offset: number): Op<number> {
    throw linuxerr.EINVAL;
  }

  protected writeImpl(_bytes: Uint8Array): Op<number> {
    throw linuxerr.EINVAL;
  }

  protected pwriteImpl(_bytes: Uint8Array, _offset: number): Op<number> {
    throw linuxerr.EINVAL;
  }

  protected seekImpl(_offset: number, _whence: number): Op<number> {
    throw linuxerr.ESPIPE;
  }

  protected iterDirentsImpl(_sink: DirectoryEntrySink): Op<void> {
    throw linuxerr.ENOTDIR;
  }

  protected abstract setStatImpl(change: SetStat, creds: Credentials): Op<void>;

  protected allocateImpl(
    _offset: number,
    _length: number,
    _options: { readonly keepsSize: boolean },
  ): Op<void> {
    throw linuxerr.ENODEV;
  }

  protected syncImpl(_options: { readonly dataOnly: boolean }): Op<void> {
    throw linuxerr.EINVAL;
  }

  /** The last reference is gone. Must not wait. */
  protected releaseImpl(): void {
    // Most files have nothing to release.
  }
}

/** What O_PATH gives: a place in the tree, with which nothing can be done to the file itself. */
export class PathDescription extends FileDescription {
  override get isPathOnly(): boolean {
    return true;
  }

  override *stat(): Op<Stat> {
    return yield* this.vd.mount.filesystem.statDentry(this.vd.dentry);
  }

  override read(_buffer: Uint8Array): Op<number> {
    throw linuxerr.EBADF;
  }

  override write(_bytes: Uint8Array): Op<number> {
    throw linuxerr.EBADF;
  }

  protected override setStatImpl(): Op<void> {
    throw linuxerr.EBADF;
  }
}

/**
 * What opening /dev/fd/N or /dev/tty gives: something of the task that opens it. The kernel, which
 * knows the task, replaces it before anyone gets hold of it.
 */
export class TaskFileAlias extends PathDescription {
  /** A descriptor of the task, or its terminal. */
  readonly meaning: number | 'terminal';
  /** O_ flags it was opened with, all of them: they are meant for what it stands for. */
  readonly openFlags: number;

  constructor(vd: VirtualDentry, flags: number, meaning: number | 'terminal') {
    super(vd, flags, { isSpecial: true });
    this.meaning = meaning;
    this.openFlags = flags;
  }
}
