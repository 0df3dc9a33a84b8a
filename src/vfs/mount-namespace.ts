// MountNamespace: which mount covers what, and the life of mounts and their filesystems.
// Mirrors gVisor pkg/sentry/vfs/mount.go; Linux: fs/namespace.c.
//
// Changes to the tree are made in one go: nothing waits within. A filesystem is released when the
// last of its mounts is gone; one that was detached while in use goes when it no longer is.

import { linuxerr } from '../abi/errno.ts';
import { MOUNT_MAX } from '../abi/limits.ts';
import { assert } from '../lib/assert.ts';
import { type Op, startOp, WaitQueue } from '../lib/op.ts';
import type { Dentry, VirtualDentry } from './dentry.ts';
import type { Filesystem } from './filesystem.ts';
import { Mount, type MountFlags } from './mount.ts';
import type { MountLookup } from './resolving-path.ts';

/** What to mount: a filesystem, or a subtree that is visible elsewhere (bind). */
export interface MountSource {
  readonly filesystem: Filesystem;
  readonly root: Dentry;
  readonly source: string;
  readonly flags: MountFlags;
}

export class MountNamespace implements MountLookup {
  readonly #rootMount: Mount;
  readonly #mounts = new Set<Mount>();
  readonly #mountsByPoint = new Map<Dentry, Map<Mount, Mount>>();
  /** Detached, but still in use. */
  readonly #detached = new Set<Mount>();
  /** No longer mounted, but not at an end with it. */
  readonly #releasing = new Set<Filesystem>();
  readonly #released = new WaitQueue();
  #lastMountId = 0;

  /** `root` is mounted at "/". */
  constructor(root: MountSource) {
    this.#rootMount = new Mount({ ...root, id: ++this.#lastMountId });
    this.#mounts.add(this.#rootMount);
  }

