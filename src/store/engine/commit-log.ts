// The log in the root block: a batch that is durable, though it is not in the tree yet. The next
// commit puts in its place what holds it; after a crash the next opening commits it first.
//
// A small change is a single write that way, whatever the size of the tree. Linux: ext4's fast
// commits, btrfs's tree log.
//
// | bytes | field                                                                           |
// | ----- | ------------------------------------------------------------------------------- |
// | u32   | number of items; each: u16 units of the key and the units, u16 each; then u16   |
// |       | size of the value and the value, or 0xFFFF: it is deleted                       |
// | u32   | number of discards; each: object u48, from u48, to u48; to 2^48-1: Infinity     |
// | u32   | number of writes; each: object u48, offset u48, u32 size and the bytes          |
//
// Ranges count in units, offsets in bytes. Little-endian.

import { linuxerr } from '../../abi/errno.ts';
import { assert } from '../../lib/assert.ts';
import { type Batch, BLOCK_SIZE, type Run } from '../store.ts';
import { Reader, Writer } from './node.ts';

/** Longest log, in bytes: the superblock has to hold it besides the roots. */
const LOG_SIZE_MAX = 20 * 1024;

export const EMPTY_LOG = new Uint8Array(0);

const DELETED = 0xffff;
const ENDLESS = 2 ** 48 - 1;
const COUNT_BYTES = 4;
const DISCARD_BYTES = 18;
const RUN_HEADER_BYTES = 16;

/** Undefined if that would be longer than LOG_SIZE_MAX. */
export function encodeLog(batch: Batch): Uint8Array | undefined {
  assert(batch.lost === undefined, 'only a repair says what is lost');
  const { discards, writes } = batch;
  const items = [...batch.items];
  const size = sizeOf(batch);
  if (size > LOG_SIZE_MAX) return undefined;
  const writer = new Writer(size);
  writer.u32(items.length);
  for (const [key, value] of items) {
    writer.u16(key.length);
    writer.units(key, 0, true);
    writer.u16(value?.length ?? DELETED);
    if (value !== undefined) writer.copy(value);
  }
  writer.u32(discards.length);
  for (const { object, from, to } of discards) {
    writer.u48(object);
    writer.u48(from / BLOCK_SIZE);
    writer.u48(to === Infinity ? ENDLESS : to / BLOCK_SIZE);
  }
  writer.u32(writes.length);
  for (const { object, run } of writes) {
    writer.u48(object);
    writer.u48(run.offset);
    writer.u32(run.bytes.length);
    writer.copy(run.bytes);
  }
  return writer.bytes;
}

function sizeOf({ items, discards, writes }: Batch): number {
  let size = 3 * COUNT_BYTES + discards.length * DISCARD_BYTES;
  for (const [key, value] of items) size += 4 + 2 * key.length + (value?.length ?? 0);
  for (const { run } of writes) size += RUN_HEADER_BYTES + run.bytes.length;
  return size;
}

/** Errors: EIO if the bytes can't be a log. */
export function decodeLog(bytes: Uint8Array): Batch {
  const reader = new Reader(bytes);
  const items = new Map<string, Uint8Array | undefined>();
  for (let left = reader.u32(); left > 0 && !reader.hasFailed; left--) {
    const key = reader.text(reader.u16());
    const length = reader.u16();
    items.set(key, length === DELETED ? undefined : reader.take(length));
  }
  const discards: { object: number; from: number; to: number }[] = [];
  for (let left = reader.u32(); left > 0 && !reader.hasFailed; left--) {
    const [object, from, to] = [reader.u48(), reader.u48() * BLOCK_SIZE, reader.u48()];
    discards.push({ object, from, to: to === ENDLESS ? Infinity : to * BLOCK_SIZE });
  }
  const writes: { object: number; run: Run }[] = [];
  for (let left = reader.u32(); left > 0 && !reader.hasFailed; left--) {
    const [object, offset] = [reader.u48(), reader.u48()];
    writes.push({ object, run: { offset, bytes: reader.take(reader.u32()) } });
  }
  if (reader.hasFailed || reader.offset !== bytes.length) throw linuxerr.EIO;
  return { items, discards, writes };
}

export const EMPTY_BATCH: Batch = { items: new Map(), discards: [], writes: [] };

/** A batch, piece by piece. */
export function partsOf({ items, discards, writes }: Batch): Batch[] {
  return [
    ...Array.from(items, (item) => ({ ...EMPTY_BATCH, items: new Map([item]) })),
    ...discards.map((discard) => ({ ...EMPTY_BATCH, discards: [discard] })),
    ...writes.map((write) => ({ ...EMPTY_BATCH, writes: [write] })),
  ];
}
