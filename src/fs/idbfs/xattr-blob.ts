// The extended attributes of an inode as bytes: an object of the store of its own, beside the
// file's data.
//
// The length of what follows (u32), then for each attribute: the length of the name (u16), of the
// value (u32), the name as UTF-8, the value. Little-endian.

import { linuxerr } from '../../abi/errno.ts';
import { decodeUtf8, encodeUtf8 } from '../../lib/text.ts';
import type { Run } from '../../store/store.ts';
import type { Xattrs } from '../shared/xattrs.ts';

/** Objects from here on are extended attributes; inodes' numbers are below. */
export const XATTR_OBJECTS = 2 ** 52;
const LENGTH_SIZE = 4;
const HEADER_SIZE = 6;
/** Bytes read at once: more than the names and values of a file can take. */
export const XATTRS_SIZE_MAX = 1 << 30;

export function xattrObject(ino: number): number {
  return XATTR_OBJECTS + ino;
}

export function encodeXattrs(xattrs: Xattrs): Run[] {
  if (xattrs.size === 0) return [];
  const names = [...xattrs].map(([name, value]) => ({ name: encodeUtf8(name), value }));
  const length = names.reduce(
    (sum, { name, value }) => sum + HEADER_SIZE + name.length + value.length,
    0,
  );
  const bytes = new Uint8Array(LENGTH_SIZE + length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, length, true);
  let at = LENGTH_SIZE;
  for (const { name, value } of names) {
    view.setUint16(at, name.length, true);
    view.setUint32(at + 2, value.length, true);
    bytes.set(name, at + HEADER_SIZE);
    bytes.set(value, at + HEADER_SIZE + name.length);
    at += HEADER_SIZE + name.length + value.length;
  }
  return [{ offset: 0, bytes }];
}

/** Errors: EIO if they can't be what was written. */
export function decodeXattrs(runs: readonly Run[]): Xattrs {
  const last = runs.at(-1);
  if (last === undefined) throw linuxerr.EIO;
  const bytes = new Uint8Array(last.offset + last.bytes.length + LENGTH_SIZE);
  for (const run of runs) bytes.set(run.bytes, run.offset);
  const view = new DataView(bytes.buffer);
  const end = LENGTH_SIZE + view.getUint32(0, true);
  const xattrs: Xattrs = new Map();
  for (let at = LENGTH_SIZE; at < end;) {
    if (at + HEADER_SIZE > bytes.length) throw linuxerr.EIO;
    const nameEnd = at + HEADER_SIZE + view.getUint16(at, true);
    const valueEnd = nameEnd + view.getUint32(at + 2, true);
    if (valueEnd > end) throw linuxerr.EIO;
    // Zeros at the end of a value are not stored.
    const value = new Uint8Array(valueEnd - nameEnd);
    value.set(bytes.subarray(nameEnd, Math.min(valueEnd, bytes.length)));
    xattrs.set(decodeUtf8(bytes.subarray(at + HEADER_SIZE, nameEnd)), value);
    at = valueEnd;
  }
  return xattrs;
}
