// GoferLocks: locks on a server's files, where its other clients see them. Who gets what, and who
// waits for whom, is for the server to say, which knows each process and description here as an
// owner of its own; what it granted is noted in the inodes' FileLocks. Those are asked first: what
// is in the way here needs no question. Linux: fs/nfs/nfs4proc.c (nfs4_proc_lock).
//
// Nobody knows what became of a request that failed since there was no link for too long: what the
// server has is set anew, when there is one, to what is noted. Of a session that was lost the locks
// are taken again; those that others have taken meanwhile are lost, as NFS has it.

import { LinuxError, linuxerr } from '../../abi/errno.ts';
import { F_RDLCK, F_UNLCK, F_WRLCK, LOCK_EX, LOCK_UN } from '../../abi/fcntl.ts';
import { anyOf, type Op, startOp, timer, uninterrupted } from '../../lib/op.ts';
import { FLOCK, OFD_LOCK, RECORD_LOCK } from '../../lisafs/extensions.ts';
import {
  FileLocks,
  type LockConflict,
  type LockOwner,
  type RangeRequest,
} from '../../locks/file-locks.ts';
import type { FileDescription } from '../../vfs/file-description.ts';
import type { Inode } from '../shared/inode.ts';
import type { LockedFile, RangeOwner } from '../shared/upstream-locks.ts';
import type { GoferInode } from './gofer-inode.ts';
import { HeldLocks, type HeldLock } from './held-locks.ts';
import { fdOfLock, type LockFds } from './lock-fds.ts';
import type { LockRetaking, PendingLock, RemoteFd, RemoteLock, RemoteLocks } from './remote.ts';
import { type GrantedLocks, POLL_MS, type ServerLocks } from './server-locks.ts';

const WHOLE = { start: 0, end: Infinity } as const;

export interface GoferLocksOptions extends GrantedLocks {
  readonly locks: RemoteLocks;
  readonly fds: LockFds;
}

interface Asking {
  readonly held: HeldLock;
  readonly file: FileDescription;
  readonly lock: RemoteLock;
  readonly mayWait: boolean;
  readonly onGranted: () => void;
}

export class GoferLocks implements ServerLocks {
  readonly place = 'server';
  readonly #options: GoferLocksOptions;
  readonly #held = new HeldLocks();
  /** Counts sessions that were lost, with all locks. */
  #generation = 0;

  constructor(options: GoferLocksOptions) {
    this.#options = options;
  }

  // What descriptions ask.

