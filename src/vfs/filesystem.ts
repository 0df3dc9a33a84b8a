// Filesystem: what a filesystem supplies. The contract of every implementation; they carry no copy
// of it. Mirrors gVisor pkg/sentry/vfs/filesystem.go (FilesystemImpl); Linux: super_operations,
// inode_operations.
//
// Every method that takes a ResolvingPath resolves it first: errors of the resolution (ENOENT,
// ENOTDIR, EACCES, ELOOP, ENAMETOOLONG, RESOLVE_ELSEWHERE) come before any other. One component is
// taken like this:
//  1. ENOTDIR if the current dentry is not a directory;
//  2. EACCES if it may not be searched (also for "." and "..", and whether the name exists or not);
//  3. "." stays; ".." asks ResolvingPath.isRoot(), then goes to the parent;
//  4. ENAMETOOLONG above NAME_MAX bytes;
//  5. ENOENT if there is no such name;
//  6. ResolvingPath.enterMount() if there are mounts on it;
//  7. a symlink is followed if ResolvingPath.mayFollowSymlink.
// "Parent" is the directory of the last component, "child" what the last component names. A path
// that ends in a slash sets mustBeDir. Errors are listed in order: the first whose condition holds
// wins.

import type { Op } from '../lib/op.ts';
import type { Stat, Statfs } from '../abi/stat.ts';
import type { Dentry, VirtualDentry } from './dentry.ts';
import type { FileDescription } from './file-description.ts';
import type { RemoteLink } from './remote-link.ts';
import type { WatchedFiles } from './watches.ts';
import type {
  MkdirOptions,
  MknodOptions,
  OpenOptions,
  RenameOptions,
  RenameSource,
  SetStat,
  SetXattr,
} from './options.ts';
import type { MirrorStatus } from '../lib/mirror-status.ts';
import type { ResolvingPath } from './resolving-path.ts';

/**
 * How well changes get to the medium.
 *  - good: they do.
 *  - full: there is no room for more; removals work.
 *  - read-only: the medium failed. Changes are EROFS until a commit succeeds again.
 *  - lost: the medium is gone for good. Changes are EIO.
 */
export type Health = 'good' | 'full' | 'read-only' | 'lost';

/** State of the last commit of a filesystem that keeps something. */
export interface CommitStatus {
  readonly health: Health;
  readonly dirtyBytes: number;
  readonly isCommitting: boolean;
  readonly commitCount: number;
  /** Milliseconds since 1970, or undefined before the first. */
  readonly lastCommitMs: number | undefined;
  /** In words, if the last commit failed or the health isn't good. */
  readonly lastError: string | undefined;
  /** Of what is kept on two media. */
  readonly mirror: MirrorStatus | undefined;
}

/**
 * Which tab has a store open; 'silent': another one, which doesn't answer; 'none' while it changes
 * hands. With these operations wait.
 */
export type StoreHolder = 'this-tab' | 'other-tab' | 'silent' | 'none';

export interface Filesystem {
  /** Name of the type: 'tmpfs', 'idbfs' … */
  readonly type: string;
  /** Root of the whole filesystem; the filesystem holds a reference on it. */
  readonly root: Dentry;
  /** st_dev. */
  readonly dev: number;
  /** Files with watches. What is done by path the filesystem tells them itself. */
  readonly watched: WatchedFiles;

  /**
   * Checks access to the file at `rp` (access(2)). `bits` is a set of MAY_ bits, 0 for existence.
   *
   * Errors:
   *  - EACCES without the permission.
   *  - EROFS if writing is asked for on a read-only mount (not for devices).
   */
  accessAt(rp: ResolvingPath, bits: number): Op<void>;

  /** The dentry at `rp`, with a reference for the caller. */
  getDentryAt(rp: ResolvingPath): Op<Dentry>;

  /**
   * The parent of the last component, with a reference for the caller. `rp.component` is then the
   * last component.
   *
   * Errors:
   *  - ENOTDIR if it is not a directory.
   */
  getParentDentryAt(rp: ResolvingPath): Op<Dentry>;

