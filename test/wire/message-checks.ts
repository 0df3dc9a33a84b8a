// What holds for every message of a protocol, whatever its table says.

import fc from 'fast-check';
import { expect } from 'vitest';
import { type FieldTable, type StructField, type StructValues } from '../../src/lib/wire.ts';
import { WireError } from '../../src/lib/wire-buffer.ts';
import { toHex, valuesOf } from './any-values.ts';

export interface Layout {
  readonly name: string;
  readonly table: StructField<FieldTable>;
}

type Values = StructValues<FieldTable>;

const settings = { seed: 1, numRuns: 100 };
/** A log's line about one message, however much is in it. */
const PRINTED_MAX = 20_000;

function anyOf({ table }: Layout): fc.Arbitrary<Values> {
  return valuesOf(table) as fc.Arbitrary<Values>;
}

/** Samples of a message. */
export function samplesOf(layout: Layout, numRuns: number): Values[] {
  return fc.sample(anyOf(layout), { seed: 1, numRuns });
}

/** What was encoded is decoded, and its size is what the table says. */
export function checkRoundTrip(layout: Layout): void {
  const { table } = layout;
  const property = fc.property(anyOf(layout), (values) => {
    const bytes = table.encode(values);
    expect(bytes.length).toBe(table.sizeOf(values));
    expect(bytes.length).toBeGreaterThanOrEqual(table.sizeMin);
    if (table.isFixed) expect(bytes.length).toBe(table.sizeMin);
    const decoded = table.decode(bytes);
    expect(decoded).toEqual(values);
    expect(toHex(table.encode(decoded))).toBe(toHex(bytes));
  });
  fc.assert(property, settings);
}

/**
 * A message that ends early, or goes on, is refused. One with a field that ends with the message
 * may end before it, and is then another message.
 */
export function checkTruncation(layout: Layout): void {
  const { table } = layout;
  for (const values of samplesOf(layout, 10)) {
    const bytes = table.encode(values);
    for (let size = 0; size < bytes.length; size++) {
      const cut = bytes.slice(0, size);
      if (table.isOpenEnded && size === table.sizeMin) {
        expect(toHex(table.encode(table.decode(cut)))).toBe(toHex(cut));
      } else {
        expect(() => table.decode(cut), `${layout.name}, ${size} bytes`).toThrow(WireError);
      }
    }
    const longer = Uint8Array.of(...bytes, 0);
    expect(() => table.decode(longer), `${layout.name}, one more`).toThrow(WireError);
  }
}

/** Every field is printed by its name, and the line doesn't grow with the message. */
export function checkPrinting(layout: Layout): void {
  const { table } = layout;
  for (const values of samplesOf(layout, 20)) {
    const line = table.print(values);
    const names = Object.keys(values);
    const positions = names.map((name) => line.indexOf(`${name}: `));
    expect(positions).not.toContain(-1);
    expect(positions).toEqual(positions.toSorted((a, b) => a - b));
    expect(line).not.toMatch(/undefined|\[object|\n/);
    expect(line.length).toBeLessThan(PRINTED_MAX);
  }
}

/** Random numbers below `limit`, the same for a seed. Mulberry32. */
export function randomFrom(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  };
}

/** Damages a frame in one of the ways a broken or hostile sender would. */
export function damage(frame: Uint8Array, random: (limit: number) => number): Uint8Array {
  const bytes = frame.slice();
  const at = random(bytes.length);
  switch (random(7)) {
    case 0:
      return bytes;
    case 1:
      for (let count = 1 + random(4); count > 0; count--) bytes[random(bytes.length)] = random(256);
      return bytes;
    case 2:
      return bytes.subarray(0, at);
    case 3:
      return Uint8Array.of(...bytes, ...bytes.subarray(at));
    case 4:
      // A count or a length that claims all there could be.
      return bytes.fill(0xff, at, at + 1 + random(8));
    case 5:
      return bytes.fill(0, at, at + 1 + random(8));
    default:
      return Uint8Array.from({ length: random(200) }, () => random(256));
  }
}
