// What is done with a lock held, and the checks that come before.

import { linuxerr } from '../abi/errno.ts';
import { NAME_MAX } from '../abi/limits.ts';
import type { Op } from '../lib/op.ts';
import type { RwLock } from '../lib/rw-lock.ts';
import { isLongerThan } from '../lib/text.ts';
import type { Holder, Node } from './node.ts';

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

/** A file, and the position it was found at. Of a directory the position is enough. */
export type Used = Pick<Holder, 'node'> & Partial<Pick<Holder, 'fileMu'>>;

/** Runs while the file is neither written to, by any of its names, nor removed here. */
export function* usingToRead<T>({ node, fileMu }: Used, run: () => Op<T>): Op<T> {
  if (fileMu === undefined) return yield* withRead(node.opMu, run);
  return yield* withRead(fileMu, () => withRead(node.opMu, run));
}

/** Runs while nobody else uses the file, by any of its names. */
export function* usingToWrite<T>({ node, fileMu }: Used, run: () => Op<T>): Op<T> {
  if (fileMu === undefined) return yield* withWrite(node.opMu, run);
  return yield* withWrite(fileMu, () => withWrite(node.opMu, run));
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
    return yield* usingToRead({ node: child, fileMu: child.fileMu }, look);
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
