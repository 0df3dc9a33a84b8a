// HostDirectory: a directory of the host as a gofer's control FD holds it, and its names.
// Mirrors gVisor runsc/fsgofer/lisafs.go, controlFDLisa.
//
// Every name is checked before anything is done. Permissions are the host's, for the user the gofer
// runs as.

import type { Buffer } from 'node:buffer';
import { platform } from 'node:os';
import { LinuxError, linuxerr } from '../abi/errno.ts';
import { RENAME_EXCHANGE, RENAME_NOREPLACE, RENAME_WHITEOUT } from '../abi/fcntl.ts';
import { S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFREG, S_IFSOCK } from '../abi/stat.ts';
import { assertDefined } from '../lib/assert.ts';
import type { Statx } from '../served/served-file.ts';
import {
  type CreateFileOptions,
  type CreateOptions,
  createFile,
  makeDirectory,
  makeNode,
  makeSymlink,
  type MknodOptions,
  type Owner,
  removeIfSame,
  removeMade,
} from './create.ts';
import { checkFlags } from './host-arguments.ts';
import type { FdReservation } from './host-fd.ts';
import { HostFile } from './host-file.ts';
import { checkName, type HostName } from './host-name.ts';
import { hostStatOf, type Identity, identityOf, isSameFile } from './host-stat.ts';
import { link, lstat, rename, rmdir, unlink } from './node-fs.ts';
import { OpenHostDirectory } from './open-directory.ts';
import { OpenHostFile } from './open-file.ts';
import type { Host, Placed } from './place.ts';

/** Block devices, and what else there may be, are not served. */
const SERVED_TYPES = [S_IFREG, S_IFDIR, S_IFLNK, S_IFCHR, S_IFSOCK, S_IFIFO];

/** Elsewhere link(2) may follow a symbolic link, out of the tree. */
const LINKS_SYMLINKS = platform() === 'linux';

/** A file, a HostDirectory if it is a directory, and its attributes. */
export interface Walked {
  readonly file: HostFile;
  readonly stat: Statx;
}

/** A file, and one of its names if it `isLinkedByName`. */
export interface LinkSource {
  readonly file: HostFile;
  readonly directory?: HostDirectory;
  readonly name?: HostName;
}

export class HostDirectory extends HostFile {
  /**
   * The file of a name. A symbolic link is one itself. Whoever calls closes the file.
   *
   * Errors:
   *  - EINVAL, EILSEQ, ENAMETOOLONG for a bad name, as everywhere here.
   *  - ENOENT.
   *  - EPERM for a block device.
   *  - EACCES where procfs, sysfs, debugfs or tracefs is mounted.
   *  - EMFILE, ENFILE of the budget.
   */
  async walk(name: HostName): Promise<Walked> {
    const placed = await this.place.walk(name);
    if (SERVED_TYPES.includes(placed.place.identity.type)) return walked(placed);
    await placed.place.close();
    throw linuxerr.EPERM;
  }

  /** The attributes of a name's file. Errors: as walk(), but for the budget's. */
  async statAt(name: HostName): Promise<Statx> {
    const stats = await this.place.withName(name, lstat);
    if (!SERVED_TYPES.includes(identityOf(stats).type)) throw linuxerr.EPERM;
    return hostStatOf(stats);
  }

  /** The same directory in another's name, with that one's budget. */
  async again(host: Host): Promise<Walked & { readonly file: HostDirectory }> {
    const { place, stat } = await this.place.again(host);
    return { file: new HostDirectory(place), stat };
  }

  /** Opens the directory to list it. Errors: EACCES if it must not be read; the budget's. */
  list(): Promise<OpenHostDirectory> {
    return OpenHostDirectory.open(this.place);
  }

  /**
   * Makes a regular file and opens it, both of which the caller closes.
   * Errors: EEXIST; those of giving it away; open(2)'s.
   */
  async create(
    name: HostName,
    options: CreateFileOptions,
  ): Promise<Walked & { readonly open: OpenHostFile }> {
    const { fd, ...placed } = await createFile(this.place, name, options);
    return { ...walked(placed), open: new OpenHostFile(fd, this.place.host.calls) };
  }

  /**
   * Errors, as for all that is made here: EEXIST; EINVAL for an id that is none; ESTALE if somebody
   * on the host has put something else in its place; those of giving it away; mkdir(2)'s.
   */
  async mkdir(name: HostName, options: CreateOptions): Promise<Walked> {
    return walked(await makeDirectory(this.place, name, options));
  }

  /**
   * Makes a regular file or a whiteout, and what `options.types` says besides.
   * Errors: EEXIST; EPERM for anything else; EOPNOTSUPP for a whiteout where it can't be made.
   */
  async mknod(name: HostName, options: MknodOptions): Promise<Walked> {
    return walked(await makeNode(this.place, name, options));
  }

  /** Errors: EEXIST; ENOENT, EINVAL, EILSEQ, ENAMETOOLONG for a bad target; symlink(2)'s. */
  async symlink(name: HostName, options: Owner & { readonly target: HostName }): Promise<Walked> {
    return walked(await makeSymlink(this.place, name, options));
  }

