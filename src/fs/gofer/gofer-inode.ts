// GoferInode: a file of the server's, as far as it is known here. Mirrors gVisor
// pkg/sentry/fsimpl/gofer/inode.go.

import { S_IFDIR, S_IFMT } from '../../abi/stat.ts';
import type { Timespec } from '../../lib/clock.ts';
import { Mutex, WaitQueue } from '../../lib/op.ts';
import type { Statx } from '../../lisafs/records.ts';
import { NO_ID } from '../../lisafs/records.ts';
import type { CachedData } from '../shared/cached-data.ts';
import { BLOCK_SIZE, CHUNK_SIZE } from '../shared/file-data.ts';
import { Inode, type InodeAttributes, type InodeOwner, type LocalDentry } from '../shared/inode.ts';
import type { Listing } from './listing.ts';
import type { RemoteFd } from './remote.ts';

/** Before those of descriptions and data: src/fs/shared/inode.ts. */
const NAMES_LOCK_RANK = 0;

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
  /** The server has it pinned for us. Undefined: it can be walked to, by `dentry`. */
  fd: RemoteFd | undefined;
  /** One of its names, if any is known. */
  dentry: LocalDentry | undefined;
  /** Open at the server, for all descriptions; perhaps the same. */
  readFd: RemoteFd | undefined;
  writeFd: RemoteFd | undefined;
  /** Written since it was last synced. */
  isUnsynced = false;
  /** What the server has as its mode, or will. */
  sentMode = 0;
  /** Set here, and not at the server yet. */
  hasOwnTimes = false;
  /** Requests that nobody has waited for, and that are not answered. */
  unanswered = 0;
  readonly answered = new WaitQueue();
  /** The last waited for, so that what followed it needn't. */
  isTrusted = false;
  /** Directory: all its names, if they are known. */
  listing: Listing | undefined;
  /** Directory: held while its names are changed. */
  readonly namesMutex = new Mutex(NAMES_LOCK_RANK);
  /** Directory: changes of its names that the server has been asked for. */
  changing = 0;
  readonly changed = new WaitQueue();
  /** Directory: counts changes of its names. */
  version = 0;
  /** Directory: bytes, as the server says. */
  directorySize = 0;
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

  get cached(): CachedData | undefined {
    return this.data as CachedData | undefined;
  }

  /** What the server says holds, but for what is newer here. */
  update(statx: Statx, ids: DefaultIds): void {
    const { mode, uid, gid, nlink, size, blocks } = statx;
    this.mode = this.sentMode = mode;
    this.uid = uid === NO_ID ? ids.dfltuid : uid;
    this.gid = gid === NO_ID ? ids.dfltgid : gid;
    this.nlink = nlink;
    this.ctime = timeOf(statx.ctime);
    if (!this.hasOwnTimes) {
      this.atime = timeOf(statx.atime);
      this.mtime = timeOf(statx.mtime);
    }
    if ((mode & S_IFMT) === S_IFDIR) this.directorySize = size;
    else this.#resize(size, blocks);
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
