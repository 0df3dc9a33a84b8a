// Inode and LocalDentry: the file itself and its names, for filesystems that own their tree (tmpfs,
// idbfs, devfs). Linux: struct inode, struct dentry. Mirrors gVisor pkg/sentry/fsimpl/tmpfs (inode,
// dentry, directory).
//
// References: every dentry with references counts once on its inode. An inode lives while it has a
// name (nlink > 0) or such a reference; then its filesystem destroys it.

import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../../abi/stat.ts';
import type { Timespec } from '../../lib/clock.ts';
import { Mutex } from '../../lib/op.ts';
import { Dentry } from '../../vfs/dentry.ts';
import type { FileData } from './file-data.ts';

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
  /** Set for regular files. */
  readonly data: FileData | undefined;
  /** Of a directory: number of entries, "." and ".." not counted. */
  entryCount = 0;
  /** Of a directory: position given to the next entry. 1 and 2 belong to "." and "..". */
  nextCookie = 3;
  /** Held across a change of the data that waits part of the way. Linux: i_rwsem, for writing. */
  readonly dataMutex = new Mutex();
  readonly #owner: InodeOwner;
  #refs = 0;

  constructor(
    owner: InodeOwner,
    attributes: InodeAttributes,
    options: { readonly now: Timespec; readonly data?: FileData },
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

  get refs(): number {
    return this.#refs;
  }

  incRef(): void {
    this.#refs++;
  }

  decRef(): void {
    this.#refs--;
    this.destroyIfUnused();
  }

  destroyIfUnused(): void {
    if (this.nlink === 0 && this.#refs === 0) this.#owner.destroyInode(this);
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

  /** Removed from the tree. A directory somebody still stands in keeps its parent, for "..". */
  detach(): void {
    this.isDead = true;
    this.isComplete = true;
    if (this.inode.isDir && this.refs > 0) this.parent?.incRef();
    else this.parent = undefined;
  }

  protected override onFirstRef(): void {
    this.inode.incRef();
  }

  protected override onZeroRefs(): void {
    if (this.isDead) {
      this.parent?.decRef();
      this.parent = undefined;
    }
    this.inode.decRef();
  }
}
