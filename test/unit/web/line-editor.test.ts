// The line editor, its keys, and how the line is drawn.

import { describe, expect, test } from 'vitest';
import { decodeKeys } from '../../../web/terminal/keys.ts';
import type { LineState } from '../../../web/terminal/line-editor.ts';
import { editLine, emptyLine, replaceBeforeCursor } from '../../../web/terminal/line-editor.ts';
import { layoutLine, moveCursor } from '../../../web/terminal/line-layout.ts';
import { formatColumns } from '../../../web/terminal/columns.ts';
import { unicodeProvider, widthOfText } from '../../../web/terminal/width.ts';

const LEFT = '\x1b[D';
const RIGHT = '\x1b[C';
const UP = '\x1b[A';
const DOWN = '\x1b[B';
const BACKSPACE = '\x7f';
const DELETE = '\x1b[3~';

/** The line after these keys, with `|` where the cursor is. */
function type(data: string, history: readonly string[] = []): string {
  return show(run(data, emptyLine(history)));
}

function run(data: string, start: LineState): LineState {
  return decodeKeys(data).reduce((state, key) => editLine(state, key).state, start);
}

function show({ text, cursor }: LineState): string {
  return `${text.slice(0, cursor)}|${text.slice(cursor)}`;
}

describe('editing', () => {
  test.each([
    ['text is inserted', 'abc', 'abc|'],
    ['left and right move', `abc${LEFT}${LEFT}x${RIGHT}y`, 'axby|c'],
    ['home and end', 'abc\x1b[Hx\x1b[Fy', 'xabcy|'],
    ['ctrl-a and ctrl-e', 'abc\x01x\x05y', 'xabcy|'],
    ['ctrl-b and ctrl-f', 'abc\x02\x02\x06x', 'abx|c'],
    ['backspace deletes to the left', `abc${LEFT}${BACKSPACE}`, 'a|c'],
    ['backspace at the start does nothing', `abc\x01${BACKSPACE}`, '|abc'],
    ['delete deletes to the right', `abc\x01${DELETE}`, '|bc'],
    ['ctrl-d deletes to the right', 'abc\x01\x04', '|bc'],
    ['ctrl-k kills to the end', 'abc def\x01\x1bf\x0b', 'abc|'],
    ['ctrl-u kills to the start', `abc def${LEFT}\x15`, '|f'],
    ['ctrl-w kills back to a blank', 'a b/c.d \x17', 'a |'],
    ['alt-backspace kills a word', 'a b/c.d\x1b\x7f', 'a b/c.|'],
    ['alt-d kills the next word', 'ab cd\x01\x1bd', '| cd'],
    ['ctrl-y brings back', 'abc def\x17\x01\x19', 'def|abc '],
    ['alt-b and alt-f move by words', 'one two.three\x1bb\x1bb\x1bfX', 'one twoX|.three'],
    ['ctrl-left and ctrl-right too', 'one two\x1b[1;5D\x1b[1;5D\x1b[1;5CX', 'oneX| two'],
    ['unknown keys do nothing', 'a\x1b[15~\x1b[99;5u\x1bOP\x00b', 'ab|'],
    ['a wide character is one', `a你b${LEFT}${LEFT}${BACKSPACE}`, '|你b'],
    ['an emoji of several code points is one', `x👨‍👩‍👧${BACKSPACE}`, 'x|'],
    ['a combining mark belongs to its letter', `e\u0301x${LEFT}${BACKSPACE}`, '|x'],
  ])('%s', (_, data, expected) => {
    expect(type(data)).toBe(expected);
  });

  test('a paste is text, newlines and all, without control characters', () => {
    expect(type('\x1b[200~a\x1b[Ab\rc\td\x1b[201~e')).toBe('a[Ab\nc\tde|');
  });

  test('text before the cursor is replaced by a completion', () => {
    expect(show(replaceBeforeCursor(run(`cat fo bar\x1bb${LEFT}`, emptyLine([])), 4, 'foo '))).toBe(
      'cat foo | bar',
    );
  });
});

describe('actions', () => {
  test.each([
    ['abc\r', 'submit'],
    ['abc\x03', 'interrupt'],
    ['\x04', 'end'],
    ['a\x04', 'none'],
    ['a\t', 'complete'],
    ['a\x0c', 'clear-screen'],
    ['a', 'none'],
  ])('%j: %s', (data, action) => {
    const keys = decodeKeys(data);
    const last = keys.at(-1);
    const before = keys
      .slice(0, -1)
      .reduce((state, key) => editLine(state, key).state, emptyLine([]));
    expect(last === undefined ? undefined : editLine(before, last).action).toBe(action);
  });
});

