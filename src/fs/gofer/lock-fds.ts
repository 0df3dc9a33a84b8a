// LockFds: what the server has open of a file for locks only. Those of a description go when the FD
// is closed by which they were taken, and what data is read by may be closed at any time.

import { F_RDLCK, F_WRLCK, O_RDONLY, O_WRONLY } from '../../abi/fcntl.ts';
import type { Op } from '../../lib/op.ts';
import { INVALID_FD } from '../../lisafs/records.ts';
import type { RangeLock } from '../../locks/file-locks.ts';
import type { FileDescription } from '../../vfs/file-description.ts';
import type { GoferInode } from './gofer-inode.ts';
import type { RemoteFd } from './remote.ts';

export interface LockFdsOptions {
  /** Opens a file once more. `flags`: O_RDONLY or O_WRONLY. */
  open(inode: GoferInode, flags: number): Op<RemoteFd>;
  close(fd: RemoteFd): void;
}

export class LockFds {
  readonly #options: LockFdsOptions;

  constructor(options: LockFdsOptions) {
    this.#options = options;
  }

  /** As a lock of the type needs it, or a question. The inode keeps it. */
  *of(inode: GoferInode, file: FileDescription, type: number): Op<RemoteFd> {
    const mustWrite = type === F_WRLCK && file.isWritable;
    const known = mustWrite ? inode.lockWriteFd : (inode.lockReadFd ?? inode.lockWriteFd);
    const isUsable = known !== undefined && (type !== F_RDLCK || known === inode.lockReadFd);
    if (isUsable) return known;
    const writes = mustWrite || !file.isReadable;
    return yield* completed(this.#open(inode, writes));
  }

  *#open(inode: GoferInode, writes: boolean): Op<RemoteFd> {
    const opened = yield* this.#options.open(inode, writes ? O_WRONLY : O_RDONLY);
    const meanwhile = writes ? inode.lockWriteFd : inode.lockReadFd;
    if (meanwhile !== undefined) {
      this.#options.close(opened);
      return meanwhile;
    }
    inode.wasOpenToWrite ||= writes;
    if (writes) inode.lockWriteFd = opened;
    else inode.lockReadFd = opened;
    return opened;
  }
}

/** Undefined if it couldn't be opened again. */
export function fdOfLock(
  { lockReadFd, lockWriteFd }: GoferInode,
  type: RangeLock['type'],
): RemoteFd | undefined {
  const candidates = type === F_WRLCK ? [lockWriteFd, lockReadFd] : [lockReadFd, lockWriteFd];
  return candidates.find((fd) => fd !== undefined && !fd.isLost && fd.id !== INVALID_FD);
}

/** Who is interrupted is told so once it is done. */
function* completed<T>(op: Op<T>): Op<T> {
  const { value, interruption } = yield* finished(op);
  if (interruption !== undefined) throw interruption.reason;
  return value;
}

/** Does all of it, and says whether it was interrupted. Errors: that one, or else the Op's. */
export function* finished<T>(
  op: Op<T>,
): Op<{ readonly value: T; readonly interruption: { readonly reason: unknown } | undefined }> {
  let interruption: { readonly reason: unknown } | undefined;
  try {
    for (;;) {
      const result = op.next();
      if (result.done === true) return { value: result.value, interruption };
      try {
        yield result.value;
      } catch (reason) {
        interruption ??= { reason };
      }
    }
  } catch (error) {
    throw interruption === undefined ? error : interruption.reason;
  }
}
