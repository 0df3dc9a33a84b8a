// GoferInode: a file of the server's, as far as it is known here. Mirrors gVisor
// pkg/sentry/fsimpl/gofer/inode.go.

import { type LinuxError, linuxerr } from '../../abi/errno.ts';
import { S_IFDIR, S_IFMT } from '../../abi/stat.ts';
import type { Timespec } from '../../lib/clock.ts';
import { type Op, WaitQueue } from '../../lib/op.ts';
import type { Statx } from '../../lisafs/records.ts';
import { NO_ID } from '../../lisafs/records.ts';
import type { CachedData } from '../shared/cached-data.ts';
import { BLOCK_SIZE, CHUNK_SIZE } from '../shared/file-data.ts';
import { Inode, type InodeAttributes, type InodeOwner, type LocalDentry } from '../shared/inode.ts';
import { Freshness } from './freshness.ts';
import type { Listing } from './listing.ts';
import { NameChanges } from './name-changes.ts';
import type { RemoteFd } from './remote.ts';

export type Identity = Pick<Statx, 'ino' | 'devMajor' | 'devMinor'>;

/** Owners of what nobody owns. */
export interface DefaultIds {
  readonly dfltuid: number;
  readonly dfltgid: number;
}

/** Which file of the server it is: names with the same key are of the same file. */
export function keyOf({ ino, devMajor, devMinor }: Identity): string {
  return `${ino}:${devMajor}:${devMinor}`;
}

const NOBODY = { ino: 0n, devMajor: 0, devMinor: 0, btime: { sec: 0, nsec: 0 } };

export class GoferInode extends Inode {
  /** Which file of the server it is. */
  identity: Identity & { readonly btime: Timespec } = NOBODY;
  /** Undefined while the request that makes it is under way. */
  key: string | undefined;
  #fd: RemoteFd | undefined;
  /** Told of an FD it had before, and of the new one. */
  onFdChanged: ((old: RemoteFd | undefined) => void) | undefined;
  /** What others have made of what is known. */
  readonly freshness = new Freshness();
  #dentry: LocalDentry | undefined;
  /** Its other names that are known: few files have any. */
  #otherNames: Set<LocalDentry> | undefined;
  /** Open at the server, for all descriptions; perhaps the same. */
  readFd: RemoteFd | undefined;
  writeFd: RemoteFd | undefined;
  /** The server has had it open for us to be written. */
  wasOpenToWrite = false;
  /** Open there for locks only, and as long as the file is in use here. */
  lockReadFd: RemoteFd | undefined;
  lockWriteFd: RemoteFd | undefined;
  /** Written since it was last synced. */
  isUnsynced = false;
  /** Syncs that are not answered: until then nobody knows that anything is synced. */
  syncing = 0;
  /** Of its references: who needs it in memory only, and walks to it again if need be. */
  #keptCount = 0;
  /** What the server has as its mode, or will. */
  sentMode = 0;
  /** Its mode was set here since it was made. */
  hasOwnMode = false;
  /** Set here, and not at the server yet. */
  hasOwnTimes = false;
  /** Counts changes of extended attributes, by whomever. */
  xattrsVersion = 0;
  /** Requests that nobody has waited for, and that are not answered. */
  unanswered = 0;
  readonly answered = new WaitQueue();
  /** The last waited for, so that what followed it needn't. */
  isTrusted = false;
  /** Directory: all its names, if they are known. */
  listing: Listing | undefined;
  #nameChanges: NameChanges | undefined;
  /** Directory: the server says how many links it has. Linux: btrfs says 1, always. */
  #countsSubdirectories = true;
  /** Directory: bytes, as the server says. */
  directorySize = 0;
  /** Directory: the server is being asked for its names. */
  beingListed: WaitQueue | undefined;
  /** Directory: its names as they were known before they were forgotten. */
  lastListing: Listing | undefined;

  constructor(
    owner: InodeOwner,
    attributes: InodeAttributes,
    options: { readonly now: Timespec; readonly data?: CachedData | undefined },
  ) {
    super(owner, attributes, options);
    if (this.isDir) this.nlink = 2;
  }

  /** What has no name here can't be found any more; what has one may be looked at again. */
  protected override get isNamed(): boolean {
    return this.cachedNames > 0;
  }

  /** One of its names, the last that became known; undefined if none is known. */
  get dentry(): LocalDentry | undefined {
    return this.#dentry;
  }

