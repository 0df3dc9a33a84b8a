// Planning a batch's changes to objects: which chunks it touches, what they hold now, what they
// become. Everything is read before the commit's transaction; there is one commit at a time, so
// nothing changes in between.
//
// What need not be read isn't: chunks that are written or discarded whole, and objects never
// written.

import { promisifyRequest } from 'idb-keyval';
import type { UseStore } from 'idb-keyval';
import { assert } from '../lib/assert.ts';
import { waitFor } from '../lib/op.ts';
import type { Op } from '../lib/op.ts';
import {
  afterInlineKeysOf,
  ALL_BLOCKS,
  applyEdit,
  blocksOf,
  CHUNK_SIZE,
  decodeChunkRecord,
  decodeInlineChunk,
  inlineKey,
} from './chunk.ts';
import type { Chunk, ChunkEdit } from './chunk.ts';
import type { PageTree } from './page-tree.ts';
import { afterChunksOf, chunkKey } from './records.ts';
import type { IndexedDb } from './records.ts';
import type { Batch } from './store.ts';

/** Chunks [from, to) of an object. */
export interface ChunkRange {
  readonly object: number;
  readonly from: number;
  readonly to: number;
}

export interface ChunkPlan {
  /** Changes to inline items, in any order. */
  readonly items: ReadonlyMap<string, Uint8Array | undefined>;
  /** Records to delete, before the puts. */
  readonly deletes: readonly ChunkRange[];
  readonly puts: readonly { readonly key: [number, number]; readonly record: Uint8Array }[];
  /** Objects from here on have no data after the batch. */
  readonly objectsEnd: number;
}

export interface PlanOptions {
  readonly records: UseStore;
  readonly KeyRange: IndexedDb['KeyRange'];
  readonly tree: PageTree;
  readonly objectsEnd: number;
}

interface ObjectEdit {
  readonly object: number;
  /** Discarded bytes, [from, to). */
  discards: { readonly from: number; readonly to: number }[];
  /** By chunk index. */
  readonly chunks: Map<number, ChunkEdit>;
}

/** A chunk whose present state may matter. */
interface Touched {
  readonly object: number;
  readonly edit: ChunkEdit;
  inline: Uint8Array | undefined;
  /** 'unknown': nobody has looked, and nobody needs to. */
  record: Chunk | 'none' | 'unknown';
}

/** From this many lookups on, one request asks first which chunks there are. */
const PROBE_MIN = 16;

export function* planBatch(batch: Batch, options: PlanOptions): Op<ChunkPlan> {
  const { tree } = options;
  const objects = groupByObject(batch);
  const items = new Map<string, Uint8Array | undefined>();
  const whole: ChunkRange[] = [];
  const touched: Touched[] = [];
  let { objectsEnd } = options;
  for (const { object, discards, chunks } of objects) {
    const isNew = object >= options.objectsEnd;
    if (!isNew) whole.push(...wholeChunks(object, discards));
    for (const edit of chunks.values()) {
      const isUnread = isNew || edit.clear === ALL_BLOCKS;
      const record = isUnread ? 'none' : 'unknown';
      touched.push({ object, edit, inline: undefined, record });
      if (edit.written !== 0) objectsEnd = Math.max(objectsEnd, object + 1);
    }
  }
  for (const { object, from, to } of whole) {
    const end = to === Infinity ? afterInlineKeysOf(object) : inlineKey(object, to);
    const found = yield* tree.scan({ from: inlineKey(object, from), to: end, limit: Infinity });
    for (const { key } of found) items.set(key, undefined);
  }
  const unknown = touched.filter(({ record }) => record === 'unknown');
  const keys = unknown.map(({ object, edit }) => inlineKey(object, edit.index));
  const values = yield* tree.getMany(keys);
  unknown.forEach((chunk, i) => {
    chunk.inline = values[i];
    if (chunk.inline !== undefined) chunk.record = 'none';
  });
  const unread = unknown.filter(isRecordNeeded);
  const deletes =
    unread.length + whole.length === 0 ? [] : yield* waitFor(readRecords(unread, whole, options));
  const puts: { key: [number, number]; record: Uint8Array }[] = [];
  for (const chunk of touched) planChunk(chunk, { items, deletes, puts });
  return { items, deletes, puts, objectsEnd };
}

/** The objects a batch touches, in ascending order, and their chunks in ascending order. */
function groupByObject(batch: Batch): ObjectEdit[] {
  const objects = new Map<number, ObjectEdit>();
  const objectEdit = (object: number): ObjectEdit => {
    let edit = objects.get(object);
    if (edit === undefined)
      objects.set(object, (edit = { object, discards: [], chunks: new Map() }));
    return edit;
  };
  for (const { object, from, to } of batch.discards) {
    if (from < to) objectEdit(object).discards.push({ from, to });
  }
  for (const { object, run } of batch.writes) addRun(objectEdit(object), run.offset, run.bytes);
  const sorted = [...objects.values()].sort((a, b) => a.object - b.object);
  for (const edit of sorted) addDiscards(edit);
  return sorted.map((edit) => ({
    ...edit,
    chunks: new Map([...edit.chunks].sort(([a], [b]) => a - b)),
  }));
}

function chunkEdit({ chunks }: ObjectEdit, index: number): ChunkEdit {
  let edit = chunks.get(index);
  if (edit === undefined) chunks.set(index, (edit = { index, clear: 0, written: 0, pieces: [] }));
  return edit;
}

