// Advisory locks of byte ranges. Who has them is in a LockTable, which other servers of the files
// may share. diod protocol.md (lock, getlock); Linux: fs/9p/vfs_file.c v9fs_file_do_lock().
//
// An owner is a process of a machine, as the client says. What it locked by a fid it gives up when
// that is clunked, as a process does when it closes any descriptor of a file.

import { linuxerr } from '../abi/errno.ts';
import { F_RDLCK, F_UNLCK, F_WRLCK } from '../abi/fcntl.ts';
import { NAME_MAX } from '../abi/limits.ts';
import { type Op, startOp } from '../lib/op.ts';
import { isLongerThan } from '../lib/text.ts';
import type { LockOwnerId, LockRequest, LockTable } from '../locks/lock-table.ts';
import type { RMessage, TMessage } from './messages.ts';
import {
  LOCK_BLOCKED,
  LOCK_FLAGS_BLOCK,
  LOCK_FLAGS_RECLAIM,
  LOCK_SUCCESS,
  LOCK_TYPE_RDLCK,
  LOCK_TYPE_UNLCK,
  LOCK_TYPE_WRLCK,
} from './records.ts';
import type { Fid } from './server-fids.ts';
import type { Handlers, Request } from './server-request.ts';

const U32_MAX = 0xffff_ffff;
/** Owners of a client's locks at a time: ENOLCK. */
const OWNERS_MAX = 10_000;
/** Type on the wire → fcntl(2)'s, and back. */
const TYPES: ReadonlyMap<number, number> = new Map([
  [LOCK_TYPE_RDLCK, F_RDLCK],
  [LOCK_TYPE_WRLCK, F_WRLCK],
  [LOCK_TYPE_UNLCK, F_UNLCK],
]);
const WIRE_TYPES = new Map([...TYPES].map(([wire, type]) => [type, wire]));

export interface ClientLocksOptions {
  readonly table: LockTable;
  /** That no other session of any server of the table has. */
  readonly name: string;
  readonly onError: (error: unknown) => void;
}

interface KnownOwner {
  readonly key: string;
  readonly id: LockOwnerId;
  readonly clientId: string;
  /** Fids and requests that name it. */
  refs: number;
}

/** Those of one client. */
export class ClientLocks {
  readonly #options: ClientLocksOptions;
  /** By process and machine. */
  readonly #owners = new Map<string, KnownOwner>();
  readonly #byId = new Map<number, KnownOwner>();
  #lastId = 0;

  constructor(options: ClientLocksOptions) {
    this.#options = options;
  }

  /** Of the session, for the table. */
  get name(): string {
    return this.#options.name;
  }

  get table(): LockTable {
    return this.#options.table;
  }