  /** "/" of the namespace: the root mount, or what is mounted over it. Without a reference. */
  get root(): VirtualDentry {
    const mount = this.mountAt(this.#rootMount, this.#rootMount.root) ?? this.#rootMount;
    return { mount, dentry: mount.root };
  }

  /** Everything in use. */
  get filesystems(): Filesystem[] {
    return [...this.#mounts, ...this.#detached].map(({ filesystem }) => filesystem);
  }

  /** What is in use, and what is being released. */
  get unreleased(): ReadonlySet<Filesystem> {
    return new Set([...this.filesystems, ...this.#releasing]);
  }

  /** All mounts, parents before children. */
  get mounts(): readonly Mount[] {
    return [...this.#mounts];
  }

  mountAt(mount: Mount, dentry: Dentry): Mount | undefined {
    let top = this.#mountsByPoint.get(dentry)?.get(mount);
    while (top !== undefined) {
      const above = this.#mountsByPoint.get(top.root)?.get(top);
      if (above === undefined) return top;
      top = above;
    }
    return undefined;
  }

  /**
   * Attaches `source` at a place, over what is mounted there already.
   *
   * Errors:
   *  - ENOSPC at MOUNT_MAX mounts.
   *  - ENOENT if the place was removed.
   *  - EBUSY if the root is the mount point itself.
   *  - ENOTDIR if one of root and mount point is a directory and the other isn't.
   */
  attach(point: VirtualDentry, source: MountSource): Mount {
    if (this.#mounts.size >= MOUNT_MAX) throw linuxerr.ENOSPC;
    if (point.dentry.isDead || point.mount.isUnmounted) throw linuxerr.ENOENT;
    if (point.dentry === source.root) throw linuxerr.EBUSY;
    if (point.dentry.isDir !== source.root.isDir) throw linuxerr.ENOTDIR;
    // Something may have been mounted there while the path was being resolved: go on top.
    const over = this.mountAt(point.mount, point.dentry);
    const mount = new Mount({ ...source, id: ++this.#lastMountId });
    this.#link(mount, over === undefined ? point : { mount: over, dentry: over.root });
    return mount;
  }

  #link(mount: Mount, point: VirtualDentry): void {
    mount.point = point;
    point.dentry.incRef();
    point.dentry.countMount(1);
    point.mount.children.add(mount);
    let mounts = this.#mountsByPoint.get(point.dentry);
    if (mounts === undefined)
      this.#mountsByPoint.set(point.dentry, (mounts = new Map<Mount, Mount>()));
    assert(!mounts.has(point.mount), 'a mount point is covered twice in one mount');
    mounts.set(point.mount, mount);
    this.#mounts.add(mount);
  }

  /** Puts a mount at another place within the mount that it is in. */
  move(mount: Mount, dentry: Dentry): void {
    const { point } = mount;
    assert(point !== undefined, 'a mount that is moved has a place');
    this.#leave(mount, point);
    this.#link(mount, { mount: point.mount, dentry });
  }

  /** Errors: EINVAL for the namespace's root; EBUSY if it is in use; those of release(). */
  *detach(mount: Mount): Op<void> {
    if (mount.point === undefined) throw linuxerr.EINVAL;
    if (mount.isBusy) throw linuxerr.EBUSY;
    this.#unlink(mount);
    yield* this.#releaseIfLast(mount.filesystem);
  }

  /**
   * MNT_DETACH: takes the mount and everything mounted within it out of the tree, in use or not.
   * Errors: EINVAL for the namespace's root; the first one of release(), after all.
   */
  *detachTree(mount: Mount): Op<void> {
    if (mount.point === undefined) throw linuxerr.EINVAL;
    const all = withDescendants(mount).reverse();
    for (const each of all) this.#unlink(each);
    for (const each of all) if (each.isBusy) this.#releaseLater(each);
    yield* this.#releaseAll(all.map(({ filesystem }) => filesystem));
  }

  #releaseLater(mount: Mount): void {
    this.#detached.add(mount);
    mount.onUnused = () => {
      mount.onUnused = undefined;
      this.#detached.delete(mount);
      startOp(this.#releaseIfLast(mount.filesystem), {
        resolve: () => undefined,
        // Nobody asks any more. Linux has no one to tell, either.
        reject: () => undefined,
      });
    };
  }

  #unlink(mount: Mount): void {
    const { point } = mount;
    if (point !== undefined) this.#leave(mount, point);
    mount.isUnmounted = true;
    this.#mounts.delete(mount);
    mount.root.decRef();
  }

  #leave(mount: Mount, point: VirtualDentry): void {
    const mounts = this.#mountsByPoint.get(point.dentry);
    mounts?.delete(point.mount);
    if (mounts?.size === 0) this.#mountsByPoint.delete(point.dentry);
    point.mount.children.delete(mount);
    point.dentry.countMount(-1);
    point.dentry.decRef();
    mount.point = undefined;
  }

  *#releaseIfLast(filesystem: Filesystem): Op<void> {
    if (this.unreleased.has(filesystem)) return;
    filesystem.watched.unmount();
    this.#releasing.add(filesystem);
    try {
      yield* filesystem.release();
    } finally {
      this.#releasing.delete(filesystem);
      this.#released.wakeAll();
    }
  }

  /** Each one that is not in use, once, also after one has failed. Errors: the first one. */
  *#releaseAll(filesystems: readonly Filesystem[]): Op<void> {
    const failures: unknown[] = [];
    for (const filesystem of new Set(filesystems)) {
      try {
        yield* this.#releaseIfLast(filesystem);
      } catch (error) {
        failures.push(error);
      }
    }
    throwFirst(failures);
  }

  /** sync(2): every filesystem, also after one has failed. Errors: the first one. */
  *sync(): Op<void> {
    const failures: unknown[] = [];
    for (const filesystem of new Set(this.filesystems)) {
      try {
        yield* filesystem.sync();
      } catch (error) {
        failures.push(error);
      }
    }
    throwFirst(failures);
  }

  /**
   * Detaches everything, children first, and releases every filesystem. Errors: the first one; all
   * are released.
   */
  *shutdown(): Op<void> {
    const mounts = [...this.#mounts].reverse();
    for (const mount of mounts) this.#unlink(mount);
    const detached = [...this.#detached];
    this.#detached.clear();
    for (const mount of detached) mount.onUnused = undefined;
    try {
      yield* this.#releaseAll([...mounts, ...detached].map(({ filesystem }) => filesystem));
    } finally {
      // What was detached, and has been released by its last user going.
      while (this.#releasing.size > 0) yield this.#released;
    }
  }

  /** The absolute path of `vd` as seen from `root`; undefined if it isn't reachable from there. */
  pathOf(vd: VirtualDentry, root: VirtualDentry = this.root): string | undefined {
    let { mount, dentry } = vd;
    let path = '';
    for (;;) {
      if (mount === root.mount && dentry === root.dentry) return path === '' ? '/' : path;
      if (dentry === mount.root) {
        const { point } = mount;
        if (point === undefined) return undefined;
        ({ mount, dentry } = point);
        continue;
      }
      const { place } = dentry;
      if (place === undefined || dentry.isDead) return undefined;
      path = `/${place.name}${path}`;
      dentry = place.parent;
    }
  }
}

/** A mount and all that is mounted within it, parents before children. */
function withDescendants(mount: Mount): Mount[] {
  return [mount, ...[...mount.children].flatMap(withDescendants)];
}

function throwFirst(failures: readonly unknown[]): void {
  if (failures.length > 0) throw failures[0];
}
