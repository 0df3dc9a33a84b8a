// Turns what a terminal sends for the keyboard into keys.
// Sequences: ECMA-48 control functions; xterm's "PC-Style Function Keys".

export type KeyName =
  | 'text'
  | 'paste'
  | 'enter'
  | 'tab'
  | 'escape'
  | 'backspace'
  | 'delete'
  | 'left'
  | 'right'
  | 'up'
  | 'down'
  | 'home'
  | 'end'
  | 'word-left'
  | 'word-right'
  | 'delete-word-left'
  | 'delete-word-right'
  | `ctrl-${string}`;

export interface Key {
  readonly name: KeyName;
  /** What was typed or pasted, for 'text' and 'paste'. */
  readonly text: string;
}

const PASTE_START = '\x1b[200~';
const PASTE_END = '\x1b[201~';

const SEQUENCES: Readonly<Record<string, KeyName>> = {
  '\x1b[A': 'up',
  '\x1b[B': 'down',
  '\x1b[C': 'right',
  '\x1b[D': 'left',
  '\x1b[H': 'home',
  '\x1b[F': 'end',
  '\x1b[1~': 'home',
  '\x1b[3~': 'delete',
  '\x1b[4~': 'end',
  '\x1b[7~': 'home',
  '\x1b[8~': 'end',
  '\x1bOA': 'up',
  '\x1bOB': 'down',
  '\x1bOC': 'right',
  '\x1bOD': 'left',
  '\x1bOH': 'home',
  '\x1bOF': 'end',
  // Modifiers: 3 Alt, 5 Ctrl.
  '\x1b[1;3C': 'word-right',
  '\x1b[1;3D': 'word-left',
  '\x1b[1;5C': 'word-right',
  '\x1b[1;5D': 'word-left',
  '\x1b[3;3~': 'delete-word-right',
  '\x1b[3;5~': 'delete-word-right',
  '\x1bb': 'word-left',
  '\x1bf': 'word-right',
  '\x1bd': 'delete-word-right',
  '\x1b\x7f': 'delete-word-left',
  '\x1b\b': 'delete-word-left',
};

const CONTROLS: Readonly<Record<string, KeyName>> = {
  '\r': 'enter',
  '\n': 'enter',
  '\t': 'tab',
  '\x7f': 'backspace',
  '\b': 'backspace',
  '\x1b': 'escape',
};

// eslint-disable-next-line no-control-regex -- escape sequences begin with a control character
const SEQUENCE = /^\x1b(?:\[[0-9;?<>=]*[ -/]*[@-~]|O[@-~]|[^[O])/;
// eslint-disable-next-line no-control-regex -- text is what has none
const TEXT = /^[^\x00-\x1f\x7f]+/;

/** The keys in `data`, a chunk from the terminal. Sequences that mean nothing here are dropped. */
export function decodeKeys(data: string): Key[] {
  const keys: Key[] = [];
  let rest = data;
  while (rest !== '') {
    const { key, length } = decodeKey(rest);
    if (key !== undefined) keys.push(key);
    rest = rest.slice(length);
  }
  return keys;
}

interface Decoded {
  readonly key: Key | undefined;
  readonly length: number;
}

function decodeKey(data: string): Decoded {
  if (data.startsWith(PASTE_START)) return decodePaste(data);
  const sequence = SEQUENCE.exec(data)?.[0];
  if (sequence !== undefined) {
    const name = SEQUENCES[sequence];
    return { key: name === undefined ? undefined : { name, text: '' }, length: sequence.length };
  }
  const text = TEXT.exec(data)?.[0];
  if (text !== undefined) return { key: { name: 'text', text }, length: text.length };
  const char = data.charAt(0);
  const letter = String.fromCharCode(char.charCodeAt(0) + 0x60);
  return { key: { name: CONTROLS[char] ?? `ctrl-${letter}`, text: '' }, length: 1 };
}

function decodePaste(data: string): Decoded {
  const end = data.indexOf(PASTE_END);
  const text = data.slice(PASTE_START.length, end < 0 ? data.length : end);
  const length = end < 0 ? data.length : end + PASTE_END.length;
  return { key: { name: 'paste', text: text.replace(/\r\n?/g, '\n') }, length };
}
