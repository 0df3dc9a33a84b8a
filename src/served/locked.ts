// What is done with a lock held, and the checks that come before.

import { linuxerr } from '../abi/errno.ts';
import { NAME_MAX } from '../abi/limits.ts';
import type { Op } from '../lib/op.ts';
import type { RwLock } from '../lib/rw-lock.ts';
import { isLongerThan } from '../lib/text.ts';
import type { Node } from './node.ts';

export function* withRead<T>(lock: RwLock, run: () => Op<T>): Op<T> {
  yield* lock.lockRead();
  try {
    return yield* run();
  } finally {
    lock.unlockRead();
  }
}

export function* withWrite<T>(lock: RwLock, run: () => Op<T>): Op<T> {
  yield* lock.lockWrite();
  try {
    return yield* run();
  } finally {
    lock.unlockWrite();
  }
}

/**
 * Looks at a name of a directory, which is held: after what has been begun with the file by one of
 * those who hold it.
 */
export function* lookingAt<T>(directory: Node, name: string, look: () => Op<T>): Op<T> {
  const child = directory.peek(name);
  if (child === undefined) return yield* look();
  child.retain();
  try {
    return yield* withRead(child.opMu, look);
  } finally {
    child.release();
  }
}

/** Errors: EINVAL if it isn't one component; ENAMETOOLONG. */
export function checkName(name: string): void {
  const isComponent = name !== '' && name !== '.' && name !== '..';
  if (!isComponent || name.includes('/') || name.includes('\0')) throw linuxerr.EINVAL;
  if (isLongerThan(name, NAME_MAX)) throw linuxerr.ENAMETOOLONG;
}

/** Errors: EINVAL. */
export function checkThere(...nodes: readonly Node[]): void {
  if (nodes.some(({ isDeleted }) => isDeleted)) throw linuxerr.EINVAL;
}