  /** For a request or a fid, which gives it back with forget(). Errors: ENOLCK. */
  owner(procId: number, clientId: string): LockOwnerId {
    const key = `${procId} ${clientId}`;
    let known = this.#owners.get(key);
    if (known === undefined) {
      if (this.#owners.size >= OWNERS_MAX) throw linuxerr.ENOLCK;
      const id = { session: this.#options.name, kind: 'record', id: ++this.#lastId } as const;
      known = { key, id, clientId, refs: 0 };
      this.#owners.set(key, known);
      this.#byId.set(id.id, known);
    }
    known.refs++;
    return known.id;
  }

  retain({ id }: LockOwnerId): void {
    const known = this.#byId.get(id);
    if (known !== undefined) known.refs++;
  }

  forget({ id }: LockOwnerId): void {
    const known = this.#byId.get(id);
    if (known === undefined) return;
    known.refs--;
    if (known.refs > 0) return;
    this.#byId.delete(id);
    this.#owners.delete(known.key);
  }

  /** Empty if it is another client's. */
  clientIdOf({ session, id }: LockOwnerId): string {
    return session === this.#options.name ? (this.#byId.get(id)?.clientId ?? '') : '';
  }

  /** An owner has nothing on a file any more. Nobody waits for that. */
  release(file: string, owner: LockOwnerId): void {
    this.#run(this.table.release(file, owner));
  }

  /** No request is under way any more. */
  end(): void {
    this.#run(this.table.endSession(this.#options.name));
  }

  #run(op: Op<void>): void {
    const reject = (error: unknown): void => {
      // The table says so itself that it can't be reached.
      if (error !== linuxerr.ENOLCK) this.#options.onError(error);
    };
    startOp(op, { resolve: () => undefined, reject });
  }
}

/** Errors: EINVAL, ENAMETOOLONG, ENOLCK. The owner is to be forgotten. */
function lockRequest(
  { scope, tree }: Request,
  { held }: Fid,
  asked: Omit<TMessage<'getlock'>, 'fid'>,
): LockRequest {
  const { start, length, procId, clientId } = asked;
  const type = TYPES.get(asked.type);
  const end = length === 0 ? Infinity : start + length;
  if (type === undefined || (length !== 0 && !Number.isSafeInteger(end))) throw linuxerr.EINVAL;
  if (isLongerThan(clientId, NAME_MAX)) throw linuxerr.ENAMETOOLONG;
  const owner = scope.locks.owner(procId, clientId);
  const file = tree.files.nameOf(held.fileKey);
  return { file, owner, pid: procId, type, start, end };
}

/** Linux: fcntl(2). Errors: EBADF, also of a fid that isn't open. */
function checkMode({ use }: Fid, type: number): void {
  if (use?.kind !== 'open') throw linuxerr.EBADF;
  if (type === LOCK_TYPE_RDLCK && !use.isReadable) throw linuxerr.EBADF;
  if (type === LOCK_TYPE_WRLCK && !use.isWritable) throw linuxerr.EBADF;
}

/** The fid's locks go with it. */
function giveUpWith(fid: Fid, { scope }: Request, { file, owner }: LockRequest): void {
  if (fid.onRelease.has(owner)) return;
  const { locks } = scope;
  locks.retain(owner);
  fid.onRelease.set(owner, () => {
    locks.release(file, owner);
    locks.forget(owner);
  });
}

/** Errors: LockTable.set()'s, but EAGAIN. */
function* lock(request: Request, values: TMessage<'lock'>): Op<number> {
  const { fid: number, flags, ...asked } = values;
  const fid = request.fid(number);
  if ((flags & ~(LOCK_FLAGS_BLOCK | LOCK_FLAGS_RECLAIM)) !== 0) throw linuxerr.EINVAL;
  checkMode(fid, asked.type);
  const wanted = lockRequest(request, fid, asked);
  const { locks } = request.scope;
  try {
    if (asked.type !== LOCK_TYPE_UNLCK) giveUpWith(fid, request, wanted);
    yield* locks.table.set(wanted, { mayWait: (flags & LOCK_FLAGS_BLOCK) !== 0 });
    return LOCK_SUCCESS;
  } catch (error) {
    if (error === linuxerr.EAGAIN) return LOCK_BLOCKED;
    throw error;
  } finally {
    locks.forget(wanted.owner);
  }
}

function* getlock(request: Request, values: TMessage<'getlock'>): Op<RMessage<'getlock'>> {
  const { fid: number, ...asked } = values;
  const fid = request.fid(number);
  if (fid.use?.kind !== 'open') throw linuxerr.EBADF;
  if (asked.type === LOCK_TYPE_UNLCK) throw linuxerr.EINVAL;
  const wanted = lockRequest(request, fid, asked);
  const { locks } = request.scope;
  try {
    const found = yield* locks.table.find(wanted);
    if (found === undefined) return { ...asked, type: LOCK_TYPE_UNLCK };
    const { start, end, owner, pid } = found;
    return {
      type: WIRE_TYPES.get(found.type) ?? LOCK_TYPE_WRLCK,
      start,
      length: end === Infinity ? 0 : end - start,
      // A client of another protocol may have numbered its processes otherwise.
      procId: pid >= 0 && pid <= U32_MAX ? pid : 0,
      clientId: locks.clientIdOf(owner),
    };
  } finally {
    locks.forget(wanted.owner);
  }
}

export const LOCK_HANDLERS: Handlers<'lock' | 'getlock'> = {
  *lock(request, values) {
    return { status: yield* lock(request, values) };
  },

  getlock: (request, values) => getlock(request, values),
};
