// Snapshots: the trees that an idbfs's store holds beside the one that is mounted, and how the main
// one is rolled back while it is mounted: its mount is frozen, the filesystem forgets what it has
// in memory, and what is mounted within it is put at the same places again.

import { linuxerr } from '../abi/errno.ts';
import { NAME_MAX } from '../abi/limits.ts';
import { S_IFDIR, S_IFMT } from '../abi/stat.ts';
import { ROOT_CREDENTIALS } from '../auth/credentials.ts';
import { Idbfs } from '../fs/idbfs/idbfs.ts';
import { type FilesystemStart, modeAt, readStart } from '../fs/idbfs/start.ts';
import { type Clock, timespecToMs } from '../lib/clock.ts';
import { Mutex, type Op } from '../lib/op.ts';
import { isLongerThan } from '../lib/text.ts';
import type { Store } from '../store/store.ts';
import type { SubvolumeInfo, Subvolumes } from '../store/subvolumes.ts';
import { type Dentry, decRefVd } from '../vfs/dentry.ts';
import type { Mount } from '../vfs/mount.ts';
import { checkPathText, ResolvingPath } from '../vfs/resolving-path.ts';
import type { VirtualFilesystem } from '../vfs/virtual-filesystem.ts';
import { heldStoreOf } from './held-store.ts';
import type { Task } from './task.ts';

export interface SnapshotsOptions {
  readonly vfs: VirtualFilesystem;
  readonly clock: Clock;
  readonly tasks: () => Iterable<Task>;
}

/** A filesystem that has snapshots, and where it is mounted. */
interface Place {
  readonly mount: Mount;
  readonly filesystem: Idbfs;
  readonly subvolumes: Subvolumes;
}

/** What is mounted within a mount, and the names that lead there from its root. */
interface Submount {
  readonly mount: Mount;
  readonly names: readonly string[];
  readonly isDir: boolean;
}

export class Snapshots {
  readonly #options: SnapshotsOptions;
  /** What changes the trees is done one after the other. */
  readonly #mutex = new Mutex();

  constructor(options: SnapshotsOptions) {
    this.#options = options;
  }

  /**
   * All snapshots of the store of the filesystem at `path`, in the order of their names.
   *
   * Errors: those of the path; EOPNOTSUPP if the filesystem has no snapshots; EIO.
   */
  *list(path: string): Op<SubvolumeInfo[]> {
    const { subvolumes } = yield* this.#place(path, { changes: false });
    return yield* subvolumes.list();
  }

  /**
   * Takes a snapshot of all that is in the filesystem at `path` now. It is on stable storage then.
   *
   * Errors: those of the path; EOPNOTSUPP; EROFS on a mount that was made read-only; EINVAL,
   * ENAMETOOLONG and EILSEQ for the name; EEXIST if it is taken; those of Store.commit().
   */
  *create(path: string, name: string, options: { readonly isWritable: boolean }): Op<void> {
    checkSnapshotName(name);
    const { filesystem, subvolumes } = yield* this.#place(path, { changes: true });
    yield* this.#alone(function* (this: Snapshots) {
      if (!filesystem.isReadOnly) yield* filesystem.sync();
      const of = filesystem.subvolume;
      const isReadOnly = !options.isWritable;
      yield* subvolumes.snapshot({ of, name, createdAt: this.#nowMs, isReadOnly });
    });
  }

  /** Errors: those of the path; EOPNOTSUPP; EROFS; ENOENT; EBUSY if it is mounted. */
  *delete(path: string, name: string): Op<void> {
    const { subvolumes } = yield* this.#place(path, { changes: true });
    yield* this.#alone(() => subvolumes.delete(name));
  }

