// Numbers that clients send, looked at before anything is done with them: Node takes a negative
// size for 0 and throws what is no LinuxError for others, and C takes the last 32 bits.

import { linuxerr } from '../abi/errno.ts';

const U32_MAX = 0xffff_ffff;
/** Linux: include/linux/uidgid.h uid_valid(). -1 is nobody's. */
const ID_MAX = U32_MAX - 1;

/** Errors: EINVAL for a negative one; EFBIG for one that is no exact number. */
export function checkSize(size: number): void {
  if (size < 0) throw linuxerr.EINVAL;
  if (!Number.isSafeInteger(size)) throw linuxerr.EFBIG;
}

/** The same for bytes in a file, whose end counts too. */
export function checkRange(offset: number, length: number): void {
  checkSize(offset);
  checkSize(length);
  checkSize(offset + length);
}

/** Ids that are there. Errors: EINVAL; the one that means "leave it" to chown(2) is none. */
export function checkIds(owner: {
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
}): void {
  for (const id of [owner.uid, owner.gid]) {
    if (id !== undefined && !isUpTo(id, ID_MAX)) throw linuxerr.EINVAL;
  }
}

/** Errors: EINVAL for what has more than 32 bits, or any that isn't `known`. */
export function checkFlags(flags: number, known = U32_MAX): void {
  if (!isUpTo(flags, U32_MAX) || (flags & ~known) !== 0) throw linuxerr.EINVAL;
}

function isUpTo(value: number, max: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= max;
}
