// Advisory locks of byte ranges. Who has them is in a LockTable, which other servers of the files
// may share. diod protocol.md (lock, getlock); Linux: fs/9p/vfs_file.c v9fs_file_do_lock().
//
// An owner is a process of a machine, as the client says. What it locked by a fid it gives up when
// that is clunked, as a process does when it closes any descriptor of a file. Burrow's clients have
// flock locks and those of descriptions as well (lock-clients.ts).

import { linuxerr } from '../abi/errno.ts';
import { F_RDLCK, F_UNLCK, F_WRLCK } from '../abi/fcntl.ts';
import { NAME_MAX } from '../abi/limits.ts';
import { type Op, startOp, WaitQueue } from '../lib/op.ts';
import { isLongerThan } from '../lib/text.ts';
import { endOfLength } from '../locks/file-locks.ts';
import type { LockOwnerId, LockRequest, LockTable } from '../locks/lock-table.ts';
import { lockClientOf, lockKindOf } from './lock-clients.ts';
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
  /** All clients of this server. */
  readonly clients: Set<ClientLocks>;
  /** The session is to end: its client has another. */
  readonly onSuperseded: () => void;
  readonly onError: (error: unknown) => void;
}

interface KnownOwner {
  readonly key: string;
  readonly id: LockOwnerId;
  readonly clientId: string;
  /** Fids and requests that name it. */
  refs: number;
  /** The fids, by file. */
  readonly fids: Map<string, Set<Fid>>;
}

/** Those of one client. */
export class ClientLocks {
  readonly #options: ClientLocksOptions;
  /** By process and machine. */
  readonly #owners = new Map<string, KnownOwner>();
  readonly #byId = new Map<number, KnownOwner>();
  /** Burrow's clients that speak by this session, which is one, and how many owners each has. */
  readonly #ownerCounts = new Map<string, number>();
  #lastId = 0;
  #hasEnded = false;
  readonly #ended = new WaitQueue();

