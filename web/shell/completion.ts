// What the Tab key can complete: commands, paths and variables.

import type { GlobSource } from './glob.ts';
import { compareCodePoints } from './glob.ts';
import type { Variables } from './expand.ts';
import { leadingName } from './lexer.ts';
import { joinPath, resolvePath } from './paths.ts';

export interface CompletionContext {
  readonly cwd: string;
  readonly home: string;
  readonly fs: GlobSource;
  commands(): Promise<readonly string[]>;
  readonly variables: ReadonlyMap<string, string>;
}

export interface Candidate {
  /** As a list shows it. */
  readonly label: string;
  /** As the line takes it, quoted as the word is. */
  readonly insert: string;
  /** False for a directory, whose path usually goes on. */
  readonly isFinal: boolean;
}

export interface Completion {
  /** The part of the line that a candidate replaces; it ends at the cursor. */
  readonly start: number;
  readonly candidates: readonly Candidate[];
  /** What all candidates begin with, quoted. */
  readonly commonPrefix: string;
  /** Closes the word after a final candidate: a quote if one is open, then a space. */
  readonly suffix: string;
}

export type QuoteStyle = 'none' | 'single' | 'double';

/** What stands before the cursor. */
export interface PartialWord {
  readonly role: 'command' | 'argument' | 'variable';
  /** Where the part to be replaced starts: the last component of a path, or the whole word. */
  readonly start: number;
  /** The directory before it as it would be opened, '' if there is none. */
  readonly directory: string;
  /** True if the word begins with a `~` that stands for the home directory. */
  readonly isInHome: boolean;
  /** What the part says once quotes are removed. */
  readonly prefix: string;
  /** The quote that is open at its end. */
  readonly quote: QuoteStyle;
  /** True if that quote was opened in the part itself, so that it is replaced too. */
  readonly ownsQuote: boolean;
}

/** Completes the word that ends at the end of `line`, which is the line up to the cursor. */
export async function complete(line: string, context: CompletionContext): Promise<Completion> {
  const word = findPartialWord(line, (name) => context.variables.get(name));
  const candidates = await findCandidates(word, context);
  const quote = (text: string): string => quoteCompletion(text, word);
  const closing = { none: '', single: "'", double: '"' }[word.quote];
  return {
    start: word.start,
    candidates: candidates.map((each) => ({ ...each, insert: quote(each.insert) })),
    commonPrefix: quote(commonPrefix(candidates.map((each) => each.insert))),
    suffix: word.role === 'variable' ? '' : `${closing} `,
  };
}

async function findCandidates(word: PartialWord, context: CompletionContext): Promise<Candidate[]> {
  if (word.role === 'variable') {
    const names = [...context.variables.keys()].filter((name) => name.startsWith(word.prefix));
    return names.sort(compareCodePoints).map(asFinal);
  }
  if (word.role === 'command' && word.directory === '') {
    const names = (await context.commands()).filter((name) => name.startsWith(word.prefix));
    if (names.length > 0 || word.prefix === '') return names.map(asFinal);
  }
  return findPaths(word, context);
}

function asFinal(name: string): Candidate {
  return { label: name, insert: name, isFinal: true };
}

/** Names in the word's directory; hidden ones only if a dot was typed. */
async function findPaths(word: PartialWord, context: CompletionContext): Promise<Candidate[]> {
  const { directory, prefix } = word;
  if (word.isInHome && !directory.startsWith('~/')) {
    return directory + prefix === '~' ? [{ label: '~/', insert: '~/', isFinal: false }] : [];
  }
  const typed = word.isInHome ? context.home + directory.slice(1) : directory;
  const path = resolvePath(context.cwd, typed === '' ? '.' : typed);
  const names = await context.fs.readdir(path).catch((): string[] => []);
  const fitting = names
    .filter((name) => name.startsWith(prefix) && (prefix.startsWith('.') || !name.startsWith('.')))
    .sort(compareCodePoints);
  return Promise.all(
    fitting.map(async (name): Promise<Candidate> => {
      const stats = await context.fs.stat(joinPath(path, name)).catch(() => null);
      const text = stats?.isDirectory() === true ? `${name}/` : name;
      return { label: text, insert: text, isFinal: text === name };
    }),
  );
}

/**
 * Finds the word that the end of `line` is in. Unlike the lexer it takes lines that are unfinished,
 * so it can't be the lexer.
 */
function findPartialWord(line: string, variables: Variables): PartialWord {
  return new Scanner(line, variables).scan();
}

class Scanner {
  readonly #line: string;
  readonly #variables: Variables;
  #index = 0;
  #role: PartialWord['role'] = 'command';
  /** Start of the part to be replaced, or -1 between words. */
  #start = -1;
  #directory = '';
  #isInHome = false;
  #prefix = '';
  /** True inside the value of an assignment: the next word may still be the command. */
  #isValue = false;
  #quote: QuoteStyle = 'none';
  #quoteStart = -1;
  /** Start of a variable's name that reaches to the end of the line, or -1. */
  #nameStart = -1;

