// ServedListing: a directory of the host that a lisafs client lists. The host only reads on, or
// begins again. A client goes back as well: to what didn't fit into the last reply, or anywhere.
//
// A cookie counts the entries up to and with its own. The last entries are kept; to go back behind
// them is to begin again and to skip as many as the cookie says. If the directory has changed since
// then, an entry that was there all the time may come twice, or not at all: Node has no seekdir(3).

import { linuxerr } from '../abi/errno.ts';
import { DT_DIR, direntType } from '../abi/stat.ts';
import type { Op } from '../lib/op.ts';
import type { ListedName, OpenedFile, Statx } from '../served/served-file.ts';
import type { HostDirectory } from './host-directory.ts';
import { untilDone, untilKnown } from './host-wait.ts';
import type { HostDirent, OpenHostDirectory } from './open-directory.ts';
import { fromHostName } from './served-name.ts';
import type { SharedFile } from './shared-file.ts';

/** Entries that are asked for at once. */
const BATCH = 128;
/** More than a reply takes, for most names. */
const KEPT_MAX = 1024;

/** Which directory it is. */
export type DirectoryId = Pick<Statx, 'ino' | 'devMajor' | 'devMinor'>;

export interface ServedListingOptions {
  readonly directory: SharedFile<HostDirectory>;
  readonly self: DirectoryId;
  /** The directory itself, if that is the root. */
  readonly above: DirectoryId;
}

export class ServedListing implements OpenedFile {
  readonly #directory: SharedFile<HostDirectory>;
  readonly #open: OpenHostDirectory;
  readonly #dots: readonly ListedName[];
  /** The last entries, the first of which has so many before it. */
  #kept: HostDirent[] = [];
  #keptFrom = 0;
  /** Of the host's own. */
  #isAtStart = true;
  /** Calls come one after the other. */
  #last: Promise<unknown> = Promise.resolve();

  /** `directory` is held by this from here on. */
  private constructor(open: OpenHostDirectory, { directory, self, above }: ServedListingOptions) {
    this.#directory = directory;
    this.#open = open;
    this.#dots = [self, above].map(({ ino, devMajor, devMinor }, index) => ({
      name: '.'.repeat(index + 1),
      ino,
      devMajor,
      devMinor,
      type: DT_DIR,
      cookie: index + 1,
    }));
  }

  /** Errors: EACCES; those of the budget. */
  static async open(options: ServedListingOptions): Promise<ServedListing> {
    const directory = options.directory.retain();
    try {
      return new ServedListing(await directory.file.list(), options);
    } catch (error) {
      await directory.release();
      throw error;
    }
  }

  list(cookie: number): Op<readonly ListedName[]> {
    return untilKnown(() => {
      const listing = this.#last.then(() => this.#list(cookie));
      this.#last = listing.catch(() => undefined);
      return listing;
    });
  }

  async #list(cookie: number): Promise<readonly ListedName[]> {
    const dots = this.#dots;
    if (cookie === 0) await this.#beginAgain();
    if (cookie < dots.length) return dots.slice(cookie);
    const entries = await this.#entriesFrom(cookie - dots.length);
    return entries.map(({ name, stat }, index) => ({
      name: fromHostName(name),
      ino: stat.ino,
      devMajor: stat.devMajor,
      devMinor: stat.devMinor,
      type: direntType(stat.mode),
      cookie: cookie + index + 1,
    }));
  }

  /** Some of those that have `index` before them; none at the end. */
  async #entriesFrom(index: number): Promise<readonly HostDirent[]> {
    if (index < this.#keptFrom) await this.#beginAgain();
    while (index >= this.#keptFrom + this.#kept.length) {
      const more = await this.#readOn();
      if (more.length === 0) return [];
      this.#kept.push(...more);
      this.#keptFrom += this.#kept.splice(0, this.#kept.length - KEPT_MAX).length;
    }
    return this.#kept.slice(index - this.#keptFrom);
  }

  async #readOn(): Promise<readonly HostDirent[]> {
    this.#isAtStart = false;
    try {
      return await this.#open.read(BATCH);
    } catch (error) {
      // Those that were read would be missing.
      await this.#beginAgain();
      throw error;
    }
  }

  async #beginAgain(): Promise<void> {
    if (this.#isAtStart) return;
    this.#kept = [];
    this.#keptFrom = 0;
    await this.#open.rewind();
    this.#isAtStart = true;
  }

  *read(): Op<number> {
    throw linuxerr.EISDIR;
  }

  *write(): Op<number> {
    throw linuxerr.EBADF;
  }

  sync(): Op<void> {
    return untilDone(() => this.#open.fsync());
  }

  *flush(): Op<void> {
    return;
  }

  *allocate(): Op<void> {
    throw linuxerr.EBADF;
  }

  close(): Op<void> {
    return untilDone(() => this.#close());
  }

  async #close(): Promise<void> {
    await this.#last;
    try {
      await this.#open.close();
    } finally {
      await this.#directory.release();
    }
  }
}
