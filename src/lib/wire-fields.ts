// The fields messages are made of (wire.ts puts them together): numbers, text, bytes, padding.
//
// A number of 64 bits is a JavaScript number where it counts something, and must be exact then; it
// is a bigint where all its bits matter (`bigU64`).

import { assert } from './assert.ts';
import { decodeUtf8Strict, utf8Length } from './text.ts';
import type { WireReader, WireWriter } from './wire-buffer.ts';

const U16_MAX = 0xffff;
const U32_MAX = 0xffff_ffff;
const BIG_U64_MAX = 0xffff_ffff_ffff_ffffn;

/** Characters of a text that a log shows. */
const PRINTED_TEXT_MAX = 80;

/** How one value is laid out. T is what the decoder gives and the encoder takes. */
export interface Field<T> {
  /** How documents call it. */
  readonly label: string;
  /** The least bytes it takes. */
  readonly sizeMin: number;
  /** It takes that many always. */
  readonly isFixed: boolean;
  /** It ends where the message does, so nothing can follow. */
  readonly isOpenEnded: boolean;
  /** Errors: a string's own, if it is too long. */
  sizeOf(value: T): number;
  /** A value that doesn't fit its field is a bug: InvariantError. */
  write(writer: WireWriter, value: T): void;
  /** Errors: WireError. */
  read(reader: WireReader): T;
  /** For logs: short, whatever the value. */
  print(value: T): string;
}

export type ValueOf<F> = F extends Field<infer T> ? T : never;

interface IntegerLayout {
  readonly label: string;
  readonly size: number;
  readonly min: number;
  readonly max: number;
  readonly put: (writer: WireWriter, value: number) => void;
  readonly get: (reader: WireReader) => number;
}

export class IntegerField implements Field<number> {
  readonly label: string;
  readonly sizeMin: number;
  readonly isFixed = true;
  readonly isOpenEnded = false;
  readonly min: number;
  readonly max: number;
  readonly #put: IntegerLayout['put'];
  readonly #get: IntegerLayout['get'];

  constructor({ label, size, min, max, put, get }: IntegerLayout) {
    this.label = label;
    this.sizeMin = size;
    this.min = min;
    this.max = max;
    this.#put = put;
    this.#get = get;
  }

  sizeOf(): number {
    return this.sizeMin;
  }

  write(writer: WireWriter, value: number): void {
    const fits = Number.isInteger(value) && value >= this.min && value <= this.max;
    if (!fits) throw writer.refuse(this.label, value);
    this.#put(writer, value);
  }

  read(reader: WireReader): number {
    return this.#get(reader);
  }

  print(value: number): string {
    return String(value);
  }
}

export const u8 = new IntegerField({
  label: 'u8',
  size: 1,
  min: 0,
  max: 0xff,
  put: (writer, value) => {
    writer.putU8(value);
  },
  get: (reader) => reader.getU8(),
});

export const u16 = new IntegerField({
  label: 'u16',
  size: 2,
  min: 0,
  max: U16_MAX,
  put: (writer, value) => {
    writer.putU16(value);
  },
  get: (reader) => reader.getU16(),
});

export const u32 = new IntegerField({
  label: 'u32',
  size: 4,
  min: 0,
  max: U32_MAX,
  put: (writer, value) => {
    writer.putU32(value);
  },
  get: (reader) => reader.getU32(),
});

export const i32 = new IntegerField({
  label: 'i32',
  size: 4,
  min: -0x8000_0000,
  max: 0x7fff_ffff,
  put: (writer, value) => {
    writer.putI32(value);
  },
  get: (reader) => reader.getI32(),
});

export const u64 = new IntegerField({
  label: 'u64',
  size: 8,
  min: 0,
  max: Number.MAX_SAFE_INTEGER,
  put: (writer, value) => {
    writer.put64(value);
  },
  get: (reader) => reader.getU64(),
});

export const i64 = new IntegerField({
  label: 'i64',
  size: 8,
  min: Number.MIN_SAFE_INTEGER,
  max: Number.MAX_SAFE_INTEGER,
  put: (writer, value) => {
    writer.put64(value);
  },
  get: (reader) => reader.getI64(),
});

export class BigU64Field implements Field<bigint> {
  readonly label = 'u64';
  readonly sizeMin = 8;
  readonly isFixed = true;
  readonly isOpenEnded = false;

  sizeOf(): number {
    return this.sizeMin;
  }

