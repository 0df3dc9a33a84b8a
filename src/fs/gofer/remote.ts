// Remote: the files of a server, as this filesystem asks for them, whatever the protocol. Mirrors
// gVisor pkg/sentry/fsimpl/gofer (inode's implementations).

import { type LinuxError, linuxerr } from '../../abi/errno.ts';
import type { Op } from '../../lib/op.ts';
import { CLIENT_FD_MIN, INVALID_FD, type Statx } from '../../lisafs/records.ts';
import type { RangeLock } from '../../locks/file-locks.ts';
import type { AttributeChange } from '../shared/upstream.ts';
import type { FdRoom } from './fd-room.ts';

/** Sessions with a server, counted: in each, numbers stand for other files. */
export interface Sessions {
  readonly session: number;
}

/**
 * A file the server has pinned for us, or a file it has opened. Its number is another one in each
 * session.
 */
export class RemoteFd {
  readonly #sessions: Sessions;
  #session: number;
  #id: number | undefined;
  /** Nobody needs it any more, or there is nothing at the server. */
  isClosed = false;
  /** Requests that name it, sent or about to be: it isn't given up meanwhile. */
  useCount = 0;

  /** Of the session there is now. */
  constructor(id: number, sessions: Sessions) {
    this.#sessions = sessions;
    this.#session = sessions.session;
    this.#id = id;
  }

  /**
   * INVALID_FD if the session is lost that it was of: the number may be another file's by now.
   *
   * Errors: ESTALE if the file can't be found again.
   */
  get id(): number {
    if (this.#id === undefined) throw linuxerr.ESTALE;
    // Those that a client chooses never come again.
    const isKept = this.#id >= CLIENT_FD_MIN || this.#session === this.#sessions.session;
    return isKept ? this.#id : INVALID_FD;
  }

  /** The server has it again, in the session there is now. */
  renew(id: number): void {
    this.#id = id;
    this.#session = this.#sessions.session;
  }

  /** The server that had it is gone, and the file can't be found again. */
  lose(): void {
    this.#id = undefined;
    this.isClosed = true;
  }

  get isLost(): boolean {
    return this.#id === undefined;
  }
}

/** A request that is on its way: what is sent after it is done after it. */
export interface Pending<T> {
  /** Errors: the request's. */
  wait(): Op<T>;
  /** Called once, at once if it is settled. */
  onSettled(done: (error: LinuxError | undefined, value: T | undefined) => void): void;
}

export interface Found {
  readonly fd: RemoteFd;
  readonly statx: Statx;
}

export interface Walked {
  /** As far as it came. */
  readonly found: readonly Found[];
  /** The name after them isn't there. */
  readonly isMissing: boolean;
}

export interface WalkedAndOpened extends Walked {
  /** Undefined if that can't be opened, or isn't there. */
  readonly open: OpenedAndRead | undefined;
}

/** What a new file is to be. */
export interface Making {
  readonly name: string;
  /** Type and permissions. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly rdev: number;
  /** Of a symlink. */
  readonly target: string;
}

export interface Made {
  readonly fd: RemoteFd;
  /** Of a regular file: it is open. */
  readonly opened: RemoteFd | undefined;
}

export interface RemoteEntry {
  readonly name: string;
  /** DT_. */
  readonly type: number;
  /** Undefined where the protocol's listings have none. */
  readonly statx: Statx | undefined;
  readonly fd: RemoteFd | undefined;
}

export interface RemoteListing {
  readonly entries: readonly RemoteEntry[];
  /** There are no others: none was left out because its name is no text. */
  readonly isWhole: boolean;
}

export interface RemoteStatfs {
  readonly blockSize: number;
  readonly blocks: number;
  readonly bfree: number;
  readonly bavail: number;
  readonly files: number;
  readonly ffree: number;
  readonly nameLen: number;
}

export interface Remote {
  readonly root: Found;
  /**
   * May a name be made without waiting for the server? FD and attributes are known before, and the
   * server keeps room for the FD. Otherwise the answer is to be waited for.
   */
  mayGoOn(making: Making): boolean;
  /** Bytes of one read or write. */
  readonly transferMax: number;

  // An FD that comes when nobody waits for it any more is closed.

  /** Symlinks end it. */
  walk(from: RemoteFd, names: readonly string[]): Op<Walked>;
  /** The same, and opens the file where the names lead to read it. Undefined: it has no way. */
  readonly walkAndOpen:
    | ((from: RemoteFd, names: readonly string[], bytesMax: number) => Op<WalkedAndOpened>)
    | undefined;
  /** Attributes on the way; those of `from` first. */
  walkStat(from: RemoteFd, names: readonly string[]): Op<readonly Statx[]>;
  stat(fd: RemoteFd): Op<Statx>;
  setAttributes(fd: RemoteFd, change: AttributeChange): Pending<void>;
  readlink(fd: RemoteFd): Op<string>;
  /**
   * `wantsFds`: directories come with FDs, as far as that is no more work; whoever gets them closes
   * them.
   */
  list(fd: RemoteFd, wantsFds: boolean): Op<RemoteListing>;
  statfs(fd: RemoteFd): Op<RemoteStatfs>;

