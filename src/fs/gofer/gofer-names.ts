// GoferNames: the names of a server's tree, as far as they are known here, and how they are found,
// looked at again and forgotten. Mirrors gVisor pkg/sentry/fsimpl/gofer (filesystem.go,
// revalidate.go, dentry_cache).
//
// A name that is looked for while its directory is being changed at the server is looked for once
// that is done; what was found while something was changed is not taken for what there is.

import { linuxerr } from '../../abi/errno.ts';
import { NAME_MAX } from '../../abi/limits.ts';
import { S_IFLNK, S_IFMT } from '../../abi/stat.ts';
import { assertDefined } from '../../lib/assert.ts';
import { type Op, uninterrupted } from '../../lib/op.ts';
import { isLongerThan } from '../../lib/text.ts';
import type { Statx } from '../../lisafs/records.ts';
import type { ResolvingPath } from '../../vfs/resolving-path.ts';
import type { DirectoryCursor } from '../shared/directory-description.ts';
import { type Inode, LocalDentry } from '../shared/inode.ts';
import { DentryCache } from '../shared/dentry-cache.ts';
import type { LocalOptions } from '../shared/local-filesystem.ts';
import { isDots } from '../shared/local-tree.ts';
import { GoferFiles, inodeOf } from './gofer-files.ts';
import { type GoferInode, keyOf } from './gofer-inode.ts';
import { Listing, ListingCursor, type ListingSource } from './listing.ts';
import type { GoferSettings } from './options.ts';
import type { Found, Remote, RemoteEntry } from './remote.ts';

export abstract class GoferNames extends GoferFiles implements ListingSource {
  abstract override readonly root: LocalDentry;
  protected readonly dentries: DentryCache;
  /** The operation that has looked at a name last. */
  readonly #validFor = new WeakMap<LocalDentry, object>();
  /** Counts changes of names. */
  #version = 0;

  constructor(remote: Remote, options: GoferSettings & LocalOptions) {
    super(remote, options);
    this.dentries = new DentryCache(options.dentryCacheLimit, (dentry) => {
      this.#forget(dentry);
    });
  }

  get relists(): boolean {
    return this.revalidates;
  }

  // Names.

  /** Loads the components that aren't known, up to the next symlink, at once. */
  override *loadNext(rp: ResolvingPath): Op<void> {
    const dir = rp.start as LocalDentry;
    if (this.revalidates) {
      const wasValid = this.#validFor.get(dir) === rp;
      yield* this.#revalidatePath(rp, dir);
      // Perhaps that was all: the next name may be one that is to be made.
      if (!wasValid || rp.isDone || isDots(rp.component)) return;
      const child = dir.children?.get(rp.component);
      if (child !== undefined) return;
    }
    const names = namesAhead(rp);
    if ((yield* this.#held(dir, this.#load(dir, names, rp))) === undefined) throw linuxerr.ENOENT;
  }

  *#held<T>(dentry: LocalDentry, op: Op<T>): Op<T> {
    dentry.incRef();
    try {
      return yield* op;
    } finally {
      dentry.decRef();
    }
  }

  protected override loadChild(dir: LocalDentry, name: string): Op<LocalDentry | undefined> {
    return this.#load(dir, [name], undefined);
  }

  /** What is known is looked at again, where others may have changed it. */
  override *child(dir: LocalDentry, name: string, rp?: ResolvingPath): Op<LocalDentry | undefined> {
    const known = assertDefined(dir.children).get(name);
    if (known !== undefined && this.revalidates && known.mountCount === 0) {
      const stats = yield* this.#held(dir, this.#walkStat(dir, [name]));
      this.#applyStats(dir, [known], stats, rp);
    }
    const child = yield* super.child(dir, name);
    if (child !== undefined) this.#isValid(child, rp);
    return child;
  }

  /** The first of the names; those after it are remembered, as far as there are any. */
  *#load(
    dir: LocalDentry,
    names: readonly string[],
    operation: object | undefined,
  ): Op<LocalDentry | undefined> {
    this.dentries.evict();
    const [name = ''] = names;
    const parent = inodeOf(dir);
    for (;;) {
      while (parent.changing > 0) yield parent.changed;
      const here = assertDefined(dir.children).get(name);
      if (here !== undefined) return here;
      if (parent.listing?.has(name) === false) return undefined;
      const { version } = parent;
      const treeVersion = this.#version;
      const fd = yield* this.fdOf(parent);
      const { found } = yield* this.remote.walk(fd, names);
      const adopted = yield* this.#adoptAll(found);
      const isStale = parent.version !== version || parent.changing > 0;
      if (isStale) {
        for (const inode of adopted) this.dropIfUnused(inode);
        continue;
      }
      // What lies beneath may have been changed by itself.
      const isSure = this.#version === treeVersion;
      this.#insertAll(dir, names, isSure ? adopted : adopted.slice(0, 1), operation);
      if (!isSure) for (const inode of adopted.slice(1)) this.dropIfUnused(inode);
      return assertDefined(dir.children).get(name);
    }
  }

