// WholeFileLocks: locks on files of a server that doesn't tell one owner from another, or one
// range: diod, whose locks are flock(2)'s of what a fid has open. The owners of this kernel keep
// each other out here; at the server all of them have one lock on the whole file, as strong as the
// strongest of theirs, until all are given up. Of a server without locks they are here alone.
//
// Linux: fs/9p/vfs_file.c v9fs_file_do_lock() asks here first, too, and takes it back if the server
// says no; but it gives the server's lock up with the first of them.

import { LinuxError, linuxerr } from '../../abi/errno.ts';
import { F_UNLCK, F_WRLCK, LOCK_UN } from '../../abi/fcntl.ts';
import { Mutex, type Op, runAsync, timer } from '../../lib/op.ts';
import { RECORD_LOCK } from '../../lisafs/extensions.ts';
import { FileLocks, type LockConflict, type RangeRequest } from '../../locks/file-locks.ts';
import type { FileDescription } from '../../vfs/file-description.ts';
import type { Inode } from '../shared/inode.ts';
import type { LockedFile, RangeOwner } from '../shared/upstream-locks.ts';
import { typeOfFlock } from './gofer-locks.ts';
import type { GoferInode } from './gofer-inode.ts';
import { finished, type LockFds } from './lock-fds.ts';
import type { LockRetaking, RemoteFd, RemoteLock, RemoteLocks } from './remote.ts';
import { type GrantedLocks, POLL_MS, type ServerLocks } from './server-locks.ts';

/** The kernel, as one owner. */
const KERNEL = { kind: RECORD_LOCK, owner: 1, pid: 1, start: 0, end: Infinity } as const;

/**
 * Between attempts to take locks again, of all files together. It takes the server a while to see
 * that the link before is gone, and until then that has them.
 */
const RETAKE_DELAYS_MS = [50, 100, 200, 400, 800];

export interface WholeFileLocksOptions extends GrantedLocks {
  /** Undefined: there are none at the server. */
  readonly locks: RemoteLocks | undefined;
  readonly fds: LockFds;
}

/** A file with locks, or one for which some are asked. */
interface Locked {
  readonly inode: GoferInode;
  readonly locals: FileLocks;
  /** Held while the server is asked. */
  readonly mu: Mutex;
  /** What the server has: F_UNLCK, F_RDLCK or F_WRLCK, by the FD. */
  type: number;
  fd: RemoteFd | undefined;
  users: number;
  /** Descriptions by which there are locks, and those whose locks are lost. */
  readonly files: Set<FileDescription>;
  readonly lost: Set<FileDescription>;
}

interface Wanted {
  readonly type: number;
  readonly grant: (locked: Locked) => Op<() => void>;
}

export class WholeFileLocks implements ServerLocks {
  readonly #options: WholeFileLocksOptions;
  readonly #byInode = new Map<Inode, Locked>();
  /** Counts sessions that were lost, with all locks. */
  #generation = 0;

  constructor(options: WholeFileLocksOptions) {
    this.#options = options;
  }

  get place(): 'file' | 'here' {
    return this.#options.locks === undefined ? 'here' : 'file';
  }

  // What descriptions ask.

