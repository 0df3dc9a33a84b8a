// What mount options come to, and what they are without. Mirrors gVisor
// pkg/sentry/fsimpl/gofer (filesystemOptions); README.md says what the cache modes do.

/** Who else may change the files, and so what is remembered of them. */
export type CacheMode = 'exclusive' | 'writethrough' | 'shared' | 'none';

export interface GoferSettings {
  readonly cache: CacheMode;
  /** Names in memory that nobody uses. */
  readonly dentryCacheLimit: number;
  /** Bytes of files' data in memory. */
  readonly cacheSize: number;
  /** Bytes written that the server has not got; more than that waits. */
  readonly dirtyLimit: number;
  /** Who owns what the server says nobody owns. */
  readonly dfltuid: number;
  readonly dfltgid: number;
}

const OVERFLOW_ID = 65534;

export const DEFAULTS: GoferSettings = {
  cache: 'exclusive',
  // A name takes some 500 bytes here, and a round trip if it is not here.
  dentryCacheLimit: 16_384,
  cacheSize: 64 << 20,
  dirtyLimit: 16 << 20,
  dfltuid: OVERFLOW_ID,
  dfltgid: OVERFLOW_ID,
};

/** gVisor's names of the modes, as text of mount(2). */
const CACHE_NAMES: Readonly<Record<string, CacheMode>> = {
  fscache: 'exclusive',
  fscache_writethrough: 'writethrough',
  remote_revalidating: 'shared',
  none: 'none',
  exclusive: 'exclusive',
  writethrough: 'writethrough',
  shared: 'shared',
};

/** Undefined for a name that there isn't. */
export function cacheModeOf(name: string): CacheMode | undefined {
  return Object.hasOwn(CACHE_NAMES, name) ? CACHE_NAMES[name] : undefined;
}

/** For messages. */
export const CACHE_MODE_NAMES = Object.keys(CACHE_NAMES);