  *#adoptAll(found: readonly Found[]): Op<GoferInode[]> {
    const adopted: GoferInode[] = [];
    for (const each of found) adopted.push(yield* this.adopt(each));
    return adopted;
  }

  #insertAll(
    dir: LocalDentry,
    names: readonly string[],
    inodes: readonly GoferInode[],
    operation: object | undefined,
  ): void {
    let parent = dir;
    for (const [index, inode] of inodes.entries()) {
      const name = names[index] ?? '';
      let child = assertDefined(parent.children).get(name);
      if (child !== undefined && child.inode !== inode) {
        this.dropIfUnused(inode);
        return;
      }
      child ??= this.insertKnown(parent, name, inode);
      this.#isValid(child, operation);
      if (!inode.isDir) return;
      parent = child;
    }
  }

  /** A name that exists becomes known. */
  protected insertKnown(parent: LocalDentry, name: string, inode: GoferInode): LocalDentry {
    const dentry = new LocalDentry({ name, parent, inode, isComplete: false });
    dentry.cookie = inodeOf(parent).listing?.entries.get(name)?.cookie ?? 0;
    assertDefined(parent.children).set(name, dentry);
    this.#remember(dentry);
    return dentry;
  }

  #remember(dentry: LocalDentry): void {
    const inode = inodeOf(dentry);
    this.dentries.add(dentry);
    inode.cachedNames++;
    inode.dentry = dentry;
  }

  #forget(dentry: LocalDentry): void {
    const inode = inodeOf(dentry);
    inode.cachedNames--;
    if (inode.dentry === dentry) inode.dentry = undefined;
    this.dropIfUnused(inode);
  }

  override entryAdded(dentry: LocalDentry): void {
    const parent = inodeOf(assertDefined(dentry.parent));
    this.#namesChanged(parent);
    parent.listing?.addDentry(dentry);
    // What isn't among the children is looked for, wherever the names are kept.
    dentry.isComplete = false;
    this.#remember(dentry);
  }

  override entryRemoved(dir: LocalDentry, dentry: LocalDentry): void {
    const parent = inodeOf(dir);
    this.#namesChanged(parent);
    parent.listing?.delete(dentry.name);
    // Whoever is listing the directory just now.
    if (this.revalidates) parent.lastListing?.delete(dentry.name);
    this.dentries.delete(dentry);
    const inode = inodeOf(dentry);
    inode.cachedNames--;
    if (inode.dentry === dentry) inode.dentry = undefined;
  }

  #namesChanged(parent: GoferInode): void {
    parent.version++;
    this.#version++;
  }

  /** All that is known of a directory's names may be wrong. */
  forgetNames(dir: LocalDentry): void {
    const inode = inodeOf(dir);
    this.#namesChanged(inode);
    if (inode.listing !== undefined) inode.lastListing = inode.listing;
    inode.listing = undefined;
    inode.entryCount = NaN;
    inode.isTrusted = false;
    for (const child of [...assertDefined(dir.children).values()]) this.invalidate(child);
  }

  /** A name is another file's, or nobody's: it, and what lies beneath, is forgotten. */
  invalidate(dentry: LocalDentry): void {
    const { parent } = dentry;
    if (dentry.mountCount > 0 || parent === undefined) return;
    if (parent.children?.get(dentry.name) === dentry) parent.children.delete(dentry.name);
    this.#namesChanged(inodeOf(parent));
    this.dentries.delete(dentry);
    for (const child of [...(dentry.children?.values() ?? [])]) this.invalidate(child);
    this.#forget(dentry);
  }

  // Listing.

  override openCursor(dir: LocalDentry): DirectoryCursor {
    return new ListingCursor(this, dir);
  }

  *listing(dir: LocalDentry): Op<Listing> {
    const inode = inodeOf(dir);
    for (;;) {
      while (inode.changing > 0) yield inode.changed;
      if (inode.listing !== undefined) return inode.listing;
      if (dir.isDead) return new Listing();
      const { version } = inode;
      const entries = yield* this.#held(dir, this.#list(inode));
      if (inode.version !== version || inode.changing > 0) continue;
      const listing = this.#newListing(dir, entries);
      if (this.revalidates) {
        inode.lastListing = listing;
        return listing;
      }
      inode.listing = listing;
      inode.entryCount = listing.entries.size;
      return listing;
    }
  }

  /** Of a directory that is made here. */
  protected makeListing(inode: GoferInode): void {
    inode.listing = new Listing();
  }

  *#list(inode: GoferInode): Op<readonly RemoteEntry[]> {
    return yield* this.remote.list(yield* this.fdOf(inode));
  }

  #newListing(dir: LocalDentry, entries: readonly RemoteEntry[]): Listing {
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
      if (known === undefined && statx !== undefined && !isLink) this.#learn(dir, name, statx);
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
  #learn(dir: LocalDentry, name: string, statx: Statx): void {
    const known = this.inodes.find(statx);
    const isOther = known !== undefined && (known.mode & S_IFMT) !== (statx.mode & S_IFMT);
    if (isOther || this.revalidates) return;
    this.insertKnown(dir, name, known ?? this.inodes.add(statx, ''));
  }

  // Looking again.

  override walk(rp: ResolvingPath, toParent: boolean): LocalDentry | undefined {
    const start = rp.start as LocalDentry;
    if (this.revalidates && this.#validFor.get(start) !== rp) return undefined;
    return super.walk(rp, toParent);
  }

  override step(rp: ResolvingPath, dir: LocalDentry): LocalDentry | undefined {
    const { component } = rp;
    if (this.revalidates && !isDots(component)) {
      const child = dir.children?.get(component);
      const isMount = child !== undefined && child.mountCount > 0;
      if (child !== undefined && !isMount && this.#validFor.get(child) !== rp) return undefined;
    }
    return super.step(rp, dir);
  }

  /** Looks at all names on the way that are known, in one request. */
  *#revalidatePath(rp: ResolvingPath, start: LocalDentry): Op<void> {
    const chain: LocalDentry[] = [];
    let at = start;
    for (const name of namesAhead(rp)) {
      const child = at.children?.get(name);
      if (child === undefined || child.mountCount > 0) break;
      chain.push(child);
      if (child.inode.isSymlink || !child.isDir) break;
      at = child;
    }
    const isStartValid = this.#validFor.get(start) === rp;
    if (isStartValid && chain.length === 0) return;
    const names = chain.map(({ name }) => name);
    const stats = yield* this.#held(start, this.#walkStat(start, names));
    this.#applyStats(start, chain, stats, rp);
  }

  *#walkStat(start: LocalDentry, names: readonly string[]): Op<readonly Statx[]> {
    return yield* this.remote.walkStat(yield* this.fdOf(inodeOf(start)), names);
  }

  #applyStats(
    start: LocalDentry,
    chain: readonly LocalDentry[],
    [own, ...stats]: readonly Statx[],
    operation: object | undefined,
  ): void {
    const from = inodeOf(start);
    if (own !== undefined) this.updated(from, own);
    this.#isValid(start, operation);
    for (const [index, dentry] of chain.entries()) {
      const inode = inodeOf(dentry);
      const statx = stats[index];
      const isGone = dentry.parent?.children?.get(dentry.name) !== dentry;
      if (isGone) return;
      const isSame =
        statx !== undefined &&
        (inode.key === undefined || keyOf(statx) === inode.key) &&
        (statx.mode & S_IFMT) === (inode.mode & S_IFMT);
      if (!isSame) {
        this.invalidate(dentry);
        return;
      }
      this.updated(inode, statx);
      this.#isValid(dentry, operation);
    }
  }

  override refreshed(inode: Inode): Op<void> | undefined {
    return this.revalidates ? this.#refresh(inode as GoferInode) : undefined;
  }

  *#refresh(inode: GoferInode): Op<void> {
    inode.incRef();
    try {
      this.updated(inode, yield* this.remote.stat(yield* this.fdOf(inode)));
    } finally {
      inode.decRef();
    }
  }

  #isValid(dentry: LocalDentry, operation: object | undefined): void {
    if (operation !== undefined) this.#validFor.set(dentry, operation);
  }

  override directorySize(inode: Inode): number {
    return (inode as GoferInode).directorySize;
  }

  // Changing.

  /** Nobody else changes the names of a directory, or looks for any, while `change` is made. */
  protected *changingNames(dirs: readonly LocalDentry[], change: () => Op<void>): Op<void> {
    const inodes = [...new Set(dirs.map(inodeOf))].sort((a, b) => a.ino - b.ino);
    const held: GoferInode[] = [];
    // Not to be forgotten meanwhile.
    for (const dir of dirs) dir.incRef();
    try {
      for (const inode of inodes) {
        yield* inode.namesMutex.lock();
        held.push(inode);
      }
      for (const inode of inodes) inode.changing++;
      try {
        yield* uninterrupted(change());
      } finally {
        for (const inode of inodes) {
          inode.changing--;
          inode.version++;
          inode.changed.wakeAll();
        }
      }
    } finally {
      for (const inode of held.reverse()) inode.namesMutex.unlock();
      for (const dir of dirs) dir.decRef();
    }
  }
}

/** Names up to the next "." or ".." of a path, from the current component on. */
function namesAhead(rp: ResolvingPath): string[] {
  const names: string[] = [];
  for (const name of rp.rest.split('/')) {
    if (name === '') continue;
    if (isDots(name) || isLongerThan(name, NAME_MAX)) break;
    names.push(name);
  }
  return names;
}
