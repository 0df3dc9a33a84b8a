// idbfs: files that stay. A local filesystem over a store (store/store.ts): names, inodes and data
// are read when they are needed, kept in bounded caches, and written back in commits that are
// atomic.
//
// In memory: an inode stays while it has a dentry in the cache, a reference, or changes that are
// not committed; dentries and chunks of data go when the caches are full. An unlinked file that is
// still open is on the list of orphans in the store, from which the next mount removes it if this
// one doesn't get to.

import { LinuxError, linuxerr } from '../../abi/errno.ts';
import { NAME_MAX } from '../../abi/limits.ts';
import { direntType, IDBFS_MAGIC, S_IFDIR, S_IFMT, S_IFREG, type Statfs } from '../../abi/stat.ts';
import { assertDefined } from '../../lib/assert.ts';
import { type Op, WaitQueue } from '../../lib/op.ts';
import type { Run, Store } from '../../store/store.ts';
import type { StoreView } from '../../store/store-view.ts';
import type { DirectoryEntrySink } from '../../vfs/file-description.ts';
import type { CommitStatus } from '../../vfs/filesystem.ts';
import type { DirectoryCursor } from '../shared/directory-description.ts';
import { BLOCK_SIZE, CHUNK_SIZE } from '../shared/file-data.ts';
import { Inode, type InodeAttributes, LocalDentry } from '../shared/inode.ts';
import type { Xattrs } from '../shared/xattrs.ts';
import { LocalFilesystem, type LocalOptions } from '../shared/local-filesystem.ts';
import { Changes } from './changes.ts';
import { type CheckOptions, type CheckResult, checkStore } from './check.ts';
import { ChunkCache } from './chunk-cache.ts';
import { DentryCache } from './dentry-cache.ts';
import { IdbfsData } from './idbfs-data.ts';
import {
  cookieKey,
  cookieKeysEnd,
  cookieOf,
  decodeFilesystem,
  decodeInode,
  decodeName,
  decodePosition,
  encodeName,
  encodePosition,
  FORMAT_VERSION,
  filesystemKey,
  inodeKey,
  isKnownFormat,
  nameKey,
  orphanOf,
  orphanRange,
  ROOT_INO,
} from './items.ts';
import { cutRun, withoutHoles } from './stored-run.ts';
import { WriteBack } from './write-back.ts';
import { decodeXattrs, xattrObject, XATTRS_SIZE_MAX } from './xattr-blob.ts';

export interface IdbfsOptions extends LocalOptions {
  readonly store: Store;
  readonly dev: number;
  /** Bytes of file data kept in memory. Default: 64 MiB. */
  readonly cacheSize?: number | undefined;
  /** Bytes of changes that start a commit. Default: 8 MiB. */
  readonly dirtyLimit?: number | undefined;
  /** Milliseconds from a change to its commit. Default: 1000. */
  readonly commitInterval?: number | undefined;
  /** Tests set these low, so that they reach what lies beyond. */
  readonly limits?: IdbfsLimits | undefined;
}

export interface IdbfsLimits {
  /** Names in memory. */
  readonly dentries: number;
  /** Entries of a listing read at once. */
  readonly listingBatch: number;
  /** The least a cache may be set to, in bytes. */
  readonly cacheSizeMin: number;
}

const LIMITS: IdbfsLimits = { dentries: 50_000, listingBatch: 256, cacheSizeMin: 4 << 20 };

const CACHE_SIZE_DEFAULT = 64 << 20;
const DIRTY_LIMIT_DEFAULT = 8 << 20;
const COMMIT_INTERVAL_DEFAULT = 1000;
/** Chunks read at once when a file is read from front to back. */
const READ_AHEAD_CHUNKS = 16;

export class Idbfs extends LocalFilesystem {
  override readonly type = 'idbfs';
  override readonly hasZeroRange = true;
  override readonly dev: number;
  override readonly root: LocalDentry;
  readonly #store: Store;
  readonly #inodes = new Map<number, Inode>();
  /** Dentries in the cache, per inode. */
  readonly #dentryCounts = new Map<Inode, number>();
  readonly #chunks: ChunkCache;
  readonly #dentries: DentryCache;
  readonly #changes: Changes;
  readonly #writeBack: WriteBack;
  readonly #limits: IdbfsLimits;
  #nextIno: number;
  /** Counts the changes of names: what was read before one may no longer hold after it. */
  #namesVersion = 0;

