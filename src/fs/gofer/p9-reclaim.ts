// P9 reclaim: a link is gone, and all fids with it. Files are walked to again by their paths, with
// the fids they had, and opened again if they are still the same. Mirrors gVisor
// pkg/sentry/fsimpl/gofer/save_restore.go.

import { LinuxError } from '../../abi/errno.ts';
import { assertDefined } from '../../lib/assert.ts';
import type { Op } from '../../lib/op.ts';
import type { Reply } from '../../link/reply.ts';
import { NOT_OPEN } from '../../lisafs/extensions.ts';
import type { P9Client } from '../../p9/client.ts';
import type { RestoringCalls } from '../../p9/client-options.ts';
import type { RMessage } from '../../p9/messages.ts';
import { WALK_NAMES_MAX } from '../../p9/records.ts';
import type { GoferInode } from './gofer-inode.ts';
import { giveUp, type Lost, lostOf, pathOf } from './reclaim.ts';
import type { RemoteFd } from './remote.ts';

/** So many walks at a time. */
const BATCH = 64;

export interface P9Reclaiming {
  readonly root: GoferInode;
  readonly client: Pick<P9Client, 'closeFid'>;
  readonly calls: RestoringCalls;
}

/** Errors: EIO if this link is gone as well. */
export function* reclaimFids(inodes: Iterable<GoferInode>, reclaiming: P9Reclaiming): Op<void> {
  const { root } = reclaiming;
  const all = [...inodes].flatMap((inode) => lostOf(inode, inode === root));
  // What is closed has no number, or one that may be another file's by now.
  const lost = all.filter(({ fd }) => !fd.isClosed);
  for (let at = 0; at < lost.length; at += BATCH) {
    yield* reclaimSome(lost.slice(at, at + BATCH), reclaiming);
  }
}

/** A walk of each at a time, as far as one message leads; then the rest; then they are opened. */
function* reclaimSome(lost: readonly Lost[], { client, calls }: P9Reclaiming): Op<void> {
  let walking: Walk[] = lost.map((each) => ({ each, names: pathOf(each.inode), at: 0 }));
  const reached: Lost[] = [];
  while (walking.length > 0) {
    const steps = walking.map((walk) => ({ ...walk, reply: stepOf(walk, calls) }));
    walking = [];
    for (const { each, names = [], at, reply } of steps) {
      const answer = reply === undefined ? undefined : yield* answered(reply.wait());
      const next = at + WALK_NAMES_MAX;
      const count = Math.min(names.length, next) - at;
      const isThere = answer?.qids.length === count;
      const isLast = next >= names.length;
      const isSame = !isLast || answer?.qids.at(-1)?.path === each.inode.identity.ino;
      if (!isThere || !isSame) lose(each, client);
      else if (isLast) reached.push(each);
      else walking.push({ each, names, at: next });
    }
  }
  const opening = reached.filter(({ openFlags }) => openFlags !== NOT_OPEN);
  const replies = opening.map(({ fd, openFlags: flags }) =>
    calls.send('lopen', { fid: fd.id, flags }),
  );
  for (const [index, reply] of replies.entries()) {
    const answer = yield* answered(reply.wait());
    if (answer === undefined) lose(assertDefined(opening[index]), client);
  }
}

interface Walk {
  readonly each: Lost;
  readonly names: readonly string[] | undefined;
  readonly at: number;
}

/** From the root with the first names, and on from there with those that follow. */
function stepOf(
  { each, names, at }: Walk,
  calls: RestoringCalls,
): Reply<RMessage<'walk'>> | undefined {
  if (names === undefined || names.length === 0) return undefined;
  const { id } = each.fd;
  const some = names.slice(at, at + WALK_NAMES_MAX);
  return calls.send('walk', { fid: at === 0 ? calls.root : id, newfid: id, names: some });
}

/** Undefined if it failed. Errors: EIO, as the link is gone. */
function* answered<T>(op: Op<T>): Op<T | undefined> {
  try {
    return yield* op;
  } catch (error) {
    if (error instanceof LinuxError) return undefined;
    throw error;
  }
}

/** The number may be another file's soon: whoever still has it has one that is nobody's. */
function lose(each: Lost, client: P9Reclaiming['client']): void {
  const { id } = each.fd;
  giveUp(each);
  client.closeFid(id);
}

/** Whose descriptor it is, by name. */
export function namesOf(inodes: Iterable<GoferInode>, fd: RemoteFd): readonly string[] | undefined {
  for (const inode of inodes) if (inode.fd === fd) return pathOf(inode);
  return undefined;
}
