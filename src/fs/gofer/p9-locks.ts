// P9Locks: locks at a server, by 9P2000.L. Linux: fs/9p/vfs_file.c (v9fs_file_do_lock,
// v9fs_file_getlock).
//
// The protocol has record locks of processes alone. Whoever has another kind says so in the name of
// the client (src/p9/lock-clients.ts), which makes it an owner of its own at any server.

import { LinuxError, linuxerr } from '../../abi/errno.ts';
import { F_RDLCK, F_UNLCK, F_WRLCK } from '../../abi/fcntl.ts';
import type { Op } from '../../lib/op.ts';
import { FLOCK, OFD_LOCK, RECORD_LOCK } from '../../lisafs/extensions.ts';
import { endOfLength, lengthOf, type RangeLock } from '../../locks/file-locks.ts';
import type { LockKind } from '../../locks/lock-table.ts';
import type { P9Client } from '../../p9/client.ts';
import type { RestoringCalls } from '../../p9/client-options.ts';
import { lockClientId } from '../../p9/lock-clients.ts';
import type { RMessage, TMessage } from '../../p9/messages.ts';
import {
  LOCK_BLOCKED,
  LOCK_FLAGS_BLOCK,
  LOCK_FLAGS_RECLAIM,
  LOCK_GRACE,
  LOCK_SUCCESS,
  LOCK_TYPE_RDLCK,
  LOCK_TYPE_UNLCK,
  LOCK_TYPE_WRLCK,
} from '../../p9/records.ts';
import { failed, mapped } from './pending.ts';
import type {
  LockProbe,
  LockRetaking,
  PendingLock,
  RemoteFd,
  RemoteLock,
  RemoteLocks,
} from './remote.ts';

/**
 * So many wait at the server; others ask now and then. It may have few requests under way at a time
 * (ours 64, diod as many as it has threads), and those that give locks up must get through.
 */
const WAITING_MAX = 8;
/** Of no process or description. */
const PROBE_OWNER = 0;
/** Locks that go just as they are looked at. */
const PROBES_MAX = 3;

const KINDS: Readonly<Record<number, LockKind>> = {
  [RECORD_LOCK]: 'record',
  [FLOCK]: 'flock',
  [OFD_LOCK]: 'ofd',
};
const WIRE_TYPES: ReadonlyMap<number, number> = new Map([
  [F_RDLCK, LOCK_TYPE_RDLCK],
  [F_WRLCK, LOCK_TYPE_WRLCK],
  [F_UNLCK, LOCK_TYPE_UNLCK],
]);

type Range = Omit<TMessage<'getlock'>, 'fid'>;
type Found = RMessage<'getlock'>;

export class P9Locks implements RemoteLocks {
  readonly #client: P9Client;
  /** Nobody else is called so. */
  readonly #name: string;
  #waitingCount = 0;

  /** `name`: as lockClientName() says it. */
  constructor(client: P9Client, name: string) {
    this.#client = client;
    this.#name = name;
  }

  set(opened: RemoteFd, lock: RemoteLock, mayWait: boolean): PendingLock {
    if (mayWait && this.#waitingCount >= WAITING_MAX) return notSent(linuxerr.EAGAIN);
    let values: TMessage<'lock'>;
    try {
      values = this.#lockOf(opened, lock, mayWait ? LOCK_FLAGS_BLOCK : 0);
    } catch (error) {
      if (error instanceof LinuxError) return notSent(error);
      throw error;
    }
    const reply = this.#client.send('lock', values);
    if (mayWait) {
      this.#waitingCount++;
      reply.onSettled(() => {
        this.#waitingCount--;
      });
    }
    const pending = mapped(reply, ({ status }) => {
      checkStatus(status, lock);
    });
    return {
      ...pending,
      cancel: () => {
        this.#client.cancel(reply);
      },
    };
  }

  *find(
    opened: RemoteFd,
    lock: RemoteLock,
  ): Op<(RangeLock & { readonly pid: number }) | undefined> {
    const asked = this.#rangeOf(lock);
    const found = yield* this.#getlock(opened, asked);
    if (found.type === LOCK_TYPE_UNLCK) return undefined;
    const { start, length, procId } = found;
    // Who says that it is the one who asks doesn't know whose it is; nor does who says nobody.
    const isUnknown = procId === 0 || isSameOwner(found, asked);
    return {
      type: found.type === LOCK_TYPE_RDLCK ? F_RDLCK : F_WRLCK,
      start,
      end: endOfLength(start, length),
      pid: isUnknown ? -1 : procId | 0,
    };
  }

  // What the server makes of locks.

  *probe(probe: LockProbe): Op<'server' | 'file' | 'here'> {
    const { opened, lock } = probe;
    const own = { ...lock, kind: RECORD_LOCK, owner: PROBE_OWNER, pid: 0 };
    for (let done = 0; done < PROBES_MAX; done++) {
      const status = yield* this.#tryLock(opened, own);
      if (status === undefined) return 'here';
      if (status === LOCK_SUCCESS) return yield* this.#probeWith(probe, own);
      if (status !== LOCK_BLOCKED) checkStatus(status, own);
      const place = yield* this.#probeOther(opened, own);
      if (place !== undefined) return place;
    }
    throw linuxerr.EAGAIN;
  }

  /** There is a lock of ours: is it known whose, and if not, does it keep others out? */
  *#probeWith({ opened, other, lock }: LockProbe, own: RemoteLock): Op<'server' | 'file' | 'here'> {
    try {
      // Found is that one, or another's that is there as well; or the one who asks is said again.
      const asked = this.#rangeOf({ ...lock, kind: RECORD_LOCK, type: F_WRLCK });
      const found = yield* this.#foundBy(opened, asked);
      const isFound = found !== undefined && found.type !== LOCK_TYPE_UNLCK;
      if (isFound && !isSameOwner(found, asked)) return 'server';
      const second = yield* other.open();
      try {
        const status = yield* this.#tryLock(second, { ...own, ...lock, type: F_WRLCK });
        if (status !== LOCK_SUCCESS) return 'file';
        yield* this.#tryLock(second, { ...own, ...lock, type: F_UNLCK });
        return 'here';
      } finally {
        other.close(second);
      }
    } finally {
      yield* this.#tryLock(opened, { ...own, type: F_UNLCK });
    }
  }

