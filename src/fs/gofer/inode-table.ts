// InodeTable: the server's files that are known here. Names of one file share its inode, with its
// data, locks and watches. Mirrors gVisor pkg/sentry/fsimpl/gofer/filesystem.go (inodeByKey).

import { assertDefined } from '../../lib/assert.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Statx } from '../../lisafs/records.ts';
import type { DirtyTracker } from '../shared/cached-data.ts';
import type { ChunkCache } from '../shared/chunk-cache.ts';
import type { InodeAttributes, InodeOwner } from '../shared/inode.ts';
import { makeDev, S_IFMT, S_IFREG } from '../../abi/stat.ts';
import type { RemoteFd } from './remote.ts';
import { RemoteData } from './remote-data.ts';
import { type DefaultIds, GoferInode, keyOf } from './gofer-inode.ts';

export interface InodeTableOptions {
  readonly owner: InodeOwner;
  readonly clock: Clock;
  readonly ids: DefaultIds;
  /** An inode has got a control FD. */
  readonly onFd: (inode: GoferInode, fd: number) => void;
  /** Undefined: data is not kept. */
  readonly cache: { readonly chunks: ChunkCache; readonly tracker: DirtyTracker } | undefined;
}

export class InodeTable {
  readonly #options: InodeTableOptions;
  readonly #byKey = new Map<string, GoferInode>();
  readonly #byNumber = new Map<number, GoferInode>();
  /** By the server's control FDs. */
  readonly #byFd = new Map<number, GoferInode>();
  /** Numbers are given out here, and stay the same file's. */
  readonly #numbers = new Map<string, number>();
  #nextIno = 1;

  constructor(options: InodeTableOptions) {
    this.#options = options;
  }

  values(): Iterable<GoferInode> {
    return this.#byNumber.values();
  }

  byNumber(ino: number): GoferInode {
    return assertDefined(this.#byNumber.get(ino), 'an inode that is not there');
  }

  byFd(fd: number): GoferInode | undefined {
    return this.#byFd.get(fd);
  }

  /** The server's FDs have other numbers now. */
  renumberFds(): void {
    this.#byFd.clear();
    for (const inode of this.#byNumber.values()) {
      if (inode.fd?.isLost === false) this.#byFd.set(inode.fd.id, inode);
    }
  }

  /** The server has a file's FD by another number than it was said before. */
  renumbered(inode: GoferInode, before: number): void {
    const { fd } = inode;
    if (fd === undefined || fd.isLost || fd.id === before) return;
    if (this.#byFd.get(before) === inode) this.#byFd.delete(before);
    this.#byFd.set(fd.id, inode);
    this.#options.onFd(inode, fd.id);
  }

  #fdChanged(inode: GoferInode, old: RemoteFd | undefined): void {
    // A number of another session may be another file's by now.
    const isKnown = old?.isLost === false && this.#byFd.get(old.id) === inode;
    if (isKnown) this.#byFd.delete(old.id);
    const { fd } = inode;
    if (fd === undefined || fd.isLost) return;
    this.#byFd.set(fd.id, inode);
    this.#options.onFd(inode, fd.id);
  }

  /** The number of a file, whether it is known otherwise or not. */
  numberOf(key: string): number {
    let ino = this.#numbers.get(key);
    if (ino === undefined) this.#numbers.set(key, (ino = this.#nextIno++));
    return ino;
  }

  find(statx: Statx): GoferInode | undefined {
    const found = this.#byKey.get(keyOf(statx));
    // An inode number comes again once its file has gone.
    return found?.nlink === 0 ? undefined : found;
  }

  /** A file that was found. `target` of a symlink. */
  add(statx: Statx, target: string): GoferInode {
    const key = keyOf(statx);
    const { mode, uid, gid, rdevMajor, rdevMinor } = statx;
    const rdev = makeDev(rdevMajor, rdevMinor);
    // A file that has gone and is still open has the number.
    if (this.#byKey.has(key)) this.#numbers.delete(key);
    const inode = this.#make({ ino: this.numberOf(key), mode, uid, gid, rdev, target });
    inode.fill(statx, this.#options.ids);
    this.#byKey.set(key, inode);
    return inode;
  }

  /** A file that is being made. */
  make(attributes: Omit<InodeAttributes, 'ino'>): GoferInode {
    return this.#make({ ...attributes, ino: this.#nextIno++ });
  }

  /** It was made. */
  made(inode: GoferInode, statx: Statx): void {
    const key = keyOf(statx);
    inode.made(statx, this.#options.ids);
    this.#numbers.set(key, inode.ino);
    this.#byKey.set(key, inode);
  }

  #make(attributes: InodeAttributes): GoferInode {
    const { owner, clock, cache } = this.#options;
    const keeps = cache !== undefined && (attributes.mode & S_IFMT) === S_IFREG;
    const data = keeps ? new RemoteData(attributes.ino, cache.chunks, cache.tracker) : undefined;
    const inode = new GoferInode(owner, attributes, { now: clock.now(), data });
    inode.onFdChanged = (old) => {
      this.#fdChanged(inode, old);
    };
    this.#byNumber.set(inode.ino, inode);
    return inode;
  }

  has(inode: GoferInode): boolean {
    return this.#byNumber.get(inode.ino) === inode;
  }

  delete(inode: GoferInode): void {
    if (this.has(inode)) this.#byNumber.delete(inode.ino);
    const { key } = inode;
    if (key === undefined) return;
    if (this.#byKey.get(key) === inode) this.#byKey.delete(key);
    // The number isn't given to what gets the key next.
    if (inode.nlink === 0 && this.#numbers.get(key) === inode.ino) this.#numbers.delete(key);
  }
}
