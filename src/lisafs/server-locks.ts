// Advisory locks. Who has them is in a LockTable; here is what they have to do with FDs, and with
// requests that wait. Nothing else is kept from anybody meanwhile.

import { linuxerr } from '../abi/errno.ts';
import { F_RDLCK, F_UNLCK, F_WRLCK } from '../abi/fcntl.ts';
import { anyOf, type Op, startOp, WaitQueue } from '../lib/op.ts';
import { endOfLength } from '../locks/file-locks.ts';
import type { LockKind, LockOwnerId, LockRequest, LockTable } from '../locks/lock-table.ts';
import { FLOCK, OFD_LOCK, RECORD_LOCK } from './extensions.ts';
import type { RequestOf, ResponseOf } from './messages.ts';
import type { OpenFD } from './server-fds.ts';
import type { Handlers, Request } from './server-request.ts';

const KINDS: Readonly<Record<number, LockKind>> = {
  [RECORD_LOCK]: 'record',
  [FLOCK]: 'flock',
  [OFD_LOCK]: 'ofd',
};
const TYPES = [F_RDLCK, F_WRLCK, F_UNLCK];

/** A request that may wait. */
class Waiting extends WaitQueue {
  isCancelled = false;

  cancel(): void {
    this.isCancelled = true;
    this.wakeAll();
  }
}

export interface SessionLocksOptions {
  readonly table: LockTable;
  /** A name that no other session has, of no server that uses the table, for one without an id. */
  readonly newName: () => string;
  readonly onError: (error: unknown) => void;
}

/** Those of one client. */
export class SessionLocks {
  readonly #options: SessionLocksOptions;
  /** Undefined as long as it hasn't had to do with locks. */
  #name: string | undefined;
  readonly #waiting = new Map<number, Waiting>();
  #isEnded = false;
  #isLeft = false;

  constructor(options: SessionLocksOptions) {
    this.#options = options;
  }

  /** Undefined as long as it has none. */
  get name(): string | undefined {
    return this.#name;
  }

  /**
   * Its name from now on. `lost` was that of the session its client had at another server, if it
   * had one: what it held is kept for this one.
   */
  rename(name: string, lost: string | undefined): void {
    this.#name = name;
    const inheriting = lost === undefined ? undefined : this.#options.table.inherit?.(lost, name);
    if (inheriting !== undefined) this.#run(inheriting);
  }

