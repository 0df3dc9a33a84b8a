// From a parsed word to the arguments it stands for.
// POSIX: Shell Command Language, 2.6 Word Expansions: tilde, variables, fields, pathnames, quotes.

import type { GlobSource } from './glob.ts';
import { escapePattern, expandGlob, hasMagic, unescapePattern } from './glob.ts';
import type { Word, WordPart } from './syntax.ts';

/** Values of variables; undefined if one is not set. `?` is the last exit code. */
export type Variables = (name: string) => string | undefined;

export interface ExpansionContext {
  readonly variables: Variables;
  readonly cwd: string;
  readonly source: GlobSource;
}

/** All the arguments that `words` stand for. */
export async function expandWords(
  words: readonly Word[],
  context: ExpansionContext,
): Promise<string[]> {
  const result: string[] = [];
  for (const word of words) {
    for (const pattern of splitFields(word, context.variables)) {
      const found = hasMagic(pattern) ? await expandGlob(pattern, context.cwd, context.source) : [];
      // A pattern that nothing fits stays as it is.
      if (found.length === 0) result.push(unescapePattern(pattern));
      else for (const path of found) result.push(path);
    }
  }
  return result;
}

/** The value of an assignment: neither split nor matched. */
export function expandValue(word: Word, variables: Variables): string {
  return withTilde(word.parts, variables)
    .map((part) => (part.kind === 'literal' ? part.text : (variables(part.name) ?? '')))
    .join('');
}

/** The fields of a word, each as a pattern (see glob.ts) in which quoted characters are escaped. */
function splitFields(word: Word, variables: Variables): string[] {
  const fields: string[] = [];
  let current: string | undefined;
  for (const part of withTilde(word.parts, variables)) {
    if (part.kind === 'literal') {
      current = (current ?? '') + (part.quoted ? escapePattern(part.text) : part.text);
      continue;
    }
    const value = variables(part.name) ?? '';
    if (part.quoted) {
      current = (current ?? '') + escapePattern(value);
      continue;
    }
    const [first = '', ...rest] = value.replaceAll('\\', '\\\\').split(/[ \t\n]+/);
    if (first !== '') current = (current ?? '') + first;
    for (const piece of rest) {
      if (current !== undefined) fields.push(current);
      current = piece === '' ? undefined : piece;
    }
  }
  if (current !== undefined) fields.push(current);
  return fields;
}

/** Replaces a leading unquoted `~` that stands alone or before a slash by the home directory. */
function withTilde(parts: readonly WordPart[], variables: Variables): readonly WordPart[] {
  const [first, ...rest] = parts;
  if (first?.kind !== 'literal' || first.quoted || !first.text.startsWith('~')) return parts;
  const isWhole = first.text === '~' && rest.length === 0;
  if (!isWhole && first.text.charAt(1) !== '/') return parts;
  const home = variables('HOME');
  if (home === undefined) return parts;
  return [
    { kind: 'literal', text: home, quoted: true },
    { kind: 'literal', text: first.text.slice(1), quoted: false },
    ...rest,
  ];
}
