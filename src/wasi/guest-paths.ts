// Where a path lies that a program gives to an import other than preview1's: as the program sees
// the tree, through its preopens, which it may not leave.

import { linuxerr } from '../abi/errno.ts';
import { AT_FDCWD, AT_RESOLVE_BENEATH } from '../abi/fcntl.ts';
import type { WasiContext } from './context.ts';

export interface GuestPath {
  readonly dirfd: number;
  readonly path: string;
  /** AT_RESOLVE_BENEATH, or 0 for a program that has the whole tree. */
  readonly flags: number;
}

/**
 * Errors: ENOTCAPABLE for a path beneath no preopen. A relative path is beneath "/" where there is
 * no working directory.
 */
export function locateGuestPath(
  { descriptors }: WasiContext,
  dirfd: number,
  path: string,
): GuestPath {
  if (dirfd !== AT_FDCWD && !path.startsWith('/')) {
    const isRoot = descriptors.find(dirfd)?.preopen?.isRoot === true;
    return { dirfd, path, flags: isRoot ? 0 : AT_RESOLVE_BENEATH };
  }
  if (descriptors.hasRoot) return { dirfd: AT_FDCWD, path, flags: 0 };
  const wanted = clean(path);
  let found: { readonly fd: number; readonly rest: string; readonly length: number } | undefined;
  for (const { fd, name } of descriptors.preopens) {
    const prefix = clean(name).replace(/\/+$/, '');
    const isAbove = prefix === '' || wanted === prefix || wanted.startsWith(`${prefix}/`);
    if (!isAbove || prefix.length < (found?.length ?? 0)) continue;
    found = { fd, rest: wanted.slice(prefix.length).replace(/^\/+/, ''), length: prefix.length };
  }
  if (found === undefined) throw linuxerr.ENOTCAPABLE;
  return { dirfd: found.fd, path: found.rest === '' ? '.' : found.rest, flags: AT_RESOLVE_BENEATH };
}

/** As wasi-libc compares paths with preopens: without leading slashes and dots. */
function clean(path: string): string {
  const rest = path.replace(/^(\.?\/+)+/, '');
  return rest === '.' ? '' : rest;
}