  write(writer: WireWriter, value: bigint): void {
    if (value < 0n || value > BIG_U64_MAX) throw writer.refuse(this.label, value);
    writer.putBigU64(value);
  }

  read(reader: WireReader): bigint {
    return reader.getBigU64();
  }

  print(value: bigint): string {
    return String(value);
  }
}

/** Numbers that are opaque, or masks: inode numbers, directory positions, versions. */
export const bigU64 = new BigU64Field();

/** 0 or 1, in a byte. Others are refused, so that they can be given a meaning. */
export class BooleanField implements Field<boolean> {
  readonly label = 'u8';
  readonly sizeMin = 1;
  readonly isFixed = true;
  readonly isOpenEnded = false;

  sizeOf(): number {
    return this.sizeMin;
  }

  write(writer: WireWriter, value: boolean): void {
    writer.putU8(value ? 1 : 0);
  }

  read(reader: WireReader): boolean {
    const value = reader.getU8();
    if (value > 1) throw reader.refuse('neither 0 nor 1');
    return value === 1;
  }

  print(value: boolean): string {
    return String(value);
  }
}

export const bool = new BooleanField();

/** Written as zeros, not looked at when read. It has no value in what is encoded or decoded. */
export class PaddingField implements Field<void> {
  readonly label: string;
  readonly sizeMin: number;
  readonly isFixed = true;
  readonly isOpenEnded = false;
  // It alone is a padding, whatever else has the same shape: struct() leaves it out of its type.
  readonly #size: number;

  constructor(size: number) {
    this.label = `${size} zero${size === 1 ? '' : 's'}`;
    this.sizeMin = size;
    this.#size = size;
  }

  sizeOf(): number {
    return this.#size;
  }

