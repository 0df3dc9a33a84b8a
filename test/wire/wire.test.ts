// The codec of message tables: each kind of field, its limits, and what is copied and made.

import { describe, expect, test } from 'vitest';
import { linuxerr } from '../../src/abi/errno.ts';
import { InvariantError } from '../../src/lib/assert.ts';
import { array, optional, packed, struct } from '../../src/lib/wire.ts';
import { WireError, type WireReader, WireWriter } from '../../src/lib/wire-buffer.ts';
import {
  bigU64,
  bool,
  bytes,
  BytesField,
  type Field,
  hostString,
  i32,
  i64,
  padding,
  rest,
  string,
  stringOfBytes,
  trailing,
  u16,
  u32,
  u64,
  u8,
} from '../../src/lib/wire-fields.ts';
import { fromHex, toHex } from './any-values.ts';

const name = string(linuxerr.ENAMETOOLONG);
const hostName = hostString(linuxerr.ENAMETOOLONG);

/** The bytes of one value. */
function encoded<T>(field: Field<T>, value: T): string {
  return toHex(struct({ value: field }).encode({ value }));
}

function decoded(field: Field<unknown>, hex: string): unknown {
  return struct({ value: field }).decode(fromHex(hex)).value;
}

const MAX = Number.MAX_SAFE_INTEGER;

describe('integers', () => {
  test.each<[field: Field<number>, value: number, hex: string]>([
    [u8, 0xfe, 'fe'],
    [u16, 0x1234, '34 12'],
    [u32, 0xfedcba98, '98 ba dc fe'],
    [i32, -2, 'fe ff ff ff'],
    [u64, 0x1_2345_6789, '89 67 45 23 01 00 00 00'],
    [u64, MAX, 'ff ff ff ff ff ff 1f 00'],
    [i64, -1, 'ff ff ff ff ff ff ff ff'],
    [i64, -0x1_0000_0000, '00 00 00 00 ff ff ff ff'],
    [i64, -0x1_0000_0001, 'ff ff ff ff fe ff ff ff'],
    [i64, -MAX, '01 00 00 00 00 00 e0 ff'],
    [i64, MAX, 'ff ff ff ff ff ff 1f 00'],
  ])('%o has %d as %s', (field, value, hex) => {
    expect(encoded(field, value)).toBe(hex);
    expect(decoded(field, hex)).toBe(value);
  });

  test('all 64 bits are kept where they matter', () => {
    expect(encoded(bigU64, 0xfedc_ba98_7654_3210n)).toBe('10 32 54 76 98 ba dc fe');
    expect(decoded(bigU64, '10 32 54 76 98 ba dc fe')).toBe(0xfedc_ba98_7654_3210n);
  });

  test.each<[field: Field<number>, values: number[]]>([
    [u8, [-1, 256, 0.5, NaN]],
    [u16, [-1, 0x10000]],
    [u32, [-1, 2 ** 32]],
    [i32, [2 ** 31, -(2 ** 31) - 1]],
    [u64, [-1, MAX + 1, Infinity]],
    [i64, [-MAX - 1, MAX + 1]],
  ])('%o takes only what it can hold', (field, values) => {
    for (const value of values) expect(() => encoded(field, value)).toThrow(InvariantError);
  });

  test('a bigint that is not one of 64 bits is a bug', () => {
    for (const value of [-1n, 2n ** 64n]) {
      expect(() => encoded(bigU64, value)).toThrow(InvariantError);
    }
  });

  test('a number that JavaScript would round is refused', () => {
    expect(() => decoded(u64, '00 00 00 00 00 00 20 00')).toThrow(WireError);
    expect(() => decoded(i64, '00 00 00 00 00 00 20 00')).toThrow(WireError);
    expect(() => decoded(i64, '00 00 00 00 00 00 e0 ff')).toThrow(WireError);
    expect(() => decoded(u64, 'ff ff ff ff ff ff ff ff')).toThrow(WireError);
  });

  test('a truth value is 0 or 1', () => {
    expect([encoded(bool, true), encoded(bool, false)]).toEqual(['01', '00']);
    expect([decoded(bool, '01'), decoded(bool, '00')]).toEqual([true, false]);
    expect(() => decoded(bool, '02')).toThrow(WireError);
  });
});

