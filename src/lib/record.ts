// Records: fixed layouts of fields as bytes, from a table of their fields in order. Little-endian.

import type { Arena } from './arena.ts';
import { assertDefined } from './assert.ts';
import { encodeUtf8, utf8Length } from './text.ts';

/**
 * Kinds of fields: an unsigned integer of 8, 16, 32 or 64 bits (a number: exact up to 2^53), or an
 * integer up to 2^53 (a double).
 */
export type FieldKind = 'u8' | 'u16' | 'u32' | 'u64' | 'f64';

export type FieldTable = readonly (readonly [name: string, kind: FieldKind])[];

/** The values of a record: a number for each field of the table. */
export type RecordValues<Table extends FieldTable> = {
  readonly [Name in Table[number][0]]: number;
};

const SIZES: Readonly<Record<FieldKind, number>> = { u8: 1, u16: 2, u32: 4, u64: 8, f64: 8 };

export class RecordCodec<const Table extends FieldTable> {
  readonly #table: Table;
  /** Bytes. */
  readonly size: number;

  constructor(table: Table) {
    this.#table = table;
    this.size = table.reduce((sum, [, kind]) => sum + SIZES[kind], 0);
  }

  /** The record, followed by `rest`. */
  encode(values: RecordValues<Table>, rest?: Uint8Array): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(this.size + (rest?.length ?? 0));
    this.#fill(new DataView(bytes.buffer), 0, values);
    if (rest !== undefined) bytes.set(rest, this.size);
    return bytes;
  }

  /** The same in memory of an arena's, for records that are there in numbers and not for long. */
  encodeIn(arena: Arena, values: RecordValues<Table>, rest?: Uint8Array): Uint8Array {
    const bytes = arena.take(this.size + (rest?.length ?? 0));
    this.#fill(arena.viewOf(bytes), bytes.byteOffset, values);
    if (rest !== undefined) bytes.set(rest, this.size);
    return bytes;
  }

  /** The same with text that follows, as UTF-8. */
  encodeTextIn(arena: Arena, values: RecordValues<Table>, text: string): Uint8Array {
    const length = utf8Length(text);
    if (length > text.length) return this.encodeIn(arena, values, encodeUtf8(text));
    const bytes = arena.take(this.size + length);
    this.#fill(arena.viewOf(bytes), bytes.byteOffset, values);
    for (let i = 0; i < length; i++) bytes[this.size + i] = text.charCodeAt(i);
    return bytes;
  }

  #fill(view: DataView, start: number, values: RecordValues<Table>): void {
    let at = start;
    for (let i = 0; i < this.#table.length; i++) {
      // Taking it apart as [name, kind] would go through its iterator.
      const field = assertDefined(this.#table[i]);
      const value = values[field[0] as keyof typeof values];
      const kind = field[1];
      if (kind === 'u8') view.setUint8(at, value);
      else if (kind === 'u16') view.setUint16(at, value, true);
      else if (kind === 'u32') view.setUint32(at, value, true);
      else if (kind === 'u64') view.setBigUint64(at, BigInt(value), true);
      else view.setFloat64(at, value, true);
      at += SIZES[kind];
    }
  }

  /** The record and what follows it; undefined if there are too few bytes. */
  decode(bytes: Uint8Array): { values: RecordValues<Table>; rest: Uint8Array } | undefined {
    if (bytes.length < this.size) return undefined;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const values: Record<string, number> = {};
    let at = 0;
    for (const [name, kind] of this.#table) {
      if (kind === 'u8') values[name] = view.getUint8(at);
      else if (kind === 'u16') values[name] = view.getUint16(at, true);
      else if (kind === 'u32') values[name] = view.getUint32(at, true);
      else if (kind === 'u64') values[name] = Number(view.getBigUint64(at, true));
      else values[name] = view.getFloat64(at, true);
      at += SIZES[kind];
    }
    return { values: values as RecordValues<Table>, rest: bytes.subarray(this.size) };
  }
}
