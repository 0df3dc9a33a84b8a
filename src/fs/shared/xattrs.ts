// Extended attributes of a local filesystem's inodes. Linux: fs/xattr.c, xattr(7). The errors are
// listed in vfs/filesystem.ts, Filesystem.getXattrAt() and setXattrAt().
//
// Kinds: user. for everyone, on files and directories; trusted. for root alone; security. read by
// everyone and written by root. system. (POSIX ACLs) is not supported.

import { linuxerr } from '../../abi/errno.ts';
import { XATTR_CREATE, XATTR_REPLACE } from '../../abi/fcntl.ts';
import { XATTR_LIST_MAX } from '../../abi/limits.ts';
import type { Credentials } from '../../auth/credentials.ts';
import type { Op } from '../../lib/op.ts';
import { utf8Length } from '../../lib/text.ts';
import type { SetXattr } from '../../vfs/options.ts';
import { checkXattr, TRUSTED_PREFIX } from '../../vfs/permissions.ts';
import type { Inode } from './inode.ts';
import type { LocalTree } from './local-tree.ts';
import type { Upstream } from './upstream.ts';

/** File capabilities: capabilities(7). */
const CAPABILITY = 'security.capability';

export type Xattrs = Map<string, Uint8Array>;

/** Without the prefixes that are here, an attribute is of no kind. */
const PREFIXES = ['user.', TRUSTED_PREFIX, 'security.'];

/** Who may is asked first. Errors: EOPNOTSUPP, EINVAL. Linux: xattr_resolve_name(). */
function checkPrefix(name: string): void {
  const isKnown = PREFIXES.some((prefix) => name.startsWith(prefix));
  if (!isKnown) throw linuxerr.EOPNOTSUPP;
  if (PREFIXES.includes(name)) throw linuxerr.EINVAL;
}

export function* getXattr(
  fs: LocalTree,
  inode: Inode,
  name: string,
  creds: Credentials,
): Op<Uint8Array> {
  checkXattr(creds, inode, name, { isWrite: false });
  checkPrefix(name);
  const upstream = unknownIn(fs);
  if (upstream !== undefined) return yield* upstream.getXattr(inode, name);
  const value = (yield* fs.loadXattrs(inode)).get(name);
  if (value === undefined) throw linuxerr.ENODATA;
  return value;
}

/** Errors besides: ENOSPC without room, or if the names would grow beyond XATTR_LIST_MAX. */
export function* setXattr(
  fs: LocalTree,
  inode: Inode,
  { name, value, flags }: SetXattr,
  creds: Credentials,
): Op<void> {
  checkXattr(creds, inode, name, { isWrite: true });
  checkPrefix(name);
  const upstream = unknownIn(fs);
  if (upstream !== undefined) {
    yield* upstream.setXattr(inode, { name, value, flags });
    return;
  }
  yield* fs.makeRoom(value.length);
  const xattrs = yield* fs.loadXattrs(inode);
  const exists = xattrs.has(name);
  if ((flags & XATTR_CREATE) !== 0 && exists) throw linuxerr.EEXIST;
  if ((flags & XATTR_REPLACE) !== 0 && !exists) throw linuxerr.ENODATA;
  if (!exists && listSize([...xattrs.keys(), name]) > XATTR_LIST_MAX) throw linuxerr.ENOSPC;
  fs.checkRoom(value.length);
  if (fs.upstream !== undefined) yield* fs.upstream.setXattr(inode, { name, value, flags });
  // They may have been forgotten meanwhile, and found again.
  (inode.xattrs ?? xattrs).set(name, value.slice());
  changed(fs, inode);
}

export function* removeXattr(
  fs: LocalTree,
  inode: Inode,
  name: string,
  creds: Credentials,
): Op<void> {
  checkXattr(creds, inode, name, { isWrite: true });
  checkPrefix(name);
  const upstream = unknownIn(fs);
  if (upstream !== undefined) {
    yield* upstream.removeXattr(inode, name);
    return;
  }
  const xattrs = yield* fs.loadXattrs(inode);
  if (!xattrs.has(name)) throw linuxerr.ENODATA;
  if (fs.upstream !== undefined) yield* fs.upstream.removeXattr(inode, name);
  (inode.xattrs ?? xattrs).delete(name);
  changed(fs, inode);
}

export function* listXattrs(fs: LocalTree, inode: Inode, creds: Credentials): Op<string[]> {
  if (!inode.hasXattrs && fs.knowsXattrs) return [];
  const upstream = unknownIn(fs);
  const names =
    upstream === undefined
      ? [...(yield* fs.loadXattrs(inode)).keys()]
      : [...(yield* upstream.listXattr(inode))];
  return creds.isPrivileged ? names : names.filter((name) => !name.startsWith(TRUSTED_PREFIX));
}

/**
 * What was changed no longer has the rights it had. Linux: security/commoncap.c
 * cap_inode_killpriv().
 */
export function* dropCapability(fs: LocalTree, inode: Inode): Op<void> {
  const xattrs = yield* fs.loadXattrs(inode);
  if (xattrs.delete(CAPABILITY)) changed(fs, inode);
}

/** Who is asked for each, where others may change them. */
function unknownIn({ upstream, revalidates }: LocalTree): Upstream | undefined {
  return revalidates ? upstream : undefined;
}

/** Bytes of the names with their NULs. */
function listSize(names: readonly string[]): number {
  return names.reduce((sum, name) => sum + utf8Length(name) + 1, 0);
}

function changed(fs: LocalTree, inode: Inode): void {
  inode.hasXattrs = (inode.xattrs?.size ?? 0) > 0;
  inode.ctime = fs.clock.now();
  fs.xattrsChanged(inode);
  fs.inodeChanged(inode);
}
