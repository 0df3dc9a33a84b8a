// GoferFiles: the server's files as inodes, and how their descriptors there are come by. Mirrors
// gVisor pkg/sentry/fsimpl/gofer/inode.go.

import { linuxerr } from '../../abi/errno.ts';
import { S_IFLNK, S_IFMT } from '../../abi/stat.ts';
import { assertDefined } from '../../lib/assert.ts';
import type { Op } from '../../lib/op.ts';
import type { Statx } from '../../lisafs/records.ts';
import type { LocalDentry } from '../shared/inode.ts';
import { LocalFilesystem, type LocalOptions } from '../shared/local-filesystem.ts';
import type { FdCache } from './fd-cache.ts';
import { type GoferInode, keyOf } from './gofer-inode.ts';
import type { InodeTable } from './inode-table.ts';
import type { GoferSettings } from './options.ts';
import type { Found, Remote, RemoteFd } from './remote.ts';

export function inodeOf(dentry: LocalDentry): GoferInode {
  return dentry.inode as GoferInode;
}

export abstract class GoferFiles extends LocalFilesystem {
  protected readonly remote: Remote;
  protected readonly options: GoferSettings;
  protected abstract readonly inodes: InodeTable;
  protected abstract readonly fds: FdCache;
  /** What is known is looked at again before it is used. */
  override readonly revalidates: boolean;

  constructor(remote: Remote, options: GoferSettings & LocalOptions) {
    super(options);
    this.remote = remote;
    this.options = options;
    this.revalidates = options.cache === 'shared' || options.cache === 'none';
  }

  /** Nothing in memory leads to it any more, perhaps. */
  protected abstract dropIfUnused(inode: GoferInode): void;

  /** The inode of what was found. Symlinks are read first: nothing else ever waits for that. */
  *adopt({ fd, statx }: Found): Op<GoferInode> {
    const known = this.inodes.find(statx);
    if (known !== undefined && (known.mode & S_IFMT) === (statx.mode & S_IFMT)) {
      this.keepFd(known, fd);
      this.updated(known, statx);
      return known;
    }
    let target = '';
    if ((statx.mode & S_IFMT) === S_IFLNK) target = yield* this.remote.readlink(fd);
    const meanwhile = this.inodes.find(statx);
    if (meanwhile !== undefined && meanwhile.isSymlink === (target !== '')) {
      this.keepFd(meanwhile, fd);
      return meanwhile;
    }
    const inode = this.inodes.add(statx, target);
    this.keepFd(inode, fd);
    return inode;
  }

  /** Of a symlink all is known. */
  keepFd(inode: GoferInode, fd: RemoteFd): void {
    if (inode.fd !== undefined || inode.isSymlink) this.remote.close(fd);
    else {
      inode.fd = fd;
      this.fds.used(inode);
    }
  }

  /** The server has said what an inode is like. */
  protected abstract updated(inode: GoferInode, statx: Statx): void;

  /**
   * The server's descriptor of a file, walked to if there is none. Errors: ESTALE if its name is
   * another file's by now.
   */
  *fdOf(inode: GoferInode): Op<RemoteFd> {
    const fd = inode.fd ?? (yield* this.#walkTo(inode));
    this.fds.used(inode);
    return fd;
  }

  *#walkTo(inode: GoferInode): Op<RemoteFd> {
    const names: string[] = [];
    let at = assertDefined(inode.dentry, 'a file without a descriptor or a name');
    while (inodeOf(at).fd === undefined) {
      names.unshift(at.name);
      at = assertDefined(at.parent, 'a name without a directory');
    }
    const { found } = yield* this.remote.walk(assertDefined(inodeOf(at).fd), names);
    const last = found.at(-1);
    for (const each of found.slice(0, -1)) this.remote.close(each.fd);
    if (inode.fd !== undefined) {
      if (last !== undefined) this.remote.close(last.fd);
      return inode.fd;
    }
    if (last === undefined || found.length < names.length) throw linuxerr.ESTALE;
    if (inode.key !== undefined && keyOf(last.statx) !== inode.key) {
      this.remote.close(last.fd);
      throw linuxerr.ESTALE;
    }
    inode.fd = last.fd;
    return last.fd;
  }
}
