// Keeps one line that is being edited on the screen, while programs write above it. A note, such as
// the progress of a download, may stand above the line; it leaves no trace.

import type { Layout, LineView } from './line-layout.ts';
import { eraseLine, layoutLine, moveCursor } from './line-layout.ts';
import type { Screen } from './screen.ts';

export class LinePainter {
  readonly #screen: Screen;
  /** What should be on the screen. */
  #view: LineView | null = null;
  #note = '';
  /** What is on the screen; null while output is on its way or if nothing is to be shown. */
  #layout: Layout | null = null;
  #startColumn = 0;

  constructor(screen: Screen) {
    this.#screen = screen;
    screen.onResize(() => {
      this.#redraw();
    });
  }

  /** Shows `view`, at once or when the output before it has been shown. */
  show(view: LineView): void {
    this.#view = view;
    this.#update();
  }

  /** Removes the line from the screen. */
  hide(): void {
    this.#view = null;
    this.#update();
  }

  /** Shows one line of text above what is edited; an empty one removes it. */
  showNote(note: string): void {
    this.#note = note;
    this.#update();
  }

  /** Leaves the line on the screen for good, with `ending` after it. */
  finish(ending: string): void {
    const view = this.#view;
    const startColumn = this.#layout === null ? 0 : this.#startColumn;
    // The note above the line must not stay.
    if (this.#note !== '') this.#erase();
    const layout = this.#layout;
    if (layout !== null) void this.#screen.write(moveCursor(layout.cursor, layout.end) + ending);
    else if (view !== null) void this.#screen.write(this.#lay(view, startColumn).output + ending);
    else void this.#screen.write(ending);
    this.#layout = null;
    this.#view = null;
    this.#drawWhenIdle();
  }

  /** Shows output above the line. Resolves when there is room for more. */
  print(data: string | Uint8Array): Promise<void> {
    this.#erase();
    const written = this.#screen.write(data);
    this.#drawWhenIdle();
    return written;
  }

  /** What is to be drawn: the note, the line, both or nothing. */
  get #shown(): LineView | null {
    if (this.#note === '') return this.#view;
    if (this.#view === null) return { prompt: this.#note, text: '', cursor: 0 };
    return { ...this.#view, prompt: `${this.#note}\n${this.#view.prompt}` };
  }

  #update(): void {
    if (this.#layout !== null) this.#redraw();
    else this.#drawWhenIdle();
  }

  #drawWhenIdle(): void {
    if (this.#shown === null) return;
    this.#screen.whenIdle(() => {
      if (this.#layout !== null) return;
      this.#startColumn = this.#screen.cursorColumn;
      this.#draw();
    });
  }

  #redraw(): void {
    if (this.#layout === null) return;
    this.#erase();
    this.#startColumn = Math.min(this.#startColumn, this.#screen.columns - 1);
    this.#draw();
  }

  #draw(): void {
    const view = this.#shown;
    if (view === null) return;
    this.#layout = this.#lay(view, this.#startColumn);
    const { output, end, cursor } = this.#layout;
    void this.#screen.write(output + moveCursor(end, cursor));
  }

  #lay(view: LineView, startColumn: number): Layout {
    return layoutLine(view, this.#screen.columns, startColumn);
  }

  #erase(): void {
    if (this.#layout === null) return;
    void this.#screen.write(eraseLine(this.#layout, this.#startColumn));
    this.#layout = null;
  }
}
