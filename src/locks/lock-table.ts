// LockTable: the advisory locks of the files that many clients use at once. Owners and files are
// plain names, so that a table may be in this process or anywhere else.

import { linuxerr } from '../abi/errno.ts';
import { F_UNLCK, F_WRLCK, LOCK_EX, LOCK_SH, LOCK_UN } from '../abi/fcntl.ts';
import { assert } from '../lib/assert.ts';
import type { Op } from '../lib/op.ts';
import { FileLocks, type LockOwner, type RangeLock } from './file-locks.ts';

/** fcntl(2)'s of a process, flock(2)'s, and fcntl(2)'s of an open file description. */
export type LockKind = 'record' | 'flock' | 'ofd';

/** Those of different sessions, or of different kinds, are different. */
export interface LockOwnerId {
  readonly session: string;
  readonly kind: LockKind;
  readonly id: number;
}

/** What is asked for. `type` is F_RDLCK, F_WRLCK or F_UNLCK. A flock lock has no range. */
export interface LockRequest extends RangeLock {
  /** The same for all names of a file, and for all clients. */
  readonly file: string;
  readonly owner: LockOwnerId;
  /** What others are told: find(). */
  readonly pid: number;
}

export interface FoundLock extends RangeLock {
  readonly owner: LockOwnerId;
  readonly pid: number;
}

/** Record locks and an OFD's are in each other's way; flock locks only in that of their like. */
export interface LockTable {
  /**
   * Takes a lock, or gives it up. While it waits an error may be thrown into it, and then the lock
   * is not taken.
   *
   * Errors:
   *  - EAGAIN if another owner's lock is in the way and it must not wait.
   *  - EDEADLK if those in the way wait for this owner, of whatever session. Only for record locks.
   *  - ENOLCK if the session would have too many, or the table can't be reached.
   */
  set(request: LockRequest, options: { readonly mayWait: boolean }): Op<void>;

  /** The lock in the way of a record lock or an OFD's; of F_UNLCK, the owner's own. */
  find(request: LockRequest): Op<FoundLock | undefined>;

  /** An owner has nothing on a file any more. */
  release(file: string, owner: LockOwnerId): Op<void>;

  /** A session has no locks any more. Those it still waits for are the caller's to interrupt. */
  endSession(session: string): Op<void>;

  /**
   * A client whose session was at a server that is gone has a new one here: what it had is in the
   * way of all but the new one, which takes it again, until the old one's time is up. Not there: a
   * table that ends with its server has nothing to leave.
   *
   * Errors: ENOLCK if the table can't be reached.
   */
  inherit?(from: string, to: string): Op<void>;
}

class TableOwner implements LockOwner {
  readonly id: LockOwnerId;
  pid = 0;
  blockedBy: LockOwner | undefined;
  /** Files with locks of its. */
  readonly files = new Map<LockedFile, number>();
  /** Requests under way. */
  users = 0;

  constructor(id: LockOwnerId) {
    this.id = id;
  }

  /** Only a process can be the cause of a deadlock: FileLocks. */
  get lockPid(): number {
    return this.id.kind === 'record' ? this.pid : -1;
  }
}

interface LockedFile {
  readonly name: string;
  readonly locks: FileLocks;
  /** Requests under way. */
  users: number;
}

interface TableSession {
  readonly owners: Map<string, TableOwner>;
  lockCount: number;
}

export interface LocalLockTableOptions {
  /** Most locks of a session: ranges and flock locks. */
  readonly locksMax: number;
}

/** In this process. */
export class LocalLockTable implements LockTable {
  readonly #locksMax: number;
  readonly #files = new Map<string, LockedFile>();
  readonly #sessions = new Map<string, TableSession>();

  constructor({ locksMax }: LocalLockTableOptions) {
    this.#locksMax = locksMax;
  }

  /** Files and sessions it knows of: none once all locks are given up. */
  get size(): number {
    return this.#files.size + this.#sessions.size;
  }

