// open(2) in a local filesystem. Linux: fs/namei.c path_openat(), may_open(). The errors are listed
// in vfs/filesystem.ts, Filesystem.openAt().

import { linuxerr } from '../../abi/errno.ts';
import {
  O_ACCMODE,
  O_CREAT,
  O_DIRECT,
  O_DIRECTORY,
  O_EXCL,
  O_NOATIME,
  O_RDONLY,
  O_TMPFILE,
  O_TRUNC,
} from '../../abi/fcntl.ts';
import { IN_OPEN } from '../../abi/inotify.ts';
import { assertDefined } from '../../lib/assert.ts';
import type { Op } from '../../lib/op.ts';
import type { FileDescription } from '../../vfs/file-description.ts';
import type { OpenOptions } from '../../vfs/options.ts';
import { accessOfOpenFlags, checkAccess, isOwner } from '../../vfs/permissions.ts';
import type { ResolvingPath } from '../../vfs/resolving-path.ts';
import { applySetStat } from './attributes.ts';
import { createAndOpen, createUnnamed, createUpstreamAndOpen, CREATION_BYTES } from './create.ts';
import { DirectoryDescription } from './directory-description.ts';
import type { LocalDentry } from './inode.ts';
import { checkName, isDots, type LocalTree } from './local-tree.ts';

/** O_TMPFILE includes O_DIRECTORY. */
const TMPFILE = O_TMPFILE & ~O_DIRECTORY;

/** No generator itself: most of what is opened needs one. */
export function openLocal(
  fs: LocalTree,
  rp: ResolvingPath,
  options: OpenOptions,
): Op<FileDescription> {
  const run = (options.flags & O_CREAT) !== 0 ? openOrCreate : openExisting;
  return run(fs, rp, options);
}

function* openExisting(
  fs: LocalTree,
  rp: ResolvingPath,
  options: OpenOptions,
): Op<FileDescription> {
  const { flags } = options;
  // Nothing may wait between the look for a directory and the creation of what has no name in it.
  if ((flags & TMPFILE) !== 0) yield* fs.makeRoom(CREATION_BYTES);
  let dentry = fs.walk(rp, false);
  while (dentry === undefined) {
    yield* fs.loadNext(rp);
    dentry = fs.walk(rp, false);
  }
  if (rp.mustBeDir && !dentry.inode.isDir) throw linuxerr.ENOTDIR;
  if ((flags & O_TMPFILE) === O_TMPFILE) {
    return told(fs, createUnnamed(fs, rp, dentry, options), IN_OPEN);
  }
  return yield* openDentry(fs, rp, dentry, flags);
}

/** Tells the watches of a file that was opened. */
function told(fs: LocalTree, file: FileDescription, ...events: number[]): FileDescription {
  if (!fs.watched.isEmpty) for (const each of events) file.notify(each);
  return file;
}

function* openOrCreate(
  fs: LocalTree,
  rp: ResolvingPath,
  options: OpenOptions,
): Op<FileDescription> {
  const { flags } = options;
  // Nothing may wait between the look for a name and its creation.
  if (fs.isShortOfRoom(CREATION_BYTES)) yield* fs.makeRoom(CREATION_BYTES);
  for (;;) {
    // The usual case costs no generators.
    const parent = fs.parentAtOnce(rp) ?? (yield* fs.resolveParent(rp));
    const name = rp.component;
    if (name !== '' && !isDots(name)) {
      if (rp.mustBeDir) throw linuxerr.EISDIR;
      checkName(name, parent);
      let existing = assertDefined(parent.children).get(name);
      const mustLook =
        existing === undefined ? !parent.isComplete : fs.mustLookAgain(existing.inode);
      if (mustLook) existing = yield* fs.child(parent, name, rp);
      if (existing === undefined) {
        const file =
          fs.upstream === undefined
            ? createAndOpen(fs, rp, parent, options)
            : yield* createUpstreamAndOpen(fs, rp, parent, options);
        // Somebody else has made it meanwhile.
        if (file === undefined) {
          rp.start = parent;
          continue;
        }
        return told(fs, file, IN_OPEN);
      }
      if ((flags & O_EXCL) !== 0) throw linuxerr.EEXIST;
    }
    // The last step goes as in any walk: it may lead through a symlink or a mount, to another
    // last component.
    rp.start = parent;
    const dentry = rp.isDone ? parent : fs.step(rp, parent);
    if (dentry === undefined) continue;
    rp.start = dentry;
    if (!rp.isDone) continue;
    if ((flags & O_EXCL) !== 0) throw linuxerr.EEXIST;
    if (dentry.inode.isDir) throw linuxerr.EISDIR;
    return yield* openDentry(fs, rp, dentry, flags);
  }
}

function* openDentry(
  fs: LocalTree,
  rp: ResolvingPath,
  dentry: LocalDentry,
  flags: number,
): Op<FileDescription> {
  const { inode } = dentry;
  if ((flags & O_DIRECTORY) !== 0 && !inode.isDir) throw linuxerr.ENOTDIR;
  const truncates = (flags & O_TRUNC) !== 0;
  if (inode.isSymlink) throw linuxerr.ELOOP;
  if (inode.isDir && ((flags & O_ACCMODE) !== O_RDONLY || truncates)) throw linuxerr.EISDIR;
  if (inode.isRegular && truncates) rp.mount.checkWritable();
  checkAccess(rp.creds, inode, accessOfOpenFlags(flags));
  if ((flags & O_NOATIME) !== 0 && !isOwner(rp.creds, inode)) throw linuxerr.EPERM;
  if (inode.isDir && (flags & O_DIRECT) !== 0) throw linuxerr.EINVAL;
  if (fs.upstream === undefined) return yield* describe(fs, rp, dentry, flags);
  // What it is opened as refers to it from then on.
  dentry.incRef();
  try {
    if (inode.isDir || inode.isRegular) yield* fs.upstream.open(inode, flags);
    return yield* describe(fs, rp, dentry, flags);
  } finally {
    dentry.decRef();
  }
}

/** The description of a file that may be opened. */
function* describe(
  fs: LocalTree,
  rp: ResolvingPath,
  dentry: LocalDentry,
  flags: number,
): Op<FileDescription> {
  const { inode } = dentry;
  const truncates = (flags & O_TRUNC) !== 0;
  const vd = { mount: rp.mount, dentry };
  if (inode.isDir) {
    return told(fs, new DirectoryDescription(fs, vd, dentry, flags), IN_OPEN);
  }
  if (!inode.isRegular) return told(fs, yield* fs.openSpecial(vd, inode, flags), IN_OPEN);
  const file = fs.openRegular({ vd, inode, flags, creds: rp.creds });
  if (!truncates) return told(fs, file, IN_OPEN);
  try {
    const change = yield* applySetStat(fs, inode, { size: 0 }, rp.creds);
    return told(fs, file, IN_OPEN, change);
  } catch (error) {
    file.decRef();
    throw error;
  }
}
