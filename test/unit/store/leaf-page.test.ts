// The record format of leaf pages: what is written is read back, and nothing else is taken for a
// page.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import { decodeLeafPage, encodeLeafPage } from '../../../src/store/leaf-page.ts';
import type { PageContent } from '../../../src/store/leaf-page.ts';
import { bytes } from './support.ts';

const key = fc.string({ unit: 'binary', maxLength: 20 });
const content = fc
  .tuple(
    fc.uniqueArray(fc.oneof(key, fc.string({ maxLength: 20 })), { minLength: 2, maxLength: 60 }),
    fc.boolean(),
  )
  .map(([keys, hasEnd]): PageContent => {
    const [first = '', ...inner] = [...keys].sort();
    const end = hasEnd ? inner.pop() : undefined;
    return { first, end, keys: inner, values: inner.map((_, i) => bytes(i * 3, i)) };
  });

describe('leaf pages', () => {
  test('are decoded as they were encoded', () => {
    fc.assert(
      fc.property(content, (original) => {
        const { record, page } = encodeLeafPage(original);
        const decoded = decodeLeafPage(original.first, record);
        expect(decoded).toEqual(page);
        expect(decoded).toMatchObject(original);
        expect(decoded.sizeBytes).toBe(record.length);
      }),
    );
  });

  test('EIO if the record was cut, extended or is something else', () => {
    fc.assert(
      fc.property(content, fc.nat(), (original, at) => {
        const { record } = encodeLeafPage(original);
        const cut = record.subarray(0, at % record.length);
        const extended = Uint8Array.from([...record, 0]);
        for (const wrong of [cut, extended, undefined, record.buffer, 'page']) {
          expect(() => decodeLeafPage(original.first, wrong)).toThrow(linuxerr.EIO);
        }
      }),
    );
  });

  test('a changed byte gives EIO or a page whose keys are in order', () => {
    fc.assert(
      fc.property(content, fc.nat(), fc.nat(255), (original, at, byte) => {
        const { record } = encodeLeafPage(original);
        record[at % record.length] = byte;
        try {
          const { first, end, keys } = decodeLeafPage(original.first, record);
          const all = end === undefined ? keys : [...keys, end];
          expect(all).toEqual([...new Set(all)].sort());
          expect((keys[0] ?? first) >= first).toBe(true);
        } catch (error) {
          expect(error).toBe(linuxerr.EIO);
        }
      }),
    );
  });

  test('EIO if a key is outside of the page or out of order', () => {
    const encode = (keys: string[], end?: string): Uint8Array =>
      encodeLeafPage({ first: 'b', end, keys, values: keys.map(() => bytes(1)) }).record;
    for (const wrong of [
      encode(['a']),
      encode(['c', 'c']),
      encode(['d', 'c']),
      encode(['c'], 'c'),
      encode([], 'a'),
      encode([], 'b'),
    ]) {
      expect(() => decodeLeafPage('b', wrong)).toThrow(linuxerr.EIO);
    }
  });
});
