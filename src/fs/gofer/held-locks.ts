// HeldLocks: who here has locks at the server, or asks for some. What exactly, the FileLocks of the
// inodes say.

import { F_RDLCK, F_UNLCK, F_WRLCK, LOCK_EX } from '../../abi/fcntl.ts';
import { assertDefined } from '../../lib/assert.ts';
import { FLOCK } from '../../lisafs/extensions.ts';
import type { FileLocks, LockOwner } from '../../locks/file-locks.ts';
import type { FileDescription } from '../../vfs/file-description.ts';
import type { GoferInode } from './gofer-inode.ts';
import type { RemoteLock } from './remote.ts';

/** An owner's locks of one kind on one file. */
export class HeldLock {
  readonly inode: GoferInode;
  readonly owner: LockOwner;
  readonly kind: number;
  readonly #id: number;
  /** The descriptions by which it asked for them. */
  readonly files = new Set<FileDescription>();
  /** Requests under way. */
  users = 0;
  #isUnsure = false;
  #isLost = false;

  constructor(inode: GoferInode, owner: LockOwner, kind: number, id: number) {
    this.inode = inode;
    this.owner = owner;
    this.kind = kind;
    this.#id = id;
  }

  /** For the server. */
  get named(): Pick<RemoteLock, 'kind' | 'owner' | 'pid'> {
    return { kind: this.kind, owner: this.#id, pid: this.owner.lockPid };
  }

  get locals(): FileLocks {
    return assertDefined(this.inode.locks);
  }

  get hasLocks(): boolean {
    return this.locks().length > 0;
  }

  /** Nobody knows what the server has. */
  get isUnsure(): boolean {
    return this.#isUnsure;
  }

  /** The inode keeps its FDs until it is known. */
  becomeUnsure(): void {
    if (this.#isUnsure) return;
    this.#isUnsure = true;
    this.inode.incRef();
  }

  becomeSure(): void {
    if (!this.#isUnsure) return;
    this.#isUnsure = false;
    this.inode.decRef();
  }

  /** Others may have had it, and changed what it was for: its descriptions are of no use. */
  get isLost(): boolean {
    return this.#isLost;
  }

  lose(): void {
    this.#isLost = true;
    if (this.kind === FLOCK) this.locals.releaseFlock(this.owner);
    else this.locals.releaseRanges(this.owner);
  }

  /** The owner has given it up. Returns whether there was something lost. */
  forgetLoss(): boolean {
    const wasLost = this.#isLost;
    this.#isLost = false;
    return wasLost;
  }

  locks(): readonly RemoteLock[] {
    const { named } = this;
    if (this.kind !== FLOCK) {
      return this.locals.rangesOf(this.owner).map((range) => ({ ...named, ...range }));
    }
    const operation = this.locals.flockOf(this.owner);
    if (operation === undefined) return [];
    const type = operation === LOCK_EX ? F_WRLCK : F_RDLCK;
    return [{ ...named, type, start: 0, end: Infinity }];
  }

  /** All the server is to have, and not to have. */
  stateAtServer(): readonly RemoteLock[] {
    const state: RemoteLock[] = [];
    let at = 0;
    for (const lock of this.locks()) {
      if (lock.start > at) state.push(this.#none(at, lock.start));
      state.push(lock);
      at = lock.end;
    }
    if (at < Infinity) state.push(this.#none(at, Infinity));
    return state;
  }

  #none(start: number, end: number): RemoteLock {
    return { ...this.named, type: F_UNLCK, start, end };
  }
}

export class HeldLocks {
  readonly #byInode = new Map<GoferInode, HeldLock[]>();
  readonly #ids = new WeakMap<LockOwner, number>();
  #lastId = 0;

  /** The server's number of an owner. */
  idOf(owner: LockOwner): number {
    let id = this.#ids.get(owner);
    if (id === undefined) this.#ids.set(owner, (id = ++this.#lastId));
    return id;
  }

  of(inode: GoferInode): readonly HeldLock[] {
    return this.#byInode.get(inode) ?? [];
  }

  all(): readonly HeldLock[] {
    return [...this.#byInode.values()].flat();
  }

  find(inode: GoferInode, owner: LockOwner, kind: number): HeldLock | undefined {
    return this.of(inode).find((held) => held.owner === owner && held.kind === kind);
  }

  ensure(inode: GoferInode, owner: LockOwner, kind: number): HeldLock {
    const known = this.find(inode, owner, kind);
    if (known !== undefined) return known;
    const held = new HeldLock(inode, owner, kind, this.idOf(owner));
    this.#byInode.set(inode, [...this.of(inode), held]);
    return held;
  }

  forgetIfUnused(held: HeldLock): void {
    if (held.users > 0 || held.isUnsure || held.isLost || held.hasLocks) return;
    const others = this.of(held.inode).filter((each) => each !== held);
    if (others.length > 0) this.#byInode.set(held.inode, others);
    else this.#byInode.delete(held.inode);
  }
}