  *set(request: LockRequest, { mayWait }: { readonly mayWait: boolean }): Op<void> {
    yield* this.#using(request.file, request.owner, function* ({ locks }, owner) {
      owner.pid = request.pid;
      if (owner.id.kind === 'flock') yield* locks.flock(owner, flockOf(request.type), !mayWait);
      else if (mayWait) yield* locks.setRangeWaiting(owner, rangeOf(request));
      else locks.setRange(owner, rangeOf(request));
    });
  }

  *find(request: LockRequest): Op<FoundLock | undefined> {
    return yield* this.#using(request.file, request.owner, function* ({ locks }, owner) {
      const found = locks.findConflict(owner, request);
      if (found === undefined) return undefined;
      const { owner: holder, ...range } = found;
      assert(holder instanceof TableOwner, 'a lock of somebody else');
      return { ...range, owner: holder.id, pid: holder.pid };
    });
  }

  *release(file: string, owner: LockOwnerId): Op<void> {
    yield* this.#using(file, owner, function* ({ locks }, holder) {
      releaseAll(locks, holder);
    });
  }

  *endSession(session: string): Op<void> {
    for (const owner of this.#sessions.get(session)?.owners.values() ?? []) {
      for (const file of [...owner.files.keys()]) yield* this.release(file.name, owner.id);
    }
  }

  /** File and owner are known until `work` is done, and as long as there are locks. */
  *#using<T>(
    name: string,
    ownerId: LockOwnerId,
    work: (file: LockedFile, owner: TableOwner) => Op<T>,
  ): Op<T> {
    const file = this.#file(name);
    const owner = this.#owner(ownerId);
    file.users++;
    owner.users++;
    try {
      return yield* work(file, owner);
    } finally {
      file.users--;
      owner.users--;
      this.#forget(file, owner);
    }
  }

  #file(name: string): LockedFile {
    const known = this.#files.get(name);
    if (known !== undefined) return known;
    const locks = new FileLocks((owner, growth) => {
      assert(owner instanceof TableOwner, 'a lock of somebody else');
      this.#count(file, owner, growth);
    });
    const file: LockedFile = { name, locks, users: 0 };
    this.#files.set(name, file);
    return file;
  }

  #owner(id: LockOwnerId): TableOwner {
    const none: TableSession = { owners: new Map<string, TableOwner>(), lockCount: 0 };
    const session = this.#sessions.get(id.session) ?? none;
    this.#sessions.set(id.session, session);
    const key = keyOf(id);
    const owner = session.owners.get(key) ?? new TableOwner(id);
    session.owners.set(key, owner);
    return owner;
  }

  /** Errors: ENOLCK. Also of giving up, which may make two locks of one. */
  #count(file: LockedFile, owner: TableOwner, growth: number): void {
    const session = this.#sessions.get(owner.id.session);
    assert(session !== undefined, 'a lock of no session');
    if (growth > 0 && session.lockCount + growth > this.#locksMax) throw linuxerr.ENOLCK;
    session.lockCount += growth;
    const count = (owner.files.get(file) ?? 0) + growth;
    if (count === 0) owner.files.delete(file);
    else owner.files.set(file, count);
  }

  #forget(file: LockedFile, owner: TableOwner): void {
    if (file.users === 0 && file.locks.isEmpty) this.#files.delete(file.name);
    if (owner.users > 0 || owner.files.size > 0) return;
    const { session: name } = owner.id;
    const session = this.#sessions.get(name);
    session?.owners.delete(keyOf(owner.id));
    if (session?.owners.size === 0) this.#sessions.delete(name);
  }
}

function keyOf({ kind, id }: LockOwnerId): string {
  return `${kind} ${id}`;
}

function releaseAll(locks: FileLocks, owner: TableOwner): void {
  if (owner.id.kind === 'flock') locks.releaseFlock(owner);
  else locks.releaseRanges(owner);
}

function flockOf(type: number): number {
  if (type === F_UNLCK) return LOCK_UN;
  return type === F_WRLCK ? LOCK_EX : LOCK_SH;
}

/** Without the rest of the request: it is kept. */
function rangeOf({ type, start, end }: LockRequest): RangeLock {
  return { type, start, end };
}
