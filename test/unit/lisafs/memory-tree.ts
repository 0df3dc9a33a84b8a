// A tree in memory for a lisafs server to serve: what the server asks of files, and no more. It
// counts what is pinned, so that a test sees what was forgotten.

import { linuxerr } from '../../../src/abi/errno.ts';
import {
  AT_REMOVEDIR,
  RENAME_EXCHANGE,
  RENAME_NOREPLACE,
  XATTR_CREATE,
  XATTR_REPLACE,
} from '../../../src/abi/fcntl.ts';
import {
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  STATX_BASIC_STATS,
  STATX_BTIME,
  STATX_GID,
  STATX_MODE,
  STATX_SIZE,
  STATX_UID,
} from '../../../src/abi/stat.ts';
import { type Op, type Wait, WaitQueue } from '../../../src/lib/op.ts';
import type { Statx } from '../../../src/lisafs/records.ts';
import type {
  AttributeChanges,
  Creation,
  ListedName,
  OpenedFile,
  PinnedFile,
  ServedEvent,
  ServedFile,
  ServedWatch,
  WatchSink,
} from '../../../src/served/served-file.ts';

const TIME = { sec: 1_700_000_000, nsec: 5 };

class MemoryInode {
  readonly tree: MemoryTree;
  readonly ino: bigint;
  mode: number;
  /** Undefined: whose the tree is. */
  uid: number | undefined;
  gid = 0;
  data = new Uint8Array(0);
  target = '';
  nlink = 1;
  readonly names = new Map<string, MemoryInode>();
  readonly xattrs = new Map<string, Uint8Array>();

  constructor(tree: MemoryTree, ino: bigint, mode: number) {
    this.tree = tree;
    this.ino = ino;
    this.mode = mode;
  }

  get isDirectory(): boolean {
    return (this.mode & S_IFMT) === S_IFDIR;
  }

  /** What its names and, where they count, its subdirectories come to. */
  get links(): number {
    if (!this.isDirectory || !this.tree.countsSubdirectories || this.nlink === 0) return this.nlink;
    return 2 + [...this.names.values()].filter(({ isDirectory }) => isDirectory).length;
  }

  /** A name of it is gone. A directory has no other. */
  dropLink(): void {
    this.nlink = this.isDirectory ? 0 : this.nlink - 1;
  }

  isSameOrAbove(other: MemoryInode): boolean {
    return this === other || [...this.names.values()].some((child) => child.isSameOrAbove(other));
  }

  /** `known`: files have several names. */
  copyTo(tree: MemoryTree, known: Map<MemoryInode, MemoryInode>): MemoryInode {
    let copy = known.get(this);
    if (copy !== undefined) return copy;
    known.set(this, (copy = new MemoryInode(tree, this.ino, this.mode)));
    const { uid, gid, target, nlink } = this;
    Object.assign(copy, { uid, gid, target, nlink, data: this.data.slice() });
    for (const [name, child] of this.names) copy.names.set(name, child.copyTo(tree, known));
    for (const [name, value] of this.xattrs) copy.xattrs.set(name, value);
    return copy;
  }

  get statx(): Statx {
    return {
      mask: STATX_BASIC_STATS | (this.tree.hasBirthTimes ? STATX_BTIME : 0),
      blksize: 4096,
      attributes: 0n,
      nlink: this.links,
      uid: this.uid ?? this.tree.uid,
      gid: this.gid,
      mode: this.mode,
      ino: this.ino,
      size: this.data.length,
      blocks: Math.ceil(this.data.length / 512),
      attributesMask: 0n,
      atime: TIME,
      btime: TIME,
      ctime: TIME,
      mtime: TIME,
      rdevMajor: 0,
      rdevMinor: 0,
      devMajor: 0,
      devMinor: 1,
    };
  }
}

export class MemoryTree {
  top = new MemoryInode(this, 1n, S_IFDIR | 0o755);
  /** Directories count those in them as links, as most of Linux's filesystems do; btrfs doesn't. */
  countsSubdirectories = false;
  /** It knows when its files were made. */
  hasBirthTimes = false;
  /** Whose all of it is. */
  uid = 0;
  /** Control files and open ones that are not closed. */
  pinned = 0;
  /** Every call waits here while it is set. */
  gate: Wait | undefined;
  readonly nameGates = new Map<string, Wait>();
  /** Calls that wait there. */
  waiting = 0;
  #lastIno = 1n;
  /** Calls that read data. */
  reads = 0;
  /** Calls that changed something, in order. */
  readonly changes: string[] = [];
  /** Watches that aren't closed, in the order in which they began. */
  readonly watches: MemoryWatch[] = [];
  /** The next call fails with it. */
  failure: Error | undefined;
  /** The same of a change. */
  readonly failures = new Map<string, Error>();

