// A working directory for programs that have none.
//
// WASI preview1 knows no working directory: wasi-libc strips the leading slash of "/a/b" and the
// dots of "./a/b" and asks for "a/b" beneath the preopen "/" either way. So when a task's working
// directory isn't "/", a path beneath "/" has to be told apart by what else is known:
//  1. what the program was given: an argument that is this path, or a directory above it, says how
//  it was meant; 2. else what exists: its first component in the working directory, else in "/";
//  3. else it is new, and belongs to the working directory.
// With "/" as working directory nothing has to be guessed, and nothing is.

/** How a path beneath the preopen "/" was meant, as far as the arguments tell. */
export type Meaning = 'absolute' | 'relative' | 'unknown';

/** As wasi-libc does: no leading slashes, no "./". */
function strip(path: string): string {
  let rest = path;
  for (;;) {
    if (rest.startsWith('/')) rest = rest.slice(1);
    else if (rest.startsWith('./')) rest = rest.slice(2);
    else if (rest === '.') return '';
    else return rest.replace(/\/+$/, '');
  }
}

export class WorkingDirectory {
  /** Absolute, without a trailing slash. */
  readonly path: string;
  readonly #absolute: string[] = [];
  readonly #relative: string[] = [];

  constructor(path: string, args: readonly string[]) {
    this.path = path.replace(/\/+$/, '');
    for (const arg of args) {
      // "--file=/a/b" names a path too.
      for (const word of [arg, ...arg.split('=').slice(1)]) {
        if (word.startsWith('-') || word === '') continue;
        (word.startsWith('/') ? this.#absolute : this.#relative).push(strip(word));
      }
    }
  }

  meaningOf(path: string): Meaning {
    const wanted = strip(path);
    const absolute = bestMatch(wanted, this.#absolute);
    const relative = bestMatch(wanted, this.#relative);
    if (absolute < 0 && relative < 0) return wanted === '' ? 'relative' : 'unknown';
    return absolute > relative ? 'absolute' : 'relative';
  }

  /** The path as seen from "/". */
  toRoot(path: string): string {
    return `${this.path.slice(1)}/${path}`;
  }
}

/** Length of the longest of `candidates` that is `path` or a directory above it; -1 if none is. */
function bestMatch(path: string, candidates: readonly string[]): number {
  let best = -1;
  for (const candidate of candidates) {
    const isAbove = candidate === '' || path === candidate || path.startsWith(`${candidate}/`);
    if (isAbove && candidate.length > best) best = candidate.length;
  }
  return best;
}
