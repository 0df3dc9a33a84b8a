// Where a zip archive's directory is: what the record at its end says, or the larger one before it.

import { damaged } from './archive-error.ts';
import type { RandomAccess } from './byte-reader.ts';
import { endRecord, endRecord64, locator64, MAX_16, MAX_32, SIGNATURE } from './zip-records.ts';

export interface Directory {
  readonly entries: number;
  /** In bytes from the archive's start. */
  readonly start: number;
  readonly end: number;
  /** Bytes in front of the archive that its offsets don't count: a program that unpacks it. */
  readonly shift: number;
}

const NOT_WHOLE = 'the archive has no directory at its end: it is cut off, or no zip archive';
const DAMAGED = "the archive's directory is damaged";

interface End {
  readonly entries: number;
  readonly centralSize: number;
  readonly centralOffset: number;
  readonly disks: readonly number[];
}

/** Errors: ArchiveError. */
export async function findDirectory(access: RandomAccess): Promise<Directory> {
  const tailSize = Math.min(access.size, endRecord.size + MAX_16);
  const tailOffset = access.size - tailSize;
  const tail = await readWhole(access, tailOffset, tailSize);
  const at = lastEndIn(tail);
  if (at === undefined) throw damaged(NOT_WHOLE);
  const plain = endRecord.decode(tail.subarray(at))?.values;
  if (plain === undefined) throw damaged(NOT_WHOLE);
  let end = tailOffset + at;
  let found: End = { ...plain, disks: [plain.disk, plain.centralDisk] };
  const isFull =
    plain.entries === MAX_16 || plain.centralSize === MAX_32 || plain.centralOffset === MAX_32;
  const larger = isFull ? await findEnd64(access, end) : undefined;
  if (larger !== undefined) {
    end = larger.at;
    found = larger.end;
  }
  const { entries, centralSize, centralOffset, disks } = found;
  if (disks.some((disk) => disk !== 0)) throw damaged('the archive has several volumes');
  const start = end - centralSize;
  const shift = start - centralOffset;
  if (start < 0 || shift < 0) throw damaged(DAMAGED);
  return { entries, start, end, shift };
}

async function readWhole(access: RandomAccess, offset: number, size: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(size);
  for (let filled = 0; filled < size;) {
    const part = await access.read(offset + filled, size - filled);
    if (part.length === 0) throw damaged(NOT_WHOLE);
    bytes.set(part, filled);
    filled += part.length;
  }
  return bytes;
}

/** The last one whose comment ends with the archive. */
function lastEndIn(tail: Uint8Array): number | undefined {
  for (let at = tail.length - endRecord.size; at >= 0; at--) {
    if (tail[at] !== 0x50) continue;
    const { values, rest } = endRecord.decode(tail.subarray(at)) ?? {};
    if (values?.signature === SIGNATURE.end && values.commentSize === rest?.length) return at;
  }
  return undefined;
}

async function findEnd64(
  access: RandomAccess,
  endOffset: number,
): Promise<{ at: number; end: End } | undefined> {
  const locatorOffset = endOffset - locator64.size;
  if (locatorOffset < 0) return undefined;
  const locator = locator64.decode(await readWhole(access, locatorOffset, locator64.size));
  if (locator?.values.signature !== SIGNATURE.locator64) return undefined;
  // Where it says, or, if there is something in front of the archive, right before the locator.
  for (const at of [locator.values.endOffset, locatorOffset - endRecord64.size]) {
    if (at < 0 || at + endRecord64.size > locatorOffset) continue;
    const values = endRecord64.decode(await readWhole(access, at, endRecord64.size))?.values;
    if (values?.signature !== SIGNATURE.end64) continue;
    return { at, end: { ...values, disks: [values.disk, values.centralDisk] } };
  }
  throw damaged(DAMAGED);
}
