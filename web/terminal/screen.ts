// The terminal on the page: xterm.js with our width rule, fitted into its element.

import { FitAddon } from '@xterm/addon-fit';
import { Terminal } from '@xterm/xterm';
import type { Key } from './keys.ts';
import { decodeKeys } from './keys.ts';
import { unicodeProvider } from './width.ts';

const SCROLLBACK_ROWS = 5000;
/** Above this many characters or bytes in the queue, writers wait for the terminal. */
const BACKLOG_MAX = 256 * 1024;
const BRACKETED_PASTE_ON = '\x1b[?2004h';

const THEME = {
  background: '#0f1318',
  foreground: '#d7dde5',
  cursor: '#f5b942',
  cursorAccent: '#0f1318',
  selectionBackground: '#35506b',
  black: '#1b222b',
  red: '#f2777a',
  green: '#8fd18a',
  yellow: '#f5c869',
  blue: '#7fb4f0',
  magenta: '#cf9ff0',
  cyan: '#6fd3cf',
  white: '#d7dde5',
  brightBlack: '#7d8a99',
  brightRed: '#ff9a9c',
  brightGreen: '#aee6a9',
  brightYellow: '#ffdd8f',
  brightBlue: '#a3ccff',
  brightMagenta: '#e2bfff',
  brightCyan: '#9aebe7',
  brightWhite: '#ffffff',
};

export class Screen {
  readonly #terminal: Terminal;
  readonly #fit = new FitAddon();
  readonly #element: HTMLElement;
  #backlog = 0;
  #idle: (() => void)[] = [];

  constructor(element: HTMLElement) {
    this.#element = element;
    this.#terminal = new Terminal({
      allowProposedApi: true,
      convertEol: true,
      cursorBlink: true,
      fontFamily: 'ui-monospace, "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace',
      fontSize: 14,
      // At 1 the rows cut off what lies below the letters, underscores above all.
      lineHeight: 1.15,
      scrollback: SCROLLBACK_ROWS,
      theme: THEME,
    });
    this.#terminal.loadAddon(this.#fit);
    this.#terminal.unicode.register(unicodeProvider);
    this.#terminal.unicode.activeVersion = unicodeProvider.version;
    this.#terminal.open(element);
    this.#terminal.attachCustomKeyEventHandler((event) => !isKeyOfThePage(event, this.#terminal));
    this.#terminal.write(BRACKETED_PASTE_ON);
    new ResizeObserver(() => {
      this.#refit();
    }).observe(element);
    this.#refit();
  }

  get columns(): number {
    return this.#terminal.cols;
  }

  get rows(): number {
    return this.#terminal.rows;
  }

  /** Where the cursor is, once everything written has been shown (see whenIdle). */
  get cursorColumn(): number {
    const { cursorX } = this.#terminal.buffer.active;
    return cursorX >= this.#terminal.cols ? 0 : cursorX;
  }

  onKeys(listener: (keys: readonly Key[]) => void): void {
    this.#terminal.onData((data) => {
      listener(decodeKeys(data));
    });
  }

  onResize(listener: () => void): void {
    this.#terminal.onResize(listener);
  }

  /** Shows text or bytes. The promise resolves when there is room for more. */
  write(data: string | Uint8Array): Promise<void> {
    this.#backlog += data.length;
    const isCrowded = this.#backlog > BACKLOG_MAX;
    return new Promise((resolve) => {
      this.#terminal.write(data, () => {
        this.#backlog -= data.length;
        if (this.#backlog === 0) this.#runIdle();
        resolve();
      });
      if (!isCrowded) resolve();
    });
  }

  /** Calls `callback` when everything written has been shown; at once if it has. */
  whenIdle(callback: () => void): void {
    if (this.#backlog === 0) callback();
    else this.#idle.push(callback);
  }

  focus(): void {
    this.#terminal.focus();
  }

  #runIdle(): void {
    const callbacks = this.#idle;
    this.#idle = [];
    // A callback may write again: the rest then wait for that.
    for (const callback of callbacks) this.whenIdle(callback);
  }

  #refit(): void {
    if (this.#element.clientWidth === 0 || this.#element.clientHeight === 0) return;
    this.#fit.fit();
  }
}

/** Keys left to the page and the browser: F6, copying a selection, and pasting. */
function isKeyOfThePage(event: KeyboardEvent, terminal: Terminal): boolean {
  if (event.key === 'F6') return true;
  if (event.type !== 'keydown' || !event.ctrlKey || event.altKey || event.metaKey) return false;
  const key = event.key.toLowerCase();
  return key === 'v' || (key === 'c' && terminal.hasSelection());
}
