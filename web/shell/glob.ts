// Pathname patterns: `*`, `?` and `[…]`, where a backslash makes the next character literal.
// POSIX: Shell Command Language, 2.13 Pattern Matching Notation.

import { ShellError } from './errors.ts';

/** Names in a directory, without `.` and `..`; rejects if it can't be read. */
export interface GlobSource {
  readdir(path: string): Promise<string[]>;
  lstat(path: string): Promise<unknown>;
  stat(path: string): Promise<{ isDirectory(): boolean }>;
}

/** Expansion stops here, so that a pattern for every level of a huge tree can't fill the memory. */
const GLOB_RESULTS_MAX = 65_536;

const CLASSES: Readonly<Record<string, string>> = {
  alpha: '\\p{L}',
  digit: '0-9',
  alnum: '\\p{L}0-9',
  upper: '\\p{Lu}',
  lower: '\\p{Ll}',
  space: '\\s',
  blank: ' \\t',
  punct: '\\p{P}\\p{S}',
  xdigit: '0-9A-Fa-f',
};

/** `text` as a pattern that matches only itself. */
export function escapePattern(text: string): string {
  return text.replace(/[\\*?[\]]/g, '\\$&');
}

/** The text a pattern without magic stands for. */
export function unescapePattern(pattern: string): string {
  return pattern.replace(/\\([\s\S])/g, '$1');
}

/** True if the pattern can match something else than itself. */
export function hasMagic(pattern: string): boolean {
  return /[*?[]/.test(pattern.replace(/\\[\s\S]/g, ''));
}

/** True if `name`, one path component, fits `pattern`. A leading dot must be matched by a dot. */
export function matchesName(pattern: string, name: string): boolean {
  return compileName(pattern)(name);
}

/**
 * The paths that fit `pattern`, in the order of their code points; none if nothing fits. Relative
 * patterns give relative paths, seen from `cwd`.
 */
export async function expandGlob(
  pattern: string,
  cwd: string,
  source: GlobSource,
): Promise<string[]> {
  const isAbsolute = pattern.startsWith('/');
  const components = pattern.split('/').filter((part) => part !== '');
  let found: string[] = [isAbsolute ? '/' : ''];
  for (const [index, component] of components.entries()) {
    const isLast = index === components.length - 1;
    found = hasMagic(component)
      ? await matchIn(found, component, cwd, source, !isLast)
      : found.map((prefix) => prefix + unescapePattern(component));
    if (!isLast) found = found.map((path) => `${path}/`);
  }
  if (pattern.endsWith('/')) {
    found = (await keepDirectories(found, cwd, source)).map((path) => `${path}/`);
  } else if (!hasMagic(components.at(-1) ?? '')) {
    found = await keepExisting(found, cwd, source);
  }
  return found.sort(compareCodePoints);
}

/** Orders as LC_ALL=C does. UTF-16 order differs above U+FFFF, where surrogates sort too low. */
export function compareCodePoints(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index += 1) {
    const unitA = a.charCodeAt(index);
    const unitB = b.charCodeAt(index);
    if (unitA === unitB) continue;
    return rankOfUnit(unitA) - rankOfUnit(unitB);
  }
  return a.length - b.length;
}

/** Moves surrogates (D800–DFFF) behind the rest of the plane they would otherwise precede. */
function rankOfUnit(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}

async function matchIn(
  prefixes: readonly string[],
  component: string,
  cwd: string,
  source: GlobSource,
  mustBeDirectory: boolean,
): Promise<string[]> {
  const matches = compileName(component);
  const found: string[] = [];
  for (const prefix of prefixes) {
    const names = await source.readdir(absolute(cwd, prefix)).catch((): string[] => []);
    for (const name of names) if (matches(name)) found.push(prefix + name);
    if (found.length > GLOB_RESULTS_MAX) {
      throw new ShellError(`the pattern matches more than ${String(GLOB_RESULTS_MAX)} files`);
    }
  }
  return mustBeDirectory ? keepDirectories(found, cwd, source) : found;
}

