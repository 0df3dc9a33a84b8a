// Chunks of format 1: 32 KiB pieces of an object, in one of two forms.
//
//  - A record of its own: the bytes up to the last that isn't zero, then one byte whose bit i says
//    that block i is data.
//  - An inline item behind U+FFFF, if block 0 is all the chunk has: its bytes up to the last that
//    isn't zero. Its key: U+FFFF, the object in 4 units of 14 bits, the index in 3.

import { linuxerr } from '../../abi/errno.ts';
import { BLOCK_SIZE, type Run } from '../store.ts';

const CHUNK_BLOCKS = 8;
const CHUNK_SIZE = CHUNK_BLOCKS * BLOCK_SIZE;
const OBJECT_UNITS = 4;
const INDEX_UNITS = 3;
const UNIT_BITS = 14;

/** The data in a chunk's record. Errors: EIO if it isn't one. */
export function chunkRuns(index: number, record: unknown): Run[] {
  if (!(record instanceof Uint8Array)) throw linuxerr.EIO;
  const blocks = record.at(-1) ?? 0;
  const bytes = record.subarray(0, -1);
  if (blocks === 0 || bytes.length > CHUNK_SIZE) throw linuxerr.EIO;
  const runs: Run[] = [];
  for (let block = 0; block < CHUNK_BLOCKS; block++) {
    if ((blocks & (1 << block)) === 0) continue;
    const from = block * BLOCK_SIZE;
    // The zeros that were cut are data.
    const data = new Uint8Array(BLOCK_SIZE);
    data.set(bytes.subarray(from, from + BLOCK_SIZE));
    runs.push({ offset: index * CHUNK_SIZE + from, bytes: data });
  }
  return runs;
}

/** The data in an inline chunk. Errors: EIO if it can't be one. */
export function inlineRuns(index: number, value: Uint8Array): Run[] {
  if (value.length > BLOCK_SIZE) throw linuxerr.EIO;
  const bytes = value.length === 0 ? new Uint8Array(1) : value;
  return [{ offset: index * CHUNK_SIZE, bytes }];
}

/** Errors: EIO if the key is not that of an inline chunk. */
export function numbersOfInlineKey(key: string): { object: number; index: number } {
  if (key.length !== 1 + OBJECT_UNITS + INDEX_UNITS) throw linuxerr.EIO;
  const numberIn = (from: number, to: number): number => {
    let number = 0;
    for (let i = from; i < to; i++) number = number * (1 << UNIT_BITS) + key.charCodeAt(i);
    return number;
  };
  return { object: numberIn(1, 1 + OBJECT_UNITS), index: numberIn(1 + OBJECT_UNITS, key.length) };
}