  *flock(
    target: LockedFile,
    operation: number,
    { mustNotWait }: { readonly mustNotWait: boolean },
  ): Op<void> {
    const { file } = target;
    if (operation === LOCK_UN) {
      this.#byInode.get(target.inode)?.locals.releaseFlock(file);
      yield* this.#unlocked(target);
      return;
    }
    yield* this.#using(target, typeOfFlock(operation), !mustNotWait, function* ({ locals }) {
      yield* locals.flock(file, operation, mustNotWait);
      return () => {
        locals.releaseFlock(file);
      };
    });
  }

  *setRange(
    target: RangeOwner,
    request: RangeRequest,
    { mayWait }: { readonly mayWait: boolean },
  ): Op<void> {
    const { owner } = target;
    if (request.type === F_UNLCK) {
      this.#byInode.get(target.inode)?.locals.setRange(owner, request);
      yield* this.#unlocked(target);
      return;
    }
    yield* this.#using(target, request.type, mayWait, function* ({ locals }) {
      const before = locals.rangesOf(owner);
      if (mayWait) yield* locals.setRangeWaiting(owner, request);
      else locals.setRange(owner, request);
      return () => {
        restore(locals, target, request, before);
      };
    });
  }

  *findRange(target: RangeOwner, request: RangeRequest): Op<LockConflict | undefined> {
    const inode = target.inode as GoferInode;
    const here = inode.locks?.findConflict(target.owner, request);
    const { locks, fds } = this.#options;
    if (here !== undefined || request.type === F_UNLCK || locks === undefined) return here;
    const locked = this.#byInode.get(inode);
    // It is this kernel's: nobody else has one that is in the way of as much.
    if (locked !== undefined && isEnough(locked.type, request.type)) return undefined;
    const fd = yield* fds.of(inode, target.file, F_UNLCK);
    const found = yield* locks.find(fd, { ...KERNEL, type: request.type });
    if (found === undefined) return undefined;
    const { pid, ...range } = found;
    return { ...range, owner: { lockPid: -Math.abs(pid) } };
  }

  releaseRanges(target: RangeOwner): void {
    this.#givenUp(target);
  }

  released(target: LockedFile): void {
    this.#givenUp(target);
    this.#byInode.get(target.inode)?.files.delete(target.file);
  }

  checkHeld(file: FileDescription, inode: Inode): void {
    if (this.#byInode.get(inode)?.lost.has(file) === true) throw linuxerr.EIO;
  }

  // What the server is asked.

  /** `grant` grants it here, and returns how that is taken back. */
  *#using(
    { inode, file }: LockedFile,
    type: number,
    mayWait: boolean,
    grant: (locked: Locked) => Op<() => void>,
  ): Op<void> {
    const locked = this.#ensure(inode as GoferInode);
    locked.users++;
    try {
      for (;;) {
        const generation = this.#generation;
        try {
          if (yield* this.#tryOnce(locked, file, { type, grant })) return;
          if (!mayWait) throw linuxerr.EAGAIN;
        } catch (error) {
          // It was asked for in the session that is lost.
          if (error !== linuxerr.EIO || generation === this.#generation) throw error;
          continue;
        }
        // Not also when locks change here: who tries in vain changes them, for a moment.
        yield timer(this.#options.clock, POLL_MS);
      }
    } finally {
      locked.users--;
      this.#lower(locked);
    }
  }

  *#tryOnce(locked: Locked, file: FileDescription, { type, grant }: Wanted): Op<boolean> {
    if (locked.lost.has(file)) throw linuxerr.EIO;
    const takeBack = yield* grant(locked);
    let isHad = false;
    try {
      isHad = yield* this.#raise(locked, file, type);
      return isHad;
    } finally {
      if (!isHad && !locked.lost.has(file)) takeBack();
    }
  }

  #ensure(inode: GoferInode): Locked {
    const known = this.#byInode.get(inode);
    if (known !== undefined) return known;
    const locals = (inode.locks ??= new FileLocks());
    const files = { files: new Set<FileDescription>(), lost: new Set<FileDescription>() };
    const at = { type: F_UNLCK, fd: undefined, mu: new Mutex(), users: 0 };
    const locked: Locked = { inode, locals, ...at, ...files };
    this.#byInode.set(inode, locked);
    return locked;
  }

  /** Returns whether the server has as much for this kernel. */
  *#raise(locked: Locked, file: FileDescription, type: number): Op<boolean> {
    locked.files.add(file);
    if (this.#options.locks === undefined) return true;
    yield* locked.mu.lock();
    try {
      if (locked.lost.has(file)) throw linuxerr.EIO;
      if (isEnough(locked.type, type)) return true;
      const asked = yield* finished(this.#askMore(locked, file, type));
      if (!asked.value && asked.interruption !== undefined) throw asked.interruption.reason;
      return asked.value;
    } finally {
      locked.mu.unlock();
    }
  }

  /** What is had already is had by the same FD: another would be kept out by it. */
  *#askMore(locked: Locked, file: FileDescription, type: number): Op<boolean> {
    const { inode, type: had } = locked;
    const fd = locked.fd ?? (yield* this.#options.fds.of(inode, file, type));
    if (yield* this.#isGranted(fd, type)) {
      locked.type = type;
      locked.fd = fd;
      if (had === F_UNLCK) this.#options.onGranted(inode);
      return true;
    }
    // flock(2): what it had is gone if it can't have more.
    if (had !== F_UNLCK && !(yield* this.#isGranted(fd, had))) lose(locked);
    return false;
  }

  *#isGranted(fd: RemoteFd, type: number): Op<boolean> {
    const { locks } = this.#options;
    if (locks === undefined) return true;
    try {
      yield* locks.set(fd, { ...KERNEL, type }, false).wait();
      return true;
    } catch (error) {
      if (error === linuxerr.EAGAIN) return false;
      // It wants it to be open otherwise, which is more than can be had by one FD.
      throw error === linuxerr.EBADF ? linuxerr.ENOLCK : error;
    }
  }

  /** Perhaps nobody here has any more: others may have it when this returns. */
  *#unlocked({ inode, file }: LockedFile): Op<void> {
    const locked = this.#byInode.get(inode);
    if (locked === undefined) return;
    locked.lost.delete(file);
    const giving = this.#lowering(locked);
    if (giving !== undefined) yield* finished(giving);
  }

  /** The same, which nobody waits for. */
  #givenUp({ inode, file }: LockedFile): void {
    const locked = this.#byInode.get(inode);
    if (locked === undefined) return;
    locked.lost.delete(file);
    this.#lower(locked);
  }

  #lower(locked: Locked): void {
    const giving = this.#lowering(locked);
    if (giving !== undefined) void runAsync(giving);
  }

  /** Only as a whole: a weaker lock is another one, and somebody might come in between. */
  #lowering(locked: Locked): Op<void> | undefined {
    const { fd, type } = locked;
    if (locked.users > 0 || !locked.locals.isEmpty) return undefined;
    if (fd !== undefined && type !== F_UNLCK) return this.#giveUp(locked, fd);
    if (locked.lost.size === 0) this.#byInode.delete(locked.inode);
    return undefined;
  }

  /** Errors: bugs. */
  *#giveUp(locked: Locked, fd: RemoteFd): Op<void> {
    locked.users++;
    yield* locked.mu.lock();
    try {
      // Somebody has come meanwhile; or it went with the FD, whose number is another's, perhaps.
      if (!locked.locals.isEmpty || fd.isClosed) return;
      yield* this.#isGranted(fd, F_UNLCK);
    } catch (error) {
      // The link is gone, and the lock with it.
      if (!(error instanceof LinuxError)) throw error;
    } finally {
      if (locked.locals.isEmpty) {
        locked.type = F_UNLCK;
        locked.fd = undefined;
      }
      locked.mu.unlock();
      locked.users--;
      this.#lower(locked);
    }
  }

  // When the link was gone.

  reconnected(): void {
    // recover() has done it all: what a link had ends with it.
  }

  *recover(retaking: LockRetaking): Op<void> {
    this.#generation++;
    const delaysMs = [...RETAKE_DELAYS_MS];
    for (const locked of this.#byInode.values()) {
      const { fd, type } = locked;
      if (fd === undefined || type === F_UNLCK) continue;
      if (locked.locals.isEmpty) {
        locked.type = F_UNLCK;
        locked.fd = undefined;
        continue;
      }
      try {
        if (fd.isLost) throw linuxerr.ENOLCK;
        yield* this.#retake(retaking, fd, { ...KERNEL, type }, delaysMs);
      } catch (error) {
        if (error === linuxerr.EIO || !(error instanceof LinuxError)) throw error;
        lose(locked);
      }
    }
  }

  /** Errors: EAGAIN, ENOLCK, EIO. */
  *#retake(retaking: LockRetaking, fd: RemoteFd, lock: RemoteLock, delaysMs: number[]): Op<void> {
    for (;;) {
      try {
        yield* retaking.set(fd, lock);
        return;
      } catch (error) {
        const delayMs = error === linuxerr.EAGAIN ? delaysMs.shift() : undefined;
        if (delayMs === undefined) throw error;
        yield timer(this.#options.clock, delayMs);
      }
    }
  }
}

/** Is what is had as strong as what is asked for? */
function isEnough(had: number, type: number): boolean {
  return had === F_WRLCK || had === type;
}

/** Somebody else has it. */
function lose(locked: Locked): void {
  locked.type = F_UNLCK;
  locked.fd = undefined;
  for (const file of locked.files) locked.lost.add(file);
  locked.locals.releaseAll();
}

/** What the owner had within the request, it has again: that is never more. */
function restore(
  locals: FileLocks,
  { owner }: RangeOwner,
  { start, end }: RangeRequest,
  before: ReturnType<FileLocks['rangesOf']>,
): void {
  locals.grantRange(owner, { type: F_UNLCK, start, end });
  for (const lock of before) {
    const part = { start: Math.max(lock.start, start), end: Math.min(lock.end, end) };
    if (part.start < part.end) locals.grantRange(owner, { type: lock.type, ...part });
  }
}
