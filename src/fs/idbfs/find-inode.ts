// An inode by its number, for whoever has known it since before the store changed hands. Linux:
// fs/exportfs/expfs.c.

import type { Op } from '../../lib/op.ts';
import type { InodeHint } from '../../vfs/exported.ts';
import { type Inode, LocalDentry } from '../shared/inode.ts';

export interface InodeFinder {
  readonly root: LocalDentry;
  child(dir: LocalDentry, name: string): Op<LocalDentry | undefined>;
  /** A dentry of the inode in the cache. */
  inMemory(ino: number): LocalDentry | undefined;
  load(ino: number): Op<Inode | undefined>;
}

/** The contract: ExportedFilesystem.findInode(). */
export function* findInode(
  { ino, path }: InodeHint,
  finder: InodeFinder,
): Op<LocalDentry | undefined> {
  let dentry: LocalDentry | undefined = finder.root;
  for (const name of path.split('/').filter((part) => part !== '')) {
    dentry = dentry?.inode.isDir === true ? yield* finder.child(dentry, name) : undefined;
  }
  if (dentry?.inode.ino !== ino) dentry = finder.inMemory(ino);
  if (dentry === undefined) {
    const inode = yield* finder.load(ino);
    // A directory without a name would lead nowhere.
    if (inode === undefined || inode.isDir) return undefined;
    dentry = new LocalDentry({ name: `#${ino}`, parent: undefined, inode, isComplete: true });
    dentry.isDead = true;
  }
  dentry.incRef();
  return dentry;
}
