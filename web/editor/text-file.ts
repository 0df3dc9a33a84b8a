// Bytes of a file as text for the editor, and back, without changing what wasn't edited.

/** Larger files are not opened: the editor would get slow. */
export const EDITABLE_MAX = 2_000_000;

export type LineSeparator = '\n' | '\r\n';

export type Decoded =
  | { readonly kind: 'text'; readonly text: string; readonly separator: LineSeparator }
  | { readonly kind: 'refused'; readonly reason: string };

/** Decodes a file's bytes, or says why it can't be edited as text. */
export function decodeText(bytes: Uint8Array): Decoded {
  if (bytes.includes(0)) return { kind: 'refused', reason: 'This is a binary file.' };
  let text: string;
  try {
    // The mark at the beginning is kept as a character, so that it is written back.
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return { kind: 'refused', reason: 'This file is not UTF-8 text.' };
  }
  return { kind: 'text', text, separator: separatorOf(text) };
}

/**
 * '\r\n' only if every line ends so. Else lines are split at '\n', and a '\r' stays a character of
 * its line: saving gives the same bytes.
 */
function separatorOf(text: string): LineSeparator {
  const hasOnlyPairs = text.includes('\r\n') && !/(?:^|[^\r])\n|\r(?!\n)/.test(text);
  return hasOnlyPairs ? '\r\n' : '\n';
}

export type LanguageName = 'python' | 'javascript' | 'typescript' | 'cpp';

const LANGUAGES: Readonly<Record<string, LanguageName>> = {
  py: 'python',
  js: 'javascript',
  mjs: 'javascript',
  cjs: 'javascript',
  json: 'javascript',
  jsx: 'javascript',
  ts: 'typescript',
  mts: 'typescript',
  tsx: 'typescript',
  c: 'cpp',
  h: 'cpp',
  cc: 'cpp',
  cpp: 'cpp',
  hpp: 'cpp',
};

/** The language a file's name tells of. */
export function languageOf(path: string): LanguageName | undefined {
  const extension = /\.(\w+)$/.exec(path)?.[1] ?? '';
  return LANGUAGES[extension.toLowerCase()];
}
