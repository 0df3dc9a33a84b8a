// The order of a client's requests. A 9P server may do what is under way in any order (diod has
// sixteen threads), so what depends on an earlier request is sent once that is answered.

import { AT_REMOVEDIR } from '../abi/fcntl.ts';
import type { ClientFids } from './client-fids.ts';
import type { P9Request } from './client-request.ts';
import type { MessageName } from './messages.ts';
import { LOCK_FLAGS_BLOCK } from './records.ts';

/** They change which names there are: those of one directory, or where whole trees are. */
const NAMING: ReadonlySet<MessageName> = new Set([
  'lcreate',
  'ucreate',
  'symlink',
  'usymlink',
  'mknod',
  'umknod',
  'mkdir',
  'umkdir',
  'link',
  'unlinkat',
]);
const MOVING: ReadonlySet<MessageName> = new Set(['rename', 'renameat', 'remove']);
const CHANGING: ReadonlySet<MessageName> = new Set([
  'setattr',
  'setattrclunk',
  'allocate',
  'setxattr',
  'removexattr',
  'xattrcreate',
  'fsync',
]);

function isMoving({ name, values }: P9Request): boolean {
  return MOVING.has(name) || (name === 'unlinkat' && values.flags === AT_REMOVEDIR);
}

/** Must the later one wait until the earlier one is done? */
export function dependsOn(later: P9Request, earlier: P9Request, fids: ClientFids): boolean {
  const namesLater = NAMING.has(later.name) || isMoving(later);
  const namesEarlier = NAMING.has(earlier.name) || isMoving(earlier);
  if (namesLater && namesEarlier && (isMoving(later) || isMoving(earlier))) return true;
  if (!sharesFile(later, earlier, fids)) return false;
  if (later.name === 'lock') return isBeforeLock(earlier);
  // Whoever needs the lock waits for it.
  if (earlier.name === 'lock') return false;
  if (namesLater && namesEarlier) return later.values.name === earlier.values.name;
  if (namesLater || namesEarlier) return true;
  if (later.name === 'write' || earlier.name === 'write') return !areApart(later, earlier);
  return CHANGING.has(later.name) || CHANGING.has(earlier.name);
}

/**
 * What was changed under a lock is there before that is given up, and the locks of a file are set
 * in order; but for one that is waited for, which may take for ever.
 */
function isBeforeLock({ name, values }: P9Request): boolean {
  if (name === 'lock') return ((values.flags ?? 0) & LOCK_FLAGS_BLOCK) === 0;
  return name === 'write' || CHANGING.has(name);
}

function sharesFile(later: P9Request, earlier: P9Request, fids: ClientFids): boolean {
  return later.fids.some((fid) => {
    const path = fids.pathOf(fid);
    return earlier.fids.some((other) => {
      return other === fid || (path !== undefined && path === fids.pathOf(other));
    });
  });
}

/** Both are reads or writes, and of other bytes. */
function areApart(later: P9Request, earlier: P9Request): boolean {
  const [a, b] = [extentOf(later), extentOf(earlier)];
  return a !== undefined && b !== undefined && (a.end <= b.start || b.end <= a.start);
}

function extentOf({ name, values }: P9Request): { start: number; end: number } | undefined {
  if (name !== 'read' && name !== 'write') return undefined;
  const start = Number(values.offset);
  const length = (name === 'read' ? values.count : values.data?.length) ?? 0;
  return { start, end: start + length };
}
