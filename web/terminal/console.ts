// The console: reads command lines for the shell, and is the terminal of the programs it runs.
//
// While a program runs, what is typed is edited here line by line (a terminal's canonical mode) and
// given to the program when Enter is pressed.

import type { Terminal } from '../../src/index.ts';
import type { Completion } from '../shell/completion.ts';
import { emptyStream } from '../shell/streams.ts';
import { formatColumns } from './columns.ts';
import type { Key } from './keys.ts';
import type { LineState } from './line-editor.ts';
import { editLine, emptyLine, insertText, replaceBeforeCursor } from './line-editor.ts';
import { LinePainter } from './line-painter.ts';
import type { Screen } from './screen.ts';
import { TypedInput } from './typed-input.ts';

/** A list of more candidates than this would only scroll the terminal. */
const CANDIDATES_MAX = 200;
const CLEAR_SCREEN = '\x1b[H\x1b[2J\x1b[3J';

export interface ReadLineOptions {
  readonly prompt: string;
  readonly history: readonly string[];
  /** Completes the end of the text before the cursor. */
  complete(textBeforeCursor: string): Promise<Completion>;
}

export type ReadLineResult =
  | { readonly kind: 'line'; readonly text: string }
  /** Ctrl-C. */
  | { readonly kind: 'interrupt' }
  /** Ctrl-D on an empty line. */
  | { readonly kind: 'end' };

/** The line being read for the shell. */
interface Prompt {
  readonly options: ReadLineOptions;
  readonly resolve: (result: ReadLineResult) => void;
  line: LineState;
  /** True if the key before was a Tab that changed nothing. */
  isTabPending: boolean;
}

/** What runs, and the line being typed for it. */
interface Job {
  readonly onInterrupt: () => void;
  line: LineState;
}

export class Console {
  readonly #screen: Screen;
  readonly #painter: LinePainter;
  readonly #input = new TypedInput();
  /** Keys that nobody has handled yet. */
  #keys: Key[] = [];
  #isPumping = false;
  /** Typed or pasted for the shell: read before anything new, never by a program. */
  #promptKeys: Key[] = [];
  #prompt: Prompt | null = null;
  #job: Job | null = null;
  #killed = '';

  constructor(screen: Screen) {
    this.#screen = screen;
    this.#painter = new LinePainter(screen);
    screen.onKeys((keys) => {
      for (const key of keys) this.#keys.push(key);
      void this.#pump();
    });
  }

