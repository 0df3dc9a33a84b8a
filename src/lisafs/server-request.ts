// What handlers of requests have in common: the FDs a request uses, the checks of names, and what
// it keeps others from doing. Mirrors gVisor pkg/lisafs/handlers.go, node.go.

import { linuxerr } from '../abi/errno.ts';
import { NAME_MAX } from '../abi/limits.ts';
import type { Op } from '../lib/op.ts';
import type { RwLock } from '../lib/rw-lock.ts';
import { isLongerThan } from '../lib/text.ts';
import type { MessageName, RequestOf, ResponseOf } from './messages.ts';
import type { Node } from './node.ts';
import type { Inode } from './records.ts';
import type { PinnedFile } from './served-file.ts';
import type { ControlFD, Fds, OpenFD } from './server-fds.ts';

/** What a client mounts. */
export interface Root {
  readonly node: Node;
  pin(): Op<PinnedFile>;
  /** Of the messages that are served. */
  readonly mids: readonly number[];
}

/** What a request is handled with. */
export interface RequestScope {
  readonly fds: Fds;
  readonly root: Root;
  /** Held for writing while names of directories change place. */
  readonly renameMu: RwLock;
  readonly isReadOnly: boolean;
  /** Most bytes of a reply. */
  readonly payloadMax: number;
}

/** FDs a request uses, until it ends. */
export class Request {
  readonly scope: RequestScope;
  readonly #used: (ControlFD | OpenFD)[] = [];
  #reserved = 0;

  constructor(scope: RequestScope) {
    this.scope = scope;
  }

  get fds(): Fds {
    return this.scope.fds;
  }

  /** Errors: EBADF, EINVAL. */
  *control(id: number): Op<ControlFD> {
    return this.#use(yield* this.fds.control(id));
  }

  /** Errors: EBADF, EINVAL, ENOTDIR. */
  *directory(id: number): Op<ControlFD> {
    const fd = yield* this.control(id);
    if (!fd.isDirectory) throw linuxerr.ENOTDIR;
    return fd;
  }

  /** Errors: EBADF, EINVAL. */
  *open(id: number): Op<OpenFD> {
    return this.#use(yield* this.fds.open(id));
  }

  /** Errors: EBADF. */
  *any(id: number): Op<ControlFD | OpenFD> {
    return this.#use(yield* this.fds.any(id));
  }

  #use<FD extends ControlFD | OpenFD>(fd: FD): FD {
    this.#used.push(fd);
    return fd;
  }

  /** Room for FDs that it makes. Errors: EMFILE. */
  reserve(count: number): void {
    this.fds.reserve(count);
    this.#reserved += count;
  }

  end(): void {
    this.fds.unreserve(this.#reserved);
    this.#reserved = 0;
    for (const fd of this.#used.splice(0)) this.fds.release(fd);
  }

  /** Runs while the node is neither written to nor moved. */
  *reading<T>(node: Node, run: () => Op<T>): Op<T> {
    const { renameMu } = this.scope;
    return yield* withRead(renameMu, () => withRead(node.opMu, run));
  }

  /** Runs while nobody else uses the node. */
  *writing<T>(node: Node, run: () => Op<T>): Op<T> {
    const { renameMu } = this.scope;
    return yield* withRead(renameMu, () => withWrite(node.opMu, run));
  }

  /** Runs while nobody uses the tree. */
  *alone<T>(run: () => Op<T>): Op<T> {
    return yield* withWrite(this.scope.renameMu, run);
  }

  /** A control FD for a file that was found or made in `directory`, which is held. */
  addControl(directory: Node, name: string, pinned: PinnedFile, id?: number): Inode {
    const fd = this.fds.addControl(directory.hold(name), pinned.file, id);
    return { controlFD: fd.id, statx: pinned.statx };
  }
}

export function* withRead<T>(lock: RwLock, run: () => Op<T>): Op<T> {
  yield* lock.lockRead();
  try {
    return yield* run();
  } finally {
    lock.unlockRead();
  }
}

export function* withWrite<T>(lock: RwLock, run: () => Op<T>): Op<T> {
  yield* lock.lockWrite();
  try {
    return yield* run();
  } finally {
    lock.unlockWrite();
  }
}

/** Errors: EINVAL if it isn't one component; ENAMETOOLONG. */
export function checkName(name: string): void {
  const isComponent = name !== '' && name !== '.' && name !== '..';
  if (!isComponent || name.includes('/') || name.includes('\0')) throw linuxerr.EINVAL;
  if (isLongerThan(name, NAME_MAX)) throw linuxerr.ENAMETOOLONG;
}

/** Errors: EINVAL. */
export function checkThere(...nodes: readonly Node[]): void {
  if (nodes.some(({ isDeleted }) => isDeleted)) throw linuxerr.EINVAL;
}

/** What a server does when a message comes. Checks are in the order in which they fail. */
export type Handlers<Names extends MessageName> = {
  readonly [Name in Names]: (request: Request, values: RequestOf<Name>) => Op<ResponseOf<Name>>;
};
