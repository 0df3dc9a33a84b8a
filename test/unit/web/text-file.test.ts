// Files as text for the editor.

import { describe, expect, test } from 'vitest';
import { EditorState } from '@codemirror/state';
import { decodeText, languageOf } from '../../../web/editor/text-file.ts';

const encoder = new TextEncoder();

describe('text', () => {
  test.each([
    ['a\nb\n', '\n'],
    ['a\r\nb\r\n', '\r\n'],
    ['a\r\nb\n', '\n'],
    ['a\rb', '\n'],
    ['a\r\nb\rc', '\n'],
    ['\nb\r\n', '\n'],
    ['', '\n'],
    ['\ufeffa', '\n'],
    ['你\n', '\n'],
  ])('%j is split at %j, and comes back as it was', (text, separator) => {
    const decoded = decodeText(encoder.encode(text));
    expect(decoded).toEqual({ kind: 'text', text, separator });
    const state = EditorState.create({
      doc: text,
      extensions: [EditorState.lineSeparator.of(separator)],
    });
    expect(state.sliceDoc()).toBe(text);
  });

  test('bytes that are no text are refused', () => {
    expect(decodeText(new Uint8Array([65, 0, 66])).kind).toBe('refused');
    expect(decodeText(new Uint8Array([65, 0xff])).kind).toBe('refused');
  });

  test.each([
    ['/a/b.py', 'python'],
    ['x.C', 'cpp'],
    ['x.h', 'cpp'],
    ['x.mjs', 'javascript'],
    ['x.json', 'javascript'],
    ['x.ts', 'typescript'],
    ['Makefile', undefined],
    ['a.py/b', undefined],
  ])('the language of %j is %j', (path, language) => {
    expect(languageOf(path)).toBe(language);
  });
});