  /** All its names that are known. */
  *names(): Iterable<LocalDentry> {
    if (this.#dentry !== undefined) yield this.#dentry;
    if (this.#otherNames !== undefined) yield* this.#otherNames;
  }

  nameKnown(dentry: LocalDentry): void {
    const before = this.#dentry;
    this.#dentry = dentry;
    this.#otherNames?.delete(dentry);
    if (before !== undefined && before !== dentry) (this.#otherNames ??= new Set()).add(before);
  }

  nameForgotten(dentry: LocalDentry): void {
    this.#otherNames?.delete(dentry);
    if (this.#dentry !== dentry) return;
    const [other] = this.#otherNames ?? [];
    this.#dentry = other;
    if (other !== undefined) this.#otherNames?.delete(other);
  }

  keepInMemory(): void {
    this.incRef();
    this.#keptCount++;
  }

  letGo(): void {
    this.#keptCount--;
    this.decRef();
  }

  /** Somebody has it open, or is about to do something with it. Requests hold it, too. */
  get isInUse(): boolean {
    return this.refs > this.#keptCount + this.unanswered;
  }

  /** Until the server has answered what nobody has waited for. */
  *untilAnswered(): Op<void> {
    while (this.unanswered > 0) yield this.answered;
  }

  /** Directory: of its names. */
  get nameChanges(): NameChanges {
    return (this.#nameChanges ??= new NameChanges());
  }

  /** Directory: has the server been asked to change its names? */
  get isChanging(): boolean {
    return this.#nameChanges?.isAny === true;
  }

  /** It is being made there, on a filesystem that counts as that of its directory does. */
  countAs(directory: GoferInode): void {
    if (!this.isDir || directory.#countsSubdirectories) return;
    this.nlink = 1;
    this.#countsSubdirectories = false;
  }

  override addSubdirectory(): void {
    if (this.#countsSubdirectories) super.addSubdirectory();
  }

  override removeSubdirectory(): void {
    if (this.#countsSubdirectories) super.removeSubdirectory();
  }

  /** The server has it pinned for us. Undefined: it can be walked to, by `dentry`. */
  get fd(): RemoteFd | undefined {
    return this.#fd;
  }

  set fd(fd: RemoteFd | undefined) {
    const old = this.#fd;
    this.#fd = fd;
    this.onFdChanged?.(old);
  }

  /** Others have changed what is known of the file. */
  invalidateAttributes(): void {
    this.freshness.invalidate();
    this.xattrs = undefined;
    this.xattrsVersion++;
  }

  get cached(): CachedData | undefined {
    return this.data as CachedData | undefined;
  }

  /** What the server says holds, but for what is newer here. */
  update(statx: Statx, ids: DefaultIds): void {
    const { mode, size, blocks } = statx;
    this.mode = this.sentMode = mode;
    this.#setOwner(statx, ids);
    this.#setLinks(statx);
    this.ctime = timeOf(statx.ctime);
    if (!this.hasOwnTimes) {
      this.atime = timeOf(statx.atime);
      this.mtime = timeOf(statx.mtime);
    }
    if ((mode & S_IFMT) === S_IFDIR) this.directorySize = size;
    else this.#resize(size, blocks);
  }

  #setOwner({ uid, gid }: Statx, ids: DefaultIds): void {
    this.uid = uid === NO_ID ? ids.dfltuid : uid;
    this.gid = gid === NO_ID ? ids.dfltgid : gid;
  }

  #setLinks({ nlink }: Statx): void {
    this.nlink = nlink;
    if (this.isDir && nlink > 0) this.#countsSubdirectories = nlink > 1;
  }

  #resize(size: number, blocks: number): void {
    this.size = size;
    const { data } = this;
    this.blocks = blocks;
    if (data === undefined) return;
    data.storedChunks = Math.max(data.storedChunks, Math.ceil(size / CHUNK_SIZE));
    data.blockCount = Math.ceil((blocks * 512) / BLOCK_SIZE);
  }

  /** What the server has is other than what was read; all that was written is there. */
  forgetData(): void {
    const { cached } = this;
    if (cached === undefined) return;
    cached.generation++;
    cached.drop();
  }

  /** The server has said which file it is. */
  is({ ino, devMajor, devMinor, btime }: Statx): void {
    this.identity = { ino, devMajor, devMinor, btime: timeOf(btime) };
    this.key = keyOf(this.identity);
  }

  /** The server has made it: it says whose it is, and may leave out bits. */
  made(statx: Statx, ids: DefaultIds): void {
    this.is(statx);
    if (!this.hasOwnMode) this.mode = this.sentMode = statx.mode;
    this.#setOwner(statx, ids);
    if (this.isDir && statx.nlink === 1) this.#setLinks(statx);
  }

  fill(statx: Statx, ids: DefaultIds): void {
    this.is(statx);
    this.update(statx, ids);
    this.btime = this.identity.btime;
    if (this.isDir) this.entryCount = NaN;
  }
}

function timeOf({ sec, nsec }: { readonly sec: number; readonly nsec: number }): Timespec {
  return { sec, nsec };
}

/**
 * A directory that has gone, or that the server must not read, can't be synced by anybody, nor can
 * a file without a name that the server doesn't have any more: that is told to who asked for it,
 * and a sync of all is none the worse.
 */
export function isPointless({ isDir, nlink }: GoferInode, error: LinuxError): boolean {
  const { EACCES, EBADF, EINVAL, ENOENT, ESTALE } = linuxerr;
  if (nlink === 0 && (error === EBADF || error === EINVAL)) return true;
  return isDir && (error === EACCES || error === ENOENT || error === ESTALE);
}