  /**
   * Makes `rp` another name of `target`, which lies in this filesystem.
   *
   * Errors: as mkdirAt up to EACCES (ENOENT for mustBeDir, before EROFS), then
   *  - EXDEV if the target was reached through another mount.
   *  - EPERM if it is a directory, or if the caller may not link to it (protected_hardlinks).
   *  - ENOENT if it has no name left (one made with O_TMPFILE may get its first).
   *  - EMLINK at LINK_MAX.
   */
  linkAt(rp: ResolvingPath, target: VirtualDentry): Op<void>;

  /**
   * Makes a directory.
   *
   * Errors:
   *  - EACCES if the parent may not be searched.
   *  - EEXIST for "." and "..", and if the name exists (a dangling symlink too).
   *  - ENOENT if the parent was removed.
   *  - EROFS on a read-only mount.
   *  - EACCES if the parent may not be written.
   *  - ENOSPC if there is no space.
   */
  mkdirAt(rp: ResolvingPath, options: MkdirOptions): Op<void>;

  /**
   * Makes a file that is neither a directory nor a symlink.
   *
   * Errors: as mkdirAt (ENOENT for mustBeDir, before EROFS), then
   *  - EPERM for a device without privilege; the whiteout (a character device 0:0) is for everyone.
   *  - EINVAL for another type.
   */
  mknodAt(rp: ResolvingPath, options: MknodOptions): Op<void>;

  /**
   * Opens the file at `rp`, creating it if O_CREAT says so, and tells its watches (IN_OPEN, then
   * IN_MODIFY if it was cut). O_PATH never gets here. With O_TMPFILE
   * `rp` names the directory in whose filesystem a file without a name is made.
   *
   * Errors with O_TMPFILE:
   *  - ENOTDIR if it is no directory.
   *  - EOPNOTSUPP if there are no such files here.
   *  - EROFS, EACCES as for creating in it.
   *
   * Errors with O_CREAT:
   *  - EISDIR if mustBeDir, or if there is no last component; EEXIST instead with O_EXCL for an
   *    existing mount root.
   *  - EEXIST with O_EXCL if the name exists.
   *  - EACCES if it doesn't and the parent may not be written; then EROFS.
   * Errors for a file that exists:
   *  - ELOOP for a symlink (O_NOFOLLOW).
   *  - EISDIR for a directory opened with O_CREAT or for writing (O_TRUNC counts).
   *  - EACCES without the permission; a file that this call created is not checked.
   *  - EROFS when opened for writing on a read-only mount.
   *  - EACCES for a device on a mount with nodev.
   *  - ENXIO for a socket that nobody listens at, or a device without a driver; for a FIFO opened
   *    to write with O_NONBLOCK that nobody reads.
   *  - EPERM for O_NOATIME on a file of someone else.
   *  - EINVAL for O_DIRECT on a directory.
   */
  openAt(rp: ResolvingPath, options: OpenOptions): Op<FileDescription>;

  /**
   * Extended attributes of the file at `rp`. The length of the name is checked.
   *
   * Errors:
   *  - those of permissions.checkXattr().
   *  - EOPNOTSUPP if the filesystem has none of the name's kind.
   *  - EINVAL for a prefix alone.
   *  - ENODATA if it doesn't exist.
   */
  getXattrAt(rp: ResolvingPath, name: string): Op<Uint8Array>;
  /**
   * Errors: EROFS on a read-only mount; as getXattrAt; EEXIST, ENODATA as the flags say; ENOSPC.
   */
  setXattrAt(rp: ResolvingPath, change: SetXattr): Op<void>;
  /** The names the caller may see. */
  listXattrAt(rp: ResolvingPath): Op<string[]>;
  /** Errors: EROFS on a read-only mount; as getXattrAt. */
  removeXattrAt(rp: ResolvingPath, name: string): Op<void>;

  /** The target of the symlink at `rp`. Errors: EINVAL if it isn't one. */
  readlinkAt(rp: ResolvingPath): Op<string>;