describe('text', () => {
  test.each([
    ['', '00 00'],
    ['ab', '02 00 61 62'],
    ['ä€', '05 00 c3 a4 e2 82 ac'],
    ['𝄞', '04 00 f0 9d 84 9e'],
    ['\ufeffx\0', '05 00 ef bb bf 78 00'],
  ])('%j is %s', (text, hex) => {
    for (const field of [name, hostName]) {
      expect(encoded(field, text)).toBe(hex);
      expect(decoded(field, hex)).toBe(text);
    }
  });

  // A byte alone, an overlong form, a surrogate, and one beyond Unicode.
  test.each(['ff', 'c0 80', 'ed a0 80', 'f4 90 80 80', '61 e2 82'])('%s is no UTF-8', (hex) => {
    const size = fromHex(hex).length;
    const message = `0${size} 00 ${hex}`;
    expect(() => decoded(name, message)).toThrow(WireError);
    const value = decoded(hostName, message) as Uint8Array;
    expect(toHex(value)).toBe(hex);
    expect(encoded(hostName, value)).toBe(message);
  });

  test('a lone surrogate is a bug: the VFS takes none', () => {
    expect(() => encoded(name, 'a\ud800')).toThrow(InvariantError);
    expect(() => encoded(hostName, '\udc00a')).toThrow(InvariantError);
  });

  test('text up to 65535 bytes is taken, and more fails as its field says', () => {
    expect(encoded(name, 'x'.repeat(65535)).slice(0, 8)).toBe('ff ff 78');
    expect(() => encoded(name, 'x'.repeat(65536))).toThrow(linuxerr.ENAMETOOLONG);
    expect(() => encoded(name, 'ä'.repeat(32768))).toThrow(linuxerr.ENAMETOOLONG);
    expect(() => encoded(hostName, new Uint8Array(65536))).toThrow(linuxerr.ENAMETOOLONG);
    const value = stringOfBytes(linuxerr.E2BIG);
    expect(encoded(value, new Uint8Array(65535)).slice(0, 5)).toBe('ff ff');
    expect(() => encoded(value, new Uint8Array(65536))).toThrow(linuxerr.E2BIG);
  });
});

describe('bytes', () => {
  test('have their length before them', () => {
    expect(encoded(bytes, Uint8Array.of(1, 2))).toBe('02 00 00 00 01 02');
    expect(encoded(new BytesField(u64), Uint8Array.of(9))).toBe('01 00 00 00 00 00 00 00 09');
    expect(encoded(stringOfBytes(linuxerr.E2BIG), Uint8Array.of(0xff))).toBe('01 00 ff');
    expect(encoded(rest, Uint8Array.of(1, 2))).toBe('01 02');
  });

  test('are decoded as a view of the message', () => {
    const message = fromHex('aa 02 00 00 00 01 02 bb').subarray(1, 7);
    const { data } = struct({ data: bytes }).decode(message);
    expect(toHex(data)).toBe('01 02');
    expect(data.buffer).toBe(message.buffer);
    expect(data.byteOffset).toBe(5);
  });

  test('are copied once: into the writer’s buffer, that grows beforehand', () => {
    const copies: number[] = [];
    class CountedArray extends Uint8Array<ArrayBuffer> {
      override set(source: ArrayLike<number>, offset?: number): void {
        copies.push(source.length);
        super.set(source, offset);
      }
    }
    const buffer = new CountedArray(new ArrayBuffer(4 << 20));
    const writer = new WireWriter(buffer);
    const write = struct({ fd: u64, data: bytes });
    const message = write.encode({ fd: 1, data: new Uint8Array(2 << 20).fill(7) }, writer);
    expect(message.buffer).toBe(buffer.buffer);
    expect(message.length).toBe(12 + (2 << 20));
    expect(message.at(-1)).toBe(7);
    expect(copies).toEqual([2 << 20]);
  });
});

