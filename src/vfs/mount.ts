// Mount: the attachment of a filesystem's subtree at a mount point.
// Mirrors gVisor pkg/sentry/vfs/mount.go; Linux: struct mount.
//
// References: open descriptions, task roots and working directories, and operations under way in
// the mount. Without MNT_DETACH only a mount without references and children can be unmounted.

import { linuxerr } from '../abi/errno.ts';
import { ST_NOATIME, ST_NODEV, ST_NOEXEC, ST_NOSUID, ST_RDONLY } from '../abi/stat.ts';
import { assert } from '../lib/assert.ts';
import { type Op, WaitQueue } from '../lib/op.ts';
import type { Dentry, VirtualDentry } from './dentry.ts';
import type { Filesystem } from './filesystem.ts';

export interface MountFlags {
  readonly readOnly: boolean;
  readonly noatime: boolean;
  /** Device nodes don't open: EACCES. */
  readonly nodev?: boolean;
  /** Nothing may be executed: EACCES. */
  readonly noexec?: boolean;
  /** Set-id bits have no effect. They have none here anyway: it is only shown. */
  readonly nosuid?: boolean;
}

/** Woken when the mount is thawed. */
class Freeze extends WaitQueue {
  hasReplaced = false;
}

export class Mount {
  /** Of statx(2). Never reused. */
  readonly id: number;
  readonly filesystem: Filesystem;
  /** The root of the mounted subtree. */
  readonly root: Dentry;
  /** Name shown in the mount table: idbfs's store, a bind mount's origin. */
  readonly source: string;
  /** What is covered; undefined for the root of the namespace and after unmounting. */
  point: VirtualDentry | undefined;
  /** Mounts whose mount point lies in this mount. */
  readonly children = new Set<Mount>();
  isUnmounted = false;
  /** Called when the last reference goes, if it was detached while in use. */
  onUnused: (() => void) | undefined;
  #refs = 0;
  #writers = 0;
  #flags: MountFlags;
  #freeze: Freeze | undefined;

  constructor(options: {
    id: number;
    filesystem: Filesystem;
    root: Dentry;
    source: string;
    flags: MountFlags;
  }) {
    this.id = options.id;
    this.filesystem = options.filesystem;
    this.root = options.root;
    this.source = options.source;
    this.#flags = options.flags;
    this.root.incRef();
  }

  get flags(): MountFlags {
    return this.#flags;
  }

  /** By its flags, or because its filesystem is. */
  get isReadOnly(): boolean {
    return this.#flags.readOnly || this.filesystem.isReadOnly;
  }

  get isBusy(): boolean {
    return this.#refs > 0 || this.children.size > 0;
  }

  /** ST_ flags for statfs(2). */
  get statfsFlags(): number {
    const { noatime, nodev, noexec, nosuid } = this.#flags;
    let flags = this.isReadOnly ? ST_RDONLY : 0;
    if (noatime) flags |= ST_NOATIME;
    if (nodev === true) flags |= ST_NODEV;
    if (noexec === true) flags |= ST_NOEXEC;
    if (nosuid === true) flags |= ST_NOSUID;
    return flags;
  }

  /** Open descriptions, roots and working directories, and operations under way. */
  get refs(): number {
    return this.#refs;
  }

  /** Operations by path wait from now on before they enter the mount. Linux: freeze_super(). */
  freeze(): void {
    assert(this.#freeze === undefined, 'a mount frozen twice');
    this.#freeze = new Freeze();
  }

  /** While it is frozen: what its dentries stood for has gone, apart from the root. */
  replaced(): void {
    assert(this.#freeze !== undefined, 'the mount is frozen');
    this.#freeze.hasReplaced = true;
  }

  thaw(): void {
    const freeze = this.#freeze;
    this.#freeze = undefined;
    freeze?.wakeAll();
  }

  get isFrozen(): boolean {
    return this.#freeze !== undefined;
  }

  /** Waits. Errors: ESTALE if `dentry` is one of those that have gone meanwhile. */
  *untilThawed(dentry: Dentry): Op<void> {
    while (this.#freeze !== undefined) {
      const freeze = this.#freeze;
      yield freeze;
      if (freeze.hasReplaced && dentry.isDead) throw linuxerr.ESTALE;
    }
  }

  incRef(): void {
    this.#refs++;
  }

  decRef(): void {
    assert(this.#refs > 0, 'mount reference dropped twice');
    if (--this.#refs === 0) this.onUnused?.();
  }

  /** Errors: EROFS on a read-only mount; those of Filesystem.checkWritable(). */
  checkWritable(): void {
    if (this.#flags.readOnly) throw linuxerr.EROFS;
    this.filesystem.checkWritable();
  }

  /** Registers a writable description. Errors: as checkWritable(). */
  beginWrite(): void {
    this.checkWritable();
    this.#writers++;
  }

  endWrite(): void {
    assert(this.#writers > 0, 'mount writer dropped twice');
    this.#writers--;
  }

  /** Errors: EBUSY when made read-only while something is open for writing. */
  setFlags(flags: MountFlags): void {
    if (flags.readOnly && !this.#flags.readOnly && this.#writers > 0) throw linuxerr.EBUSY;
    this.#flags = flags;
  }
}