  owner(kind: LockKind, id: number): LockOwnerId {
    this.#name ??= this.#options.newName();
    return { session: this.#name, kind, id };
  }

  /** Is it this client's? */
  isOwn({ session }: LockOwnerId): boolean {
    return session === this.#name;
  }

  find(request: LockRequest): ReturnType<LockTable['find']> {
    return this.#options.table.find(request);
  }

  /** Errors: LockTable.set()'s; EINTR. */
  *set(tag: number, request: LockRequest, mayWait: boolean): Op<void> {
    const waiting = new Waiting();
    this.#waiting.set(tag, waiting);
    try {
      if (this.#isEnded) throw linuxerr.EINTR;
      yield* interruptible(this.#options.table.set(request, { mayWait }), waiting);
    } finally {
      this.#waiting.delete(tag);
      // It was granted too late.
      if (this.#isEnded) this.#endSession();
    }
  }

  /** It fails with EINTR, if it still waits. */
  cancel(tag: number): void {
    this.#waiting.get(tag)?.cancel();
  }

  /** An owner has nothing on a file any more. Nobody waits for that. */
  release(fileKey: string, owner: LockOwnerId): void {
    if (this.#isLeft) return;
    this.#run(this.#options.table.release(fileKey, owner));
  }

  /** The client doesn't come again. `isLeft`: not here, and what it has is kept for it. */
  end({ isLeft = false }: { readonly isLeft?: boolean } = {}): void {
    this.#isEnded = true;
    this.#isLeft ||= isLeft && this.#options.table.inherit !== undefined;
    for (const waiting of this.#waiting.values()) waiting.cancel();
    this.#endSession();
  }

  #endSession(): void {
    if (this.#isLeft) return;
    if (this.#name !== undefined) this.#run(this.#options.table.endSession(this.#name));
  }

  #run(op: Op<void>): void {
    const reject = (error: unknown): void => {
      // The table says so itself that it can't be reached.
      if (error !== linuxerr.ENOLCK) this.#options.onError(error);
    };
    startOp(op, { resolve: () => undefined, reject });
  }
}

/** Errors: the Op's; EINTR. */
function* interruptible<T>(op: Op<T>, waiting: Waiting): Op<T> {
  let isTold = false;
  let result = op.next();
  while (result.done !== true) {
    yield isTold ? result.value : anyOf([result.value, waiting]);
    const isInterrupted: boolean = waiting.isCancelled && !isTold;
    isTold ||= isInterrupted;
    result = isInterrupted ? op.throw(linuxerr.EINTR) : op.next();
  }
  return result.value;
}

type Asked = Omit<RequestOf<'GetLock'>, 'fd'>;

/** Errors: EINVAL. */
function lockRequest(request: Request, { control }: OpenFD, asked: Asked): LockRequest {
  const { owner, start, length, pid, kind: kindNumber, type } = asked;
  const kind = KINDS[kindNumber];
  if (kind === undefined || !TYPES.includes(type)) throw linuxerr.EINVAL;
  if (kind === 'flock' && (start !== 0 || length !== 0)) throw linuxerr.EINVAL;
  const end = endOfLength(start, length);
  if (length !== 0 && !Number.isSafeInteger(end)) throw linuxerr.EINVAL;
  const ownerId = request.scope.locks.owner(kind, owner);
  const file = request.scope.tree.files.nameOf(control.fileKey);
  return { file, owner: ownerId, pid, type, start, end };
}

/** Linux: fcntl(2), flock(2). Errors: EBADF. */
function checkMode({ isReadable, isWritable }: OpenFD, { owner, type }: LockRequest): void {
  if (owner.kind === 'flock') return;
  if (type === F_RDLCK && !isReadable) throw linuxerr.EBADF;
  if (type === F_WRLCK && !isWritable) throw linuxerr.EBADF;
}

/**
 * Locks of a description go with it: of each owner that has any. The request uses the FD, so it is
 * still there.
 */
function* giveUpWith(fd: OpenFD, { scope }: Request, request: LockRequest): Op<void> {
  const { file, owner, type } = request;
  if (owner.kind === 'record') return;
  const key = `${owner.kind} ${owner.id}`;
  if (type !== F_UNLCK) {
    fd.onRelease.set(key, () => {
      scope.locks.release(file, owner);
    });
  } else if (owner.kind === 'flock') fd.onRelease.delete(key);
  else {
    const all = { ...request, start: 0, end: Infinity };
    if ((yield* scope.locks.find(all)) === undefined) fd.onRelease.delete(key);
  }
}

export const LOCK_HANDLERS: Handlers<'SetLock' | 'GetLock' | 'CancelLock'> = {
  *SetLock(request, { fd: id, wait, ...asked }) {
    const fd = yield* request.open(id);
    const wanted = lockRequest(request, fd, asked);
    checkMode(fd, wanted);
    yield* request.scope.locks.set(request.tag, wanted, wait);
    yield* giveUpWith(fd, request, wanted);
    return {};
  },

  *GetLock(request, { fd: id, ...asked }): Op<ResponseOf<'GetLock'>> {
    const fd = yield* request.open(id);
    const wanted = lockRequest(request, fd, asked);
    const { kind } = wanted.owner;
    if (kind === 'flock' || (kind === 'record' && wanted.type === F_UNLCK)) throw linuxerr.EINVAL;
    const { locks } = request.scope;
    const found = yield* locks.find(wanted);
    if (found === undefined) {
      const { start, length, owner, pid } = asked;
      return { start, length, owner, pid, type: F_UNLCK };
    }
    const { start, end, type, pid, owner } = found;
    const length = end === Infinity ? 0 : end - start;
    return { start, length, type, pid, owner: locks.isOwn(owner) ? owner.id : 0 };
  },

  *CancelLock(request, { tag }) {
    request.scope.locks.cancel(tag);
    return {};
  },
};
