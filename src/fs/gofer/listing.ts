// Listing: all names of a directory, and a cursor that lists them. Mirrors gVisor
// pkg/sentry/fsimpl/gofer/directory.go (dirents).

import { linuxerr } from '../../abi/errno.ts';
import { direntType } from '../../abi/stat.ts';
import { assertDefined } from '../../lib/assert.ts';
import type { Op } from '../../lib/op.ts';
import type { DirectoryEntrySink } from '../../vfs/directory-entry.ts';
import type { DirectoryCursor } from '../shared/directory-description.ts';
import type { LocalDentry } from '../shared/inode.ts';

export interface ListingEntry {
  readonly name: string;
  readonly ino: number;
  /** DT_. */
  readonly type: number;
  readonly cookie: number;
}

export class Listing {
  /** In the order of cookies. */
  readonly entries = new Map<string, ListingEntry>();

  has(name: string): boolean {
    return this.entries.has(name);
  }

  add(entry: ListingEntry): void {
    this.entries.delete(entry.name);
    this.entries.set(entry.name, entry);
  }

  addDentry({ name, inode, cookie }: LocalDentry): void {
    this.add({ name, ino: inode.ino, type: direntType(inode.mode), cookie });
  }

  delete(name: string): void {
    this.entries.delete(name);
  }
}

/** Whose names are listed. */
export interface ListingSource {
  /** All names there are. */
  listing(dir: LocalDentry): Op<Listing>;
  /** They are read anew for each description, and again after it was rewound. */
  readonly relists: boolean;
}

/** Of "." and "..". */
const DOTS_END = 2;

export class ListingCursor implements DirectoryCursor {
  readonly #source: ListingSource;
  readonly #dir: LocalDentry;
  #listing: Listing | undefined;
  #iterator: Iterator<ListingEntry> | undefined;
  #position = -1;
  #declined: ListingEntry | undefined;

  constructor(source: ListingSource, dir: LocalDentry) {
    this.#source = source;
    this.#dir = dir;
  }

  *list(position: number, sink: DirectoryEntrySink): Op<number> {
    const listing = yield* this.#listingAt(position);
    if (this.#dir.isDead) throw linuxerr.ENOENT;
    if (position !== this.#position || this.#iterator === undefined) {
      this.#iterator = listing.entries.values();
      this.#declined = undefined;
    }
    let reached = position;
    for (;;) {
      const entry = this.#next();
      if (entry === undefined) break;
      if (entry.cookie <= position) continue;
      // It may have been removed since it was declined.
      if (listing.entries.get(entry.name) !== entry) continue;
      if (!sink(entry)) {
        this.#declined = entry;
        break;
      }
      reached = entry.cookie;
    }
    this.#position = reached;
    return reached;
  }

  *#listingAt(position: number): Op<Listing> {
    const isFirst = position <= DOTS_END && position !== this.#position;
    if (!this.#source.relists) {
      const listing = yield* this.#source.listing(this.#dir);
      // It may have been forgotten and read again.
      if (listing !== this.#listing) this.#iterator = undefined;
      this.#listing = listing;
    } else if (this.#listing === undefined || isFirst) {
      this.#iterator = undefined;
      this.#listing = yield* this.#source.listing(this.#dir);
    }
    return assertDefined(this.#listing);
  }

  #next(): ListingEntry | undefined {
    const declined = this.#declined;
    this.#declined = undefined;
    if (declined !== undefined) return declined;
    const result = this.#iterator?.next();
    if (result === undefined || result.done !== true) return result?.value;
    // An exhausted iterator sees nothing that is added later: start over next time.
    this.#iterator = undefined;
    return undefined;
  }
}
