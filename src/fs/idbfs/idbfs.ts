// idbfs: files that stay. A local filesystem over a store (store/store.ts): names, inodes and data
// are read when they are needed, kept in bounded caches, and written back in commits that are
// atomic.
//
// In memory: an inode stays while it has a dentry in the cache, a reference, or changes that are
// not committed; dentries and chunks of data go when the caches are full. An unlinked file that is
// still open is on the list of orphans in the store, from which the next mount removes it if this
// one doesn't get to.

import { linuxerr } from '../../abi/errno.ts';
import { S_IFDIR, S_IFMT, S_IFREG, type Statfs } from '../../abi/stat.ts';
import type { Dentry } from '../../vfs/dentry.ts';
import { assertDefined } from '../../lib/assert.ts';
import { type Op, runAsync } from '../../lib/op.ts';
import type { Store } from '../../store/store.ts';
import type { StoreView } from '../../store/store-view.ts';
import type { Subvolumes } from '../../store/subvolumes.ts';
import type { CommitObserver, ExportedFilesystem, InodeHint, Notes } from '../../vfs/exported.ts';
import type { CommitStatus } from '../../vfs/filesystem.ts';
import { CREATION_BYTES } from '../shared/create.ts';
import type { DirectoryCursor } from '../shared/directory-description.ts';
import { Inode, type InodeAttributes, LocalDentry } from '../shared/inode.ts';
import type { Xattrs } from '../shared/xattrs.ts';
import { LocalFilesystem } from '../shared/local-filesystem.ts';
import { Changes } from './changes.ts';
import { type CheckOptions, type CheckResult, checkMounted } from './check.ts';
import { ChunkCache } from '../shared/chunk-cache.ts';
import { ChunkLoader } from '../shared/chunk-loader.ts';
import { DentryCache } from '../shared/dentry-cache.ts';
import { checkHealth, isReadOnly } from './health.ts';
import { findInode } from './find-inode.ts';
import { CachedData } from '../shared/cached-data.ts';
import {
  cookieKey,
  decodeInode,
  decodeName,
  inodeKey,
  nameKey,
  noteOf,
  noteRange,
  orphanOf,
  orphanRange,
  ROOT_INO,
} from './items.ts';
import { ItemsCursor } from './items-cursor.ts';
import { LargeWrites } from '../shared/large-writes.ts';
import { DEFAULTS, type IdbfsLimits, type IdbfsOptions } from './options.ts';
import { SpaceReserve } from './space-reserve.ts';
import { type FilesystemStart, fillInode, readStart } from './start.ts';
import { WriteBack } from './write-back.ts';
import { decodeXattrs, xattrObject, XATTRS_SIZE_MAX } from './xattr-blob.ts';

export class Idbfs extends LocalFilesystem implements ExportedFilesystem {
  override readonly type = 'idbfs';
  readonly holder = 'this-tab';
  override readonly hasZeroRange = true;
  override readonly dev: number;
  override readonly root: LocalDentry;
  readonly #store: Store;
  readonly #inodes = new Map<number, Inode>();
  readonly #chunks: ChunkCache;
  readonly #dentries: DentryCache;
  override readonly stored: ChunkLoader;
  readonly #changes: Changes;
  readonly #writeBack: WriteBack;
  readonly #reserve: SpaceReserve;
  readonly #limits: IdbfsLimits;
  #nextIno: number;
  presetInode: number | undefined;
  lastInode = 0;
  #observer: CommitObserver | undefined;
  /** Counts the changes of names: what was read before one may no longer hold after it. */
  #namesVersion = 0;

  /**
   * Mounts what is in a store; an empty store gets a root directory.
   *
   * Errors: EIO of the store; EINVAL for a format of a later version (nothing is changed then).
   */
  static *mount(options: IdbfsOptions): Op<Idbfs> {
    const start = yield* readStart(options.store);
    const { nextIno, rootItem } = start ?? { nextIno: ROOT_INO, rootItem: undefined };
    const fs = new Idbfs(options, nextIno, rootItem);
    const isNew = rootItem === undefined;
    if (isNew) yield* fs.#writeBack.flush('strict', { isWhole: true });
    else if (!fs.isReadOnly && options.keepsOrphans !== true) yield* fs.removeOrphans();
    yield* fs.#reserve.open({ isNew });
    return fs;
  }

