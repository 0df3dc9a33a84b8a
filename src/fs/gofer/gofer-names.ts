// GoferNames: the names of a server's tree, as far as they are known here, and how they are found,
// looked at again and forgotten. Mirrors gVisor pkg/sentry/fsimpl/gofer (filesystem.go,
// revalidate.go, dentry_cache).
// What is looked for while it is being changed: name-changes.ts.

import { linuxerr } from '../../abi/errno.ts';
import { S_IFMT } from '../../abi/stat.ts';
import { assertDefined } from '../../lib/assert.ts';
import type { Op } from '../../lib/op.ts';
import type { Statx } from '../../lisafs/records.ts';
import type { ResolvingPath } from '../../vfs/resolving-path.ts';
import { type Inode, LocalDentry } from '../shared/inode.ts';
import { DentryCache } from '../shared/dentry-cache.ts';
import type { LocalOptions } from '../shared/local-filesystem.ts';
import { isDots, isThere } from '../shared/local-tree.ts';
import { GoferFiles, inodeOf } from './gofer-files.ts';
import { FIRST_READ_MAX } from './gofer-data.ts';
import { type GoferInode, keyOf } from './gofer-inode.ts';
import { namesAhead } from './names-ahead.ts';
import type { GoferSettings } from './options.ts';
import type { Found, OpenedAndRead, Remote, RemoteFd, Walked } from './remote.ts';

export abstract class GoferNames extends GoferFiles {
  abstract override readonly root: LocalDentry;
  protected readonly dentries: DentryCache;
  /** The operation that has looked at a name last. */
  readonly #validFor = new WeakMap<LocalDentry, object>();
  /** Paths for which the server was asked. */
  readonly #asked = new WeakSet<ResolvingPath>();
  /** Counts changes of names. */
  #version = 0;
  /** Paths whose last component is to be opened to be read. */
  protected readonly opening = new WeakSet<object>();

  constructor(remote: Remote, options: GoferSettings & LocalOptions) {
    super(remote, options);
    this.dentries = new DentryCache(options.dentryCacheLimit, (dentry) => {
      this.#forget(dentry);
    });
  }

  // Names.

