// Inode and LocalDentry: the file itself and its names, for filesystems that own their tree (tmpfs,
// idbfs, devfs). Linux: struct inode, struct dentry. Mirrors gVisor pkg/sentry/fsimpl/tmpfs (inode,
// dentry, directory).
//
// References: every dentry with references counts once on its inode, and so do its watches. An
// inode lives while it has a name or such a reference; then its filesystem destroys it.

import { S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG } from '../../abi/stat.ts';
import type { Timespec } from '../../lib/clock.ts';
import { Mutex, type Op } from '../../lib/op.ts';
import { Dentry, type Place } from '../../vfs/dentry.ts';
import { FileLocks } from '../../locks/file-locks.ts';
import { type WatchedFiles, Watches } from '../../vfs/watches.ts';
import type { ErrorSequence } from './error-sequence.ts';
import type { FileData } from './file-data.ts';
import { Pipe } from './pipe.ts';
import type { SocketEndpoint } from '../../vfs/socket.ts';
import type { Xattrs } from './xattrs.ts';

/** The order in which locks are taken. */
export const LOCK_RANK = { offset: 1, data: 2 } as const;

export interface InodeAttributes {
  readonly ino: number;
  /** Type and permissions. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly rdev?: number;
  /** Target of a symlink. */
  readonly target?: string;
}

/** What an inode tells its filesystem. */
export interface InodeOwner {
  readonly watched: WatchedFiles;
  /** A file has a watch more: Dentry.watchSet(). */
  watchSet(inode: Inode): Op<void> | undefined;
  /** It has none any more. */
  unwatched(inode: Inode): void;
  /** No name and no reference is left. */
  destroyInode(inode: Inode): void;
}

export class Inode {
  readonly ino: number;
  mode: number;
  uid: number;
  gid: number;
  nlink = 1;
  /** Bytes; of a directory, what st_size shows. */
  size = 0;
  atime: Timespec;
  mtime: Timespec;
  ctime: Timespec;
  btime: Timespec;
  readonly rdev: number;
  readonly target: string;
  /** Of 512 bytes, where there is no `data` to count them of. */
  blocks = 0;
  /** Set for regular files, unless their data is kept elsewhere only. */
  readonly data: FileData | undefined;
  /** Of a directory: number of entries, "." and ".." not counted. */
  entryCount = 0;
  /** Of a directory: position given to the next entry. 1 and 2 belong to "." and "..". */
  nextCookie = 3;
  /** Held across a change of the data that waits part of the way. Linux: i_rwsem, for writing. */
  readonly dataMutex = new Mutex(LOCK_RANK.data);
  /** Undefined: not read from the store yet, or there are none. */
  xattrs: Xattrs | undefined;
  /** Has extended attributes, here or in the store. */
  hasXattrs = false;
  /** Made with O_TMPFILE and without O_EXCL: it may get a name though it has none. */
  isLinkable = false;
  /** Its dentries in the filesystem's cache. */
  cachedNames = 0;
  /** Commits of its changes that failed. */
  writeErrors: ErrorSequence | undefined;
  watches: Watches | undefined;
  locks: FileLocks | undefined;
  #endpoint: SocketEndpoint | undefined;
  #pipe: Pipe | undefined;
  readonly #owner: InodeOwner;
  #refs = 0;

  constructor(
    owner: InodeOwner,
    attributes: InodeAttributes,
    options: { readonly now: Timespec; readonly data?: FileData | undefined },
  ) {
    this.#owner = owner;
    this.ino = attributes.ino;
    this.mode = attributes.mode;
    this.uid = attributes.uid;
    this.gid = attributes.gid;
    this.rdev = attributes.rdev ?? 0;
    this.target = attributes.target ?? '';
    this.data = options.data;
    this.atime = this.mtime = this.ctime = this.btime = options.now;
  }

  get isDir(): boolean {
    return (this.mode & S_IFMT) === S_IFDIR;
  }

  get isSymlink(): boolean {
    return (this.mode & S_IFMT) === S_IFLNK;
  }

