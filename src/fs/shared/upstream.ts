// Upstream: where a tree is really kept, of a filesystem whose own is a copy of it. It is asked for
// each change once all has been checked; the change is made here right afterwards.

import type { Op } from '../../lib/op.ts';
import type { SetStat, SetXattr } from '../../vfs/options.ts';
import type { Inode, LocalDentry } from './inode.ts';

/** Where something is to be made. */
export interface NewName {
  readonly parent: LocalDentry;
  readonly name: string;
}

/** Attributes as they will be: times are none of UTIME_. */
export type AttributeChange = Omit<SetStat, 'checkWrite'>;

export interface Move {
  readonly oldParent: LocalDentry;
  readonly old: LocalDentry;
  readonly newParent: LocalDentry;
  readonly newName: string;
  readonly target: LocalDentry | undefined;
  /** RENAME_ flags. */
  readonly flags: number;
}

/** Each may wait, and fail: then nothing is changed. */
export interface Upstream {
  create(place: NewName, inode: Inode): Op<void>;
  link(place: NewName, target: LocalDentry): Op<void>;
  /**
   * False: somebody else has changed the name meanwhile, put something into the directory, or
   * mounted something on it. Nothing is done then, and what was checked is to be checked again.
   */
  remove(parent: LocalDentry, child: LocalDentry): Op<boolean>;
  /** The same of both names. */
  move(move: Move): Op<boolean>;
  setAttributes(inode: Inode, change: AttributeChange): Op<void>;
  /** Of a tree that revalidates: nothing is known of them here. */
  getXattr(inode: Inode, name: string): Op<Uint8Array>;
  listXattr(inode: Inode): Op<readonly string[]>;
  setXattr(inode: Inode, change: SetXattr): Op<void>;
  removeXattr(inode: Inode, name: string): Op<void>;
  /** Before a regular file or a directory is opened. `flags`: O_. */
  open(inode: Inode, flags: number): Op<void>;
}
