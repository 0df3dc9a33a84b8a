// GoferUpstream: how changes of the tree get to the server. Mirrors gVisor
// pkg/sentry/fsimpl/gofer/filesystem.go.
//
// Whoever else may change the tree (all modes but exclusive) is why the answer is waited for before
// the change is made here. In exclusive mode names of regular files and directories are made, files
// are removed and attributes are set without waiting, once the server has done one such thing in
// that directory: then it isn't read-only, and may be written. If it fails all the same, what is
// known of the directory is forgotten, and whoever syncs is told.

import { LinuxError, linuxerr } from '../../abi/errno.ts';
import {
  AT_REMOVEDIR,
  O_ACCMODE,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  RENAME_EXCHANGE,
} from '../../abi/fcntl.ts';
import {
  IN_CREATE,
  IN_DELETE,
  IN_DELETE_SELF,
  IN_MOVE_SELF,
  IN_MOVED_FROM,
  IN_MOVED_TO,
} from '../../abi/inotify.ts';
import { S_IFMT } from '../../abi/stat.ts';
import { type Op, uninterrupted, WaitQueue } from '../../lib/op.ts';
import type { SetXattr } from '../../vfs/options.ts';
import type { Inode, LocalDentry } from '../shared/inode.ts';
import { isThere } from '../shared/local-tree.ts';
import type { AttributeChange, Move, NewName, Upstream } from '../shared/upstream.ts';
import type { Xattrs } from '../shared/xattrs.ts';
import type { GoferData } from './gofer-data.ts';
import type { GoferInode } from './gofer-inode.ts';
import { inodeOf } from './gofer-files.ts';
import type { GoferWatches } from './gofer-watches.ts';
import type { InodeTable } from './inode-table.ts';
import { Outcome } from './own-changes.ts';
import type { Pending, Remote, RemoteFd } from './remote.ts';

/** What it asks of the filesystem. */
export interface UpstreamTree {
  readonly remote: Remote;
  readonly inodes: InodeTable;
  readonly data: GoferData;
  /** Undefined: nobody tells what others do. */
  readonly watches: GoferWatches | undefined;
  /** Nobody else changes anything, so that answers needn't be waited for. */
  readonly isExclusive: boolean;
  fdOf(inode: GoferInode): Op<RemoteFd>;
  findAnew(dentry: LocalDentry): Op<RemoteFd>;
  keepFd(inode: GoferInode, fd: RemoteFd): void;
  changingNames<T>(
    names: readonly NewName[],
    change: () => Op<T>,
    going?: readonly LocalDentry[],
  ): Op<T>;
  forgetNames(dir: LocalDentry): void;
}

export class GoferUpstream implements Upstream {
  readonly #tree: UpstreamTree;

  constructor(tree: UpstreamTree) {
    this.#tree = tree;
  }

