// GoferUpstream: how changes of the tree get to the server. Mirrors gVisor
// pkg/sentry/fsimpl/gofer/filesystem.go.
//
// Whoever else may change the tree (all modes but exclusive) is why the answer is waited for before
// the change is made here. In exclusive mode names of regular files and directories are made, files
// are removed and attributes are set without waiting, once the server has done one such thing in
// that directory: then it isn't read-only, and may be written. If it fails all the same, what is
// known of the directory is forgotten, and whoever syncs is told.

import { linuxerr } from '../../abi/errno.ts';
import {
  AT_REMOVEDIR,
  O_ACCMODE,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  RENAME_EXCHANGE,
} from '../../abi/fcntl.ts';
import { S_IFMT } from '../../abi/stat.ts';
import { type Op, uninterrupted } from '../../lib/op.ts';
import type { SetXattr } from '../../vfs/options.ts';
import type { Inode, LocalDentry } from '../shared/inode.ts';
import { isThere } from '../shared/local-tree.ts';
import type { AttributeChange, Move, NewName, Upstream } from '../shared/upstream.ts';
import type { GoferData } from './gofer-data.ts';
import type { GoferInode } from './gofer-inode.ts';
import { inodeOf } from './gofer-files.ts';
import type { InodeTable } from './inode-table.ts';
import type { Pending, Remote, RemoteFd } from './remote.ts';

/** What it asks of the filesystem. */
export interface UpstreamTree {
  readonly remote: Remote;
  readonly inodes: InodeTable;
  readonly data: GoferData;
  /** Nobody else changes anything, so that answers needn't be waited for. */
  readonly isExclusive: boolean;
  fdOf(inode: GoferInode): Op<RemoteFd>;
  keepFd(inode: GoferInode, fd: RemoteFd): void;
  changingNames(dirs: readonly LocalDentry[], change: () => Op<void>): Op<void>;
  forgetNames(dir: LocalDentry): void;
}

export class GoferUpstream implements Upstream {
  readonly #tree: UpstreamTree;

  constructor(tree: UpstreamTree) {
    this.#tree = tree;
  }

