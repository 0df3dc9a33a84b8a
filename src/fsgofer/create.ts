// Making files in a directory of the host. Mirrors gVisor runsc/fsgofer/lisafs.go.
//
// What is made belongs to whom the caller says, and has the permissions it says, whatever umask the
// gofer has. If anything fails after it was made, it is removed again.

import { constants } from 'node:fs';
import { LinuxError, linuxerr } from '../abi/errno.ts';
import { S_IFCHR, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG, S_ISGID, S_PERMISSIONS } from '../abi/stat.ts';
import { HostFd } from './host-fd.ts';
import { hostOpenFlags } from './host-file.ts';
import { checkTarget, type HostName } from './host-name.ts';
import { hostStatOf, type HostStat, type Identity, identityOf, isSameFile } from './host-stat.ts';
import { fchmod, fchown, fstat, lstat, mkdir, open, rmdir, symlink, unlink } from './node-fs.ts';
import type { Place, Placed } from './place.ts';
import { KEEP_ID, setMode, setOwner } from './set-attributes.ts';

/** An id that isn't there is the gofer's own. */
export interface Owner {
  readonly uid?: number;
  readonly gid?: number;
}

export interface CreateOptions extends Owner {
  /** Permissions. */
  readonly mode: number;
}

export interface CreateFileOptions extends CreateOptions {
  /** Of open(2): the access mode counts. */
  readonly flags: number;
}

export interface MknodOptions extends CreateOptions {
  /** Type and permissions. */
  readonly mode: number;
  readonly rdevMajor: number;
  readonly rdevMinor: number;
}

/** What open(2) and mkdir(2) are given: a set-user-ID file must not be the gofer's for a moment. */
const FIRST_PERMISSIONS = 0o777;

/**
 * A new file, open. It is opened as it is made, since its permissions may forbid to do it later.
 */
export async function createFile(
  parent: Place,
  name: HostName,
  options: CreateFileOptions,
): Promise<Placed & { readonly fd: HostFd }> {
  const { O_CREAT, O_EXCL, O_NOFOLLOW, O_TRUNC } = constants;
  // Of a new file there is nothing to be cut off.
  const access = hostOpenFlags(options.flags) & ~O_TRUNC;
  const flags = access | O_CREAT | O_EXCL | O_NOFOLLOW;
  const permissions = options.mode & FIRST_PERMISSIONS;
  const fd = await parent.withName(
    name,
    (path) => HostFd.open(parent.host.budget, () => open(path, flags, permissions)),
    (opened) => opened.close(),
  );
  let place: Place | undefined;
  try {
    place = await parent.adopt(name, fd);
    const stat = await settle(options, {
      stat: () => fd.use(async (number) => hostStatOf(await fstat(number))),
      chown: (uid, gid) => fd.use((number) => fchown(number, uid, gid)),
      chmod: (mode) => fd.use((number) => fchmod(number, mode)),
    });
    return { place, stat, fd };
  } catch (error) {
    const identity = place?.identity ?? (await identityOfFd(fd));
    await remove(parent, name, identity);
    await place?.close();
    await fd.close();
    throw error;
  }
}

/** Errors: mkdir(2)'s; those of giving it away. */
export async function makeDirectory(
  parent: Place,
  name: HostName,
  options: CreateOptions,
): Promise<Placed> {
  await parent.withName(name, (path) => mkdir(path, options.mode & FIRST_PERMISSIONS));
  return adopt(parent, name, { type: S_IFDIR, ...options });
}

/** Errors: a bad target's; symlink(2)'s; those of giving it away. */
export async function makeSymlink(
  parent: Place,
  name: HostName,
  { target, uid, gid }: Owner & { readonly target: HostName },
): Promise<Placed> {
  const bytes = checkTarget(target);
  await parent.withName(name, (path) => symlink(bytes, path));
  return adopt(parent, name, {
    type: S_IFLNK,
    ...(uid !== undefined && { uid }),
    ...(gid !== undefined && { gid }),
  });
}