describe('history', () => {
  const history = ['first', 'second'];

  test('up goes back, down comes forward to what was being written', () => {
    expect(type(UP, history)).toBe('second|');
    expect(type(UP + UP, history)).toBe('first|');
    expect(type(UP + UP + UP, history)).toBe('first|');
    expect(type(`new${UP}${UP}${DOWN}`, history)).toBe('second|');
    expect(type(`new${UP}${DOWN}`, history)).toBe('new|');
    expect(type(DOWN, history)).toBe('|');
    expect(type('\x10\x10\x0e', history)).toBe('second|');
  });

  test('an edited line stays until another is chosen', () => {
    expect(type(`${UP}x${UP}${DOWN}`, history)).toBe('second|');
  });
});

describe('the layout', () => {
  const lay = (text: string, cursor: number, columns: number, start = 0, prompt = ''): unknown => {
    const { cursor: at, end } = layoutLine({ prompt, text, cursor }, columns, start);
    return [at.row, at.column, end.row, end.column];
  };

  test.each<[string, number, number, number, unknown]>([
    ['abc', 3, 10, 0, [0, 3, 0, 3]],
    ['abc', 0, 10, 4, [0, 4, 0, 7]],
    ['abcdefghij', 10, 10, 0, [1, 0, 1, 0]],
    ['abcdefghijk', 10, 10, 0, [1, 0, 1, 1]],
    ['abcdefghijk', 9, 10, 0, [0, 9, 1, 1]],
    ['你好', 1, 10, 0, [0, 2, 0, 4]],
    ['a你', 1, 2, 0, [1, 0, 2, 0]],
    ['a\nb', 2, 10, 3, [1, 0, 1, 1]],
    ['a\tb', 2, 20, 0, [0, 8, 0, 9]],
    ['', 0, 10, 9, [0, 9, 0, 9]],
  ])('%j, cursor at %d, %d columns from %d', (text, cursor, columns, start, expected) => {
    expect(lay(text, cursor, columns, start)).toEqual(expected);
  });

  test('colours of the prompt take no columns', () => {
    const prompt = '\x1b[1;32muser\x1b[0m$ ';
    expect(lay('x', 1, 10, 0, prompt)).toEqual([0, 7, 0, 7]);
    expect(layoutLine({ prompt, text: 'x', cursor: 1 }, 10, 0).output).toBe(`${prompt}x`);
  });

  test('a full row is left, so that the column is known', () => {
    expect(layoutLine({ prompt: '', text: 'abc', cursor: 3 }, 3, 0).output).toBe('abc \r');
  });

  test('the cursor is moved by rows and to a column', () => {
    expect(moveCursor({ row: 2, column: 5 }, { row: 0, column: 3 })).toBe('\x1b[2A\x1b[4G');
    expect(moveCursor({ row: 0, column: 5 }, { row: 1, column: 0 })).toBe('\x1b[1B\x1b[1G');
    expect(moveCursor({ row: 1, column: 5 }, { row: 1, column: 0 })).toBe('\x1b[1G');
  });
});

describe('widths', () => {
  test.each([
    ['abc', 3],
    ['你好', 4],
    ['한글', 4],
    ['e\u0301', 1],
    ['😀', 2],
    ['→', 1],
    ['…', 1],
    ['ﾊ', 1],
    ['Ａ', 2],
    ['\u200b', 0],
  ])('%j takes %d columns', (text, width) => {
    expect(widthOfText(text)).toBe(width);
  });

  test('for the terminal, a mark joins the character before it', () => {
    const letter = unicodeProvider.charProperties(0x65, 0);
    expect(letter).toBe(1 << 1);
    expect(unicodeProvider.charProperties(0x301, letter)).toBe((1 << 1) | 1);
    expect(unicodeProvider.charProperties(0x301, 0)).toBe(0);
    expect(unicodeProvider.charProperties(0x4f60, letter)).toBe(2 << 1);
  });
});

test('columns are filled from top to bottom', () => {
  expect(formatColumns(['a', 'b', 'c', 'd', 'e'], 9)).toBe('a  c  e\nb  d\n');
  expect(formatColumns(['a', 'b'], 1)).toBe('a\nb\n');
  expect(formatColumns([], 80)).toBe('');
  expect(formatColumns(['你', 'b'], 80)).toBe('你  b\n');
});
