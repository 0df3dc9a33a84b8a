// Splits a line into words, operators and redirections.
// POSIX: Shell Command Language, 2.2 Quoting and 2.3 Token Recognition.

import type { ShellFd, Word, WordPart } from './syntax.ts';
import { ShellSyntaxError } from './syntax.ts';

export type Operator = ';' | '&&' | '||' | '|' | '|&' | '\n';

export type RedirectionOperator = '<' | '>' | '>>' | '>&' | '&>' | '&>>';

export type Token =
  | { readonly kind: 'word'; readonly word: Word }
  | { readonly kind: 'operator'; readonly operator: Operator }
  | {
      readonly kind: 'redirection';
      readonly operator: RedirectionOperator;
      /** The number before the operator, if there was one. */
      readonly fd: ShellFd | undefined;
    };

/** Longest first: the first that fits is taken. */
const OPERATORS: readonly (Operator | RedirectionOperator)[] = [
  '&>>',
  '&&',
  '||',
  '|&',
  '&>',
  '>>',
  '>&',
  ';',
  '|',
  '<',
  '>',
  '\n',
];

/** Operators of other shells, each with what to say about it. */
const UNSUPPORTED: readonly (readonly [string, string])[] = [
  ['<<', 'here-documents (<<) are not supported'],
  ['<>', 'opening for reading and writing (<>) is not supported'],
  ['<&', 'duplicating an input (<&) is not supported'],
  ['>|', 'overriding noclobber (>|) is not supported: > always replaces the file'],
  [';;', 'syntax error near “;;”'],
  ['(', 'subshells and functions are not supported: unexpected “(”'],
  [')', 'syntax error near “)”'],
];

const NAME = /^[A-Za-z_][A-Za-z0-9_]*/;
/** What ends an unquoted word. */
const METACHARACTERS = ' \t\n;&|<>()';
/** What a backslash makes literal inside double quotes. */
const ESCAPABLE_IN_DOUBLE_QUOTES = '$`"\\';

/**
 * The tokens of `source`.
 *
 * Errors: ShellSyntaxError, `incomplete` if a quote is open or the text ends in a backslash.
 */
export function tokenize(source: string): Token[] {
  return new Lexer(source).tokens();
}

/** The name at the start of `text`, as variables have them, or ''. */
export function leadingName(text: string): string {
  return NAME.exec(text)?.[0] ?? '';
}

class Lexer {
  readonly #source: string;
  #position = 0;

  constructor(source: string) {
    this.#source = source;
  }

