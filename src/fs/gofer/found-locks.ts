// FoundLocks: locks at a server of which nobody knows what it makes of them before it is asked for
// the first: 9P doesn't say.

import { linuxerr } from '../../abi/errno.ts';
import { F_RDLCK, F_UNLCK, F_WRLCK, LOCK_UN, O_RDONLY, O_WRONLY } from '../../abi/fcntl.ts';
import { Mutex, type Op, timer } from '../../lib/op.ts';
import { RECORD_LOCK } from '../../lisafs/extensions.ts';
import { FileLocks, type LockConflict, type RangeRequest } from '../../locks/file-locks.ts';
import type { FileDescription } from '../../vfs/file-description.ts';
import type { Inode } from '../shared/inode.ts';
import type { LockedFile, RangeOwner } from '../shared/upstream-locks.ts';
import { GoferLocks } from './gofer-locks.ts';
import type { GoferInode } from './gofer-inode.ts';
import { finished, LockFds, type LockFdsOptions } from './lock-fds.ts';
import type { LockProbe, LockRetaking, RemoteLocks } from './remote.ts';
import { type GrantedLocks, type LockPlace, POLL_MS, type ServerLocks } from './server-locks.ts';
import { WholeFileLocks } from './whole-file-locks.ts';

export interface ServerLocksOptions extends LockFdsOptions, GrantedLocks {
  readonly locks: RemoteLocks;
  /** It is known where locks are. Called once, and not if that was known from the beginning. */
  onPlaceFound(): void;
}

export function makeServerLocks(options: ServerLocksOptions): ServerLocks {
  const { probe } = options.locks;
  if (probe !== undefined) return new FoundLocks(options, probe.bind(options.locks));
  return new GoferLocks({ ...options, fds: new LockFds(options) });
}

type Probe = (probe: LockProbe) => Op<'server' | 'file' | 'here'>;
type Range = Pick<RangeRequest, 'start' | 'end'>;

class FoundLocks implements ServerLocks {
  readonly #options: ServerLocksOptions;
  readonly #probe: Probe;
  readonly #fds: LockFds;
  readonly #finding = new Mutex();
  #found: ServerLocks | undefined;
  /** Counts sessions that were lost, and what was asked in them. */
  #generation = 0;

  constructor(options: ServerLocksOptions, probe: Probe) {
    this.#options = options;
    this.#probe = probe;
    this.#fds = new LockFds(options);
  }

  get place(): LockPlace {
    return this.#found?.place ?? 'unknown';
  }

  *flock(
    target: LockedFile,
    operation: number,
    options: { readonly mustNotWait: boolean },
  ): Op<void> {
    if (operation === LOCK_UN && this.#found === undefined) return;
    const whole = { start: 0, end: Infinity };
    const locks = yield* this.#find(target, whole, !options.mustNotWait);
    yield* locks.flock(target, operation, options);
  }

  *setRange(
    target: RangeOwner,
    request: RangeRequest,
    options: { readonly mayWait: boolean },
  ): Op<void> {
    if (request.type === F_UNLCK && this.#found === undefined) return;
    const locks = yield* this.#find(target, request, options.mayWait);
    yield* locks.setRange(target, request, options);
  }

  *findRange(target: RangeOwner, request: RangeRequest): Op<LockConflict | undefined> {
    if (request.type === F_UNLCK && this.#found === undefined) return undefined;
    const locks = yield* this.#find(target, request, false);
    return yield* locks.findRange(target, request);
  }

  releaseRanges(target: RangeOwner): void {
    this.#found?.releaseRanges(target);
  }

  released(target: LockedFile): void {
    this.#found?.released(target);
  }

  checkHeld(file: FileDescription, inode: Inode): void {
    this.#found?.checkHeld(file, inode);
  }

  *recover(retaking: LockRetaking): Op<void> {
    this.#generation++;
    if (this.#found !== undefined) yield* this.#found.recover(retaking);
  }

  reconnected(): void {
    this.#found?.reconnected();
  }

  // Finding out.

  /** Errors: EAGAIN, ENOLCK, EIO. */
  *#find(target: LockedFile, range: Range, mayWait: boolean): Op<ServerLocks> {
    while (this.#found === undefined) {
      yield* this.#finding.lock();
      const generation = this.#generation;
      try {
        if (this.#found !== undefined) break;
        const found = yield* finished(this.#findOnce(target, range));
        this.#found = found.value;
        this.#options.onPlaceFound();
        if (found.interruption !== undefined) throw found.interruption.reason;
      } catch (error) {
        const isAnew = error === linuxerr.EIO && generation !== this.#generation;
        if (!isAnew && (error !== linuxerr.EAGAIN || !mayWait)) throw error;
        if (isAnew) continue;
      } finally {
        this.#finding.unlock();
      }
      if (this.#found === undefined) yield timer(this.#options.clock, POLL_MS);
    }
    return this.#found;
  }

  *#findOnce({ file, inode }: LockedFile, { start, end }: Range): Op<ServerLocks> {
    const files = this.#options;
    const own = inode as GoferInode;
    const type = file.isReadable ? F_RDLCK : F_WRLCK;
    const opened = yield* this.#fds.of(own, file, type);
    const place = yield* this.#probe({
      opened,
      other: {
        open: () => files.open(own, file.isWritable ? O_WRONLY : O_RDONLY),
        close: (fd) => {
          files.close(fd);
        },
      },
      lock: { kind: RECORD_LOCK, owner: 1, pid: 1, type, start, end },
    });
    own.locks ??= new FileLocks();
    const options = { ...files, fds: this.#fds };
    if (place === 'server') return new GoferLocks(options);
    return new WholeFileLocks({ ...options, locks: place === 'file' ? files.locks : undefined });
  }
}
