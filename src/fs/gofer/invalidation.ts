// Invalidation: the server tells that another client has changed what is known here of a file. Just
// that is forgotten; the next who wants to know asks. Where all is looked at again before each use
// (shared, none) there is nothing to forget.

import {
  INVALIDATE_ATTRIBUTES,
  INVALIDATE_DATA,
  INVALIDATE_ENTRY,
  INVALIDATE_GONE,
  INVALIDATE_LISTING,
} from '../../lisafs/extensions.ts';
import type { RequestOf } from '../../lisafs/messages.ts';
import type { LocalDentry } from '../shared/inode.ts';
import { invalidateData } from './freshness.ts';
import type { GoferInode } from './gofer-inode.ts';

/** FDs that were told of before the answer they come with was looked at; the oldest go. */
const EARLY_MAX = 4096;

const OF_FILE = INVALIDATE_ATTRIBUTES | INVALIDATE_DATA | INVALIDATE_GONE;
const OF_NAMES = INVALIDATE_ENTRY | INVALIDATE_LISTING;

type InvalidatedFile = RequestOf<'Invalidate'>['files'][number];

export interface InvalidatedTree {
  /** Undefined if nothing here has that FD. */
  inodeOfFd(fd: number): GoferInode | undefined;
  isDirty(inode: GoferInode): boolean;
  /** All that is known of a directory's names. */
  forgetNames(dir: LocalDentry): void;
  /** Which names there are. */
  forgetListing(dir: GoferInode): void;
  /** One name, and which names there are. */
  forgetEntry(dir: LocalDentry, name: string): void;
  /** One name of a file. */
  invalidate(dentry: LocalDentry): void;
}

export class Invalidation {
  readonly #tree: InvalidatedTree;
  readonly #early = new Map<number, number>();

  constructor(tree: InvalidatedTree) {
    this.#tree = tree;
  }

  onInvalidate(files: readonly InvalidatedFile[]): void {
    for (const file of files) {
      const inode = this.#tree.inodeOfFd(file.fd);
      if (inode === undefined) this.#noteEarly(file);
      else this.#apply(inode, file.flags, file.name);
    }
  }

  /** Whoever waits for the answer with this FD hasn't gone on yet, or it was closed. */
  #noteEarly({ fd, flags }: InvalidatedFile): void {
    const names = (flags & INVALIDATE_ENTRY) === 0 ? 0 : INVALIDATE_LISTING;
    this.#early.set(fd, (this.#early.get(fd) ?? 0) | flags | names);
    const [oldest] = this.#early.keys();
    if (this.#early.size > EARLY_MAX && oldest !== undefined) this.#early.delete(oldest);
  }

  /** A file has got an FD. */
  onFd(inode: GoferInode, fd: number): void {
    const flags = this.#early.get(fd);
    if (flags === undefined) return;
    this.#early.delete(fd);
    this.#apply(inode, flags, '');
  }

  /** What was told in a session that is lost means nothing. */
  onSessionLost(): void {
    this.#early.clear();
  }

  #apply(inode: GoferInode, flags: number, name: InvalidatedFile['name']): void {
    if ((flags & INVALIDATE_DATA) !== 0) invalidateData(inode, this.#tree.isDirty(inode));
    if ((flags & OF_FILE) !== 0) inode.invalidateAttributes();
    const { dentry } = inode;
    if (dentry === undefined) {
      // It is being looked for: what was found beneath it is not taken for what there is.
      if ((flags & OF_NAMES) !== 0) this.#tree.forgetListing(inode);
      return;
    }
    if ((flags & INVALIDATE_LISTING) !== 0) this.#tree.forgetNames(dentry);
    else if ((flags & INVALIDATE_ENTRY) !== 0) {
      // One that isn't text is in no listing here.
      if (typeof name === 'string') this.#tree.forgetEntry(dentry, name);
    }
    if ((flags & INVALIDATE_GONE) !== 0) this.#tree.invalidate(dentry);
  }
}
