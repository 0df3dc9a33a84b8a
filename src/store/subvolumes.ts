// Subvolumes: the contract of a store that can hold several trees, which share what is alike in
// them (btrfs: subvolumes and snapshots). The store itself is the main tree. Each of the others has
// a name, and is a store of its own once it is opened; commits of all of them happen one after the
// other. README.md says how.

import type { Op } from '../lib/op.ts';
import type { Store } from './store.ts';

export interface SubvolumeInfo {
  readonly name: string;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  /** Commits to it fail with EROFS. */
  readonly isReadOnly: boolean;
}

export interface SnapshotOptions extends SubvolumeInfo {
  /** Whose last commit it shows. Default: the main tree's. */
  readonly of?: string | undefined;
}

/** Every method that changes something is a strict commit, and can fail as Store.commit() does. */
export interface Subvolumes {
  /** All there are, in the order of their names. Errors: EIO. */
  list(): Op<SubvolumeInfo[]>;

  /**
   * Makes a tree that is as another one is now, in constant time.
   *
   * Errors:
   *  - ENOENT if there is no tree to take it of.
   *  - EEXIST if the name is taken.
   */
  snapshot(options: SnapshotOptions): Op<void>;

  /**
   * Deletes a tree, in constant time: its space is given back by and by, in commits that follow on
   * their own. A store that is opened goes on with that after its first commit.
   *
   * Errors:
   *  - ENOENT if there is none of that name.
   *  - EBUSY if it is open.
   */
  delete(name: string): Op<void>;

  /**
   * Makes the main tree what a named one is now, in constant time. Whoever has the main tree open
   * sees the new one from then on, and must have no changes of the old one to commit.
   *
   * Errors:
   *  - ENOENT if there is none of that name.
   *  - EEXIST if there is one of the name `keepAs.name`.
   *  - EBUSY if it is open, and not read-only.
   */
  rollback(
    name: string,
    /** What the main tree was before becomes a tree of this name. Null: it is given up. */
    options: { readonly keepAs: SubvolumeInfo | null },
  ): Op<void>;

  /**
   * A named tree as a store. Closing it leaves the store open that it belongs to.
   *
   * Errors:
   *  - ENOENT if there is none of that name.
   *  - EBUSY if it is open already, and not read-only.
   */
  open(name: string): Op<Store>;
}
