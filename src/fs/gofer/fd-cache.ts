// FdCache: the bound on descriptors that the server has open for us. Those of files that nobody has
// open, and that can be walked to again, go first come first served: the longest unused one.
//
// A server may have fewer of them for us, and says so by refusing to open more: from then on we
// keep fewer than we had by then, and by and by more again, as others may have needed them.

import { LinuxError } from '../../abi/errno.ts';
import { type Op, runAsync } from '../../lib/op.ts';
import { type FdKeeper, isNoRoom } from './fd-room.ts';
import type { GoferData } from './gofer-data.ts';
import type { GoferInode } from './gofer-inode.ts';
import type { Remote } from './remote.ts';

/** Files with descriptors, wherever the server has room for them. */
const FILES_MAX = 1024;
/** Fewer would mean to walk to the same files all the time. */
const FILES_MIN = 8;
/** Directories that are synced to make room: each takes a while on the host. */
const SYNCED_MAX = 32;

export class FdCache implements FdKeeper {
  readonly #data: GoferData;
  readonly #remote: Remote;
  readonly #used = new Set<GoferInode>();
  #filesMax = FILES_MAX;
  /** Since the bound was last changed. */
  #evictedCount = 0;
  /** Files that are being synced as they were given up. */
  readonly #closing = new Set<GoferInode>();
  /** Directories that are being synced before they are given up. */
  readonly #syncing = new Set<GoferInode>();
  /** Directories that can't be synced: it is tried once more as they are given up. */
  readonly #unsyncable = new WeakSet<GoferInode>();

  constructor(data: GoferData, remote: Remote) {
    this.#data = data;
    this.#remote = remote;
  }

  get isShort(): boolean {
    return this.#filesMax < FILES_MAX;
  }

  /** It is another server, perhaps. */
  forgetShortage(): void {
    this.#filesMax = FILES_MAX;
    this.#evictedCount = 0;
  }

  /** A file has a descriptor, which was just used. */
  used(inode: GoferInode): void {
    this.#used.delete(inode);
    this.#used.add(inode);
    if (this.#used.size <= this.#filesMax) return;
    const unsynced = this.#evict(this.#filesMax, inode);
    for (const dir of unsynced.slice(0, SYNCED_MAX)) void runAsync(this.#syncDirectory(dir));
  }

  delete(inode: GoferInode): void {
    this.#used.delete(inode);
  }

  /** Its changes may not be on the host's disk yet, though nothing says so. */
  isSyncing(inode: GoferInode): boolean {
    return this.#syncing.has(inode);
  }

  *giveUp(part: 'half' | 'all'): Op<number> {
    const had = this.#used.size;
    const target = part === 'half' ? Math.floor(had / 2) : 0;
    let closed = this.#remote.giveUpReserve();
    const unsynced = this.#evict(target);
    if (part === 'all') {
      yield* this.#sendAll();
      for (const dir of unsynced.slice(0, SYNCED_MAX)) yield* this.#syncDirectory(dir);
      this.#evict(target);
    } else {
      for (const dir of unsynced.slice(0, SYNCED_MAX)) void runAsync(this.#syncDirectory(dir));
      const fewer = Math.min(this.#filesMax - 1, Math.floor((had * 3) / 4));
      this.#filesMax = Math.max(FILES_MIN, fewer);
    }
    closed += had - this.#used.size;
    this.#evictedCount = 0;
    // The server has them open until it is done with them.
    for (const inode of [...this.#closing]) yield* inode.untilAnswered();
    return closed;
  }

  /**
   * What was written to files that nobody has open is sent, and answered: it takes no FDs that
   * aren't there.
   */
  *#sendAll(): Op<void> {
    const idle = [...this.#used].filter(
      (inode) => inode.isRegular && !inode.isInUse && inode.fd?.isLost === false,
    );
    for (const inode of idle) {
      const isOpen = inode.writeFd?.isLost === false;
      inode.incRef();
      try {
        if (isOpen) yield* this.#data.send(inode);
      } finally {
        inode.decRef();
      }
    }
    for (const inode of idle) yield* inode.untilAnswered();
  }

  /** Returns directories that are to be synced, and can be given up then. */
  #evict(target: number, kept?: GoferInode): GoferInode[] {
    const unsynced: GoferInode[] = [];
    let steps = this.#used.size;
    for (const inode of this.#used) {
      if (this.#used.size - unsynced.length <= target || steps-- <= 0) break;
      this.#used.delete(inode);
      if (inode === kept || this.#isNeeded(inode)) this.#used.add(inode);
      else if (inode.isDir && inode.isUnsynced && !this.#unsyncable.has(inode)) {
        this.#used.add(inode);
        unsynced.push(inode);
      } else {
        this.#close(inode);
        this.#evictedCount++;
      }
    }
    this.#growByAndBy();
    return unsynced;
  }

  #close(inode: GoferInode): void {
    // What was written is made durable before it can't be any more.
    if (inode.isUnsynced) {
      this.#data.syncUnawaited(inode);
      void runAsync(this.#closingUntilAnswered(inode));
    }
    this.#data.closeFds(inode);
  }

  *#closingUntilAnswered(inode: GoferInode): Op<void> {
    this.#closing.add(inode);
    yield* inode.untilAnswered();
    this.#closing.delete(inode);
  }

  #growByAndBy(): void {
    if (this.#evictedCount < this.#filesMax) return;
    this.#evictedCount = 0;
    this.#filesMax = Math.min(FILES_MAX, this.#filesMax + Math.ceil(this.#filesMax / 8));
  }

  /** Locks and watches hold their files by a reference. */
  #isNeeded(inode: GoferInode): boolean {
    const { fd, readFd, writeFd } = inode;
    return (
      inode.isInUse ||
      inode.unanswered > 0 ||
      inode.isChanging ||
      inode.dentry?.parent === undefined ||
      [fd, readFd, writeFd].some((each) => each !== undefined && each.useCount > 0) ||
      this.#syncing.has(inode) ||
      this.#data.isDirty(inode)
    );
  }

  /**
   * What was changed in it is made durable before it is given up: once nothing in memory leads to
   * it any more, nobody could. If that fails it stays as it is.
   */
  *#syncDirectory(dir: GoferInode): Op<void> {
    const { fd } = dir;
    if (fd === undefined || fd.isLost || this.#syncing.has(dir)) return;
    this.#syncing.add(dir);
    dir.incRef();
    dir.isUnsynced = false;
    dir.syncing++;
    try {
      yield* this.#remote.trySyncDirectory(fd).wait();
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error;
      dir.isUnsynced = true;
      if (!isNoRoom(error)) this.#unsyncable.add(dir);
    } finally {
      dir.syncing--;
      this.#syncing.delete(dir);
      dir.decRef();
    }
  }
}