  /**
   * Gives a file another name.
   *
   * Errors:
   *  - EPERM for a directory; for a symbolic link on hosts that would follow it.
   *  - ESTALE if `source.name` isn't the file's any more, which is asked only where the host can't
   *    link the file itself.
   *  - EEXIST; link(2)'s.
   */
  async link(name: HostName, source: LinkSource): Promise<Walked> {
    const { file } = source;
    if (file.type === S_IFDIR) throw linuxerr.EPERM;
    const bytes = checkName(name);
    const reserved = this.place.host.budget.reserve();
    try {
      const { link: linkFile } = this.place.host.calls;
      if (linkFile !== undefined && !file.isLinkedByName) {
        await file.place.withPath((path) => this.place.withName(bytes, (to) => linkFile(path, to)));
      } else {
        await this.#linkByName(bytes, source);
      }
      return await this.#walkToLinked(bytes, { file, reserved });
    } finally {
      reserved.release();
    }
  }

  /** Errors: ESTALE if the name is another file's, which nobody wanted to be linked. */
  async #linkByName(name: Buffer, { file, directory, name: existing }: LinkSource): Promise<void> {
    const { identity } = file.place;
    if (file.type === S_IFLNK && !LINKS_SYMLINKS) throw linuxerr.EPERM;
    const source = checkName(assertDefined(existing));
    await assertDefined(directory).place.withName(source, (from) =>
      this.place.withName(name, async (to) => {
        if (!isSameFile(identityOf(await lstat(from)), identity)) throw linuxerr.ESTALE;
        await link(from, to);
        const linked = await identityAt(from);
        if (linked === undefined || isSameFile(linked, identity)) return;
        await removeMade(this.place, name, linked);
        throw linuxerr.ESTALE;
      }),
    );
  }

  /** Errors: ESTALE if somebody else was quicker, whose file is left alone. */
  async #walkToLinked(
    name: Buffer,
    { file, reserved }: { readonly file: HostFile; readonly reserved: FdReservation },
  ): Promise<Walked> {
    const { identity } = file.place;
    let placed: Placed;
    try {
      placed = await this.place.walk(name, reserved);
    } catch (error) {
      await removeMade(this.place, name, identity);
      throw error;
    }
    if (isSameFile(placed.place.identity, identity)) return walked(placed);
    await placed.place.close();
    throw linuxerr.ESTALE;
  }

  /** Errors: ENOENT; EISDIR; unlink(2)'s. */
  unlink(name: HostName): Promise<void> {
    return this.place.withName(name, unlink);
  }

  /** Errors: ENOENT; ENOTDIR; ENOTEMPTY; rmdir(2)'s. */
  rmdir(name: HostName): Promise<void> {
    return this.place.withName(name, rmdir);
  }

  /**
   * Renames within the tree. Who holds the files that are renamed tells them by moved().
   * `flags` are RENAME_ bits. Without the host's own call, RENAME_NOREPLACE is a link and an
   * unlink: for a moment both names are there.
   *
   * Errors:
   *  - EINVAL for flags that the host can't do: without its call, all but RENAME_NOREPLACE of what
   *    is no directory.
   *  - EEXIST with RENAME_NOREPLACE; rename(2)'s.
   */
  async rename(
    oldName: HostName,
    newDirectory: HostDirectory,
    { newName, flags = 0 }: { readonly newName: HostName; readonly flags?: number },
  ): Promise<void> {
    checkRenameFlags(flags);
    const [oldBytes, newBytes] = [checkName(oldName), checkName(newName)];
    await this.place.withName(oldBytes, (from) =>
      newDirectory.place.withName(newBytes, async (to) => {
        const { rename: renameWithFlags } = this.place.host.calls;
        if (flags === 0) await rename(from, to);
        else if (renameWithFlags !== undefined) await renameWithFlags(from, to, flags);
        else if (flags === RENAME_NOREPLACE) await renameNoReplace(from, to);
        else throw linuxerr.EINVAL;
      }),
    );
  }
}

function walked({ place, stat }: Placed): Walked {
  const file = place.identity.type === S_IFDIR ? new HostDirectory(place) : new HostFile(place);
  return { file, stat };
}

/** Linux: fs/namei.c do_renameat2(). Errors: EINVAL. */
function checkRenameFlags(flags: number): void {
  const known = RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT;
  const replaces = flags & (RENAME_NOREPLACE | RENAME_WHITEOUT);
  checkFlags(flags, known);
  if ((flags & RENAME_EXCHANGE) !== 0 && replaces !== 0) throw linuxerr.EINVAL;
}

/** Errors of link(2) where there are no links, or no more of them, or none of this file. */
const CANT_LINK: readonly unknown[] = [
  linuxerr.EPERM,
  linuxerr.EMLINK,
  linuxerr.ENOSYS,
  linuxerr.EOPNOTSUPP,
];

/** Errors: EINVAL for what can't be linked; EEXIST; unlink(2)'s. */
async function renameNoReplace(from: Buffer, to: Buffer): Promise<void> {
  const identity = identityOf(await lstat(from));
  const { type } = identity;
  if (type === S_IFDIR || (type === S_IFLNK && !LINKS_SYMLINKS)) throw linuxerr.EINVAL;
  try {
    await link(from, to);
  } catch (error) {
    throw CANT_LINK.includes(error) ? linuxerr.EINVAL : error;
  }
  try {
    await unlink(from);
  } catch (error) {
    // Somebody else has removed it: that it is gone is what was wanted.
    if (error === linuxerr.ENOENT) return;
    await removeIfSame(to, identity);
    throw error;
  }
}

/** Undefined if it can't be told. */
async function identityAt(path: Buffer): Promise<Identity | undefined> {
  try {
    return identityOf(await lstat(path));
  } catch (error) {
    if (!(error instanceof LinuxError)) throw error;
    return undefined;
  }
}
