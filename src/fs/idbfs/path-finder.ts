// PathFinder: paths of inodes, for what a check has to say. A table of inodes knows directories;
// names are looked up in them.

import { LinuxError } from '../../abi/errno.ts';
import type { Op } from '../../lib/op.ts';
import type { StoreView, ViewEntries } from '../../store/store-view.ts';
import type { InodeTable } from './inode-table.ts';
import { cookieKey, decodeName, nameKey, ROOT_INO } from './items.ts';

/** So many paths are looked up; what is asked for later is called by its number. */
const LOOKUPS_MAX = 2000;
const DEPTH_MAX = 256;
const ENTRIES_AT_ONCE = 256;

export class PathFinder {
  readonly #view: StoreView;
  readonly #table: InodeTable;
  readonly #known = new Map<number, string | undefined>([[ROOT_INO, '']]);

  constructor(view: StoreView, table: InodeTable) {
    this.#view = view;
    this.#table = table;
  }

  /** An inode, or an entry of a directory, as a user knows it. */
  *describe(ino: number, name?: string): Op<string> {
    const path = yield* this.#pathOf(ino, 0);
    const text = path ?? `inode ${ino}`;
    const whole = name === undefined ? text : `${text}/${name}`;
    // What could garble a terminal is escaped.
    return whole === '' ? '/' : JSON.stringify(whole).slice(1, -1).replaceAll('\\"', '"');
  }

  /** Without a slash at its end; undefined: there is none that could be found. */
  *#pathOf(ino: number, depth: number): Op<string | undefined> {
    if (this.#known.has(ino)) return this.#known.get(ino);
    if (this.#known.size > LOOKUPS_MAX || depth > DEPTH_MAX) return undefined;
    // Should it lie beneath itself.
    this.#known.set(ino, undefined);
    const slot = this.#table.find(ino);
    const parent = slot === undefined ? 0 : (this.#table.parents[slot] ?? 0);
    if (parent === 0) return undefined;
    const above = yield* this.#pathOf(parent, depth + 1);
    const name = above === undefined ? undefined : yield* this.#nameIn(parent, ino);
    const path = name === undefined ? undefined : `${above ?? ''}/${name}`;
    this.#known.set(ino, path);
    return path;
  }

  *#nameIn(dir: number, ino: number): Op<string | undefined> {
    const end = cookieKey(dir, 0);
    for (let from: string | undefined = nameKey(dir, ''); from !== undefined && from < end;) {
      const found: ViewEntries = yield* this.#view.entries(from, ENTRIES_AT_ONCE);
      for (const entry of found.entries) {
        if (entry.kind !== 'item' || entry.key >= end) continue;
        if (inoIn(entry.value) === ino) return entry.key.slice(5);
      }
      from = found.next;
    }
    return undefined;
  }
}

/** Undefined if it can't be what was written. */
function inoIn(value: Uint8Array): number | undefined {
  try {
    return decodeName(value).ino;
  } catch (error) {
    if (!(error instanceof LinuxError)) throw error;
    return undefined;
  }
}