  /**
   * Renames `source.name` in `source.parent`, which may lie in another filesystem, to `rp`. The
   * flags make sense: the system call has checked them.
   *
   * Errors:
   *  - EXDEV if the mounts differ.
   *  - EBUSY if the new name is "." or ".." (EEXIST with NOREPLACE).
   *  - EROFS on a read-only mount.
   *  - ENOENT if the old name doesn't exist; EEXIST, or ENOENT with EXCHANGE, as the new one does
   *    or doesn't.
   *  - ENOTDIR if a slash follows the name of what is not a directory.
   *  - EINVAL if the new name lies below the old one; ENOTEMPTY the other way round (EINVAL with
   *    EXCHANGE).
   *  - EACCES and EPERM as for unlinking the old and (if it exists) the new name, and creating the
   *    new one.
   *  - ENOTDIR, EISDIR if one is a directory and the other isn't (not with EXCHANGE).
   *  - EACCES if a directory changes its parent and may not be written itself.
   *  - EBUSY if either is a mount point.
   *  - ENOTEMPTY if a directory to be replaced has entries.
   * Renaming a file to another name of the same file does nothing.
   */
  renameAt(rp: ResolvingPath, source: RenameSource, options: RenameOptions): Op<void>;

  /**
   * Removes an empty directory.
   *
   * Errors:
   *  - EINVAL for "."; ENOTEMPTY for "..".
   *  - EROFS on a read-only mount.
   *  - ENOENT if it doesn't exist.
   *  - EACCES, EPERM if the caller may not remove it.
   *  - ENOTDIR if it isn't a directory.
   *  - EBUSY if it is a mount point.
   *  - ENOTEMPTY if it has entries.
   */
  rmdirAt(rp: ResolvingPath): Op<void>;

  /**
   * Changes attributes.
   *
   * Errors:
   *  - EROFS on a read-only mount.
   *  - EISDIR, EINVAL if a size is set and it is a directory, or another non-regular file.
   *  - EPERM, EACCES of permissions.checkSetStat().
   *  - ENOSPC, EFBIG of the new size.
   */
  setStatAt(rp: ResolvingPath, change: SetStat): Op<void>;

  statAt(rp: ResolvingPath): Op<Stat>;
  statfsAt(rp: ResolvingPath): Op<Statfs>;

  /** Makes a symlink. Errors: as mkdirAt; ENOENT if mustBeDir, before EROFS. */
  symlinkAt(rp: ResolvingPath, target: string): Op<void>;

  /**
   * Removes a name that is not a directory's.
   *
   * Errors:
   *  - EISDIR for "." and "..".
   *  - EROFS on a read-only mount.
   *  - ENOENT if it doesn't exist.
   *  - EISDIR if mustBeDir and it is a directory; ENOTDIR if mustBeDir and it isn't.
   *  - EACCES, EPERM if the caller may not remove it.
   *  - EISDIR if it is a directory.
   *  - EBUSY if it is a mount point.
   */
  unlinkAt(rp: ResolvingPath): Op<void>;

  /** stat of a dentry the caller holds (fstat through O_PATH). */
  statDentry(dentry: Dentry): Op<Stat>;
  statfs(): Op<Statfs>;

  /**
   * Resolves when everything changed before the call is on stable storage. Errors: ENOSPC, EIO of
   * the commit.
   */
  sync(): Op<void>;

  /**
   * The last unmount has happened: commits what is unwritten and gives up the medium. Errors: as
   * sync.
   */
  release(): Op<void>;

  /** Undefined for filesystems that keep nothing. */
  readonly commitStatus: CommitStatus | undefined;

  /** Does checkWritable() fail now? */
  readonly isReadOnly: boolean;

  /**
   * Asked before every change, besides the mount's own flags.
   *
   * Errors:
   *  - EROFS of a snapshot, and while the medium fails.
   *  - EIO once it is gone.
   */
  checkWritable(): void;

  /** Undefined for filesystems without a store. */
  readonly holder?: StoreHolder;

  /** Undefined for filesystems without a server. */
  readonly remoteLink?: RemoteLink | undefined;
}