function keepDirectories(
  paths: readonly string[],
  cwd: string,
  source: GlobSource,
): Promise<string[]> {
  return keep(paths, async (path) => (await source.stat(absolute(cwd, path))).isDirectory());
}

function keepExisting(
  paths: readonly string[],
  cwd: string,
  source: GlobSource,
): Promise<string[]> {
  return keep(paths, async (path) => {
    await source.lstat(absolute(cwd, path));
    return true;
  });
}

/** The paths the check accepts; a path that it can't look at is not accepted. */
async function keep(
  paths: readonly string[],
  check: (path: string) => Promise<boolean>,
): Promise<string[]> {
  const kept = await Promise.all(paths.map((path) => check(path).catch(() => false)));
  return paths.filter((_, index) => kept[index]);
}

function absolute(cwd: string, path: string): string {
  if (path.startsWith('/')) return path;
  return cwd.endsWith('/') ? cwd + path : `${cwd}/${path}`;
}

function compileName(pattern: string): (name: string) => boolean {
  const expression = new RegExp(`^${translate(pattern)}$`, 'su');
  const allowsHidden = pattern.startsWith('.') || pattern.startsWith('\\.');
  return (name) => (allowsHidden || !name.startsWith('.')) && expression.test(name);
}

function translate(pattern: string): string {
  let result = '';
  let index = 0;
  while (index < pattern.length) {
    const char = String.fromCodePoint(pattern.codePointAt(index) ?? 0);
    index += char.length;
    if (char === '*') result += '.*';
    else if (char === '?') result += '.';
    else if (char === '\\' && index < pattern.length) {
      const literal = String.fromCodePoint(pattern.codePointAt(index) ?? 0);
      result += escapeForRegExp(literal);
      index += literal.length;
    } else if (char === '[') {
      const bracket = translateBracket(pattern, index);
      result += bracket?.expression ?? '\\[';
      index = bracket?.end ?? index;
    } else result += escapeForRegExp(char);
  }
  return result;
}

/** A bracket expression whose `[` is before `start`; undefined if it is not closed. */
function translateBracket(
  pattern: string,
  start: number,
): { readonly expression: string; readonly end: number } | undefined {
  let index = start;
  let body = '';
  const isNegated = pattern.charAt(index) === '!' || pattern.charAt(index) === '^';
  if (isNegated) index += 1;
  const first = index;
  for (;;) {
    if (index >= pattern.length) return undefined;
    const char = String.fromCodePoint(pattern.codePointAt(index) ?? 0);
    // A `]` in the first place is a member.
    if (char === ']' && index > first) break;
    const named = /^\[:([a-z]+):\]/.exec(pattern.slice(index));
    const members = named?.[1] === undefined ? undefined : CLASSES[named[1]];
    if (named !== null && members !== undefined) {
      body += members;
      index += named[0].length;
      continue;
    }
    if (char === '-' && index > first && pattern.charAt(index + 1) !== ']') {
      body += '-';
      index += 1;
      continue;
    }
    const isEscape = char === '\\' && index + 1 < pattern.length;
    const literal = isEscape ? String.fromCodePoint(pattern.codePointAt(index + 1) ?? 0) : char;
    body += literal === '-' ? '\\-' : escapeForRegExp(literal);
    index += (isEscape ? 1 : 0) + literal.length;
  }
  const expression = `[${isNegated ? '^' : ''}${body}]`;
  return { expression: isValid(expression) ? expression : '(?!)', end: index + 1 };
}

/** A range the wrong way round (`[z-a]`) matches nothing; a regular expression can't hold it. */
function isValid(expression: string): boolean {
  try {
    return new RegExp(expression, 'su').source !== '';
  } catch {
    return false;
  }
}

function escapeForRegExp(char: string): string {
  return /[\^$\\.*+?()[\]{}|/]/.test(char) ? `\\${char}` : char;
}
