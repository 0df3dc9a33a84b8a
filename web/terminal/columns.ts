// Arranges words in columns, filled from top to bottom, as ls does.

import { widthOfText } from './width.ts';

const GAP = 2;

/** `words` in as many columns as fit, each line ended by '\n'. */
export function formatColumns(words: readonly string[], width: number): string {
  const widths = words.map(widthOfText);
  const cell = Math.max(1, ...widths) + GAP;
  const columnCount = Math.max(1, Math.floor((width + GAP - 1) / cell));
  const rowCount = Math.ceil(words.length / columnCount);
  let text = '';
  for (let row = 0; row < rowCount; row += 1) {
    let line = '';
    for (let index = row; index < words.length; index += rowCount) {
      const word = words[index] ?? '';
      const isLast = index + rowCount >= words.length;
      line += isLast ? word : word + ' '.repeat(cell - (widths[index] ?? 0));
    }
    text += `${line}\n`;
  }
  return text;
}