  get isRegular(): boolean {
    return (this.mode & S_IFMT) === S_IFREG;
  }

  get isFifo(): boolean {
    return (this.mode & S_IFMT) === S_IFIFO;
  }

  /** What a FIFO's descriptions share while it is open. */
  get pipe(): Pipe {
    return (this.#pipe ??= new Pipe());
  }

  get refs(): number {
    return this.#refs;
  }

  incRef(): void {
    this.#refs++;
  }

  /** Of a socket: who listens there. */
  get endpoint(): SocketEndpoint | undefined {
    return this.#endpoint;
  }

  /** A socket stays in memory while somebody listens there. */
  listen(endpoint: SocketEndpoint): void {
    this.#endpoint = endpoint;
    this.incRef();
    endpoint.bound(() => {
      this.#endpoint = undefined;
      this.decRef();
    });
  }

  /** A watched inode stays in memory. */
  ensureWatches(): Watches {
    if (this.watches !== undefined) return this.watches;
    const watches = new Watches(() => {
      this.watches = undefined;
      this.#owner.watched.delete(watches);
      this.#owner.unwatched(this);
      this.decRef();
    });
    this.watches = watches;
    this.#owner.watched.add(watches);
    this.incRef();
    return watches;
  }

  watchSet(): Op<void> | undefined {
    return this.#owner.watchSet(this);
  }

  decRef(): void {
    this.#refs--;
    this.destroyIfUnused();
  }

  destroyIfUnused(): void {
    if (this.#refs === 0 && !this.isNamed) this.#owner.destroyInode(this);
  }

  protected get isNamed(): boolean {
    return this.nlink > 0;
  }

  /** A directory is a link of the one it is in, by its "..". */
  addSubdirectory(): void {
    this.nlink++;
  }

  removeSubdirectory(): void {
    this.nlink--;
  }
}

export class LocalDentry extends Dentry {
  name: string;
  /** Undefined for the root and for removed dentries. */
  parent: LocalDentry | undefined;
  readonly inode: Inode;
  /** Of a directory: the children in memory, by name; oldest cookie first if isComplete. */
  readonly children: Map<string, LocalDentry> | undefined;
  /** Of a directory: a name that isn't among the children doesn't exist. */
  isComplete: boolean;
  /** Position of this entry in its directory. */
  cookie = 0;
  /** Used since the cache's clock hand last passed. */
  isReferenced = true;

  constructor(options: {
    readonly name: string;
    readonly parent: LocalDentry | undefined;
    readonly inode: Inode;
    readonly isComplete: boolean;
  }) {
    super();
    this.name = options.name;
    this.parent = options.parent;
    this.inode = options.inode;
    this.children = options.inode.isDir ? new Map() : undefined;
    this.isComplete = options.isComplete;
  }

  override get isDir(): boolean {
    return this.inode.isDir;
  }

  override get place(): Place | undefined {
    const { parent, name } = this;
    return parent === undefined ? undefined : { parent, name };
  }

  override get watches(): Watches | undefined {
    return this.inode.watches;
  }

  override ensureWatches(): Watches {
    return this.inode.ensureWatches();
  }

  override watchSet(): Op<void> | undefined {
    return this.inode.watchSet();
  }

  override get locks(): FileLocks | undefined {
    return this.inode.locks;
  }

  override ensureLocks(): FileLocks {
    return (this.inode.locks ??= new FileLocks());
  }

  /**
   * Removed from the tree. What somebody still has open keeps its parent: a directory for "..",
   * everything for the parent's watches.
   */
  detach(): void {
    this.isDead = true;
    this.isComplete = true;
    if (this.refs > 0) this.parent?.incRef();
    else this.parent = undefined;
    this.onPlaceChanged?.();
  }

  protected override onFirstRef(): void {
    this.inode.incRef();
  }

  protected override onZeroRefs(): void {
    if (this.isDead) {
      // Linux: dentry_unlink_inode().
      if (this.inode.nlink === 0) this.inode.watches?.fileDeleted();
      this.parent?.decRef();
      this.parent = undefined;
    }
    this.inode.decRef();
  }
}
