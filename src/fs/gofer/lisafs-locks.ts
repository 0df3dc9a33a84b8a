// LisafsLocks: locks at a server, by lisafs.

import { F_UNLCK } from '../../abi/fcntl.ts';
import type { Op } from '../../lib/op.ts';
import type { LisafsClient } from '../../lisafs/client.ts';
import type { RecoveryCalls } from '../../lisafs/client-recovery.ts';
import type { RequestOf } from '../../lisafs/messages.ts';
import { endOfLength, lengthOf, type RangeLock } from '../../locks/file-locks.ts';
import type { LockRetaking, PendingLock, RemoteFd, RemoteLock, RemoteLocks } from './remote.ts';

export class LisafsLocks implements RemoteLocks {
  readonly probe = undefined;
  readonly #client: LisafsClient;

  constructor(client: LisafsClient) {
    this.#client = client;
  }

  set(fd: RemoteFd, lock: RemoteLock, wait: boolean): PendingLock {
    const reply = this.#client.send('SetLock', () => setLockOf(fd, lock, wait));
    return {
      *wait() {
        yield* reply.wait();
      },
      onSettled(done) {
        reply.onSettled((error) => {
          done(error, undefined);
        });
      },
      cancel: () => {
        this.#client.cancelLock(reply);
      },
    };
  }

  *find(fd: RemoteFd, lock: RemoteLock): Op<(RangeLock & { readonly pid: number }) | undefined> {
    const found = yield* this.#client.call('GetLock', () => rangeOf(fd, lock));
    const { type, start, length, pid } = found;
    if (type === F_UNLCK) return undefined;
    return { type, start, end: endOfLength(start, length), pid: pid | 0 };
  }
}

/** By what goes before all other calls of a session. */
export function lisafsRetaking(calls: RecoveryCalls): LockRetaking {
  return {
    *set(fd, lock) {
      yield* calls.call('SetLock', setLockOf(fd, lock, false));
    },
    giveUp(fd, lock) {
      calls.send('SetLock', setLockOf(fd, lock, false));
    },
  };
}

function setLockOf(fd: RemoteFd, lock: RemoteLock, wait: boolean): RequestOf<'SetLock'> {
  return { ...rangeOf(fd, lock), wait };
}

function rangeOf(fd: RemoteFd, lock: RemoteLock): RequestOf<'GetLock'> {
  const { kind, owner, pid, type, start } = lock;
  const length = lengthOf(lock);
  return { fd: fd.id, owner, start, length, pid: pid >>> 0, kind, type };
}
