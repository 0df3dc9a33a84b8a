// Remote: the files of a server, as this filesystem asks for them, whatever the protocol. Mirrors
// gVisor pkg/sentry/fsimpl/gofer (inode's implementations).

import type { LinuxError } from '../../abi/errno.ts';
import type { Op } from '../../lib/op.ts';
import type { Statx } from '../../lisafs/records.ts';
import type { AttributeChange } from '../shared/upstream.ts';

/** A file the server has pinned for us, or a file it has opened. Its number may change. */
export class RemoteFd {
  id: number;

  constructor(id: number) {
    this.id = id;
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
   * Names can be made without waiting for the server: fd and attributes are known before. Otherwise
   * the promise that `make` returns is settled.
   */
  readonly pipelines: boolean;
  /** Bytes of one read or write. */
  readonly transferMax: number;

  /** Symlinks end it. */
  walk(from: RemoteFd, names: readonly string[]): Op<Walked>;
  /** Attributes on the way; those of `from` first. */
  walkStat(from: RemoteFd, names: readonly string[]): Op<readonly Statx[]>;
  stat(fd: RemoteFd): Op<Statx>;
  setAttributes(fd: RemoteFd, change: AttributeChange): Pending<void>;
  readlink(fd: RemoteFd): Op<string>;
  list(fd: RemoteFd): Op<readonly RemoteEntry[]>;
  statfs(fd: RemoteFd): Op<RemoteStatfs>;

  /** `flags`: access mode, and O_TRUNC. */
  open(fd: RemoteFd, flags: number): Op<RemoteFd>;
  /** The same, with the first bytes of the file if that takes no more time. */
  openAndRead(fd: RemoteFd, flags: number, bytesMax: number): Op<OpenedAndRead>;
  /** Sends the request; with `pipelines`, what it makes can be used at once. */
  make(parent: RemoteFd, making: Making): Op<{ made: Made; pending: Pending<Statx> }>;
  link(parent: RemoteFd, name: string, target: RemoteFd): Pending<void>;
  unlink(parent: RemoteFd, name: string, flags: number): Pending<void>;
  rename(move: RemoteMove): Pending<void>;

  read(opened: RemoteFd, offset: number, length: number): Pending<Uint8Array>;
  write(opened: RemoteFd, offset: number, bytes: Uint8Array): Pending<number>;
  sync(opened: readonly RemoteFd[]): Pending<void>;
  allocate(opened: RemoteFd, mode: number, offset: number, length: number): Pending<void>;

  getXattr(fd: RemoteFd, name: string): Op<Uint8Array>;
  setXattr(fd: RemoteFd, name: string, value: Uint8Array, flags: number): Pending<void>;
  listXattr(fd: RemoteFd): Op<readonly string[]>;
  removeXattr(fd: RemoteFd, name: string): Pending<void>;

  /** Doesn't wait. */
  close(fd: RemoteFd): void;
  release(): Op<void>;
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
