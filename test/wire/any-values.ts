// Values for any field of a message's table, and bytes written as hexadecimal.

import fc from 'fast-check';
import {
  ArrayField,
  type FieldTable,
  OptionalField,
  PackedField,
  StructField,
} from '../../src/lib/wire.ts';
import {
  BigU64Field,
  BooleanField,
  BytesField,
  type Field,
  HostStringField,
  IntegerField,
  PaddingField,
  RestField,
  StringField,
  TrailingField,
} from '../../src/lib/wire-fields.ts';

const text = fc.oneof(
  fc.string({ unit: 'grapheme-ascii', maxLength: 12 }),
  fc.string({ unit: 'binary', maxLength: 12 }),
);
const bytes = fc.uint8Array({ maxLength: 40 });
/** 0xff is in no UTF-8. */
const notUtf8 = bytes.map((some) => Uint8Array.of(...some, 0xff));

export function valuesOf(field: Field<unknown>): fc.Arbitrary<unknown> {
  if (isStruct(field)) return valuesOfTable(field.table);
  if (field instanceof IntegerField) return fc.integer({ min: field.min, max: field.max });
  if (field instanceof BigU64Field) return fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
  if (field instanceof BooleanField) return fc.boolean();
  if (field instanceof StringField) return text;
  if (field instanceof HostStringField) return fc.oneof(text, notUtf8);
  if (field instanceof BytesField || field instanceof RestField) return bytes;
  if (field instanceof OptionalField || field instanceof TrailingField) {
    return fc.option(valuesOf(field.field), { nil: undefined });
  }
  if (field instanceof ArrayField || field instanceof PackedField) {
    return fc.array(valuesOf(field.element), { maxLength: 5 });
  }
  throw new Error(`no values for ${field.label}`);
}

/** With `instanceof` alone, TypeScript knows nothing of the table. */
export function isStruct(field: Field<unknown>): field is StructField<FieldTable> {
  return field instanceof StructField;
}

function valuesOfTable(table: FieldTable): fc.Arbitrary<unknown> {
  const fields = Object.entries(table).filter(([, field]) => !(field instanceof PaddingField));
  return fc.record(Object.fromEntries(fields.map(([name, field]) => [name, valuesOf(field)])));
}

/** `01 ff` → its bytes. What stands behind `#` on a line is a comment. */
export function fromHex(lines: string): Uint8Array {
  const digits = lines.replaceAll(/#.*$/gm, '').replaceAll(/\s/g, '');
  if (!/^(?:[0-9a-f]{2})*$/.test(digits)) throw new Error(`not hexadecimal: ${digits}`);
  return Uint8Array.from(digits.match(/../g) ?? [], (byte) => parseInt(byte, 16));
}

/** To compare bytes: a difference of strings is printed readably. */
export function toHex(some: Uint8Array): string {
  return Array.from(some, (byte) => byte.toString(16).padStart(2, '0')).join(' ');
}
