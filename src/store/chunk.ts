// Chunks: 32 KiB pieces of an object, and the two forms they are stored in.
//
//  - A record of its own: the bytes up to the last that isn't zero, then one byte whose bit i says
//    that block i is data.
//  - An inline item of the ordered map, if block 0 is all the chunk has: its bytes up to the last
//    that isn't zero. So files of up to 4 KiB lie side by side in leaf pages.
//
// A chunk has one of the two forms, or neither if none of its blocks is data.

import { linuxerr } from '../abi/errno.ts';
import { assert } from '../lib/assert.ts';
import { INTERNAL_PREFIX } from './preconditions.ts';
import { BLOCK_SIZE } from './store.ts';
import type { Run } from './store.ts';

export const CHUNK_SIZE = 32 * 1024;
const CHUNK_BLOCKS = 8;
assert(CHUNK_BLOCKS * BLOCK_SIZE === CHUNK_SIZE);
/** All blocks of a chunk. */
export const ALL_BLOCKS = 0xff;
/** Block 0 alone: what an inline chunk has. */
const INLINE_BLOCKS = 1;

/** A decoded chunk. Its bytes may end before its last block does: the rest is zeros. */
export interface Chunk {
  /** Bit i: block i is data. Never 0. */
  readonly blocks: number;
  readonly bytes: Uint8Array;
}

/** What a batch does to a chunk: first `clear`, then `pieces`. */
export interface ChunkEdit {
  readonly index: number;
  /** Blocks that become holes. */
  clear: number;
  /** Blocks that become data … */
  written: number;
  /** … which is this, at offsets within the chunk. */
  readonly pieces: { readonly offset: number; readonly bytes: Uint8Array }[];
}

/** A chunk in the form it is stored in. */
export type StoredChunk =
  | { readonly form: 'none' }
  | { readonly form: 'inline'; readonly value: Uint8Array }
  | { readonly form: 'record'; readonly record: Uint8Array };

/** Bits of the blocks that [from, to) covers, both relative to the chunk's start and cut to it. */
export function blocksOf(from: number, to: number): number {
  const first = Math.max(0, Math.floor(from / BLOCK_SIZE));
  const end = Math.min(CHUNK_BLOCKS, Math.ceil(to / BLOCK_SIZE));
  return end <= first ? 0 : ((1 << end) - 1) & ~((1 << first) - 1);
}

export function decodeInlineChunk(value: Uint8Array): Chunk {
  if (value.length > BLOCK_SIZE) throw linuxerr.EIO;
  return { blocks: INLINE_BLOCKS, bytes: value };
}

/** Errors: EIO if the record is not a chunk. */
export function decodeChunkRecord(record: unknown): Chunk {
  if (!(record instanceof Uint8Array)) throw linuxerr.EIO;
  const blocks = record.at(-1) ?? 0;
  const bytes = record.subarray(0, -1);
  if (blocks === 0 || bytes.length > endOf(blocks)) throw linuxerr.EIO;
  return { blocks, bytes };
}

/**
 * The chunk after an edit. `chunk` is undefined if there is none, or if the edit leaves nothing of
 * it.
 */
export function applyEdit(chunk: Chunk | undefined, edit: ChunkEdit): StoredChunk {
  const kept = (chunk?.blocks ?? 0) & ~edit.clear & ~edit.written;
  const blocks = kept | edit.written;
  if (blocks === 0) return { form: 'none' };
  const size = endOf(blocks);
  const record = new Uint8Array(size + 1);
  if (chunk !== undefined) {
    for (const { from, to } of runsOf(kept)) record.set(chunk.bytes.subarray(from, to), from);
  }
  for (const { offset, bytes } of edit.pieces) record.set(bytes, offset);
  let used = size;
  while (used > 0 && record[used - 1] === 0) used--;
  if (blocks === INLINE_BLOCKS) return { form: 'inline', value: record.subarray(0, used) };
  // IndexedDB stores the whole buffer under a view: cut it.
  const cut = used === size ? record : record.slice(0, used + 1);
  cut[used] = blocks;
  return { form: 'record', record: cut };
}

/**
 * The chunk's data in [from, to), both relative to its start; `base` is the start's offset in the
 * object.
 */
export function chunkRuns(
  chunk: Chunk,
  { base, from, to }: { base: number; from: number; to: number },
): Run[] {
  return runsOf(chunk.blocks & blocksOf(from, to)).map((run) => {
    const isWhole = chunk.bytes.length > run.to - BLOCK_SIZE;
    if (isWhole) return { offset: base + run.from, bytes: chunk.bytes.slice(run.from, run.to) };
    // Zeros were cut that reach beyond the last block.
    const bytes = new Uint8Array(run.to - run.from);
    bytes.set(chunk.bytes.subarray(run.from, run.to));
    return { offset: base + run.from, bytes };
  });
}

/** Offset of the end of the last block. */
function endOf(blocks: number): number {
  return (32 - Math.clz32(blocks)) * BLOCK_SIZE;
}

/**
 * Where the first block that is data at or after `from` starts, both relative to the chunk's start.
 */
export function nextDataIn(chunk: Chunk, from: number): number | undefined {
  const [run] = runsOf(chunk.blocks & blocksOf(from, CHUNK_SIZE));
  return run?.from;
}

/** Runs of neighbouring blocks, as offsets. */
function runsOf(blocks: number): { from: number; to: number }[] {
  const runs: { from: number; to: number }[] = [];
  let rest = blocks;
  while (rest !== 0) {
    const first = 31 - Math.clz32(rest & -rest);
    let end = first;
    while ((rest & (1 << end)) !== 0) end++;
    runs.push({ from: first * BLOCK_SIZE, to: end * BLOCK_SIZE });
    rest &= ~((1 << end) - 1);
  }
  return runs;
}

const OBJECT_UNITS = 4;
const INDEX_UNITS = 3;
const UNIT_BITS = 14;
/** Above all units that numbers have. */
const AFTER_UNITS = '\uffff';

/**
 * Key of an inline chunk: object and index in 14 bits a unit, so that keys sort as their numbers
 * do.
 */
export function inlineKey(object: number, index: number): string {
  return INTERNAL_PREFIX + numberKey(object, OBJECT_UNITS) + numberKey(index, INDEX_UNITS);
}

/** A key above those of all inline chunks of `object` and below those of the next. */
export function afterInlineKeysOf(object: number): string {
  return INTERNAL_PREFIX + numberKey(object, OBJECT_UNITS) + AFTER_UNITS;
}

/** The chunk's index in a key that inlineKey() made. */
export function indexOfInlineKey(key: string): number {
  let index = 0;
  for (let i = 1 + OBJECT_UNITS; i < key.length; i++) {
    index = index * (1 << UNIT_BITS) + key.charCodeAt(i);
  }
  return index;
}

function numberKey(number: number, unitCount: number): string {
  const units: number[] = [];
  let rest = number;
  for (let i = unitCount - 1; i >= 0; i--) {
    units[i] = rest % (1 << UNIT_BITS);
    rest = Math.floor(rest / (1 << UNIT_BITS));
  }
  assert(rest === 0, 'number too large for a store key');
  return String.fromCharCode(...units);
}
