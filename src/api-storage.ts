// The public API's types: how mounted filesystems are, and what they keep.

import type { LinkState } from './api-links.ts';

/**
 * Which tab has a store open. 'none' while it changes hands; 'silent' if it is another tab that
 * doesn't answer, as the browser has frozen it, or it hangs. With these operations wait.
 */
export type StoreHolder = 'this-tab' | 'other-tab' | 'silent' | 'none';

export interface HolderChange {
  /** Name of the store. */
  readonly source: string;
  readonly holder: StoreHolder;
}

/** State of the last commit of a persistent filesystem, for a user interface. */
export interface CommitState {
  /**
   * 'good': changes are saved. 'full': writing is ENOSPC, removing works. 'read-only': the browser
   * failed to write; changes are EROFS until it works again. 'lost': for good; they are EIO.
   */
  readonly health: 'good' | 'full' | 'read-only' | 'lost';
  /** Bytes changed and not yet committed. */
  readonly dirtyBytes: number;
  /** True while a commit is under way. */
  readonly committing: boolean;
  /** Number of commits since the mount. */
  readonly commits: number;
  /** Time of the last finished commit in ms since 1970, or null. */
  readonly lastCommit: number | null;
  /** Why the health isn't good and what to do about it, in words; or null. */
  readonly error: string | null;
  /** Null: it is kept in IndexedDB alone. */
  readonly mirror: MirrorState | null;
}

/** State of a filesystem that is kept in IndexedDB and in OPFS. */
export interface MirrorState {
  /** 'OPFS' or 'IndexedDB': where reads come from, and what has a commit first. */
  readonly leader: string;
  readonly follower: string;
  /**
   * 'whole': both have everything, but for `behindBytes`. 'resilvering': the follower is being made
   * anew from the leader. 'degraded': only the leader is written; `reason` says why.
   */
  readonly state: 'whole' | 'resilvering' | 'degraded';
  /** What the follower is about to get, in bytes. */
  readonly behindBytes: number;
  /** Of what is being made anew. */
  readonly copiedBytes: number;
  readonly reason: string | null;
}

export interface MountInfo {
  readonly path: string;
  readonly type: string;
  readonly source: string;
  /** By its options, as a snapshot, or because its storage fails: see CommitState.health. */
  readonly readOnly: boolean;
  /** Name of the snapshot or clone that is mounted; null for everything else. */
  readonly snapshot: string | null;
  /** Null for filesystems that keep nothing; of what this tab changed, if another holds it. */
  readonly commit: CommitState | null;
  /** Null for filesystems without a store. */
  readonly holder: StoreHolder | null;
  /** Null for filesystems without a server. */
  readonly link: LinkState | null;
}

/** What the browser says of this site's storage. */
export interface StorageInfo {
  /** False: it may delete it when it runs out of space. Null, here and below: it doesn't tell. */
  readonly persisted: boolean | null;
  /** Bytes this site uses, all filesystems and everything else together. */
  readonly usedBytes: number | null;
  /** Bytes it may use; Chromium always tells of 10 GiB more than are used. */
  readonly quotaBytes: number | null;
}
