// Nodes of the tree: sorted keys with their values, each node written as one place.
//
// | bytes | field                                                                          |
// | ----- | ------------------------------------------------------------------------------ |
// | u8    | 0x42 ("B")                                                                     |
// | u8    | level: 0 for a leaf                                                            |
// | u16   | number of entries                                                              |
// | then for each entry, in ascending order of its key:                                    |
// | u16   | number of units that the key shares with the key before it                     |
// | u16   | number of units that follow; bit 15: they take two bytes each                  |
// | u8    | kind of the value: 0 child, 1 item, 2 extent, 3 inline data                    |
// | u16   | size of the value                                                              |
// | …     | units of the key, value                                                        |
//
// | value       | fields                                                                     |
// | ----------- | -------------------------------------------------------------------------- |
// | child       | address u48, size u32, checksum u32, generation u48 of the commit it is of |
// | item        | the caller's bytes                                                         |
// | extent      | address u48, units u16 of the record, first unit u16, and for each unit    |
// |             | that belongs to it a checksum u32                                          |
// | inline data | the bytes of one block up to the last that isn't zero                      |
//
// Little-endian. A key is UTF-16 code units, one byte each where none exceeds 255. That a node is
// what was written is checked against the checksum in its parent, before it comes here.

import { linuxerr } from '../../abi/errno.ts';
import { assert, assertDefined } from '../../lib/assert.ts';
import type { Place } from './page-device.ts';

const TAG = 0x42;
const WIDE = 0x8000;
/** Nodes are split above this size, in bytes. Below the cliff of IndexedDB, and few units. */
export const NODE_SIZE_MAX = 28 * 1024;
export const NODE_HEADER_BYTES = 4;
const ENTRY_HEADER_BYTES = 7;
export const CHILD_BYTES = 20;
const EXTENT_HEADER_BYTES = 10;
const KIND = { child: 0, item: 1, extent: 2, inline: 3 } as const;

/** Where a node is, and how to know it. Never changes. */
export interface Child extends Place {
  readonly checksum: number;
  /** Number of the commit that wrote it. */
  readonly generation: number;
}

/** Units of a record that are data of an object. */
export class Extent {
  /** Of the record. */
  readonly address: number;
  readonly recordUnits: number;
  /** First of the units within the record. */
  readonly firstUnit: number;
  /** One for each unit. */
  readonly checksums: readonly number[];

  constructor(
    record: { address: number; units: number },
    firstUnit: number,
    checksums: readonly number[],
  ) {
    this.address = record.address;
    this.recordUnits = record.units;
    this.firstUnit = firstUnit;
    this.checksums = checksums;
  }

  get unitCount(): number {
    return this.checksums.length;
  }

  /** Units [from, to), counted from the first of this. */
  part(from: number, to: number): Extent {
    const record = { address: this.address, units: this.recordUnits };
    return new Extent(record, this.firstUnit + from, this.checksums.slice(from, to));
  }
}

/** A block with little in it, kept in the tree. */
export class InlineData {
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
}

/** Of a leaf: an item of the caller's, or a piece of an object. */
export type LeafValue = Uint8Array | Extent | InlineData;

interface NodeParts<Value> {
  readonly level: number;
  readonly keys: readonly string[];
  readonly values: readonly Value[];
}

export type LeafNode = NodeParts<LeafValue>;
export type InnerNode = NodeParts<Child>;
/** A node. Its contents never change: an edit makes a new one. */
export type TreeNode = LeafNode | InnerNode;

export function isLeaf(node: TreeNode): node is LeafNode {
  return node.level === 0;
}

