// The public API's types for snapshots of persistent filesystems.

/** A snapshot of a persistent filesystem, or a clone, which is one that can be written. */
export interface SnapshotInfo {
  readonly name: string;
  /** In ms since 1970. */
  readonly createdAt: number;
  readonly isWritable: boolean;
}

/**
 * What a Kernel does with snapshots. `path` is one on the filesystem meant, an idbfs; others are
 * EOPNOTSUPP, and a KernelError 'locked' if another tab holds the store, or did when it was
 * mounted. All that changes something is EROFS where the filesystem was mounted `readOnly`, and on
 * stable storage when it resolves. Snapshots take no time, whatever they hold, and the space of
 * what has changed since.
 */
export interface Snapshots {
  /**
   * Takes a snapshot of the filesystem as it is now; what is mounted within it is not part of it. A
   * `writable` one is a clone: mounted, it can be changed. Of a mounted clone or snapshot another
   * one can be taken in the same way.
   *
   * Rejects with EEXIST if the name is taken; EINVAL for '', '.', '..' and names with a '/';
   * ENAMETOOLONG from 256 bytes on; ENOSPC.
   */
  snapshot(path: string, name: string, options?: { writable?: boolean }): Promise<void>;
  /** In the order of their names. */
  snapshots(path: string): Promise<SnapshotInfo[]>;
  /**
   * Deletes a snapshot. The space that only it has used is given back soon after, in the
   * background. Rejects with ENOENT, or EBUSY if it is mounted.
   */
  deleteSnapshot(path: string, name: string): Promise<void>;
  /**
   * Makes the filesystem what a snapshot of it is, in place; the snapshot stays. What it was before
   * is kept as a snapshot, `keepAs` or `before-rollback-<time>`, whose name this resolves with;
   * null gives it up. What is mounted within it stays mounted: missing mount points are made.
   * Watches end with 'unmount'.
   *
   * Rejects with EBUSY, and nothing has changed, if another tab uses it; if anything of the
   * filesystem is in use: an open file or directory (programs that run have their preopens open),
   * a working directory other than its root, a bind mount, a socket somebody listens at; if the
   * snapshot is a clone that is mounted; if something is mounted where the snapshot has another
   * kind of file. Rejects with ENOENT if there is no such snapshot, EEXIST if `keepAs` is taken,
   * EINVAL if `path` is on a mounted snapshot or clone.
   */
  rollback(
    path: string,
    name: string,
    options?: { keepAs?: string | null },
  ): Promise<string | null>;
}
