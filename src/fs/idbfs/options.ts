// What an idbfs can be mounted with, and what holds where nothing is said.

import type { Store } from '../../store/store.ts';
import type { LocalOptions } from '../shared/local-filesystem.ts';

export interface IdbfsOptions extends LocalOptions {
  readonly store: Store;
  readonly dev: number;
  /** Bytes of file data kept in memory. Default: 64 MiB. */
  readonly cacheSize?: number | undefined;
  /** Bytes of changes that start a commit. Default: 8 MiB. */
  readonly dirtyLimit?: number | undefined;
  /** Milliseconds from a change to its commit. Default: 1000. */
  readonly commitInterval?: number | undefined;
  /**
   * Lets the event loop run once. Writers who had to wait for a commit wait for that as well, so
   * that the next commit gets to the medium before they go on. Default: they go on at once.
   */
  readonly nextTurn?: (() => Promise<void>) | undefined;
  /** Tests set these low, so that they reach what lies beyond. */
  readonly limits?: IdbfsLimits | undefined;
  /** Files without a name stay until removeOrphans(): another tab may have them open. */
  readonly keepsOrphans?: boolean | undefined;
}

export interface IdbfsLimits {
  /** Names in memory. */
  readonly dentries: number;
  /** Entries of a listing read at once. */
  readonly listingBatch: number;
  /** The least a cache may be set to, in bytes. */
  readonly cacheSizeMin: number;
}

export const DEFAULTS = {
  cacheSize: 64 << 20,
  dirtyLimit: 8 << 20,
  commitInterval: 1000,
  limits: { dentries: 50_000, listingBatch: 256, cacheSizeMin: 4 << 20 },
} as const;
