// GoferFiles: the server's files as inodes, and how their descriptors there are come by. Mirrors
// gVisor pkg/sentry/fsimpl/gofer/inode.go.

import { linuxerr } from '../../abi/errno.ts';
import { S_IFLNK, S_IFMT } from '../../abi/stat.ts';
import { assertDefined } from '../../lib/assert.ts';
import { type Op, uninterrupted } from '../../lib/op.ts';
import type { Statx } from '../../lisafs/records.ts';
import type { LocalDentry } from '../shared/inode.ts';
import type { LocalOptions } from '../shared/local-filesystem.ts';
import type { NewName } from '../shared/upstream.ts';
import type { FdCache } from './fd-cache.ts';
import { type GoferInode, keyOf } from './gofer-inode.ts';
import { GoferPaths } from './gofer-paths.ts';
import type { InodeTable } from './inode-table.ts';
import type { NameChanges } from './name-changes.ts';
import type { GoferSettings } from './options.ts';
import type { Found, Remote, RemoteFd } from './remote.ts';

export function inodeOf(dentry: LocalDentry): GoferInode {
  return dentry.inode as GoferInode;
}

export abstract class GoferFiles extends GoferPaths {
  protected readonly remote: Remote;
  protected readonly options: GoferSettings;
  protected abstract readonly inodes: InodeTable;
  protected abstract readonly fds: FdCache;
  /** What is known is looked at again before it is used. */
  override readonly revalidates: boolean;
  /** Names, listings and reads for which nobody had to ask the server. */
  savedCount = 0;

  constructor(remote: Remote, options: GoferSettings & LocalOptions) {
    super(options);
    this.remote = remote;
    this.options = options;
    this.revalidates = options.cache === 'shared' || options.cache === 'none';
  }

  /** Nothing in memory leads to it any more, perhaps. */
  protected abstract dropIfUnused(inode: GoferInode): void;

  /**
   * The inode of what was found, whose descriptor it takes whatever happens. Symlinks are read
   * first: nothing else ever waits for that.
   */
  *adopt({ fd, statx }: Found): Op<GoferInode> {
    const known = this.#knownAs(statx);
    if (known !== undefined) {
      this.keepFd(known, fd);
      this.updated(known, statx);
      return known;
    }
    let target = '';
    if ((statx.mode & S_IFMT) === S_IFLNK) target = yield* this.#targetOf(fd);
    const inode = this.#knownAs(statx) ?? this.inodes.add(statx, target);
    this.keepFd(inode, fd);
    return inode;
  }

  /** An inode number comes again, and then perhaps of another type. */
  #knownAs(statx: Statx): GoferInode | undefined {
    const known = this.inodes.find(statx);
    const isSameType = known !== undefined && (known.mode & S_IFMT) === (statx.mode & S_IFMT);
    return isSameType ? known : undefined;
  }

  *#targetOf(fd: RemoteFd): Op<string> {
    try {
      return yield* this.remote.readlink(fd);
    } catch (error) {
      this.remote.close(fd);
      // It was removed as soon as it was found.
      throw error === linuxerr.EINVAL ? linuxerr.ESTALE : error;
    }
  }

  /** Of a symlink all is known. */
  keepFd(inode: GoferInode, fd: RemoteFd): void {
    const isKnown = inode.fd !== undefined && !inode.fd.isLost;
    if (isKnown || inode.isSymlink) this.remote.close(fd);
    else {
      inode.fd = fd;
      this.fds.used(inode);
    }
  }

  /** The server has said what an inode is like. */
  protected abstract updated(inode: GoferInode, statx: Statx): void;

  /** A name is another file's by now, or nobody's. */
  protected abstract nameIsStale(dentry: LocalDentry): void;

  /**
   * The server's descriptor of a file, walked to if there is none. Errors: ESTALE if its name is
   * another file's by now: that is forgotten, and who looks for the name again finds what there is.
   */
  *fdOf(inode: GoferInode): Op<RemoteFd> {
    const fd = inode.fd ?? (yield* this.#walkTo(inode));
    this.fds.used(inode);
    return fd;
  }

  /**
   * Another one, by this name: to be closed. The one that a file has stays, though its name is
   * gone: the server keeps the order of what is done by FDs that were found by one name.
   */
  *findAnew(dentry: LocalDentry): Op<RemoteFd> {
    const parent = assertDefined(dentry.parent, 'a name without a directory');
    const { found } = yield* this.remote.walk(yield* this.fdOf(inodeOf(parent)), [dentry.name]);
    const [first] = found;
    if (first === undefined) throw linuxerr.ESTALE;
    if (keyOf(first.statx) === inodeOf(dentry).key) return first.fd;
    this.remote.close(first.fd);
    throw linuxerr.ESTALE;
  }

  *#walkTo(inode: GoferInode): Op<RemoteFd> {
    const chain: LocalDentry[] = [];
    let at = inode.dentry;
    while (at !== undefined && inodeOf(at).fd === undefined) {
      chain.unshift(at);
      at = at.parent;
    }
    const from = at === undefined ? undefined : inodeOf(at).fd;
    if (from === undefined) throw linuxerr.ESTALE;
    const { found } = yield* this.remote.walk(
      from,
      chain.map(({ name }) => name),
    );
    const last = found.length === chain.length ? found.at(-1) : undefined;
    const stale = chain.find((dentry, index) => !isStill(inodeOf(dentry), found[index]));
    const isWanted = stale === undefined && inode.fd === undefined;
    for (const each of found) if (each !== last || !isWanted) this.remote.close(each.fd);
    if (inode.fd !== undefined) return inode.fd;
    if (stale !== undefined || last === undefined) {
      if (stale !== undefined) this.nameIsStale(stale);
      throw linuxerr.ESTALE;
    }
    inode.fd = last.fd;
    return last.fd;
  }

  // Changing.

  /**
   * Nobody else changes names of the directories, or looks for these, while `change` is made.
   * `going`: directories that may be removed by it; nothing is put into them meanwhile.
   */
  protected *changingNames<T>(
    names: readonly NewName[],
    change: () => Op<T>,
    going: readonly LocalDentry[] = [],
  ): Op<T> {
    const parents = names.map(({ parent }) => parent);
    const dirs = [...parents, ...going.filter(({ isDir }) => isDir)];
    const inodes = [...new Set(dirs.map(inodeOf))].sort((a, b) => a.ino - b.ino);
    const all = inodes.map(({ nameChanges }) => nameChanges);
    const held: NameChanges[] = [];
    // Not to be forgotten meanwhile.
    for (const dir of dirs) dir.incRef();
    try {
      for (const changes of all) {
        yield* changes.mutex.lock();
        held.push(changes);
      }
      for (const { parent, name } of names) inodeOf(parent).nameChanges.begin(name);
      try {
        return yield* uninterrupted(change());
      } finally {
        for (const parent of parents) inodeOf(parent).isUnsynced = true;
        for (const changes of all) changes.end();
      }
    } finally {
      for (const changes of held.reverse()) changes.mutex.unlock();
      for (const dir of dirs) dir.decRef();
    }
  }
}

/** Is it the file that is known by this name? */
function isStill({ key, mode }: GoferInode, found: Found | undefined): boolean {
  if (found === undefined) return false;
  const isSameType = (found.statx.mode & S_IFMT) === (mode & S_IFMT);
  return isSameType && (key === undefined || keyOf(found.statx) === key);
}
