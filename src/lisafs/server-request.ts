// What handlers of requests have in common: the FDs a request uses, the checks of names, and what
// it keeps others from doing. Mirrors gVisor pkg/lisafs/handlers.go, node.go.

import { LinuxError, linuxerr } from '../abi/errno.ts';
import type { Op } from '../lib/op.ts';
import type { RwLock } from '../lib/rw-lock.ts';
import { type Used, withWrite } from '../served/locked.ts';
import type { Node } from '../served/node.ts';
import type { PinnedFile } from '../served/served-file.ts';
import type { ServedTree } from '../served/served-tree.ts';
import type { MessageName, RequestOf, ResponseOf } from './messages.ts';
import type { Inode } from './records.ts';
import type { ControlFD, Fds, OpenFD } from './server-fds.ts';
import type { SessionLocks } from './server-locks.ts';
import type { SessionWatches } from './server-watches.ts';

/** What a client mounts. */
export interface Root {
  pin(client: object): Op<PinnedFile>;
  /** Of the messages that are served. */
  readonly mids: readonly number[];
}

/** What a request is handled with. */
export interface RequestScope extends ServerScope {
  readonly fds: Fds;
  readonly locks: SessionLocks;
  readonly watches: SessionWatches;
  /** Held for writing by a request that has to know its FDs before others of its client go on. */
  readonly arrivalMu: RwLock;
}

/** The same for all clients. */
export interface ServerScope {
  readonly root: Root;
  /** Shared by all servers of the files. */
  readonly tree: ServedTree;
  readonly isReadOnly: boolean;
  /** Most bytes of a reply. */
  readonly payloadMax: number;
}

/** FDs a request uses, until it ends. */
export class Request {
  readonly scope: RequestScope;
  /** Of its frame; 0 without tags. */
  readonly tag: number;
  readonly #used: (ControlFD | OpenFD)[] = [];
  #reserved = 0;
  #keptCount = 0;
  readonly #afterwards: (() => void)[] = [];

  constructor(scope: RequestScope, tag: number) {
    this.scope = scope;
    this.tag = tag;
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

  /**
   * Several at once, so that what the client closes later is still there when one that is being
   * made is waited for. Where there is no such FD the error takes its place.
   */
  *openAll(ids: readonly number[]): Op<readonly (OpenFD | LinuxError)[]> {
    const early = new Map<number, OpenFD | LinuxError>();
    for (const [index, id] of ids.entries()) {
      if (!this.fds.isAwaited(id)) early.set(index, yield* orError(this.open(id)));
    }
    const found: (OpenFD | LinuxError)[] = [];
    for (const [index, id] of ids.entries()) {
      found.push(early.get(index) ?? (yield* orError(this.open(id))));
    }
    return found;
  }

  /**
   * Two of them. If one is being made, the client's later requests wait, as they may be about what
   * this one changes in the other. Errors: those of `find`.
   */
  *both<A, B>(first: () => Op<A>, second: () => Op<B>, ids: readonly number[]): Op<[A, B]> {
    const find = function* (): Op<[A, B]> {
      return [yield* first(), yield* second()];
    };
    if (!ids.some((id) => this.fds.isAwaited(id))) return yield* find();
    return yield* withWrite(this.scope.arrivalMu, find);
  }

  /** One that it has just made: it need not stand in line for that. */
  made<FD extends ControlFD | OpenFD>(fd: FD): FD {
    fd.refs++;
    return this.#use(fd);
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

  /** What was kept for so many FDs is this request's. */
  takeKept(count: number): void {
    this.#keptCount += count;
  }

  /** It is needed now: whoever opens files does so before anybody else does anything. */
  useKept(): void {
    this.fds.giveKept(this.#keptCount);
    this.#keptCount = 0;
  }

  /** Calls it once the request is answered. */
  afterwards(run: () => void): void {
    this.#afterwards.push(run);
  }

  answered(): void {
    for (const run of this.#afterwards.splice(0)) run();
  }

  end(): void {
    this.fds.unreserve(this.#reserved);
    this.#reserved = 0;
    this.useKept();
    for (const fd of this.#used.splice(0)) this.fds.release(fd);
  }

  /** Runs while the file is neither written to nor moved. */
  reading<T>(used: Used, run: () => Op<T>): Op<T> {
    return this.scope.tree.reading(used, run);
  }

  /** Runs while nobody else uses the file. */
  writing<T>(used: Used, run: () => Op<T>): Op<T> {
    return this.scope.tree.writing(used, run);
  }

  /** A control FD for a file that was found or made in `directory`, which is held. */
  addControl(directory: Node, name: string, pinned: PinnedFile, id?: number): Inode {
    const fd = this.fds.addControl(directory.hold(name), pinned, id);
    return { controlFD: fd.id, statx: pinned.statx };
  }
}

function* orError<T>(op: Op<T>): Op<T | LinuxError> {
  try {
    return yield* op;
  } catch (error) {
    if (error instanceof LinuxError) return error;
    throw error;
  }
}

/** What a server does when a message comes. Checks are in the order in which they fail. */
export type Handlers<Names extends MessageName> = {
  readonly [Name in Names]: (request: Request, values: RequestOf<Name>) => Op<ResponseOf<Name>>;
};