  private constructor(options: IdbfsOptions, nextIno: number, rootItem: Uint8Array | undefined) {
    super(options);
    this.dev = options.dev;
    this.#store = options.store;
    this.#nextIno = nextIno;
    this.#limits = options.limits ?? DEFAULTS.limits;
    this.#chunks = new ChunkCache(
      Math.max(this.#limits.cacheSizeMin, options.cacheSize ?? DEFAULTS.cacheSize),
      options.store.forgetsWrites === true ? new LargeWrites() : undefined,
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
      accessed: () => {
        this.#writeBack.accessed();
      },
      notes: () => this.#observer?.committing() ?? [],
      logged: () => this.#observer?.committed(),
      committed: (inodes, how) => {
        this.#observer?.committed();
        this.#committed(inodes, how);
      },
    });
    this.stored = new ChunkLoader(options.store, this.#chunks, this.#changes);
    const dirtyLimit = options.dirtyLimit ?? DEFAULTS.dirtyLimit;
    this.#reserve = new SpaceReserve(this.#changes, {
      store: options.store,
      clock: options.clock,
      dirtyLimit,
      commit: () => this.#writeBack.flush('relaxed'),
      progress: () => this.#writeBack.progress(),
      isFailing: () => this.#writeBack.isFailing,
    });
    this.#writeBack = new WriteBack(this.#changes, {
      clock: options.clock,
      intervalMs: options.commitInterval ?? DEFAULTS.commitInterval,
      dirtyLimit,
      nextTurn: options.nextTurn,
      isFull: () => this.#reserve.isFull,
      onExhausted: () => {
        this.#reserve.exhausted();
      },
      onEnded: () => this.#observer?.ended(),
    });
    const inode =
      rootItem === undefined
        ? this.makeInode({ mode: S_IFDIR | 0o755, uid: 0, gid: 0 })
        : this.#inodeFromItem(ROOT_INO, rootItem);
    const isComplete = rootItem === undefined;
    this.root = new LocalDentry({ name: '', parent: undefined, inode, isComplete });
    this.root.incRef();
  }

  /** A commit has ended well. */
  #committed(inodes: Iterable<Inode>, how: { readonly hasRemoved: boolean }): void {
    // It rejects if there is a bug: nobody handles that.
    void runAsync(this.#reserve.committed(how));
    for (const inode of inodes) this.#dropIfUnused(inode);
    this.#chunks.evict();
    if (!this.#changes.hasChanges) this.#chunks.largeWrites?.end();
    this.#dentries.evict();
  }

  /** What was unlinked while open when the last session ended, and nobody has open now. */
  *removeOrphans(): Op<void> {
    const limit = this.#limits.listingBatch;
    let { from } = orphanRange;
    for (;;) {
      const items = yield* this.#changes.items.scan({ from, to: orphanRange.to, limit });
      for (const { key } of items) {
        const ino = orphanOf(key);
        if (!this.#inodes.has(ino)) this.#changes.inodeDestroyed(ino);
      }
      const last = items.at(-1);
      if (last === undefined) return;
      from = `${last.key}\0`;
      yield* this.#writeBack.flush('relaxed');
    }
  }

  /** The other trees of the store. */
  get subvolumes(): Subvolumes | undefined {
    return this.#store.subvolumes;
  }

  /** The name of the tree that this is on; undefined: the main one. */
  get subvolume(): string | undefined {
    return this.#store.subvolume;
  }

  /** Somebody listens at a socket in it. */
  get hasListeners(): boolean {
    for (const { endpoint } of this.#inodes.values()) if (endpoint !== undefined) return true;
    return false;
  }

  /**
   * The store's tree has become another one, which begins with `start`: forgets all there is in
   * memory. Nothing is pending, and nothing but the root and mount points is in use: their dentries
   * are dead. Watches get IN_UNMOUNT.
   */
  replaceTree({ nextIno, rootItem }: FilesystemStart): void {
    this.watched.unmount();
    this.#dentries.clear();
    const { root } = this;
    for (const inode of this.#inodes.values()) {
      inode.cachedNames = 0;
      (inode.data as CachedData | undefined)?.drop();
    }
    this.#inodes.clear();
    this.#inodes.set(ROOT_INO, root.inode);
    root.children?.clear();
    root.isComplete = false;
    const stored = decodeInode(rootItem);
    const { mode, uid, gid } = stored;
    Object.assign(root.inode, { mode, uid, gid, xattrs: undefined });
    fillInode(root.inode, stored);
    this.#nextIno = nextIno;
    this.#namesVersion++;
    this.#changes.reset();
  }

  override get commitStatus(): CommitStatus {
    return { ...this.#writeBack.status, mirror: this.#store.mirror };
  }

  override get isReadOnly(): boolean {
    return this.#store.isReadOnly === true || isReadOnly(this.#writeBack.health);
  }

  override checkWritable(): void {
    if (this.#store.isReadOnly === true) throw linuxerr.EROFS;
    checkHealth(this.#writeBack.health);
  }

  // Served to others.

  observeCommits(observer: CommitObserver | undefined): void {
    this.#observer = observer;
  }

  /** Serves nobody until the returned function is called. Errors: EBUSY if it serves a tab. */
  stopServing(): () => void {
    const goOn = this.#observer === undefined ? () => undefined : this.#observer.bar();
    if (goOn === undefined) throw linuxerr.EBUSY;
    return goOn;
  }

  *readNotes(): Op<Notes> {
    const items = yield* this.#changes.items.scan({ ...noteRange, limit: 2 ** 32 });
    return new Map(items.map(({ key, value }) => [noteOf(key), value]));
  }

  inoOf(dentry: Dentry): number {
    return (dentry as LocalDentry).inode.ino;
  }

  findInode(hint: InodeHint): Op<Dentry | undefined> {
    return findInode(hint, {
      root: this.root,
      child: (dir, name) => this.child(dir, name),
      inMemory: (ino) => this.#dentries.find(({ inode }) => inode.ino === ino),
      load: (ino) => this.#loadInode(ino),
    });
  }

  skipInodes(below: number): void {
    this.#nextIno = Math.max(this.#nextIno, below);
  }

  // Inodes.

  override makeInode(attributes: Omit<InodeAttributes, 'ino'>): Inode {
    this.checkRoom(CREATION_BYTES + (attributes.target?.length ?? 0));
    const ino = this.presetInode ?? this.#nextIno++;
    this.presetInode = undefined;
    this.lastInode = ino;
    const inode = this.#newInode({ ...attributes, ino });
    if (inode.isDir) inode.nlink = 2;
    this.inodeChanged(inode);
    return inode;
  }

  #newInode(attributes: InodeAttributes): Inode {
    const isRegular = (attributes.mode & S_IFMT) === S_IFREG;
    const data = isRegular
      ? new CachedData(attributes.ino, this.#chunks, this.#changes)
      : undefined;
    const inode = new Inode(this, attributes, { now: this.clock.now(), data });
    this.#inodes.set(inode.ino, inode);
    return inode;
  }

  #inodeFromItem(ino: number, item: Uint8Array): Inode {
    const stored = decodeInode(item);
    const inode = this.#newInode({ ...stored, ino });
    fillInode(inode, stored);
    return inode;
  }

  override destroyInode(inode: Inode): void {
    this.#inodes.delete(inode.ino);
    (inode.data as CachedData | undefined)?.drop();
    this.#changes.inodeDestroyed(inode.ino, inode);
  }

  override inodeChanged(inode: Inode): void {
    this.#changes.inodeChanged(inode);
  }

  override inodeAccessed(inode: Inode): void {
    this.#changes.inodeAccessed(inode);
  }

  /**
   * An inode that can be read again as it is now is forgotten once nothing in memory leads to it.
   */
  #dropIfUnused(inode: Inode): void {
    if (inode.refs > 0 || inode.cachedNames > 0 || this.#changes.isPending(inode)) return;
    if (!this.#inodes.delete(inode.ino)) return;
    (inode.data as CachedData | undefined)?.drop();
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
    dentry.inode.cachedNames++;
  }

  #forget(dentry: LocalDentry): void {
    dentry.inode.cachedNames--;
  }

  override entryAdded(dentry: LocalDentry): void {
    const { name, cookie, inode } = dentry;
    const dir = assertDefined(dentry.parent).inode.ino;
    this.#changes.items.addName({ dir, name, cookie, inode });
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
    return new ItemsCursor(this.#changes.items, dir.inode.ino, this.#limits.listingBatch);
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

  override *freeBlocks(): Op<number> {
    return (yield* this.statfs()).bavail;
  }

  override reserveBlocks(blocks: number): number {
    return this.#reserve.blocksThatFit(blocks);
  }

  override releaseBlocks(): void {
    // What is reserved is what is pending.
  }

  override mustThrottle(bytes: number): boolean {
    this.checkWritable();
    if (this.#writeBack.isFarBehind) return true;
    this.#writeBack.startIfDue();
    return !this.#reserve.hasRoom(bytes);
  }

  override *throttle(bytes: number): Op<void> {
    this.checkWritable();
    yield* this.#writeBack.throttle();
    if (!this.#reserve.hasRoom(bytes)) yield* this.#reserve.makeRoom(bytes);
  }

  override isShortOfRoom(bytes: number): boolean {
    return this.#writeBack.isOverloaded || !this.#reserve.hasRoom(bytes);
  }

  override *makeRoom(bytes: number): Op<void> {
    yield* this.#writeBack.relieve();
    if (!this.#reserve.hasRoom(bytes)) yield* this.#reserve.makeRoom(bytes);
  }

  override checkRoom(bytes: number): void {
    this.#reserve.checkRoom(bytes);
  }

  override beforeChange(): Op<void> {
    return this.#writeBack.relieve();
  }

  override *beforeRemoval(): Op<void> {
    yield* this.#writeBack.relieve();
    yield* this.#reserve.beforeRemoval();
  }

  override *syncInode(inode: Inode): Op<void> {
    this.#changes.inodeSynced(inode);
    yield* this.#writeBack.flush('strict');
  }

  override *sync(): Op<void> {
    yield* this.#writeBack.flush('strict', { isWhole: true });
  }

  /** What is in the store, as check.ts says. Errors: EIO; what `onProgress` throws. */
  check(options: CheckOptions = {}): Op<CheckResult> {
    return checkMounted(this.#store, this.#writeBack.flush('relaxed'), options);
  }

  /** All that has been written, at this moment; whoever gets it closes it. Errors: as sync. */
  *view(): Op<StoreView> {
    yield* this.#writeBack.flush('relaxed');
    return yield* this.#store.view();
  }

  override *release(): Op<void> {
    this.#observer?.releasing();
    try {
      yield* this.#writeBack.close();
    } finally {
      yield* this.#store.close();
    }
  }

  override statfs(): Op<Statfs> {
    return this.#reserve.statfs();
  }
}