function addRun(object: ObjectEdit, offset: number, bytes: Uint8Array): void {
  const end = offset + bytes.length;
  for (let at = offset; at < end;) {
    const index = Math.floor(at / CHUNK_SIZE);
    const base = index * CHUNK_SIZE;
    const to = Math.min(end, base + CHUNK_SIZE);
    const edit = chunkEdit(object, index);
    const blocks = blocksOf(at - base, to - base);
    assert((edit.written & blocks) === 0, 'runs of an object overlap');
    edit.written |= blocks;
    edit.pieces.push({ offset: at - base, bytes: bytes.subarray(at - offset, to - offset) });
    at = to;
  }
}

/**
 * Tells the chunks which of their blocks are discarded, and makes sure that those at the ends are
 * there.
 */
function addDiscards(object: ObjectEdit): void {
  if (object.discards.length === 0) return;
  object.discards = mergeRanges(object.discards);
  for (const { from, to } of object.discards) {
    if (from % CHUNK_SIZE !== 0) chunkEdit(object, Math.floor(from / CHUNK_SIZE));
    if (to !== Infinity && to % CHUNK_SIZE !== 0) chunkEdit(object, Math.floor(to / CHUNK_SIZE));
  }
  for (const edit of object.chunks.values()) {
    const base = edit.index * CHUNK_SIZE;
    for (const { from, to } of object.discards) edit.clear |= blocksOf(from - base, to - base);
  }
}

function mergeRanges(
  ranges: readonly { from: number; to: number }[],
): { from: number; to: number }[] {
  const merged: { from: number; to: number }[] = [];
  for (const { from, to } of ranges.toSorted((a, b) => a.from - b.from)) {
    const last = merged.at(-1);
    if (last !== undefined && from <= last.to) last.to = Math.max(last.to, to);
    else merged.push({ from, to });
  }
  return merged;
}

/** The chunks that are discarded whole. */
function wholeChunks(object: number, discards: ObjectEdit['discards']): ChunkRange[] {
  return discards
    .map(({ from, to }) => ({
      object,
      from: Math.ceil(from / CHUNK_SIZE),
      to: Math.floor(to / CHUNK_SIZE),
    }))
    .filter(({ from, to }) => from < to);
}

/** True if blocks that the batch doesn't touch are kept, and might be in a record. */
function isRecordNeeded({ record, edit }: Touched): boolean {
  return record === 'unknown' && (edit.clear | edit.written) !== ALL_BLOCKS;
}

/**
 * Reads the records of `unread` chunks. Returns those of the `whole` ranges that there may be
 * records in.
 */
function readRecords(
  unread: readonly Touched[],
  whole: readonly ChunkRange[],
  { records, KeyRange }: PlanOptions,
): Promise<ChunkRange[]> {
  if (unread.length === 0 && whole.length < PROBE_MIN) return Promise.resolve([...whole]);
  return records('readonly', async (store) => {
    const objects = [...unread, ...whole].map(({ object }) => object);
    const present = await probe(store, KeyRange, objects);
    const needed = unread.filter(({ object, edit }) => present(object, edit.index, edit.index + 1));
    for (const chunk of unread) chunk.record = 'none';
    await Promise.all(
      needed.map(async (chunk) => {
        const key = chunkKey(chunk.object, chunk.edit.index);
        const record: unknown = await promisifyRequest(store.get(key));
        if (record !== undefined) chunk.record = decodeChunkRecord(record);
      }),
    );
    return whole.filter(({ object, from, to }) => present(object, from, to));
  });
}

/**
 * Asks which chunk records these objects have, if they are many. Returns whether an object may have
 * records among chunks [from, to). A bound keeps the answer small where other objects lie between.
 */
async function probe(
  store: IDBObjectStore,
  KeyRange: IndexedDb['KeyRange'],
  objects: readonly number[],
): Promise<(object: number, from: number, to: number) => boolean> {
  if (objects.length < PROBE_MIN) return () => true;
  const limit = objects.length * 4;
  const lowest = objects.reduce((a, b) => Math.min(a, b));
  const highest = objects.reduce((a, b) => Math.max(a, b));
  const range = KeyRange.bound([lowest], afterChunksOf(highest));
  const keys = await promisifyRequest(store.getAllKeys(range, limit));
  const indices = new Map<number, number[]>();
  let knownEnd = Infinity;
  for (const key of keys) {
    if (!Array.isArray(key)) continue;
    const [object, index] = key.map(Number);
    if (object === undefined || index === undefined) continue;
    if (keys.length === limit) knownEnd = object;
    const list = indices.get(object);
    if (list === undefined) indices.set(object, [index]);
    else list.push(index);
  }
  return (object, from, to) =>
    object >= knownEnd || (indices.get(object)?.some((i) => from <= i && i < to) ?? false);
}

function planChunk(
  { object, edit, inline, record }: Touched,
  plan: {
    items: Map<string, Uint8Array | undefined>;
    deletes: ChunkRange[];
    puts: { key: [number, number]; record: Uint8Array }[];
  },
): void {
  const isRecord = typeof record === 'object';
  const old = inline !== undefined ? decodeInlineChunk(inline) : isRecord ? record : undefined;
  if (edit.written === 0 && ((old?.blocks ?? 0) & edit.clear) === 0) return;
  const stored = applyEdit(old, edit);
  const key = inlineKey(object, edit.index);
  if (stored.form === 'inline') plan.items.set(key, stored.value);
  else if (inline !== undefined) plan.items.set(key, undefined);
  if (stored.form === 'record')
    plan.puts.push({ key: chunkKey(object, edit.index), record: stored.record });
  else if (record !== 'none') plan.deletes.push({ object, from: edit.index, to: edit.index + 1 });
}