  /** `flags`: access mode, and O_TRUNC. */
  open(fd: RemoteFd, flags: number): Op<RemoteFd>;
  /** The same, with the first bytes of the file if that takes no more time. */
  openAndRead(fd: RemoteFd, flags: number, bytesMax: number): Op<OpenedAndRead>;
  /**
   * Sends the request. `goesOn`: its answer isn't waited for, which mayGoOn() has just allowed;
   * what it makes can be used at once. Otherwise FDs may have other numbers once it is answered.
   */
  make(
    parent: RemoteFd,
    making: Making,
    options: { readonly goesOn: boolean },
  ): Op<{ made: Made; pending: Pending<Statx> }>;
  link(parent: RemoteFd, name: string, target: RemoteFd): Pending<void>;
  unlink(parent: RemoteFd, name: string, flags: number): Pending<void>;
  rename(move: RemoteMove): Pending<void>;

  read(opened: RemoteFd, offset: number, length: number): Pending<Uint8Array>;
  write(opened: RemoteFd, offset: number, bytes: Uint8Array): Pending<number>;
  sync(opened: readonly RemoteFd[]): Pending<void>;
  /** The same of a directory, which needn't be open. Errors: EACCES if it must not be read. */
  syncDirectory(fd: RemoteFd): Pending<void>;
  /** The same, whose FD nothing is given up for. Errors: EMFILE, ENFILE too. */
  trySyncDirectory(fd: RemoteFd): Pending<void>;
  allocate(opened: RemoteFd, mode: number, offset: number, length: number): Pending<void>;

  getXattr(fd: RemoteFd, name: string): Op<Uint8Array>;
  setXattr(fd: RemoteFd, name: string, value: Uint8Array, flags: number): Pending<void>;
  listXattr(fd: RemoteFd): Op<readonly string[]>;
  removeXattr(fd: RemoteFd, name: string): Pending<void>;

  /** Undefined if the server has none. */
  readonly locks: RemoteLocks | undefined;

  /** Undefined if the server tells nothing unasked. */
  readonly watches: RemoteWatches | undefined;

  /** Doesn't wait. Nothing to do if it is closed, or went with its session. */
  close(fd: RemoteFd): void;
  /** Where requests go on that the server has no room for. */
  readonly room: FdRoom;
  /** Gives up the room that is kept for what is going to be made. Returns for how many FDs. */
  giveUpReserve(): number;
  release(): Op<void>;
}

/** FLOCK has no range: all of the file. */
export interface RemoteLock extends RangeLock {
  /** RECORD_LOCK, FLOCK or OFD_LOCK. */
  readonly kind: number;
  readonly owner: number;
  readonly pid: number;
}

export interface PendingLock extends Pending<void> {
  /** It fails with EINTR, unless it has just been granted. */
  cancel(): void;
}

/** What becomes of locks when a session was lost: before any other request of the next. */
export interface LockRetaking {
  /** Errors: EAGAIN if somebody else has been faster; EIO if this link is gone as well. */
  set(opened: RemoteFd, lock: RemoteLock): Op<void>;
  /** Doesn't wait. */
  giveUp(opened: RemoteFd, lock: RemoteLock): void;
}

/** How to find out what a server makes of locks: with one that somebody wants. */
export interface LockProbe {
  readonly opened: RemoteFd;
  /** The same file, opened once more, to be written if it may be. */
  readonly other: { open(): Op<RemoteFd>; close(fd: RemoteFd): void };
  /** F_RDLCK or F_WRLCK, as `opened` is open. */
  readonly lock: RemoteLock;
}

export interface RemoteLocks {
  /**
   * `opened` is open as the lock's type needs it.
   *
   * Errors: EAGAIN if another's is in the way; EOPNOTSUPP if the server lets nobody wait, or has no
   * locks.
   */
  set(opened: RemoteFd, lock: RemoteLock, mayWait: boolean): PendingLock;
  find(opened: RemoteFd, lock: RemoteLock): Op<(RangeLock & { readonly pid: number }) | undefined>;
  /**
   * Undefined: each owner's ranges are its own. Otherwise that has to be found out: `file` is a
   * server that has one lock on a file for each FD, `here` one that keeps nobody out.
   *
   * Errors: EAGAIN, ENOLCK, EIO: nobody knows yet.
   */
  readonly probe: ((probe: LockProbe) => Op<'server' | 'file' | 'here'>) | undefined;
}

export interface RemoteWatches {
  /** The watch's id. `mask`: IN_. */
  set(fd: RemoteFd, mask: number): Pending<number>;
  /** Doesn't wait. */
  end(id: number): void;
}

export interface OpenedAndRead {
  readonly opened: RemoteFd;
  /** From the beginning; empty if nothing was read. */
  readonly data: Uint8Array;
  readonly isWhole: boolean;
}

export interface RemoteMove {
  readonly oldParent: RemoteFd;
  readonly oldName: string;
  readonly newParent: RemoteFd;
  readonly newName: string;
  /** RENAME_ flags. */
  readonly flags: number;
}
