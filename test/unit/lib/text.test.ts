// Text as bytes: lengths agree with the platform's encoder.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodeUtf8, isLongerThan, utf8Length } from '../../../src/lib/text.ts';

const encoder = new TextEncoder();

test('encodeUtf8 and utf8Length agree with TextEncoder, lone surrogates included', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 300 }),
    fc.string({ unit: 'grapheme', maxLength: 300 }),
    fc.array(fc.integer({ min: 0, max: 0xffff })).map((units) => String.fromCharCode(...units)),
  );
  fc.assert(
    fc.property(text, fc.integer({ min: 0, max: 600 }), (value, limit) => {
      const expected = encoder.encode(value);
      expect(encodeUtf8(value)).toEqual(expected);
      expect(utf8Length(value)).toBe(expected.length);
      expect(isLongerThan(value, limit)).toBe(expected.length > limit);
    }),
    { seed: 1, numRuns: 500 },
  );
});
