// Leaf pages of format 1: sorted runs of items, each serialised into one record.
//
// | bytes | field                                                                          |
// | ----- | ------------------------------------------------------------------------------ |
// | u8    | 0x4c ("L")                                                                     |
// | u8    | flags: 1 = the page has an end key                                             |
// | u16   | number of items                                                                |
// | u16   | size of the end key in bytes; bit 15: its units take two bytes each            |
// | …     | the end key                                                                    |
// | then for each item, in ascending order of its key:                                     |
// | u16   | size of the key in bytes; bit 15: its units take two bytes each                |
// | u16   | size of the value                                                              |
// | …     | key, value                                                                     |
//
// All numbers are little-endian. A key is stored as its UTF-16 code units, one byte each if none
// exceeds 255. The first key is not in the page: it is the record's key.

import { linuxerr } from '../../abi/errno.ts';

const TAG = 0x4c;
const WIDE = 0x8000;

export interface LeafPage {
  readonly keys: readonly string[];
  readonly values: readonly Uint8Array[];
}

/** Errors: EIO if the record is not a page that can start with `first`. */
export function decodeLeafPage(first: string, record: unknown): LeafPage {
  if (!(record instanceof Uint8Array)) throw linuxerr.EIO;
  const reader = new PageReader(record);
  const isTagged = reader.u8() === TAG;
  reader.u8();
  const count = reader.u16();
  reader.key(reader.u16());
  if (!isTagged) throw linuxerr.EIO;
  const keys: string[] = [];
  const values: Uint8Array[] = [];
  let previous: string | undefined;
  for (let i = 0; i < count && !reader.hasFailed; i++) {
    const header = reader.u16();
    const valueBytes = reader.u16();
    const key = reader.key(header);
    if (previous === undefined ? key < first : key <= previous) throw linuxerr.EIO;
    previous = key;
    keys.push(key);
    values.push(reader.bytes(valueBytes));
  }
  if (reader.hasFailed || reader.offset !== record.length) throw linuxerr.EIO;
  return { keys, values };
}

/** Reads a record. Reading past its end yields zeros and sets `hasFailed`, to be looked at once. */
class PageReader {
  offset = 0;
  hasFailed = false;
  readonly #source: Uint8Array;

  constructor(source: Uint8Array) {
    this.#source = source;
  }

  u8(): number {
    const value = this.#source[this.offset++];
    if (value === undefined) this.hasFailed = true;
    return value ?? 0;
  }

  u16(): number {
    return this.u8() | (this.u8() << 8);
  }

  key(header: number): string {
    const bytes = this.bytes(header & ~WIDE);
    if ((header & WIDE) === 0) return String.fromCharCode(...bytes);
    if (bytes.length % 2 !== 0) this.hasFailed = true;
    const units: number[] = [];
    for (let i = 0; i + 1 < bytes.length; i += 2) {
      units.push((bytes[i] ?? 0) | ((bytes[i + 1] ?? 0) << 8));
    }
    return String.fromCharCode(...units);
  }

  bytes(size: number): Uint8Array {
    const end = this.offset + size;
    if (end > this.#source.length) this.hasFailed = true;
    const bytes = this.#source.subarray(this.offset, end);
    this.offset = end;
    return bytes;
  }
}