  /** Somebody's is in the way: is it known whose? Undefined if it has just gone. */
  *#probeOther(opened: RemoteFd, own: RemoteLock): Op<'server' | 'file' | undefined> {
    const asked = this.#rangeOf(own);
    const found = yield* this.#foundBy(opened, asked);
    if (found === undefined) return 'file';
    if (found.type === LOCK_TYPE_UNLCK) return undefined;
    return isSameOwner(found, asked) ? 'file' : 'server';
  }

  /** Undefined if the server has no locks. A fid that is opened otherwise is kept out, too. */
  *#tryLock(opened: RemoteFd, lock: RemoteLock): Op<number | undefined> {
    try {
      return (yield* this.#client.call('lock', this.#lockOf(opened, lock, 0))).status;
    } catch (error) {
      if (error === linuxerr.EBADF) return LOCK_BLOCKED;
      if (hasNone(error)) return undefined;
      throw error;
    }
  }

  /** Undefined if the server can't say. */
  *#foundBy(opened: RemoteFd, asked: Range): Op<Found | undefined> {
    try {
      return yield* this.#getlock(opened, asked);
    } catch (error) {
      if (hasNone(error) || error === linuxerr.EINVAL) return undefined;
      throw error;
    }
  }

  *#getlock(opened: RemoteFd, asked: Range): Op<Found> {
    return yield* this.#client.call('getlock', { fid: opened.id, ...asked });
  }

  #lockOf(opened: RemoteFd, lock: RemoteLock, flags: number): TMessage<'lock'> {
    return { fid: opened.id, flags, ...this.#rangeOf(lock) };
  }

  #rangeOf(lock: RemoteLock): Range {
    return rangeOf(this.#name, lock);
  }
}

/** By what goes before all other calls of a session. `name`: as P9Locks has it. */
export function p9Retaking(calls: RestoringCalls, name: string): LockRetaking {
  const lockOf = (fd: RemoteFd, lock: RemoteLock, flags: number): TMessage<'lock'> => {
    return { fid: fd.id, flags, ...rangeOf(name, lock) };
  };
  return {
    *set(fd, lock) {
      let status: number;
      try {
        ({ status } = yield* calls.call('lock', lockOf(fd, lock, LOCK_FLAGS_RECLAIM)));
      } catch (error) {
        // diod doesn't know this flag.
        if (error !== linuxerr.EINVAL) throw error;
        ({ status } = yield* calls.call('lock', lockOf(fd, lock, 0)));
      }
      checkStatus(status, lock);
    },
    giveUp(fd, lock) {
      calls.send('lock', lockOf(fd, lock, 0));
    },
  };
}

function rangeOf(name: string, lock: RemoteLock): Range {
  const { kind, owner, pid, type, start } = lock;
  const word = KINDS[kind] ?? 'record';
  return {
    type: WIRE_TYPES.get(type) ?? LOCK_TYPE_WRLCK,
    start,
    length: lengthOf(lock),
    // A description is no process; a server may look at nothing else.
    procId: word === 'record' ? pid : owner,
    clientId: lockClientId(name, owner, word),
  };
}

function notSent(error: LinuxError): PendingLock {
  return { ...failed(error), cancel: () => undefined };
}

function hasNone(error: unknown): boolean {
  return error === linuxerr.EOPNOTSUPP || error === linuxerr.ENOSYS;
}

function isSameOwner(a: Range, b: Range): boolean {
  return a.procId === b.procId && a.clientId === b.clientId;
}

/**
 * Errors: EAGAIN for what may be asked again, also of a server that has just begun anew, and waits
 * for those who had locks; ENOLCK. Linux says ENOLCK of that one, too, and asks nothing again.
 */
function checkStatus(status: number, { type }: RemoteLock): void {
  if (status === LOCK_SUCCESS) return;
  const isEarly = status === LOCK_BLOCKED || status === LOCK_GRACE;
  throw isEarly && type !== F_UNLCK ? linuxerr.EAGAIN : linuxerr.ENOLCK;
}
