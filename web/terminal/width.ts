// How many columns a character takes. The terminal is told to use the same answer (session.ts), so
// that the line editor and the screen never disagree about where the cursor is.

import type { IUnicodeVersionProvider } from '@xterm/xterm';

/** East Asian wide and fullwidth blocks. Unicode: EastAsianWidth.txt, W and F, as ranges. */
const WIDE_RANGES: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2e80, 0x303e],
  [0x3041, 0x4dbf],
  [0x4e00, 0xa4cf],
  [0xa960, 0xa97f],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe10, 0xfe19],
  [0xfe30, 0xfe6f],
  [0xff01, 0xff60],
  [0xffe0, 0xffe6],
  [0x16fe0, 0x18cff],
  [0x1aff0, 0x1b2ff],
  [0x20000, 0x3fffd],
];

const ZERO_WIDTH = /[\p{Mn}\p{Me}\p{Cf}\u1160-\u11ff]/u;
const EMOJI = /\p{Emoji_Presentation}/u;
const SOFT_HYPHEN = 0xad;

/** Columns that a code point takes on the screen. */
function widthOfCodePoint(codePoint: number): 0 | 1 | 2 {
  if (codePoint < 0x300) return codePoint < 0x20 || (codePoint >= 0x7f && codePoint < 0xa0) ? 0 : 1;
  if (codePoint === SOFT_HYPHEN) return 1;
  const char = String.fromCodePoint(codePoint);
  if (ZERO_WIDTH.test(char)) return 0;
  const isWide = WIDE_RANGES.some(([first, last]) => codePoint >= first && codePoint <= last);
  return isWide || EMOJI.test(char) ? 2 : 1;
}

/** Columns that a text without control characters takes. */
export function widthOfText(text: string): number {
  let width = 0;
  for (const char of text) width += widthOfCodePoint(char.codePointAt(0) ?? 0);
  return width;
}

const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

/** What a user sees as the characters of `text`. */
export function splitGraphemes(text: string): string[] {
  return Array.from(graphemes.segment(text), (segment) => segment.segment);
}

/** The width rule for xterm.js. A character of width 0 joins the one before it. */
export const unicodeProvider: IUnicodeVersionProvider = {
  version: 'burrow',
  wcwidth: widthOfCodePoint,
  charProperties: (codePoint, preceding) => {
    // The value packs a state, the width in bits 1–2 and in bit 0 whether the character joins.
    const own = widthOfCodePoint(codePoint);
    const precedingWidth = (preceding >> 1) & 3;
    const joins = own === 0 && preceding !== 0 && precedingWidth !== 0;
    return ((joins ? precedingWidth : own) << 1) | (joins ? 1 : 0);
  },
};
