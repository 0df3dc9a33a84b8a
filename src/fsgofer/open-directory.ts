// OpenHostDirectory: a directory of the host that is being listed, in pieces.
// "." and ".." are not among its entries: Node leaves them out.

import type { Buffer } from 'node:buffer';
import { constants } from 'node:fs';
import { linuxerr } from '../abi/errno.ts';
import { assert } from '../lib/assert.ts';
import { checkName, fromHostBytes, type HostName, joinPath } from './host-name.ts';
import { hostStatOf, type HostStat } from './host-stat.ts';
import { fsync, type HostListing, lstat, opendir } from './node-fs.ts';
import type { Place } from './place.ts';

export interface HostDirent {
  readonly name: HostName;
  /** Of the entry itself, also of a symbolic link. */
  readonly stat: HostStat;
}

export class OpenHostDirectory {
  /** Held open by whoever holds this. */
  readonly #place: Place;
  /** Undefined after rewind(), until an entry is wanted. */
  #listing: HostListing | undefined;
  #isAtEnd = false;
  #isClosed = false;
  /** Calls come one after the other, as they share the position. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(place: Place, listing: HostListing) {
    this.#place = place;
    this.#listing = listing;
  }

  /** Errors: EACCES if the directory must not be read; the budget's. */
  static async open(place: Place): Promise<OpenHostDirectory> {
    return new OpenHostDirectory(place, await openListing(place));
  }

  /**
   * The next entries, at most `countMax`; none at the end. What has gone meanwhile is left out.
   * Errors: after rewind(), those of opening it.
   */
  read(countMax: number): Promise<HostDirent[]> {
    assert(countMax > 0, 'no entries are wanted');
    return this.#inTurn(() => this.#read(countMax));
  }

  /** Makes its names last. Errors: EACCES if it must not be read; fsync(2)'s. */
  async fsync(): Promise<void> {
    const fd = await this.#place.open(constants.O_RDONLY);
    try {
      await fd.use(fsync);
    } finally {
      await fd.close();
    }
  }

  /** Begins again, with what is in the directory then. */
  rewind(): Promise<void> {
    return this.#inTurn(() => this.#closeListing());
  }

  /** Called once. */
  async close(): Promise<void> {
    assert(!this.#isClosed, 'a directory is closed twice');
    const closing = this.#inTurn(() => this.#closeListing());
    this.#isClosed = true;
    await closing;
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    assert(!this.#isClosed, 'a directory is used after it was closed');
    const turn = this.#last.then(work);
    // Whoever comes next doesn't care how this one ended.
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  async #read(countMax: number): Promise<HostDirent[]> {
    const entries: HostDirent[] = [];
    while (entries.length === 0 && !this.#isAtEnd) {
      const names = await this.#nextNames(countMax);
      const found = await this.#place.withPath((path) =>
        Promise.all(names.map((name) => entryOf(path, name))),
      );
      entries.push(...found.filter((entry) => entry !== undefined));
    }
    return entries;
  }

  async #nextNames(countMax: number): Promise<Buffer[]> {
    const listing = (this.#listing ??= await openListing(this.#place));
    const names: Buffer[] = [];
    while (names.length < countMax) {
      const name = await listing.next();
      if (name === undefined) {
        this.#isAtEnd = true;
        break;
      }
      names.push(name);
    }
    return names;
  }

  async #closeListing(): Promise<void> {
    const listing = this.#listing;
    this.#listing = undefined;
    this.#isAtEnd = false;
    if (listing === undefined) return;
    try {
      await listing.close();
    } finally {
      this.#place.host.budget.give();
    }
  }
}

function openListing(place: Place): Promise<HostListing> {
  const { budget } = place.host;
  return place.withPath(
    (path) => budget.spend(() => opendir(path)),
    async (listing) => {
      await listing.close();
      budget.give();
    },
  );
}

async function entryOf(directory: Buffer, name: Buffer): Promise<HostDirent | undefined> {
  try {
    const stats = await lstat(joinPath(directory, checkName(name)));
    return { name: fromHostBytes(name), stat: hostStatOf(stats) };
  } catch (error) {
    // Gone; or what a damaged filesystem calls a name; or what can't be told.
    const left = [linuxerr.ENOENT, linuxerr.EINVAL, linuxerr.ENAMETOOLONG, linuxerr.EOVERFLOW];
    if (left.some((expected) => expected === error)) return undefined;
    throw error;
  }
}
