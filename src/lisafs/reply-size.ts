// How large a reply may get, by what was asked: a server must not begin more than it has room to
// answer, and a client must not ask for more than a server would keep.

import { PATH_MAX, XATTR_LIST_MAX, XATTR_SIZE_MAX } from '../abi/limits.ts';
import type { FieldTable, StructValues } from '../lib/wire.ts';
import { LIST_CONTROL_FDS } from './extensions.ts';
import { type MessageName, messageRow, type RequestOf } from './messages.ts';
import { inode, statx } from './records.ts';

/** Of a reply, beside what is named below. */
const REPLY_BYTES = statx.sizeMin + inode.sizeMin + 64;
/** ReclaimedFD. */
const RECLAIMED_BYTES = inode.sizeMin + 12;

/** As much as there is, whatever is asked for. */
const CONTENTS_BYTES: Partial<Record<MessageName, number>> = {
  ReadLinkAt: PATH_MAX,
  FGetXattr: XATTR_SIZE_MAX,
  FListXattr: XATTR_LIST_MAX,
};

/**
 * Is the reply kept until it is known to have come? Those to what may be done again are not; to
 * begin to list a directory is such, unless that makes FDs.
 */
export function isReplyKept(name: MessageName, values: StructValues<FieldTable>): boolean {
  if (name === 'ListDir') {
    const { cookie, flags } = values as RequestOf<'ListDir'>;
    return cookie !== 0 || (flags & LIST_CONTROL_FDS) !== 0;
  }
  return !messageRow(name).isRetrySafe;
}

/** Bytes of the payload at most. */
export function replyBytesMax(
  name: MessageName,
  values: StructValues<FieldTable>,
  payloadMax: number,
): number {
  const asked = values as {
    readonly maxBytes?: number;
    readonly count?: number;
    readonly path?: readonly string[];
    readonly lost?: readonly unknown[];
  };
  const { maxBytes = 0, count = 0, path = [], lost = [] } = asked;
  const contents = CONTENTS_BYTES[name] ?? Math.max(maxBytes, count, 0);
  const each = path.length * inode.sizeMin + lost.length * RECLAIMED_BYTES;
  return Math.min(REPLY_BYTES + contents + each, payloadMax);
}
