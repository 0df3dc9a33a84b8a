// MemoryFilesystem: a local filesystem that keeps everything in memory and nothing after the last
// unmount. Linux: mm/shmem.c, fs/ramfs. Base of tmpfs, devfs and pipefs.

import { linuxerr } from '../../abi/errno.ts';
import { NAME_MAX } from '../../abi/limits.ts';
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG, type Statfs } from '../../abi/stat.ts';
import { assert } from '../../lib/assert.ts';
import type { Op } from '../../lib/op.ts';
import type { CommitStatus } from '../../vfs/filesystem.ts';
import { ChildrenCursor, type DirectoryCursor } from './directory-description.ts';
import { BLOCK_SIZE, FileData } from './file-data.ts';
import { Inode, type InodeAttributes, LocalDentry } from './inode.ts';
import { LocalFilesystem, type LocalOptions } from './local-filesystem.ts';
import { NOTHING_STORED } from './stored-data.ts';
import type { Xattrs } from './xattrs.ts';

export interface MemoryOptions extends LocalOptions {
  readonly dev: number;
  /** f_type of statfs. */
  readonly magic: number;
  /** Permissions of the root directory. */
  readonly rootMode: number;
  readonly rootUid: number;
  readonly rootGid: number;
  /** Blocks of 4 KiB; 0 for no limit. */
  readonly blocksMax: number;
  /** 0 for no limit. */
  readonly inodesMax: number;
}

/** Symlink targets of up to this many bytes cost no block. Linux: mm/shmem.c SHORT_SYMLINK_LEN. */
const SHORT_SYMLINK_MAX = 128;
/** Reported by statfs when there is no limit: what JavaScript can count exactly, in blocks. */
const UNLIMITED_BLOCKS = 2 ** 40;

export abstract class MemoryFilesystem extends LocalFilesystem {
  override readonly dev: number;
  override readonly root: LocalDentry;
  override readonly commitStatus: CommitStatus | undefined = undefined;
  /** As on Linux. */
  override readonly hasZeroRange = false;
  override readonly stored = NOTHING_STORED;
  readonly #options: MemoryOptions;
  #nextIno = 1;
  #blocksUsed = 0;
  #inodesUsed = 0;

  constructor(options: MemoryOptions) {
    super(options);
    this.#options = options;
    this.dev = options.dev;
    const inode = this.makeInode({
      mode: S_IFDIR | options.rootMode,
      uid: options.rootUid,
      gid: options.rootGid,
    });
    this.root = new LocalDentry({ name: '', parent: undefined, inode, isComplete: true });
    this.root.incRef();
  }

  override makeInode(attributes: Omit<InodeAttributes, 'ino'>): Inode {
    const { inodesMax } = this.#options;
    if (inodesMax > 0 && this.#inodesUsed >= inodesMax) throw linuxerr.ENOSPC;
    const type = attributes.mode & S_IFMT;
    const blocks = type === S_IFLNK ? blocksOfTarget(attributes.target ?? '') : 0;
    if (this.reserveBlocks(blocks) < blocks) throw linuxerr.ENOSPC;
    this.#inodesUsed++;
    const now = this.clock.now();
    const inode = new Inode(
      this,
      { ...attributes, ino: this.#nextIno++ },
      type === S_IFREG ? { now, data: new FileData() } : { now },
    );
    if (type === S_IFDIR) inode.nlink = 2;
    return inode;
  }

  override destroyInode(inode: Inode): void {
    this.#inodesUsed--;
    const { data } = inode;
    if (data !== undefined) this.releaseBlocks(data.truncate(0, data.blockCount));
    if (inode.isSymlink) this.releaseBlocks(blocksOfTarget(inode.target));
  }

  override reserveBlocks(blocks: number): number {
    const { blocksMax } = this.#options;
    const granted = blocksMax > 0 ? Math.min(blocks, blocksMax - this.#blocksUsed) : blocks;
    this.#blocksUsed += granted;
    return granted;
  }

  override releaseBlocks(blocks: number): void {
    this.#blocksUsed -= blocks;
    assert(this.#blocksUsed >= 0, 'more blocks released than were in use');
  }

  override *freeBlocks(): Op<number> {
    const { blocksMax } = this.#options;
    return blocksMax > 0 ? blocksMax - this.#blocksUsed : UNLIMITED_BLOCKS;
  }

  override openCursor(dir: LocalDentry): DirectoryCursor {
    return new ChildrenCursor(dir);
  }

  override *statfs(): Op<Statfs> {
    const { magic, blocksMax, inodesMax } = this.#options;
    const blocks = blocksMax > 0 ? blocksMax : UNLIMITED_BLOCKS;
    const files = inodesMax > 0 ? inodesMax : UNLIMITED_BLOCKS;
    const free = blocks - this.#blocksUsed;
    return {
      type: magic,
      bsize: BLOCK_SIZE,
      blocks,
      bfree: free,
      bavail: free,
      files,
      ffree: files - this.#inodesUsed,
      namelen: NAME_MAX,
      flags: 0,
    };
  }

  // Everything is in memory, and nothing is kept.

  override *loadXattrs(inode: Inode): Op<Xattrs> {
    return (inode.xattrs ??= new Map());
  }

  override xattrsChanged(): void {
    // Nothing is kept.
  }

  protected override *loadChild(): Op<LocalDentry | undefined> {
    return undefined;
  }

  override mustThrottle(): boolean {
    return false;
  }

  override *throttle(): Op<void> {
    // There is no write-back to wait for.
  }

  override entryAdded(): void {
    // Nothing is kept.
  }

  override entryRemoved(): void {
    // Nothing is kept.
  }

  override inodeChanged(): void {
    // Nothing is kept.
  }

  override inodeAccessed(): void {
    // Nothing is kept.
  }

  override *syncInode(): Op<void> {
    // Nothing is kept.
  }

  override *sync(): Op<void> {
    // Nothing is kept.
  }

  override *release(): Op<void> {
    // Nothing is kept.
  }
}

function blocksOfTarget(target: string): number {
  return target.length < SHORT_SYMLINK_MAX ? 0 : 1;
}