  /**
   * Makes the filesystem at `path` what a snapshot of it is. Resolves with the name of the snapshot
   * of what it was before; null if that was given up.
   *
   * Errors (nothing has changed):
   *  - those of the path; EOPNOTSUPP; EROFS.
   *  - EINVAL if it is not the main tree that is mounted there, or for the name to keep it as.
   *  - ENOENT if there is no such snapshot.
   *  - EEXIST if the name to keep it as is taken.
   *  - EBUSY if another tab uses it.
   *  - EBUSY if something of the filesystem is in use: open files and directories, a working
   *    directory or a root other than its own root, a bind mount, somebody who listens at a socket;
   *    if the snapshot is a clone that is mounted; if something is mounted where the snapshot has
   *    no directory, and no room for one.
   *  - those of Store.commit().
   */
  *rollback(
    path: string,
    name: string,
    { keepAs }: { readonly keepAs: string | null | undefined },
  ): Op<string | null> {
    if (typeof keepAs === 'string') checkSnapshotName(keepAs);
    const place = yield* this.#place(path, { changes: true });
    if (place.filesystem.subvolume !== undefined) throw linuxerr.EINVAL;
    return yield* this.#alone(function* (this: Snapshots) {
      const { mount } = place;
      if (mount.isUnmounted) throw linuxerr.EBUSY;
      const serveAgain = place.filesystem.stopServing();
      mount.freeze();
      try {
        return yield* this.#rollbackFrozen(place, name, keepAs);
      } finally {
        mount.thaw();
        serveAgain();
      }
    });
  }

  *#rollbackFrozen(
    place: Place,
    name: string,
    keepAs: string | null | undefined,
  ): Op<string | null> {
    const { mount, filesystem, subvolumes } = place;
    const submounts = submountsOf(mount);
    this.#checkUnused(place);
    yield* filesystem.sync();
    const start = yield* this.#readStart(place, name, submounts);
    const kept = keepAs === undefined ? yield* this.#newName(subvolumes) : keepAs;
    const info = kept === null ? null : { name: kept, createdAt: this.#nowMs, isReadOnly: true };
    yield* subvolumes.rollback(name, { keepAs: info });
    filesystem.replaceTree(start);
    mount.replaced();
    yield* this.#placeAgain(place, submounts);
    yield* filesystem.removeOrphans();
    return kept;
  }

  /** Errors: EBUSY. */
  #checkUnused({ mount, filesystem }: Place): void {
    const { namespace } = this.#options.vfs;
    const mounts = namespace.filesystems.filter((each) => each === filesystem).length;
    let refsOnRoot = 0;
    for (const { root, cwd } of this.#options.tasks()) {
      for (const vd of [root, cwd]) {
        if (vd.mount === mount && vd.dentry === mount.root) refsOnRoot++;
      }
    }
    const isUnused =
      mounts === 1 &&
      mount.root === filesystem.root &&
      mount.refs === refsOnRoot &&
      !filesystem.hasListeners;
    if (!isUnused) throw linuxerr.EBUSY;
  }

  /** What the snapshot begins with. Errors: ENOENT, EBUSY, EIO. */
  *#readStart(
    { mount, subvolumes }: Place,
    name: string,
    submounts: readonly Submount[],
  ): Op<FilesystemStart> {
    const snapshot = yield* subvolumes.open(name);
    try {
      const start = yield* readStart(snapshot);
      if (start === undefined) throw linuxerr.EIO;
      for (const { names, isDir } of submounts) {
        const found = yield* placeIn(snapshot, names);
        const canBeMade = isDir && !mount.isReadOnly;
        if (found === undefined ? !canBeMade : found.isDir !== isDir) throw linuxerr.EBUSY;
      }
      return start;
    } finally {
      yield* snapshot.close();
    }
  }

  /** Errors: EIO. */
  *#newName(subvolumes: Subvolumes): Op<string> {
    const taken = new Set((yield* subvolumes.list()).map(({ name }) => name));
    const wanted = `before-rollback-${new Date(this.#nowMs).toISOString()}`;
    let name = wanted;
    for (let number = 2; taken.has(name); number++) name = `${wanted}-${number}`;
    return name;
  }

  /**
   * Puts what is mounted in a tree that has become another one at the same paths again. What finds
   * no place is detached. Errors: the first one, after all.
   */
  *#placeAgain({ mount, filesystem }: Place, submounts: readonly Submount[]): Op<void> {
    const { namespace } = this.#options.vfs;
    const places: { readonly submount: Submount; readonly dentry: Dentry | undefined }[] = [];
    const failures: unknown[] = [];
    for (const submount of submounts) {
      try {
        const dentry = yield* this.#mountPoint(mount, filesystem, submount);
        places.push({ submount, dentry });
      } catch (error) {
        failures.push(error);
        places.push({ submount, dentry: undefined });
      }
    }
    // Only now: resolving would have gone on in what is mounted.
    for (const { submount, dentry } of places) {
      if (dentry === undefined) yield* namespace.detachTree(submount.mount);
      else {
        namespace.move(submount.mount, dentry);
        dentry.decRef();
      }
    }
    if (failures.length > 0) throw failures[0];
  }

  /** The dentry for a mount point, with a reference; missing directories are made. */
  *#mountPoint(mount: Mount, filesystem: Idbfs, { names, isDir }: Submount): Op<Dentry> {
    const root = { mount, dentry: filesystem.root };
    const resolving = (count: number): ResolvingPath => {
      const path = `/${names.slice(0, count).join('/')}`;
      const operation = { root, start: root, path, followFinalSymlink: false };
      return new ResolvingPath(this.#options.vfs.namespace, ROOT_CREDENTIALS, operation);
    };
    for (let count = 1; isDir && count <= names.length; count++) {
      try {
        yield* filesystem.mkdirAt(resolving(count), { mode: 0o755, umask: 0 });
      } catch (error) {
        if (error !== linuxerr.EEXIST) throw error;
      }
    }
    return yield* filesystem.getDentryAt(resolving(names.length));
  }

  *#alone<T>(run: (this: Snapshots) => Op<T>): Op<T> {
    yield* this.#mutex.lock();
    try {
      return yield* run.call(this);
    } finally {
      this.#mutex.unlock();
    }
  }

  /**
   * Errors: those of the path and of heldStoreOf(); EOPNOTSUPP; EROFS if it is to change and is
   * mounted read-only.
   */
  *#place(path: string, { changes }: { readonly changes: boolean }): Op<Place> {
    checkPathText(path);
    const { vfs } = this.#options;
    const { root } = vfs.namespace;
    const operation = { root, start: root, path, followFinalSymlink: true };
    const vd = yield* vfs.getDentryAt(ROOT_CREDENTIALS, operation);
    decRefVd(vd);
    const { mount } = vd;
    const filesystem = heldStoreOf(mount);
    const { subvolumes } = filesystem;
    if (subvolumes === undefined) throw linuxerr.EOPNOTSUPP;
    if (changes && mount.flags.readOnly) throw linuxerr.EROFS;
    return { mount, filesystem, subvolumes };
  }

  get #nowMs(): number {
    // What the store keeps has no sign.
    return Math.max(0, Math.floor(timespecToMs(this.#options.clock.now())));
  }
}

/** The name of the tree that is mounted, if it isn't the main one. */
export function snapshotOf({ filesystem }: Mount): string | undefined {
  return filesystem instanceof Idbfs ? filesystem.subvolume : undefined;
}

/** As for a file. Errors: EINVAL, ENAMETOOLONG, EILSEQ. */
function checkSnapshotName(name: string): void {
  if (name === '' || name === '.' || name === '..' || name.includes('/')) throw linuxerr.EINVAL;
  if (isLongerThan(name, NAME_MAX)) throw linuxerr.ENAMETOOLONG;
  checkPathText(name);
}

/** What is mounted on something below the root of a mount. */
function submountsOf(mount: Mount): Submount[] {
  const submounts: Submount[] = [];
  for (const child of mount.children) {
    const names: string[] = [];
    let dentry = child.point?.dentry;
    while (dentry !== undefined && dentry !== mount.root) {
      if (dentry.place !== undefined) names.unshift(dentry.place.name);
      dentry = dentry.place?.parent;
    }
    if (names.length > 0) submounts.push({ mount: child, names, isDir: child.root.isDir });
  }
  return submounts;
}

/**
 * What lies at a path in a store; undefined if nothing does, and directories could be made there.
 * Errors: EBUSY if they couldn't; EIO.
 */
function* placeIn(store: Store, names: readonly string[]): Op<{ isDir: boolean } | undefined> {
  for (let count = 1; count <= names.length; count++) {
    const mode = yield* modeAt(store, names.slice(0, count));
    if (mode === undefined) return undefined;
    const isDir = (mode & S_IFMT) === S_IFDIR;
    if (count === names.length) return { isDir };
    if (!isDir) throw linuxerr.EBUSY;
  }
  return undefined;
}