describe('a writer', () => {
  const table = struct({ data: bytes });

  test('is used again, and keeps what it grew to', () => {
    const writer = new WireWriter(new Uint8Array(8));
    const small = table.encode({ data: Uint8Array.of(1) }, writer);
    expect(small.buffer.byteLength).toBe(8);
    const large = table.encode({ data: new Uint8Array(96) }, writer);
    expect(large.buffer.byteLength).toBe(100);
    const next = table.encode({ data: Uint8Array.of(2) }, writer);
    expect(next.buffer).toBe(large.buffer);
    expect(toHex(next)).toBe('01 00 00 00 02');
  });

  test('writes zeros over what a padding’s place had', () => {
    const padded = struct({ a: u8, pad: padding(2), b: u8 });
    const writer = new WireWriter(new Uint8Array(4).fill(0xee));
    expect(toHex(padded.encode({ a: 1, b: 2 }, writer))).toBe('01 00 00 02');
  });

  test('notices a table that says another size than it writes', () => {
    const writer = new WireWriter();
    writer.begin(3);
    u16.write(writer, 1);
    expect(() => writer.finish()).toThrow(InvariantError);
  });

  test('names the place of what can’t be written', () => {
    const two = struct({ a: u32, b: u8 });
    expect(() => two.encode({ a: 1, b: 300 })).toThrow("u8 at byte 4 can't be 300");
  });
});

describe('structs', () => {
  const pair = struct({ a: u8, pad: padding(1), b: u16 }, 'Pair');

  test('have their fields in order, and no value for padding', () => {
    const values: { readonly a: number; readonly b: number } = pair.decode(fromHex('01 ee 02 00'));
    expect(values).toEqual({ a: 1, b: 2 });
    expect(Object.keys(values)).toEqual(['a', 'b']);
    expect(pair.sizeMin).toBe(4);
    expect(pair.isFixed).toBe(true);
  });

  test('can be in structs and arrays', () => {
    const table = struct({ first: pair, more: array(pair), last: u8 });
    const values = { first: { a: 1, b: 2 }, more: [{ a: 3, b: 4 }], last: 5 };
    const hex = '01 00 02 00 01 00 03 00 04 00 05';
    expect(toHex(table.encode(values))).toBe(hex);
    expect(table.decode(fromHex(hex))).toEqual(values);
    expect(table.description).toBe('first Pair, more n×Pair, last u8');
  });

  test('nothing follows what ends with the message', () => {
    expect(() => struct({ all: rest, more: u8 })).toThrow(InvariantError);
    const open = struct({ all: rest });
    expect(() => struct({ open, more: u8 })).toThrow(InvariantError);
    expect(() => array(struct({ a: u8, all: rest }))).toThrow(InvariantError);
    expect(() => packed(u32, struct({ a: u8, all: rest }))).toThrow(InvariantError);
    expect(() => struct({ maybe: optional(rest), more: u8 })).toThrow(InvariantError);
  });

  test('what takes no bytes can’t be repeated', () => {
    expect(() => array(struct({}))).toThrow(InvariantError);
    expect(() => packed(u32, struct({}))).toThrow(InvariantError);
    expect(() => trailing(struct({}))).toThrow(InvariantError);
  });

  test('a field named by a number, which would come first, is a bug', () => {
    expect(() => struct({ a: u8, 1: u8 })).toThrow(InvariantError);
  });
});