  /** Becomes like another one, which may change afterwards. */
  copy(other: MemoryTree): void {
    this.top = other.top.copyTo(this, new Map());
    this.#lastIno = other.#lastIno;
    this.countsSubdirectories = other.countsSubdirectories;
  }

  newInode(mode: number): MemoryInode {
    this.#lastIno += 1n;
    return new MemoryInode(this, this.#lastIno, mode);
  }

  *root(): Op<PinnedFile> {
    yield* this.enter();
    return this.pin(this.top);
  }

  pin(inode: MemoryInode): PinnedFile {
    return { file: new MemoryFile(this, inode), statx: inode.statx };
  }

  *enter(change?: string): Op<void> {
    this.waiting++;
    while (this.gate !== undefined) yield this.gate;
    this.waiting--;
    const { failure } = this;
    this.failure = undefined;
    if (failure !== undefined) throw failure;
    if (change === undefined) return;
    const ofChange = this.failures.get(change);
    this.failures.delete(change);
    if (ofChange !== undefined) throw ofChange;
    this.changes.push(change);
  }

  /** The same of those that walk to one name. */
  holdAt(name: string): () => void {
    const queue = new WaitQueue();
    this.nameGates.set(name, queue);
    return () => {
      this.nameGates.delete(name);
      queue.wakeAll();
    };
  }

  /** Holds all calls until the returned function is called. */
  hold(): () => void {
    const queue = new WaitQueue();
    this.gate = queue;
    return () => {
      this.gate = undefined;
      queue.wakeAll();
    };
  }
}

class MemoryFile implements ServedFile {
  readonly tree: MemoryTree;
  readonly inode: MemoryInode;
  #isClosed = false;

  constructor(tree: MemoryTree, inode: MemoryInode) {
    this.tree = tree;
    this.inode = inode;
    tree.pinned++;
  }

  get type(): number {
    return this.inode.mode & S_IFMT;
  }

  *stat(): Op<Statx> {
    yield* this.tree.enter();
    return this.inode.statx;
  }

  *setStat({ mask, mode, uid, gid, size }: AttributeChanges): Op<{
    failureMask: number;
    failureErrno: number;
  }> {
    yield* this.tree.enter('setStat');
    const { inode } = this;
    if ((mask & STATX_MODE) !== 0) inode.mode = (inode.mode & S_IFMT) | (mode & 0o7777);
    if ((mask & STATX_UID) !== 0) inode.uid = uid;
    if ((mask & STATX_GID) !== 0) inode.gid = gid;
    if ((mask & STATX_SIZE) !== 0) inode.data = resized(inode.data, size);
    return { failureMask: 0, failureErrno: 0 };
  }

  *readlink(): Op<string> {
    yield* this.tree.enter();
    return this.inode.target;
  }

  *statfs() {
    yield* this.tree.enter();
    const [blocks, bfree, bavail, files, ffree] = [8n, 4n, 4n, 2n, 1n];
    return { type: 1, blockSize: 4096, blocks, bfree, bavail, files, ffree, nameLen: 255 };
  }

  *walk(name: string): Op<PinnedFile> {
    yield* this.tree.enter();
    for (const { nameGates } = this.tree; nameGates.has(name);) yield nameGates.get(name)!;
    return this.tree.pin(this.#child(name));
  }

  *statAt(name: string): Op<Statx> {
    yield* this.tree.enter();
    return this.#child(name).statx;
  }

  #child(name: string): MemoryInode {
    if (this.type !== S_IFDIR) throw linuxerr.ENOTDIR;
    const child = this.inode.names.get(name);
    if (child === undefined) throw linuxerr.ENOENT;
    return child;
  }

  *open(): Op<OpenedFile> {
    yield* this.tree.enter();
    return new MemoryOpened(this.tree, this.inode);
  }

