// LocalFileDescription: what all open files of a local filesystem have in common: attributes and
// extended attributes, which are the inode's.

import { LOCK_UN, O_NOATIME } from '../../abi/fcntl.ts';
import { type LinuxError, linuxerr } from '../../abi/errno.ts';
import type { Stat } from '../../abi/stat.ts';
import type { Credentials } from '../../auth/credentials.ts';
import type { Op } from '../../lib/op.ts';
import type { LockConflict, LockOwner, RangeRequest } from '../../locks/file-locks.ts';
import type { VirtualDentry } from '../../vfs/dentry.ts';
import { FileDescription } from '../../vfs/file-description.ts';
import type { SetStat, SetXattr } from '../../vfs/options.ts';
import { applySetStat, checkSetStatTarget, statOf, touchAtime } from './attributes.ts';
import type { Inode } from './inode.ts';
import type { LocalTree } from './local-tree.ts';
import type { UpstreamLocks } from './upstream-locks.ts';
import { getXattr, listXattrs, removeXattr, setXattr } from './xattrs.ts';

export abstract class LocalFileDescription extends FileDescription {
  protected readonly fs: LocalTree;
  protected readonly inode: Inode;
  /** Errors of writing back from here on are still to be told through this description. */
  #errorsSeen: number;

  constructor(
    fs: LocalTree,
    options: {
      readonly vd: VirtualDentry;
      readonly inode: Inode;
      readonly flags: number;
      /** A device, pipe or socket: writing to it does not write to the mount. */
      readonly isSpecial?: boolean;
    },
  ) {
    super(options.vd, options.flags, { isSpecial: options.isSpecial === true });
    this.fs = fs;
    this.inode = options.inode;
    this.#errorsSeen = options.inode.writeErrors?.sample() ?? 0;
  }

  /**
   * Makes changes durable, and tells of a commit of them that failed since the last time. Linux:
   * file_write_and_wait_range(). Errors: EIO, ENOSPC.
   */
  protected *syncFile(options: { readonly dataOnly: boolean }): Op<void> {
    try {
      yield* this.fs.syncInode(this.inode, options);
    } catch (error) {
      // The file has heard of this failure as well.
      this.#unheardError();
      throw error;
    }
    this.throwUnheard();
  }

  /** Errors: what writing back failed with since this description was last told. */
  protected throwUnheard(): void {
    const error = this.#unheardError();
    if (error !== undefined) throw error;
  }

  #unheardError(): LinuxError | undefined {
    const heard = this.inode.writeErrors?.checkAndAdvance(this.#errorsSeen);
    if (heard !== undefined) this.#errorsSeen = heard.at;
    return heard?.error;
  }

  override *stat(): Op<Stat> {
    const refreshed = this.fs.refreshed(this.inode);
    if (refreshed !== undefined) yield* refreshed;
    return statOf(this.fs, this.inode);
  }

  override accessed(): void {
    if ((this.statusFlags & O_NOATIME) === 0) touchAtime(this.fs, this.inode, this.vd.mount.flags);
  }

  protected override *setStatImpl(change: SetStat, creds: Credentials): Op<number> {
    checkSetStatTarget(this.inode, change);
    if (change.size !== undefined) this.checkLocksHeld();
    this.vd.mount.checkWritable();
    return yield* applySetStat(this.fs, this.inode, change, creds);
  }

  protected override getXattrImpl(name: string, creds: Credentials): Op<Uint8Array> {
    return getXattr(this.fs, this.inode, name, creds);
  }

  protected override setXattrImpl(change: SetXattr, creds: Credentials): Op<void> {
    this.vd.mount.checkWritable();
    return setXattr(this.fs, this.inode, change, creds);
  }

  protected override listXattrImpl(creds: Credentials): Op<string[]> {
    return listXattrs(this.fs, this.inode, creds);
  }

  protected override removeXattrImpl(name: string, creds: Credentials): Op<void> {
    this.vd.mount.checkWritable();
    return removeXattr(this.fs, this.inode, name, creds);
  }

  // Locks: also where the file is kept, if others have it as well.

  /** Before data is read or changed. Errors: EIO if a lock that was taken through it is lost. */
  protected checkLocksHeld(): void {
    this.#locking?.checkHeld(this, this.inode);
  }

  /** Locks on what has no data there are only here. */
  get #locking(): UpstreamLocks | undefined {
    const { inode } = this;
    return inode.isRegular || inode.isDir ? this.fs.upstreamLocks : undefined;
  }

  override flock(operation: number, options: { readonly mustNotWait: boolean }): Op<void> {
    const locking = this.#locking;
    if (locking === undefined) return super.flock(operation, options);
    this.checkNotPathOnly();
    const isUsable = this.isReadable || this.isWritable || operation === LOCK_UN;
    if (!isUsable) throw linuxerr.EBADF;
    return locking.flock({ file: this, inode: this.inode }, operation, options);
  }

  override *setRangeLock(
    owner: LockOwner,
    request: RangeRequest,
    options: { readonly mayWait: boolean },
  ): Op<void> {
    const locking = this.#locking;
    if (locking === undefined) {
      yield* super.setRangeLock(owner, request, options);
      return;
    }
    this.checkRangeLock(request);
    if (request.start >= request.end) return;
    yield* locking.setRange({ file: this, inode: this.inode, owner }, request, options);
  }

  override findRangeLock(owner: LockOwner, request: RangeRequest): Op<LockConflict | undefined> {
    const locking = this.#locking;
    if (locking === undefined) return super.findRangeLock(owner, request);
    this.checkNotPathOnly();
    return locking.findRange({ file: this, inode: this.inode, owner }, request);
  }

  override releaseRangeLocks(owner: LockOwner): void {
    super.releaseRangeLocks(owner);
    this.#locking?.releaseRanges({ file: this, inode: this.inode, owner });
  }

  protected override releaseLocks(): void {
    super.releaseLocks();
    this.#locking?.released({ file: this, inode: this.inode });
  }
}
