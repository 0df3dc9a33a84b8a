// ListAhead: who lists one directory after another, as find(1) does, has the next ones listed
// before it asks. Whoever goes down from a directory into its first one right away is taken to go
// through the whole tree: those that come next, in that order, are asked for all at once. Others
// are believed by and by: once two directories of one parent were listed, two that follow them are
// asked for, then twice as many, as long as it goes on.

import { LinuxError } from '../../abi/errno.ts';
import { DT_DIR } from '../../abi/stat.ts';
import { type Op, startOp } from '../../lib/op.ts';
import type { LocalDentry } from '../shared/inode.ts';
import type { Listing } from './listing.ts';

/** Directories of one parent that are asked for ahead. */
const WINDOW_MAX = 16;
/** And of all, for who goes through the tree: what comes takes memory. */
const UNDER_WAY_MAX = 128;
/** Directories that are looked at to find those that aren't listed yet. */
const LOOKED_AT_MAX = 512;

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
  /** Of who goes through the tree. */
  isWalk = false;

  constructor(listing: Listing) {
    this.listing = listing;
    const entries = [...listing.entries.values()];
    this.names = entries.filter(({ type }) => type === DT_DIR).map(({ name }) => name);
    for (const [index, name] of this.names.entries()) this.#indexes.set(name, index);
  }

  after(name: string): readonly string[] {
    const index = this.#indexes.get(name);
    return index === undefined ? [] : this.names.slice(index + 1);
  }
}

export class ListAhead {
  readonly #tree: AheadTree;
  readonly #progress = new WeakMap<LocalDentry, Progress>();
  readonly #underWay = new Set<LocalDentry>();
  #last: LocalDentry | undefined;
  /** Listings until it is worth while to look again for what comes next. */
  #untilLook = 0;

  constructor(tree: AheadTree) {
    this.#tree = tree;
  }

  /** Somebody lists a directory, which perhaps isn't there yet. */
  onListed(dir: LocalDentry): void {
    const last = this.#last;
    this.#last = dir;
    const { parent, name } = dir;
    if (last === dir || parent === undefined) return;
    const progress = this.#progressIn(parent);
    if (progress === undefined || progress.last === name) return;
    const isFirst = progress.last === undefined;
    progress.last = name;
    if (isFirst && parent === last && progress.names[0] === name) {
      progress.isWalk = true;
      this.#untilLook = 0;
    }
    if (progress.isWalk) this.#walkOn(dir);
    else if (!isFirst) {
      progress.window = Math.min(WINDOW_MAX, Math.max(2, progress.window * 2));
      const names = progress.after(name).slice(0, progress.window);
      for (const next of names) this.#load(parent.children?.get(next));
    }
  }

  /** Undefined if the directory isn't known whole. */
  #progressIn(dir: LocalDentry): Progress | undefined {
    const listing = this.#tree.listingOf(dir);
    if (listing === undefined) return undefined;
    const known = this.#progress.get(dir);
    if (known?.listing === listing) return known;
    const progress = new Progress(listing);
    this.#progress.set(dir, progress);
    return progress;
  }

  #walkOn(dir: LocalDentry): void {
    if (this.#untilLook-- > 0) return;
    let count = 0;
    for (const next of this.#following(dir)) {
      if (++count > LOOKED_AT_MAX || this.#underWay.size >= UNDER_WAY_MAX) break;
      this.#load(next);
    }
    this.#untilLook = Math.floor(count / 2);
  }

  /** The directories that are listed after one, as far as they are known. */
  *#following(dir: LocalDentry): Generator<LocalDentry> {
    for (let at = dir; at.parent !== undefined; at = at.parent) {
      const { parent, name } = at;
      for (const next of this.#progressIn(parent)?.after(name) ?? []) {
        const child = parent.children?.get(next);
        if (child !== undefined) yield* this.#withAllBelow(child);
      }
    }
  }

  *#withAllBelow(dir: LocalDentry): Generator<LocalDentry> {
    yield dir;
    for (const name of this.#progressIn(dir)?.names ?? []) {
      const child = dir.children?.get(name);
      if (child !== undefined) yield* this.#withAllBelow(child);
    }
  }

  #load(dir: LocalDentry | undefined): void {
    if (dir === undefined || this.#underWay.size >= UNDER_WAY_MAX || !dir.isDir) return;
    if (this.#underWay.has(dir) || dir.isDead || dir.mountCount > 0) return;
    if (this.#tree.listingOf(dir) !== undefined) return;
    this.#underWay.add(dir);
    startOp(this.#tree.load(dir), {
      resolve: () => {
        this.#underWay.delete(dir);
      },
      reject: (error) => {
        this.#underWay.delete(dir);
        // Who wants it asks again, and is told.
        if (!(error instanceof LinuxError)) void Promise.reject(error);
      },
    });
  }
}