/**
 * A regular file, or a whiteout: the character device 0:0, which does nothing.
 * Errors: EPERM for anything else; EOPNOTSUPP for a whiteout without the call.
 */
export async function makeNode(
  parent: Place,
  name: HostName,
  options: MknodOptions,
): Promise<Placed> {
  const type = options.mode & S_IFMT;
  if (type === S_IFREG || type === 0) {
    const flags = constants.O_WRONLY;
    const { place, stat, fd } = await createFile(parent, name, { ...options, flags });
    await fd.close();
    return { place, stat };
  }
  const isWhiteout = type === S_IFCHR && options.rdevMajor === 0 && options.rdevMinor === 0;
  if (!isWhiteout) throw linuxerr.EPERM;
  const { mknod } = parent.host.calls;
  if (mknod === undefined) throw linuxerr.EOPNOTSUPP;
  const mode = S_IFCHR | (options.mode & FIRST_PERMISSIONS);
  await parent.withName(name, (path) => mknod(path, mode, 0));
  return adopt(parent, name, { ...options, type });
}

interface Made extends Owner {
  /** S_IFMT bits. */
  readonly type: number;
  readonly mode?: number;
}

/** Finds what was just made, and gives it its owner. */
async function adopt(parent: Place, name: HostName, made: Made): Promise<Placed> {
  let placed: Placed | undefined;
  try {
    placed = await parent.walk(name);
    const { place } = placed;
    // Somebody on the host was quicker.
    if (place.identity.type !== made.type) throw linuxerr.ESTALE;
    const stat = await settle(made, {
      stat: () => place.stat(),
      chown: (uid, gid) => setOwner(place, uid, gid),
      chmod: (mode) => setMode(place, mode),
    });
    return { place, stat };
  } catch (error) {
    await remove(parent, name, placed?.place.identity ?? made);
    await placed?.place.close();
    throw error;
  }
}

interface Setters {
  stat(): Promise<HostStat>;
  chown(uid: number, gid: number): Promise<void>;
  chmod(mode: number): Promise<void>;
}

/** Gives a new file the owner and the permissions that it hasn't got yet. */
async function settle(
  { mode, uid, gid }: Owner & { readonly mode?: number },
  setters: Setters,
): Promise<HostStat> {
  const stat = await setters.stat();
  const isOthers = (uid ?? stat.uid) !== stat.uid || (gid ?? stat.gid) !== stat.gid;
  if (isOthers) await setters.chown(uid ?? KEEP_ID, gid ?? KEEP_ID);
  // A directory inherits this bit, which mkdir(2) leaves as it is.
  const inherited = (stat.mode & S_IFMT) === S_IFDIR ? stat.mode & S_ISGID : 0;
  const wanted = mode === undefined ? undefined : (mode & S_PERMISSIONS) | inherited;
  const isDifferent = wanted !== undefined && wanted !== (stat.mode & S_PERMISSIONS);
  if (isDifferent) await setters.chmod(wanted);
  return isOthers || isDifferent ? setters.stat() : stat;
}

function identityOfFd(fd: HostFd): Promise<Identity> {
  return fd.use(async (number) => identityOf(await fstat(number)));
}

/** Removes what was made, provided that the name is still its own. */
async function remove(
  parent: Place,
  name: HostName,
  made: Identity | { readonly type: number },
): Promise<void> {
  try {
    await parent.withName(name, async (path) => {
      const found = identityOf(await lstat(path));
      const isOurs = 'ino' in made ? isSameFile(found, made) : found.type === made.type;
      if (isOurs) await (found.type === S_IFDIR ? rmdir(path) : unlink(path));
    });
  } catch (error) {
    // The error that led here is the one to be told.
    if (!(error instanceof LinuxError)) throw error;
  }
}
