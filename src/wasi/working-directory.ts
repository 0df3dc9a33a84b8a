// A working directory for programs that have none.
//
// WASI preview1 knows no working directory: wasi-libc strips the leading slash of "/a/b" and the
// dots of "./a/b" and asks for "a/b" beneath the preopen "/" either way. So when a task's working
// directory isn't "/", a path beneath "/" has to be told apart by what else is known:
//  1. What the program was given: an argument that is this path, or a directory above it, says how
//     it was meant; so does such a path from "/" in quotes within an argument, as in the text of
//     `python -c`.
//  2. Else, if it lies beneath the working directory as seen from "/", it was meant so: by a
//     program that has changed its directory itself, as wasi-libc lets it.
//  3. Else what exists: its first component in the working directory; or in "/", if that is a
//     directory.
//  4. Else it belongs to the working directory.
// With "/" as working directory nothing has to be guessed, and nothing is.

import { LinuxError } from '../abi/errno.ts';
import { AT_FDCWD, AT_SYMLINK_NOFOLLOW } from '../abi/fcntl.ts';
import { S_IFDIR, S_IFMT } from '../abi/stat.ts';
import type { Op } from '../lib/op.ts';
import type { Syscalls } from '../syscalls/table.ts';

/** How a path beneath the preopen "/" was meant, as far as the arguments tell. */
export type Meaning = 'absolute' | 'relative' | 'unknown';

/** A path from "/" in quotes, as source text has it. "/" alone is a division or a separator. */
const QUOTED_PATH = /(["'])(\/[^"'\n]+)\1/g;

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
  readonly #sys: Syscalls;
  readonly #absolute: string[] = [];
  readonly #relative: string[] = [];

  /** `args` are those after argv[0]. */
  constructor(path: string, args: readonly string[], sys: Syscalls) {
    this.path = path.replace(/\/+$/, '');
    this.#sys = sys;
    for (const arg of args) {
      // "--file=/a/b" names a path too.
      for (const word of [arg, ...arg.split('=').slice(1)]) {
        if (word.startsWith('-') || word === '') continue;
        (word.startsWith('/') ? this.#absolute : this.#relative).push(strip(word));
      }
      for (const [, , quoted = ''] of arg.matchAll(QUOTED_PATH)) {
        this.#absolute.push(strip(quoted));
      }
    }
  }

  meaningOf(path: string): Meaning {
    const wanted = strip(path);
    const absolute = bestMatch(wanted, this.#absolute);
    const relative = bestMatch(wanted, this.#relative);
    if (absolute < 0 && relative < 0) {
      if (wanted === '') return 'relative';
      return `${wanted}/`.startsWith(`${this.path.slice(1)}/`) ? 'absolute' : 'unknown';
    }
    return absolute > relative ? 'absolute' : 'relative';
  }

  /** Where a path that the program asks for beneath "/" lies, as seen from "/". */
  *locate(path: string): Op<string> {
    const meaning = this.meaningOf(path);
    const isRelative =
      meaning === 'unknown' ? yield* this.#existsHere(path) : meaning === 'relative';
    return isRelative ? `${this.path.slice(1)}/${path}` : path;
  }

  *#existsHere(path: string): Op<boolean> {
    const [first = ''] = strip(path).split('/');
    if ((yield* this.#modeOf(`${this.path}/${first}`, AT_SYMLINK_NOFOLLOW)) !== 0) return true;
    return ((yield* this.#modeOf(`/${first}`, 0)) & S_IFMT) !== S_IFDIR;
  }

  /** st_mode, 0 if there is no such file. */
  *#modeOf(path: string, flags: number): Op<number> {
    try {
      return (yield* this.#sys.fstatat(AT_FDCWD, path, flags)).mode;
    } catch (error) {
      if (error instanceof LinuxError) return 0;
      throw error;
    }
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
