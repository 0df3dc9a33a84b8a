// What a gofer knows of a server's tree is so, once nothing is under way.

import { S_IFMT, S_IFREG } from '../../src/abi/stat.ts';
import type { Gofer } from '../../src/fs/gofer/gofer.ts';
import type { GoferInode } from '../../src/fs/gofer/gofer-inode.ts';
import { BLOCK_SIZE } from '../../src/fs/shared/file-data.ts';
import type { LocalDentry } from '../../src/fs/shared/inode.ts';
import type { MemoryInode } from './stepped-tree.ts';

export interface CopyOptions {
  /** Others have changed something, which is told only of what the server has pinned. */
  readonly isShared: boolean;
}

/** Of one where what is known isn't looked at again before it is used. */
export function checkCopy(root: LocalDentry, served: MemoryInode, { isShared }: CopyOptions): void {
  const isTold = ({ fd }: GoferInode): boolean => !isShared || fd !== undefined;
  const visit = (dir: LocalDentry, there: MemoryInode, path: string): void => {
    const inode = dir.inode as GoferInode;
    if (isTold(inode)) checkListing(inode, there, path);
    for (const [name, child] of dir.children ?? []) {
      // What is mounted there keeps the name, whatever becomes of it at the server.
      if (child.mountCount > 0) continue;
      const found = there.names.get(name);
      const own = child.inode as GoferInode;
      if (isTold(inode)) checkName(own, found, `${path}/${name}`);
      if (isTold(own)) checkFile(own, found, `${path}/${name}`);
      if (found !== undefined) visit(child, found, `${path}/${name}`);
    }
  };
  visit(root, served, '');
}

function checkListing({ listing }: GoferInode, there: MemoryInode, path: string): void {
  if (listing === undefined) return;
  const known = [...listing.entries.keys()].toSorted().join(' ');
  const names = [...there.names.keys()].toSorted().join(' ');
  if (known !== names) throw new Error(`${path}/ is [${names}], and known as [${known}]`);
}

function checkName({ identity }: GoferInode, there: MemoryInode | undefined, path: string): void {
  if (there?.ino === identity.ino) return;
  throw new Error(`${path} is file ${there?.ino}, and known as file ${identity.ino}`);
}

function checkFile(inode: GoferInode, there: MemoryInode | undefined, path: string): void {
  if (inode.freshness.isStale) return;
  const known = describe(inode, inode.identity.ino, inode.size);
  const served =
    there === undefined ? 'nothing' : describe(there.statx, there.ino, there.statx.size);
  if (known !== served) throw new Error(`${path} is ${served}, and known as ${known}`);
  if (there !== undefined) checkData(inode, there.data, path);
}

interface Attributes {
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
}

function describe({ mode, nlink, uid, gid }: Attributes, ino: bigint, size: number): string {
  const length = (mode & S_IFMT) === S_IFREG ? `, ${size} bytes` : '';
  return `file ${ino}, ${mode.toString(8)}, ${uid}:${gid}, ${nlink} links${length}`;
}

/** Of what is in memory. */
function checkData({ cached, size }: GoferInode, there: Uint8Array, path: string): void {
  if (cached === undefined) return;
  for (let at = 0; at < size; at += BLOCK_SIZE) {
    const bytes = new Uint8Array(Math.min(BLOCK_SIZE, size - at));
    if (cached.firstMissing(at, at + bytes.length) >= 0) continue;
    cached.read(bytes, at, bytes.length);
    if (bytes.every((byte, index) => byte === there[at + index])) continue;
    throw new Error(`${path} has other bytes from ${at} on than are known`);
  }
}

/** What the server has open for it. */
export function knownFds({ knownInodes }: Gofer): number[] {
  return [...knownInodes].flatMap(({ fd, readFd, writeFd, lockReadFd, lockWriteFd }) => {
    const all = [fd, readFd, writeFd, lockReadFd, lockWriteFd];
    return [...new Set(all.flatMap((each) => (each === undefined ? [] : [each.id])))];
  });
}
