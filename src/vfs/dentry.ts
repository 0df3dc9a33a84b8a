// Dentry: a name in a directory, as far as the VFS needs to know it.
// Mirrors gVisor pkg/sentry/vfs/dentry.go; Linux: struct dentry, struct path.
//
// References: an open file description, a mount (on its root and on its mount point), a task's root
// and working directory, and every operation that waits while it stands on a dentry hold one each.
// A dentry without references may be dropped by its filesystem.

import { assert } from '../lib/assert.ts';
import type { Op, Wait } from '../lib/op.ts';
import type { FileLocks } from '../locks/file-locks.ts';
import type { Watches } from './watches.ts';
import type { Mount } from './mount.ts';

/** A name in a directory. */
export interface Place {
  readonly parent: Dentry;
  readonly name: string;
}

export abstract class Dentry {
  #refs = 0;
  /** Mounts whose mount point this is. */
  mountCount = 0;
  /** Removed from the tree. Never becomes false again. */
  isDead = false;
  /**
   * Another keeps the tree, and has been asked to rename or remove it: nothing is mounted on it
   * before that has ended. Mirrors gVisor's PrepareDeleteDentry(), PrepareRenameDentry().
   */
  changing: Wait | undefined;
  /** Told when it gets another name or directory, or is removed. */
  onPlaceChanged: (() => void) | undefined;

  get refs(): number {
    return this.#refs;
  }

  abstract get isDir(): boolean;

  /**
   * Where the name is, or was when it was removed: what is done to a file that is still open is
   * told there. Undefined at the root, and for what never had a name.
   */
  abstract get place(): Place | undefined;

  /** Watches on the file; undefined while there are none. All its names share them. */
  abstract get watches(): Watches | undefined;
  abstract ensureWatches(): Watches;

  /** Waits until a new watch on the file is told of all that happens to it, if that takes time. */
  watchSet(): Op<void> | undefined {
    return undefined;
  }

  /** Locks on the file; undefined if there never were any. All its names share them. */
  abstract get locks(): FileLocks | undefined;
  abstract ensureLocks(): FileLocks;

  /** One more mount on it, or with -1 one less. */
  countMount(change: 1 | -1): void {
    this.mountCount += change;
  }

  incRef(): void {
    if (this.#refs++ === 0) this.onFirstRef();
  }

  decRef(): void {
    assert(this.#refs > 0, 'dentry reference dropped twice');
    if (--this.#refs === 0) this.onZeroRefs();
  }

  /** The count went from 0 to 1. */
  protected abstract onFirstRef(): void;
  /** The count went to 0: the filesystem may cache or drop the dentry. Must not wait. */
  protected abstract onZeroRefs(): void;
}

/** A dentry as seen through a mount. Linux: struct path. Holds no reference by itself. */
export interface VirtualDentry {
  readonly mount: Mount;
  readonly dentry: Dentry;
}

export function incRefVd(vd: VirtualDentry): void {
  vd.mount.incRef();
  vd.dentry.incRef();
}

/** Drops the dentry first: dropping the mount may release the filesystem the dentry belongs to. */
export function decRefVd(vd: VirtualDentry): void {
  vd.dentry.decRef();
  vd.mount.decRef();
}
