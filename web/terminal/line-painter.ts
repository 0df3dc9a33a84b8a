// Keeps one line that is being edited on the screen, while programs write above it.

import type { Layout, LineView } from './line-layout.ts';
import { eraseLine, layoutLine, moveCursor } from './line-layout.ts';
import type { Screen } from './screen.ts';

export class LinePainter {
  readonly #screen: Screen;
  /** What should be on the screen. */
  #view: LineView | null = null;
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
    if (this.#layout !== null) this.#redraw();
    else this.#drawWhenIdle();
  }

  /** Removes the line from the screen. */
  hide(): void {
    this.#erase();
    this.#view = null;
  }

  /** Leaves the line on the screen for good, with `ending` after it. */
  finish(ending: string): void {
    const view = this.#view;
    const layout = this.#layout;
    if (layout !== null) void this.#screen.write(moveCursor(layout.cursor, layout.end) + ending);
    else if (view !== null) void this.#screen.write(this.#lay(view, 0).output + ending);
    else void this.#screen.write(ending);
    this.#layout = null;
    this.#view = null;
  }

  /** Shows output above the line. Resolves when there is room for more. */
  print(data: string | Uint8Array): Promise<void> {
    this.#erase();
    const written = this.#screen.write(data);
    this.#drawWhenIdle();
    return written;
  }

  #drawWhenIdle(): void {
    if (this.#view === null) return;
    this.#screen.whenIdle(() => {
      if (this.#view === null || this.#layout !== null) return;
      this.#startColumn = this.#screen.cursorColumn;
      this.#draw(this.#view);
    });
  }

  #redraw(): void {
    if (this.#view === null || this.#layout === null) return;
    this.#erase();
    this.#startColumn = Math.min(this.#startColumn, this.#screen.columns - 1);
    this.#draw(this.#view);
  }

  #draw(view: LineView): void {
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