describe('arrays', () => {
  /** Counts what is read. */
  class CountingField implements Field<number> {
    readonly label = 'counted';
    readonly sizeMin = 2;
    readonly isFixed = true;
    readonly isOpenEnded = false;
    reads = 0;

    sizeOf(): number {
      return 2;
    }

    write(writer: WireWriter, value: number): void {
      writer.putU16(value);
    }

    read(reader: WireReader): number {
      this.reads++;
      return reader.getU16();
    }

    print(value: number): string {
      return String(value);
    }
  }

  test('a count that the message is too short for is refused before anything is made', () => {
    const element = new CountingField();
    const table = struct({ all: array(element) });
    expect(() => table.decode(fromHex('ff ff 01 00 02 00'))).toThrow(WireError);
    expect(element.reads).toBe(0);
    expect(table.decode(fromHex('02 00 01 00 02 00'))).toEqual({ all: [1, 2] });
    expect(element.reads).toBe(2);
  });

  test('more elements than a count can say is a bug', () => {
    expect(() => encoded(array(u8), new Array<number>(65536).fill(0))).toThrow(InvariantError);
  });

  test('packed elements fill the size that is said, and no element ends beyond it', () => {
    const entries = packed(u32, struct({ id: u8, name }));
    const hex = '07 00 00 00 01 01 00 61 02 00 00';
    const values = [
      { id: 1, name: 'a' },
      { id: 2, name: '' },
    ];
    expect(encoded(entries, values)).toBe(hex);
    expect(decoded(entries, hex)).toEqual(values);
    const table = struct({ entries, after: u32 });
    expect(() => table.decode(fromHex('06 00 00 00 01 01 00 61 02 00 00 00'))).toThrow(WireError);
  });
});

test('an optional field has a byte that says whether it is there', () => {
  const table = struct({ a: optional(u16), b: u8 });
  expect(toHex(table.encode({ a: 5, b: 1 }))).toBe('01 05 00 01');
  expect(toHex(table.encode({ a: undefined, b: 1 }))).toBe('00 01');
  expect(table.decode(fromHex('00 01'))).toEqual({ b: 1 });
  expect(() => table.decode(fromHex('02 05 00 01'))).toThrow(WireError);
});

test('a trailing field may be missing, but not in part', () => {
  const table = struct({ a: u8, b: trailing(u32) });
  expect(toHex(table.encode({ a: 1, b: undefined }))).toBe('01');
  expect(toHex(table.encode({ a: 1, b: 2 }))).toBe('01 02 00 00 00');
  expect(table.decode(fromHex('01'))).toEqual({ a: 1 });
  expect(table.decode(fromHex('01 02 00 00 00'))).toEqual({ a: 1, b: 2 });
  expect(() => table.decode(fromHex('01 02'))).toThrow(WireError);
});

test('an error says where the message is wrong', () => {
  const table = struct({ a: u32, text: name });
  expect(() => table.decode(fromHex('01 00 00 00 05 00 61'))).toThrow(
    '5 bytes are missing at byte 6 of 7',
  );
  expect(() => table.decode(fromHex('01 00 00 00 00 00 61'))).toThrow(
    'the message should end at byte 6 of 7',
  );
});

test('logs show text and lists shortened, and never what bytes there are', () => {
  const table = struct({
    text: name,
    raw: hostName,
    data: bytes,
    list: array(u8),
    pad: padding(1),
    none: optional(u8),
  });
  const line = table.print({
    text: 'x'.repeat(1000),
    raw: Uint8Array.of(0x61, 0xff),
    data: Uint8Array.of(1, 2, 3),
    list: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
    none: undefined,
  });
  expect(line).toBe(
    `{text: "${'x'.repeat(80)}"…, raw: "\\x61\\xff", data: <3 bytes>, ` +
      'list: [1, 2, 3, 4, 5, 6, 7, 8, and 2 more], none: none}',
  );
});

test('a message in shared memory is decoded, too', () => {
  const shared = new Uint8Array(new SharedArrayBuffer(8));
  shared.set(fromHex('06 00 c3 a4 62 63 64 65'));
  expect(struct({ text: name }).decode(shared)).toEqual({ text: 'äbcde' });
});
