// What a mount begins with: the items that lead to everything else, and an inode as its item has
// it.

import { linuxerr } from '../../abi/errno.ts';
import { FILE_SIZE_MAX } from '../../abi/limits.ts';
import type { Op } from '../../lib/op.ts';
import type { Store } from '../../store/store.ts';
import { CHUNK_SIZE } from '../shared/file-data.ts';
import type { Inode } from '../shared/inode.ts';
import {
  decodeFilesystem,
  decodeInode,
  decodeName,
  filesystemKey,
  inodeKey,
  isKnownFormat,
  nameKey,
  ROOT_INO,
} from './items.ts';

export interface FilesystemStart {
  readonly nextIno: number;
  readonly rootItem: Uint8Array;
}

/**
 * Of an empty store undefined.
 *
 * Errors: EIO of the store; EINVAL for a format of a later version.
 */
export function* readStart(store: Store): Op<FilesystemStart | undefined> {
  const header = yield* store.get(filesystemKey);
  if (header === undefined) return undefined;
  const { formatVersion, nextIno } = decodeFilesystem(header);
  if (!isKnownFormat(formatVersion)) throw linuxerr.EINVAL;
  const rootItem = yield* store.get(inodeKey(ROOT_INO));
  if (rootItem === undefined) throw linuxerr.EIO;
  return { nextIno, rootItem };
}

/**
 * The mode of what lies at a path in a store, as names from the root on; undefined if there is
 * nothing. Errors: EIO.
 */
export function* modeAt(store: Store, names: readonly string[]): Op<number | undefined> {
  let ino = ROOT_INO;
  for (const name of names) {
    const entry = yield* store.get(nameKey(ino, name));
    if (entry === undefined) return undefined;
    ino = decodeName(entry).ino;
  }
  const item = yield* store.get(inodeKey(ino));
  if (item === undefined) throw linuxerr.EIO;
  return decodeInode(item).mode;
}

/** What an inode has besides what it is made with. */
export function fillInode(inode: Inode, stored: ReturnType<typeof decodeInode>): void {
  const { nlink, size, entryCount, nextCookie, atime, mtime, ctime, btime, hasXattrs } = stored;
  Object.assign(inode, { nlink, size, entryCount, nextCookie, atime, mtime, ctime, btime });
  inode.hasXattrs = hasXattrs;
  const { data } = inode;
  if (data === undefined) return;
  data.blockCount = stored.blockCount;
  data.mayReachBehindEnd = stored.mayReachBehindEnd;
  const end = data.mayReachBehindEnd ? FILE_SIZE_MAX : size;
  data.storedChunks = Math.ceil(end / CHUNK_SIZE);
}
