// The history of command lines and its file.

import { describe, expect, test } from 'vitest';
import {
  HISTORY_MAX,
  addToHistory,
  decodeHistory,
  encodeHistory,
} from '../../../web/shell/history.ts';

describe('the history', () => {
  test('keeps lines in order, without blank ones and repetitions', () => {
    let entries: readonly string[] = [];
    for (const line of ['a', 'b', 'b', '', '  ', 'a']) entries = addToHistory(entries, line);
    expect(entries).toEqual(['a', 'b', 'a']);
  });

  test('forgets the oldest lines', () => {
    const full = Array.from({ length: HISTORY_MAX }, (_, index) => String(index));
    const entries = addToHistory(full, 'new');
    expect(entries).toHaveLength(HISTORY_MAX);
    expect([entries[0], entries.at(-1)]).toEqual(['1', 'new']);
  });

  test.each([
    [['a', 'b c']],
    [[]],
    [["echo 'two\nlines'", 'next']],
    [['a\n\nb']],
    [['ends \\\n in the middle']],
    [['ä 你 😀']],
  ])('%j survives the file', (entries) => {
    expect(decodeHistory(encodeHistory(entries))).toEqual(entries);
  });

  test('an entry that ends in a backslash is not joined to the next', () => {
    expect(decodeHistory(encodeHistory(['# a\\', 'b']))).toEqual(['# a\\ ', 'b']);
  });

  test('a file that was cut off is read as far as it goes', () => {
    expect(decodeHistory('a\nb')).toEqual(['a', 'b']);
    expect(decodeHistory('a\nb\\')).toEqual(['a']);
  });
});
