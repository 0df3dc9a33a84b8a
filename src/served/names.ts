// Names of a tree: one step down, and what removes names and moves them, whatever the protocol.
// Mirrors gVisor pkg/lisafs/handlers.go (WalkHandler, UnlinkAtHandler, RenameAtHandler), node.go.

import { linuxerr } from '../abi/errno.ts';
import { RENAME_EXCHANGE } from '../abi/fcntl.ts';
import type { Op } from '../lib/op.ts';
import { checkThere, lookingAt, usingToRead, usingToWrite, withRead } from './locked.ts';
import type { Holder, Node } from './node.ts';
import type { PinnedFile, ServedFile } from './served-file.ts';
import type { ServedTree } from './served-tree.ts';

/** Errors: as ServedFile.walk(). Undefined if there is no such name. */
export function* step(node: Node, file: ServedFile, name: string): Op<PinnedFile | undefined> {
  return yield* withRead(node.opMu, function* () {
    if (node.isDeleted) return undefined;
    try {
      return yield* lookingAt(node, name, () => file.walk(name));
    } catch (error) {
      if (error !== linuxerr.ENOENT) throw error;
      return undefined;
    }
  });
}

/** The directory is held for writing. `flags`: 0 or AT_REMOVEDIR. Errors: ServedFile.unlink()'s. */
export function* unlinkLocked(
  tree: ServedTree,
  directory: Holder,
  name: string,
  flags: number,
): Op<void> {
  const { node, file, client } = directory;
  const child = node.hold(name);
  try {
    // Nobody opens it meanwhile, or makes anything in it.
    const used = { node: child, fileMu: child.fileMu };
    yield* usingToWrite(used, () => file.unlink(name, flags));
    tree.entryChanged(directory, name);
    tree.gone(client, child);
    node.remove(name);
  } finally {
    child.release();
  }
}

/**
 * Another name of `target`. The directory is held for writing. Errors: EINVAL of files that have
 * been removed, and of a target that the directory is in; ServedFile.link()'s.
 */
export function* linkLocked(
  tree: ServedTree,
  target: Holder,
  directory: Holder,
  name: string,
): Op<PinnedFile> {
  // The host has made a directory of what was a file.
  if (directory.node.isAtOrBeneath(target.node)) throw linuxerr.EINVAL;
  return yield* usingToRead(target, function* () {
    checkThere(target.node);
    const pinned = yield* directory.file.link(target.file, name);
    tree.attributesChanged(target);
    return pinned;
  });
}

export interface RenamedFrom {
  readonly directory: Holder;
  readonly name: string;
}

/**
 * The whole tree is held for writing. A directory can't be moved into itself: the host tells.
 * Errors: EINVAL of directories that have been removed; ServedFile.rename()'s.
 */
export function* renameLocked(
  tree: ServedTree,
  { directory: from, name: oldName }: RenamedFrom,
  { directory: to, name: newName }: RenamedFrom,
  flags: number,
): Op<void> {
  checkThere(from.node, to.node);
  if (from.node === to.node && oldName === newName) return;
  yield* from.file.rename(oldName, to.file, newName, flags);
  const isExchange = (flags & RENAME_EXCHANGE) !== 0;
  // Of two links of one file, both stay.
  if (!isExchange && (yield* isThere(from.file, oldName))) return;
  const { client } = from;
  const replaced = to.node.peek(newName);
  tree.entryChanged(from, oldName);
  tree.entryChanged(to, newName);
  tree.moved(client, from.node.peek(oldName));
  if (isExchange) tree.moved(client, replaced);
  else if (replaced !== undefined) tree.gone(client, replaced);
  from.node.rename(oldName, to.node, newName, isExchange);
  tellRenamed(to.node, newName);
  if (isExchange) tellRenamed(from.node, oldName);
}

function* isThere(directory: ServedFile, name: string): Op<boolean> {
  try {
    yield* directory.statAt(name);
    return true;
  } catch (error) {
    if (error !== linuxerr.ENOENT) throw error;
    return false;
  }
}

function tellRenamed(directory: Node, name: string): void {
  directory.peek(name)?.tellRenamed();
}
