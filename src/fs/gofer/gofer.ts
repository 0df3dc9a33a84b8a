// gofer: a directory of another machine. A local filesystem whose tree is a copy of a server's:
// names, attributes and data are fetched when they are needed, kept as long as the cache mode says,
// and changed here as they are changed there. Mirrors gVisor pkg/sentry/fsimpl/gofer; README.md.

import {
  O_CLOEXEC,
  O_LARGEFILE,
  O_NOCTTY,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_RDONLY,
} from '../../abi/fcntl.ts';
import { NAME_MAX } from '../../abi/limits.ts';
import { S_PERMISSIONS, type Statfs } from '../../abi/stat.ts';
import { assertDefined } from '../../lib/assert.ts';
import { type Op, uninterrupted } from '../../lib/op.ts';
import type { MountedRoot } from '../../lisafs/client-mount.ts';
import type { Push } from '../../lisafs/client-calls.ts';
import type { RecoveryCalls } from '../../lisafs/client-recovery.ts';
import type { Statx } from '../../lisafs/records.ts';
import type { FileDescription } from '../../vfs/file-description.ts';
import type { OpenOptions } from '../../vfs/options.ts';
import type { ResolvingPath } from '../../vfs/resolving-path.ts';
import type { CommitStatus } from '../../vfs/filesystem.ts';
import type { RemoteLink } from '../../vfs/remote-link.ts';
import { type Inode, type InodeAttributes, LocalDentry } from '../shared/inode.ts';
import type { LocalOptions } from '../shared/local-filesystem.ts';
import type { RegularFileOptions } from '../shared/regular-file-description.ts';
import type { StoredData } from '../shared/stored-data.ts';
import type { Upstream } from '../shared/upstream.ts';
import type { Xattrs } from '../shared/xattrs.ts';
import { CachedFileDescription } from './cached-file-description.ts';
import { DirectFileDescription, type DirectFiles } from './direct-file-description.ts';
import { FdCache } from './fd-cache.ts';
import { makeServerLocks } from './found-locks.ts';
import { invalidateData, refresh } from './freshness.ts';
import { GoferData } from './gofer-data.ts';
import { inodeOf } from './gofer-files.ts';
import { GoferWatches } from './gofer-watches.ts';
import type { GoferInode } from './gofer-inode.ts';
import { GoferListings } from './gofer-listings.ts';
import { findXattrs, GoferUpstream } from './gofer-upstream.ts';
import { Invalidation } from './invalidation.ts';
import { InodeTable } from './inode-table.ts';
import { lisafsRetaking } from './lisafs-locks.ts';
import type { GoferSettings } from './options.ts';
import { reclaim } from './reclaim.ts';
import type { LockRetaking, OpenedAndRead, Remote, RemoteFd } from './remote.ts';
import type { ServerLocks } from './server-locks.ts';

/** f_type of statfs, as gVisor has it. Linux: V9FS_MAGIC. */
const V9FS_MAGIC = 0x01021997;

/** Who opens a file with just these reads it. */
const OPENED_AHEAD = O_CLOEXEC | O_LARGEFILE | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK;

export interface GoferMount extends GoferSettings, LocalOptions {
  readonly remote: Remote;
  readonly dev: number;
  /** It is known by now where locks are: upstreamLocks.place. */
  readonly onLocksFound?: () => void;
}

export class Gofer extends GoferListings implements DirectFiles {
  override readonly type = 'gofer';
  override readonly dev: number;
  override readonly root: LocalDentry;
  override readonly hasZeroRange = false;
  override readonly knowsXattrs = false;
  override readonly upstream: Upstream;
  override readonly upstreamLocks: ServerLocks | undefined;
  override readonly stored: StoredData;
  protected override readonly inodes: InodeTable;
  protected override readonly fds: FdCache;
  readonly #data: GoferData;
  /** Nobody refers to them, perhaps. */
  readonly #unused = new Set<GoferInode>();
  readonly #invalidation: Invalidation;
  readonly #watches: GoferWatches | undefined;
  readonly #isExclusive: boolean;
  /** Undefined until whoever mounts it has said. */
  remoteLink: RemoteLink | undefined;