  *#make(name: string, mode: number): Op<PinnedFile & { readonly file: MemoryFile }> {
    yield* this.tree.enter(`make ${name}`);
    if (this.inode.nlink === 0) throw linuxerr.ENOENT;
    if (this.inode.names.has(name)) throw linuxerr.EEXIST;
    const inode = this.tree.newInode(mode);
    this.inode.names.set(name, inode);
    return { file: new MemoryFile(this.tree, inode), statx: inode.statx };
  }

  *create(name: string, { mode }: Creation): Op<PinnedFile & { readonly opened: OpenedFile }> {
    const made = yield* this.#make(name, S_IFREG | mode);
    return { ...made, opened: new MemoryOpened(this.tree, made.file.inode) };
  }

  *mkdir(name: string, { mode }: Creation): Op<PinnedFile> {
    return yield* this.#make(name, S_IFDIR | mode);
  }

  *mknod(name: string, { mode }: Creation): Op<PinnedFile> {
    return yield* this.#make(name, mode);
  }

  *symlink(name: string, target: string): Op<PinnedFile> {
    const made = yield* this.#make(name, S_IFLNK | 0o777);
    made.file.inode.target = target;
    return made;
  }

  *link(target: ServedFile, name: string): Op<PinnedFile> {
    yield* this.tree.enter(`link ${name}`);
    const { inode } = target as MemoryFile;
    if (this.inode.nlink === 0 || inode.nlink === 0) throw linuxerr.ENOENT;
    if (this.inode.names.has(name)) throw linuxerr.EEXIST;
    inode.nlink++;
    this.inode.names.set(name, inode);
    return this.tree.pin(inode);
  }

  *unlink(name: string, flags: number): Op<void> {
    yield* this.tree.enter(`unlink ${name}`);
    const child = this.#child(name);
    const { isDirectory } = child;
    if (isDirectory !== ((flags & AT_REMOVEDIR) !== 0)) {
      throw isDirectory ? linuxerr.EISDIR : linuxerr.ENOTDIR;
    }
    if (child.names.size > 0) throw linuxerr.ENOTEMPTY;
    child.dropLink();
    this.inode.names.delete(name);
  }

  *rename(name: string, target: ServedFile, newName: string, flags: number): Op<void> {
    yield* this.tree.enter(`rename ${name} ${newName}`);
    const to = (target as MemoryFile).inode;
    const moved = this.#child(name);
    const replaced = to.names.get(newName);
    const isExchange = (flags & RENAME_EXCHANGE) !== 0;
    checkRename({ from: this.inode, moved, to, replaced }, flags);
    // Linux: nothing happens.
    if (moved === replaced) return;
    this.inode.names.delete(name);
    if (replaced !== undefined && isExchange) this.inode.names.set(name, replaced);
    else replaced?.dropLink();
    to.names.set(newName, moved);
  }

  renamed(_directory: ServedFile, name: string): void {
    this.tree.changes.push(`renamed ${name}`);
  }

  *getXattr(name: string): Op<Uint8Array> {
    yield* this.tree.enter();
    const value = this.inode.xattrs.get(name);
    if (value === undefined) throw linuxerr.ENODATA;
    return value;
  }

  *setXattr(name: string, value: Uint8Array, flags: number): Op<void> {
    yield* this.tree.enter('setXattr');
    const isThere = this.inode.xattrs.has(name);
    if ((flags & XATTR_CREATE) !== 0 && isThere) throw linuxerr.EEXIST;
    if ((flags & XATTR_REPLACE) !== 0 && !isThere) throw linuxerr.ENODATA;
    this.inode.xattrs.set(name, value.slice());
  }

  *listXattr(): Op<readonly string[]> {
    yield* this.tree.enter();
    return [...this.inode.xattrs.keys()];
  }

  *removeXattr(name: string): Op<void> {
    yield* this.tree.enter('removeXattr');
    if (!this.inode.xattrs.delete(name)) throw linuxerr.ENODATA;
  }

  *watch(mask: number, isRecursive: boolean, sink: WatchSink): Op<ServedWatch> {
    const watch = new MemoryWatch(this.tree, mask, isRecursive, sink);
    this.tree.watches.push(watch);
    yield* this.tree.enter();
    return watch;
  }

