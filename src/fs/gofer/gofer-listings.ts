// GoferListings: which names a directory of the server's has, as far as it is known whole. Mirrors
// gVisor pkg/sentry/fsimpl/gofer/directory.go.

import { S_IFLNK, S_IFMT } from '../../abi/stat.ts';
import { assertDefined } from '../../lib/assert.ts';
import { type Op, WaitQueue } from '../../lib/op.ts';
import type { Statx } from '../../lisafs/records.ts';
import type { DirectoryCursor } from '../shared/directory-description.ts';
import type { LocalDentry } from '../shared/inode.ts';
import { inodeOf } from './gofer-files.ts';
import { type GoferInode, keyOf } from './gofer-inode.ts';
import { GoferNames } from './gofer-names.ts';
import { ListAhead } from './list-ahead.ts';
import { Listing, ListingCursor, type ListingSource } from './listing.ts';
import type { RemoteEntry, RemoteListing } from './remote.ts';

/** A directory that others change all the time is listed so often, and taken as it is found. */
const LOOKS_MAX = 3;

export abstract class GoferListings extends GoferNames implements ListingSource {
  readonly #ahead = new ListAhead({
    listingOf: (dir) => inodeOf(dir).listing,
    load: (dir) => this.#loadListing(dir),
  });

  get relists(): boolean {
    return this.revalidates;
  }

  override openCursor(dir: LocalDentry): DirectoryCursor {
    return new ListingCursor(this, dir);
  }

  *listing(dir: LocalDentry): Op<Listing> {
    const { listing } = inodeOf(dir);
    // Once its own request is on its way.
    queueMicrotask(() => {
      this.#ahead.onListed(dir);
    });
    if (listing === undefined) return yield* this.#loadListing(dir);
    this.savedCount++;
    return listing;
  }

  *#loadListing(dir: LocalDentry): Op<Listing> {
    return yield* this.held(dir, this.#listNames(dir));
  }

  /** If the names change meanwhile, once more, while nobody here may change them. */
  *#listNames(dir: LocalDentry): Op<Listing> {
    const inode = inodeOf(dir);
    while (inode.beingListed !== undefined) yield inode.beingListed;
    if (inode.listing !== undefined) return inode.listing;
    if (dir.isDead) return new Listing();
    const changes = inode.nameChanges;
    if (!changes.isAny) {
      const { version } = changes;
      const listed = yield* this.#list(inode);
      if (changes.version === version && !changes.isAny) return this.#keepListing(dir, listed);
      this.#closeAll(listed);
    }
    yield* changes.mutex.lock();
    try {
      return yield* this.#listUnchanged(dir);
    } finally {
      changes.mutex.unlock();
    }
  }

  /** Others may change the names while it comes; if they do all the time, it isn't kept. */
  *#listUnchanged(dir: LocalDentry): Op<Listing> {
    const inode = inodeOf(dir);
    const { nameChanges } = inode;
    for (let look = 1; ; look++) {
      if (dir.isDead) return new Listing();
      if (inode.listing !== undefined) return inode.listing;
      const { version } = nameChanges;
      const listed = yield* this.#list(inode);
      const isSo = this.revalidates || nameChanges.version === version;
      if (isSo) return this.#keepListing(dir, listed);
      this.#closeAll(listed);
      if (look < LOOKS_MAX) continue;
      const entries = listed.entries.map((entry) => ({ ...entry, fd: undefined }));
      return (inode.lastListing = this.#newListing(dir, entries, { isSure: false }));
    }
  }

  #closeAll({ entries }: RemoteListing): void {
    for (const { fd } of entries) if (fd !== undefined) this.remote.close(fd);
  }

  #keepListing(dir: LocalDentry, { entries, isWhole }: RemoteListing): Listing {
    const inode = inodeOf(dir);
    const listing = this.#newListing(dir, entries);
    if (this.revalidates) inode.lastListing = listing;
    else {
      inode.listing = listing;
      // What has no name here keeps the directory from being removed all the same.
      inode.entryCount = isWhole ? listing.entries.size : NaN;
    }
    this.dentries.evict();
    return listing;
  }

  /** Of a directory that is made here. */
  protected makeListing(inode: GoferInode): void {
    inode.listing = new Listing();
  }

  *#list(inode: GoferInode): Op<RemoteListing> {
    if (this.revalidates) return yield* this.remote.list(yield* this.fdOf(inode), false);
    const done = (inode.beingListed = new WaitQueue());
    try {
      // Of a directory that has no others in it the host says so, but not everyone counts.
      return yield* this.remote.list(yield* this.fdOf(inode), inode.nlink !== 2);
    } finally {
      inode.beingListed = undefined;
      done.wakeAll();
    }
  }

  #newListing(
    dir: LocalDentry,
    entries: readonly RemoteEntry[],
    { isSure = true }: { readonly isSure?: boolean } = {},
  ): Listing {
    const { children } = dir;
    const inode = inodeOf(dir);
    const listing = new Listing();
    const last = inode.lastListing?.entries;
    inode.lastListing = undefined;
    // Whoever is listing the directory goes on where it is: old names keep their positions.
    const isOld = ({ name }: RemoteEntry): boolean => last?.has(name) === true;
    const positions = new Map([...(last?.keys() ?? [])].map((name, index) => [name, index]));
    const ordered = entries.toSorted(
      (a, b) => (positions.get(a.name) ?? Infinity) - (positions.get(b.name) ?? Infinity) || 0,
    );
    for (const entry of ordered) {
      const { name, type, statx } = entry;
      const old = isOld(entry) ? last?.get(name)?.cookie : undefined;
      const cookie = old ?? inode.nextCookie++;
      const known = assertDefined(children).get(name);
      if (known !== undefined) known.cookie = cookie;
      const ino = this.#numberIn(known, statx);
      listing.add({ name, ino, type, cookie });
      const isLink = statx !== undefined && (statx.mode & S_IFMT) === S_IFLNK;
      const isNew = isSure && known === undefined && statx !== undefined && !isLink;
      const child = isNew ? this.#learn(dir, name, statx) : undefined;
      if (entry.fd === undefined) continue;
      if (child === undefined) this.remote.close(entry.fd);
      else this.keepFd(child, entry.fd);
    }
    return listing;
  }

  #numberIn(known: LocalDentry | undefined, statx: Statx | undefined): number {
    const inode = known === undefined ? undefined : inodeOf(known);
    const isSame = statx === undefined || inode?.key === undefined || inode.key === keyOf(statx);
    if (inode !== undefined && isSame) return inode.ino;
    return statx === undefined ? 0 : this.inodes.numberOf(keyOf(statx));
  }

  /** What a listing tells of an entry needn't be asked again. */
  #learn(dir: LocalDentry, name: string, statx: Statx): GoferInode | undefined {
    const known = this.inodes.find(statx);
    const isOther = known !== undefined && (known.mode & S_IFMT) !== (statx.mode & S_IFMT);
    if (isOther || this.revalidates) return undefined;
    const inode = known ?? this.inodes.add(statx, '');
    this.insertKnown(dir, name, inode);
    return inode;
  }
}
