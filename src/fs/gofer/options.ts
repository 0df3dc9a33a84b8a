// What mount options come to, and what they are without. Mirrors gVisor
// pkg/sentry/fsimpl/gofer (filesystemOptions); README.md says what the cache modes do.

import { LATEST_VERSION, parseVersion } from '../../p9/version.ts';

/** Who else may change the files, and so what is remembered of them. */
export type CacheMode = 'exclusive' | 'writethrough' | 'shared' | 'none';

/** How the server is talked to. */
export type GoferVersion =
  | { readonly protocol: 'lisafs' }
  /** `versionMax`: the latest of gVisor's extensions to ask for. */
  | { readonly protocol: '9p2000.L'; readonly versionMax: number };

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

/**
 * The protocol of a `version` option: lisafs, or 9P2000.L with whichever of gVisor's extensions the
 * server has; 9P2000.L.Google.N has none after N. Undefined for one that there isn't.
 */
export function versionOf(text: string): GoferVersion | undefined {
  if (text === 'lisafs') return { protocol: 'lisafs' };
  const version = parseVersion(text);
  if (version === undefined || version > LATEST_VERSION) return undefined;
  return { protocol: '9p2000.L', versionMax: version === 0 ? LATEST_VERSION : version };
}

/** For messages. */
export const VERSION_NAMES = ['lisafs', '9P2000.L', `9P2000.L.Google.1 to ${LATEST_VERSION}`];

/** Of 9P messages: less has no room for what is to be read and written. */
export const MSIZE_MIN = 4096;