  *close(): Op<void> {
    if (this.#isClosed) throw new Error('closed twice');
    this.#isClosed = true;
    this.tree.pinned--;
  }
}

interface MemoryRename {
  readonly from: MemoryInode;
  readonly moved: MemoryInode;
  readonly to: MemoryInode;
  readonly replaced: MemoryInode | undefined;
}

/** Linux: fs/namei.c do_renameat2(), vfs_rename(). */
function checkRename({ from, moved, to, replaced }: MemoryRename, flags: number): void {
  const isExchange = (flags & RENAME_EXCHANGE) !== 0;
  if (to.nlink === 0) throw linuxerr.ENOENT;
  if ((flags & RENAME_NOREPLACE) !== 0 && replaced !== undefined) throw linuxerr.EEXIST;
  if (isExchange && replaced === undefined) throw linuxerr.ENOENT;
  if (moved.isSameOrAbove(to)) throw linuxerr.EINVAL;
  if (replaced === undefined) return;
  if (replaced.isSameOrAbove(from)) throw isExchange ? linuxerr.EINVAL : linuxerr.ENOTEMPTY;
  if (isExchange) return;
  if (moved.isDirectory && !replaced.isDirectory) throw linuxerr.ENOTDIR;
  if (!moved.isDirectory && replaced.isDirectory) throw linuxerr.EISDIR;
  if (replaced.names.size > 0) throw linuxerr.ENOTEMPTY;
}

/** Tells what a test says. */
class MemoryWatch implements ServedWatch {
  readonly #tree: MemoryTree;
  readonly mask: number;
  readonly isRecursive: boolean;
  readonly #sink: WatchSink;

  constructor(tree: MemoryTree, mask: number, isRecursive: boolean, sink: WatchSink) {
    this.#tree = tree;
    this.mask = mask;
    this.isRecursive = isRecursive;
    this.#sink = sink;
  }

  tell(mask: number, name = '', cookie = 0): void {
    const event: ServedEvent = { mask, cookie, name };
    this.#sink.event(event);
  }

  overflow(): void {
    this.#sink.overflow();
  }

  *close(): Op<void> {
    const index = this.#tree.watches.indexOf(this);
    if (index < 0) throw new Error('closed twice');
    this.#tree.watches.splice(index, 1);
  }
}

function resized(data: Uint8Array, size: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size);
  bytes.set(data.subarray(0, size));
  return bytes;
}

class MemoryOpened implements OpenedFile {
  readonly #tree: MemoryTree;
  readonly #inode: MemoryInode;
  #isClosed = false;
  /** As they were when a listing began. */
  #names: (readonly [string, MemoryInode])[] = [];

  constructor(tree: MemoryTree, inode: MemoryInode) {
    this.#tree = tree;
    this.#inode = inode;
    tree.pinned++;
  }

  *read(into: Uint8Array, offset: number): Op<number> {
    yield* this.#tree.enter();
    this.#tree.reads++;
    const part = this.#inode.data.subarray(offset, offset + into.length);
    into.set(part);
    return part.length;
  }

  *write(bytes: Uint8Array, offset: number): Op<number> {
    yield* this.#tree.enter(`write ${bytes.length}`);
    const inode = this.#inode;
    const end = offset + bytes.length;
    if (end > inode.data.length) inode.data = resized(inode.data, end);
    inode.data.set(bytes, offset);
    return bytes.length;
  }

  *sync(): Op<void> {
    yield* this.#tree.enter('sync');
  }

  *flush(): Op<void> {
    yield* this.#tree.enter();
  }

  *allocate(_mode: number, offset: number, length: number): Op<void> {
    yield* this.#tree.enter('allocate');
    const inode = this.#inode;
    if (offset + length > inode.data.length) inode.data = resized(inode.data, offset + length);
  }

  *list(cookie: number): Op<readonly ListedName[]> {
    yield* this.#tree.enter();
    if (cookie === 0) this.#names = [['.', this.#inode], ['..', this.#inode], ...this.#inode.names];
    // A few at a time.
    return this.#names.slice(cookie, cookie + 5).map(([name, { ino, mode }], index) => ({
      name,
      ino,
      devMajor: 0,
      devMinor: 1,
      type: (mode & S_IFMT) >> 12,
      cookie: cookie + index + 1,
    }));
  }

  *close(): Op<void> {
    if (this.#isClosed) throw new Error('closed twice');
    this.#isClosed = true;
    this.#tree.pinned--;
  }
}