  *flock(
    { file, inode }: LockedFile,
    operation: number,
    { mustNotWait }: { readonly mustNotWait: boolean },
  ): Op<void> {
    yield* this.#using(inode as GoferInode, { owner: file, kind: FLOCK }, (held) =>
      operation === LOCK_UN
        ? this.#unflock(held, file)
        : this.#flock(held, file, operation, mustNotWait),
    );
  }

  *#flock(
    held: HeldLock,
    file: FileDescription,
    operation: number,
    mustNotWait: boolean,
  ): Op<void> {
    if (held.isLost) throw linuxerr.EIO;
    const { locals } = held;
    const had = locals.flockOf(file);
    if (had === operation) return;
    // What it had goes first, there as well: FileLocks.flock().
    locals.releaseFlock(file);
    if (mustNotWait && !locals.mayFlock(file, operation)) {
      if (had !== undefined) yield* this.#askFlock(held, file, LOCK_UN, false);
      throw linuxerr.EAGAIN;
    }
    yield* this.#askFlock(held, file, operation, !mustNotWait);
  }

  *#unflock(held: HeldLock, file: FileDescription): Op<void> {
    if (held.forgetLoss() || (!held.hasLocks && !held.isUnsure)) return;
    held.locals.releaseFlock(file);
    yield* this.#askFlock(held, file, LOCK_UN, false);
  }

  #askFlock(held: HeldLock, file: FileDescription, operation: number, mayWait: boolean): Op<void> {
    return this.#ask({
      held,
      file,
      lock: { ...held.named, ...WHOLE, type: typeOfFlock(operation) },
      mayWait,
      onGranted: () => {
        held.locals.grantFlock(file, operation);
      },
    });
  }

  *setRange(
    { file, inode, owner }: RangeOwner,
    request: RangeRequest,
    { mayWait }: { readonly mayWait: boolean },
  ): Op<void> {
    yield* this.#using(inode as GoferInode, { owner, kind: kindOf(owner) }, (held) =>
      this.#setRange(held, file, request, mayWait),
    );
  }

  *#setRange(
    held: HeldLock,
    file: FileDescription,
    request: RangeRequest,
    mayWait: boolean,
  ): Op<void> {
    const { locals, owner } = held;
    const isUnlock = request.type === F_UNLCK;
    if (isUnlock) {
      if (held.forgetLoss() || (!held.hasLocks && !held.isUnsure)) return;
    } else {
      if (held.isLost) throw linuxerr.EIO;
      if (!mayWait && locals.findConflict(owner, request) !== undefined) throw linuxerr.EAGAIN;
    }
    yield* this.#ask({
      held,
      file,
      lock: { ...held.named, ...request },
      mayWait: mayWait && !isUnlock,
      onGranted: () => {
        locals.grantRange(owner, request);
      },
    });
  }

  *findRange(
    { file, inode, owner }: RangeOwner,
    request: RangeRequest,
  ): Op<LockConflict | undefined> {
    const own = inode as GoferInode;
    const here = own.locks?.findConflict(owner, request);
    // Its own are all known here.
    if (here !== undefined || request.type === F_UNLCK) return here;
    const fd = yield* this.#options.fds.of(own, file, F_UNLCK);
    const kind = kindOf(owner);
    const id = this.#held.idOf(owner);
    const lock = { kind, owner: id, pid: owner.lockPid, ...request };
    const found = yield* this.#options.locks.find(fd, lock);
    if (found === undefined) return undefined;
    const { pid, ...range } = found;
    // Linux: of a process somewhere else the number is negative (fs/9p/vfs_file.c).
    return { ...range, owner: { lockPid: -Math.abs(pid) } };
  }

  releaseRanges({ inode, owner }: RangeOwner): void {
    const held = this.#held.find(inode as GoferInode, owner, kindOf(owner));
    if (held !== undefined) this.#giveUp(held);
  }

  released({ file, inode }: LockedFile): void {
    for (const held of this.#held.of(inode as GoferInode)) {
      if (held.owner === file) this.#giveUp(held);
      held.files.delete(file);
    }
  }

  checkHeld(file: FileDescription, inode: Inode): void {
    for (const held of this.#held.of(inode as GoferInode)) {
      if (held.isLost && held.files.has(file)) throw linuxerr.EIO;
    }
  }

  // What the server is asked.

  *#using(
    inode: GoferInode,
    { owner, kind }: { readonly owner: LockOwner; readonly kind: number },
    work: (held: HeldLock) => Op<void>,
  ): Op<void> {
    inode.locks ??= new FileLocks();
    const held = this.#held.ensure(inode, owner, kind);
    held.users++;
    try {
      yield* work(held);
    } finally {
      this.#unused(held);
    }
  }

  #unused(held: HeldLock): void {
    held.users--;
    this.#held.forgetIfUnused(held);
  }

  /** Errors: the server's; EIO. */
  *#ask(asking: Asking): Op<void> {
    const { held, file, mayWait } = asking;
    for (;;) {
      const generation = this.#generation;
      try {
        yield* this.#askOnce(
          asking,
          yield* this.#options.fds.of(held.inode, file, asking.lock.type),
        );
        return;
      } catch (error) {
        // In the session that is lost it had nothing.
        if (error === linuxerr.EIO && generation !== this.#generation && !held.isLost) continue;
        if (error === linuxerr.EBADF) throw linuxerr.EIO;
        if (error !== linuxerr.EAGAIN || !mayWait) throw error;
      }
      yield anyOf([held.locals.changed, timer(this.#options.clock, POLL_MS)]);
    }
  }

  /**
   * First without waiting: only so many may wait at a server at a time, and what is free is had
   * whoever else waits for something. Errors: EAGAIN also if nobody can wait there.
   */
  *#askOnce({ held, file, lock, mayWait, onGranted }: Asking, fd: RemoteFd): Op<void> {
    const { locks } = this.#options;
    held.files.add(file);
    const granted = (): void => {
      onGranted();
      if (lock.type !== F_UNLCK) this.#options.onGranted(held.inode);
    };
    try {
      const pending = this.#noted(held, locks.set(fd, lock, false), granted);
      yield* mayWait ? waitFor(pending) : uninterrupted(pending.wait());
      return;
    } catch (error) {
      if (error !== linuxerr.EAGAIN || !mayWait) throw error;
    }
    try {
      yield* waitFor(this.#noted(held, locks.set(fd, lock, true), granted));
    } catch (error) {
      throw error === linuxerr.EOPNOTSUPP ? linuxerr.EAGAIN : error;
    }
  }

  /** What is granted counts at once: before anything that the server answers later. */
  #noted(held: HeldLock, pending: PendingLock, onGranted: () => void): PendingLock {
    const generation = this.#generation;
    pending.onSettled((error) => {
      if (error === undefined) onGranted();
      else if (error === linuxerr.EIO && generation === this.#generation) held.becomeUnsure();
    });
    return pending;
  }

  /** All of it, without waiting. */
  #giveUp(held: HeldLock): void {
    held.forgetLoss();
    const { lockReadFd, lockWriteFd } = held.inode;
    const fd = lockReadFd ?? lockWriteFd;
    if (fd === undefined) return;
    const lock = { ...held.named, ...WHOLE, type: F_UNLCK };
    held.users++;
    this.#noted(held, this.#options.locks.set(fd, lock, false), () => undefined).onSettled(() => {
      this.#unused(held);
    });
  }

  // When the link was gone.

  /** There is a link again: what nobody knows is set anew. */
  reconnected(): void {
    for (const held of this.#held.all()) {
      if (!held.isUnsure || held.users > 0) continue;
      held.users++;
      startOp(this.#setAnew(held), {
        resolve: () => {
          this.#unused(held);
        },
        reject: (error) => void Promise.reject(error as Error),
      });
    }
  }

  /** Errors: bugs. */
  *#setAnew(held: HeldLock): Op<void> {
    try {
      for (const lock of held.stateAtServer()) {
        const fd = fdOfLock(held.inode, lock.type);
        if (fd === undefined) throw linuxerr.ENOLCK;
        yield* this.#options.locks.set(fd, lock, false).wait();
      }
      held.becomeSure();
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error;
      // It is tried again with the next link.
      if (error === linuxerr.EIO) return;
      held.becomeSure();
      held.lose();
    }
  }

  /** The session is lost, and its locks with it. FDs are open again. */
  *recover(retaking: LockRetaking): Op<void> {
    this.#generation++;
    for (const held of this.#held.all()) {
      held.becomeSure();
      if (held.hasLocks) yield* this.#takeAgain(held, retaking);
      this.#held.forgetIfUnused(held);
    }
  }

  /** Errors: EIO if the link, or this session, is gone as well. */
  *#takeAgain(held: HeldLock, retaking: LockRetaking): Op<void> {
    try {
      for (const lock of held.locks()) {
        const fd = fdOfLock(held.inode, lock.type);
        if (fd === undefined) throw linuxerr.ENOLCK;
        yield* retaking.set(fd, lock);
      }
    } catch (error) {
      if (error === linuxerr.EIO || !(error instanceof LinuxError)) throw error;
      held.lose();
      // Some of it may have been had.
      const fd = fdOfLock(held.inode, F_UNLCK);
      const all = { ...held.named, ...WHOLE, type: F_UNLCK };
      if (fd !== undefined) retaking.giveUp(fd, all);
    }
  }
}

/** Who is interrupted gives the lock up, unless it has just been had. Errors: the server's. */
function* waitFor(pending: PendingLock): Op<void> {
  const state = { isSettled: false };
  pending.onSettled(() => {
    state.isSettled = true;
  });
  try {
    yield* pending.wait();
  } catch (error) {
    if (state.isSettled) throw error;
    pending.cancel();
    try {
      yield* uninterrupted(pending.wait());
    } catch {
      throw error;
    }
  }
}

/** Of a range. */
function kindOf(owner: LockOwner): number {
  return owner.lockPid < 0 ? OFD_LOCK : RECORD_LOCK;
}

export function typeOfFlock(operation: number): number {
  if (operation === LOCK_UN) return F_UNLCK;
  return operation === LOCK_EX ? F_WRLCK : F_RDLCK;
}