  constructor(line: string, variables: Variables) {
    this.#line = line;
    this.#variables = variables;
  }

  scan(): PartialWord {
    while (this.#index < this.#line.length) this.#step(this.#line.charAt(this.#index));
    if (this.#nameStart >= 0) {
      const prefix = this.#line.slice(this.#nameStart);
      const rest = { directory: '', isInHome: false, quote: 'none', ownsQuote: false } as const;
      return { role: 'variable', start: this.#nameStart, prefix, ...rest };
    }
    const start = this.#start < 0 ? this.#line.length : this.#start;
    return {
      role: this.#role,
      start,
      directory: this.#directory,
      isInHome: this.#isInHome,
      prefix: this.#prefix,
      quote: this.#quote,
      ownsQuote: this.#quoteStart >= start,
    };
  }

  #step(char: string): void {
    if (this.#quote === 'single') {
      if (char === "'") this.#quote = 'none';
      else this.#append(char);
      this.#index += 1;
    } else if (char === '\\') this.#escape();
    else if (char === '$') this.#dollar();
    else if (char === '"' || (char === "'" && this.#quote === 'none')) this.#toggleQuote(char);
    else if (this.#quote === 'none' && ' \t\n;&|<>'.includes(char)) this.#endWord(char);
    else {
      this.#append(char);
      this.#index += 1;
    }
  }

  /** Adds a character of the word; behind a slash, or the `=` of an assignment, a part begins. */
  #append(char: string): void {
    if (this.#start < 0) {
      this.#start = this.#index;
      this.#isInHome = char === '~';
    }
    const isAssignment = this.#role === 'command' && this.#directory === '' && char === '=';
    if (isAssignment && this.#prefix !== '' && leadingName(this.#prefix) === this.#prefix) {
      this.#prefix = '';
      this.#role = 'argument';
      this.#isValue = true;
    } else if (char === '/') {
      this.#directory += `${this.#prefix}/`;
      this.#prefix = '';
    } else {
      this.#prefix += char;
      return;
    }
    this.#start = this.#index + 1;
  }

  #escape(): void {
    const next = this.#line.charAt(this.#index + 1);
    const isLiteral = this.#quote === 'double' && !'$`"\\'.includes(next);
    if (this.#start < 0) this.#start = this.#index;
    if (isLiteral) this.#append('\\');
    this.#prefix += next;
    this.#index += 2;
  }

  /** A variable's value counts as typed, so that the part after it can be completed. */
  #dollar(): void {
    if (this.#start < 0) this.#start = this.#index;
    const rest = this.#line.slice(this.#index + 1);
    const braced = /^\{(\w+)\}/.exec(rest);
    const name = braced?.[1] ?? leadingName(rest);
    const length = braced?.[0].length ?? name.length;
    if (braced === null && length === rest.length) this.#nameStart = this.#index + 1;
    else this.#prefix += name === '' ? '$' : (this.#variables(name) ?? '');
    this.#index += 1 + length;
  }

  #toggleQuote(char: string): void {
    if (this.#start < 0) this.#start = this.#index;
    if (this.#quote === 'none') {
      this.#quote = char === '"' ? 'double' : 'single';
      this.#quoteStart = this.#index;
    } else this.#quote = 'none';
    this.#index += 1;
  }

  #endWord(char: string): void {
    const isBlank = char === ' ' || char === '\t';
    if (!isBlank) this.#role = char === '<' || char === '>' ? 'argument' : 'command';
    else if (this.#start >= 0) this.#role = this.#isValue ? 'command' : 'argument';
    this.#start = -1;
    this.#directory = '';
    this.#isInHome = false;
    this.#prefix = '';
    this.#isValue = false;
    this.#index += 1;
  }
}

/** The longest text that all of them begin with; never half of a surrogate pair. */
export function commonPrefix(texts: readonly string[]): string {
  const [first = '', ...rest] = texts;
  let length = first.length;
  for (const text of rest) {
    let index = 0;
    while (index < length && text.charAt(index) === first.charAt(index)) index += 1;
    length = index;
  }
  const last = first.charCodeAt(length - 1);
  const splitsPair = last >= 0xd800 && last < 0xdc00;
  return first.slice(0, splitsPair ? length - 1 : length);
}

/** `text` as it stands in a line, inside the quote that is open there. */
function quoteCompletion(text: string, context: Pick<PartialWord, 'quote' | 'ownsQuote'>): string {
  if (context.quote === 'single') {
    return (context.ownsQuote ? "'" : '') + text.replaceAll("'", "'\\''");
  }
  if (context.quote === 'double') {
    return (context.ownsQuote ? '"' : '') + text.replace(/["\\$`]/g, '\\$&');
  }
  if (text === '~/') return text;
  return text
    .replace(/[^\p{L}\p{M}\p{N}_@%+=:,./\n~-]/gu, '\\$&')
    .replace(/^~/, '\\~')
    .replaceAll('\n', "'\n'");
}
