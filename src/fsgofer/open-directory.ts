// OpenHostDirectory: a directory of the host that is being listed, in pieces.
// "." and ".." are not among its entries: Node leaves them out.

import type { Buffer } from 'node:buffer';
import { constants } from 'node:fs';
import { LinuxError } from '../abi/errno.ts';
import { assert } from '../lib/assert.ts';
import type { Statx } from '../served/served-file.ts';
import { checkName, fromHostBytes, type HostName, joinPath } from './host-name.ts';
import { hostStatOf } from './host-stat.ts';
import { fsync, type HostListing, lstat, opendir } from './node-fs.ts';
import type { Place } from './place.ts';
import { IS_WINDOWS } from './windows.ts';

/** Entries in one answer, all of which are asked about at once. */
const DIRENTS_MAX = 1024;

export interface HostDirent {
  readonly name: HostName;
  /** Of the entry itself, also of a symbolic link. */
  readonly stat: Statx;
}

export class OpenHostDirectory {
  /** Held open by whoever holds this. */
  readonly #place: Place;
  /** Undefined after rewind(), until an entry is wanted. */
  #listing: HostListing | undefined;
  #isAtEnd = false;
  /** Why there are no more entries, to be told once those before it have been. */
  #failure: LinuxError | undefined;
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
   * The next entries, at most `countMax` and perhaps fewer; none at the end. What has gone is left
   * out, and so is what can't be asked about: a walk to it tells why.
   * Errors: after rewind(), those of opening it; readdir(3)'s.
   */
  read(countMax: number): Promise<HostDirent[]> {
    assert(countMax > 0, 'no entries are wanted');
    return this.#inTurn(() => this.#read(Math.min(countMax, DIRENTS_MAX)));
  }

  /** Makes its names last. Errors: EACCES if it must not be read; fsync(2)'s. */
  async fsync(): Promise<void> {
    // Windows syncs no directories: names are in the filesystem's journal.
    if (IS_WINDOWS) return;
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
      const listing = (this.#listing ??= await openListing(this.#place));
      // Node may look at entries itself, by the directory's path.
      const found = await this.#place.withPath(async (path) => {
        const names = await this.#nextNames(listing, countMax);
        // All must have been looked at before the path may become another's.
        return Promise.allSettled(names.map((name) => entryOf(path, name)));
      });
      entries.push(...found.flatMap(entryIfAny));
    }
    return entries;
  }

  async #nextNames(listing: HostListing, countMax: number): Promise<Buffer[]> {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure;
    const names: Buffer[] = [];
    try {
      while (names.length < countMax && !this.#isAtEnd) {
        const name = await listing.next();
        if (name === undefined) this.#isAtEnd = true;
        else names.push(name);
      }
    } catch (error) {
      if (!(error instanceof LinuxError) || names.length === 0) throw error;
      this.#failure = error;
    }
    return names;
  }

  async #closeListing(): Promise<void> {
    const listing = this.#listing;
    this.#listing = undefined;
    this.#isAtEnd = false;
    this.#failure = undefined;
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
      try {
        await listing.close();
      } finally {
        budget.give();
      }
    },
  );
}

async function entryOf(directory: Buffer, name: Buffer): Promise<HostDirent> {
  const stats = await lstat(joinPath(directory, checkName(name)));
  return { name: fromHostBytes(name), stat: hostStatOf(stats) };
}

function entryIfAny(found: PromiseSettledResult<HostDirent>): HostDirent[] {
  if (found.status === 'fulfilled') return [found.value];
  // Gone; or what a damaged filesystem calls a name; or what can't be told.
  if (found.reason instanceof LinuxError) return [];
  throw found.reason;
}
