// Making files in a directory of the host. Mirrors gVisor runsc/fsgofer/lisafs.go.
//
// What is made belongs to whom the caller says, and has the permissions it says, whatever umask the
// gofer has. If anything fails after it was made, it is removed again.
//
// What has no descriptor from the start is found by its name, which may be somebody else's by then:
// it is used only if it looks as new as what was made, and otherwise left alone, as it is when it
// can't be found. So there must be nothing that could have been known to fail before.

import type { Buffer } from 'node:buffer';
import { constants } from 'node:fs';
import process from 'node:process';
import { LinuxError, linuxerr } from '../abi/errno.ts';
import {
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
  S_ISGID,
  S_PERMISSIONS,
} from '../abi/stat.ts';
import type { Statx } from '../served/served-file.ts';
import { checkIds } from './host-arguments.ts';
import { type FdReservation, HostFd } from './host-fd.ts';
import { hostOpenFlags } from './host-file.ts';
import { checkName, checkTarget, type HostName } from './host-name.ts';
import { hostStatOf, type Identity, identityOf, isSameFile } from './host-stat.ts';
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
  /** FIFOs and sockets, S_IFMT bits, if they may be made: for the host's processes to meet at. */
  readonly types?: readonly number[];
}

/** Types of files that are made by mknod(2) and have no number. */
const MEETING_PLACES = [S_IFIFO, S_IFSOCK];

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
  checkIds(options);
  const bytes = checkName(name);
  const { O_CREAT, O_EXCL, O_NOFOLLOW, O_TRUNC } = constants;
  // Of a new file there is nothing to be cut off.
  const access = hostOpenFlags(options.flags) & ~O_TRUNC;
  const flags = access | O_CREAT | O_EXCL | O_NOFOLLOW;
  const permissions = options.mode & FIRST_PERMISSIONS;
  const { budget } = parent.host;
  // Both at once: what was kept for this client is there now, and perhaps not later.
  const reserved = budget.reserve();
  let forFile: FdReservation | undefined;
  try {
    const source = (forFile = budget.reserve());
    const fd = await parent.withName(
      bytes,
      (path) => HostFd.open(source, () => open(path, flags, permissions)),
      (opened) => opened.close(),
    );
    return await settleFile(parent, { name: bytes, fd, options, reserved });
  } finally {
    reserved.release();
    forFile?.release();
  }
}

interface MadeFile {
  readonly name: Buffer;
  readonly fd: HostFd;
  readonly options: CreateFileOptions;
  readonly reserved: FdReservation;
}

async function settleFile(
  parent: Place,
  { name, fd, options, reserved }: MadeFile,
): Promise<Placed & { readonly fd: HostFd }> {
  const statOf = (): Promise<Statx> => fd.use(async (number) => hostStatOf(await fstat(number)));
  let place: Place | undefined;
  try {
    place = await parent.adopt(name, fd, reserved);
    const stat = await settle(await statOf(), options, {
      stat: statOf,
      chown: (uid, gid) => fd.use((number) => fchown(number, uid, gid)),
      chmod: (mode) => fd.use((number) => fchmod(number, mode)),
    });
    return { place, stat, fd };
  } catch (error) {
    await undo([
      async () => removeMade(parent, name, place?.identity ?? (await identityOfFd(fd))),
      async () => place?.close(),
      () => fd.close(),
    ]);
    throw error;
  }
}

/** Errors: mkdir(2)'s; those of giving it away. */
export function makeDirectory(
  parent: Place,
  name: HostName,
  options: CreateOptions,
): Promise<Placed> {
  return make(parent, name, {
    ...options,
    type: S_IFDIR,
    make: (path) => mkdir(path, options.mode & FIRST_PERMISSIONS),
    isNew: ({ stat }) => isOwnDirectory(parent, stat),
  });
}

/**
 * It is the gofer's user's; or, where the filesystem says whose all files are, that one's.
 */
async function isOwnDirectory(parent: Place, { uid }: Statx): Promise<boolean> {
  return uid === process.geteuid?.() || uid === (await parent.stat()).uid;
}

/** Errors: a bad target's; symlink(2)'s; those of giving it away. */
export async function makeSymlink(
  parent: Place,
  name: HostName,
  { target, ...owner }: Owner & { readonly target: HostName },
): Promise<Placed> {
  const bytes = checkTarget(target);
  return make(parent, name, {
    ...owner,
    type: S_IFLNK,
    make: (path) => symlink(bytes, path),
    isNew: async ({ place }) => bytes.equals(await place.readlink()),
  });
}

/**
 * A regular file, a whiteout (the character device 0:0, which does nothing), or what of FIFOs and
 * sockets may be made.
 * Errors: EPERM for anything else; EOPNOTSUPP for what isn't a regular file without the call.
 */
