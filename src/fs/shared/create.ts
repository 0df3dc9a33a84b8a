// Making names in a local filesystem: mkdir, mknod, symlink, link, and files without a name. Linux:
// fs/namei.c; the order of checks is theirs. The errors are listed in vfs/filesystem.ts.

import { linuxerr } from '../../abi/errno.ts';
import { O_EXCL } from '../../abi/fcntl.ts';
import { IN_ATTRIB, IN_CREATE } from '../../abi/inotify.ts';
import { LINK_MAX } from '../../abi/limits.ts';
import {
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
  S_ISGID,
  S_ISVTX,
  S_IXGRP,
} from '../../abi/stat.ts';
import { assertDefined } from '../../lib/assert.ts';
import type { Op } from '../../lib/op.ts';
import type { VirtualDentry } from '../../vfs/dentry.ts';
import type { FileDescription } from '../../vfs/file-description.ts';
import { notifyEntry, notifySelf } from '../../vfs/watches.ts';
import type { MkdirOptions, MknodOptions, OpenOptions } from '../../vfs/options.ts';
import { checkAccess, checkMayLink, MAY_EXEC, MAY_WRITE } from '../../vfs/permissions.ts';
import type { ResolvingPath } from '../../vfs/resolving-path.ts';
import { type Inode, LocalDentry } from './inode.ts';
import { checkName, isDots, type LocalTree } from './local-tree.ts';
import type { NewName } from './upstream.ts';

/** What a new file takes besides its data: an inode, and a name in its directory. */
export const CREATION_BYTES = 1024;

/**
 * The checks that every creation shares (contract: mkdirAt), after resolving and loading. The
 * caller must not wait before it has inserted the child.
 */
function* prepareCreate(fs: LocalTree, rp: ResolvingPath, makesDir: boolean): Op<NewName> {
  yield* fs.makeRoom(CREATION_BYTES);
  const place = yield* findPlace(fs, rp, makesDir);
  checkMayCreate(rp, place.parent);
  return place;
}

/** Errors: EACCES. */
function checkMayCreate({ creds }: ResolvingPath, parent: LocalDentry): void {
  checkAccess(creds, parent.inode, MAY_WRITE | MAY_EXEC);
}

/** The same but for EACCES. Linux: filename_create(). */
function* findPlace(fs: LocalTree, rp: ResolvingPath, makesDir: boolean): Op<NewName> {
  const parent = yield* fs.resolveParent(rp);
  const name = rp.component;
  if (isDots(name)) throw linuxerr.EEXIST;
  checkName(name, parent);
  const existing = yield* fs.child(parent, name);
  if (parent.isDead) throw linuxerr.ENOENT;
  if (existing !== undefined) throw linuxerr.EEXIST;
  if (rp.mustBeDir && !makesDir) throw linuxerr.ENOENT;
  rp.mount.checkWritable();
  return { parent, name };
}

/** Gives an inode a name that nobody has. */
function insert(fs: LocalTree, { parent, name }: NewName, inode: Inode): LocalDentry {
  const dentry = new LocalDentry({ name, parent, inode, isComplete: true });
  fs.link(parent, dentry);
  if (inode.isDir) parent.inode.addSubdirectory();
  fs.touchDirectory(parent);
  if (!fs.watched.isEmpty) notifyEntry(parent, { name, isDir: inode.isDir }, IN_CREATE);
  return dentry;
}

/** The same of a new inode, once the tree's keeper has made it too. */
function* insertNew(fs: LocalTree, place: NewName, inode: Inode): Op<LocalDentry> {
  if (fs.upstream === undefined) return insert(fs, place, inode);
  // It has no name until then.
  inode.incRef();
  try {
    yield* fs.upstream.create(place, inode);
    return insert(fs, place, inode);
  } finally {
    inode.decRef();
  }
}

export function* makeDirectory(fs: LocalTree, rp: ResolvingPath, options: MkdirOptions): Op<void> {
  const place = yield* prepareCreate(fs, rp, true);
  if (place.parent.inode.nlink >= LINK_MAX) throw linuxerr.EMLINK;
  const mode = S_IFDIR | (options.mode & (0o777 | S_ISVTX));
  const attributes = ownedByCreator(rp, place.parent, { mode, umask: options.umask });
  yield* insertNew(fs, place, fs.makeInode(attributes));
}

export function* makeNode(
  fs: LocalTree,
  rp: ResolvingPath,
  { mode, umask, rdev, endpoint }: MknodOptions,
): Op<void> {
  const place = yield* prepareCreate(fs, rp, false);
  const type = mode & S_IFMT || S_IFREG;
  const isDevice = type === S_IFCHR || type === S_IFBLK;
  const isWhiteout = type === S_IFCHR && rdev === 0;
  if (isDevice && !isWhiteout && !rp.creds.isPrivileged) throw linuxerr.EPERM;
  if (!isDevice && ![S_IFREG, S_IFIFO, S_IFSOCK].includes(type)) throw linuxerr.EINVAL;
  const made = { mode: type | (mode & ~S_IFMT), umask };
  const attributes = ownedByCreator(rp, place.parent, made);
  const inode = fs.makeInode(isDevice ? { ...attributes, rdev } : attributes);
  yield* insertNew(fs, place, inode);
  if (endpoint !== undefined) inode.listen(endpoint);
}

export function* makeSymlink(fs: LocalTree, rp: ResolvingPath, target: string): Op<void> {
  const place = yield* prepareCreate(fs, rp, false);
  const attributes = ownedByCreator(rp, place.parent, { mode: S_IFLNK | 0o777 });
  yield* insertNew(fs, place, fs.makeInode({ ...attributes, target }));
}

