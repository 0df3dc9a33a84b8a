// Draws the line being edited: pure functions from what to show to what the terminal is sent.
//
// Positions count from the row in which the drawing began. A terminal leaves the cursor *on* the
// last column when a row is full; the drawing never rests there, so row and column are known.

import { splitGraphemes, widthOfText } from './width.ts';

export interface LineView {
  /** Printed before the text; may hold colours (CSI … m) but nothing else that isn't printed. */
  readonly prompt: string;
  readonly text: string;
  readonly cursor: number;
}

export interface Position {
  readonly row: number;
  readonly column: number;
}

export interface Layout {
  /** What to send, from the start position; it leaves the terminal's cursor at `end`. */
  readonly output: string;
  readonly cursor: Position;
  readonly end: Position;
}

const TAB_SIZE = 8;
const ESC = '\x1b';
// eslint-disable-next-line no-control-regex -- colours begin with an escape
const COLOUR = /\x1b\[[0-9;]*m/g;

/** Lays out `view` on a terminal of `columns`, beginning in column `startColumn`. */
export function layoutLine(view: LineView, columns: number, startColumn: number): Layout {
  const pen = new Pen(columns, startColumn);
  for (const piece of splitColours(view.prompt)) {
    if (piece.startsWith(ESC)) pen.control(piece);
    else for (const char of splitGraphemes(piece)) pen.put(char);
  }
  let cursor: Position | undefined;
  let index = 0;
  for (const char of splitGraphemes(view.text)) {
    if (cursor === undefined && index >= view.cursor) {
      pen.makeRoom(char);
      cursor = pen.position();
    }
    pen.put(char);
    index += char.length;
  }
  pen.settle();
  const end = pen.position();
  return { output: pen.output, cursor: cursor ?? end, end };
}

/** From `from` to `to`, both relative to the same start. */
export function moveCursor(from: Position, to: Position): string {
  const rows = to.row - from.row;
  const vertical = rows === 0 ? '' : `${ESC}[${String(Math.abs(rows))}${rows < 0 ? 'A' : 'B'}`;
  return `${vertical}${ESC}[${String(to.column + 1)}G`;
}

/** Removes a drawing, seen from its cursor, and leaves the terminal where the drawing began. */
export function eraseLine(layout: Layout, startColumn: number): string {
  return `${moveCursor(layout.cursor, { row: 0, column: startColumn })}${ESC}[J`;
}

function splitColours(text: string): string[] {
  const pieces: string[] = [];
  let index = 0;
  for (const match of text.matchAll(COLOUR)) {
    pieces.push(text.slice(index, match.index), match[0]);
    index = match.index + match[0].length;
  }
  pieces.push(text.slice(index));
  return pieces.filter((piece) => piece !== '');
}

/** Puts characters down and keeps count of where the terminal's cursor is. */
class Pen {
  output = '';
  readonly #columns: number;
  #row = 0;
  #column: number;

  constructor(columns: number, startColumn: number) {
    this.#columns = columns;
    this.#column = startColumn;
  }

  control(sequence: string): void {
    this.output += sequence;
  }

  put(char: string): void {
    if (char === '\n' || char === '\r\n') {
      this.settle();
      this.output += '\r\n';
      this.#row += 1;
      this.#column = 0;
      return;
    }
    this.makeRoom(char);
    const shown = this.#shown(char);
    this.output += shown;
    this.#column += widthOfText(shown);
  }

  /** Counts the row as full if `char` doesn't fit into it: the terminal puts it into the next. */
  makeRoom(char: string): void {
    if (char === '\n' || char === '\r\n') return;
    if (this.#column + widthOfText(this.#shown(char)) <= this.#columns) return;
    this.#row += 1;
    this.#column = 0;
  }

  #shown(char: string): string {
    if (char !== '\t') return char;
    const size = TAB_SIZE - (this.#column % TAB_SIZE);
    // Near the edge a tab ends at it, as a terminal's does.
    return ' '.repeat(Math.max(1, Math.min(size, this.#columns - this.#column)));
  }

  /** Goes to the next row if this one is full. */
  settle(): void {
    if (this.#column < this.#columns) return;
    this.output += ' \r';
    this.#row += 1;
    this.#column = 0;
  }

  position(): Position {
    const isFull = this.#column >= this.#columns;
    return isFull ? { row: this.#row + 1, column: 0 } : { row: this.#row, column: this.#column };
  }
}
