// Reclaim: after the server has lost the session (it was started anew), what is open here is opened
// there again, by path, if it is still the same file. Mirrors gVisor
// pkg/sentry/fsimpl/gofer/save_restore.go.

import { O_RDONLY, O_RDWR, O_WRONLY } from '../../abi/fcntl.ts';
import type { Op } from '../../lib/op.ts';
import type { MountedRoot } from '../../lisafs/client-mount.ts';
import type { RecoveryCalls } from '../../lisafs/client-recovery.ts';
import { NOT_OPEN } from '../../lisafs/extensions.ts';
import type { RequestOf } from '../../lisafs/messages.ts';
import { INVALID_FD } from '../../lisafs/records.ts';
import type { GoferInode } from './gofer-inode.ts';
import type { RemoteFd } from './remote.ts';

type LostFd = RequestOf<'Reclaim'>['lost'][number];

/** So many in one request. */
const BATCH = 500;

/** What is to be opened again. */
export interface Lost {
  readonly inode: GoferInode;
  readonly fd: RemoteFd;
  readonly openFlags: number;
}

/** Files the server had pinned or open. `root` is mounted already. */
export function* reclaim(
  inodes: Iterable<GoferInode>,
  { root, mounted }: { readonly root: GoferInode; readonly mounted: MountedRoot },
  calls: RecoveryCalls,
): Op<void> {
  root.fd?.renew(mounted.fd);
  const lost = [...inodes].flatMap((inode) => lostOf(inode, inode === root));
  for (let at = 0; at < lost.length; at += BATCH) {
    yield* reclaimSome(lost.slice(at, at + BATCH), calls);
  }
}

export function lostOf(inode: GoferInode, isRoot: boolean): Lost[] {
  const { fd, readFd, writeFd, lockReadFd, lockWriteFd } = inode;
  // It is still to be made, under ids that stay what they are.
  if (inode.key === undefined) return [];
  const lost: Lost[] = [];
  if (fd !== undefined && !isRoot) lost.push({ inode, fd, openFlags: NOT_OPEN });
  if (writeFd !== undefined) {
    lost.push({ inode, fd: writeFd, openFlags: writeFd === readFd ? O_RDWR : O_WRONLY });
  }
  if (readFd !== undefined && readFd !== writeFd) {
    lost.push({ inode, fd: readFd, openFlags: O_RDONLY });
  }
  if (lockReadFd !== undefined) lost.push({ inode, fd: lockReadFd, openFlags: O_RDONLY });
  if (lockWriteFd !== undefined) lost.push({ inode, fd: lockWriteFd, openFlags: O_WRONLY });
  return lost;
}

function* reclaimSome(lost: readonly Lost[], calls: RecoveryCalls): Op<void> {
  const findable = lost.filter((each) => {
    if (each.fd.isClosed) return false;
    const isFindable = calls.supports('Reclaim') && pathOf(each.inode) !== undefined;
    if (!isFindable) giveUp(each);
    return isFindable;
  });
  if (findable.length === 0) return;
  const { reclaimed } = yield* calls.call('Reclaim', { lost: findable.map(wireOf) });
  for (const [index, each] of findable.entries()) {
    const answer = reclaimed[index];
    if (answer === undefined || answer.errno !== 0) {
      giveUp(each);
      continue;
    }
    const isOpen = each.openFlags !== NOT_OPEN;
    each.fd.renew(isOpen ? answer.openFD : answer.inode.controlFD);
    // One that pins it comes with each that is open.
    const spare = isOpen ? [answer.inode.controlFD] : [];
    // It was closed while it was on its way here.
    if (each.fd.isClosed) spare.push(each.fd.id);
    const fds = spare.filter((id) => id !== INVALID_FD);
    if (fds.length > 0) calls.send('Close', { fds });
  }
}

function wireOf({ inode, fd, openFlags }: Lost): LostFd {
  const { ino, devMajor, devMinor, btime } = inode.identity;
  return {
    fd: fd.isLost ? INVALID_FD : fd.id,
    path: pathOf(inode) ?? [],
    devMajor,
    devMinor,
    ino,
    btimeSec: btime.sec,
    btimeNsec: btime.nsec,
    openFlags,
  };
}

/** Names from the root; undefined of what has none. */
export function pathOf({ dentry }: GoferInode): string[] | undefined {
  const names: string[] = [];
  for (let at = dentry; at?.parent !== undefined; at = at.parent) {
    if (at.isDead) return undefined;
    names.unshift(at.name);
  }
  return dentry === undefined ? undefined : names;
}

/** It has no descriptor any more: what is done with it fails, and walks look for it by its name. */
export function giveUp({ inode, fd }: Lost): void {
  fd.lose();
  if (inode.fd === fd && inode.dentry !== undefined) inode.fd = undefined;
  if (inode.lockReadFd === fd) inode.lockReadFd = undefined;
  if (inode.lockWriteFd === fd) inode.lockWriteFd = undefined;
  if (inode.refs > 0) return;
  if (inode.readFd === fd) inode.readFd = undefined;
  if (inode.writeFd === fd) inode.writeFd = undefined;
}
