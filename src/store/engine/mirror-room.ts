// The room that a mirror holds for commits to come, on both of its sides: what one has and the
// other doesn't is of no use.

import type { Op } from '../../lib/op.ts';
import type { Follower } from './follower.ts';
import type { PageDevice } from './page-device.ts';

/** What is left is shared out anew when the leader has less, in bytes. */
const SHARED_BELOW_BYTES = 2 << 20;
/** What is not worth it. */
const SHARED_MIN = 256 * 1024;

/** The least that both hold, of the follower without what is for the commits that it gets yet. */
export function roomOnBoth(leader: PageDevice, follower: Follower): number {
  return Math.min(leader.reservedBytes, roomOf(follower));
}

function roomOf({ device, backlogBytes }: Follower): number {
  return Math.max(0, device.reservedBytes - backlogBytes);
}

/** As PageDevice.reserve(). The follower may be in the middle of a commit. */
export function* reserveOnBoth(leader: PageDevice, follower: Follower, bytes: number): Op<void> {
  yield* reserveOn(follower, bytes);
  if (roomOf(follower) < bytes && follower.backlogBytes > 0) {
    // What is given up with that is room.
    yield* follower.drained();
    yield* reserveOn(follower, bytes);
  }
  yield* leader.reserve(bytes);
  if (leader.reservedBytes < Math.min(bytes, SHARED_BELOW_BYTES)) yield* share(leader, follower);
}

function* reserveOn(follower: Follower, bytes: number): Op<void> {
  yield* follower.device.reserve(bytes + follower.backlogBytes);
}

/**
 * The leader gets half of what the follower holds beyond what it has itself, unless that costs so
 * much that less would be left for the follower.
 */
function* share(leader: PageDevice, follower: Follower): Op<void> {
  const surplus = roomOf(follower) - leader.reservedBytes;
  const half = leader.reservedBytes + Math.floor(surplus / 2);
  const cost = leader.reserveCost?.(half) ?? surplus / 2;
  if (surplus < SHARED_MIN || cost > surplus / 2) return;
  yield* follower.device.release(surplus);
  yield* leader.reserve(half);
  yield* reserveOn(follower, half);
}
