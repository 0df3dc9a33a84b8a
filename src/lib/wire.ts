// Wire formats as tables: a struct names the fields of a message in order, and the encoder, the
// decoder, the size, the text for logs and the TypeScript type all come from it.
//
//   const walk = struct({ dirFD: u64, path: array(name) });
//   walk.decode(walk.encode({ dirFD: 1, path: ['usr', 'bin'] }))
//
// A message that was decoded shares its memory: whoever keeps bytes of it keeps all of it.
// Decoding makes no more than the message holds bytes for, whatever its counts say.

import { assert, assertDefined } from './assert.ts';
import { WireReader, WireWriter } from './wire-buffer.ts';
import { type Field, type IntegerField, PaddingField, u16, type ValueOf } from './wire-fields.ts';

/** Elements of an array that a log shows. */
const PRINTED_ELEMENTS_MAX = 8;

export type FieldTable = Readonly<Record<string, Field<unknown>>>;

/** The values of a struct: one for each field that isn't padding. */
export type StructValues<Table extends FieldTable> = {
  readonly [Name in keyof Table as Table[Name] extends PaddingField ? never : Name]: ValueOf<
    Table[Name]
  >;
};

export class StructField<Table extends FieldTable> implements Field<StructValues<Table>> {
  /** Its name, or else its fields. */
  readonly label: string;
  /** Name and label of each field, in order: what documents say. */
  readonly description: string;
  readonly sizeMin: number;
  readonly isFixed: boolean;
  readonly isOpenEnded: boolean;
  readonly table: Table;
  readonly #names: readonly string[];
  readonly #fields: readonly Field<unknown>[];