  create(place: NewName, inode: Inode): Op<void> {
    const { parent, name } = place;
    return this.#tree.changingNames([place], () => {
      if (parent.isDead) throw linuxerr.ENOENT;
      if (parent.children?.has(name) === true) throw linuxerr.EEXIST;
      return this.#create(place, inode as GoferInode);
    });
  }

  *#create({ parent, name }: NewName, inode: GoferInode): Op<void> {
    const { remote, inodes, isExclusive } = this.#tree;
    const dir = inodeOf(parent);
    const parentFd = yield* this.#tree.fdOf(dir);
    const { mode, uid, gid, rdev, target } = inode;
    const making = { name, mode, uid, gid, rdev, target };
    inode.sentMode = mode;
    inode.countAs(dir);
    // Asked before it is known whether it may: room is there when the next name is made.
    const hasRoom = isExclusive && remote.mayGoOn(making);
    const goesOn = hasRoom && dir.isTrusted;
    const asking = remote.make(parentFd, making, { goesOn });
    const { made, pending } = yield* this.#expecting({ dir, name }, asking);
    this.#tree.watches?.changed(inode, { dir, made: pending });
    this.#tree.keepFd(inode, made.fd);
    inode.readFd = inode.writeFd = made.opened;
    inode.wasOpenToWrite = made.opened !== undefined;
    if (!goesOn) {
      const { id } = made.fd;
      const statx = yield* this.#waitFor(pending, [parent]);
      inodes.renumbered(inode, id);
      inodes.made(inode, statx);
      inode.btime = inode.identity.btime;
      dir.isTrusted = true;
    } else {
      pending.onSettled((error, statx) => {
        if (error !== undefined) this.#tree.forgetNames(parent);
        else if (statx !== undefined) inodes.made(inode, statx);
      });
      this.#tree.data.sent(inode, pending);
      this.#tree.data.sent(dir, pending);
    }
    // Of a new directory everything is known; and it is the caller's.
    inode.isTrusted = dir.isTrusted;
  }

  /** Of what is made the server tells the watches on its directory, too. */
  *#expecting<T extends { readonly pending: Pending<unknown> }>(
    { dir, name }: { readonly dir: GoferInode; readonly name: string },
    making: Op<T>,
  ): Op<T> {
    const outcome = new Outcome();
    this.#tree.watches?.expect(dir, IN_CREATE, name, outcome);
    try {
      const made = yield* making;
      made.pending.onSettled((error) => {
        outcome.settle(error);
      });
      return made;
    } catch (error) {
      outcome.settle(error instanceof LinuxError ? error : linuxerr.EIO);
      throw error;
    }
  }

  link({ parent, name }: NewName, target: LocalDentry): Op<void> {
    const { remote } = this.#tree;
    return this.#tree.changingNames([{ parent, name }], () => {
      if (parent.isDead) throw linuxerr.ENOENT;
      if (parent.children?.has(name) === true) throw linuxerr.EEXIST;
      return this.#link(remote, { parent, name }, target);
    });
  }

  *#link(remote: Remote, { parent, name }: NewName, target: LocalDentry): Op<void> {
    const parentFd = yield* this.#tree.fdOf(inodeOf(parent));
    const inode = inodeOf(target);
    try {
      yield* this.#linkTo({ parent, name }, inode, parentFd, yield* this.#tree.fdOf(inode)).wait();
    } catch (error) {
      // The server had found it by another name, which is gone.
      if (error !== linuxerr.EINVAL) throw error;
      const named = isThere(target) ? target : inode.dentry;
      if (named === undefined) throw linuxerr.ENOENT;
      const found = yield* this.#tree.findAnew(named);
      const pending = this.#linkTo({ parent, name }, inode, parentFd, found);
      remote.close(found);
      yield* pending.wait();
    }
  }

  #linkTo(
    { parent, name }: NewName,
    target: GoferInode,
    parentFd: RemoteFd,
    targetFd: RemoteFd,
  ): Pending<void> {
    const { remote, watches } = this.#tree;
    const pending = remote.link(parentFd, name, targetFd);
    watches?.expect(inodeOf(parent), IN_CREATE, name, pending);
    watches?.changed(target, { elsewhere: pending });
    return pending;
  }

  *remove(parent: LocalDentry, child: LocalDentry): Op<boolean> {
    const place = { parent, name: child.name };
    child.incRef();
    try {
      const remove = (): Op<boolean> => this.#removeIfStill(place, child);
      const isDone = yield* this.#tree.changingNames([place], remove, [child]);
      if (isDone && !isThere(child)) this.#tree.forgetNames(parent);
      return isDone;
    } finally {
      child.decRef();
    }
  }

  /** It may have been given another name in the same directory meanwhile. */
  *#removeIfStill({ parent, name }: NewName, child: LocalDentry): Op<boolean> {
    if (parent.children?.get(name) !== child || !mayGo(child)) return false;
    yield* unmountable([child], this.#remove(parent, child));
    return true;
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
    this.#removing(inode, pending);
    this.#tree.watches?.expect(dir, IN_DELETE, child.name, pending);
    if (isExclusive && dir.isTrusted && isEmpty) this.#unawaited(inode, pending, [parent]);
    else {
      yield* this.#waitFor(pending, [parent]);
      dir.isTrusted = true;
    }
  }

  /** A name goes, perhaps its file's last one. */
  #removing(inode: GoferInode, pending: Pending<unknown>): void {
    const { watches } = this.#tree;
    if (watches === undefined) return;
    if (inode.isDir || inode.nlink <= 1) watches.expect(inode, IN_DELETE_SELF, '', pending);
    watches.changed(inode, { elsewhere: pending });
  }

  *move(move: Move): Op<boolean> {
    const { oldParent, old, newParent, newName, target } = move;
    const from = { parent: oldParent, name: old.name };
    const to = { parent: newParent, name: newName };
    const going = target === undefined ? [] : [target];
    const run = (): Op<boolean> => this.#moveIfStill(move, from.name);
    const isDone = yield* this.#tree.changingNames([from, to], run, going);
    if (!isDone || (isThere(old) && (target === undefined || isThere(target)))) return isDone;
    for (const dir of [oldParent, newParent]) this.#tree.forgetNames(dir);
    return true;
  }

  /** `oldName`: what is moved may have got another one in the same directory meanwhile. */
  *#moveIfStill(move: Move, oldName: string): Op<boolean> {
    const { oldParent, old, newParent, newName, target, flags } = move;
    if (newParent.isDead) throw linuxerr.ENOENT;
    const isStill =
      oldParent.children?.get(oldName) === old && newParent.children?.get(newName) === target;
    if (!isStill || old.mountCount > 0) return false;
    const isReplaced = target !== undefined && (flags & RENAME_EXCHANGE) === 0;
    if (isReplaced ? !mayGo(target) : (target?.mountCount ?? 0) > 0) return false;
    const moved = target === undefined ? [old] : [old, target];
    yield* unmountable(moved, this.#move(move, flags));
    return true;
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
    this.#expectMove(move, pending);
    yield* this.#waitFor(pending, [oldParent, newParent]);
  }

  #expectMove(move: Move, pending: Pending<unknown>): void {
    const { watches } = this.#tree;
    if (watches === undefined) return;
    const { oldParent, old, newParent, newName, target, flags } = move;
    const expect = (from: LocalDentry, name: string, bits: number): void => {
      watches.expect(inodeOf(from), bits, name, pending);
    };
    const isExchange = (flags & RENAME_EXCHANGE) !== 0;
    expect(oldParent, old.name, IN_MOVED_FROM);
    expect(newParent, newName, IN_MOVED_TO);
    expect(old, '', IN_MOVE_SELF);
    watches.changed(inodeOf(old), { elsewhere: pending });
    if (target === undefined) return;
    if (!isExchange) {
      this.#removing(inodeOf(target), pending);
      return;
    }
    expect(newParent, newName, IN_MOVED_FROM);
    expect(oldParent, old.name, IN_MOVED_TO);
    expect(target, '', IN_MOVE_SELF);
    watches.changed(inodeOf(target), { elsewhere: pending });
  }

  *setAttributes(inode: Inode, change: AttributeChange): Op<void> {
    const { remote, data, isExclusive } = this.#tree;
    if (Object.keys(change).length === 0) return;
    const own = inode as GoferInode;
    const fd = yield* this.#tree.fdOf(own);
    // What was written before is cut too.
    if (change.size !== undefined) yield* data.send(own);
    const pending = remote.setAttributes(fd, change);
    this.#tree.watches?.changed(own);
    const { sentMode } = own;
    if (change.mode !== undefined) {
      own.sentMode = (own.mode & S_IFMT) | change.mode;
      own.hasOwnMode = true;
    }
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
    const pending = this.#tree.remote.setXattr(fd, name, value, flags);
    this.#tree.watches?.changed(inode as GoferInode);
    yield* uninterrupted(pending.wait());
  }

  *removeXattr(inode: Inode, name: string): Op<void> {
    const fd = yield* this.#tree.fdOf(inode as GoferInode);
    const pending = this.#tree.remote.removeXattr(fd, name);
    this.#tree.watches?.changed(inode as GoferInode);
    yield* uninterrupted(pending.wait());
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
    pending.onSettled((error) => {
      if (error === undefined) return;
      for (const dir of dirs) this.#tree.forgetNames(dir);
    });
    this.#tree.data.sent(inode, pending);
    for (const dir of dirs) this.#tree.data.sent(inodeOf(dir), pending);
  }
}

/** Nothing is mounted on it, and nothing is known to be in it. */
function mayGo({ mountCount, inode }: LocalDentry): boolean {
  return mountCount === 0 && !(inode.entryCount > 0);
}

/** Nothing is mounted on any of them until it has ended. */
function* unmountable<T>(dentries: readonly LocalDentry[], op: Op<T>): Op<T> {
  const ended = new WaitQueue();
  for (const dentry of dentries) dentry.changing = ended;
  try {
    return yield* op;
  } finally {
    for (const dentry of dentries) dentry.changing = undefined;
    ended.wakeAll();
  }
}

/** A file's extended attributes, which are asked for one by one. */
export function* findXattrs(upstream: Upstream, inode: GoferInode): Op<Xattrs> {
  const found: Xattrs = new Map();
  for (const name of yield* upstream.listXattr(inode)) {
    try {
      found.set(name, yield* upstream.getXattr(inode, name));
    } catch (error) {
      // It has been removed since.
      if (error !== linuxerr.ENODATA) throw error;
    }
  }
  return found;
}
