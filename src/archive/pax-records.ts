// The records of a pax extended header: "length keyword=value\n". POSIX: pax, "pax Header Block".
// Values are bytes: those of extended attributes need not be text.

import type { Timespec } from '../lib/clock.ts';
import { decodeUtf8, encodeUtf8 } from '../lib/text.ts';
import { damaged } from './archive-error.ts';

export type PaxRecords = Map<string, Uint8Array>;

/** Bytes of one extended header; more is refused when reading, and not written: E2BIG. */
export const PAX_SIZE_MAX = 1 << 20;

/** star's keyword for an extended attribute, which GNU tar and bsdtar took over. */
const XATTR_KEYWORD = 'SCHILY.xattr.';

export function encodeRecords(records: PaxRecords): Uint8Array {
  const encoded = [...records].map(([keyword, value]) => encodeRecord(keyword, value));
  const bytes = new Uint8Array(encoded.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const record of encoded) {
    bytes.set(record, at);
    at += record.length;
  }
  return bytes;
}

function encodeRecord(keyword: string, value: Uint8Array): Uint8Array {
  const key = encodeUtf8(`${keyword}=`);
  // The length counts its own digits.
  const rest = 1 + key.length + value.length + 1;
  let length = rest;
  while (length !== rest + String(length).length) length = rest + String(length).length;
  const bytes = new Uint8Array(length);
  const start = encodeUtf8(`${length} `);
  bytes.set(start);
  bytes.set(key, start.length);
  bytes.set(value, start.length + key.length);
  bytes[length - 1] = NEWLINE;
  return bytes;
}

const NEWLINE = 0x0a;
const SPACE = 0x20;
const EQUALS = 0x3d;
const LENGTH_DIGITS_MAX = 20;

/** GNU tar 1.14 had the map of a file with holes as repeated records, later ones as a list. */
const SPARSE_PARTS = ['GNU.sparse.offset', 'GNU.sparse.numbytes'];
const SPARSE_MAP = 'GNU.sparse.map';

/** Errors: ArchiveError, which says that `what` is damaged. */
export function decodeRecords(bytes: Uint8Array, what: string): PaxRecords {
  const records: PaxRecords = new Map();
  const sparseParts: string[] = [];
  let rest = bytes;
  while (rest.length > 0) {
    const space = rest.subarray(0, LENGTH_DIGITS_MAX).indexOf(SPACE);
    const digits = decodeUtf8(rest.subarray(0, Math.max(0, space)));
    const length = /^\d+$/.test(digits) ? Number(digits) : 0;
    const record = rest.subarray(space + 1, length);
    const equals = record.indexOf(EQUALS);
    if (length > rest.length || equals < 1 || record.at(-1) !== NEWLINE) {
      throw damaged(`${what} is damaged: its extended header`);
    }
    const keyword = decodeUtf8(record.subarray(0, equals));
    const value = record.slice(equals + 1, -1);
    if (SPARSE_PARTS.includes(keyword)) sparseParts.push(decodeUtf8(value));
    else records.set(keyword, value);
    rest = rest.subarray(length);
  }
  if (sparseParts.length > 0) records.set(SPARSE_MAP, encodeUtf8(sparseParts.join(',')));
  return records;
}

/** Seconds with as many decimals as there are nanoseconds. */
export function encodeTime({ sec, nsec }: Timespec): string {
  const isNegative = sec < 0 && nsec > 0;
  const whole = isNegative ? -(sec + 1) : sec;
  const fraction = isNegative ? 1_000_000_000 - nsec : nsec;
  const decimals = String(fraction).padStart(9, '0').replace(/0+$/, '');
  return `${isNegative ? '-' : ''}${whole}${decimals === '' ? '' : `.${decimals}`}`;
}

/** Undefined for what is no time. */
export function parseTime(text: string): Timespec | undefined {
  const [, sign, whole, decimals = ''] = /^(-?)(\d{1,15})(?:\.(\d*))?$/.exec(text) ?? [];
  if (whole === undefined) return undefined;
  const nsec = Number(decimals.slice(0, 9).padEnd(9, '0'));
  if (sign === '') return { sec: Number(whole), nsec };
  return nsec === 0
    ? { sec: 0 - Number(whole), nsec }
    : { sec: -Number(whole) - 1, nsec: 1_000_000_000 - nsec };
}

/** GNU tar: src/xheader.c xattr_encode_keyword(). The first '=' ends a keyword. */
export function keywordOf(xattr: string): string {
  return XATTR_KEYWORD + xattr.replaceAll('%', '%25').replaceAll('=', '%3D');
}

/** The name of the extended attribute that a keyword stands for, if it does. */
export function xattrOf(keyword: string): string | undefined {
  if (!keyword.startsWith(XATTR_KEYWORD)) return undefined;
  const name = keyword.slice(XATTR_KEYWORD.length);
  return name.replaceAll('%3D', '=').replaceAll('%25', '%');
}
