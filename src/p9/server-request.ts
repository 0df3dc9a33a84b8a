// What handlers of requests have in common: the fids a request uses, and what it is handled with.
// Mirrors gVisor pkg/p9/handlers.go.

import { linuxerr } from '../abi/errno.ts';
import { type Op, uninterrupted } from '../lib/op.ts';
import type { Used } from '../served/locked.ts';
import type { PinnedFile } from '../served/served-file.ts';
import type { ServedTree } from '../served/served-tree.ts';
import type { MessageName, RMessage, TMessage } from './messages.ts';
import type { QidPaths } from './qid-paths.ts';
import type { Fid, Fids, HeldFile, OpenUse } from './server-fids.ts';
import type { ClientLocks } from './server-locks.ts';

/** The same for all clients. */
export interface ServerScope {
  readonly tree: ServedTree;
  readonly qidPaths: QidPaths;
  readonly isReadOnly: boolean;
}

/** What a request is handled with. */
export interface RequestScope extends ServerScope {
  /** Pins the root for this client. */
  readonly pinRoot: () => Op<PinnedFile>;
  readonly fids: Fids;
  readonly locks: ClientLocks;
  /** N of gVisor's versions; 0: plain 9P2000.L. */
  readonly version: number;
  readonly msize: number;
}

export class Request {
  readonly scope: RequestScope;
  readonly #used: Fid[] = [];

  constructor(scope: RequestScope) {
    this.scope = scope;
  }

  get fids(): Fids {
    return this.scope.fids;
  }

  get tree(): ServedTree {
    return this.scope.tree;
  }

  /** There until the request ends. Errors: EBADF. */
  fid(number: number): Fid {
    const fid = this.fids.use(number);
    this.#used.push(fid);
    return fid;
  }

  /** The file of a fid. Errors: EBADF. */
  file(number: number): HeldFile {
    return this.fid(number).held;
  }

  /** Errors: EBADF, ENOTDIR. */
  directory(number: number): HeldFile {
    const { held } = this.fid(number);
    if (!held.isDirectory) throw linuxerr.ENOTDIR;
    return held;
  }

  /** Errors: EBADF, also of a fid that isn't open. */
  open(number: number): OpenUse & { readonly held: HeldFile } {
    const { held, use } = this.fid(number);
    if (use?.kind !== 'open') throw linuxerr.EBADF;
    return { ...use, held };
  }

  /** Errors: EROFS. */
  checkChange(): void {
    if (this.scope.isReadOnly) throw linuxerr.EROFS;
  }

  reading<T>(used: Used, run: () => Op<T>): Op<T> {
    return this.tree.reading(used, run);
  }

  /** Once it has begun, it isn't cancelled: halfway a change would be half known. */
  writing<T>(used: Used, run: () => Op<T>): Op<T> {
    return this.tree.writing(used, () => uninterrupted(run()));
  }

  /** The same with the whole tree held. */
  alone<T>(run: () => Op<T>): Op<T> {
    return this.tree.alone(() => uninterrupted(run()));
  }

  end(): void {
    for (const fid of this.#used.splice(0)) this.fids.release(fid);
  }
}

/** What a server does when a message comes. Checks are in the order in which they fail. */
export type Handlers<Names extends MessageName> = {
  readonly [Name in Names]: (request: Request, values: TMessage<Name>) => Op<RMessage<Name>>;
};