  write(writer: WireWriter): void {
    writer.putZeros(this.#size);
  }

  read(reader: WireReader): void {
    reader.getBytes(this.#size);
  }

  print(): string {
    return '';
  }
}

export function padding(size: number): PaddingField {
  return new PaddingField(size);
}

/**
 * Text: u16 length, UTF-8. Names are strings in this project and the VFS takes only well-formed
 * ones (EILSEQ), so what isn't UTF-8 is refused: replaced, it would be another file's name.
 */
export class StringField implements Field<string> {
  readonly label = 'String';
  readonly sizeMin = 2;
  readonly isFixed = false;
  readonly isOpenEnded = false;
  readonly #tooLong: Error;

  /** `tooLong` is thrown for a text whose length the prefix can't hold. */
  constructor(tooLong: Error) {
    this.#tooLong = tooLong;
  }

  sizeOf(text: string): number {
    const size = utf8Length(text);
    if (size > U16_MAX) throw this.#tooLong;
    return 2 + size;
  }

  write(writer: WireWriter, text: string): void {
    const size = utf8Length(text);
    const isAscii = size === text.length;
    if (!isAscii && !text.isWellFormed()) throw writer.refuse(this.label, JSON.stringify(text));
    writer.putU16(size);
    writer.putText(text, size);
  }

  read(reader: WireReader): string {
    return textOf(reader.getBytes(reader.getU16()), reader);
  }

  print(text: string): string {
    return printText(text);
  }
}

function textOf(bytes: Uint8Array, reader: WireReader): string {
  try {
    return decodeUtf8Strict(bytes);
  } catch {
    // A TypeError, which says no more.
    throw reader.refuse('text that is not UTF-8 ends');
  }
}

function printText(text: string): string {
  if (text.length <= PRINTED_TEXT_MAX) return JSON.stringify(text);
  return `${JSON.stringify(text.slice(0, PRINTED_TEXT_MAX))}…`;
}

export function string(tooLong: Error): StringField {
  return new StringField(tooLong);
}

/**
 * Text that a host tells, where names are any bytes: a string if it is UTF-8, else the bytes, so
 * that one such name doesn't spoil a whole listing.
 */
export class HostStringField implements Field<string | Uint8Array> {
  readonly label = 'String';
  readonly sizeMin = 2;
  readonly isFixed = false;
  readonly isOpenEnded = false;
  readonly #text: StringField;
  readonly #bytes: BytesField;

  constructor(tooLong: Error) {
    this.#text = new StringField(tooLong);
    this.#bytes = new BytesField(u16, { tooLong });
  }

  sizeOf(name: string | Uint8Array): number {
    return typeof name === 'string' ? this.#text.sizeOf(name) : this.#bytes.sizeOf(name);
  }

  write(writer: WireWriter, name: string | Uint8Array): void {
    if (typeof name === 'string') this.#text.write(writer, name);
    else this.#bytes.write(writer, name);
  }

  read(reader: WireReader): string | Uint8Array {
    const bytes = reader.getBytes(reader.getU16());
    try {
      return decodeUtf8Strict(bytes);
    } catch {
      return bytes;
    }
  }

  print(name: string | Uint8Array): string {
    if (typeof name === 'string') return printText(name);
    const shown = name.subarray(0, PRINTED_TEXT_MAX);
    const text = Array.from(shown, (byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('');
    return `"${text}"${shown.length < name.length ? '…' : ''}`;
  }
}

export function hostString(tooLong: Error): HostStringField {
  return new HostStringField(tooLong);
}

interface BytesOptions {
  readonly label?: string;
  /** Thrown for more bytes than the length can say. Without it that is a bug of the caller's. */
  readonly tooLong?: Error;
}

/**
 * Bytes with their length before them. Encoding copies them once, into the message; decoding gives
 * a view of the message.
 */
export class BytesField implements Field<Uint8Array> {
  readonly label: string;
  readonly sizeMin: number;
  readonly isFixed = false;
  readonly isOpenEnded = false;
  readonly #length: IntegerField;
  readonly #tooLong: Error | undefined;

  constructor(length: IntegerField, { label, tooLong }: BytesOptions = {}) {
    this.label = label ?? `bytes (length ${length.label})`;
    this.sizeMin = length.sizeMin;
    this.#length = length;
    this.#tooLong = tooLong;
  }

  sizeOf(bytes: Uint8Array): number {
    if (this.#tooLong !== undefined && bytes.length > this.#length.max) throw this.#tooLong;
    return this.sizeMin + bytes.length;
  }

  write(writer: WireWriter, bytes: Uint8Array): void {
    this.#length.write(writer, bytes.length);
    writer.putBytes(bytes);
  }

  read(reader: WireReader): Uint8Array {
    return reader.getBytes(this.#length.read(reader));
  }

  /** Not what they are: some are secrets, and some are large. */
  print(bytes: Uint8Array): string {
    return printSize(bytes);
  }
}

function printSize(bytes: Uint8Array): string {
  return `<${bytes.length} bytes>`;
}

/** Bytes with a u32 for their length. */
export const bytes = new BytesField(u32, { label: 'bytes' });

/** What is laid out as a String and need not be text: an extended attribute's value. */
export function stringOfBytes(tooLong: Error): BytesField {
  return new BytesField(u16, { label: 'String', tooLong });
}

/** All up to the message's end, as a view. */
export class RestField implements Field<Uint8Array> {
  readonly label = 'the rest';
  readonly sizeMin = 0;
  readonly isFixed = false;
  readonly isOpenEnded = true;

  sizeOf(bytes: Uint8Array): number {
    return bytes.length;
  }

  write(writer: WireWriter, bytes: Uint8Array): void {
    writer.putBytes(bytes);
  }

  read(reader: WireReader): Uint8Array {
    return reader.getBytes(reader.remaining);
  }

  print(bytes: Uint8Array): string {
    return printSize(bytes);
  }
}

export const rest = new RestField();

/** There if the message goes on, undefined if it has ended. */
export class TrailingField<T> implements Field<T | undefined> {
  readonly label: string;
  readonly sizeMin = 0;
  readonly isFixed = false;
  readonly isOpenEnded = true;
  readonly field: Field<T>;

  constructor(field: Field<T>) {
    assert(field.sizeMin > 0, 'nothing would tell whether it is there');
    this.label = `${field.label}, if there`;
    this.field = field;
  }

  sizeOf(value: T | undefined): number {
    return value === undefined ? 0 : this.field.sizeOf(value);
  }

  write(writer: WireWriter, value: T | undefined): void {
    if (value !== undefined) this.field.write(writer, value);
  }

  read(reader: WireReader): T | undefined {
    return reader.remaining === 0 ? undefined : this.field.read(reader);
  }

  print(value: T | undefined): string {
    return value === undefined ? 'none' : this.field.print(value);
  }
}

/** A field at the end that older definitions of a message don't have. */
export function trailing<T>(field: Field<T>): TrailingField<T> {
  return new TrailingField(field);
}
