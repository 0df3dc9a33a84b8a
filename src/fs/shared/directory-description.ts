// DirectoryDescription: an open directory of a local filesystem.
// Mirrors gVisor pkg/sentry/fsimpl/tmpfs/directory.go (directoryFD); Linux: fs/libfs.c
// offset_readdir().
//
// Positions are cookies that belong to the entries themselves and are given in the order of
// creation. So a listing that is interrupted goes on at the right place whatever was added or
// removed meanwhile.

import { linuxerr } from '../../abi/errno.ts';
import { SEEK_CUR, SEEK_SET } from '../../abi/fcntl.ts';
import { DT_DIR, direntType } from '../../abi/stat.ts';
import type { Credentials } from '../../auth/credentials.ts';
import { assertDefined } from '../../lib/assert.ts';
import { Mutex, type Op } from '../../lib/op.ts';
import type { VirtualDentry } from '../../vfs/dentry.ts';
import type { DirectoryEntrySink } from '../../vfs/directory-entry.ts';
import type { SetStat } from '../../vfs/options.ts';
import { type LocalDentry, LOCK_RANK } from './inode.ts';
import { LocalFileDescription } from './local-file-description.ts';
import type { LocalTree } from './local-tree.ts';

/** Lists the entries of a directory. */
export interface DirectoryCursor {
  /**
   * Hands the entries with cookies above `position` to the sink in their order, until it declines
   * one or the end is reached. Returns the position reached.
   */
  list(position: number, sink: DirectoryEntrySink): Op<number>;
}

/**
 * A cursor over a directory that is complete in memory. Goes on in place as long as it is not
 * moved.
 */
export class ChildrenCursor implements DirectoryCursor {
  readonly #dir: LocalDentry;
  #position = -1;
  #iterator: Iterator<LocalDentry> | undefined;
  /** An entry the sink declined, and where it was then. */
  #declined: { readonly child: LocalDentry; readonly cookie: number } | undefined;

  constructor(dir: LocalDentry) {
    this.#dir = dir;
  }

  *list(position: number, sink: DirectoryEntrySink): Op<number> {
    if (position !== this.#position || this.#iterator === undefined) {
      this.#iterator = assertDefined(this.#dir.children).values();
      this.#declined = undefined;
    }
    let reached = position;
    for (;;) {
      const child = this.#next();
      if (child === undefined) break;
      if (child.cookie <= position || child.isDead) continue;
      const { inode, name, cookie } = child;
      if (!sink({ name, ino: inode.ino, type: direntType(inode.mode), cookie })) {
        this.#declined = { child, cookie };
        break;
      }
      reached = cookie;
    }
    this.#position = reached;
    return reached;
  }

  #next(): LocalDentry | undefined {
    const declined = this.#declined;
    this.#declined = undefined;
    // A rename gives an entry another place, where the iterator gets to it by itself.
    if (declined?.child.parent === this.#dir && declined.child.cookie === declined.cookie) {
      return declined.child;
    }
    const result = this.#iterator?.next();
    if (result === undefined || result.done !== true) return result?.value;
    // An exhausted iterator sees nothing that is added later: start over next time.
    this.#iterator = undefined;
    return undefined;
  }
}

/** "." and ".." come first. */
const DOT_COOKIE = 1;
const DOT_DOT_COOKIE = 2;

export class DirectoryDescription extends LocalFileDescription {
  readonly #dir: LocalDentry;
  readonly #cursor: DirectoryCursor;
  readonly #positionMutex = new Mutex(LOCK_RANK.offset);
  #position = 0;

  constructor(fs: LocalTree, vd: VirtualDentry, dir: LocalDentry, flags: number) {
    super(fs, { vd, inode: dir.inode, flags });
    this.#dir = dir;
    this.#cursor = fs.openCursor(dir);
  }

  protected override setStatImpl(change: SetStat, creds: Credentials): Op<number> {
    if (change.size !== undefined) throw linuxerr.EINVAL;
    return super.setStatImpl(change, creds);
  }

  protected override *iterDirentsImpl(sink: DirectoryEntrySink): Op<void> {
    if (!this.#positionMutex.tryLock()) yield* this.#positionMutex.lock();
    try {
      if (this.#dir.isDead) throw linuxerr.ENOENT;
      this.accessed();
      if (!this.#listDots(sink)) return;
      this.#position = yield* this.#cursor.list(this.#position, sink);
    } finally {
      this.#positionMutex.unlock();
    }
  }

  #listDots(sink: DirectoryEntrySink): boolean {
    const { inode, parent } = this.#dir;
    const dots = [
      { name: '.', ino: inode.ino, type: DT_DIR, cookie: DOT_COOKIE },
      { name: '..', ino: (parent?.inode ?? inode).ino, type: DT_DIR, cookie: DOT_DOT_COOKIE },
    ];
    for (const entry of dots) {
      if (this.#position >= entry.cookie) continue;
      if (!sink(entry)) return false;
      this.#position = entry.cookie;
    }
    return true;
  }

  protected override *seekImpl(offset: number, whence: number): Op<number> {
    if (whence !== SEEK_SET && whence !== SEEK_CUR) throw linuxerr.EINVAL;
    const position = whence === SEEK_SET ? offset : this.#position + offset;
    if (position < 0) throw linuxerr.EINVAL;
    this.#position = position;
    return position;
  }

  protected override readImpl(): Op<number> {
    throw linuxerr.EISDIR;
  }

  protected override preadImpl(): Op<number> {
    throw linuxerr.EISDIR;
  }

  protected override allocateImpl(): Op<void> {
    throw linuxerr.EISDIR;
  }

  protected override syncImpl(options: { readonly dataOnly: boolean }): Op<void> {
    return this.syncFile(options);
  }
}
