// The header block of a tar archive. POSIX: pax, "ustar Interchange Format"; GNU tar: src/tar.h.

import { decodeUtf8Strict, encodeUtf8 } from '../lib/text.ts';
import { damaged, quote } from './archive-error.ts';

export const BLOCK_SIZE = 512;

/** Field → offset and size. */
const FIELDS = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  checksum: [148, 8],
  typeflag: [156, 1],
  linkname: [157, 100],
  magic: [257, 6],
  version: [263, 2],
  devmajor: [329, 8],
  devminor: [337, 8],
  prefix: [345, 155],
} as const;

type FieldName = keyof typeof FIELDS;

/** star keeps times behind a shorter prefix, and says so at the end of the block. */
const STAR_PREFIX_SIZE = 131;
const STAR_MAGIC = [508, 4] as const;

const USTAR_MAGIC = 'ustar';
const latin1 = new TextDecoder('latin1');

/** Written into a name or number's field it leaves no room for more. */
export const NAME_SIZE_MAX = FIELDS.name[1];
export const ID_MAX = 0o7777777;
export const SIZE_MAX = 0o77777777777;

export const TYPEFLAG = {
  file: '0',
  link: '1',
  symlink: '2',
  characterDevice: '3',
  blockDevice: '4',
  directory: '5',
  fifo: '6',
  contiguous: '7',
  /** pax: of the next entry, of all from here on. */
  extended: 'x',
  global: 'g',
  /** Solaris' name for 'x'. */
  solarisExtended: 'X',
  /** GNU tar: the next entry's name, link target; a file with holes; others. */
  gnuLongName: 'L',
  gnuLongLink: 'K',
  gnuSparse: 'S',
  gnuDumpDirectory: 'D',
  gnuVolume: 'V',
  gnuContinued: 'M',
} as const;

export interface TarHeader {
  readonly name: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: number;
  readonly typeflag: string;
  readonly linkname: string;
  readonly devmajor: number;
  readonly devminor: number;
}

/** A header block. What is too long for its field is cut, too large a number becomes 0. */
export function encodeHeader(header: TarHeader): Uint8Array {
  const block = new Uint8Array(BLOCK_SIZE);
  const putText = (field: FieldName, text: string): void => {
    const [offset, size] = FIELDS[field];
    block.set(encodeUtf8(text).subarray(0, size), offset);
  };
  const putNumber = (field: FieldName, value: number): void => {
    const digits = FIELDS[field][1] - 1;
    const fits = Number.isInteger(value) && value >= 0 && value < 8 ** digits;
    putText(field, (fits ? value : 0).toString(8).padStart(digits, '0'));
  };
  for (const field of ['name', 'typeflag', 'linkname'] as const) putText(field, header[field]);
  for (const field of NUMBERS) putNumber(field, header[field]);
  putText('magic', USTAR_MAGIC);
  putText('version', '00');
  // Six digits, a NUL and a space.
  putText('checksum', `${checksumsOf(block).unsigned.toString(8).padStart(6, '0')}\0 `);
  return block;
}

const NUMBERS = ['mode', 'uid', 'gid', 'size', 'mtime', 'devmajor', 'devminor'] as const;

/** Sums of all bytes, the checksum's own taken for spaces. Old tars summed signed ones. */
function checksumsOf(block: Uint8Array): { unsigned: number; signed: number } {
  const [start, size] = FIELDS.checksum;
  let [unsigned, signed] = [0, 0];
  for (const [index, byte] of block.entries()) {
    const value = index >= start && index < start + size ? 0x20 : byte;
    unsigned += value;
    signed += value < 0x80 ? value : value - 0x100;
  }
  return { unsigned, signed };
}

export function isZeroBlock(block: Uint8Array): boolean {
  return block.every((byte) => byte === 0);
}

/** Whether a block can be a header: what tar archives are recognised by. */
export function isHeader(block: Uint8Array): boolean {
  if (block.length < BLOCK_SIZE) return false;
  const { unsigned, signed } = checksumsOf(block);
  const stored = parseNumber(fieldOf(block, 'checksum'));
  return stored === unsigned || stored === signed;
}

/** Whether a block says that it is a header, though it may be damaged. */
export function hasMagic(block: Uint8Array): boolean {
  return latin1.decode(fieldOf(block, 'magic')).startsWith(USTAR_MAGIC);
}

/** Errors: ArchiveError, which says that `what` is damaged. */
export function decodeHeader(block: Uint8Array, what: string): TarHeader {
  if (!isHeader(block)) throw damaged(`${what} is damaged: its checksum is wrong`);
  const name = fullNameOf(block);
  const numbers = Object.fromEntries(
    NUMBERS.map((field) => {
      const value = parseNumber(fieldOf(block, field));
      if (value === undefined) throw damaged(`${quote(name)} has a damaged header: its ${field}`);
      return [field, value];
    }),
  ) as Record<(typeof NUMBERS)[number], number>;
  if (numbers.size < 0) throw damaged(`${quote(name)} has a damaged header: its size`);
  const typeflag = String.fromCharCode(fieldOf(block, 'typeflag')[0] ?? 0);
  return { ...numbers, name, typeflag, linkname: decodeName(untilNul(fieldOf(block, 'linkname'))) };
}

/** The old GNU format has other things where POSIX has the prefix. */
function fullNameOf(block: Uint8Array): string {
  const name = decodeName(untilNul(fieldOf(block, 'name')));
  if (decodeName(fieldOf(block, 'magic')) !== `${USTAR_MAGIC}\0`) return name;
  const [starOffset, starSize] = STAR_MAGIC;
  const isStar = decodeName(block.subarray(starOffset, starOffset + starSize)) === 'tar\0';
  const field = fieldOf(block, 'prefix');
  const prefix = decodeName(untilNul(isStar ? field.subarray(0, STAR_PREFIX_SIZE) : field));
  return prefix === '' ? name : `${prefix}/${name}`;
}

function fieldOf(block: Uint8Array, field: FieldName): Uint8Array {
  const [offset, size] = FIELDS[field];
  return block.subarray(offset, offset + size);
}

export function untilNul(bytes: Uint8Array): Uint8Array {
  const end = bytes.indexOf(0);
  return end < 0 ? bytes : bytes.subarray(0, end);
}

/**
 * A name: UTF-8, or else Latin-1. Replacing what is not UTF-8 would give different files one name.
 */
export function decodeName(bytes: Uint8Array): string {
  try {
    return decodeUtf8Strict(bytes);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return latin1.decode(bytes);
  }
}

/** Octal digits; or, for what is too large for those, GNU's base 256. Empty is 0. */
export function parseNumber(bytes: Uint8Array): number | undefined {
  const first = bytes[0] ?? 0;
  if (first === 0x80 || first === 0xff) return parseBase256(bytes);
  const text = latin1.decode(untilNul(bytes)).trim();
  if (text === '') return 0;
  return /^[0-7]+$/.test(text) ? parseInt(text, 8) : undefined;
}

function parseBase256(bytes: Uint8Array): number | undefined {
  let value = bytes[0] === 0xff ? -1n : 0n;
  for (const byte of bytes.subarray(1)) value = (value << 8n) | BigInt(byte);
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : undefined;
}