  /** Loads the components that aren't known, up to the next symlink, at once. */
  override *loadNext(rp: ResolvingPath): Op<void> {
    const dir = rp.start as LocalDentry;
    this.#asked.add(rp);
    if (this.revalidates) {
      const wasValid = this.#validFor.get(dir) === rp;
      yield* this.#revalidatePath(rp, dir);
      // Perhaps that was all: the next name may be one that is to be made.
      if (!wasValid || rp.isDone || isDots(rp.component)) return;
      const child = dir.children?.get(rp.component);
      if (child !== undefined) return;
    }
    if (yield* this.#refreshOnWay(rp, dir)) return;
    const names = namesAhead(rp);
    if ((yield* this.held(dir, this.#load(dir, names, rp))) === undefined) throw linuxerr.ENOENT;
  }

  /**
   * Looks again at a directory and the next name in it that others have changed. Returns whether
   * there is nothing more to be loaded.
   */
  *#refreshOnWay(rp: ResolvingPath, dir: LocalDentry): Op<boolean> {
    if (this.revalidates) return false;
    if (inodeOf(dir).freshness.isStale) {
      yield* this.#refresh(inodeOf(dir));
      return true;
    }
    if (rp.isDone || isDots(rp.component)) return true;
    const child = dir.children?.get(rp.component);
    if (child !== undefined) yield* this.#refreshName(child);
    return child !== undefined;
  }

  *#refreshName(dentry: LocalDentry): Op<void> {
    if (!inodeOf(dentry).freshness.isStale) return;
    try {
      yield* this.held(dentry, this.#refresh(inodeOf(dentry)));
    } catch (error) {
      // Another file has the name.
      if (error !== linuxerr.ESTALE) throw error;
      this.invalidate(dentry);
    }
  }

  protected *held<T>(dentry: LocalDentry, op: Op<T>): Op<T> {
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
      const stats = yield* this.held(dir, this.#walkStat(dir, [name]));
      this.#applyStats(dir, [known], stats, rp);
    }
    if (known !== undefined && !this.revalidates) yield* this.#refreshName(known);
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
    const changes = parent.nameChanges;
    for (;;) {
      while (changes.has(name)) yield changes.changed;
      const here = assertDefined(dir.children).get(name);
      if (here !== undefined) return here;
      if (parent.listing?.has(name) === false) {
        this.savedCount++;
        return undefined;
      }
      const look = changes.look(name);
      const treeVersion = this.#version;
      const adopted: GoferInode[] = [];
      try {
        const fd = yield* this.fdOf(parent);
        yield* this.#findAll(fd, names, operation, adopted);
        if (look.isStale) continue;
        // What lies beneath may have been changed by itself.
        const isSure = this.#version === treeVersion;
        this.#insertAll(dir, names, isSure ? adopted : adopted.slice(0, 1), operation);
        return assertDefined(dir.children).get(name);
      } finally {
        changes.endLook(look);
        // What has got no name goes.
        for (const inode of adopted) inode.decRef();
      }
    }
  }

  /** What is found is held by the caller as it comes. */
  *#findAll(
    from: RemoteFd,
    names: readonly string[],
    operation: object | undefined,
    adopted: GoferInode[],
  ): Op<void> {
    const { found, open } = yield* this.#walk(from, names, operation);
    const last = found.length === names.length ? found.at(-1) : undefined;
    const isNew = last !== undefined && this.inodes.find(last.statx) === undefined;
    try {
      yield* this.#adoptAll(found, adopted);
    } finally {
      const isThere = isNew && adopted.length === names.length;
      if (open !== undefined) this.openedAhead(isThere ? adopted.at(-1) : undefined, open);
    }
  }

  /** Opens the last one as well if that is what it is looked for. */
  *#walk(
    from: RemoteFd,
    names: readonly string[],
    operation: object | undefined,
  ): Op<Walked & { readonly open?: OpenedAndRead | undefined }> {
    const { walkAndOpen } = this.remote;
    const isOpening = operation !== undefined && this.opening.has(operation);
    const isAll = isOpening && (operation as ResolvingPath).rest === names.join('/');
    if (walkAndOpen === undefined || !isAll) return yield* this.remote.walk(from, names);
    return yield* walkAndOpen(from, names, this.revalidates ? 0 : FIRST_READ_MAX);
  }

  /** Undefined: it was known already, and is opened when it is used. */
  protected abstract openedAhead(inode: GoferInode | undefined, open: OpenedAndRead): void;

  /** Some wait for others. */
  *#adoptAll(found: readonly Found[], adopted: GoferInode[]): Op<void> {
    try {
      for (const each of found) {
        const inode = yield* this.adopt(each);
        inode.incRef();
        adopted.push(inode);
      }
    } finally {
      for (const { fd } of found.slice(adopted.length + 1)) this.remote.close(fd);
    }
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
      if (child !== undefined && child.inode !== inode) return;
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
    inode.nameKnown(dentry);
  }

