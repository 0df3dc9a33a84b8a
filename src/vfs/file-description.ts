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
  F_RDLCK,
  F_UNLCK,
  F_WRLCK,
  LOCK_UN,
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
  SEEK_HOLE,
  SEEK_SET,
} from '../abi/fcntl.ts';
import {
  IN_ACCESS,
  IN_ATTRIB,
  IN_CLOSE_NOWRITE,
  IN_CLOSE_WRITE,
  IN_MODIFY,
} from '../abi/inotify.ts';
import { POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from '../abi/poll.ts';
import type { Stat, Statfs } from '../abi/stat.ts';
import { assert } from '../lib/assert.ts';
import type { Op, Wait } from '../lib/op.ts';
import type { Credentials } from '../auth/credentials.ts';
import { checkAllocateMode } from './allocate-mode.ts';
import { decRefVd, incRefVd, type VirtualDentry } from './dentry.ts';
import type { DirectoryEntrySink } from './directory-entry.ts';
import type { LockConflict, LockOwner, RangeRequest } from '../locks/file-locks.ts';
import { notifyWithParent } from './watches.ts';
import type { SetStat, SetXattr } from './options.ts';
import { checkXattr } from './permissions.ts';
import type { SpliceTarget } from './splice-target.ts';

const CREATION_FLAGS = O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC;
const SETTABLE_FLAGS = O_APPEND | O_ASYNC | O_DIRECT | O_NOATIME | O_NONBLOCK;

/** Ready for everything at any time: regular files and directories. */
const NEVER_WOKEN: Wait = { subscribe: () => () => undefined };

export abstract class FileDescription implements LockOwner {
  /** As the owner of F_OFD_SETLK's locks. */
  readonly lockPid = -1;
  readonly vd: VirtualDentry;
  readonly isReadable: boolean;
  readonly isWritable: boolean;
  #statusFlags: number;
  #refs = 1;
  readonly #countsAsWriter: boolean;
  readonly #isSpecial: boolean;

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
    this.#isSpecial = options.isSpecial === true;
    this.#countsAsWriter = this.isWritable && !this.#isSpecial;
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
    this.notify(this.isWritable ? IN_CLOSE_WRITE : IN_CLOSE_NOWRITE);
    this.releaseLocks();
    this.releaseImpl();
    if (this.#countsAsWriter) this.vd.mount.endWrite();
    decRefVd(this.vd);
  }

  /** Tells the file's watches what is done through this description. */
  notify(events: number): void {
    if (this.vd.mount.filesystem.watched.isEmpty) return;
    const { dentry } = this.vd;
    const notification = { events, isUnlinked: dentry.isDead };
    // Linux: fsnotify(), "no ACCESS/MODIFY events on child of special files".
    const isTransfer = (events & (IN_ACCESS | IN_MODIFY)) !== 0;
    if (this.#isSpecial && isTransfer) dentry.watches?.notify(notification);
    else notifyWithParent(dentry, notification);
  }

  /** Tells of what is done to the file, not through its name: IN_EXCL_UNLINK doesn't hide it. */
  protected notifyInode(events: number): void {
    if (this.vd.mount.filesystem.watched.isEmpty || events === 0) return;
    notifyWithParent(this.vd.dentry, { events });
  }

  /** Tells of a read or write once it has moved a byte. */
  #telling(op: Op<number>, events: number): Op<number> {
    // A stream may wait so long that a watch is added meanwhile.
    const isSilent = this.#isUnwatched && this.isSeekable;
    return isSilent ? op : this.#tellAfter(op, events);
  }

  get #isUnwatched(): boolean {
    return this.vd.mount.filesystem.watched.isEmpty;
  }

  *#tellAfter(op: Op<number>, events: number): Op<number> {
    const count = yield* op;
    if (count > 0) this.notify(events);
    return count;
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
    return this.#telling(this.readImpl(buffer), IN_ACCESS);
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
    const op = this.preadImpl(buffer, offset);
    return this.#isUnwatched ? op : this.#tellAfter(op, IN_ACCESS);
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
    return this.#telling(this.writeImpl(bytes), IN_MODIFY);
  }

  /** Writes at `offset`, or at the end with O_APPEND, as Linux. Errors: as pread and write. */
  pwrite(bytes: Uint8Array, offset: number): Op<number> {
    if (offset < 0) throw linuxerr.EINVAL;
    this.checkSeekable();
    if (!this.isWritable) throw linuxerr.EBADF;
    return this.#telling(this.pwriteImpl(bytes, offset), IN_MODIFY);
  }

  /** Tells of the whole copy. */
  notifyCopied(events: number): void {
    this.notify(events);
  }

  /** Waits until this tab's watches know of what doesn't wait, release included, if they don't. */
  told(): Op<void> | undefined {
    return undefined;
  }

  /** The access time moves as after a read. */
  accessed(): void {
    // Most files have none that anybody looks at.
  }

  /** Part of a copy: reads at an offset, or at the own one, and tells no watch. */
  readQuietly(buffer: Uint8Array, offset: number | undefined): Op<number> {
    return offset === undefined ? this.readImpl(buffer) : this.preadImpl(buffer, offset);
  }

  /** Part of a copy: writes at an offset, or at the own one, and tells no watch. */
  writeQuietly(bytes: Uint8Array, offset: number | undefined): Op<number> {
    return offset === undefined ? this.writeImpl(bytes) : this.pwriteImpl(bytes, offset);
  }

  /** Of a pipe that is written to: what sendfile() gives pages to. */
  get spliceTarget(): SpliceTarget | undefined {
    return undefined;
  }

  /**
   * Moves the offset and returns it.
   *
   * Errors:
   *  - EBADF with O_PATH.
   *  - EINVAL for an unknown whence.
   *  - ESPIPE if the file has no offsets.
   *  - EINVAL for a negative result.
   *  - ENXIO for SEEK_DATA and SEEK_HOLE at or after the end, and SEEK_DATA when only a hole
   *    follows.
   */
  seek(offset: number, whence: number): Op<number> {
    this.checkNotPathOnly();
    if (whence < SEEK_SET || whence > SEEK_HOLE) throw linuxerr.EINVAL;
    return this.seekImpl(offset, whence);
  }

  /**
   * Lists a directory from the description's position on. Errors: EBADF with O_PATH, ENOTDIR,
   * ENOENT if removed.
   */
  *iterDirents(sink: DirectoryEntrySink): Op<void> {
    this.checkNotPathOnly();
    yield* this.iterDirentsImpl(sink);
    this.notify(IN_ACCESS);
  }

  /** Errors: EIO of the medium. */
  abstract stat(): Op<Stat>;

  /**
   * Errors: EBADF with O_PATH; otherwise as Filesystem.setStatAt (EINVAL, not EISDIR, for a
   * directory's size).
   */
  *setStat(change: SetStat, creds: Credentials): Op<void> {
    this.checkNotPathOnly();
    this.notifyInode(yield* this.setStatImpl(change, creds));
  }

  *statfs(): Op<Statfs> {
    return yield* this.vd.mount.filesystem.statfs();
  }

  /**
   * Makes room for [offset, offset + length), or makes it a hole or zeros; and, without
   * FALLOC_FL_KEEP_SIZE, extends the size to its end.
   *
   * Errors:
   *  - EBADF with O_PATH.
   *  - EINVAL if offset < 0 or length <= 0.
   *  - EOPNOTSUPP for modes that don't go together, or are not known.
   *  - EBADF if not open for writing.
   *  - EOPNOTSUPP for modes the filesystem doesn't have.
   *  - EFBIG, ENOSPC (nothing has changed then).
   *  - ESPIPE for pipes, EISDIR for directories, ENODEV for other files that are not regular.
   */
  *allocate(mode: number, offset: number, length: number): Op<void> {
    this.checkNotPathOnly();
    if (offset < 0 || length <= 0) throw linuxerr.EINVAL;
    checkAllocateMode(mode);
    if (!this.isWritable) throw linuxerr.EBADF;
    yield* this.allocateImpl(mode, offset, length);
    this.notify(IN_MODIFY);
  }

  /**
   * fsync(2), or fdatasync(2) if `dataOnly`. Errors: EBADF with O_PATH; EINVAL for pipes; EIO,
   * ENOSPC.
   */
  sync(options: { readonly dataOnly: boolean }): Op<void> {
    this.checkNotPathOnly();
    return this.syncImpl(options);
  }

  // Extended attributes. Errors: EBADF with O_PATH; otherwise as Filesystem.getXattrAt and its kin.

  getXattr(name: string, creds: Credentials): Op<Uint8Array> {
    this.checkNotPathOnly();
    return this.getXattrImpl(name, creds);
  }

  *setXattr(change: SetXattr, creds: Credentials): Op<void> {
    this.checkNotPathOnly();
    yield* this.setXattrImpl(change, creds);
    this.notifyInode(IN_ATTRIB);
  }

  listXattr(creds: Credentials): Op<string[]> {
    this.checkNotPathOnly();
    return this.listXattrImpl(creds);
  }

  *removeXattr(name: string, creds: Credentials): Op<void> {
    this.checkNotPathOnly();
    yield* this.removeXattrImpl(name, creds);
    this.notifyInode(IN_ATTRIB);
  }

  // Locks. Errors: EBADF with O_PATH.

  /**
   * flock(2): LOCK_SH, LOCK_EX or LOCK_UN. Errors besides: EBADF if it is neither readable nor
   * writable, unless for LOCK_UN; EAGAIN if it must not wait.
   */
  flock(operation: number, options: { readonly mustNotWait: boolean }): Op<void> {
    this.checkNotPathOnly();
    // An access mode of 3 is good for neither reading nor writing.
    const isUsable = this.isReadable || this.isWritable || operation === LOCK_UN;
    if (!isUsable) throw linuxerr.EBADF;
    return this.vd.dentry.ensureLocks().flock(this, operation, options.mustNotWait);
  }

  /**
   * F_SETLK, or F_SETLKW if it may wait.
   *
   * Errors besides:
   *  - EBADF if the description's access mode doesn't go with the type.
   *  - EAGAIN, EDEADLK of FileLocks.
   */
  *setRangeLock(
    owner: LockOwner,
    request: RangeRequest,
    options: { readonly mayWait: boolean },
  ): Op<void> {
    this.checkRangeLock(request);
    if (request.start >= request.end) return;
    const { dentry } = this.vd;
    if (request.type === F_UNLCK && dentry.locks === undefined) return;
    const locks = dentry.ensureLocks();
    if (options.mayWait) yield* locks.setRangeWaiting(owner, request);
    else locks.setRange(owner, request);
  }

  checkRangeLock({ type }: RangeRequest): void {
    this.checkNotPathOnly();
    if (type === F_RDLCK && !this.isReadable) throw linuxerr.EBADF;
    if (type === F_WRLCK && !this.isWritable) throw linuxerr.EBADF;
  }

  /** F_GETLK: what is in the way of a lock. */
  *findRangeLock(owner: LockOwner, request: RangeRequest): Op<LockConflict | undefined> {
    this.checkNotPathOnly();
    return this.vd.dentry.locks?.findConflict(owner, request);
  }

  /** All ranges an owner has of the file. Must not wait. */
  releaseRangeLocks(owner: LockOwner): void {
    this.vd.dentry.locks?.releaseRanges(owner);
  }

  /** What belongs to the description. Must not wait. */
  protected releaseLocks(): void {
    const { locks } = this.vd.dentry;
    locks?.releaseFlock(this);
    locks?.releaseRanges(this);
  }

  /** FIONREAD: how much could be read at once. Errors: ENOTTY if that makes no sense here. */
  *readableBytes(): Op<number> {
    throw linuxerr.ENOTTY;
  }

  /** POLL bits that hold now, out of `events` plus POLLERR and POLLHUP. */
  readiness(events: number): number {
    return events & (POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM);
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

  /** Returns the IN_ events that tell of the change. */
  protected abstract setStatImpl(change: SetStat, creds: Credentials): Op<number>;

  protected allocateImpl(_mode: number, _offset: number, _length: number): Op<void> {
    throw linuxerr.ENODEV;
  }

  // Who may do it is asked before whether it can be done at all: Linux's xattr_permission().

  protected *getXattrImpl(name: string, creds: Credentials): Op<Uint8Array> {
    checkXattr(creds, yield* this.stat(), name, { isWrite: false });
    throw linuxerr.EOPNOTSUPP;
  }

  protected *setXattrImpl({ name }: SetXattr, creds: Credentials): Op<void> {
    checkXattr(creds, yield* this.stat(), name, { isWrite: true });
    throw linuxerr.EOPNOTSUPP;
  }

  protected *listXattrImpl(_creds: Credentials): Op<string[]> {
    return [];
  }

  protected *removeXattrImpl(name: string, creds: Credentials): Op<void> {
    checkXattr(creds, yield* this.stat(), name, { isWrite: true });
    throw linuxerr.EOPNOTSUPP;
  }

  protected syncImpl(_options: { readonly dataOnly: boolean }): Op<void> {
    throw linuxerr.EINVAL;
  }

  /** The last reference is gone. Must not wait. */
  protected releaseImpl(): void {
    // Most files have nothing to release.
  }
}
