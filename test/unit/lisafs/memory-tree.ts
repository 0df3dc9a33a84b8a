// A tree in memory for a lisafs server to serve: what the server asks of files, and no more. It
// counts what is pinned, so that a test sees what was forgotten.

import { linuxerr } from '../../../src/abi/errno.ts';
import { AT_REMOVEDIR, RENAME_EXCHANGE } from '../../../src/abi/fcntl.ts';
import {
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  STATX_BASIC_STATS,
  STATX_BTIME,
  STATX_MODE,
  STATX_SIZE,
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

  get statx(): Statx {
    return {
      mask: STATX_BASIC_STATS | (this.tree.hasBirthTimes ? STATX_BTIME : 0),
      blksize: 4096,
      attributes: 0n,
      nlink: this.nlink,
      uid: this.tree.uid,
      gid: 0,
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
  readonly top = new MemoryInode(this, 1n, S_IFDIR | 0o755);
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

  *setStat({ mask, mode, size }: AttributeChanges): Op<{
    failureMask: number;
    failureErrno: number;
  }> {
    yield* this.tree.enter('setStat');
    const { inode } = this;
    if ((mask & STATX_MODE) !== 0) inode.mode = (inode.mode & S_IFMT) | (mode & 0o7777);
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
    if (this.inode.names.has(name)) throw linuxerr.EEXIST;
    const { inode } = target as MemoryFile;
    inode.nlink++;
    this.inode.names.set(name, inode);
    return this.tree.pin(inode);
  }

  *unlink(name: string, flags: number): Op<void> {
    yield* this.tree.enter(`unlink ${name}`);
    const child = this.#child(name);
    const isDirectory = (child.mode & S_IFMT) === S_IFDIR;
    if (isDirectory !== ((flags & AT_REMOVEDIR) !== 0)) {
      throw isDirectory ? linuxerr.EISDIR : linuxerr.ENOTDIR;
    }
    if (child.names.size > 0) throw linuxerr.ENOTEMPTY;
    child.nlink--;
    this.inode.names.delete(name);
  }

  *rename(name: string, target: ServedFile, newName: string, flags: number): Op<void> {
    yield* this.tree.enter(`rename ${name} ${newName}`);
    const to = (target as MemoryFile).inode;
    const moved = this.#child(name);
    const replaced = to.names.get(newName);
    // Linux: nothing happens.
    if (moved === replaced) return;
    this.inode.names.delete(name);
    if (replaced !== undefined && (flags & RENAME_EXCHANGE) !== 0) {
      this.inode.names.set(name, replaced);
    }
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

  *setXattr(name: string, value: Uint8Array): Op<void> {
    yield* this.tree.enter('setXattr');
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
