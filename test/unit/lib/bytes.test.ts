// Bytes and text: ByteQueue, UTF-8, records.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ByteQueue } from '../../../src/lib/byte-queue.ts';
import { RecordCodec } from '../../../src/lib/record.ts';
import { decodeUtf8, decodeUtf8Strict, encodeUtf8, isLongerThan } from '../../../src/lib/text.ts';

describe('ByteQueue', () => {
  test('gives out what was put in, in order, whatever the pieces', () => {
    const pieces = fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 20 });
    const sizes = fc.array(fc.nat(25), { maxLength: 60 });
    fc.assert(
      fc.property(pieces, sizes, (written, reads) => {
        const queue = new ByteQueue();
        for (const piece of written) expect(queue.write(piece)).toBe(piece.length);
        const whole = written.flatMap((piece) => [...piece]);
        const read: number[] = [];
        for (const size of reads) {
          const buffer = new Uint8Array(size);
          const count = queue.read(buffer);
          expect(count).toBe(Math.min(size, whole.length - read.length));
          read.push(...buffer.subarray(0, count));
        }
        expect(read).toEqual(whole.slice(0, read.length));
        expect(queue.size).toBe(whole.length - read.length);
      }),
      { seed: 1 },
    );
  });

  test('keeps a copy of what is written', () => {
    const queue = new ByteQueue();
    const bytes = new Uint8Array([1, 2]);
    queue.write(bytes);
    bytes.fill(9);
    const buffer = new Uint8Array(2);
    queue.read(buffer);
    expect([...buffer]).toEqual([1, 2]);
  });

  test('takes no more than there is room for', () => {
    const queue = new ByteQueue();
    const { room } = queue;
    expect(queue.write(new Uint8Array(room + 5))).toBe(room);
    expect(queue.room).toBe(0);
    expect(queue.write(new Uint8Array(1))).toBe(0);
    queue.read(new Uint8Array(10));
    expect(queue.room).toBe(10);
  });

  test('wakes those who wait when something has changed, and not otherwise', async () => {
    const queue = new ByteQueue();
    const changes: string[] = [];
    const attempt = async (name: string, change: () => void): Promise<void> => {
      const withdraw = queue.changed.subscribe(() => changes.push(name));
      change();
      await Promise.resolve();
      withdraw();
    };
    await attempt('read nothing', () => queue.read(new Uint8Array(1)));
    await attempt('write', () => queue.write(new Uint8Array(2)));
    await attempt('write nothing', () => queue.write(new Uint8Array(0)));
    await attempt('read', () => queue.read(new Uint8Array(1)));
    await attempt('close for writing', () => {
      queue.closeWrite();
    });
    await attempt('close for reading', () => {
      queue.closeRead();
    });
    expect(changes).toEqual(['write', 'read', 'close for writing', 'close for reading']);
  });

  test('is wanted from when a reader finds nothing until something is put in', async () => {
    const queue = new ByteQueue();
    let wakes = 0;
    queue.wanted.subscribe(() => wakes++);
    queue.read(new Uint8Array(0));
    expect(queue.isWanted).toBe(false);
    queue.read(new Uint8Array(1));
    expect(queue.isWanted).toBe(true);
    queue.want();
    await Promise.resolve();
    expect(wakes).toBe(1);
    queue.write(new Uint8Array(1));
    expect(queue.isWanted).toBe(false);
    queue.want();
    expect(queue.isWanted).toBe(false);
  });

  test('what is there can be read after the end was declared; nothing once nobody reads', () => {
    const queue = new ByteQueue();
    queue.write(new Uint8Array([1, 2, 3]));
    queue.closeWrite();
    expect(queue.isWriteClosed).toBe(true);
    expect(queue.read(new Uint8Array(2))).toBe(2);
    queue.closeRead();
    expect(queue.isReadClosed).toBe(true);
    expect(queue.size).toBe(0);
  });
});

describe('text', () => {
  test('a byte order mark is a character like any other', () => {
    expect(decodeUtf8(encodeUtf8('\ufeffa'))).toBe('\ufeffa');
    expect(decodeUtf8Strict(encodeUtf8('\ufeffa'))).toBe('\ufeffa');
  });

  test('what is not UTF-8 is replaced, or refused by the strict one', () => {
    const wrong = new Uint8Array([0x61, 0xff]);
    expect(decodeUtf8(wrong)).toBe('a\ufffd');
    expect(() => decodeUtf8Strict(wrong)).toThrow(TypeError);
  });

  test('reads from shared memory', () => {
    const shared = new Uint8Array(new SharedArrayBuffer(2));
    shared.set([0xc3, 0xa9]);
    expect(decodeUtf8(shared)).toBe('é');
    expect(decodeUtf8Strict(shared)).toBe('é');
  });

  test('isLongerThan counts bytes', () => {
    const text = fc.string({ unit: 'grapheme', maxLength: 12 });
    fc.assert(
      fc.property(text, fc.nat(40), (value, limit) => {
        expect(isLongerThan(value, limit)).toBe(encodeUtf8(value).length > limit);
      }),
      { seed: 1 },
    );
  });
});

describe('RecordCodec', () => {
  const codec = new RecordCodec([
    ['kind', 'u8'],
    ['mode', 'u32'],
    ['size', 'f64'],
  ]);

  test('lays the fields out in order, little-endian, and the rest behind', () => {
    const bytes = codec.encode({ kind: 7, mode: 0x01020304, size: 1 }, new Uint8Array([9]));
    expect([...bytes]).toEqual([7, 4, 3, 2, 1, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 9]);
    expect(codec.size).toBe(13);
  });

  test('values survive the way there and back', () => {
    const values = fc.record({
      kind: fc.nat(255),
      mode: fc.nat(0xffff_ffff),
      size: fc.maxSafeInteger(),
    });
    fc.assert(
      fc.property(values, fc.uint8Array(), (record, rest) => {
        expect(codec.decode(codec.encode(record, rest))).toEqual({ values: record, rest });
      }),
      { seed: 1 },
    );
  });

  test('decodes from the middle of a buffer, and nothing from too few bytes', () => {
    const bytes = codec.encode({ kind: 1, mode: 2, size: 3 });
    const within = new Uint8Array([0, 0, ...bytes]).subarray(2);
    expect(codec.decode(within)?.values).toEqual({ kind: 1, mode: 2, size: 3 });
    expect(codec.decode(bytes.subarray(1))).toBeUndefined();
  });
});
