// What was asked for when a gofer is mounted, checked: the errors say what would be right.

import { MSIZE_MAX } from '../../p9/frame.ts';
import { GoferError } from './gofer-error.ts';
import type { GoferOptions } from './mount-options.ts';
import {
  CACHE_MODE_NAMES,
  type CacheMode,
  cacheModeOf,
  DEFAULTS,
  type GoferSettings,
  type GoferVersion,
  MSIZE_MIN,
  VERSION_NAMES,
  versionOf,
} from './options.ts';

export interface CheckedOptions {
  readonly version: GoferVersion;
  /** Bytes of a 9P message. */
  readonly msize: number;
  /** Begins with a slash, and has neither `.` nor `..`. */
  readonly aname: string;
  readonly timeoutMs: number;
  readonly token: GoferOptions['token'];
  readonly settings: GoferSettings;
}

const TIMEOUT_MS = 60_000;

/** All there are: one that is missing here doesn't compile. */
const NAMES: Readonly<Record<keyof GoferOptions, true>> = {
  aname: true,
  cache: true,
  cacheSize: true,
  dentry_cache_limit: true,
  dfltgid: true,
  dfltuid: true,
  dirtyLimit: true,
  force_page_cache: true,
  msize: true,
  timeout: true,
  token: true,
  version: true,
};

/** Most that an owner or a group can be: one more is "leave it as it is". */
const ID_MAX = 0xffff_fffe;

/** Errors: GoferError. */
export function checkOptions(options: GoferOptions): CheckedOptions {
  const unknown = Object.keys(options).find((name) => !Object.hasOwn(NAMES, name));
  if (unknown !== undefined) {
    throw new GoferError(
      `${unknown} is no mount option of a gofer: they are ${Object.keys(NAMES).join(', ')}.`,
    );
  }
  const version = checkVersion(options);
  const cache = checkCache(options);
  const number = (name: NumberName, fallback: number, max?: number): number => {
    const { [name]: value = fallback } = options;
    return checkNumber(name, value, max);
  };
  return {
    version,
    msize: checkMsize(options, version),
    aname: checkAname(options),
    timeoutMs: number('timeout', TIMEOUT_MS),
    token: options.token,
    settings: {
      cache,
      dentryCacheLimit: number('dentry_cache_limit', DEFAULTS.dentryCacheLimit),
      cacheSize: number('cacheSize', DEFAULTS.cacheSize),
      dirtyLimit: number('dirtyLimit', DEFAULTS.dirtyLimit),
      dfltuid: number('dfltuid', DEFAULTS.dfltuid, ID_MAX),
      dfltgid: number('dfltgid', DEFAULTS.dfltgid, ID_MAX),
    },
  };
}

type NumberName =
  'timeout' | 'dentry_cache_limit' | 'cacheSize' | 'dirtyLimit' | 'dfltuid' | 'dfltgid';

function checkNumber(name: string, value: unknown, max = Number.MAX_SAFE_INTEGER): number {
  if (Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= max) {
    return value as number;
  }
  const most = max === Number.MAX_SAFE_INTEGER ? 'and not negative' : `from 0 to ${max}`;
  throw new GoferError(`${name}=${shown(value)} must be a whole number, ${most}.`);
}

function checkVersion({ version: text = 'lisafs' }: GoferOptions): GoferVersion {
  const version = typeof text === 'string' ? versionOf(text) : undefined;
  if (version !== undefined) return version;
  throw new GoferError(
    `version=${shown(text)} is no protocol of a gofer: use one of ${VERSION_NAMES.join(', ')}.`,
  );
}

function checkMsize({ msize }: GoferOptions, { protocol }: GoferVersion): number {
  if (msize === undefined) return MSIZE_MAX;
  if (protocol === 'lisafs') {
    throw new GoferError(
      `msize=${shown(msize)} is for version=9P2000.L: leave it out with lisafs.`,
    );
  }
  if (!Number.isSafeInteger(msize) || msize < MSIZE_MIN || msize > MSIZE_MAX) {
    throw new GoferError(
      `msize=${shown(msize)} must be a whole number of bytes from ${MSIZE_MIN} to ${MSIZE_MAX}.`,
    );
  }
  return msize;
}

/** The mode of `cache`, and `force_page_cache` against it. */
function checkCache({ cache: name = DEFAULTS.cache, force_page_cache }: GoferOptions): CacheMode {
  const cache = typeof name === 'string' ? cacheModeOf(name) : undefined;
  if (cache === undefined) {
    const names = CACHE_MODE_NAMES.join(', ');
    throw new GoferError(`cache=${shown(name)} is no cache mode of a gofer: use one of ${names}.`);
  }
  const forced: unknown = force_page_cache;
  if (forced !== undefined && typeof forced !== 'boolean') {
    throw new GoferError(`force_page_cache=${shown(forced)} must be true or false.`);
  }
  if (forced === true && cache === 'none') {
    throw new GoferError(
      "force_page_cache=true doesn't go with cache=none, which has no page cache: leave one out.",
    );
  }
  return cache;
}

/** As path.Clean of Go does it: without asking the server, so of `..` too. */
function checkAname({ aname = '/' }: GoferOptions): string {
  if (typeof aname !== 'string' || !aname.startsWith('/')) {
    throw new GoferError(`aname=${shown(aname)} must be an absolute path: begin it with "/".`);
  }
  const names: string[] = [];
  for (const name of aname.split('/')) {
    if (name === '..') names.pop();
    else if (name !== '' && name !== '.') names.push(name);
  }
  return `/${names.join('/')}`;
}

function shown(value: unknown): string {
  if (typeof value === 'bigint') return `${value}n`;
  return typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? String(value));
}