  /** Reads one line. Only one is read at a time. */
  async readLine(options: ReadLineOptions): Promise<ReadLineResult> {
    await new Promise<void>((resolve) => {
      this.#screen.whenIdle(resolve);
    });
    // Output that didn't end its last line is left as it is.
    if (this.#screen.cursorColumn > 0) void this.#screen.write('\n');
    return new Promise((resolve) => {
      const line = emptyLine(options.history, this.#killed);
      this.#prompt = { options, resolve, line, isTabPending: false };
      this.#showPrompt();
      void this.#pump();
    });
  }

  /** From now on keys go to the programs; Ctrl-C calls `onInterrupt`. */
  beginJob(onInterrupt: () => void): void {
    this.#job = { onInterrupt, line: emptyLine([]) };
    void this.#pump();
  }

  /** What was typed and not read is there at the next prompt. */
  endJob(): void {
    const unread = this.#input.drain() + (this.#job?.line.text ?? '');
    this.#painter.hide();
    this.#job = null;
    this.#promptKeys = this.#promptKeys.concat(keysOf(unread));
  }

  /** A terminal for one program; without input, it reads an end of file at once. */
  openTerminal(options: { readonly hasInput: boolean }): Terminal {
    return {
      input: options.hasInput ? this.#input.open() : emptyStream(),
      output: new WritableStream<Uint8Array>({ write: (chunk) => this.#painter.print(chunk) }),
    };
  }

  /** Shows text; lines end in '\n'. Resolves when there is room for more. */
  write(text: string): Promise<void> {
    return this.#painter.print(text);
  }

  /** Shows one line of text, and instead of it the next; '' removes it without a trace. */
  showNote(note: string): void {
    this.#painter.showNote(note);
  }

  clear(): void {
    void this.#painter.print(CLEAR_SCREEN);
  }

  size(): { readonly columns: number; readonly rows: number } {
    return { columns: this.#screen.columns, rows: this.#screen.rows };
  }

  async #pump(): Promise<void> {
    if (this.#isPumping) return;
    this.#isPumping = true;
    try {
      while (await this.#handleNext());
    } finally {
      this.#isPumping = false;
    }
  }

  /** Handles one key. Resolves to false if there is none, or nobody to take it. */
  async #handleNext(): Promise<boolean> {
    if (this.#job !== null) {
      const key = this.#keys.shift();
      if (key !== undefined) this.#handleForJob(this.#job, key);
      return key !== undefined;
    }
    if (this.#prompt === null) return false;
    const key = this.#promptKeys.shift() ?? this.#keys.shift();
    if (key !== undefined) await this.#handleForPrompt(this.#prompt, key);
    return key !== undefined;
  }

  async #handleForPrompt(prompt: Prompt, key: Key): Promise<void> {
    if (key.name === 'paste' && key.text.includes('\n')) {
      this.#promptKeys = keysOf(key.text).concat(this.#promptKeys);
      return;
    }
    const { state, action } = editLine(prompt.line, key);
    prompt.line = state;
    this.#killed = state.killed;
    const wasTabPending = prompt.isTabPending;
    prompt.isTabPending = false;
    if (action === 'complete') await this.#complete(prompt, wasTabPending);
    else if (action === 'clear-screen') this.clear();
    else if (action === 'submit') {
      this.#endPrompt(prompt, { kind: 'line', text: state.text }, '\r\n');
      return;
    } else if (action === 'interrupt') {
      this.#promptKeys = [];
      this.#endPrompt(prompt, { kind: 'interrupt' }, '^C\r\n');
      return;
    } else if (action === 'end') {
      this.#endPrompt(prompt, { kind: 'end' }, '\r\n');
      return;
    }
    this.#showPrompt();
  }

  #endPrompt(prompt: Prompt, result: ReadLineResult, ending: string): void {
    this.#showPrompt();
    this.#painter.finish(ending);
    this.#prompt = null;
    prompt.resolve(result);
  }

  #showPrompt(): void {
    if (this.#prompt === null) return;
    const { line, options } = this.#prompt;
    this.#painter.show({ prompt: options.prompt, text: line.text, cursor: line.cursor });
  }

  async #complete(prompt: Prompt, isSecondTab: boolean): Promise<void> {
    const { line } = prompt;
    const typed = line.text.slice(0, line.cursor);
    const { candidates, commonPrefix, start, suffix } = await prompt.options.complete(typed);
    const [first] = candidates;
    if (first === undefined) return;
    if (candidates.length === 1) {
      const insert = first.insert + (first.isFinal ? suffix : '');
      prompt.line = replaceBeforeCursor(line, start, insert);
    } else if (commonPrefix !== '' && commonPrefix !== typed.slice(start)) {
      prompt.line = replaceBeforeCursor(line, start, commonPrefix);
    } else if (isSecondTab) {
      this.#list(candidates.map((candidate) => candidate.label));
    } else prompt.isTabPending = true;
  }

  #list(labels: readonly string[]): void {
    const hidden = labels.length - CANDIDATES_MAX;
    this.#painter.finish('\r\n');
    // A name may hold what the terminal would obey.
    const shown = labels.slice(0, CANDIDATES_MAX).map((label) => label.replace(/\p{Cc}/gu, '?'));
    const list = formatColumns(shown, this.#screen.columns);
    void this.#painter.print(hidden > 0 ? `${list}… and ${String(hidden)} more\n` : list);
  }

  #handleForJob(job: Job, key: Key): void {
    if (key.name === 'ctrl-d') {
      if (job.line.text === '') this.#input.pushEnd();
      else this.#enter(job, '', '');
      return;
    }
    if (key.name === 'paste' && key.text.includes('\n')) {
      this.#keys = keysOf(key.text).concat(this.#keys);
      return;
    }
    const { state, action } = editLine(job.line, key);
    job.line = state;
    if (action === 'interrupt') {
      this.#promptKeys = [];
      this.#input.flush();
      this.#enter(job, '^C\r\n', null);
      job.onInterrupt();
    } else if (action === 'submit') this.#enter(job, '\r\n', '\n');
    else if (action === 'complete') job.line = insertText(state, '\t');
    this.#showTyped(job);
  }

  /** Gives the line to the programs, ended by `end`, or drops it if that is null. */
  #enter(job: Job, ending: string, end: string | null): void {
    const { text } = job.line;
    this.#painter.finish(ending);
    if (end !== null) this.#input.push(text + end);
    const { history } = job.line;
    job.line = emptyLine(text === '' || end === null ? history : [...history, text]);
  }

  #showTyped(job: Job): void {
    const { text, cursor } = job.line;
    if (text === '') this.#painter.hide();
    else this.#painter.show({ prompt: '', text, cursor });
  }
}

/** The keys that would type `text`. */
function keysOf(text: string): Key[] {
  const keys: Key[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    if (index > 0) keys.push({ name: 'enter', text: '' });
    if (line !== '') keys.push({ name: 'paste', text: line });
  }
  return keys;
}