  #forget(dentry: LocalDentry): void {
    const inode = inodeOf(dentry);
    inode.cachedNames--;
    inode.nameForgotten(dentry);
    this.dropIfUnused(inode);
  }

  override entryAdded(dentry: LocalDentry): void {
    const parent = inodeOf(assertDefined(dentry.parent));
    this.#namesChanged(parent, dentry.name);
    parent.listing?.addDentry(dentry);
    // What isn't among the children is looked for, wherever the names are kept.
    dentry.isComplete = false;
    this.#remember(dentry);
  }

  override entryRemoved(dir: LocalDentry, dentry: LocalDentry): void {
    const parent = inodeOf(dir);
    this.#namesChanged(parent, dentry.name);
    parent.listing?.delete(dentry.name);
    // Whoever is listing the directory just now.
    if (this.revalidates) parent.lastListing?.delete(dentry.name);
    this.dentries.delete(dentry);
    const inode = inodeOf(dentry);
    inode.cachedNames--;
    inode.nameForgotten(dentry);
  }

  #namesChanged(parent: GoferInode, name: string): void {
    parent.nameChanges.onChanged(name);
    this.#version++;
  }

  /** All that is known of a directory's names may be wrong. */
  forgetNames(dir: LocalDentry): void {
    const inode = inodeOf(dir);
    this.forgetListing(inode);
    inode.isTrusted = false;
    for (const child of [...assertDefined(dir.children).values()]) this.invalidate(child);
  }

  /** Others have made, removed or replaced one name. */
  forgetEntry(dir: LocalDentry, name: string): void {
    inodeOf(dir).nameChanges.onChanged(name);
    this.forgetListing(inodeOf(dir));
    const child = dir.children?.get(name);
    if (child !== undefined) this.invalidate(child);
  }

  /** Which names there are isn't known; those that are known stay. */
  protected forgetListing(inode: GoferInode): void {
    inode.nameChanges.version++;
    this.#version++;
    if (inode.listing !== undefined) inode.lastListing = inode.listing;
    inode.listing = undefined;
    inode.entryCount = NaN;
  }

  protected override nameIsStale(dentry: LocalDentry): void {
    const { parent } = dentry;
    if (parent === undefined || !isThere(dentry)) return;
    this.forgetListing(inodeOf(parent));
    inodeOf(parent).isTrusted = false;
    this.invalidate(dentry);
  }

  /** A name is another file's, or nobody's: it, and what lies beneath, is forgotten. */
  invalidate(dentry: LocalDentry): void {
    const { parent } = dentry;
    if (dentry.mountCount > 0 || parent === undefined) return;
    if (parent.children?.get(dentry.name) === dentry) parent.children.delete(dentry.name);
    // Whoever is looking for it asks the server anyway.
    inodeOf(parent).nameChanges.version++;
    this.#version++;
    this.dentries.delete(dentry);
    for (const child of [...(dentry.children?.values() ?? [])]) this.invalidate(child);
    this.#forget(dentry);
  }

  // Looking again.

  override walk(rp: ResolvingPath, toParent: boolean): LocalDentry | undefined {
    const start = rp.start as LocalDentry;
    const isValid = this.revalidates
      ? this.#validFor.get(start) === rp
      : !inodeOf(start).freshness.isStale;
    if (!isValid) return undefined;
    const found = super.walk(rp, toParent);
    const isNew = found !== undefined && found !== start;
    if (isNew && !this.revalidates && !this.#asked.has(rp)) this.savedCount++;
    return found;
  }

  override step(rp: ResolvingPath, dir: LocalDentry): LocalDentry | undefined {
    const { component } = rp;
    const child = isDots(component) ? undefined : dir.children?.get(component);
    if (child !== undefined && child.mountCount === 0) {
      const isValid = this.revalidates
        ? this.#validFor.get(child) === rp
        : !inodeOf(child).freshness.isStale;
      if (!isValid) return undefined;
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
    const stats = yield* this.held(start, this.#walkStat(start, names));
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
    return this.mustLookAgain(inode) ? this.#refresh(inode as GoferInode) : undefined;
  }

  override mustLookAgain(inode: Inode): boolean {
    return this.revalidates || (inode as GoferInode).freshness.isStale;
  }

  *#refresh(inode: GoferInode): Op<void> {
    inode.incRef();
    try {
      if (!this.revalidates) yield* this.refreshKept(inode);
      else this.updated(inode, yield* this.remote.stat(yield* this.fdOf(inode)));
    } finally {
      inode.decRef();
    }
  }

  /** Of a file of which more is kept. */
  protected abstract refreshKept(inode: GoferInode): Op<void>;

  #isValid(dentry: LocalDentry, operation: object | undefined): void {
    if (operation !== undefined) this.#validFor.set(dentry, operation);
  }

  override directorySize(inode: Inode): number {
    return (inode as GoferInode).directorySize;
  }
}