  constructor(mount: GoferMount) {
    const { remote, dev, clock, cacheSize, dirtyLimit } = mount;
    super(remote, mount);
    this.dev = dev;
    this.#isExclusive = mount.cache === 'exclusive';
    this.#data = new GoferData({
      remote,
      clock,
      cacheSize,
      dirtyLimit,
      byNumber: (ino) => this.inodes.byNumber(ino),
      fdOf: (inode) => this.fdOf(inode),
      onChanged: (inode) => {
        this.#watches?.changed(inode);
      },
    });
    this.stored = this.#data.loader;
    this.#invalidation = this.#makeInvalidation();
    this.#watches = this.#makeWatches();
    this.fds = new FdCache(this.#data, remote);
    remote.room.keepIn(this.fds);
    this.inodes = new InodeTable({
      owner: this,
      clock,
      ids: mount,
      onFd: (inode, fd) => {
        this.#invalidation.onFd(inode, fd);
      },
      cache: this.revalidates ? undefined : { chunks: this.#data.chunks, tracker: this.#data },
    });
    this.upstream = new GoferUpstream({
      remote,
      inodes: this.inodes,
      data: this.#data,
      watches: this.#watches,
      isExclusive: this.#isExclusive,
      fdOf: (inode) => this.fdOf(inode),
      findAnew: (dentry) => this.findAnew(dentry),
      keepFd: (inode, fd) => {
        this.keepFd(inode, fd);
      },
      changingNames: (names, change, going) => this.changingNames(names, change, going),
      forgetNames: (dir) => {
        this.forgetNames(dir);
      },
    });
    const { onLocksFound = () => undefined } = mount;
    this.upstreamLocks = this.#isExclusive ? undefined : this.#makeLocks(onLocksFound);
    const { fd, statx } = remote.root;
    const inode = this.inodes.add(statx, '');
    inode.fd = fd;
    this.root = new LocalDentry({ name: '', parent: undefined, inode, isComplete: false });
    inode.nameKnown(this.root);
    this.root.incRef();
  }

  /** Undefined if the server has no locks. */
  #makeLocks(onPlaceFound: () => void): ServerLocks | undefined {
    const { remote, clock } = this;
    const { locks } = remote;
    if (locks === undefined) return undefined;
    const fdOf = (inode: GoferInode): Op<RemoteFd> => this.fdOf(inode);
    return makeServerLocks({
      locks,
      clock,
      onPlaceFound,
      *open(inode, flags) {
        return yield* remote.open(yield* fdOf(inode), flags);
      },
      close: (opened) => {
        remote.close(opened);
      },
      onGranted: (inode) => {
        // Linux: fs/nfs/file.c do_setlk(), nfs_zap_caches().
        this.#invalidateFile(inode);
      },
    });
  }

  #makeInvalidation(): Invalidation {
    return new Invalidation({
      inodeOfFd: (fd) => this.inodes.byFd(fd),
      isDirty: (inode) => this.#data.isDirty(inode),
      forgetListing: (dir) => {
        this.forgetListing(dir);
      },
      forgetNames: (dir) => {
        this.forgetNames(dir);
      },
      forgetEntry: (dir, name) => {
        this.forgetEntry(dir, name);
      },
      invalidate: (dentry) => {
        this.invalidate(dentry);
      },
    });
  }

  /** Undefined if the server tells nothing. */
  #makeWatches(): GoferWatches | undefined {
    const { watches } = this.remote;
    if (watches === undefined) return undefined;
    return new GoferWatches({
      watches,
      fdOf: (inode) => this.fdOf(inode),
      stat: (inode) => this.#statOf(inode),
      sizeThere: (inode) => {
        const isKnown = inode.isRegular && !this.mustLookAgain(inode);
        return isKnown && !this.#data.isDirty(inode) ? inode.size : undefined;
      },
      invalidateFile: (inode) => {
        this.#invalidateFile(inode);
      },
      forgetEntry: (dir, name) => {
        this.forgetEntry(dir, name);
      },
      forgetNames: (dir) => {
        this.forgetNames(dir);
      },
      invalidate: (dentry) => {
        this.invalidate(dentry);
      },
    });
  }

  override watchSet(inode: Inode): Op<void> | undefined {
    return this.#watches?.set(inode as GoferInode);
  }

  override unwatched(inode: Inode): void {
    this.#watches?.unset(inode as GoferInode);
  }

  /** Others may have changed it, attributes and data. */
  #invalidateFile(inode: GoferInode): void {
    if (this.revalidates) return;
    invalidateData(inode, this.#data.isDirty(inode));
    inode.invalidateAttributes();
  }

  /** What the server pushes. */
  onPush(...[name, values]: Push): void {
    if (name === 'Invalidate' && !this.revalidates) this.#invalidation.onInvalidate(values.files);
    if (name === 'Event') this.#watches?.onEvents(values.events);
    if (name === 'Overflow') this.#watches?.onOverflow();
  }

  protected override refreshKept(inode: GoferInode): Op<void> {
    return refresh(inode, {
      send: (each) => this.#data.send(each),
      isDirty: (each) => this.#data.isDirty(each),
      stat: (each) => this.#statOf(each),
      update: (each, statx) => {
        each.update(statx, this.options);
      },
    });
  }

  *#statOf(inode: GoferInode): Op<Statx> {
    return yield* this.remote.stat(yield* this.fdOf(inode));
  }

  // Inodes.

  override makeInode(attributes: Omit<InodeAttributes, 'ino'>): Inode {
    const inode = this.inodes.make(attributes);
    if (inode.isDir && !this.revalidates) this.makeListing(inode);
    return inode;
  }

  override destroyInode(inode: Inode): void {
    this.dropIfUnused(inode as GoferInode);
  }

  /** A little later: whoever has just let go of it may go on with it at once. */
  protected override dropIfUnused(inode: GoferInode): void {
    this.#unused.add(inode);
    if (this.#unused.size > 1) return;
    queueMicrotask(() => {
      for (const each of this.#unused) this.#dropUnused(each);
      this.#unused.clear();
    });
  }

  #dropUnused(inode: GoferInode): void {
    const isUsed = inode.refs > 0 || inode.cachedNames > 0 || inode === this.root.inode;
    if (isUsed || !this.inodes.has(inode)) return;
    if (inode.nlink > 0) {
      // It is sent first, and comes here again.
      if (this.#data.isDirty(inode)) return;
      // Whoever syncs everything doesn't know it any more.
      if (inode.isUnsynced) this.#data.syncUnawaited(inode);
    }
    this.fds.delete(inode);
    this.#data.close(inode);
    this.inodes.delete(inode);
  }

  /** What is known here and nobody else changes is newer than any answer. */
  protected override updated(inode: GoferInode, statx: Statx): void {
    if (this.revalidates) inode.update(statx, this.options);
  }

  override inodeChanged(inode: Inode): void {
    const own = inode as GoferInode;
    own.freshness.changed();
    this.#timesChanged(own);
    // Set-ID bits go with what is written: the server's host doesn't know who writes.
    if (own.mode !== own.sentMode && own.fd !== undefined) {
      own.sentMode = own.mode;
      own.hasOwnMode = true;
      this.#data.sent(own, this.remote.setAttributes(own.fd, { mode: own.mode & S_PERMISSIONS }));
      this.#watches?.changed(own);
    }
  }

  override inodeAccessed(): void {
    // The server keeps the times of its reads itself.
  }

  #timesChanged(inode: GoferInode): void {
    if (this.revalidates || !inode.isRegular) return;
    inode.hasOwnTimes = this.#isExclusive && this.#data.isDirty(inode);
  }

  // Open files.

  override openAt(rp: ResolvingPath, options: OpenOptions): Op<FileDescription> {
    if ((options.flags & ~OPENED_AHEAD) === O_RDONLY) this.opening.add(rp);
    return super.openAt(rp, options);
  }

  protected override openedAhead(inode: GoferInode | undefined, open: OpenedAndRead): void {
    if (inode === undefined) this.remote.close(open.opened);
    else this.#data.openedAhead(inode, open);
  }

  override openRegular(options: RegularFileOptions): FileDescription {
    if (this.revalidates) return new DirectFileDescription(this, options);
    const inode = options.inode as GoferInode;
    return new CachedFileDescription(this, options, {
      onReadNow: () => {
        this.savedCount++;
      },
      allocate: (mode, offset, length) =>
        uninterrupted(this.#allocateCached(inode, { mode, offset, length })),
      writeThrough: this.#isExclusive ? undefined : () => this.#writeThrough(inode),
    });
  }

  /** What is in memory is sent before, and read again afterwards. */
  *#allocateCached(
    inode: GoferInode,
    { mode, offset, length }: { mode: number; offset: number; length: number },
  ): Op<void> {
    yield* this.#data.send(inode);
    yield* this.allocateBytes(inode, mode, offset, length);
    inode.forgetData();
    inode.update(yield* this.remote.stat(yield* this.fdOf(inode)), this.options);
  }

  *#writeThrough(inode: GoferInode): Op<void> {
    yield* uninterrupted(this.#data.settle(inode));
  }

  *readBytes(inode: GoferInode, offset: number, length: number): Op<Uint8Array> {
    return yield* this.#data.readBytes(assertDefined(inode.readFd), offset, length);
  }

  *writeBytes(inode: GoferInode, offset: number, bytes: Uint8Array): Op<number> {
    const count = yield* this.#data.writeBytes(inode, offset, bytes);
    if (offset + count > inode.size) inode.size = offset + count;
    return count;
  }

  *allocateBytes(inode: GoferInode, mode: number, offset: number, length: number): Op<void> {
    const opened = assertDefined(inode.writeFd);
    const pending = this.remote.allocate(opened, mode, offset, length);
    this.#watches?.changed(inode);
    yield* pending.wait();
    inode.isUnsynced = true;
  }

  // Extended attributes.

  override *loadXattrs(inode: Inode): Op<Xattrs> {
    const own = inode as GoferInode;
    while (own.xattrs === undefined) {
      const version = own.xattrsVersion;
      const found = yield* findXattrs(this.upstream, own);
      // They may have been changed while they were asked for, one by one.
      if (version === own.xattrsVersion) own.xattrs ??= found;
    }
    return own.xattrs;
  }

  /** The server was told before. */
  override xattrsChanged(inode: Inode): void {
    (inode as GoferInode).xattrsVersion++;
  }

  // Room.

  override *freeBlocks(): Op<number> {
    return Infinity;
  }

  override reserveBlocks(blocks: number): number {
    return blocks;
  }

  override releaseBlocks(): void {
    // Room is the server's.
  }

  override mustThrottle(): boolean {
    return this.#data.isFarBehind;
  }

  override throttle(): Op<void> {
    return this.#data.throttle();
  }

  // The whole.

  override *syncInode(inode: Inode): Op<void> {
    const own = inode as GoferInode;
    // Others may have changed its names.
    if (own.isDir) own.isUnsynced = true;
    yield* uninterrupted(this.#sync([own]));
  }

  override *sync(): Op<void> {
    const seen = this.#data.errors.sample();
    yield* uninterrupted(this.#sync([...this.inodes.values()]));
    const { error } = this.#data.errors.checkAndAdvance(seen);
    if (error !== undefined) throw error;
  }

  /** Sends all, asks for all to be synced, and waits for the answers. Failures are each file's. */
  *#sync(inodes: readonly GoferInode[]): Op<void> {
    for (const inode of inodes) inode.keepInMemory();
    try {
      for (const inode of inodes) yield* this.#data.send(inode);
      for (const inode of inodes) {
        if (inode.isUnsynced || this.fds.isSyncing(inode)) yield* this.#data.syncFile(inode);
      }
      yield* this.#data.settleAll(inodes);
    } finally {
      for (const inode of inodes) inode.letGo();
    }
  }

  override *release(): Op<void> {
    this.#data.stop();
    try {
      yield* this.sync();
    } finally {
      yield* this.remote.release();
    }
  }

  /** What the server has pinned or open for us; for whoever opens it anew. */
  get knownInodes(): Iterable<GoferInode> {
    return this.inodes.values();
  }

  /** The server has lost the session. */
  *recover(mounted: MountedRoot, calls: RecoveryCalls): Op<void> {
    const root = inodeOf(this.root);
    if (mounted.hasHostRestarted === true) this.#data.hostRestarted(this.inodes.values());
    yield* reclaim(this.inodes.values(), { root, mounted }, calls);
    yield* this.renewed(lisafsRetaking(calls));
    if (this.#watches !== undefined) yield* this.#watches.recover(calls);
  }

  /** There is a new session, in which what was open is open again. */
  *renewed(retaking: LockRetaking): Op<void> {
    this.fds.forgetShortage();
    this.inodes.renumberFds();
    this.#invalidation.onSessionLost();
    if (!this.#isExclusive) this.#invalidateAll();
    if (this.upstreamLocks !== undefined) yield* this.upstreamLocks.recover(retaking);
  }

  /** What others have done meanwhile nobody has told. */
  #invalidateAll(): void {
    for (const inode of this.inodes.values()) {
      this.#invalidateFile(inode);
      if (inode.isDir && !this.revalidates) this.forgetListing(inode);
    }
  }

  /** There is a link again. */
  reconnected(): void {
    this.upstreamLocks?.reconnected();
  }

  override *statfs(): Op<Statfs> {
    const found = yield* this.remote.statfs(yield* this.fdOf(inodeOf(this.root)));
    const { blockSize: bsize, nameLen, blocks, bfree, bavail, files, ffree } = found;
    const namelen = Math.min(nameLen, NAME_MAX);
    return { type: V9FS_MAGIC, bsize, blocks, bfree, bavail, files, ffree, namelen, flags: 0 };
  }

  /** What the server has not got, or not answered. */
  override get commitStatus(): CommitStatus | undefined {
    return undefined;
  }
}
