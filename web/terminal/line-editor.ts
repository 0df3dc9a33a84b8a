// The line editor as a pure state machine: a state and a key give a state and what to do next.
// Keys are those of GNU Readline's Emacs mode, as far as they are here.

import type { Key } from './keys.ts';
import { splitGraphemes } from './width.ts';

export interface LineState {
  readonly text: string;
  /** Index into `text`, between two characters as a user sees them. */
  readonly cursor: number;
  /** What ctrl-y brings back. */
  readonly killed: string;
  /** Lines that up and down bring back, the oldest first. */
  readonly history: readonly string[];
  /** Which of them is shown; `history.length` is the line being written. */
  readonly historyIndex: number;
  /** The line being written while an older one is shown. */
  readonly draft: string;
}

export type LineAction =
  | 'none'
  | 'submit'
  | 'interrupt'
  /** Ctrl-D on an empty line. */
  | 'end'
  /** Tab. */
  | 'complete'
  | 'clear-screen';

export interface Edit {
  readonly state: LineState;
  readonly action: LineAction;
}

type Editor = (state: LineState) => LineState;

/** An empty line above which lie the lines of `history`. */
export function emptyLine(history: readonly string[], killed = ''): LineState {
  return { text: '', cursor: 0, killed, history, historyIndex: history.length, draft: '' };
}

/** What `key` does. Keys that mean nothing leave the state as it is. */
export function editLine(state: LineState, key: Key): Edit {
  switch (key.name) {
    case 'text':
    case 'paste':
      return { state: insertText(state, printable(key.text)), action: 'none' };
    case 'enter':
      return { state, action: 'submit' };
    case 'tab':
      return { state, action: 'complete' };
    case 'ctrl-c':
      return { state, action: 'interrupt' };
    case 'ctrl-l':
      return { state, action: 'clear-screen' };
    case 'ctrl-d':
      if (state.text === '') return { state, action: 'end' };
      break;
    default:
  }
  const editor = EDITORS[key.name];
  return { state: editor === undefined ? state : editor(state), action: 'none' };
}

/** Replaces the text from `start` to the cursor. */
export function replaceBeforeCursor(state: LineState, start: number, text: string): LineState {
  return splice(state, start, state.cursor, text);
}

export function insertText(state: LineState, text: string): LineState {
  return splice(state, state.cursor, state.cursor, text);
}

/** Without control characters, which would do things to the terminal; tabs and newlines stay. */
function printable(text: string): string {
  // eslint-disable-next-line no-control-regex -- these are what is removed
  return text.replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, '');
}

/** Replaces text and puts the cursor behind the replacement. */
function splice(state: LineState, start: number, end: number, text: string): LineState {
  const before = state.text.slice(0, start) + text;
  return { ...state, text: before + state.text.slice(end), cursor: before.length };
}

function kill(state: LineState, start: number, end: number): LineState {
  if (start === end) return state;
  return { ...splice(state, start, end, ''), killed: state.text.slice(start, end) };
}

function moveTo(state: LineState, cursor: number): LineState {
  return { ...state, cursor };
}

function previousCharacter({ text, cursor }: LineState): number {
  return cursor - (splitGraphemes(text.slice(0, cursor)).at(-1)?.length ?? 0);
}

function nextCharacter({ text, cursor }: LineState): number {
  return cursor + (splitGraphemes(text.slice(cursor))[0]?.length ?? 0);
}

/** Start of the word at or before the cursor; words are letters, digits and marks. */
function previousWord({ text, cursor }: LineState): number {
  const found = /[\p{L}\p{N}\p{M}_]+[^\p{L}\p{N}\p{M}_]*$/u.exec(text.slice(0, cursor));
  return found?.index ?? 0;
}

function nextWord({ text, cursor }: LineState): number {
  const found = /^[^\p{L}\p{N}\p{M}_]*[\p{L}\p{N}\p{M}_]*/u.exec(text.slice(cursor));
  return cursor + (found?.[0].length ?? 0);
}

/** Start of the word before the cursor, where only blanks end a word (ctrl-w). */
function previousBlank({ text, cursor }: LineState): number {
  return /\S+\s*$/.exec(text.slice(0, cursor))?.index ?? 0;
}

function showHistory(state: LineState, index: number): LineState {
  if (index < 0 || index > state.history.length || index === state.historyIndex) return state;
  const isWriting = state.historyIndex === state.history.length;
  const draft = isWriting ? state.text : state.draft;
  const text = index === state.history.length ? draft : (state.history[index] ?? '');
  return { ...state, text, cursor: text.length, historyIndex: index, draft };
}

const moveLeft: Editor = (state) => moveTo(state, previousCharacter(state));
const moveRight: Editor = (state) => moveTo(state, nextCharacter(state));
const moveHome: Editor = (state) => moveTo(state, 0);
const moveEnd: Editor = (state) => moveTo(state, state.text.length);
const deleteLeft: Editor = (state) => splice(state, previousCharacter(state), state.cursor, '');
const olderLine: Editor = (state) => showHistory(state, state.historyIndex - 1);
const newerLine: Editor = (state) => showHistory(state, state.historyIndex + 1);

/** Deletes the character under the cursor, which stays where it is. */
const deleteRight: Editor = (state) => splice(state, state.cursor, nextCharacter(state), '');

const EDITORS: Readonly<Record<string, Editor>> = {
  backspace: deleteLeft,
  delete: deleteRight,
  'ctrl-d': deleteRight,
  left: moveLeft,
  'ctrl-b': moveLeft,
  right: moveRight,
  'ctrl-f': moveRight,
  home: moveHome,
  'ctrl-a': moveHome,
  end: moveEnd,
  'ctrl-e': moveEnd,
  up: olderLine,
  'ctrl-p': olderLine,
  down: newerLine,
  'ctrl-n': newerLine,
  'word-left': (state) => moveTo(state, previousWord(state)),
  'word-right': (state) => moveTo(state, nextWord(state)),
  'delete-word-left': (state) => kill(state, previousWord(state), state.cursor),
  'delete-word-right': (state) => kill(state, state.cursor, nextWord(state)),
  'ctrl-w': (state) => kill(state, previousBlank(state), state.cursor),
  'ctrl-u': (state) => kill(state, 0, state.cursor),
  'ctrl-k': (state) => kill(state, state.cursor, state.text.length),
  'ctrl-y': (state) => insertText(state, state.killed),
};