/** Index of the first key that is ≥ `key`. */
export function lowerBound(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((keys[middle] ?? '') < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Index of the child that covers `key`: the last whose key is not above it; else the first. */
export function childIndex(keys: readonly string[], key: string): number {
  const index = lowerBound(keys, key);
  return keys[index] === key || index === 0 ? index : index - 1;
}

/** Bytes that an entry takes after the one with key `previous`. */
export function entryBytes(previous: string, key: string, value: LeafValue | Child): number {
  const shared = sharedUnits(previous, key);
  const units = key.length - shared;
  return ENTRY_HEADER_BYTES + (isWide(key, shared) ? units * 2 : units) + valueBytes(value);
}

function valueBytes(value: LeafValue | Child): number {
  if (value instanceof Uint8Array) return value.length;
  if (value instanceof Extent) return EXTENT_HEADER_BYTES + value.checksums.length * 4;
  return value instanceof InlineData ? value.bytes.length : CHILD_BYTES;
}

/** Bytes that a node takes. */
function nodeBytes({ keys, values }: TreeNode): number {
  let size = NODE_HEADER_BYTES;
  let previous = '';
  values.forEach((value, i) => {
    const key = keys[i] ?? '';
    size += entryBytes(previous, key, value);
    previous = key;
  });
  return size;
}

/**
 * The bytes of a node, and the node as it would be decoded from them: whoever made it may use its
 * values' memory for something else. `sizeBytes`: what it takes, if that is known.
 */
export function encodeNode(
  node: TreeNode,
  sizeBytes = nodeBytes(node),
): { bytes: Uint8Array<ArrayBuffer>; node: TreeNode } {
  const values: (LeafValue | Child)[] = [];
  const bytes = writeNode(node, sizeBytes, (writer, value) => {
    values.push(lastWritten(writer, value));
  });
  const { level, keys } = node;
  return { bytes, node: { level, keys, values } as TreeNode };
}

/** The bytes alone, for less. */
export function nodeToBytes(node: TreeNode, sizeBytes: number): Uint8Array<ArrayBuffer> {
  return writeNode(node, sizeBytes, () => undefined);
}

function writeNode(
  node: TreeNode,
  sizeBytes: number,
  onWritten: (writer: Writer, value: LeafValue | Child) => void,
): Uint8Array<ArrayBuffer> {
  const writer = new Writer(sizeBytes);
  writer.u8(TAG);
  writer.u8(node.level);
  writer.u16(node.keys.length);
  let previous = '';
  for (let i = 0; i < node.values.length; i++) {
    const value = assertDefined(node.values[i]);
    const key = node.keys[i] ?? '';
    const shared = sharedUnits(previous, key);
    const wide = isWide(key, shared);
    writer.u16(shared);
    writer.u16((key.length - shared) | (wide ? WIDE : 0));
    writer.u8(kindOf(value));
    writer.u16(valueBytes(value));
    writer.units(key, shared, wide);
    writeValue(writer, value);
    onWritten(writer, value);
    previous = key;
  }
  assert(writer.offset === writer.bytes.length, 'node size');
  return writer.bytes;
}

function kindOf(value: LeafValue | Child): number {
  if (value instanceof Uint8Array) return KIND.item;
  if (value instanceof Extent) return KIND.extent;
  return value instanceof InlineData ? KIND.inline : KIND.child;
}

function writeValue(writer: Writer, value: LeafValue | Child): void {
  if (value instanceof Uint8Array) writer.copy(value);
  else if (value instanceof InlineData) writer.copy(value.bytes);
  else if (value instanceof Extent) {
    writer.u48(value.address);
    writer.u16(value.recordUnits);
    writer.u16(value.firstUnit);
    for (const checksum of value.checksums) writer.u32(checksum);
  } else writeChild(writer, value);
}

/** The value that was written last, on the writer's memory. */
function lastWritten(writer: Writer, value: LeafValue | Child): LeafValue | Child {
  if (value instanceof Uint8Array) return writer.last(value.length);
  return value instanceof InlineData ? new InlineData(writer.last(value.bytes.length)) : value;
}

export function writeChild(writer: Writer, child: Child): void {
  writer.u48(child.address);
  writer.u32(child.sizeBytes);
  writer.u32(child.checksum);
  writer.u48(child.generation);
}

/** Errors: EIO if the bytes can't be a node. */
export function decodeNode(bytes: Uint8Array): TreeNode {
  const reader = new Reader(bytes);
  if (reader.u8() !== TAG) throw linuxerr.EIO;
  const level = reader.u8();
  const count = reader.u16();
  const keys: string[] = [];
  const values: (LeafValue | Child)[] = [];
  let previous = '';
  for (let i = 0; i < count && !reader.hasFailed; i++) {
    const shared = reader.u16();
    const units = reader.u16();
    const kind = reader.u8();
    const size = reader.u16();
    if (shared > previous.length || (kind === KIND.child) === (level === 0)) throw linuxerr.EIO;
    const key = previous.slice(0, shared) + reader.units(units);
    if (i > 0 && key <= previous) throw linuxerr.EIO;
    previous = key;
    keys.push(key);
    values.push(readValue(reader, kind, size));
  }
  if (reader.hasFailed || reader.offset !== bytes.length) throw linuxerr.EIO;
  return { level, keys, values } as TreeNode;
}

function readValue(reader: Reader, kind: number, size: number): LeafValue | Child {
  if (kind === KIND.item) return reader.take(size);
  if (kind === KIND.inline) return new InlineData(reader.take(size));
  const end = reader.offset + size;
  const value = kind === KIND.child ? readChild(reader) : readExtent(reader, end);
  if (reader.offset !== end || kind > KIND.extent) throw linuxerr.EIO;
  return value;
}

export function readChild(reader: Reader): Child {
  const address = reader.u48();
  const sizeBytes = reader.u32();
  const checksum = reader.u32();
  return { address, sizeBytes, checksum, generation: reader.u48() };
}

function readExtent(reader: Reader, end: number): Extent {
  const record = { address: reader.u48(), units: reader.u16() };
  const firstUnit = reader.u16();
  const checksums: number[] = [];
  while (reader.offset < end && !reader.hasFailed) checksums.push(reader.u32());
  if (firstUnit + checksums.length > record.units || checksums.length === 0) throw linuxerr.EIO;
  return new Extent(record, firstUnit, checksums);
}

function sharedUnits(previous: string, key: string): number {
  const limit = Math.min(previous.length, key.length);
  let shared = 0;
  while (shared < limit && previous.charCodeAt(shared) === key.charCodeAt(shared)) shared++;
  return shared;
}

function isWide(key: string, from: number): boolean {
  for (let i = from; i < key.length; i++) if (key.charCodeAt(i) > 255) return true;
  return false;
}

export class Writer {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;
  offset = 0;

  constructor(sizeBytes: number) {
    this.bytes = new Uint8Array(sizeBytes);
    this.#view = new DataView(this.bytes.buffer);
  }

  u8(value: number): void {
    this.bytes[this.offset++] = value;
  }

  u16(value: number): void {
    this.#view.setUint16(this.offset, value, true);
    this.offset += 2;
  }

  u32(value: number): void {
    this.#view.setUint32(this.offset, value, true);
    this.offset += 4;
  }

  u48(value: number): void {
    this.u32(value % 2 ** 32);
    this.u16(Math.floor(value / 2 ** 32));
  }

  units(key: string, from: number, wide: boolean): void {
    for (let i = from; i < key.length; i++) {
      if (wide) this.u16(key.charCodeAt(i));
      else this.u8(key.charCodeAt(i));
    }
  }

  copy(bytes: Uint8Array): void {
    this.bytes.set(bytes, this.offset);
    this.offset += bytes.length;
  }

  /** What was written last, as a view. */
  last(sizeBytes: number): Uint8Array {
    return this.bytes.subarray(this.offset - sizeBytes, this.offset);
  }
}

/** Reads a record. Reading past its end yields zeros and sets `hasFailed`, to be looked at once. */
export class Reader {
  offset = 0;
  hasFailed = false;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  u8(): number {
    return this.#has(1) ? this.#view.getUint8(this.offset++) : 0;
  }

  u16(): number {
    if (!this.#has(2)) return 0;
    this.offset += 2;
    return this.#view.getUint16(this.offset - 2, true);
  }

  u32(): number {
    if (!this.#has(4)) return 0;
    this.offset += 4;
    return this.#view.getUint32(this.offset - 4, true);
  }

  u48(): number {
    const low = this.u32();
    return this.u16() * 2 ** 32 + low;
  }

  units(header: number): string {
    return this.#text(header & ~WIDE, (header & WIDE) !== 0);
  }

  /** Of so many UTF-16 code units, two bytes each. */
  text(count: number): string {
    return this.#text(count, true);
  }

  #text(count: number, wide: boolean): string {
    if (!this.#has(wide ? count * 2 : count)) return '';
    const units: number[] = [];
    for (let i = 0; i < count; i++) units.push(wide ? this.u16() : this.u8());
    // Unlike a spread argument, this doesn't run through the array's iterator.
    return Reflect.apply(String.fromCharCode, undefined, units);
  }

  /** A view. */
  take(sizeBytes: number): Uint8Array {
    if (!this.#has(sizeBytes)) return new Uint8Array(0);
    this.offset += sizeBytes;
    return this.#bytes.subarray(this.offset - sizeBytes, this.offset);
  }

  #has(sizeBytes: number): boolean {
    if (this.offset + sizeBytes <= this.#bytes.length) return true;
    this.hasFailed = true;
    return false;
  }
}