export function* makeLink(fs: LocalTree, rp: ResolvingPath, target: VirtualDentry): Op<void> {
  yield* fs.makeRoom(CREATION_BYTES);
  const place = yield* findPlace(fs, rp, false);
  if (target.mount !== rp.mount) throw linuxerr.EXDEV;
  const dentry = target.dentry as LocalDentry;
  const { inode } = dentry;
  // Linux: do_linkat() asks may_linkat() before vfs_link() looks at the directory.
  checkMayLink(rp.creds, inode);
  checkMayCreate(rp, place.parent);
  if (inode.isDir) throw linuxerr.EPERM;
  if (inode.nlink === 0 && !inode.isLinkable) throw linuxerr.ENOENT;
  if (inode.nlink >= LINK_MAX) throw linuxerr.EMLINK;
  fs.checkRoom(CREATION_BYTES);
  if (fs.upstream !== undefined) yield* fs.upstream.link(place, dentry);
  inode.nlink++;
  inode.isLinkable = false;
  inode.ctime = fs.clock.now();
  fs.inodeChanged(inode);
  if (!fs.watched.isEmpty) notifySelf(dentry, IN_ATTRIB);
  insert(fs, place, inode);
}

/** O_CREAT of a name that doesn't exist. The caller has just looked. */
export function createAndOpen(
  fs: LocalTree,
  rp: ResolvingPath,
  parent: LocalDentry,
  options: OpenOptions,
): FileDescription {
  if (parent.isDead) throw linuxerr.ENOENT;
  const inode = makeRegular(fs, rp, parent, options);
  return insertAndOpen(fs, rp, { parent, name: rp.component }, { inode, flags: options.flags });
}

/** The same of a tree that is kept elsewhere. Undefined: the name is there by now. */
export function* createUpstreamAndOpen(
  fs: LocalTree,
  rp: ResolvingPath,
  parent: LocalDentry,
  options: OpenOptions,
): Op<FileDescription | undefined> {
  // It says so, too, if the directory has been removed.
  const inode = makeRegular(fs, rp, parent, options);
  const place = { parent, name: rp.component };
  // It has no name until then.
  inode.incRef();
  try {
    yield* assertDefined(fs.upstream).create(place, inode);
    return insertAndOpen(fs, rp, place, { inode, flags: options.flags });
  } catch (error) {
    if (error !== linuxerr.EEXIST || (options.flags & O_EXCL) !== 0) throw error;
    return undefined;
  } finally {
    inode.decRef();
  }
}

function insertAndOpen(
  fs: LocalTree,
  rp: ResolvingPath,
  place: NewName,
  { inode, flags }: { readonly inode: Inode; readonly flags: number },
): FileDescription {
  const dentry = insert(fs, place, inode);
  const vd = { mount: rp.mount, dentry };
  return fs.openRegular({ vd, inode, flags, creds: rp.creds });
}

/** A new regular file of whoever opens it, without a name. Errors: EROFS, EACCES. */
function makeRegular(
  fs: LocalTree,
  rp: ResolvingPath,
  dir: LocalDentry,
  { mode, umask }: OpenOptions,
): Inode {
  rp.mount.checkWritable();
  checkMayCreate(rp, dir);
  return fs.makeInode(ownedByCreator(rp, dir, { mode: S_IFREG | (mode & ~S_IFMT), umask }));
}

/** O_TMPFILE: a file in the filesystem of `dir` that has no name, yet or ever. */
export function createUnnamed(
  fs: LocalTree,
  rp: ResolvingPath,
  dir: LocalDentry,
  options: OpenOptions,
): FileDescription {
  if (!dir.inode.isDir) throw linuxerr.ENOTDIR;
  if (fs.upstream !== undefined) throw linuxerr.EOPNOTSUPP;
  const inode = makeRegular(fs, rp, dir, options);
  inode.nlink = 0;
  inode.isLinkable = (options.flags & O_EXCL) === 0;
  // Linux: d_tmpfile(). What is done to it is told to the directory, under this name.
  const name = `#${inode.ino}`;
  const dentry = new LocalDentry({ name, parent: dir, inode, isComplete: true });
  dentry.isDead = true;
  dir.incRef();
  const vd = { mount: rp.mount, dentry };
  const file = fs.openRegular({ vd, inode, flags: options.flags, creds: rp.creds });
  fs.inodeChanged(inode);
  return file;
}

/**
 * Owner and mode of a new file: a setgid directory hands down its group, and to directories the bit
 * too.
 */
export function ownedByCreator(
  rp: ResolvingPath,
  parent: LocalDentry,
  { mode, umask = 0 }: { readonly mode: number; readonly umask?: number | undefined },
): { mode: number; uid: number; gid: number } {
  const { creds } = rp;
  const inherits = (parent.inode.mode & S_ISGID) !== 0;
  const gid = inherits ? parent.inode.gid : creds.gid;
  let ownMode = mode & ~umask;
  if (inherits && (mode & S_IFMT) === S_IFDIR) ownMode |= S_ISGID;
  // Linux: fs/inode.c mode_strip_sgid(): a setgid executable of a group one isn't in can't be made,
  // not even one that the umask makes no executable.
  const isSetgidExecutable = (mode & (S_ISGID | S_IXGRP)) === (S_ISGID | S_IXGRP);
  if (inherits && isSetgidExecutable && !creds.isPrivileged && !creds.inGroup(gid)) {
    ownMode &= ~S_ISGID;
  }
  return { mode: ownMode, uid: creds.uid, gid };
}
