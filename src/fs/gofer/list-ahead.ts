// ListAhead: who lists one directory after another, as find(1) does, has the next ones listed
// before it asks. Once two directories of one parent were listed, those that follow them are asked
// for as well: two of them at first, then twice as many, as long as it goes on.

import { LinuxError } from '../../abi/errno.ts';
import { DT_DIR } from '../../abi/stat.ts';
import { type Op, startOp } from '../../lib/op.ts';
import type { LocalDentry } from '../shared/inode.ts';
import type { Listing } from './listing.ts';

/** Directories of one parent that are asked for ahead. */
const WINDOW_MAX = 16;
/** And of all: what comes takes memory. */
const UNDER_WAY_MAX = 32;

export interface AheadTree {
  /** Undefined if it isn't known whole. */
  listingOf(dir: LocalDentry): Listing | undefined;
  /** Asks the server. */
  load(dir: LocalDentry): Op<unknown>;
}

/** How far the directories in a directory have been listed. */
class Progress {
  readonly listing: Listing;
  /** In the order of the listing. */
  readonly names: readonly string[];
  readonly #indexes = new Map<string, number>();
  last: string | undefined;
  window = 0;

  constructor(listing: Listing) {
    this.listing = listing;
    const entries = [...listing.entries.values()];
    this.names = entries.filter(({ type }) => type === DT_DIR).map(({ name }) => name);
    for (const [index, name] of this.names.entries()) this.#indexes.set(name, index);
  }

  after(name: string): readonly string[] {
    const index = this.#indexes.get(name);
    return index === undefined ? [] : this.names.slice(index + 1, index + 1 + this.window);
  }
}

export class ListAhead {
  readonly #tree: AheadTree;
  readonly #progress = new WeakMap<LocalDentry, Progress>();
  #underWay = 0;

  constructor(tree: AheadTree) {
    this.#tree = tree;
  }

  /** Somebody lists a directory. */
  onListed(dir: LocalDentry): void {
    const { parent, name } = dir;
    const listing = parent === undefined ? undefined : this.#tree.listingOf(parent);
    if (parent === undefined || listing === undefined) return;
    let progress = this.#progress.get(parent);
    if (progress?.listing !== listing) {
      progress = new Progress(listing);
      this.#progress.set(parent, progress);
    }
    if (progress.last === name) return;
    const isFirst = progress.last === undefined;
    progress.last = name;
    if (isFirst) return;
    progress.window = Math.min(WINDOW_MAX, Math.max(2, progress.window * 2));
    for (const next of progress.after(name)) this.#load(parent.children?.get(next));
  }

  #load(dir: LocalDentry | undefined): void {
    if (dir === undefined || this.#underWay >= UNDER_WAY_MAX || !dir.isDir) return;
    if (dir.isDead || dir.mountCount > 0 || this.#tree.listingOf(dir) !== undefined) return;
    this.#underWay++;
    startOp(this.#tree.load(dir), {
      resolve: () => {
        this.#underWay--;
      },
      reject: (error) => {
        this.#underWay--;
        // Who wants it asks again, and is told.
        if (!(error instanceof LinuxError)) void Promise.reject(error);
      },
    });
  }
}
