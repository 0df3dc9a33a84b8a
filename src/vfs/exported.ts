// ExportedFilesystem: what a filesystem supplies besides, to be served to others (fs/relayfs).
// Linux: struct export_operations, whose file handles also outlive the server.

import type { Op } from '../lib/op.ts';
import type { Dentry } from './dentry.ts';
import type { Filesystem } from './filesystem.ts';

/** Where an inode is to be found: it may have been elsewhere when that was noted. */
export interface InodeHint {
  readonly ino: number;
  /** From the filesystem's root, without a slash in front. */
  readonly path: string;
}

/** Key → value; undefined: there is none any more. Keys of at most 100 characters. */
export type Notes = ReadonlyMap<string, Uint8Array | undefined>;

/** Who serves a filesystem, and what it is told of commits. */
export interface CommitObserver {
  /**
   * A commit takes the state as it is at this moment. Returns notes to be kept with exactly this
   * state: after a crash they are there if and only if the state is. Must not wait.
   */
  committing(): Notes;
  /** The commit that was told of last has succeeded. */
  committed(): void;
  /** A commit has ended, well or badly: commitStatus says what came of it. */
  ended(): void;
  /** The filesystem is about to be released: nothing may be asked of it any more. */
  releasing(): void;
  /**
   * Lets nobody in until the function it returns is called. Undefined if somebody is served, or is
   * about to be.
   */
  bar(): (() => void) | undefined;
}

export interface ExportedFilesystem extends Filesystem {
  /** From now on `observer` is told of every commit; undefined ends that. */
  observeCommits(observer: CommitObserver | undefined): void;

  /** The notes of the last commit. Errors: EIO. */
  readNotes(): Op<Notes>;

  /** The inode number of a dentry, as stat shows it. */
  inoOf(dentry: Dentry): number;

  /**
   * A dentry of an inode, with a reference for the caller: the one at the hint's path if that is
   * the inode, else any; one without a name if only that can be had. Undefined if there is no such
   * inode any more, or it is a directory that is elsewhere.
   *
   * Errors: EIO.
   */
  findInode(hint: InodeHint): Op<Dentry | undefined>;

  /** Numbers below this one are not given to new inodes from now on. */
  skipInodes(below: number): void;

  /** The number of the inode that was made last; 0 before the first. */
  readonly lastInode: number;

  /** The inode that is made next gets this number, which no other has. */
  presetInode: number | undefined;

  /**
   * Files without a name that somebody had open when the last session ended are kept until now.
   * Removes those nobody has opened since. Errors: EIO.
   */
  removeOrphans(): Op<void>;
}
