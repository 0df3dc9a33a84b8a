// Leaf pages: sorted runs of items, each serialised into one record.
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

import { linuxerr } from '../abi/errno.ts';
import { assert } from '../lib/assert.ts';
import { ITEM_KEY_MAX, ITEM_VALUE_MAX } from './store.ts';

const TAG = 0x4c;
const HAS_END = 1;
const WIDE = 0x8000;
const PAGE_HEADER_BYTES = 6;
const ITEM_HEADER_BYTES = 4;

/** A decoded page. Its contents never change: an edit makes a new one. */
export interface LeafPage {
  /** Keys in this page are ≥ first … */
  readonly first: string;
  /** … and < end. Undefined: there is no page after this one. */
  readonly end: string | undefined;
  readonly keys: readonly string[];
  readonly values: readonly Uint8Array[];
  /** Size of the record. */
  readonly sizeBytes: number;
  /** The cache's note that the page was used since it last looked. */
  isRecent: boolean;
}

export interface PageContent {
  readonly first: string;
  readonly end: string | undefined;
  readonly keys: readonly string[];
  readonly values: readonly Uint8Array[];
}

/** True if `key` belongs into the page. */
export function covers(page: PageContent, key: string): boolean {
  return page.first <= key && (page.end === undefined || key < page.end);
}

/** Index of the first key of the page that is ≥ `key`. */
export function lowerBound(page: PageContent, key: string): number {
  let low = 0;
  let high = page.keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((page.keys[middle] ?? '') < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The value of `key`, undefined if the page has none. */
export function valueIn(page: PageContent, key: string): Uint8Array | undefined {
  const index = lowerBound(page, key);
  return page.keys[index] === key ? page.values[index] : undefined;
}

/** Bytes an item takes in a page. */
export function itemBytes(key: string, value: Uint8Array): number {
  return ITEM_HEADER_BYTES + keyBytes(key) + value.length;
}

/** Bytes a page takes besides its items. */
export function emptyPageBytes(end: string | undefined): number {
  return PAGE_HEADER_BYTES + (end === undefined ? 0 : keyBytes(end));
}

/**
 * The record of a page, and the page as it would be decoded from it: its values are views of the
 * record.
 */
export function encodeLeafPage(content: PageContent): {
  record: Uint8Array<ArrayBuffer>;
  page: LeafPage;
} {
  const { first, end, keys, values } = content;
  let sizeBytes = emptyPageBytes(end);
  values.forEach((value, i) => (sizeBytes += itemBytes(keys[i] ?? '', value)));
  const record = new Uint8Array(sizeBytes);
  const writer = new Writer(record);
  writer.u8(TAG);
  writer.u8(end === undefined ? 0 : HAS_END);
  writer.u16(keys.length);
  writer.u16(keyHeader(end ?? ''));
  writer.key(end ?? '');
  const views: Uint8Array[] = [];
  values.forEach((value, i) => {
    const key = keys[i] ?? '';
    assert(key.length <= ITEM_KEY_MAX, 'store key too long');
    assert(value.length <= ITEM_VALUE_MAX, 'store value too long');
    writer.u16(keyHeader(key));
    writer.u16(value.length);
    writer.key(key);
    views.push(writer.bytes(value));
  });
  assert(writer.offset === sizeBytes, 'leaf page size');
  return { record, page: { first, end, keys, values: views, sizeBytes, isRecent: true } };
}

/** Errors: EIO if the record is not a page that can start with `first`. */
export function decodeLeafPage(first: string, record: unknown): LeafPage {
  if (!(record instanceof Uint8Array)) throw linuxerr.EIO;
  const reader = new Reader(record);
  const isTagged = reader.u8() === TAG;
  const flags = reader.u8();
  const count = reader.u16();
  const endKey = reader.key(reader.u16());
  const end = flags === HAS_END ? endKey : undefined;
  if (!isTagged || flags > HAS_END) throw linuxerr.EIO;
  if (end !== undefined && end <= first) throw linuxerr.EIO;
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
  if (end !== undefined && previous !== undefined && previous >= end) throw linuxerr.EIO;
  return { first, end, keys, values, sizeBytes: record.length, isRecent: true };
}

function isWide(key: string): boolean {
  for (let i = 0; i < key.length; i++) if (key.charCodeAt(i) > 255) return true;
  return false;
}

function keyBytes(key: string): number {
  return isWide(key) ? key.length * 2 : key.length;
}

function keyHeader(key: string): number {
  return isWide(key) ? (key.length * 2) | WIDE : key.length;
}

/** Unlike a spread argument, this doesn't run through the array's iterator. */
function fromUnits(units: ArrayLike<number>): string {
  return Reflect.apply(String.fromCharCode, undefined, units) as string;
}

class Writer {
  offset = 0;
  readonly #target: Uint8Array<ArrayBuffer>;

  constructor(target: Uint8Array<ArrayBuffer>) {
    this.#target = target;
  }

  u8(value: number): void {
    this.#target[this.offset++] = value;
  }

  u16(value: number): void {
    this.#target[this.offset++] = value & 0xff;
    this.#target[this.offset++] = value >>> 8;
  }

  key(key: string): void {
    const wide = isWide(key);
    for (let i = 0; i < key.length; i++) {
      if (wide) this.u16(key.charCodeAt(i));
      else this.u8(key.charCodeAt(i));
    }
  }

  /** Copies the bytes and returns the place they were copied to. */
  bytes(bytes: Uint8Array): Uint8Array {
    this.#target.set(bytes, this.offset);
    const view = this.#target.subarray(this.offset, this.offset + bytes.length);
    this.offset += bytes.length;
    return view;
  }
}

/** Reads a record. Reading past its end yields zeros and sets `hasFailed`, to be looked at once. */
class Reader {
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
    if ((header & WIDE) === 0) return fromUnits(bytes);
    if (bytes.length % 2 !== 0) this.hasFailed = true;
    const units: number[] = [];
    for (let i = 0; i + 1 < bytes.length; i += 2) {
      units.push((bytes[i] ?? 0) | ((bytes[i + 1] ?? 0) << 8));
    }
    return fromUnits(units);
  }

  bytes(size: number): Uint8Array {
    const end = this.offset + size;
    if (end > this.#source.length) this.hasFailed = true;
    const bytes = this.#source.subarray(this.offset, end);
    this.offset = end;
    return bytes;
  }
}