  tokens(): Token[] {
    const tokens: Token[] = [];
    for (;;) {
      this.#skipBlanks();
      if (this.#position >= this.#source.length) return tokens;
      tokens.push(this.#next());
    }
  }

  #skipBlanks(): void {
    for (;;) {
      if (this.#at(' ') || this.#at('\t')) this.#position += 1;
      else if (this.#at('\\\n')) this.#position += 2;
      else break;
    }
    if (!this.#at('#')) return;
    const end = this.#source.indexOf('\n', this.#position);
    this.#position = end < 0 ? this.#source.length : end;
  }

  #next(): Token {
    const fd = this.#ioNumber();
    for (const [text, message] of UNSUPPORTED) {
      if (this.#at(text)) throw new ShellSyntaxError(message);
    }
    for (const operator of OPERATORS) {
      if (!this.#at(operator)) continue;
      this.#position += operator.length;
      return operator === '<' || operator.includes('>')
        ? { kind: 'redirection', operator: operator as RedirectionOperator, fd }
        : { kind: 'operator', operator: operator as Operator };
    }
    if (this.#at('&')) throw new ShellSyntaxError('running in the background (&) is not supported');
    return { kind: 'word', word: this.#word() };
  }

  /** A number directly before `<` or `>` names the descriptor to redirect. */
  #ioNumber(): ShellFd | undefined {
    const digits = /^\d+(?=[<>])/.exec(
      this.#source.slice(this.#position, this.#position + 12),
    )?.[0];
    if (digits === undefined) return undefined;
    const fd = Number(digits);
    if (fd !== 0 && fd !== 1 && fd !== 2) {
      throw new ShellSyntaxError(`only descriptors 0, 1 and 2 can be redirected, not ${digits}`);
    }
    this.#position += digits.length;
    return fd;
  }

  #word(): Word {
    const start = this.#position;
    const parts: WordPart[] = [];
    while (this.#position < this.#source.length) {
      const char = this.#source.charAt(this.#position);
      if (METACHARACTERS.includes(char)) break;
      if (char === "'") parts.push(this.#singleQuoted());
      else if (char === '"') this.#doubleQuoted(parts);
      else if (char === '\\') this.#escaped(parts);
      else if (char === '$') parts.push(this.#dollar(false));
      else if (char === '`') throw commandSubstitution();
      else parts.push(this.#plain());
    }
    return { parts, source: this.#source.slice(start, this.#position) };
  }

  #plain(): WordPart {
    const start = this.#position;
    while (
      this.#position < this.#source.length &&
      !`${METACHARACTERS}'"\\$\``.includes(this.#source.charAt(this.#position))
    ) {
      this.#position += 1;
    }
    const text = this.#source.slice(start, this.#position);
    return { kind: 'literal', text, quoted: false };
  }

  #escaped(parts: WordPart[]): void {
    if (this.#position + 1 >= this.#source.length) {
      throw new ShellSyntaxError('the line ends in a backslash', { incomplete: true });
    }
    const char = this.#source.charAt(this.#position + 1);
    this.#position += 2;
    // A backslash before a newline joins the two lines.
    if (char !== '\n') parts.push({ kind: 'literal', text: char, quoted: true });
  }

  #singleQuoted(): WordPart {
    const end = this.#source.indexOf("'", this.#position + 1);
    if (end < 0)
      throw new ShellSyntaxError("a single quote (') is not closed", { incomplete: true });
    const text = this.#source.slice(this.#position + 1, end);
    this.#position = end + 1;
    return { kind: 'literal', text, quoted: true };
  }

  #doubleQuoted(parts: WordPart[]): void {
    this.#position += 1;
    let text = '';
    const flush = (): void => {
      parts.push({ kind: 'literal', text, quoted: true });
      text = '';
    };
    for (;;) {
      if (this.#position >= this.#source.length) {
        throw new ShellSyntaxError('a double quote (") is not closed', { incomplete: true });
      }
      const char = this.#source.charAt(this.#position);
      if (char === '"') {
        this.#position += 1;
        flush();
        return;
      }
      if (char === '`') throw commandSubstitution();
      if (char === '$') {
        flush();
        parts.push(this.#dollar(true));
        continue;
      }
      this.#position += 1;
      if (char === '\\') text += this.#escapeInDoubleQuotes();
      else text += char;
    }
  }

  /** What a backslash (already passed) and the character after it mean inside double quotes. */
  #escapeInDoubleQuotes(): string {
    const next = this.#source.charAt(this.#position);
    if (next === '\n') {
      this.#position += 1;
      return '';
    }
    if (next === '' || !ESCAPABLE_IN_DOUBLE_QUOTES.includes(next)) return '\\';
    this.#position += 1;
    return next;
  }

  /** A variable, or a dollar sign that is only itself. */
  #dollar(quoted: boolean): WordPart {
    const rest = this.#source.slice(this.#position + 1);
    if (rest.startsWith('(')) throw commandSubstitution();
    if (rest.startsWith('{')) return this.#braced(rest, quoted);
    const name = rest.startsWith('?') ? '?' : leadingName(rest);
    this.#position += 1 + name.length;
    if (name === '') return { kind: 'literal', text: '$', quoted };
    return { kind: 'variable', name, quoted };
  }

  #braced(rest: string, quoted: boolean): WordPart {
    const end = rest.indexOf('}');
    if (end < 0) throw new ShellSyntaxError('“${” is not closed', { incomplete: true });
    const name = rest.slice(1, end);
    if (name !== '?' && (name === '' || leadingName(name) !== name)) {
      throw new ShellSyntaxError(`“\${${name}}” is not supported: only \${NAME} is`);
    }
    this.#position += 1 + end + 1;
    return { kind: 'variable', name, quoted };
  }

  #at(text: string): boolean {
    return this.#source.startsWith(text, this.#position);
  }
}

function commandSubstitution(): ShellSyntaxError {
  return new ShellSyntaxError('command substitution, $(…) or `…`, is not supported');
}