  constructor(table: Table, name?: string) {
    this.table = table;
    this.#names = Object.keys(table);
    this.#fields = Object.values(table);
    this.description = Object.entries(table)
      .map(([key, field]) => (field instanceof PaddingField ? '' : `${key} `) + field.label)
      .join(', ');
    this.label = name ?? `{${this.description}}`;
    this.sizeMin = this.#fields.reduce((sum, { sizeMin }) => sum + sizeMin, 0);
    this.isFixed = this.#fields.every(({ isFixed }) => isFixed);
    this.isOpenEnded = this.#fields.at(-1)?.isOpenEnded ?? false;
    const isEndedBefore = this.#fields.slice(0, -1).some(({ isOpenEnded }) => isOpenEnded);
    assert(!isEndedBefore, 'nothing can follow a field that ends with the message');
    // JavaScript would put such a key before the others.
    assert(!this.#names.some((key) => /^\d/.test(key)), 'a field has a number for its name');
  }

  sizeOf(values: StructValues<Table>): number {
    if (this.isFixed) return this.sizeMin;
    let size = 0;
    for (let index = 0; index < this.#fields.length; index++) {
      size += this.#fieldAt(index).sizeOf(this.#valueAt(values, index));
    }
    return size;
  }

  write(writer: WireWriter, values: StructValues<Table>): void {
    for (let index = 0; index < this.#fields.length; index++) {
      this.#fieldAt(index).write(writer, this.#valueAt(values, index));
    }
  }

  read(reader: WireReader): StructValues<Table> {
    const values: Record<string, unknown> = {};
    for (let index = 0; index < this.#fields.length; index++) {
      const value = this.#fieldAt(index).read(reader);
      if (value !== undefined) values[assertDefined(this.#names[index])] = value;
    }
    return values as StructValues<Table>;
  }

  print(values: StructValues<Table>): string {
    const parts = this.#names.flatMap((name, index) => {
      const field = this.#fieldAt(index);
      if (field instanceof PaddingField) return [];
      return [`${name}: ${field.print(this.#valueAt(values, index))}`];
    });
    return `{${parts.join(', ')}}`;
  }

  /**
   * The bytes of a whole message: in `writer`'s buffer, until that is used again, or else in one of
   * their own. Errors: a string's own, if it is too long.
   */
  encode(values: StructValues<Table>, writer?: WireWriter): Uint8Array<ArrayBuffer> {
    const size = this.sizeOf(values);
    const target = writer ?? new WireWriter(new Uint8Array(size));
    target.begin(size);
    this.write(target, values);
    return target.finish();
  }

  /** A message that is these bytes, all of them. Errors: WireError. */
  decode(bytes: Uint8Array): StructValues<Table> {
    const reader = new WireReader(bytes);
    const values = this.read(reader);
    reader.expectEnd();
    return values;
  }

  #fieldAt(index: number): Field<unknown> {
    return assertDefined(this.#fields[index]);
  }

  #valueAt(values: StructValues<Table>, index: number): unknown {
    return (values as Readonly<Record<string, unknown>>)[assertDefined(this.#names[index])];
  }
}

/** A message's table; or a part of messages, which has a name. */
export function struct<const Table extends FieldTable>(
  table: Table,
  name?: string,
): StructField<Table> {
  return new StructField(table, name);
}

/** u16 count, then the elements. */
export class ArrayField<T> implements Field<readonly T[]> {
  readonly label: string;
  readonly sizeMin = u16.sizeMin;
  readonly isFixed = false;
  readonly isOpenEnded = false;
  readonly element: Field<T>;

  constructor(element: Field<T>, label = `n×${element.label}`) {
    checkElement(element);
    this.label = label;
    this.element = element;
  }

  sizeOf(elements: readonly T[]): number {
    return this.sizeMin + sizeOfAll(this.element, elements);
  }

  write(writer: WireWriter, elements: readonly T[]): void {
    u16.write(writer, elements.length);
    for (const element of elements) this.element.write(writer, element);
  }

  read(reader: WireReader): readonly T[] {
    const count = u16.read(reader);
    reader.expect(count * this.element.sizeMin);
    const elements: T[] = [];
    for (let index = 0; index < count; index++) elements.push(this.element.read(reader));
    return elements;
  }

  print(elements: readonly T[]): string {
    return printAll(this.element, elements);
  }
}

export function array<T>(element: Field<T>, label?: string): ArrayField<T> {
  return new ArrayField(element, label);
}

/** How many bytes the elements take, then the elements. */
export class PackedField<T> implements Field<readonly T[]> {
  readonly label: string;
  readonly sizeMin: number;
  readonly isFixed = false;
  readonly isOpenEnded = false;
  readonly element: Field<T>;
  readonly #size: IntegerField;

  constructor(size: IntegerField, element: Field<T>) {
    checkElement(element);
    this.label = `size ${size.label}, ${element.label}…`;
    this.sizeMin = size.sizeMin;
    this.element = element;
    this.#size = size;
  }

  sizeOf(elements: readonly T[]): number {
    return this.sizeMin + sizeOfAll(this.element, elements);
  }

  write(writer: WireWriter, elements: readonly T[]): void {
    this.#size.write(writer, sizeOfAll(this.element, elements));
    for (const element of elements) this.element.write(writer, element);
  }

  read(reader: WireReader): readonly T[] {
    const part = new WireReader(reader.getBytes(this.#size.read(reader)));
    const elements: T[] = [];
    while (part.remaining > 0) elements.push(this.element.read(part));
    return elements;
  }

  print(elements: readonly T[]): string {
    return printAll(this.element, elements);
  }
}

export function packed<T>(size: IntegerField, element: Field<T>): PackedField<T> {
  return new PackedField(size, element);
}

/** One that takes no bytes could be there any number of times, and one without an end only once. */
function checkElement(element: Field<unknown>): void {
  assert(element.sizeMin > 0, 'an element of an array takes no bytes');
  assert(!element.isOpenEnded, 'an element of an array ends with the message');
}

function sizeOfAll<T>(element: Field<T>, elements: readonly T[]): number {
  if (element.isFixed) return elements.length * element.sizeMin;
  let size = 0;
  for (const value of elements) size += element.sizeOf(value);
  return size;
}

function printAll<T>(element: Field<T>, elements: readonly T[]): string {
  const shown = elements.slice(0, PRINTED_ELEMENTS_MAX).map((value) => element.print(value));
  const more = elements.length - shown.length;
  return `[${shown.join(', ')}${more > 0 ? `, and ${more} more` : ''}]`;
}

/** A byte that says whether the value follows. */
export class OptionalField<T> implements Field<T | undefined> {
  readonly label: string;
  readonly sizeMin = 1;
  readonly isFixed = false;
  readonly isOpenEnded: boolean;
  readonly field: Field<T>;

  constructor(field: Field<T>) {
    this.label = `u8, then ${field.label} if 1`;
    this.isOpenEnded = field.isOpenEnded;
    this.field = field;
  }

  sizeOf(value: T | undefined): number {
    return this.sizeMin + (value === undefined ? 0 : this.field.sizeOf(value));
  }

  write(writer: WireWriter, value: T | undefined): void {
    writer.putU8(value === undefined ? 0 : 1);
    if (value !== undefined) this.field.write(writer, value);
  }

  read(reader: WireReader): T | undefined {
    const presence = reader.getU8();
    if (presence > 1) throw reader.refuse('neither 0 nor 1');
    return presence === 1 ? this.field.read(reader) : undefined;
  }

  print(value: T | undefined): string {
    return value === undefined ? 'none' : this.field.print(value);
  }
}

export function optional<T>(field: Field<T>): OptionalField<T> {
  return new OptionalField(field);
}
