// HostDirectory: a directory of the host as a gofer's control FD holds it, and its names.
// Mirrors gVisor runsc/fsgofer/lisafs.go, controlFDLisa.
//
// Every name is checked before anything is done. Permissions are the host's, for the user the gofer
// runs as.

import { platform } from 'node:os';
import { linuxerr } from '../abi/errno.ts';
import { RENAME_EXCHANGE, RENAME_NOREPLACE, RENAME_WHITEOUT } from '../abi/fcntl.ts';
import { S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFREG, S_IFSOCK } from '../abi/stat.ts';
import {
  type CreateFileOptions,
  type CreateOptions,
  createFile,
  makeDirectory,
  makeNode,
  makeSymlink,
  type MknodOptions,
  type Owner,
} from './create.ts';
import { HostFile } from './host-file.ts';
import type { HostName } from './host-name.ts';
import { type HostStat, identityOf, isSameFile } from './host-stat.ts';
import { link, lstat, rename, rmdir, unlink } from './node-fs.ts';
import { OpenHostDirectory } from './open-directory.ts';
import { OpenHostFile } from './open-file.ts';
import type { Placed } from './place.ts';

/** Block devices, and what else there may be, are not served. */
const SERVED_TYPES = [S_IFREG, S_IFDIR, S_IFLNK, S_IFCHR, S_IFSOCK, S_IFIFO];

/** Elsewhere link(2) may follow a symbolic link, out of the tree. */
const LINKS_SYMLINKS = platform() === 'linux';

/** A file, a HostDirectory if it is a directory, and its attributes. */
export interface Walked {
  readonly file: HostFile;
  readonly stat: HostStat;
}

/** A file and one of its names. */
export interface LinkSource {
  readonly file: HostFile;
  readonly directory: HostDirectory;
  readonly name: HostName;
}

export class HostDirectory extends HostFile {
  /**
   * The file of a name. A symbolic link is one itself. Whoever calls closes the file.
   *
   * Errors:
   *  - EINVAL, EILSEQ, ENAMETOOLONG for a bad name, as everywhere here.
   *  - ENOENT.
   *  - EPERM for a block device.
   *  - EMFILE, ENFILE of the budget.
   */
  async walk(name: HostName): Promise<Walked> {
    const placed = await this.place.walk(name);
    if (SERVED_TYPES.includes(placed.place.identity.type)) return walked(placed);
    await placed.place.close();
    throw linuxerr.EPERM;
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

  /** Errors: EEXIST; those of giving it away; mkdir(2)'s. */
  async mkdir(name: HostName, options: CreateOptions): Promise<Walked> {
    return walked(await makeDirectory(this.place, name, options));
  }

  /**
   * Makes a regular file or a whiteout.
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
    const { link: linkFile } = this.place.host.calls;
    if (linkFile !== undefined && file.place.isPinned) {
      await file.place.withPath((path) => this.place.withName(name, (to) => linkFile(path, to)));
      return this.#walkTo(name, file);
    }
    if (file.type === S_IFLNK && !LINKS_SYMLINKS) throw linuxerr.EPERM;
    await source.directory.place.withName(source.name, (from) =>
      this.place.withName(name, async (to) => {
        await link(from, to);
        // Another file has that name by now, which nobody wanted to be linked.
        if (!isSameFile(identityOf(await lstat(to)), file.place.identity)) {
          await unlink(to);
          throw linuxerr.ESTALE;
        }
      }),
    );
    return this.#walkTo(name, file);
  }

  async #walkTo(name: HostName, expected: HostFile): Promise<Walked> {
    const found = await this.walk(name);
    if (isSameFile(found.file.place.identity, expected.place.identity)) return found;
    await found.file.close();
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
    await this.place.withName(oldName, (from) =>
      newDirectory.place.withName(newName, async (to) => {
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
  if ((flags & ~known) !== 0) throw linuxerr.EINVAL;
  if ((flags & RENAME_EXCHANGE) !== 0 && replaces !== 0) throw linuxerr.EINVAL;
}

type HostPath = Parameters<typeof link>[0];

/** Errors: EINVAL for what can't be linked; EEXIST. */
async function renameNoReplace(from: HostPath, to: HostPath): Promise<void> {
  const { type } = identityOf(await lstat(from));
  if (type === S_IFDIR || (type === S_IFLNK && !LINKS_SYMLINKS)) throw linuxerr.EINVAL;
  try {
    await link(from, to);
  } catch (error) {
    // The filesystem knows no links, or this file must not be linked.
    throw error === linuxerr.EPERM ? linuxerr.EINVAL : error;
  }
  await unlink(from);
}