export async function makeNode(
  parent: Place,
  name: HostName,
  options: MknodOptions,
): Promise<Placed> {
  const type = options.mode & S_IFMT;
  if (type === S_IFREG || type === 0) return makeEmptyFile(parent, checkName(name), options);
  const isWhiteout = type === S_IFCHR && options.rdevMajor === 0 && options.rdevMinor === 0;
  const isMeetingPlace = MEETING_PLACES.includes(type) && options.types?.includes(type) === true;
  if (!isWhiteout && !isMeetingPlace) throw linuxerr.EPERM;
  const { mknod } = parent.host.calls;
  if (mknod === undefined) throw linuxerr.EOPNOTSUPP;
  const mode = type | (options.mode & FIRST_PERMISSIONS);
  return make(parent, name, {
    ...options,
    type,
    make: (path) => mknod(path, mode, 0),
    isNew: ({ stat }) => Promise.resolve(stat.rdevMajor === 0 && stat.rdevMinor === 0),
  });
}

async function makeEmptyFile(parent: Place, name: Buffer, options: CreateOptions): Promise<Placed> {
  const flags = constants.O_WRONLY;
  const { place, stat, fd } = await createFile(parent, name, { ...options, flags });
  try {
    await fd.close();
  } catch (error) {
    await undo([() => removeMade(parent, name, place.identity), () => place.close()]);
    throw error;
  }
  return { place, stat };
}

/** How something without a descriptor of its own is made. */
interface Making extends Owner {
  /** S_IFMT bits. */
  readonly type: number;
  readonly mode?: number;
  /** Fails if there is something of that name. */
  make(path: Buffer): Promise<void>;
  /** What has that name now, and is of that type, looks like it. */
  isNew(found: Placed): Promise<boolean>;
}

/** Errors: a bad name's; ESTALE if somebody else was quicker, whose file is left alone. */
async function make(parent: Place, name: HostName, making: Making): Promise<Placed> {
  checkIds(making);
  const bytes = checkName(name);
  const reserved = parent.host.budget.reserve();
  try {
    await parent.withName(bytes, (path) => making.make(path));
    return await adopt(parent, { name: bytes, making, reserved });
  } finally {
    reserved.release();
  }
}

interface Made {
  readonly name: Buffer;
  readonly making: Making;
  readonly reserved: FdReservation;
}

/** Finds what was just made, and gives it its owner. */
async function adopt(parent: Place, { name, making, reserved }: Made): Promise<Placed> {
  const placed = await parent.walk(name, reserved).catch((error: unknown) => {
    throw error === linuxerr.ENOENT ? linuxerr.ESTALE : error;
  });
  const { place } = placed;
  let isOurs = false;
  try {
    isOurs = place.identity.type === making.type && (await making.isNew(placed));
    if (!isOurs) throw linuxerr.ESTALE;
    // Where a place takes no descriptor, setting a mode does.
    reserved.release();
    const stat = await settle(placed.stat, making, {
      stat: () => place.stat(),
      chown: (uid, gid) => setOwner(place, uid, gid),
      chmod: (mode) => setMode(place, mode),
    });
    return { place, stat };
  } catch (error) {
    const close = (): Promise<void> => place.close();
    const remove = (): Promise<void> => removeMade(parent, name, place.identity);
    await undo(isOurs ? [remove, close] : [close]);
    throw error;
  }
}

interface Setters {
  stat(): Promise<Statx>;
  chown(uid: number, gid: number): Promise<void>;
  chmod(mode: number): Promise<void>;
}

/** Gives a new file the owner and the permissions that it hasn't got yet. */
async function settle(
  stat: Statx,
  { mode, uid, gid }: Owner & { readonly mode?: number },
  setters: Setters,
): Promise<Statx> {
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

/** Takes all steps, in their order, whatever becomes of each. */
async function undo(steps: readonly (() => Promise<unknown>)[]): Promise<void> {
  const [first, ...rest] = steps;
  if (first === undefined) return;
  try {
    await first();
  } catch (error) {
    // The error that led here is the one to be told.
    if (!(error instanceof LinuxError)) throw error;
  } finally {
    await undo(rest);
  }
}

/** Removes what was made, provided that the name is still its own. */
export async function removeMade(parent: Place, name: HostName, made: Identity): Promise<void> {
  try {
    await parent.withName(name, (path) => removeIfSame(path, made));
  } catch (error) {
    // The error that led here is the one to be told.
    if (!(error instanceof LinuxError)) throw error;
  }
}

/** Removes a name of a file, unless it is another's by now. */
export async function removeIfSame(path: Buffer, identity: Identity): Promise<void> {
  const found = identityOf(await lstat(path));
  if (isSameFile(found, identity)) await (found.type === S_IFDIR ? rmdir(path) : unlink(path));
}