  constructor(options: ClientLocksOptions) {
    this.#options = options;
    options.clients.add(this);
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
    const key = keyOf(procId, clientId);
    let known = this.#owners.get(key);
    if (known === undefined) {
      if (this.#owners.size >= OWNERS_MAX) throw linuxerr.ENOLCK;
      const kind = lockKindOf(clientId) ?? 'record';
      const id = { session: this.#options.name, kind, id: ++this.#lastId };
      known = { key, id, clientId, refs: 0, fids: new Map() };
      this.#owners.set(key, known);
      this.#byId.set(id.id, known);
      this.#count(clientId, 1);
    }
    known.refs++;
    return known.id;
  }

  /** What the owner of a request has on the fid's file goes with the fid. */
  tie(fid: Fid, { file, owner }: LockRequest): void {
    const known = this.#byId.get(owner.id);
    if (known === undefined || fid.onRelease.has(owner)) return;
    known.refs++;
    const tied = known.fids.get(file) ?? new Set();
    known.fids.set(file, tied.add(fid));
    fid.onRelease.set(owner, () => {
      this.release(file, owner);
      this.#untie(fid, file, owner);
    });
  }

  /** The owner has nothing there any more. A client may keep its fids open for ever. */
  untieAll({ file, owner }: LockRequest): void {
    const known = this.#byId.get(owner.id);
    if (known === undefined) return;
    let tiedCount = 0;
    for (const each of known.fids.values()) tiedCount += each.size;
    // Another request of its may take something just now.
    if (known.refs - tiedCount > 1) return;
    for (const fid of [...(known.fids.get(file) ?? [])]) {
      fid.onRelease.delete(owner);
      this.#untie(fid, file, owner);
    }
  }

  #untie(fid: Fid, file: string, owner: LockOwnerId): void {
    const known = this.#byId.get(owner.id);
    const tied = known?.fids.get(file);
    tied?.delete(fid);
    if (tied?.size === 0) known?.fids.delete(file);
    this.forget(owner);
  }

  forget({ id }: LockOwnerId): void {
    const known = this.#byId.get(id);
    if (known === undefined) return;
    known.refs--;
    if (known.refs > 0) return;
    this.#byId.delete(id);
    this.#owners.delete(known.key);
    this.#count(known.clientId, -1);
  }

  /** Empty if it is another client's, who is known by it. */
  clientIdOf({ session, id }: LockOwnerId): string {
    return session === this.#options.name ? (this.#byId.get(id)?.clientId ?? '') : '';
  }

  /** An owner has nothing on a file any more. Nobody waits for that. */
  release(file: string, owner: LockOwnerId): void {
    this.#run(this.table.release(file, owner));
  }

  /**
   * Whose link broke has another: the sessions it had before, which this server may take to be
   * there still, end with what they have and wait for. Only Burrow's clients have names that nobody
   * else can say.
   */
  *supersede(clientId: string): Op<void> {
    const client = lockClientOf(clientId);
    if (client === undefined) return;
    for (const other of this.#options.clients) {
      if (other === this || !other.#ownerCounts.has(client)) continue;
      other.#options.onSuperseded();
      while (!other.#hasEnded) yield other.#ended;
    }
  }

  #count(clientId: string, growth: number): void {
    const client = lockClientOf(clientId);
    if (client === undefined) return;
    const count = (this.#ownerCounts.get(client) ?? 0) + growth;
    if (count === 0) this.#ownerCounts.delete(client);
    else this.#ownerCounts.set(client, count);
  }

  /** No request is under way any more. */
  end(): void {
    const ended = (): void => {
      this.#options.clients.delete(this);
      this.#hasEnded = true;
      this.#ended.wakeAll();
    };
    this.#run(this.table.endSession(this.#options.name), ended);
  }

  #run(op: Op<void>, onDone: () => void = () => undefined): void {
    const reject = (error: unknown): void => {
      // The table says so itself that it can't be reached.
      if (error !== linuxerr.ENOLCK) this.#options.onError(error);
      onDone();
    };
    startOp(op, { resolve: onDone, reject });
  }
}

function keyOf(procId: number, clientId: string): string {
  return `${procId} ${clientId}`;
}

/** Errors: EINVAL, ENAMETOOLONG, ENOLCK. The owner is to be forgotten. */
function lockRequest(
  { scope, tree }: Request,
  { held }: Fid,
  asked: Omit<TMessage<'getlock'>, 'fid'>,
): LockRequest {
  const { start, length, procId, clientId } = asked;
  const type = TYPES.get(asked.type);
  const end = endOfLength(start, length);
  if (type === undefined || (length !== 0 && !Number.isSafeInteger(end))) throw linuxerr.EINVAL;
  if (isLongerThan(clientId, NAME_MAX)) throw linuxerr.ENAMETOOLONG;
  const kind = lockKindOf(clientId);
  if (kind === 'flock' && (start !== 0 || length !== 0)) throw linuxerr.EINVAL;
  const owner = scope.locks.owner(procId, clientId);
  const file = tree.files.nameOf(held.fileKey);
  // A description is no process.
  const pid = kind === undefined || kind === 'record' ? procId : -1;
  return { file, owner, pid, type, start, end };
}

/** Linux: fcntl(2), flock(2). Errors: EBADF, also of a fid that isn't open. */
function checkMode({ use }: Fid, { type, clientId }: TMessage<'lock'>): void {
  if (use?.kind !== 'open') throw linuxerr.EBADF;
  if (lockKindOf(clientId) === 'flock') return;
  if (type === LOCK_TYPE_RDLCK && !use.isReadable) throw linuxerr.EBADF;
  if (type === LOCK_TYPE_WRLCK && !use.isWritable) throw linuxerr.EBADF;
}

/** An owner that has nothing, perhaps any more, needn't be known: there may be very many. */
function* untieIfNone({ scope }: Request, wanted: LockRequest): Op<void> {
  const { table } = scope.locks;
  const all = { ...wanted, type: F_UNLCK, start: 0, end: Infinity };
  // Who can't have another flock lock has lost the one before.
  const isNone = wanted.owner.kind === 'flock' || (yield* table.find(all)) === undefined;
  if (isNone) scope.locks.untieAll(wanted);
}

/** Errors: LockTable.set()'s, but EAGAIN. */
function* lock(request: Request, values: TMessage<'lock'>): Op<number> {
  const { fid: number, flags, ...asked } = values;
  const fid = request.fid(number);
  if ((flags & ~(LOCK_FLAGS_BLOCK | LOCK_FLAGS_RECLAIM)) !== 0) throw linuxerr.EINVAL;
  checkMode(fid, values);
  const wanted = lockRequest(request, fid, asked);
  const { locks } = request.scope;
  const isUnlock = asked.type === LOCK_TYPE_UNLCK;
  let isHad = false;
  try {
    if (!isUnlock) locks.tie(fid, wanted);
    if ((flags & LOCK_FLAGS_RECLAIM) !== 0) yield* locks.supersede(asked.clientId);
    yield* locks.table.set(wanted, { mayWait: (flags & LOCK_FLAGS_BLOCK) !== 0 });
    isHad = !isUnlock;
    return LOCK_SUCCESS;
  } catch (error) {
    if (error === linuxerr.EAGAIN) return LOCK_BLOCKED;
    throw error;
  } finally {
    try {
      if (!isHad) yield* untieIfNone(request, wanted);
    } finally {
      locks.forget(wanted.owner);
    }
  }
}

function* getlock(request: Request, values: TMessage<'getlock'>): Op<RMessage<'getlock'>> {
  const { fid: number, ...asked } = values;
  const fid = request.fid(number);
  if (fid.use?.kind !== 'open') throw linuxerr.EBADF;
  const hasNoRange = lockKindOf(asked.clientId) === 'flock';
  if (asked.type === LOCK_TYPE_UNLCK || hasNoRange) throw linuxerr.EINVAL;
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
