// PathCalls: how a system call's path is resolved: from where, with which rights, and with what it
// stands on held. Base of the calls that take one.

import { linuxerr } from '../abi/errno.ts';
import { AT_EMPTY_PATH, AT_FDCWD, AT_RESOLVE_BENEATH, AT_SYMLINK_NOFOLLOW } from '../abi/fcntl.ts';
import type { Op } from '../lib/op.ts';
import { checkPathText, type PathOperation } from '../vfs/resolving-path.ts';
import type { FileDescription } from '../vfs/file-description.ts';
import { DescriptorCalls } from './descriptor-calls.ts';

export class PathCalls extends DescriptorCalls {
  /**
   * What to resolve. The directory stays open while its description has a reference, which at()
   * sees to.
   *
   * Errors, first one wins: ENAMETOOLONG; ENOENT for an empty path; EBADF if dirfd isn't open (not
   * looked at for an absolute path).
   */
  #operation(dirfd: number, path: string, flags: number): PathOperation {
    checkPathText(path);
    const mayBeEmpty = (flags & AT_EMPTY_PATH) !== 0;
    if (path === '' && !mayBeEmpty) throw linuxerr.ENOENT;
    const { task } = this;
    const isAbsolute = path.startsWith('/');
    return {
      root: task.root,
      start: isAbsolute || dirfd === AT_FDCWD ? task.cwd : task.fds.get(dirfd).vd,
      path,
      followFinalSymlink: (flags & AT_SYMLINK_NOFOLLOW) === 0,
      isBeneath: (flags & AT_RESOLVE_BENEATH) !== 0,
      mayBeEmpty,
    };
  }

  /**
   * Runs a path operation with its directory held: dirfd may be closed while it waits. No generator
   * itself: most paths have no dirfd, and one generator less is a tenth of a stat.
   */
  protected at<T>(
    dirfd: number,
    path: string,
    flags: number,
    run: (operation: PathOperation) => Op<T>,
  ): Op<T> {
    try {
      const operation = this.#operation(dirfd, path, flags);
      const directory = dirfd === AT_FDCWD ? undefined : this.task.fds.find(dirfd);
      return directory === undefined ? run(operation) : holding(directory, run(operation));
    } catch (error) {
      return failing(error);
    }
  }

  /** A path from the working directory. */
  protected here<T>(path: string, flags: number, run: (operation: PathOperation) => Op<T>): Op<T> {
    return this.at(AT_FDCWD, path, flags, run);
  }
}

function* holding<T>(directory: FileDescription, op: Op<T>): Op<T> {
  directory.incRef();
  try {
    return yield* op;
  } finally {
    directory.decRef();
  }
}

/** An operation fails when it is run, not when it is made. */
function* failing(error: unknown): Op<never> {
  throw error;
}

/** Errors: EINVAL for flags a call doesn't know. Before its path is looked at. */
export function checkFlags(flags: number, known: number): void {
  if ((flags & ~(known | AT_RESOLVE_BENEATH)) !== 0) throw linuxerr.EINVAL;
}