  /**
   * Mounts what is in a store; an empty store gets a root directory.
   *
   * Errors: EIO of the store; EINVAL for a format of a later version (nothing is changed then).
   */
  static *mount(options: IdbfsOptions): Op<Idbfs> {
    const { store } = options;
    const header = yield* store.get(filesystemKey);
    const { formatVersion, nextIno } =
      header === undefined
        ? { formatVersion: FORMAT_VERSION, nextIno: ROOT_INO }
        : decodeFilesystem(header);
    if (!isKnownFormat(formatVersion)) throw linuxerr.EINVAL;
    const rootItem = header === undefined ? undefined : yield* store.get(inodeKey(ROOT_INO));
    if (header !== undefined && rootItem === undefined) throw linuxerr.EIO;
    const fs = new Idbfs(options, nextIno, rootItem);
    if (header === undefined) yield* fs.#writeBack.flush('strict');
    else yield* fs.#removeOrphans();
    return fs;
  }

  private constructor(options: IdbfsOptions, nextIno: number, rootItem: Uint8Array | undefined) {
    super(options);
    this.dev = options.dev;
    this.#store = options.store;
    this.#nextIno = nextIno;
    this.#limits = options.limits ?? LIMITS;
    this.#chunks = new ChunkCache(
      Math.max(this.#limits.cacheSizeMin, options.cacheSize ?? CACHE_SIZE_DEFAULT),
    );
    this.#dentries = new DentryCache(this.#limits.dentries, (dentry) => {
      this.#forget(dentry);
      this.#dropIfUnused(dentry.inode);
    });
    this.#changes = new Changes(options.store, {
      nextIno: () => this.#nextIno,
      changed: () => {
        this.#writeBack.changed();
      },
      committed: (inodes) => {
        for (const inode of inodes) this.#dropIfUnused(inode);
        this.#chunks.evict();
        this.#dentries.evict();
      },
    });
    this.#writeBack = new WriteBack(this.#changes, {
      clock: options.clock,
      intervalMs: options.commitInterval ?? COMMIT_INTERVAL_DEFAULT,
      dirtyLimit: options.dirtyLimit ?? DIRTY_LIMIT_DEFAULT,
    });
    const inode =
      rootItem === undefined
        ? this.makeInode({ mode: S_IFDIR | 0o755, uid: 0, gid: 0 })
        : this.#inodeFromItem(ROOT_INO, rootItem);
    const isComplete = rootItem === undefined;
    this.root = new LocalDentry({ name: '', parent: undefined, inode, isComplete });
    this.root.incRef();
  }

  /** What was unlinked while open when the last session ended. */
  *#removeOrphans(): Op<void> {
    for (;;) {
      const items = yield* this.#store.scan({ ...orphanRange, limit: this.#limits.listingBatch });
      for (const { key } of items) this.#changes.inodeDestroyed(orphanOf(key));
      if (items.length === 0) return;
      yield* this.#writeBack.flush('relaxed');
    }
  }

  override get commitStatus(): CommitStatus {
    return this.#writeBack.status;
  }

  // Inodes.

  override makeInode(attributes: Omit<InodeAttributes, 'ino'>): Inode {
    const ino = this.#nextIno++;
    const inode = this.#newInode({ ...attributes, ino });
    if (inode.isDir) inode.nlink = 2;
    this.inodeChanged(inode);
    return inode;
  }

  #newInode(attributes: InodeAttributes): Inode {
    const now = this.clock.now();
    const isRegular = (attributes.mode & S_IFMT) === S_IFREG;
    const data = isRegular
      ? { data: new IdbfsData(attributes.ino, this.#chunks, this.#changes) }
      : {};
    const inode = new Inode(this, attributes, { now, ...data });
    this.#inodes.set(inode.ino, inode);
    return inode;
  }

  #inodeFromItem(ino: number, item: Uint8Array): Inode {
    const stored = decodeInode(item);
    const inode = this.#newInode({ ...stored, ino });
    const { nlink, size, entryCount, nextCookie, atime, mtime, ctime, btime, hasXattrs } = stored;
    Object.assign(inode, { nlink, size, entryCount, nextCookie, atime, mtime, ctime, btime });
    inode.hasXattrs = hasXattrs;
    if (inode.data !== undefined) {
      inode.data.blockCount = stored.blockCount;
      inode.data.storedChunks = Math.ceil(size / CHUNK_SIZE);
    }
    return inode;
  }

  override destroyInode(inode: Inode): void {
    this.#inodes.delete(inode.ino);
    (inode.data as IdbfsData | undefined)?.drop();
    this.#changes.inodeDestroyed(inode.ino, inode);
  }

  override inodeChanged(inode: Inode): void {
    this.#changes.inodeChanged(inode);
  }

  /**
   * An inode that can be read again as it is now is forgotten once nothing in memory leads to it.
   */
  #dropIfUnused(inode: Inode): void {
    if (inode.refs > 0 || this.#dentryCounts.has(inode) || this.#changes.isPending(inode)) return;
    if (!this.#inodes.delete(inode.ino)) return;
    (inode.data as IdbfsData | undefined)?.drop();
  }

  // Names.

  protected override *loadChild(dir: LocalDentry, name: string): Op<LocalDentry | undefined> {
    this.#dentries.evict();
    const children = assertDefined(dir.children);
    for (;;) {
      const version = this.#namesVersion;
      const item = yield* this.#changes.items.get(nameKey(dir.inode.ino, name));
      const entry = item === undefined ? undefined : decodeName(item);
      const inode = entry === undefined ? undefined : yield* this.#loadInode(entry.ino);
      // Meanwhile somebody else may have loaded it, or it may have been created, renamed or
      // removed.
      const present = children.get(name);
      if (present !== undefined || dir.isComplete || version !== this.#namesVersion) {
        // Nothing may lead to what was read for this.
        if (inode !== undefined) this.#dropIfUnused(inode);
        if (present !== undefined || dir.isComplete) return present;
        continue;
      }
      if (entry === undefined) return undefined;
      // A name without an inode: the store is damaged.
      if (inode === undefined) throw linuxerr.EIO;
      const isComplete = !inode.isDir || inode.entryCount === 0;
      const dentry = new LocalDentry({ name, parent: dir, inode, isComplete });
      dentry.cookie = entry.cookie;
      children.set(name, dentry);
      this.#remember(dentry);
      return dentry;
    }
  }

  *#loadInode(ino: number): Op<Inode | undefined> {
    const present = this.#inodes.get(ino);
    if (present !== undefined) return present;
    const item = yield* this.#changes.items.get(inodeKey(ino));
    if (item === undefined) return undefined;
    return this.#inodes.get(ino) ?? this.#inodeFromItem(ino, item);
  }

  #remember(dentry: LocalDentry): void {
    this.#dentries.add(dentry);
    this.#dentryCounts.set(dentry.inode, (this.#dentryCounts.get(dentry.inode) ?? 0) + 1);
  }

  #forget(dentry: LocalDentry): void {
    const count = assertDefined(this.#dentryCounts.get(dentry.inode)) - 1;
    if (count > 0) this.#dentryCounts.set(dentry.inode, count);
    else this.#dentryCounts.delete(dentry.inode);
  }

  override entryAdded(dentry: LocalDentry): void {
    const { name, cookie, inode } = dentry;
    const dir = assertDefined(dentry.parent).inode.ino;
    this.#changes.items.put(nameKey(dir, name), encodeName(inode.ino, cookie));
    const entry = { ino: inode.ino, type: direntType(inode.mode), name };
    this.#changes.items.put(cookieKey(dir, cookie), encodePosition(entry));
    this.#namesVersion++;
    this.#remember(dentry);
  }

  override entryRemoved(dir: LocalDentry, dentry: LocalDentry): void {
    this.#changes.items.delete(nameKey(dir.inode.ino, dentry.name));
    this.#changes.items.delete(cookieKey(dir.inode.ino, dentry.cookie));
    this.#namesVersion++;
    this.#dentries.delete(dentry);
    // The inode stays for now: a rename goes on to give it its new name.
    this.#forget(dentry);
  }

  override openCursor(dir: LocalDentry): DirectoryCursor {
    return { list: (position, sink) => this.#list(dir.inode.ino, position, sink) };
  }

  *#list(dir: number, position: number, sink: DirectoryEntrySink): Op<number> {
    const limit = this.#limits.listingBatch;
    let reached = position;
    for (;;) {
      const items = yield* this.#changes.items.scan({
        from: cookieKey(dir, reached + 1),
        to: cookieKeysEnd(dir),
        limit,
      });
      for (const { key, value } of items) {
        const cookie = cookieOf(key);
        const { name, ino, type } = decodePosition(value);
        if (!sink({ name, ino, type, cookie })) return reached;
        reached = cookie;
      }
      if (items.length < limit) return reached;
    }
  }

  // Extended attributes.

  override *loadXattrs(inode: Inode): Op<Xattrs> {
    if (inode.xattrs !== undefined) return inode.xattrs;
    if (!inode.hasXattrs) return (inode.xattrs = new Map());
    const runs = yield* this.#store.read(xattrObject(inode.ino), 0, XATTRS_SIZE_MAX);
    // Meanwhile somebody else may have loaded them.
    return (inode.xattrs ??= decodeXattrs(runs));
  }

  override xattrsChanged(inode: Inode): void {
    this.#changes.xattrsChanged(inode);
  }

  // Data.

  override *loadChunk(inode: Inode, index: number): Op<void> {
    const data = assertDefined(inode.data) as IdbfsData;
    const underWay = data.loading.get(index);
    if (underWay !== undefined) {
      yield underWay;
      return;
    }
    const done = new WaitQueue();
    data.loading.set(index, done);
    try {
      this.#chunks.evict();
      const { generation } = data;
      let end = this.#readAheadEnd(data, index);
      const from = index * CHUNK_SIZE;
      const cut = this.#changes.cutOf(inode.ino);
      const holes = this.#changes.holesOf(inode.ino);
      let runs: Run[];
      try {
        runs = yield* this.#store.read(inode.ino, from, (end - index) * CHUNK_SIZE);
      } catch (error) {
        if (error !== linuxerr.EIO || end === index + 1) throw error;
        // What was to be read ahead may be damaged: that is told to whoever wants it.
        end = index + 1;
        runs = yield* this.#store.read(inode.ino, from, CHUNK_SIZE);
      }
      // Cut or rewritten meanwhile: whoever needs the chunk asks again.
      if (data.generation !== generation) return;
      for (let chunk = index; chunk < end && chunk < data.storedChunks; chunk++) {
        const isOurs = chunk === index || !data.loading.has(chunk);
        if (!isOurs || data.chunks.has(chunk)) continue;
        const start = chunk * CHUNK_SIZE;
        data.insertStored(
          chunk,
          runs
            .flatMap((run) => cutRun(run, start, Math.min(cut, start + CHUNK_SIZE)))
            .flatMap((run) => withoutHoles(run, holes)),
        );
      }
      data.lastLoaded = end - 1;
    } finally {
      data.loading.delete(index);
      done.wakeAll();
    }
  }

  #readAheadEnd(data: IdbfsData, index: number): number {
    if (index !== data.lastLoaded + 1) return index + 1;
    let end = index + 1;
    const limit = Math.min(index + READ_AHEAD_CHUNKS, data.storedChunks);
    while (end < limit && !data.chunks.has(end) && !data.loading.has(end)) end++;
    return end;
  }

  override *nextStoredData(inode: Inode, offset: number): Op<number> {
    const data = assertDefined(inode.data) as IdbfsData;
    let from = Math.floor(offset / BLOCK_SIZE) * BLOCK_SIZE;
    for (;;) {
      const { generation } = data;
      const cut = this.#changes.cutOf(inode.ino);
      const found = yield* this.#store.nextData(inode.ino, from);
      if (data.generation !== generation) continue;
      const hole = this.#changes
        .holesOf(inode.ino)
        .find((each) => found !== undefined && each.from <= found && found < each.to);
      if (hole !== undefined) {
        from = hole.to;
        continue;
      }
      const end = Math.min(cut, data.storedChunks * CHUNK_SIZE);
      return found === undefined || found >= end ? Infinity : found;
    }
  }

  override *freeBlocks(): Op<number> {
    return Math.floor((yield* this.#store.usage()).available / BLOCK_SIZE);
  }

  /** The quota is the browser's: a commit that exceeds it fails, and tells whoever waits. */
  override reserveBlocks(blocks: number): number {
    return blocks;
  }

  override releaseBlocks(): void {
    // Nothing is reserved.
  }

  override throttle(): Op<void> {
    return this.#writeBack.throttle();
  }

  // The whole.

  override *syncInode(): Op<void> {
    yield* this.#writeBack.flush('strict');
  }

  override *sync(): Op<void> {
    yield* this.#writeBack.flush('strict');
  }

  /** What is in the store, as check.ts says. Errors: EIO; what `onProgress` throws. */
  *check(options: CheckOptions = {}): Op<CheckResult> {
    const failure = yield* this.#tryFlush();
    const result = yield* checkStore(this.#store, options);
    if (failure === undefined) return result;
    const problem = `what has changed since the last commit can't be committed: ${failure.message}`;
    return { ...result, problems: [...result.problems, problem] };
  }

  /** All that has been written, at this moment; whoever gets it closes it. Errors: as sync. */
  *view(): Op<StoreView> {
    yield* this.#writeBack.flush('relaxed');
    return yield* this.#store.view();
  }

  *#tryFlush(): Op<LinuxError | undefined> {
    try {
      yield* this.#writeBack.flush('relaxed');
      return undefined;
    } catch (error) {
      if (error instanceof LinuxError) return error;
      throw error;
    }
  }

  override *release(): Op<void> {
    try {
      yield* this.#writeBack.close();
    } finally {
      yield* this.#store.close();
    }
  }

  override *statfs(): Op<Statfs> {
    const { used, available } = yield* this.#store.usage();
    const free = Math.floor(available / BLOCK_SIZE);
    return {
      type: IDBFS_MAGIC,
      bsize: BLOCK_SIZE,
      blocks: Math.ceil(used / BLOCK_SIZE) + free,
      bfree: free,
      bavail: free,
      // Inodes take space like everything else: there are as many as fit.
      files: 0,
      ffree: 0,
      namelen: NAME_MAX,
      flags: 0,
    };
  }
}