  *create(place: NewName, inode: Inode): Op<void> {
    const { parent, name } = place;
    try {
      yield* this.#tree.changingNames([parent], () => {
        if (parent.isDead) throw linuxerr.ENOENT;
        if (parent.children?.has(name) === true) throw linuxerr.EEXIST;
        return this.#create(place, inode as GoferInode);
      });
    } catch (error) {
      this.#tree.inodes.delete(inode as GoferInode);
      throw error;
    }
  }

  *#create({ parent, name }: NewName, inode: GoferInode): Op<void> {
    const { remote, inodes, isExclusive } = this.#tree;
    const dir = inodeOf(parent);
    const parentFd = yield* this.#tree.fdOf(dir);
    const { mode, uid, gid, rdev, target } = inode;
    const making = { name, mode, uid, gid, rdev, target };
    inode.sentMode = mode;
    const { made, pending } = yield* remote.make(parentFd, making);
    this.#tree.keepFd(inode, made.fd);
    inode.readFd = inode.writeFd = made.opened;
    const mayGoOn = isExclusive && remote.pipelines && dir.isTrusted;
    if (!mayGoOn) {
      const statx = yield* this.#waitFor(pending, [parent]);
      inodes.made(inode, statx);
      this.#adoptOwner(inode, statx);
      inode.btime = inode.identity.btime;
      dir.isTrusted = true;
    } else {
      this.#tree.data.sent(inode, pending);
      pending.onSettled((error, statx) => {
        if (error !== undefined) this.#tree.forgetNames(parent);
        else if (statx !== undefined) inodes.made(inode, statx);
      });
    }
    // Of a new directory everything is known; and it is the caller's.
    inode.isTrusted = dir.isTrusted;
  }

  /** The server may say whose it is, and leave out bits. */
  #adoptOwner(
    inode: GoferInode,
    { mode, uid, gid }: { readonly mode: number; readonly uid: number; readonly gid: number },
  ): void {
    inode.mode = inode.sentMode = mode;
    inode.uid = uid;
    inode.gid = gid;
  }

  link({ parent, name }: NewName, target: LocalDentry): Op<void> {
    const { remote } = this.#tree;
    return this.#tree.changingNames([parent], () => {
      if (parent.isDead) throw linuxerr.ENOENT;
      if (parent.children?.has(name) === true) throw linuxerr.EEXIST;
      return this.#link(remote, { parent, name }, inodeOf(target));
    });
  }

  *#link(remote: Remote, { parent, name }: NewName, target: GoferInode): Op<void> {
    const parentFd = yield* this.#tree.fdOf(inodeOf(parent));
    const targetFd = yield* this.#tree.fdOf(target);
    yield* remote.link(parentFd, name, targetFd).wait();
  }

  *remove(parent: LocalDentry, child: LocalDentry): Op<void> {
    child.incRef();
    try {
      yield* this.#tree.changingNames([parent], () => {
        if (parent.children?.get(child.name) !== child) throw linuxerr.ENOENT;
        return this.#remove(parent, child);
      });
      if (!isThere(child)) this.#tree.forgetNames(parent);
    } finally {
      child.decRef();
    }
  }

  *#remove(parent: LocalDentry, child: LocalDentry): Op<void> {
    const { remote, isExclusive } = this.#tree;
    const dir = inodeOf(parent);
    const inode = inodeOf(child);
    // What is open, or has other names, is used on.
    const isUsedOn = child.refs > 1 || inode.refs > 1 || (inode.nlink > 1 && !inode.isDir);
    if (isUsedOn && inode.fd === undefined) yield* this.#tree.fdOf(inode);
    const parentFd = yield* this.#tree.fdOf(dir);
    const isEmpty = !inode.isDir || inode.entryCount === 0;
    const pending = remote.unlink(parentFd, child.name, inode.isDir ? AT_REMOVEDIR : 0);
    if (isExclusive && dir.isTrusted && isEmpty) this.#unawaited(inode, pending, [parent]);
    else {
      yield* this.#waitFor(pending, [parent]);
      dir.isTrusted = true;
    }
  }

  *move(move: Move): Op<void> {
    const { oldParent, old, newParent, newName, target, flags } = move;
    yield* this.#tree.changingNames([oldParent, newParent], () => {
      const isStill =
        oldParent.children?.get(old.name) === old && newParent.children?.get(newName) === target;
      if (!isStill || newParent.isDead) throw linuxerr.ENOENT;
      return this.#move(move, flags);
    });
    if (isThere(old) && (target === undefined || isThere(target))) return;
    for (const dir of [oldParent, newParent]) this.#tree.forgetNames(dir);
  }

  *#move(move: Move, flags: number): Op<void> {
    const { oldParent, old, newParent, newName, target } = move;
    const replaced = target === undefined ? undefined : inodeOf(target);
    const isExchange = (flags & RENAME_EXCHANGE) !== 0;
    const isUsedOn = replaced !== undefined && (replaced.refs > 1 || replaced.nlink > 1);
    if (isUsedOn && !isExchange) {
      yield* this.#tree.fdOf(replaced);
    }
    const pending = this.#tree.remote.rename({
      oldParent: yield* this.#tree.fdOf(inodeOf(oldParent)),
      oldName: old.name,
      newParent: yield* this.#tree.fdOf(inodeOf(newParent)),
      newName,
      flags,
    });
    yield* this.#waitFor(pending, [oldParent, newParent]);
  }

  *setAttributes(inode: Inode, change: AttributeChange): Op<void> {
    const { remote, data, isExclusive } = this.#tree;
    if (Object.keys(change).length === 0) return;
    const own = inode as GoferInode;
    const fd = yield* this.#tree.fdOf(own);
    // What was written before is cut too.
    if (change.size !== undefined) yield* data.send(own);
    const pending = remote.setAttributes(fd, change);
    const { sentMode } = own;
    if (change.mode !== undefined) own.sentMode = (own.mode & S_IFMT) | change.mode;
    const givesAway = change.uid !== undefined || change.gid !== undefined;
    // Nobody but its owner may, which is up to the server.
    const isSure = isExclusive && !givesAway && own.isTrusted;
    if (isSure) data.sent(own, pending);
    else {
      try {
        yield* uninterrupted(pending.wait());
      } catch (error) {
        own.sentMode = sentMode;
        throw error;
      }
    }
    own.isTrusted = true;
    if (change.size !== undefined) {
      own.isUnsynced = true;
      if (own.data === undefined) own.size = change.size;
    }
  }

  *getXattr(inode: Inode, name: string): Op<Uint8Array> {
    const fd = yield* this.#tree.fdOf(inode as GoferInode);
    return yield* this.#tree.remote.getXattr(fd, name);
  }

  *listXattr(inode: Inode): Op<readonly string[]> {
    const fd = yield* this.#tree.fdOf(inode as GoferInode);
    try {
      return yield* this.#tree.remote.listXattr(fd);
    } catch (error) {
      // The host has none, and so has the file.
      if (error === linuxerr.EOPNOTSUPP) return [];
      throw error;
    }
  }

  *setXattr(inode: Inode, { name, value, flags }: SetXattr): Op<void> {
    const fd = yield* this.#tree.fdOf(inode as GoferInode);
    yield* uninterrupted(this.#tree.remote.setXattr(fd, name, value, flags).wait());
  }

  *removeXattr(inode: Inode, name: string): Op<void> {
    const fd = yield* this.#tree.fdOf(inode as GoferInode);
    yield* uninterrupted(this.#tree.remote.removeXattr(fd, name).wait());
  }

  *open(inode: Inode, flags: number): Op<void> {
    const own = inode as GoferInode;
    // Directories are listed by what pins them.
    if (inode.isDir) return;
    // O_TRUNC is a change of the size, which follows.
    const isCut = (flags & O_TRUNC) !== 0 && (flags & O_ACCMODE) === O_RDONLY;
    yield* this.#tree.data.open(own, isCut ? O_RDWR : flags);
  }

  *#waitFor<T>(pending: Pending<T>, dirs: readonly LocalDentry[]): Op<T> {
    try {
      return yield* pending.wait();
    } catch (error) {
      // It isn't as it was thought to be.
      if (error === linuxerr.ENOENT || error === linuxerr.EEXIST || error === linuxerr.EIO) {
        for (const dir of dirs) this.#tree.forgetNames(dir);
      }
      throw error;
    }
  }

  #unawaited(inode: GoferInode, pending: Pending<unknown>, dirs: readonly LocalDentry[]): void {
    this.#tree.data.sent(inode, pending);
    pending.onSettled((error) => {
      if (error === undefined) return;
      for (const dir of dirs) this.#tree.forgetNames(dir);
    });
  }
}
